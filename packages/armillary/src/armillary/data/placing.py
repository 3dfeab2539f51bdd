"""Placement of a picture file of any size in a square: crop, and resizing of pixels, depth and normals.

Resizing averages over the footprint of each new pixel (a triangle, as wide as the pixel), so that a large picture does not
alias. Depth, normals and albedo are averaged over the pixels that the mask counts, so that the background's depth does not
leak into the outline; masks are true where at least half of the footprint is. A raster that already has the wanted size
passes unchanged, bit for bit.

Optical flow and object coordinates are read at the centre of each new pixel, not averaged: a mean of two motions, or of two
points of an object, is neither.
"""

import math
from typing import Literal

import attrs
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from armillary.data.geometry import Window
from armillary.kernels.sampling import pixels_to_grid

Fit = Literal["center-crop", "squash", "pad"]

_TEAR = (
    1.0  # pixels: where neighbours move apart or over one another by more than their distance, they are of two surfaces
)
_FLOW_ROUNDING = 1 / 32  # pixels: what half precision may take from a displacement of up to 128


@attrs.frozen
class Placement:
    """Part of a picture and its place in the square.

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
    """Return the placement of a picture in a square.

    Args:
        width: of the picture.
        height: of the picture.
        size: side of the square.
        fit: ``center-crop`` takes the largest square in the middle, ``squash`` all of it, ``pad`` all of it in its
            proportions (up to the rounding of the shorter side to whole pixels).
        crop: side of the centre crop; a picture that is smaller gives its largest square.
        box: x, y, width, height of the part that is taken first.

    Raises:
        ValueError: the box is not inside the picture.
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
        values: ``[points, 4]`` as in :class:`armillary.data.truth.Landmarks`.
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
    """Return depth as the square; missing depth becomes the far plane, the largest depth of the picture."""
    finite = np.isfinite(depth[0])
    far = np.float32(depth[0][finite].max()) if finite.any() else np.float32(0)
    placed = place_masked(np.where(finite, depth, far), mask, placement)
    if not placement.fills:
        left, top, right, bottom = placement.inside
        outside = np.ones(placed.shape[1:], dtype=bool)
        outside[top:bottom, left:right] = False
        placed[:, outside] = far
    return np.array(placed, dtype=np.float32)


