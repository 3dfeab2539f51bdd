"""Settings of the parts: what each needs to be built, with unit and source.

Defaults are the published run on faces. Weights of losses, optimiser and budget stand in ``recipes.py``.
"""

import math
from typing import Any, Literal

import attrs
from attrs.validators import ge, gt

from armillary.config import param

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_TABLE_4 = f"{_PAPER}, Table 4"
_TABLE_5 = f"{_PAPER}, Table 5"
_TABLE_6 = f"{_PAPER}, Table 6"


def _check_blocks(_: Any, attribute: Any, value: tuple[int, ...]) -> None:
    if not value or min(value) < 1:
        raise ValueError(f"{attribute.name} needs one number >= 1 for each block, got {value}")


@attrs.frozen(kw_only=True)
class ConvEncoderConfig:
    """First half of the depth network."""

    width: int = param(64, source=_TABLE_4, help="channels of the first stage", validator=gt(0))
    features: int = param(128, source=_TABLE_4, help="length of the vector", validator=gt(0))


@attrs.frozen(kw_only=True)
class DenseEncoderConfig:
    """First half of the albedo network."""

    width: int = param(64, source=_TABLE_5, help="channels of the first block", validator=gt(0))
    features: int = param(128, source=_TABLE_5, help="length of the vector", validator=gt(0))
    convolutions: tuple[int, ...] = param(
        (6, 12, 24, 16),
        source=_TABLE_5,
        help="of each block, from the largest map to the smallest",
        validator=_check_blocks,
    )


@attrs.frozen(kw_only=True)
class DepthMapConfig:
    """From a feature vector to the depth of the canonical view, at twice the picture's size."""

    width: int = param(
        64, source=f"ours: as the encoder's, {_TABLE_4}", help="channels of the last stages", validator=gt(0)
    )
    depth_min: float = param(
        0.4, unit="scene", source=f"{_TABLE_6}; 28.5 for cars", help="smallest depth that comes out", validator=gt(0)
    )
    depth_max: float = param(
        0.6, unit="scene", source=f"{_TABLE_6}; 31.5 for cars", help="largest depth that comes out", validator=gt(0)
    )
    bulge: float = param(
        0.0,
        unit="scene",
        source="ours; 0 is the published run",
        help=(
            "how far the shape at which learning starts comes towards the viewer in the middle of the picture; light alone "
            "cannot tell a face from its hollow mould, so that short runs from a flat start end in either"
        ),
        validator=ge(0),
    )

    centred: bool = param(
        False,
        source="ours; False is the published run, True the authors' later code",
        help=(
            "take the mean off each map before it is bounded, so that the object stays about the middle of the range; where it "
            "turns about a point there, it would otherwise drift before that point, and swing aside instead of turning"
        ),
    )

    def __attrs_post_init__(self) -> None:
        if not self.depth_min < self.depth_max:
            raise ValueError(f"depth_min {self.depth_min} must be below depth_max {self.depth_max}")


@attrs.frozen(kw_only=True)
class AlbedoMapConfig:
    """From a feature vector to the albedo of the canonical view."""

    width: int = param(64, source=_TABLE_5, help="channels of the last stages", validator=gt(0))
    convolutions: tuple[int, ...] = param(
        (16, 24, 12, 6),
        source=_TABLE_5,
        help="of each block, from the smallest map to the largest",
        validator=_check_blocks,
    )


@attrs.frozen(kw_only=True)
class LightConfig:
    """From a feature vector to ambient light, diffuse light and a direction."""

    angle_range: float = param(
        math.radians(60.0),
        unit="radian",
        source=f"{_TABLE_6}: light direction x/y",
        help="largest angle to the side and up or down, either way",
        validator=gt(0),
    )


@attrs.frozen(kw_only=True)
class ViewConfig:
    """From a feature vector to the viewpoint of the object."""

    rotation_range: float = param(
        math.radians(60.0),
        unit="radian",
        source=_TABLE_6,
        help="largest component of the rotation vector, either way",
        validator=gt(0),
    )
    translation_range: float = param(
        0.1, unit="scene", source=_TABLE_6, help="largest component of the translation, either way", validator=ge(0)
    )
    depth_translation_range: float | None = param(
        None,
        unit="scene",
        source=f"{_TABLE_6}: as the others",
        validator=attrs.validators.optional(ge(0)),
        help="largest translation along z, either way; not given: translation_range",
    )
    centre_depth: float = param(
        0.0,
        unit="scene",
        source=f"{_PAPER}, Eq. 3: the camera",
        help=(
            "z of the centre of rotation; about the camera itself a turn moves the object out of the picture, which a "
            "translation within its range makes good for small angles only; the authors' later code turns about the object"
        ),
        validator=ge(0),
    )


@attrs.frozen(kw_only=True)
class PhotogeoConfig:
    """Camera and symmetry of the composition."""

    fov: float = param(
        math.radians(25.0),
        unit="radian",
        source=f"{_PAPER}, Eq. 2 and below",
        help="horizontal, over the whole width of the pixels",
        validator=gt(0),
    )
    albedo_symmetry: bool = param(
        True, source=f"{_PAPER}, Section 3.2", help="mirror the albedo, by chance, in training"
    )
    depth_symmetry: bool = param(True, source=f"{_PAPER}, Section 3.2", help="mirror the depth with it")


@attrs.frozen(kw_only=True)
class DepthVarianceConfig:
    """How distances of depth maps are counted."""

    pixels: Literal["sum", "mean"] = param(
        "sum",
        source=f"{_PAPER}, Section 3.3: a squared Frobenius norm",
        help="over the map; the paper divides the perceptual error by its size, and this one not",
    )
