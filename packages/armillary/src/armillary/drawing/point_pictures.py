"""Pictures of points: over the source picture, with the edges that link them, and in space from three sides.

A point has one colour in every picture. An edge is drawn in proportion to its weight relative to the strongest one; weak ones
(:func:`strong_edges`) are left out. Points that are not finite are left out too.

In space the axes are the camera's: x right, y down, z away from the viewer. The three sides are what the viewer sees, what is
seen from the viewer's right (far is to the right), and what is seen from above (near is below).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped
from PIL import Image, ImageDraw

from armillary.drawing.colours import hues
from armillary.drawing.picture_items import Item, as_array, as_finite, image_picture
from armillary.drawing.sheets import INK, PALE, Picture, font, stack, strip
from armillary.kernels.triangulation import delaunay, edges_of

Edge = tuple[int, int, float]

_FINE = 4  # drawn larger by this, then made smaller: smooth lines
_DARK = (24, 24, 28)
_WHITE = (255, 255, 255)
_TRUE, _FOUND = (42, 92, 230), (24, 190, 60)
_WEAK, _PER_POINT = 0.25, 3  # of the strongest edge's weight; edges per point
_PLAIN = 0.5  # share of an edge without a weight
_SIDES = {
    "front": np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "from the right": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "from above": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
"""Axes of each view, rows right, down and away from its viewer, in the camera's."""


def strong_edges(weights: Shaped[Item, " pairs"], *, share: float = _WEAK, most: int | None = None) -> list[Edge]:
    """Return the strong edges, the weakest first: both points, and the weight relative to the strongest one.

    Args:
        weights: of all pairs i < j, in the order of ``torch.triu_indices``.
        share: of the strongest weight, that an edge needs.
        most: number of edges, by default three per point.

    Raises:
        ValueError: it is not the number of pairs of anything.
    """
    values = np.maximum(as_finite(weights).reshape(-1), 0.0)
    points = points_of_pairs(len(values))
    if points is None:
        raise ValueError(f"{len(values)} weights are not the pairs of any number of points")
    first, second = np.triu_indices(points, 1)
    largest = values.max(initial=0.0)
    if largest <= 0.0:
        return []
    values = values / largest
    order = np.argsort(values, kind="stable")[::-1][: _PER_POINT * points if most is None else most]
    return [(int(first[k]), int(second[k]), float(values[k])) for k in order[::-1] if values[k] >= share]


def points_of_pairs(pairs: int) -> int | None:
    """Return the number of points with that many pairs, None if there is no such number."""
    points = (1 + math.isqrt(1 + 8 * pairs)) // 2
    return points if points > 1 and points * (points - 1) // 2 == pairs else None


def keypoints_picture(
    keypoints: Shaped[Item, "points axes"],
    *,
    image: Shaped[Item, "channel height width"] | None = None,
    visible: Shaped[Item, " points"] | None = None,
    edges: Sequence[Edge] = (),
    size: int = 192,
) -> Picture:
    """Draw the first two coordinates of points in [-1, 1] over the image, ``size`` pixels high; hollow if not visible.

    Args:
        edges: between points; see :func:`strong_edges`.
    """
    values = as_array(keypoints).astype(np.float64)
    canvas, place = _plate(image, size)
    pixels, known = _drawable(place(values[:, :2]), size)
    if edges:
        canvas = _with_edges(canvas, pixels, [edge for edge in edges if known[edge[0]] and known[edge[1]]], size=size)
    draw = ImageDraw.Draw(canvas)
    full = np.ones(len(values), dtype=bool) if visible is None else as_array(visible).astype(bool).reshape(-1)
    radius = max(2.0, size / 56.0)
    for colour, (x, y), is_full, is_known in zip(hues(len(values)).tolist(), pixels, full, known, strict=True):
        if is_known:
            box = (x - radius, y - radius, x + radius, y + radius)
            fill, outline = (tuple(colour), _WHITE) if is_full else (None, tuple(colour))
            draw.ellipse(box, fill=fill, outline=outline)
    return np.asarray(canvas)


