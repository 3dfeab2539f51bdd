"""Settings of the parts: what each needs to be built, with unit and source.

Defaults are the authors' re-implementation on CelebA faces, because the paper's own training details are not at hand. Weights of
losses, optimiser and budget stand in ``recipes.py``.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, le, lt

from armillary.config import param

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_SMALLNET = "jamt9000/DVE, model/smallnet.py"
_HOURGLASS = "jamt9000/DVE, model/hourglass.py"
_LOSS = "jamt9000/DVE, model/loss.py"
_TPS = "jamt9000/DVE, utils/tps.py: Warper"
_LOADERS = "jamt9000/DVE, data_loader/data_loaders.py"
_MEAN = (0.5084, 0.4224, 0.3769)
_STD = (0.2599, 0.2371, 0.2323)
_GROUPS = 64  # the first maps of the hourglass have a quarter of the channels, in 16 groups

Triple = tuple[float, float, float]


_MEAN_IS: Mapping[str, Any] = {
    "unit": "image",
    "source": f"{_LOADERS}: normalize",
    "validator": deep_iterable(and_(ge(0.0), le(1.0))),
    "help": "mean of red, green and blue, taken off at the door",
}
_STD_IS: Mapping[str, Any] = {
    "unit": "image",
    "source": f"{_LOADERS}: normalize",
    "validator": deep_iterable(gt(0.0)),
    "help": "standard deviation of red, green and blue, divided by at the door",
}


@attrs.frozen(kw_only=True)
class DilationsConfig:
    """DILATIONS, the authors' small network."""

    features: int = param(256, source=_SMALLNET, validator=gt(0), help="channels of the last convolution")
    mean: Triple = param(_MEAN, **_MEAN_IS)
    std: Triple = param(_STD, **_STD_IS)


@attrs.frozen(kw_only=True)
class SimpleConfig:
    """SIMPLE, the same without gaps between the weights."""

    features: int = param(
        256,
        source="ours: as DILATIONS; no source gives the sizes",
        validator=gt(0),
        help="channels of the last convolution",
    )
    mean: Triple = param(_MEAN, **_MEAN_IS)
    std: Triple = param(_STD, **_STD_IS)


def _check_groups(_: Any, attribute: Any, value: int) -> None:
    if value < _GROUPS or value % _GROUPS:
        raise ValueError(f"{attribute.name} must be a multiple of {_GROUPS}, not {value}")


@attrs.frozen(kw_only=True)
class HourglassConfig:
    """The hourglass of the later work, one stack."""

    features: int = param(
        256,
        source=f"{_HOURGLASS}: planes_hg x 2",
        validator=_check_groups,
        help="channels of every block but the first",
    )
    norm: Literal["batch", "group"] = param(
        "batch", source=f"{_HOURGLASS}: use_group_norm", help="group does not depend on the batch's other pictures"
    )
    mean: Triple = param(_MEAN, **_MEAN_IS)
    std: Triple = param(_STD, **_STD_IS)


@attrs.frozen(kw_only=True)
class LabelMapConfig:
    """From features to labels."""

    channels: int = param(
        3,
        source=f"{_PAPER}, Section 3.2: L = 3; 16, 32 and 64 in the later work",
        validator=gt(0),
        help="of a label; with more than 3 labels describe, but are no points of a sphere",
    )
    unit: bool = param(
        False,
        source=f"{_LOSS}: normalize_vectors, false in the 3-d runs",
        help="give every label the same length, so that it no longer tells how sure it is",
    )
    scale: float = param(20.0, source=f"{_LOSS}: x 20", validator=gt(0), help="that length")


_GAMMA_IS: Mapping[str, Any] = {
    "source": f"{_PAPER}, Section 4.3, Table 3: 0.5 (robust) or 1; {_LOSS}: pow=0.5",
    "validator": gt(0),
    "help": "power of the distance; below 1 far matches count less",
}


@attrs.frozen(kw_only=True)
class DistanceConfig:
    """Expected distance of the match."""

    gamma: float = param(0.5, **_GAMMA_IS)


@attrs.frozen(kw_only=True)
class ExchangeConfig:
    """Expected distance of the match of labels that are said through another picture's."""

    gamma: float = param(0.5, **_GAMMA_IS)


@attrs.frozen(kw_only=True)
class MarginConfig:
    """Margin between true and wrong matches."""

    scale: float = param(
        1.0,
        source="ours: the paper leaves the margin open",
        validator=gt(0),
        help="margin of a match that is one pixel off, in units of the labels' inner product",
    )
    gamma: float = param(0.5, source="ours: as the distance loss", validator=gt(0), help="power of the distance")


