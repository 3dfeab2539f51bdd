"""Surface of a head: horizontal sections on a grid, with the features of the face added in depth.

A grid point (row, column) has a height and an angle; the angle is 0 in front and positive to the subject's left. The grid is
mirror-symmetric, triangles included, so a head without asymmetry equals its mirror image. Lengths are in the units of
:mod:`armillary_synthetic.anatomy` until :func:`to_scene`.
"""

import attrs
import numpy as np
from numpy.random import Generator

from armillary_synthetic.anatomy import (
    COLUMNS,
    DROP,
    EARS,
    NOISE_COLUMNS,
    NOISE_FOLDED,
    NOISE_ROWS,
    REACH,
    ROWS,
    SECTION,
    STATIONS,
    STRANDS,
    TRAITS,
    UNIT,
)
from armillary_synthetic.raster import Floats, Indices, unit
from armillary_synthetic.scene import CENTRE
from armillary_synthetic.smooth import blob, bump, ramp, spline_basis


@attrs.frozen(kw_only=True, eq=False)
class Grid:
    """Rows and columns on which a head is evaluated; the same for every head."""

    sections: Floats
    """[R, stations], the spline's basis."""
    across: Floats
    """[C], x of a section of unit half width."""
    forward: Floats
    """[C], depth of a section of unit depth."""
    front: Floats
    """[C], 1 on the face, 0 behind the ears."""
    side: Floats
    """[C], 1 at the ears, 0 in the middle of the face."""
    angle: Floats
    """[C], radians."""
    noise_down: Floats
    noise_folded: Floats
    noise_across: Floats
    strands: Floats
    """Bases of splines over the rows, over the absolute angle, over the angle; of hair over the absolute angle."""


@attrs.frozen(kw_only=True)
class Lopsided:
    """Asymmetries, each 0 in a symmetric head. Positive values move the subject's left."""

    mouth_tilt: float = 0.0
    brow_tilt: float = 0.0
    lid: float = 0.0
    gaze: float = 0.0
    parting: float = 0.0


@attrs.frozen(kw_only=True, eq=False)
class Form:
    """Sections of one head on a grid, before the features of the face are added."""

    traits: dict[str, float]
    lopsided: Lopsided
    grid: Grid
    height: Floats
    """[R], of each row."""
    width: Floats
    """[R], half of it."""
    depth: Floats
    """[R]."""
    x: Floats
    """[R, C]."""
    y: Floats
    """[R, C]."""


