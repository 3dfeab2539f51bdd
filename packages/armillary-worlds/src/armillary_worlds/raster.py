"""A z-buffer rasteriser of triangle meshes in plain numpy, one thread, same bytes every time.

Camera frame: x right, y down, z forward. A triangle is seen when its corners run counter-clockwise on the screen (as the
viewer looks at it); the others are dropped, so a closed mesh shows its outside only. Sample (column, row) lies at integer
coordinates. Depth is distance along z. Attributes are interpolated with perspective-correct weights.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Fragments(NamedTuple):
    """What is seen: one row a covered sample, in no particular order of samples."""

    sample: Indices
    """Flat index ``row * width + column``."""
    triangle: Indices
    """Row of the triangle that is nearest there."""
    weights: Floats
    """[3, S], of its three corners; they sum to 1."""
    depth: Floats
    """[S], along z, > 0."""


def project(points: Floats, camera: Floats) -> Floats:
    """Return pixel positions (x, y) of points [..., 3] in the camera frame, z > 0, by intrinsics [3, 3]."""
    xy = points[..., :2] / points[..., 2:]
    return xy * np.array([camera[0, 0], camera[1, 1]]) + camera[:2, 2]


def rasterise(
    points: Floats, triangles: Indices, camera: Floats, *, height: int, width: int, far: float = math.inf
) -> Fragments:
    """Return the nearest front-facing triangle at each sample.

    Args:
        points: [N, 3] in the camera frame, all with z > 0.
        triangles: [T, 3].
        camera: intrinsics of the grid of samples.
        height: rows of samples.
        width: columns of samples.
        far: what lies at this depth or behind is not seen.

    Returns:
        Covered samples only. A tie goes to the triangle of lower index.
    """
    screen = project(points, camera)
    x, y = screen[:, 0][triangles], screen[:, 1][triangles]
    seen, left, top, columns, rows = _boxes(x, y, height=height, width=width)
    x, y = x[seen], y[seen]

    # Candidates: every sample of every box. What a triangle has, its candidates repeat; that is faster than looking it up.
    count = columns * rows
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(within, np.repeat(columns, count))
    row += np.repeat(top, count)
    column += np.repeat(left, count)

    # Barycentric coordinates are linear on the screen.
    dx1, dy1, dx2, dy2 = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0], x[:, 2] - x[:, 0], y[:, 2] - y[:, 0]
    area = dx1 * dy2 - dx2 * dy1
    px, py = column - np.repeat(x[:, 0], count), row - np.repeat(y[:, 0], count)
    second = px * np.repeat(dy2 / area, count) - py * np.repeat(dx2 / area, count)
    third = py * np.repeat(dx1 / area, count) - px * np.repeat(dy1 / area, count)
    first = 1.0 - second - third
    slack = -np.finfo(np.float64).eps * width  # no pinhole where a sample lies on a shared edge
    inside = np.flatnonzero((first >= slack) & (second >= slack) & (third >= slack))

    triangle, sample = np.repeat(seen, count)[inside], row[inside] * width + column[inside]
    near = 1.0 / points[:, 2]
    first, second, third = (
        weight[inside] * near[corner]
        for weight, corner in zip((first, second, third), triangles[triangle].T, strict=True)
    )
    nearness = first + second + third  # 1 / z is linear on the screen
    chosen = _nearest(sample, nearness, height * width)
    chosen = chosen[nearness[chosen] * far > 1]
    depth = 1.0 / nearness[chosen]
    weights = np.stack([first[chosen], second[chosen], third[chosen]]) * depth
    return Fragments(sample[chosen], triangle[chosen], weights, depth)


def interpolate(fragments: Fragments, triangles: Indices, values: Floats) -> Floats:
    """Return vertex values [N, C] at the fragments, [C, S]."""
    rows = np.ascontiguousarray(values.T)  # one channel after the other: short inner loops are slow
    first, second, third = np.take(triangles, fragments.triangle, axis=0).T
    result = np.take(rows, first, axis=1) * fragments.weights[0]
    result += np.take(rows, second, axis=1) * fragments.weights[1]
    result += np.take(rows, third, axis=1) * fragments.weights[2]
    return result


def vertex_normals(points: Floats, triangles: Indices) -> Floats:
    """Return unit normals [N, 3], area-weighted over the triangles of a vertex; outward where corners run counter-clockwise.

    Zero where a vertex has no triangle.
    """
    a, b, c = points[triangles[:, 0]], points[triangles[:, 1]], points[triangles[:, 2]]
    faces = np.cross(b - a, c - a)
    corners = triangles.T.ravel()
    total = np.empty(points.shape)
    for k in range(3):
        total[:, k] = np.bincount(corners, weights=np.tile(faces[:, k], 3), minlength=len(points))
    return unit(total)


def unit(vectors: Floats) -> Floats:
    """Return vectors [N, 3] divided by their length; zero stays zero."""
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    length = np.sqrt(x * x + y * y + z * z)
    return vectors / np.where(length > 0, length, 1)[:, None]


def _boxes(x: Floats, y: Floats, *, height: int, width: int) -> tuple[Indices, Indices, Indices, Indices, Indices]:
    """Return the triangles that may cover a sample, and their boxes: left, top, columns, rows."""
    front = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) < (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    seen = np.flatnonzero(front)
    x, y = x[seen], y[seen]
    left, right = _span(x, width)
    top, bottom = _span(y, height)
    keep = np.flatnonzero((right >= left) & (bottom >= top))
    left, top = left[keep], top[keep]
    return seen[keep], left, top, right[keep] - left + 1, bottom[keep] - top + 1


def _span(corners: Floats, samples: int) -> tuple[Indices, Indices]:
    """Return first and last sample between the least and the greatest of three corners [T, 3]; clipped to the picture."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    first = np.ceil(np.minimum(np.minimum(a, b), c))  # by column: a reduction over an axis of three is slow
    last = np.floor(np.maximum(np.maximum(a, b), c))
    return np.maximum(first, 0).astype(np.intp), np.minimum(last, samples - 1).astype(np.intp)


def _nearest(sample: Indices, nearness: Floats, samples: int) -> Indices:
    """Return, for each covered sample, the row of the candidate with the greatest nearness; the first of equals."""
    best = np.zeros(samples)
    np.maximum.at(best, sample, nearness)
    winners = np.flatnonzero(nearness == best[sample])[::-1]
    row = np.full(samples, -1, dtype=np.intp)
    row[sample[winners]] = winners  # of equals the last written stays: reversed, that is the first
    return row[row >= 0]
