"""Settings of the parts that more than one method uses."""

from typing import Any, Literal

import attrs
from attrs.validators import and_, ge, gt, le, lt

from armillary.config import param


@attrs.frozen(kw_only=True)
class MultiscaleGradientConfig:
    """Differences of image gradients over a pyramid."""

    scales: int = param(4, unit="level", validator=ge(1), help="levels of the pyramid, each half the size of the last")


_NETWORKS = "elliottwu/unsup3d, unsup3d/networks.py"
_MODEL = "elliottwu/unsup3d, unsup3d/model.py"


@attrs.frozen(kw_only=True)
class PlainEncoderConfig:
    """Strided convolutions with rectifiers."""

    width: int = param(32, source=f"{_NETWORKS}: nf", help="channels of the first stage", validator=gt(0))
    features: int = param(256, source=f"{_NETWORKS}: nf * 8", help="length of the vector", validator=gt(0))


@attrs.frozen(kw_only=True)
class PerceptualL2Config:
    """Features in which reconstruction and image are compared."""

    weights: str = param(
        "file",
        source="torchvision's VGG-16, trained on ImageNet",
        help='"file" for the asset vgg16, "random:SEED" for untrained features',
    )
    layers: tuple[str, ...] = param(("relu3_3",), source=_NETWORKS, help="of VGG-16; their errors add up")


@attrs.frozen(kw_only=True)
class SmoothnessConfig:
    """Unit in which steps of depth are counted."""

    depth_range: float = param(
        0.2,
        unit="scene",
        source=f"{_MODEL}: max_depth - min_depth",
        help="largest depth less the smallest",
        validator=gt(0),
    )


_SIDE_MAD = "elliottwu/unsup3d, unsup3d/model.py and utils.py: metrics of the paper's Table 2"


@attrs.frozen(kw_only=True)
class SideMadConfig:
    """Scale-invariant depth error and mean angle deviation."""

    erosion: int = param(
        3, unit="pixel", source=_SIDE_MAD, validator=ge(1), help="side of the square that erodes both masks"
    )
    fov: float = param(
        0.17453292519943295,
        unit="radian",
        source="elliottwu/unsup3d, unsup3d/renderer: fov 10 degrees",
        validator=gt(0),
        help="horizontal field of view, used where the data brings no camera",
    )
    null_depth: float = param(
        1.0, unit="scene", source=_SIDE_MAD, validator=gt(0), help="constant depth of the null baseline"
    )
    blob_relief: float = param(
        0.1, unit="scene", validator=gt(0), help="how far the blob baseline bulges towards the viewer at its centre"
    )


@attrs.frozen(kw_only=True)
class KeypointDepthConfig:
    """Correlation of depth at annotated points."""

    occluded: bool = param(
        True,
        source="joelmoniz/DepthNets, depthnet-pytorch/util.py: every point of every picture",
        help="count points that lie behind something else in the picture; the depth found there is that of what hides them",
    )


_DATALOADERS = "elliottwu/unsup3d, unsup3d/dataloaders.py"
_COLOUR = 255


def _check_colour(_: Any, attribute: Any, value: tuple[int, ...]) -> None:
    if not all(0 <= channel <= _COLOUR for channel in value):
        raise ValueError(f"{attribute.name} needs red, green and blue from 0 to {_COLOUR}, got {value}")


def _check_box(_: Any, attribute: Any, value: tuple[int, ...] | None) -> None:
    if value is not None and (min(value) < 0 or min(value[2:]) < 1):
        raise ValueError(f"{attribute.name} needs x, y >= 0 and width, height >= 1, got {value}")


@attrs.frozen(kw_only=True)
class ImagesConfig:
    """A folder of pictures, and how each becomes a square of one size."""

    size: int = param(64, unit="pixel", validator=and_(ge(2), le(4096)), help="side of the square that comes out")
    fit: Literal["center-crop", "squash", "pad"] = param(
        "center-crop", help="how a picture that is not square becomes one; pad fills with the background"
    )
    crop: int | None = param(
        None,
        unit="pixel",
        validator=attrs.validators.optional(ge(1)),
        help="side of the centre crop, in pixels of the file; without it the largest square",
    )
    box: tuple[int, int, int, int] | None = param(
        None,
        unit="pixel",
        validator=_check_box,
        help="x, y, width, height of the part of each file that is taken first; without it all of it",
    )
    split_by: Literal["auto", "file", "folder", "hash", "all"] = param(
        "auto",
        help="split.csv, else folders train/val/test, else a hash of each path; all: every picture in every split",
    )
    val: float = param(0.1, validator=and_(ge(0), lt(1)), help="part of the pictures in val, where the hash decides")
    test: float = param(0.1, validator=and_(ge(0), lt(1)), help="part of the pictures in test, where the hash decides")
    ports: tuple[str, ...] | None = param(
        None, help="what to read beside the picture; without it all that every picture of the split has"
    )
    background: tuple[int, int, int] = param(
        (255, 255, 255),
        unit="sRGB, 0 to 255",
        validator=_check_colour,
        help="colour behind transparency and around pad",
    )
    alpha_as_mask: bool = param(
        False, help="take the picture's transparency for true_mask where no mask file lies there"
    )
    strict: bool = param(
        False, help="refuse the folder for one bad file; without it bad files are named and passed over"
    )
    max_pixels: int = param(
        100_000_000, unit="pixel", validator=and_(ge(1), le(170_000_000)), help="larger pictures are refused undecoded"
    )
    cache_megabytes: int = param(
        2048, unit="MB", validator=ge(0), help="keep decoded items in memory where all of them fit in this much"
    )

    def __attrs_post_init__(self) -> None:
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val} and test {self.test} leave nothing for train")
        if self.crop is not None and self.fit != "center-crop":
            raise ValueError(f"crop is the side of a centre crop, but fit is {self.fit!r}")


@attrs.frozen(kw_only=True)
class HorizontalFlipConfig:
    """A mirror, for some of the samples."""

    probability: float = param(
        0.5,
        unit="probability",
        source=f"{_DATALOADERS}: hflip 0.5",
        validator=and_(ge(0), le(1)),
        help="of a flip, each item",
    )
    mirror_points: tuple[int, ...] | None = param(
        None, help="for each annotated point the index of its mirror partner; without it points keep their index"
    )

    def __attrs_post_init__(self) -> None:
        partners = self.mirror_points
        if partners is not None and any(
            not 0 <= partner < len(partners) or partners[partner] != index for index, partner in enumerate(partners)
        ):
            raise ValueError("mirror_points must lead back: the partner of a point's partner is the point")


@attrs.frozen(kw_only=True)
class CropConfig:
    """A square part of a sample."""

    size: int = param(unit="pixel", validator=ge(2), help="side of the part")
    jitter: int = param(
        0,
        unit="pixel",
        validator=ge(0),
        help="how far the part may lie from the centre, each way; 0 for the centre crop",
    )
