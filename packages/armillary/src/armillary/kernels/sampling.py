"""Sampling of images at positions; no other module sets ``align_corners``.

A grid holds (x, y) in [-1, 1]; the corners -1 and 1 are the centres of the corner pixels. Pixels have their centres at
integer coordinates.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.kernels.cameras import pixel_coordinates


def sample(
    image: Float[Tensor, "*batch channel height width"],
    grid: Float[Tensor, "*batch rows columns 2"],
    *,
    mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear",
    padding: Literal["zeros", "border", "reflection"] = "zeros",
) -> Float[Tensor, "*batch channel rows columns"]:
    """Read an image at the positions of a grid.

    Args:
        padding: values outside the image. With ``"zeros"`` a position less than a pixel outside fades to 0.

    Raises:
        ValueError: the leading axes of image and grid differ, or the grid does not hold pairs.

    >>> image = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    >>> sample(image, torch.tensor([[[0.0, 0.0], [1.0, -1.0]]])).tolist()  # the middle, the upper right pixel
    [[[1.5, 1.0]]]
    """
    if image.shape[:-3] != grid.shape[:-3] or grid.shape[-1] != 2:
        raise ValueError(
            f"image [*batch channel height width] and grid [*batch rows columns 2] must share their batch, "
            f"got {tuple(image.shape)} and {tuple(grid.shape)}"
        )
    batch = image.shape[:-3]
    flat = functional.grid_sample(
        image.reshape(-1, *image.shape[-3:]),
        grid.reshape(-1, *grid.shape[-3:]),
        mode=mode,
        padding_mode=padding,
        align_corners=True,
    )
    return flat.reshape(*batch, *flat.shape[-3:])


def pixels_to_grid(pixels: Float[Tensor, "*batch 2"], *, height: int, width: int) -> Float[Tensor, "*batch 2"]:
    """Convert pixel coordinates (x, y) to grid positions. An axis of one pixel has no extent: its centre is 0.

    >>> pixels_to_grid(torch.tensor([[0.0, 0.0], [2.0, 4.0]]), height=5, width=5).tolist()
    [[-1.0, -1.0], [0.0, 1.0]]
    """
    (step_x, shift_x), (step_y, shift_y) = _scale(width), _scale(height)
    x, y = pixels.unbind(-1)
    return torch.stack((x / step_x - shift_x, y / step_y - shift_y), dim=-1)


def grid_to_pixels(grid: Float[Tensor, "*batch 2"], *, height: int, width: int) -> Float[Tensor, "*batch 2"]:
    """Convert grid positions to pixel coordinates (x, y): the inverse of :func:`pixels_to_grid`.

    >>> grid_to_pixels(torch.tensor([0.0, 1.0]), height=5, width=5).tolist()
    [2.0, 4.0]
    """
    (step_x, shift_x), (step_y, shift_y) = _scale(width), _scale(height)
    x, y = grid.unbind(-1)
    return torch.stack(((x + shift_x) * step_x, (y + shift_y) * step_y), dim=-1)


def identity_grid(
    height: int,
    width: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "height width 2"]:
    """Return the grid that reads every pixel at its own place.

    >>> image = torch.rand(1, 2, 3)
    >>> torch.allclose(sample(image, identity_grid(2, 3)), image)
    True
    """
    pixels = pixel_coordinates(height, width, dtype=dtype, device=device)
    return pixels_to_grid(pixels, height=height, width=width)


def resize_points(points: Float[Tensor, "*batch 2"], scale: float | Float[Tensor, " 2"]) -> Float[Tensor, "*batch 2"]:
    """Return pixel coordinates after an image is resized by ``scale``: ``(x + 0.5) s - 0.5``.

    The corners of the image move to its new corners; pixel centres, half a pixel inside, do not.

    Args:
        scale: new size divided by old size, > 0; one number, or one for x and one for y.

    >>> resize_points(torch.tensor([-0.5, 3.5]), 2.0).tolist()  # the borders of four pixels become those of eight
    [-0.5, 7.5]
    """
    return (points + 0.5) * scale - 0.5


def _scale(pixels: int) -> tuple[float, float]:
    """Return pixels per unit of the grid, and the grid's distance from the first pixel to the centre."""
    return ((pixels - 1) / 2, 1.0) if pixels > 1 else (1.0, 0.0)
