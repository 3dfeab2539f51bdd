"""Geometric transforms of one sample; what they do to each port stands in :mod:`armillary.data.geometry`."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from armillary.data.geometry import Crop, Flip, move
from armillary.errors import DataError
from armillary.interfaces.transform import Transform
from armillary.ports import Shape
from armillary.std.config import CropConfig, HorizontalFlipConfig


class HorizontalFlip(Transform):
    """The sample's mirror image, with the given probability.

    Args:
        probability: of a flip.
        mirror_points: for each annotated point the index of its partner; None where points keep their index.
    """

    def __init__(self, *, probability: float, mirror_points: tuple[int, ...] | None = None) -> None:
        self.probability = probability
        self.mirror_points = mirror_points

    @classmethod
    def build(cls, config: HorizontalFlipConfig, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the flip of these settings."""
        return cls(probability=config.probability, mirror_points=config.mirror_points)

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


class CentreCrop(Transform):
    """A square part of the sample, at the centre or up to ``jitter`` pixels from it along each axis.

    Args:
        size: side of the square in pixels.
        jitter: largest distance from the centre in pixels; the square always lies inside the picture.
    """

    def __init__(self, *, size: int, jitter: int = 0) -> None:
        self.size = size
        self.jitter = jitter

    @classmethod
    def build(cls, config: CropConfig, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the crop of these settings.

        Raises:
            DataError: the crop is larger than the picture.
        """
        _check_fits(config.size, tuple(inputs.get("image", ()))[-2:])
        return cls(size=config.size, jitter=config.jitter)

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the part; two draws where there is jitter."""
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
        return move(sample, crop, kinds=kinds)


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
