"""Geometric transforms of one sample; :mod:`armillary.data.geometry` defines their effect on each kind of port."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict, cast

import torch
from attrs.validators import and_, ge, le
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.data.geometry import Crop, Flip, move
from armillary.errors import DataError
from armillary.interfaces.part import from_shape
from armillary.interfaces.transform import Transform

_DATALOADERS = "elliottwu/unsup3d, unsup3d/dataloaders.py"


class HorizontalFlip(Transform, name="horizontal-flip", source=_DATALOADERS):
    """Mirror a sample left to right, everything in it by its kind."""

    moves = True
    probability: float = param(
        0.5,
        unit="probability",
        source=f"{_DATALOADERS}: hflip 0.5",
        validator=and_(ge(0), le(1)),
        help="probability of a flip, per item",
    )
    mirror_points: tuple[int, ...] | None = param(
        None, help="for each annotated point the index of its mirror partner; default: points keep their index"
    )

    def check(self) -> None:
        """Raise ValueError for partners that are not mutual."""
        partners = self.mirror_points
        if partners is not None and any(
            not 0 <= partner < len(partners) or partners[partner] != index for index, partner in enumerate(partners)
        ):
            raise ValueError("mirror_points must be mutual: the partner of a point's partner is the point itself")

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the sample or its mirror image; one draw either way."""
        drawn = torch.rand((), generator=generator, device=generator.device).item()
        return (
            flip_horizontal(sample, kinds=kinds, mirror_points=self.mirror_points)
            if drawn < self.probability
            else sample
        )


class Whole(TypedDict):
    """A sample of any size."""

    image: ports.Image


class Square(TypedDict):
    """A square part of a sample."""

    image: Annotated[ports.Image, "batch 3 $size $size"]


class CentreCrop(Transform, name="crop", source="ours"):
    """Square crop at the centre of the sample, or shifted from it by up to ``jitter`` pixels; always inside the picture."""

    moves = True
    size: int = param(unit="pixel", validator=ge(2), help="side of the part")
    jitter: int = param(
        0,
        unit="pixel",
        validator=ge(0),
        help="largest shift from the centre in each direction; 0 for the centre crop",
    )
    whole: tuple[int | None, ...] = from_shape("image", lambda shape: shape[-2:], of="inputs", default=None)

    def setup(self) -> None:
        """Refuse a crop that is larger than the picture.

        Raises:
            DataError: the crop is larger than the picture.
        """
        _check_fits(self.size, self.whole or ())

    def __call__(self, sample: Whole, *, kinds: Mapping[str, str], generator: torch.Generator) -> Square:
        """Return the crop; two draws if ``jitter`` is above 0."""
        height, width = picture_shape(sample, kinds)
        _check_fits(self.size, (height, width))
        left, top = ((extent - self.size) // 2 for extent in (width, height))
        if self.jitter:
            shift = torch.randint(
                -self.jitter, self.jitter + 1, (2,), generator=generator, device=generator.device
            ).tolist()
            left = min(max(left + shift[0], 0), width - self.size)
            top = min(max(top + shift[1], 0), height - self.size)
        crop = Crop(left=left, top=top, width=self.size, height=self.size, source=(width, height))
        return cast(Square, move(sample, crop, kinds=kinds))


class Posed(TypedDict):
    """A sample with a true pose."""

    true_pose: ports.Pose


class Rotated(TypedDict):
    """The rotation of the true pose."""

    true_rotation: ports.Rotation


class TrueRotation(Transform, name="true-rotation", source="ours"):
    """Rotation of the true pose, for losses and measures of rotations; put it after transforms that move the pose."""

    def __call__(self, sample: Posed, *, kinds: Mapping[str, str], generator: torch.Generator) -> Rotated:
        """Return the sample with ``true_rotation``."""
        del kinds, generator
        return cast(Rotated, {**sample, "true_rotation": sample["true_pose"][..., :3].clone()})


def flip_horizontal(
    sample: Mapping[str, Any], *, kinds: Mapping[str, str], mirror_points: tuple[int, ...] | None = None
) -> dict[str, Any]:
    """Return the sample's mirror image, left to right."""
    flip = Flip(width=picture_shape(sample, kinds)[1], mirror_points=mirror_points)
    return move(sample, flip, kinds=kinds)


def picture_shape(sample: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[int, int]:
    """Return (height, width) of the sample's picture.

    Raises:
        DataError: no port of kind image is in the sample, or two differ.
    """
    shapes = {
        (v.shape[-2], v.shape[-1]) for k, v in sample.items() if isinstance(v, Tensor) and kinds.get(k) == "image"
    }
    if len(shapes) != 1:
        found = "no picture" if not shapes else f"pictures of {len(shapes)} sizes"
        raise DataError(f"a geometric transform needs one picture size, the sample has {found}: {', '.join(sample)}")
    return shapes.pop()


def _check_fits(size: int, shape: tuple[int | None, ...]) -> None:
    if any(extent is not None and extent < size for extent in shape):
        text = " x ".join(str(extent) for extent in shape)
        raise DataError(
            f"a crop of {size} pixels does not fit a picture of {text}; type: --set data.size={size} or more"
        )
