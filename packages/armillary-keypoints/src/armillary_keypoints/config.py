"""Settings of the parts: what each needs to be built, with unit and source.

Defaults are AutoLink's code; what Wang, Cao and Bernard 2024 leave to a supplement that is not public (h, n, the MLP, the
start) is ours, with what led to it. Weights of losses, optimiser and budget stand in ``recipes.py``.
"""

from typing import Literal

import attrs
from attrs.validators import and_, ge, gt, le, min_len

from armillary.config import param

_PAPER = "Wang, Cao, Bernard 2024"
_AUTOLINK = "He, Wandt, Rhodin 2022, arXiv:2205.10636"
_ENCODER = "xingzhehe/AutoLink, models/encoder.py"
_DECODER = "xingzhehe/AutoLink, models/decoder.py"
_LOSS = "xingzhehe/AutoLink, utils_/loss.py"
_TRAIN = "xingzhehe/AutoLink, train.py"
_OPEN = "ours: the paper leaves it to a supplement that is not public"

_SEARCH = "ours: on true 2D landmarks of synthetic:heads, in the package's README"

_COARSEST = 16


@attrs.frozen(kw_only=True)
class KeypointsConfig:
    """The method's own."""

    cells: int = param(
        16,
        unit="cell",
        source=f"{_TRAIN}: block; in prediction ours, a fixed fifth of them is kept",
        validator=gt(0),
        help="of the mask in prediction, along each side; in training the transform has its own",
    )


@attrs.frozen(kw_only=True)
class RandomMaskConfig:
    """What the decoder may see of the picture."""

    cells: int = param(16, unit="cell", source=f"{_TRAIN}: block", validator=gt(0), help="along each side")
    missing: float = param(
        0.8,
        unit="probability",
        source=f"{_TRAIN}: missing; {_PAPER}, Section 3: 80 per cent",
        validator=and_(ge(0.0), le(1.0)),
        help="that a cell is taken away",
    )


def _check_size(_: object, attribute: "attrs.Attribute[int | None]", value: int | None) -> None:
    if value is not None and (value < 2 * _COARSEST or value % _COARSEST):
        raise ValueError(f"{attribute.name} must be a multiple of {_COARSEST} from {2 * _COARSEST} on, not {value}")


def _check_even(_: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    if value < 2 or value % 2:
        raise ValueError(f"{attribute.name} must be even, not {value}")


@attrs.frozen(kw_only=True)
class DetectorConfig:
    """Trunk of the detector."""

    features: int = param(
        128,
        source=f"{_ENCODER}: 64, 128, 256, 512, 256, 128",
        validator=_check_even,
        help="channels that come out; the blocks have 1/2, 1, 2, 4 and 2 times as many",
    )
    size: int | None = param(
        None,
        unit="pixel",
        source=f"{_ENCODER}: 128, the size of its pictures",
        validator=_check_size,
        help="side to which pictures are resized first; not given: as they are",
    )


@attrs.frozen(kw_only=True)
class KeypointsHeadConfig:
    """From features to key points."""

    points: int = param(
        8, source=f"{_PAPER}, Tables 2 and 3: 8, 16, 24, 32", validator=ge(2), help="how many key points: K"
    )
    temperature: float = param(
        1.0,
        source=f"{_ENCODER}: none",
        validator=gt(0.0),
        help="by which the heat maps are divided before their softmax; below 1 they start as peaks",
    )


@attrs.frozen(kw_only=True)
class EdgesConfig:
    """The drawn graph."""

    thickness: float = param(
        2.5e-3,
        unit="squared units of [-1, 1]",
        source="xingzhehe/AutoLink, README: thick of CelebA in the wild with 8 points; 1e-3 where none is given",
        validator=gt(0.0),
        help="sigma squared, of the exponential; depends on the objects more than anything else",
    )
    distance: Literal["squared", "plain"] = param(
        "squared",
        source=f"{_DECODER}: draw_lines; both papers print the plain distance",
        help="squared: exp(-d^2 / thickness); plain: exp(-d / thickness)",
    )
    multiplier: float = param(
        512.0,
        source=f"{_TRAIN}: sklr",
        validator=gt(0.0),
        help="by which the scalars of the edges are multiplied, and so their steps",
    )
    initial: float = param(-4.0, source=_DECODER, help="mean of the multiplied scalars at the start, before softplus")
    spread: float = param(0.1, source=_DECODER, validator=ge(0.0), help="their standard deviation")


@attrs.frozen(kw_only=True)
class DecoderConfig:
    """The picture again."""

    width: int = param(
        64, source=_DECODER, validator=gt(0), help="channels of the finest level; the next have 2, 4, 8 and 8 times"
    )


@attrs.frozen(kw_only=True)
class ShapeSpaceConfig:
    """Mean, basis and what places them."""

    basis: int = param(
        5,
        source=f"{_SEARCH}: 1 and 5 are alike, 20 is worse",
        validator=ge(1),
        help="n, directions in which the shape may change",
    )
    hidden: int = param(
        128, source=f"{_OPEN}; not searched", validator=gt(0), help="channels of each hidden layer of the MLP"
    )
    layers: int = param(2, source=f"{_OPEN}; not searched", validator=ge(1), help="hidden layers of the MLP")
    mean_spread: float = param(
        0.1,
        unit="normalised",
        source=f"{_SEARCH}: 0.3 does as well",
        validator=gt(0.0),
        help="standard deviation of the mean shape at the start; 0 would leave it flat for ever",
    )
    basis_spread: float = param(
        0.01,
        unit="normalised",
        source=f"{_SEARCH}: depth agrees with the truth to 0.93, and to 0.74 from a start ten times as large",
        validator=gt(0.0),
        help="standard deviation of the basis at the start; a small one lets shapes turn before they bend",
    )
    momentum: float = param(
        0.05,
        source="ours: the average over some 20 batches",
        validator=and_(gt(0.0), le(1.0)),
        help="share of a batch in the average shape, which decides the sign of depth",
    )


@attrs.frozen(kw_only=True)
class RepulsionConfig:
    """Key points keep apart."""

    reach: float = param(
        0.2,
        unit="normalised",
        source=f"{_OPEN}; not searched",
        validator=gt(0.0),
        help="h, the distance to which neighbours are driven",
    )


_NORM_SOURCE = f"{_LOSS}: l1_loss; {_PAPER}, Eq. 4 prints the Euclidean norm"
_NORM_HELP = "l1: mean absolute difference; l2: root of the mean square"


@attrs.frozen(kw_only=True)
class PerceptualConfig:
    """Distance of VGG-16 features."""

    weights: str = param("file", source=f"{_LOSS}: ImageNet", help='"file", the asset vgg16; or "random:SEED"')
    layers: tuple[str, ...] = param(
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), source=_LOSS, validator=min_len(1), help="that are compared"
    )
    size: int = param(
        224, unit="pixel", source=_LOSS, validator=ge(0), help="side to which both pictures are resized; 0: as they are"
    )
    norm: Literal["l1", "l2"] = param("l1", source=_NORM_SOURCE, help=_NORM_HELP)


@attrs.frozen(kw_only=True)
class FeatureDistanceConfig:
    """Distance of features of the slot ``features``."""

    norm: Literal["l1", "l2"] = param("l1", source=_NORM_SOURCE, help=_NORM_HELP)
