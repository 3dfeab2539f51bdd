"""Triangulation of few points in the plane, on numpy arrays, without gradient."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

_STEPS = 2**24  # of the points' extent: positions are rounded to this, and all that follows is exact

_Point = tuple[int, int]
_Face = tuple[int, int, int]


def delaunay(points: Float[np.ndarray, "points 2"]) -> Int[np.ndarray, "faces 3"]:
    """Return triangles whose circumcircles contain no other point; together they fill the convex hull.

    Points are rounded to a lattice of about 2^-24 of their extent, and computed in integers there, so every
    arrangement is exact. Meant for hundreds of points at most: the time grows with their square.

    Args:
        points: finite; any unit.

    Returns:
        Indices, each triangle in the sense of rotation from x to y (clockwise in a picture, where y points down), the
        smallest first. Of points that coincide the first is used. Without any triangle if all lie on one line of
        the lattice.

    Raises:
        ValueError: the points are not finite points of the plane.

    Undefined: which diagonal is drawn where four points lie on one circle; either is right.

    Source: the sweep of a plane by Andrew 1979, and Lawson 1977, who flips edges until none is left.

    >>> delaunay(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.6, 0.6]])).tolist()  # all to the inner one
    [[0, 1, 3], [0, 3, 2], [1, 2, 3]]
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"needs finite points of the plane, one per row, got {points.shape}")
    places: dict[_Point, int] = {}
    for index, place in enumerate(_on_lattice(points)):
        places.setdefault(place, index)
    at = {index: place for place, index in places.items()}
    faces = _flipped(_swept(sorted(at, key=at.__getitem__), at), at)
    rolled = sorted(face[k:] + face[:k] for face in faces for k in [face.index(min(face))])
    return np.array(rolled, dtype=np.int64).reshape(-1, 3)


def edges_of(faces: Int[np.ndarray, "faces 3"]) -> Int[np.ndarray, "edges 2"]:
    """Return the edges of triangles, each once, smaller index first, sorted.

    >>> edges_of(np.array([[0, 1, 2], [2, 1, 3]])).tolist()
    [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    """
    pairs = {(min(a, b), max(a, b)) for face in faces.tolist() for a, b in _sides(face)}
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _on_lattice(points: np.ndarray) -> list[_Point]:
    if not len(points):
        return []
    low = points.min(axis=0)
    extent = float((points - low).max())
    unit = 2.0 ** math.ceil(math.log2(extent)) if extent > 0 else 1.0  # a power of two rounds nothing by itself
    return [(round(x), round(y)) for x, y in ((points - low) / unit * _STEPS).tolist()]


def _swept(order: list[int], at: dict[int, _Point]) -> list[_Face]:
    """Return triangles that fill the hull: each point, from left to right, is joined to its visible edges."""
    line = 2
    while line < len(order) and _turn(*(at[order[k]] for k in (0, 1, line))) == 0:
        line += 1
    if line >= len(order):
        return []
    apex, first = order[line], order[:line]
    if _turn(at[first[0]], at[first[1]], at[apex]) < 0:
        first.reverse()
    faces = [(a, b, apex) for a, b in itertools.pairwise(first)]
    hull = [*first, apex]  # in the sense of the triangles
    for point in order[line + 1 :]:
        sides = list(zip(hull, [*hull[1:], hull[0]], strict=True))
        seen = [_turn(at[a], at[b], at[point]) < 0 for a, b in sides]
        faces += [(b, a, point) for (a, b), is_seen in zip(sides, seen, strict=True) if is_seen]
        start = next(k for k in range(len(seen)) if seen[k] and not seen[k - 1])
        kept = [hull[(start + k) % len(hull)] for k in range(len(hull)) if not seen[(start + k) % len(hull)]]
        hull = [hull[start], point, *kept]
    return faces


def _flipped(faces: list[_Face], at: dict[int, _Point]) -> list[_Face]:
    """Replace the common edge of two triangles by the other diagonal as long as a circle contains a fourth point."""
    opposite = {side: face[k - 1] for face in faces for k, side in enumerate(_sides(face))}
    waiting = list(opposite)
    while waiting:
        a, b = waiting.pop()
        if (a, b) not in opposite or (b, a) not in opposite:
            continue
        c, d = opposite[a, b], opposite[b, a]
        if _in_circle(at[a], at[b], at[c], at[d]) <= 0:
            continue
        del opposite[a, b], opposite[b, a]
        for face in ((c, d, b), (d, c, a)):
            opposite |= {side: face[k - 1] for k, side in enumerate(_sides(face))}
        waiting += [(a, d), (d, b), (b, c), (c, a)]
    return list({tuple(sorted((a, b, c))): (a, b, c) for (a, b), c in opposite.items()}.values())


def _sides(face: Iterable[int]) -> list[tuple[int, int]]:
    a, b, c = face
    return [(a, b), (b, c), (c, a)]


def _turn(a: _Point, b: _Point, c: _Point) -> int:
    """Return twice the area of a triangle, positive in the sense of rotation from x to y."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _in_circle(a: _Point, b: _Point, c: _Point, d: _Point) -> int:
    """Return a positive number if the circle through a, b, c, in the sense from x to y, contains d."""
    (ax, ay), (bx, by), (cx, cy) = ((p[0] - d[0], p[1] - d[1]) for p in (a, b, c))
    a2, b2, c2 = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    return a2 * (bx * cy - by * cx) - b2 * (ax * cy - ay * cx) + c2 * (ax * by - ay * bx)