def placed_albedo(albedo: np.ndarray, mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return ``[3, height, width]`` of bytes as the square, averaged over the pixels that count."""
    return np.rint(place_masked(albedo, mask, placement)).astype(np.uint8)


def placed_normals(normals: np.ndarray, mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return ``[3, height, width]`` as the square, of unit length; (0, 0, -1) for missing normals.

    Also where nothing is resized: files keep normals in half precision.
    """
    placed = place_masked(np.nan_to_num(normals), mask, placement)
    length = np.linalg.norm(placed, axis=0)
    some = length > np.finfo(np.float32).eps
    return np.where(some, placed / np.where(some, length, 1), np.array([[[0]], [[0]], [[-1]]])).astype(np.float32)


def placed_flow(flow: np.ndarray, placement: Placement) -> tuple[Tensor, Tensor]:
    """Return the position in the placed partner of each pixel of the square, and the mask of known positions.

    The partner is placed as the picture is. The displacement at a pixel's centre is interpolated between the four pixels of the
    file around it, the unknown left out; across a tear, the side of the nearest known one counts alone.

    Args:
        flow: ``[height, width, 2]`` displacement in pixels of the file, nan where it is unknown.
        placement: of both pictures.

    Returns:
        ``[size, size, 2]`` float32 positions as in the kind ``grid``, finite; a pixel's own where nothing is known. And
        ``[1, size, size]`` bool: at least half of what was interpolated is known, and the position is in the partner.
    """
    left, top, right, bottom = placement.inside
    x, y = _file_positions(placement)
    displacement, known = _interpolated_flow(flow.astype(np.float64), x, y)
    rows, columns = np.mgrid[: placement.size, : placement.size].astype(np.float64)
    positions = np.stack((columns, rows), axis=-1)
    positions[top:bottom, left:right] += displacement * placement.window.scale
    valid = np.zeros((placement.size, placement.size), dtype=bool)
    valid[top:bottom, left:right] = known >= 0.5
    low, high = np.array((left, top)), np.array((right - 1, bottom - 1))
    valid &= ((positions >= low - _FLOW_ROUNDING) & (positions <= high + _FLOW_ROUNDING)).all(axis=-1)
    positions[valid] = positions[valid].clip(low, high)
    return _grid(positions, placement), torch.from_numpy(valid[None])


def no_flow(placement: Placement) -> tuple[Tensor, Tensor]:
    """Return :func:`placed_flow` of an unknown flow: each pixel's own position, and no pixel valid."""
    rows, columns = np.mgrid[: placement.size, : placement.size].astype(np.float64)
    valid = torch.zeros(1, placement.size, placement.size, dtype=torch.bool)
    return _grid(np.stack((columns, rows), axis=-1), placement), valid


def _grid(positions: np.ndarray, placement: Placement) -> Tensor:
    grid = pixels_to_grid(torch.from_numpy(positions), height=placement.size, width=placement.size)
    return grid.to(torch.float32)


def placed_coordinates(coordinates: np.ndarray, mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Return ``[3, height, width]`` as the square: at each placed pixel of the mask the value of one pixel of the file, else 0.

    It is the nearest one that the mask counts.
    """
    kept = place_mask(mask, placement)
    left, top, right, bottom = placement.inside
    x, y = _file_positions(placement)
    height, width = mask.shape
    columns = np.floor(x + 0.5).astype(int).clip(0, width - 1)
    rows = np.floor(y + 0.5).astype(int).clip(0, height - 1)
    nearest = np.stack(np.broadcast_arrays(rows[:, None], columns[None, :]))
    reach_x, reach_y = (math.ceil(1 / scale) + 1 for scale in placement.window.scale)  # of the footprint
    for i, j in np.argwhere(kept[top:bottom, left:right] & ~mask[rows[:, None], columns]):
        first_row, first_column = max(0, rows[i] - reach_y), max(0, columns[j] - reach_x)
        part = mask[first_row : rows[i] + reach_y + 1, first_column : columns[j] + reach_x + 1]
        down, along = np.ogrid[: part.shape[0], : part.shape[1]]
        distance = (first_row + down - y[i]) ** 2 + (first_column + along - x[j]) ** 2
        found = np.unravel_index(np.where(part, distance, np.inf).argmin(), part.shape)
        nearest[:, i, j] = first_row + found[0], first_column + found[1]
    square = np.zeros((len(coordinates), placement.size, placement.size), dtype=np.float32)
    square[:, top:bottom, left:right] = coordinates[:, nearest[0], nearest[1]]
    return np.where(kept, square, np.float32(0))


def _file_positions(placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """Return x of the columns and y of the rows of the filled part of the square, in pixels of the file."""
    left, top, right, bottom = placement.inside
    window = placement.window
    x = (np.arange(left, right) + 0.5 - window.offset[0]) / window.scale[0] - 0.5
    y = (np.arange(top, bottom) + 0.5 - window.offset[1]) / window.scale[1] - 0.5
    return x, y


def _interpolated_flow(flow: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the displacement at the positions, 0 if unknown, and the weight of the known pixels in [0, 1]."""
    columns, along = _neighbours(x, flow.shape[1])
    rows, down = _neighbours(y, flow.shape[0])
    corners = np.stack([flow[i[:, None], j] for i in rows for j in columns])
    weights = np.stack([v[:, None] * h for v in down for h in along])
    known = np.isfinite(corners[..., 0]) & np.isfinite(corners[..., 1])
    corners = np.where(known[..., None], corners, 0.0)
    weights = np.where(known, weights, 0.0)
    nearest = np.take_along_axis(corners, weights.argmax(axis=0)[None, ..., None], axis=0)
    joined = np.where((np.abs(corners - nearest) <= _TEAR).all(axis=-1), weights, 0.0)
    total = joined.sum(axis=0)
    mean = (joined[..., None] * corners).sum(axis=0) / np.where(total > 0, total, 1.0)[..., None]
    return mean, weights.sum(axis=0)


def _neighbours(
    positions: np.ndarray, count: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the two pixels on either side of each position along one axis, and their weights."""
    first = np.floor(positions).astype(int).clip(0, count - 1)
    part = (positions - first).clip(0.0, 1.0)
    return (first, (first + 1).clip(0, count - 1)), (1.0 - part, part)


def _resized(image: Image.Image, placement: Placement) -> Image.Image:
    left, top, right, bottom = placement.inside
    return image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=placement.box)
