"""Closed parts for solids, in plain numpy.

Every part is a loft: rings of points, one after the other, joined by triangles and closed at both ends. Parts may run into
each other; each is closed by itself and wound outwards, so that the whole may be seen and met from outside as one.
Frame of the objects: x to their left or right side, y from their front (-y) to their back, z up.
"""

from collections.abc import Sequence

import numpy as np

from armillary.kernels.triangle_mesh import TriangleMesh, signed_volume
from armillary_synthetic.raster import Floats

_ROUND = 16  # corners of what is round


def join(parts: Sequence[TriangleMesh]) -> TriangleMesh:
    """Return one mesh of all parts."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return TriangleMesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)]),
    )


def mirrored(part: TriangleMesh) -> tuple[TriangleMesh, TriangleMesh]:
    """Return a part and its mirror image across the plane x = 0."""
    return part, TriangleMesh(part.vertices * (-1.0, 1.0, 1.0), part.faces[:, ::-1])


def moved(part: TriangleMesh, *, by: Sequence[float]) -> TriangleMesh:
    """Return a part elsewhere."""
    return TriangleMesh(part.vertices + np.asarray(by, dtype=np.float64), part.faces)


def loft(rings: Floats, *, loop: bool = False) -> TriangleMesh:
    """Return the skin over rings of points, wound outwards.

    Args:
        rings: [R, K, 3], R >= 2 rings of K >= 3 points each, turning the same way.
        loop: the last ring is joined to the first, as in a handle; otherwise both ends are closed by a fan.
    """
    count, corners = rings.shape[:2]
    ring, corner = np.meshgrid(np.arange(count if loop else count - 1), np.arange(corners), indexing="ij")
    ring, corner = ring.ravel(), corner.ravel()
    after, beside = (ring + 1) % count, (corner + 1) % corners
    here, right = ring * corners + corner, ring * corners + beside
    up, across = after * corners + corner, after * corners + beside
    faces = [np.stack([here, right, across], axis=1), np.stack([here, across, up], axis=1)]
    vertices = rings.reshape(-1, 3)
    if not loop:
        around = np.arange(corners)
        ends = rings[[0, -1]].mean(axis=1)
        first, last, top = len(vertices), len(vertices) + 1, (count - 1) * corners
        faces.append(np.stack([np.full(corners, first), (around + 1) % corners, around], axis=1))
        faces.append(np.stack([np.full(corners, last), top + around, top + (around + 1) % corners], axis=1))
        vertices = np.concatenate([vertices, ends])
    skin = np.concatenate(faces)
    if signed_volume(vertices - vertices.mean(axis=0), skin) < 0:
        skin = skin[:, ::-1]
    return TriangleMesh(vertices, skin)


def box(centre: Sequence[float], size: Sequence[float], *, taper: float = 1.0) -> TriangleMesh:
    """Return a box with its edges along the axes; its top is ``taper`` times as wide and deep as its bottom."""
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]) / 2
    x, y, z = size
    rings = [[(cx * x * s, cy * y * s, z * h) for cx, cy in corners] for s, h in ((1.0, -0.5), (taper, 0.5))]
    return moved(loft(np.array(rings)), by=centre)


def tube(path: Floats, radii: Floats, *, corners: int = _ROUND, loop: bool = False) -> TriangleMesh:
    """Return a round tube along a path [P, 3] with a radius at each point.

    Rings are across the path, turned from one to the next without twist.
    """
    along = np.gradient(path, axis=0)
    if loop:
        along[[0, -1]] = path[[1, 0]] - path[[-1, -2]]
    along /= np.sqrt((along**2).sum(axis=1))[:, None]
    side = np.cross(along[0], np.eye(3)[np.argmin(np.abs(along[0]))])
    angle = 2 * np.pi * np.arange(corners) / corners
    rings = []
    for at, way, radius in zip(path, along, radii, strict=True):
        side = side - way * (way * side).sum()
        side /= np.sqrt((side**2).sum())
        rings.append(at + radius * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(way, side)))
    return loft(np.array(rings), loop=loop)


def rod(start: Sequence[float], end: Sequence[float], radius: float, end_radius: float | None = None) -> TriangleMesh:
    """Return a straight round rod, perhaps thinner at its end."""
    radii = np.array([radius, radius if end_radius is None else end_radius])
    return tube(np.array([start, end], dtype=np.float64), radii, corners=10)


def turned(heights: Floats, radii: Floats, *, corners: int = 24) -> TriangleMesh:
    """Return what a lathe makes about the z axis: a radius at each height, in the order of the profile."""
    angle = 2 * np.pi * np.arange(corners) / corners
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros(corners)], axis=1)
    return loft(np.array([radius * circle + (0, 0, height) for height, radius in zip(heights, radii, strict=True)]))


def wing(
    root: Sequence[float], tip: Sequence[float], chords: tuple[float, float], thick: tuple[float, float]
) -> TriangleMesh:
    """Return a wing with its chord along y and a section that is blunt in front and sharp behind.

    Args:
        root: middle of the section at the root.
        tip: middle of the section at the tip.
        chords: at root and tip.
        thick: thickness at root and tip.
    """
    section = np.array(
        [(-0.5, 0.0), (-0.42, 0.4), (-0.15, 0.5), (0.5, 0.04), (0.5, -0.04), (-0.15, -0.5), (-0.42, -0.4)]
    )
    start, end = np.asarray(root, dtype=np.float64), np.asarray(tip, dtype=np.float64)
    span = end - start
    across = np.array([0.0, 0.0, 1.0]) if abs(span[0]) >= abs(span[2]) else np.array([1.0, 0.0, 0.0])
    rings = [
        at + chord * section[:, :1] * (0.0, 1.0, 0.0) + depth * section[:, 1:] * across
        for at, chord, depth in zip((start, end), chords, thick, strict=True)
    ]
    return loft(np.array(rings))


def ellipses(
    at: Floats, widths: Floats, heights: Floats, lifts: Floats, *, corners: int = _ROUND, power: float = 2.0
) -> TriangleMesh:
    """Return a body along y: at each of its places an upright (super)ellipse of a width and height, lifted along z.

    Args:
        at: places along y.
        widths: along x.
        heights: along z.
        lifts: of the middles, along z.
        corners: of a section.
        power: 2 is an ellipse; more is nearer to a box.
    """
    angle = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    c, s = np.cos(angle), np.sin(angle)
    x, z = np.sign(c) * np.abs(c) ** (2 / power) / 2, np.sign(s) * np.abs(s) ** (2 / power) / 2
    rings = [
        np.stack([width * x, np.full(corners, y), height * z + lift], axis=1)
        for y, width, height, lift in zip(at, widths, heights, lifts, strict=True)
    ]
    return loft(np.array(rings))
