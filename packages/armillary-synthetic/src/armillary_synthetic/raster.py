"""Pictures of triangle meshes under perspective in plain numpy, one thread, same bytes every time.

The visible triangle of each sample is from :mod:`armillary.kernels.raster`; this module adds depth and attributes.

Camera frame: x right, y down, z forward. A triangle is seen when its corners run counter-clockwise on the screen (as the
viewer looks at it); the others are dropped, so a closed mesh shows its outside only. Sample (column, row) lies at integer
coordinates. Depth is distance along z. Attributes are interpolated with perspective-correct weights.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from armillary.kernels.raster import barycentric, visible_faces

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Fragments(NamedTuple):
    """Covered samples: one row per covered sample, in the order of samples."""

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
        far: surfaces at this depth or behind are not seen.

    Returns:
        Covered samples only. A tie goes to the triangle of lower index.
    """
    screen, near = project(points, camera), 1.0 / points[:, 2]
    shown = visible_faces(screen, near, triangles, height=height, width=width, sides="front").ravel()
    sample = np.flatnonzero(shown >= 0)
    triangle = shown[sample]
    row, column = np.divmod(sample, width)
    weights = barycentric(screen, triangles, face=triangle, row=row, column=column) * near[triangles[triangle].T]
    nearness = weights[0] + weights[1] + weights[2]  # 1 / z is linear on the screen
    seen = np.flatnonzero(nearness * far > 1)
    depth = 1.0 / nearness[seen]
    return Fragments(sample[seen], triangle[seen], weights[:, seen] * depth, depth)


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
