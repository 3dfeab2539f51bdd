"""Settings of this package's measures: which annotated points, which normaliser, and how near is near enough. Light."""

import attrs
from attrs.validators import gt

from armillary.config import param
from armillary.std.annotation_config import (
    PER_CENT_OF,
    WHICH_POINTS,
    Groups,
    Normaliser,
    check_groups,
    check_normaliser,
)

_PAPER = "Wang, Cao, Bernard 2024"
_CODE = "xingzhehe/AutoLink, datasets/celeba_wild.py"
_EYES = f"{_CODE}: points 0 and 1 of five; {_PAPER}: inter-ocular distance"


@attrs.frozen(kw_only=True)
class NmeRegressedConfig:
    """Annotated points of the picture as a linear function of the key points."""

    points: Groups = param("all", source=f"{_CODE}: five points", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param((0, 1), source=_EYES, validator=check_normaliser, help=PER_CENT_OF)


@attrs.frozen(kw_only=True)
class Nme3dRegressedConfig:
    """Annotated points in space as a linear function of the key points in space."""

    points: Groups = param("all", source=f"{_PAPER}: 68 points", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param(
        (0, 1),
        source=f"{_PAPER}: ocular distance; ours: taken in space",
        validator=check_normaliser,
        help=f"{PER_CENT_OF}; a distance of points is taken in space, which a turned head does not shorten",
    )


@attrs.frozen(kw_only=True)
class Nme3dSimilarityConfig:
    """Annotated points in space as fixed mixtures of the key points, each picture aligned by a similarity."""

    points: Groups = param("all", source=f"{_PAPER}: 68 points", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param(
        (0, 1),
        source=f"{_PAPER}: ocular distance; ours: taken in space",
        validator=check_normaliser,
        help=f"{PER_CENT_OF}; a distance of points is taken in space, which a turned head does not shorten",
    )


@attrs.frozen(kw_only=True)
class PckConfig:
    """Share of annotated points that are found near enough."""

    points: Groups = param("all", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param(
        "image",
        source=f"{_PAPER}: pixels of a picture of 255",
        validator=check_normaliser,
        help=f"{PER_CENT_OF}; the threshold is a part of the same length",
    )
    threshold: float = param(
        6 / 255,
        unit="share of the normaliser",
        source="AutoLink, He, Wandt, Rhodin 2022: 6 pixels of 255 on DeepFashion",
        validator=gt(0.0),
        help="largest error that counts as found",
    )
