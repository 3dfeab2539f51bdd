"""Visible triangle of each sample of a picture, in plain numpy; both sides of a triangle count.

Positions are (x, y) on the grid of samples, x right, y down; sample (row, column) lies at integer coordinates. Nearness is
any quantity that is linear on the screen and grows towards the eye: 1 / z under perspective, -z under an orthographic
camera. The work grows with the samples inside the triangles' bounding boxes, not with triangles times samples.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

_BLOCK = 1 << 19  # samples in bounding boxes at a time
_SLACK = 64 * np.finfo(np.float64).eps


def visible_faces(
    screen: Float[np.ndarray, "vertices 2"],
    nearness: Float[np.ndarray, " vertices"],
    faces: Int[np.ndarray, "faces 3"],
    *,
    height: int,
    width: int,
    sides: Literal["both", "front"] = "both",
) -> Int[np.ndarray, "height width"]:
    """Return the row of ``faces`` that is nearest at each sample, -1 if none.

    A triangle without area on the screen covers nothing. Samples on an edge belong to the triangles on both sides, so that
    two that share it leave no gap; of equally near ones the first counts.

    Args:
        screen: positions, in samples.
        nearness: linear on the screen; finite for every vertex that a face names.
        faces: rows of ``screen``.
        sides: ``front`` draws only triangles whose corners run counter-clockwise as the viewer sees them; of a closed mesh
            that is wound outwards that is the same picture, for half the work.

    >>> screen = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    >>> visible_faces(screen, np.ones(3), np.array([[0, 1, 2]]), height=3, width=3).tolist()  # edges included
    [[0, 0, 0], [0, 0, -1], [0, -1, -1]]
    """
    corners = np.ascontiguousarray(faces.T)
    columns = np.ascontiguousarray(screen.T)
    x, y = np.take(columns[0], corners), np.take(columns[1], corners)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    kept = np.flatnonzero(area < 0 if sides == "front" else area)  # y points down: counter-clockwise is negative
    if len(kept) < len(area):
        x, y, area = x[:, kept], y[:, kept], area[kept]
    left, right = _span(x, width)
    top, bottom = _span(y, height)
    some = np.flatnonzero((right >= left) & (bottom >= top))
    kept, left, top, right, bottom = kept[some], left[some], top[some], right[some], bottom[some]
    planes = _planes(x[:, some], y[:, some], np.take(nearness, corners[:, kept]), area[some])
    columns, rows = right - left + 1, bottom - top + 1
    best = np.full(height * width, -np.inf)
    shown = np.full(height * width, -1, dtype=np.int64)
    total = np.cumsum(columns * rows)
    start = 0
    while start < len(kept):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _BLOCK, side="right")))
        part = slice(start, stop)
        _draw(kept[part], planes[:, part], left[part], top[part], columns[part], rows[part], width, best, shown)
        start = stop
    return shown.reshape(height, width)


def barycentric(
    screen: Float[np.ndarray, "vertices 2"],
    faces: Int[np.ndarray, "faces 3"],
    *,
    face: Int[np.ndarray, " samples"],
    row: Int[np.ndarray, " samples"],
    column: Int[np.ndarray, " samples"],
) -> Float[np.ndarray, "3 samples"]:
    """Return the weights of a face's corners at samples inside it, linear on the screen; they sum to 1.

    >>> screen, faces = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), np.array([[0, 1, 2]])
    >>> barycentric(screen, faces, face=np.array([0]), row=np.array([1]), column=np.array([2])).ravel().tolist()
    [0.25, 0.5, 0.25]
    """
    corners = faces[face].T
    x, y = screen[:, 0][corners], screen[:, 1][corners]
    dx1, dy1, dx2, dy2 = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    px, py = column - x[0], row - y[0]
    area = dx1 * dy2 - dx2 * dy1
    second, third = px * (dy2 / area) - py * (dx2 / area), py * (dx1 / area) - px * (dy1 / area)
    return np.stack([1.0 - second - third, second, third])


def _span(corners: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last sample between the least and the greatest of three corners, clipped to the picture."""
    a, b, c = corners
    first = np.ceil(np.minimum(np.minimum(a, b), c))
    last = np.floor(np.maximum(np.maximum(a, b), c))
    return np.clip(first, 0, samples).astype(np.int64), np.clip(last, -1, samples - 1).astype(np.int64)


def _planes(x: np.ndarray, y: np.ndarray, near: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Return [9, faces]: second and third weight, and nearness, each as (value at the origin, slope in x, slope in y)."""
    planes = np.empty((9, len(area)))
    dx1, dy1, dx2, dy2 = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    for row, dx, dy in ((0, -dx2, dy2), (3, dx1, -dy1)):
        np.divide(dy, area, out=planes[row + 1])
        np.divide(dx, area, out=planes[row + 2])
        planes[row] = -x[0] * planes[row + 1] - y[0] * planes[row + 2]
    planes[6:] = (near[1] - near[0]) * planes[:3] + (near[2] - near[0]) * planes[3:6]
    planes[6] += near[0]
    return planes


def _draw(
    face: np.ndarray,
    planes: np.ndarray,
    left: np.ndarray,
    top: np.ndarray,
    columns: np.ndarray,
    rows: np.ndarray,
    width: int,
    best: np.ndarray,
    shown: np.ndarray,
) -> None:
    """Draw some faces into ``best`` (nearness) and ``shown`` (face)."""
    lines = np.repeat(np.arange(len(face)), rows)
    y = np.arange(len(lines)) - np.repeat(np.cumsum(rows) - rows - top, rows)
    # Along a line the weights move by their slope in x alone.
    value = np.take(planes[0::3], lines, axis=1) + np.take(planes[2::3], lines, axis=1) * y
    slope = np.take(planes[1::3], lines, axis=1)
    begin, end = _stretch(value, slope, left[lines], columns[lines])
    some = np.flatnonzero(end >= begin)
    lines, y, begin, count = lines[some], y[some], begin[some], (end - begin + 1)[some]
    x = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - begin, count)
    near = np.repeat(value[2, some], count) + np.repeat(slope[2, some], count) * x
    sample = np.repeat(y * width, count) + x
    before = best.copy()
    np.maximum.at(best, sample, near)
    winners = np.flatnonzero((near == best[sample]) & (near > before[sample]))[::-1]
    shown[sample[winners]] = np.repeat(face[lines], count)[winners]  # of equals the last written, that is the first


def _stretch(
    value: np.ndarray, slope: np.ndarray, left: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last column of each line on which no weight is negative; empty stretches end before they begin."""
    begin, end = left.astype(np.float64), (left + count - 1).astype(np.float64)
    weights = ((value[0], slope[0]), (value[1], slope[1]), (1.0 - value[0] - value[1], -slope[0] - slope[1]))
    slack = _SLACK * (1.0 + np.abs(value[0]) + np.abs(value[1]))  # no gap along a shared edge
    for at, by in weights:
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = -(at + slack) / by
        np.maximum(begin, np.ceil(edge), out=begin, where=by > 0)
        np.minimum(end, np.floor(edge), out=end, where=by < 0)
        np.copyto(end, -1.0, where=(by == 0) & (at < -slack))
    begin = np.minimum(begin, left + count)
    return begin.astype(np.int64), np.maximum(end, begin - 1).astype(np.int64)
