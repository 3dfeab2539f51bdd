"""From a picture file of any size to a square: which part is taken, and how pixels, depth and normals are resized.

Resizing averages over the footprint of each new pixel (a triangle, as wide as the pixel), so that a large picture does not
alias. Depth, normals and albedo are averaged over the pixels that the mask counts, so that the background's depth does not
leak into the outline; masks are true where at least half of the footprint is. A raster that already has the wanted size
passes unchanged, bit for bit.
"""

from typing import Literal

import attrs
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from armillary.kernels.sampling import pixels_to_grid
from armillary.std.geometry import Window

Fit = Literal["center-crop", "squash", "pad"]


@attrs.frozen
class Placement:
    """Where a part of a picture goes in the square.

    Args:
        box: left, top, right, bottom of the part, in pixels of the file whose corners are integers (not centres).
        inside: left, top, right, bottom of the place it fills, in pixels of the square.
        size: side of the square.
        window: the same as a change of pixel coordinates.
    """

    box: tuple[float, float, float, float]
    inside: tuple[int, int, int, int]
    size: int
    window: Window

    @property
    def fills(self) -> bool:
        """Whether nothing of the square is left over."""
        return self.inside == (0, 0, self.size, self.size)

    @property
    def unchanged(self) -> bool:
        """Whether every pixel stays where and what it is."""
        return self.fills and self.window.source == self.window.target and self.window.scale == (1.0, 1.0)


def place(
    *,
    width: int,
    height: int,
    size: int,
    fit: Fit,
    crop: int | None = None,
    box: tuple[int, int, int, int] | None = None,
) -> Placement:
    """Return how a picture becomes a square.

    Args:
        width: of the picture.
        height: of the picture.
        size: side of the square.
        fit: ``center-crop`` takes the largest square in the middle, ``squash`` all of it, ``pad`` all of it in its
            proportions (up to the rounding of the shorter side to whole pixels).
        crop: side of the centre crop; a picture that is smaller gives its largest square.
        box: x, y, width, height of the part that is taken first.

    Raises:
        ValueError: the box does not lie in the picture.
    """
    left, top, wide, high = box or (0, 0, width, height)
    if left + wide > width or top + high > height:
        raise ValueError(f"{width} x {height} pixels do not hold the box {box} (x, y, width, height)")
    if fit == "center-crop":
        side = min(wide, high) if crop is None else min(wide, high, crop)
        left, top = left + (wide - side) / 2, top + (high - side) / 2
        wide = high = side
    inside = (0, 0, size, size)
    if fit == "pad":
        new_wide, new_high = (max(1, round(size * extent / max(wide, high))) for extent in (wide, high))
        x, y = (size - new_wide) // 2, (size - new_high) // 2
        inside = (x, y, x + new_wide, y + new_high)
    scale = ((inside[2] - inside[0]) / wide, (inside[3] - inside[1]) / high)
    offset = (inside[0] - left * scale[0], inside[1] - top * scale[1])
    window = Window(scale, offset, (width, height), (size, size))
    return Placement((left, top, left + wide, top + high), inside, size, window)


def place_colours(pixels: np.ndarray, placement: Placement, *, background: tuple[int, int, int]) -> np.ndarray:
    """Return ``[height, width, 3]`` uint8 as the square, the rest in the background's colour."""
    if placement.unchanged:
        return pixels
    resized = np.asarray(_resized(Image.fromarray(pixels), placement))
    if placement.fills:
        return resized
    square = np.empty((placement.size, placement.size, 3), dtype=np.uint8)
    square[:] = background
    left, top, right, bottom = placement.inside
    square[top:bottom, left:right] = resized
    return square


def place_mask(mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return ``[height, width]`` bool as the square; false outside the picture."""
    if placement.unchanged:
        return mask
    return place_plane(mask.astype(np.float32), placement, outside=0.0) >= 0.5  # half of the footprint


def place_plane(values: np.ndarray, placement: Placement, *, outside: float) -> np.ndarray:
    """Return ``[height, width]`` float32 as the square, ``outside`` beyond the picture."""
    if placement.unchanged:
        return values
    resized = np.asarray(_resized(Image.fromarray(values.astype(np.float32)), placement))
    if placement.fills:
        return resized
    square = np.full((placement.size, placement.size), outside, dtype=np.float32)
    left, top, right, bottom = placement.inside
    square[top:bottom, left:right] = resized
    return square


def place_masked(values: np.ndarray, mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return ``[channel, height, width]`` float32 as the square, averaged over the pixels that count.

    Where none counts: the mean over the pixels that do not, and 0 outside the picture. Pixels that do not count may be nan.
    """
    if placement.unchanged:
        return values
    weight = place_plane(mask.astype(np.float32), placement, outside=0.0)
    rest = place_plane((~mask).astype(np.float32), placement, outside=0.0)
    tiny = np.finfo(np.float32).eps
    planes = []
    for plane in np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0):
        counted = place_plane(np.where(mask, plane, 0.0), placement, outside=0.0) / np.maximum(weight, tiny)
        others = place_plane(np.where(mask, 0.0, plane), placement, outside=0.0) / np.maximum(rest, tiny)
        planes.append(np.where(weight > tiny, counted, others))
    return np.stack(planes).astype(np.float32)


def placed_landmarks(values: np.ndarray, camera: np.ndarray | None, placement: Placement) -> dict[str, Tensor]:
    """Return the ports of annotated points in the square.

    Args:
        values: ``[points, 4]`` as in :class:`armillary.std.truth.Landmarks`.
        camera: intrinsics of the file; None gives no 3D points.
        placement: of the picture.
    """
    table = torch.from_numpy(values)
    visible = table[:, 3] > 0
    pixels = placement.window.pixels(table[:, :2])
    item = {
        "true_landmarks2d": pixels_to_grid(pixels, height=placement.size, width=placement.size).to(torch.float32),
        "true_visible": visible,
    }
    if camera is not None:
        inverse = torch.linalg.inv(torch.from_numpy(camera).to(torch.float64))
        rays = torch.nn.functional.pad(table[:, :2], (0, 1), value=1.0) @ inverse.T
        points = torch.nan_to_num(rays * table[:, 2:3])
        item["true_landmarks3d"] = points.to(torch.float32)
    return item


def placed_depth(depth: np.ndarray, mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return depth as the square; the far plane, the largest depth of the picture, where there is none."""
    finite = np.isfinite(depth[0])
    far = np.float32(depth[0][finite].max()) if finite.any() else np.float32(0)
    placed = place_masked(np.where(finite, depth, far), mask, placement)
    if not placement.fills:
        left, top, right, bottom = placement.inside
        outside = np.ones(placed.shape[1:], dtype=bool)
        outside[top:bottom, left:right] = False
        placed[:, outside] = far
    return np.array(placed, dtype=np.float32)


def placed_normals(normals: np.ndarray, mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return ``[3, height, width]`` as the square, of unit length; (0, 0, -1) where there are none.

    Also where nothing is resized: files keep normals in half precision.
    """
    placed = place_masked(np.nan_to_num(normals), mask, placement)
    length = np.linalg.norm(placed, axis=0)
    some = length > np.finfo(np.float32).eps
    return np.where(some, placed / np.where(some, length, 1), np.array([[[0]], [[0]], [[-1]]])).astype(np.float32)


def _resized(image: Image.Image, placement: Placement) -> Image.Image:
    left, top, right, bottom = placement.inside
    return image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=placement.box)