def make_grid(step: int) -> Grid:
    """Return the grid with ``step`` cells for each cell of the mesh: 1 for the mesh, 2 for a texture twice as fine."""
    knots = np.array(ROWS)
    rows = np.interp(np.arange(knots[-1, 1] * step + 1) / step, knots[:, 1], knots[:, 0]) / (len(STATIONS) - 1)
    half = np.linspace(0, 1, (COLUMNS // 2) * step + 1)
    half = REACH * (0.55 * half + 0.45 * half**3)
    angle = np.concatenate([-half[:0:-1], half])
    sine, cosine = np.sin(angle), np.cos(angle)
    length = (np.abs(sine) ** SECTION + np.abs(cosine) ** SECTION) ** (1 / SECTION)
    folded = np.abs(angle) / REACH
    return Grid(
        sections=spline_basis(rows, len(STATIONS)),
        across=sine / length,
        forward=cosine / length,
        front=ramp(cosine, 0.05, 0.45),
        side=bump(np.abs(angle), 1.72, 0.17),
        angle=angle,
        noise_down=spline_basis(np.linspace(0, 1, len(rows)), NOISE_ROWS),
        noise_folded=spline_basis(folded, NOISE_FOLDED),
        noise_across=spline_basis((angle / REACH + 1) / 2, NOISE_COLUMNS),
        strands=spline_basis(folded, STRANDS),
    )


def make_triangles(rows: int, columns: int) -> Indices:
    """Return the triangles of a grid, counter-clockwise from outside, the diagonals mirrored about the middle column."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    corner = (row * columns + column).ravel()
    a, b, c, d = corner, corner + 1, corner + columns, corner + columns + 1
    right = (column.ravel() >= columns // 2)[:, None]
    first = np.where(right, np.stack([a, c, b], 1), np.stack([a, c, d], 1))
    second = np.where(right, np.stack([b, c, d], 1), np.stack([a, d, b], 1))
    return np.concatenate([first, second]).astype(np.intp)


def draw_traits(generator: Generator, *, variation: float) -> dict[str, float]:
    """Return the traits of one head."""
    draws = np.clip(generator.standard_normal(len(TRAITS)), -2, 2) * variation
    return {name: mean + spread * float(z) for (name, (mean, spread)), z in zip(TRAITS.items(), draws, strict=True)}


def form_of(traits: dict[str, float], lopsided: Lopsided, grid: Grid) -> Form:
    """Return the sections of a head with these traits."""
    y, width, depth = STATIONS.T.copy()
    width[3:6] += traits["forehead"]
    width[6:9] += traits["cheek_width"]
    width[9:12] += traits["jaw_width"]
    y[11:] += traits["chin_drop"]
    height, width, depth = (np.einsum("rs,s->r", grid.sections, c) for c in (y * traits["height"], width, depth))
    width[0] = depth[0] = 0.0  # the crown closes
    width *= traits["width"]
    return Form(
        traits=traits,
        lopsided=lopsided,
        grid=grid,
        height=height,
        width=width,
        depth=depth * traits["depth"],
        x=width[:, None] * grid.across,
        y=np.repeat(height[:, None], len(grid.across), axis=1),
    )


def window(form: Form, top: float, bottom: float) -> tuple[Form, tuple[slice, slice, slice]]:
    """Return the part of a form in front of the ears and between two heights, and where it lies in pictures [3, R, C]."""
    first, last = np.searchsorted(form.height, (top, bottom))
    face = np.flatnonzero(form.grid.front)
    rows, columns = slice(int(first), int(last)), slice(int(face[0]), int(face[-1]) + 1)
    part = attrs.evolve(form, height=form.height[rows], x=form.x[rows, columns], y=form.y[rows, columns])
    return part, (slice(None), rows, columns)


def points_of(form: Form, hair: Floats) -> Floats:
    """Return the surface [R, C, 3]: x, y down, and z away from the viewer, from the plane of the ears.

    Args:
        form: on the grid of the mesh.
        hair: [R, C], how much hair there is, 0 to 1.
    """
    z = -form.depth[:, None] * form.grid.forward - relief(form) * form.grid.front
    skin = np.stack([form.x, form.y, z], axis=-1)
    outward = np.stack([form.x, 0.9 * form.y + 3.0, z], axis=-1)
    outward = unit(outward.reshape(-1, 3)).reshape(outward.shape)
    outward[..., 1] = np.minimum(outward[..., 1], 0)
    skin += (form.traits["hair_volume"] * hair)[..., None] * outward
    skin[..., 0] += form.traits["ears"] * form.grid.side * bump(form.y, 0.6, 1.5) * (1 - hair) * np.sign(form.x)
    return skin


def relief(form: Form) -> Floats:
    """Return how far the face stands forward of its sections, [R, C]."""
    t, x, y = form.traits, form.x, form.y
    mirrored = np.abs(x)
    eye_x, eye_y, mouth = t["eye_distance"], t["eye_y"], mouth_line(form, x)

    # Nose: a ridge that grows to its tip, then falls to the lip; two wings.
    root, tip = eye_y - 0.4, 2.45 + t["nose_length"]
    along = (y - root) / (tip - root)
    rise = np.clip(along, 0, 1)
    ridge = t["nose_bridge"] * ramp(along, -0.35, 0.25) + (t["nose_tip"] - t["nose_bridge"]) * rise**1.5
    ridge = ridge * np.where(along > 1, np.exp(-(((along - 1) / 0.17) ** 2)), 1.0)
    ridge = ridge * np.exp(-((mirrored / (t["nose_width"] * (0.75 + 0.35 * rise))) ** 2))
    wings = t["wings"] * blob(mirrored, y, 1.05 * t["nose_width"] / 0.95, tip + 0.1, 0.5, 0.45)

    brow = t["brow_ridge"] * blob(mirrored, y, 2.4, eye_y - 1.5, 1.7, 0.65)
    socket = -t["socket"] * blob(mirrored, y, eye_x - 0.2, eye_y + 0.0, 1.5, 1.0)
    ball = 0.6 * blob(mirrored, y, eye_x, eye_y, 0.95 * t["eye_size"], 0.65)
    cheek = t["cheekbone"] * blob(mirrored, y, 4.1, 1.4, 1.6, 1.3)
    beside = -0.25 * blob(mirrored, y, 2.3, 3.2, 0.7, 1.2)

    spread = np.exp(-((x / (0.72 * t["mouth_width"])) ** 4))
    muzzle = 0.45 * blob(mirrored, y, 0, t["mouth_y"], 2.1, 1.5)
    lips = t["lips"] * spread * (bump(y, mouth - 0.36, 0.34) + 1.1 * bump(y, mouth + 0.42, 0.38))
    gap = -0.45 * spread * bump(y, mouth, 0.16)
    under = -0.35 * blob(mirrored, y, 0, t["mouth_y"] + 1.35, 1.5, 0.45)
    chin = t["chin_forward"] * blob(mirrored, y, 0, 7.3 + t["chin_drop"], 1.3, 0.9)
    return ridge + wings + brow + socket + ball + cheek + beside + muzzle + lips + gap + under + chin


def mouth_line(form: Form, x: Floats) -> Floats:
    """Return the height of the line between the lips at x: corners rise with a smile, one of them with a tilt."""
    across = np.clip(x / form.traits["mouth_width"], -1.5, 1.5)
    return (
        form.traits["mouth_y"]
        - form.traits["smile"] * 2 * across**2
        - form.lopsided.mouth_tilt * across * np.abs(across)
    )


def normals_of(points: Floats) -> Floats:
    """Return unit outward normals [R, C, 3] of the surface by central differences."""
    down, right = np.gradient(points, axis=0), np.gradient(points, axis=1)
    normals = np.cross(down.reshape(-1, 3), right.reshape(-1, 3)).reshape(points.shape)
    normals[0] = (0.0, -1.0, 0.0)  # the crown is one point
    return unit(normals.reshape(-1, 3)).reshape(points.shape)


def locate(form: Form, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return (row, column) positions on the grid of the face's points (x, y)."""
    row = np.interp(y, form.height, np.arange(len(form.height)))
    rising = np.flatnonzero(np.abs(form.grid.angle) <= np.pi / 2)  # in front of the ears x grows with the column
    width = np.interp(row, np.arange(len(form.width)), form.width)
    return row, np.interp(x / width, form.grid.across[rising], rising)


def read_grid(points: Floats, rows: Floats, columns: Floats) -> Floats:
    """Return points [P, 3] of the mesh at grid positions, on its triangles (see :func:`make_triangles`)."""
    top = np.clip(rows.astype(np.intp), 0, points.shape[0] - 2)
    left = np.clip(columns.astype(np.intp), 0, points.shape[1] - 2)
    v, u = (rows - top)[:, None], (columns - left)[:, None]
    a, b, c, d = points[top, left], points[top, left + 1], points[top + 1, left], points[top + 1, left + 1]
    right = (left >= points.shape[1] // 2)[:, None]
    rising = np.where(u + v <= 1, a + u * (b - a) + v * (c - a), d + (1 - u) * (c - d) + (1 - v) * (b - d))
    falling = np.where(v >= u, a + v * (c - a) + u * (d - c), a + u * (b - a) + v * (d - b))
    return np.where(right, rising, falling)


def to_scene(points: Floats) -> Floats:
    """Return points in scene units in the object frame, whose centre of rotation is (0, 0, 1)."""
    return (points + np.array([0.0, DROP, EARS])) * UNIT + CENTRE