def landmarks_over(
    image: Shaped[Item, "channel height width"],
    *,
    predicted: Shaped[Item, "points 2"],
    truth: Shaped[Item, "points 2"],
    visible: Shaped[Item, " points"] | None = None,
    size: int = 192,
) -> Picture:
    """Draw found points in green over the image, ``size`` pixels high, joined by a line to the annotated ones in blue.

    Points in [-1, 1]; those that are not visible are left out.

    Source: the colours of Thewlis et al. 2017, Figure 9.
    """
    canvas, place = _plate(image, size)
    draw = ImageDraw.Draw(canvas)
    found, true = (place(as_array(points).astype(np.float64)[:, :2]) for points in (predicted, truth))
    shown = np.ones(len(true), dtype=bool) if visible is None else as_array(visible).astype(bool).reshape(-1)
    shown &= np.isfinite(found).all(axis=1) & np.isfinite(true).all(axis=1)
    found, true = found[shown].clip(-size, 9 * size), true[shown].clip(-size, 9 * size)
    for a, b in zip(found, true, strict=True):
        draw.line([*a, *b], fill=_WHITE, width=max(1, size // 128))
    radius = max(2.0, size / 56.0)
    for points, colour in ((true, _TRUE), (found, _FOUND)):
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=_WHITE)
    return np.asarray(canvas)


# --- in space ------------------------------------------------------------------------------------------------------


def structure_picture(
    points: Shaped[Item, "points 3"],
    *,
    edges: Sequence[Edge] | None = None,
    middle: Float[np.ndarray, " 3"] | None = None,
    reach: float | None = None,
    sides: Sequence[str] = tuple(_SIDES),
    size: int = 128,
) -> Picture:
    """Draw points in space and the edges between them from three sides, in one scale; nearer points are larger.

    Args:
        points: any unit, in the camera's axes.
        edges: see :func:`strong_edges`. Without them those of the triangles in :func:`surface_picture`.
        middle: of the views; by default that of the points' extent.
        reach: half of what a view shows, in the unit of the points; by default all of them.
        sides: some of ``front``, ``from the right`` and ``from above``.
        size: of one view, pixels.
    """
    values, known, reach = _centred(points, reach, middle)
    edges = _plain(surface_of(points)) if edges is None else edges
    edges = [edge for edge in edges if known[edge[0]] and known[edge[1]]]
    return strip([_structure(values @ _SIDES[name].T / reach, known, edges, size, name) for name in sides])


def surface_picture(
    points: Shaped[Item, "points 3"],
    *,
    faces: Int[np.ndarray, "faces 3"] | None = None,
    reach: float | None = None,
    size: int = 128,
) -> Picture:
    """Draw the surface of triangles between points in space, as grey plaster from three sides.

    Args:
        points: any unit, in the camera's axes.
        faces: of the surface, by default those of :func:`surface_of`.
        reach: half of what a view shows, in the unit of the points; by default all of them.
        size: of one view, pixels.
    """
    faces = surface_of(points) if faces is None else faces
    values, known, reach = _centred(points, reach)
    faces = faces[known[faces].all(axis=1)]
    return strip([_surface(values @ axes.T / reach, known, faces, size, name) for name, axes in _SIDES.items()])


def structure_sheet(
    points: Shaped[Item, "points 3"],
    *,
    canonical: Shaped[Item, "points 3"] | None = None,
    edges: Sequence[Edge] | None = None,
    size: int = 224,
) -> Picture:
    """Draw points and edges from three sides, and below them the surface.

    Args:
        canonical: the same points in the object's own pose, whose triangles do not depend on the pose of a picture.
        edges: see :func:`strong_edges`. Without them those of the triangles.
    """
    faces = surface_of(points if canonical is None else canonical)
    edges = _plain(faces) if edges is None else edges
    drawn = structure_picture(points, edges=edges, size=size), surface_picture(points, faces=faces, size=size)
    return stack(drawn, gap=2)


def surface_of(points: Shaped[Item, "points 3"]) -> Int[np.ndarray, "faces 3"]:
    """Return Delaunay triangles of the points as seen from the front; points that are not finite have none."""
    known = np.flatnonzero(np.isfinite(as_array(points)).all(axis=1))
    return known[delaunay(as_finite(points)[known, :2])].reshape(-1, 3)


def _plain(faces: np.ndarray) -> list[Edge]:
    return [(i, j, _PLAIN) for i, j in edges_of(faces).tolist()]


def _centred(
    points: Item, reach: float | None, middle: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return points about the middle of their extent, the mask of finite ones, and half of the visible extent."""
    known = np.asarray(np.isfinite(as_array(points)).all(axis=1))
    values = np.where(known[:, None], as_finite(points), 0.0)
    if middle is None and known.any():
        middle = (values[known].min(axis=0) + values[known].max(axis=0)) / 2.0
    values = values - (0.0 if middle is None else middle)
    if reach is None:
        reach = float(np.abs(values[known]).max(initial=0.0))
    return values, known, reach if reach > 0.0 else 1.0


def _structure(values: np.ndarray, known: np.ndarray, edges: Sequence[Edge], size: int, name: str) -> Picture:
    """Draw one view: axes right, down, away, in [-1, 1]."""
    canvas, pixels = _view(values, size)
    draw, fine = ImageDraw.Draw(canvas), _FINE * size
    for i, j, share in sorted(edges, key=lambda edge: -(values[edge[0], 2] + values[edge[1], 2])):
        ink = tuple(round(pale + (dark - pale) * share) for pale, dark in zip(PALE, _DARK, strict=True))
        draw.line([*pixels[i], *pixels[j]], fill=ink, width=max(1, round(fine / 96 * (0.4 + 0.6 * share))))
    colours = hues(len(values)).tolist()
    for k in np.argsort(-values[:, 2], kind="stable"):
        if known[k]:
            radius = fine / 44.0 * (1.0 - 0.35 * values[k, 2].clip(-1.0, 1.0))
            box = [*(pixels[k] - radius), *(pixels[k] + radius)]
            draw.ellipse(box, fill=tuple(colours[k]), outline=_WHITE, width=max(1, fine // 200))
    return _named(canvas, size, name)


def _surface(values: np.ndarray, known: np.ndarray, faces: np.ndarray, size: int, name: str) -> Picture:
    canvas, pixels = _view(values, size)
    draw, fine = ImageDraw.Draw(canvas), _FINE * size
    toward = np.array([-0.45, -0.55, -0.70]) / np.linalg.norm([-0.45, -0.55, -0.70])
    corners = values[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    normals = np.where(normals[:, 2:] > 0.0, -normals, normals)  # both sides are plaster
    light = 0.4 + 0.6 * (normals @ toward).clip(0.0, 1.0)
    for k in np.argsort(-corners[..., 2].mean(axis=1), kind="stable"):
        grey = round(255.0 * light[k])
        corner = [tuple(pixels[index]) for index in faces[k]]
        draw.polygon(corner, fill=(grey, grey, grey))
        draw.line([*corner, corner[0]], fill=tuple(round(0.75 * grey) for _ in range(3)), width=max(1, fine // 300))
    colours, radius = hues(len(values)).tolist(), fine / 90.0
    for k in np.argsort(-values[:, 2], kind="stable"):
        if known[k]:
            draw.ellipse([*(pixels[k] - radius), *(pixels[k] + radius)], fill=tuple(colours[k]))
    return _named(canvas, size, name)


def _view(values: np.ndarray, size: int) -> tuple[Image.Image, np.ndarray]:
    fine = _FINE * size
    canvas = Image.new("RGB", (fine, fine), PALE)
    return canvas, (0.5 + 0.44 * values[:, :2].clip(-9.0, 9.0)) * fine


def _named(canvas: Image.Image, size: int, name: str) -> Picture:
    canvas = canvas.resize((size, size), Image.Resampling.LANCZOS)
    ImageDraw.Draw(canvas).text(
        (4, size - max(4, size // 40)), name, fill=INK, font=font(max(9, size // 14)), anchor="ls"
    )
    return np.asarray(canvas)


# --- on a plate ----------------------------------------------------------------------------------------------------


def _plate(image: Item | None, size: int) -> tuple[Image.Image, Callable[[np.ndarray], np.ndarray]]:
    """Return a canvas for points, ``size`` pixels high, and its pixel coordinates of positions in [-1, 1]."""
    if image is None:
        grid = np.array([size, size])
        canvas = Image.new("RGB", (size, size), PALE)
    else:
        below = image_picture(image)
        grid = np.array(below.shape[1::-1])
        canvas = Image.fromarray(below).resize(
            (max(1, round(size * grid[0] / grid[1])), size), Image.Resampling.BICUBIC
        )
    scale = np.array(canvas.size) / grid
    return canvas, lambda points: ((points + 1.0) / 2.0 * (grid - 1.0) + 0.5) * scale - 0.5


def _drawable(pixels: Float[np.ndarray, "points 2"], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places of points, clamped to a drawable distance, and the mask of finite ones."""
    known = np.asarray(np.isfinite(pixels).all(axis=1))
    return np.where(known[:, None], pixels, 0.0).clip(-9 * size, 10 * size), known


def _with_edges(canvas: Image.Image, pixels: np.ndarray, edges: Sequence[Edge], *, size: int) -> Image.Image:
    """Draw white lines with a dark rim, visible on any picture; weak ones are transparent."""
    shown = np.asarray(canvas).astype(np.float64)
    y, x = np.mgrid[: canvas.height, : canvas.width]
    place = np.stack((x, y), axis=-1).astype(np.float64)
    for i, j, share in edges:
        off = _from_segment(place, pixels[i], pixels[j])
        half = max(0.7, size / 160.0) * (0.35 + 0.65 * share)
        for colour, reach in ((_DARK, 1.9 * half), (_WHITE, half)):
            cover = (0.2 + 0.8 * share) * (reach + 0.5 - off).clip(0.0, 1.0)[..., None]
            shown += cover * (np.array(colour) - shown)
    return Image.fromarray(np.rint(shown).astype(np.uint8))


def _from_segment(place: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the distance of places from a segment."""
    along = end - start
    length = max(float(along @ along), np.finfo(np.float64).tiny)
    t = ((place - start) @ along / length).clip(0.0, 1.0)
    return np.linalg.norm(place - start - t[..., None] * along, axis=-1)