@attrs.frozen(kw_only=True)
class TpsPairConfig:
    """Two warps of one picture by thin-plate splines."""

    control: int = param(10, unit="point", source=_TPS, validator=ge(2), help="control points along each side")
    warp: float = param(
        0.001,
        unit="normalised",
        source=f"{_TPS}: warpsd_all",
        validator=ge(0),
        help="standard deviation of the splines' weights",
    )
    strong_warp: float = param(
        0.01,
        unit="normalised",
        source=f"{_TPS}: warpsd_subset",
        validator=ge(0),
        help="the same for the half of the weights that is drawn again",
    )
    translation: float = param(
        0.1, unit="normalised", source=f"{_TPS}: transsd", validator=ge(0), help="standard deviation along each axis"
    )
    scale: float = param(0.1, source=f"{_TPS}: scalesd", validator=ge(0), help="standard deviation about 1")
    rotation: float = param(
        math.radians(5.0), unit="radian", source=f"{_TPS}: rotsd, 5 degrees", validator=ge(0), help="standard deviation"
    )
    first_warp: float = param(
        0.5, source=f"{_TPS}: im1_multiplier", validator=ge(0), help="factor on the weights of the first warp"
    )
    first_affine: float = param(
        1.0,
        source=f"{_TPS}: im1_multiplier_aff",
        validator=ge(0),
        help="factor on translation, scale and rotation of the first warp",
    )
    margin: float = param(
        0.15,
        unit="share of the side",
        source="jamt9000/DVE, configs/celeba/smallnet-3d.json: crop 15 of 100",
        validator=and_(ge(0), lt(0.5)),
        help="what is cut off at each side after the warp, which hides most of what came in from outside the picture",
    )
    mask_outside: bool = param(
        False,
        source=f"{_PAPER} and {_TPS} mask nothing",
        help="leave pixels out of the loss whose point has left the target",
    )
    landmarks: bool = param(
        False,
        help="carry landmarks into both pictures, for measures; losses do not look at them, and it takes ten times as long",
    )
    unless_paired: bool = param(False, help="leave samples as they are that are pairs already")


@attrs.frozen(kw_only=True)
class FlowPairConfig:
    """A picture and its partner, with the flow between them."""

    minimum_flow: float = param(
        0.0,
        unit="pixel",
        validator=ge(0),
        help="pixels that move by less than this are left out of the loss; 0 leaves out none",
    )
    required: bool = param(True, help="refuse samples without flow; false passes them on, to be warped")


def _check_qualities(_: Any, attribute: Any, value: tuple[int, int]) -> None:
    if not 1 <= value[0] <= value[1] <= 100:
        raise ValueError(f"{attribute.name} needs two qualities from 1 to 100, the lower first, got {value}")


_JITTER_IS: Mapping[str, Any] = {
    "source": f"{_LOADERS}: ColorJitter(.4, .4, .4)",
    "validator": and_(ge(0), le(1)),
    "help": "changes by a factor of 1 minus to 1 plus this",
}


@attrs.frozen(kw_only=True)
class PhotometricConfig:
    """Changes of colour and compression, drawn for each picture by itself."""

    ports: tuple[str, ...] = param(("source", "target"), help="pictures that change")
    jpeg: bool = param(True, source=f"{_LOADERS}: JPEGNoise", help="resize, compress and resize back")
    jpeg_quality: tuple[int, int] = param(
        (30, 98),
        source=f"{_LOADERS}: JPEGNoise, randint(30, 99)",
        validator=_check_qualities,
        help="lowest and highest",
    )
    jpeg_scale: float = param(
        0.5, source=f"{_LOADERS}: JPEGNoise", validator=ge(0), help="standard deviation of the size about 1"
    )
    jpeg_smallest: float = param(
        0.8, source=f"{_LOADERS}: JPEGNoise", validator=gt(0), help="smallest size, as a share of the picture's"
    )
    brightness: float = param(0.4, **_JITTER_IS)
    contrast: float = param(0.4, **_JITTER_IS)
    saturation: float = param(0.4, **_JITTER_IS)
    lighting: float = param(
        0.1,
        source=f"{_LOADERS}: PcaAug",
        validator=ge(0),
        help="standard deviation along the principal colours of natural pictures",
    )
