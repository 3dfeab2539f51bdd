"""The colours of a head: skin, eyes, brows, lips, hair, on a texture over the grid; sRGB.

Everything is a function of the face's own coordinates (x, y) and mirrored, but for what :class:`Lopsided` and the arguments
named ``own`` say.
"""

import attrs
import numpy as np
from numpy.random import Generator

from armillary_worlds.anatomy import HAIR, IRIS, SKIN
from armillary_worlds.head_shape import Grid, Lopsided, _blob, _bump, _ramp, mouth_line, sections
from armillary_worlds.noise import smooth_field, spline_basis
from armillary_worlds.raster import Floats

_CELLS = (7, 5)
_STRANDS = 24


@attrs.frozen(kw_only=True, eq=False)
class Palette:
    """Colours of one head, all of them mirrored."""

    skin: Floats
    hair: Floats
    iris: Floats
    lips: Floats
    shirt: Floats
    bald: bool
    beard: float
    sides: float
    """How far down the hair goes at the sides, in the units of the anatomy."""
    noise: Floats
    strands: Floats


def draw_palette(generator: Generator, *, variation: float) -> Palette:
    """Return the colours of one head."""
    tone = np.clip(1.5 + variation * generator.uniform(-1.5, 2.0), 0, len(SKIN) - 1)
    skin = _between(SKIN, tone) * (1 + variation * generator.normal(0, 0.04, 3))
    kind = generator.integers(len(HAIR)) if variation > 0 else 1
    hair = HAIR[kind] * (1 + variation * generator.normal(0, 0.12))
    iris = IRIS[generator.integers(len(IRIS))]
    lips = skin * (0.86, 0.60, 0.60) * (1 + variation * generator.normal(0, 0.06, 3))
    shirt = generator.uniform(0.1, 0.9, 3)
    bald, beard, sides = generator.random(3)
    return Palette(
        skin=np.clip(skin, 0.05, 1),
        hair=np.clip(hair, 0.03, 0.9),
        iris=iris,
        lips=np.clip(lips, 0.05, 1),
        shirt=shirt,
        bald=bool(bald < 0.1 * variation),
        beard=float(beard if beard < 0.25 * variation else 0.0) * 2.5,
        sides=float(-2.0 + 2.5 * sides if sides < 0.7 else 7.0),
        noise=generator.standard_normal((*_CELLS, 3)),
        strands=generator.standard_normal(_STRANDS),
    )


def hair_cover(traits: dict[str, float], lopsided: Lopsided, palette: Palette, grid: Grid) -> Floats:
    """Return how much hair there is at each grid point, 0 to 1."""
    height, width, _ = sections(traits, grid)
    if palette.bald:
        return np.zeros((len(height), len(grid.across)))
    x = width[:, None] * grid.across
    line = traits["hairline"] + traits["hair_curve"] * x**2
    if lopsided.parting:
        # Beside the parting the hair rises; across the forehead it falls to the other side.
        side = np.sign(lopsided.parting)
        away = side * x + abs(lopsided.parting)
        line = line - 0.9 * _bump(away, 0.0, 1.0) + 1.3 * _ramp(away, 0.3, 3.0) * _bump(away, 3.5, 3.2)
    above = _ramp(line - height[:, None], -0.25, 0.35)
    angle = np.abs(grid.angle)[None]
    beside = _ramp(angle, traits["temple"] - 0.06, traits["temple"] + 0.08)
    beside = beside * _ramp(palette.sides - height[:, None], -0.5, 0.5)
    return np.maximum(above, beside)


def texture_of(
    traits: dict[str, float], lopsided: Lopsided, palette: Palette, hair: Floats, own: Floats, grid: Grid
) -> Floats:
    """Return the texture [R, C, 3].

    Args:
        traits: of identity.
        lopsided: of expression.
        palette: colours.
        hair: [R, C], of :func:`hair_cover` on the same grid.
        own: control values of skin noise that is not mirrored, [r, c, 3].
        grid: of the texture.
    """
    height, width, _ = sections(traits, grid)
    x, y = width[:, None] * grid.across, np.broadcast_to(height[:, None], hair.shape)
    front = grid.front[None] > 0.5
    colour = _skin(traits, palette, own, x, y, grid)
    colour = _lay(colour, palette.lips, _lips(traits, lopsided, x, y) * front)
    colour = _lay(colour, palette.lips * 0.35, _mouth(traits, lopsided, x, y) * front)
    colour = _lay(colour, palette.hair * 0.9, _beard(traits, palette, x, y) * grid.front)
    colour = _lay(colour, palette.skin * 0.25, 0.8 * _blob(np.abs(x), y, 0.55, 2.95 + traits["nose_length"], 0.3, 0.16) * front)
    colour = _eyes(colour, traits, lopsided, palette, x, y, front)
    colour = _lay(colour, palette.hair * 0.85, 0.9 * _brows(traits, lopsided, x, y) * front)
    strand = np.einsum("cs,s->c", spline_basis(np.abs(grid.angle) / grid.angle[-1], _STRANDS), palette.strands)
    tufts = palette.hair * (1 + 0.13 * strand)[:, None] + 0.02
    colour = _lay(colour, tufts[None], hair)
    shirt = _ramp(y, 10.3, 10.6)
    return np.clip(_lay(colour, palette.shirt, shirt), 0.01, 1)


def _skin(traits: dict[str, float], palette: Palette, own: Floats, x: Floats, y: Floats, grid: Grid) -> Floats:
    down = spline_basis(np.linspace(0, 1, len(y)), _CELLS[0])
    across = spline_basis(np.abs(grid.angle) / grid.angle[-1], _CELLS[1])
    even = smooth_field(down, across, palette.noise)
    uneven = smooth_field(down, spline_basis((grid.angle / grid.angle[-1] + 1) / 2, own.shape[1]), own)
    mirrored = np.abs(x)
    flush = 0.6 * _blob(mirrored, y, 3.7, 2.2, 1.7, 1.5) + 0.5 * _blob(mirrored, y, 0, 2.4, 1.2, 0.9)
    shade = _blob(mirrored, y, traits["eye_distance"], traits["eye_y"] + 0.3, 1.6, 0.9)
    tint = 1 + 0.035 * even + 0.05 * uneven
    tint = tint + flush[..., None] * (0.05, -0.10, -0.10) - shade[..., None] * (0.10, 0.12, 0.10)
    return palette.skin * tint


def _lips(traits: dict[str, float], lopsided: Lopsided, x: Floats, y: Floats) -> Floats:
    line = mouth_line(traits, lopsided, x)
    taper = np.sqrt(np.clip(1 - (x / traits["mouth_width"]) ** 2, 0, 1))
    bow = 1 - 0.25 * _bump(x, 0, 0.35)
    top, bottom = line - 0.75 * traits["lips"] / 0.5 * taper * bow, line + 0.95 * traits["lips"] / 0.5 * taper
    return _ramp(y, top - 0.12, top + 0.12) * _ramp(-y, -bottom - 0.15, -bottom + 0.15) * (taper > 0)


def _mouth(traits: dict[str, float], lopsided: Lopsided, x: Floats, y: Floats) -> Floats:
    line = mouth_line(traits, lopsided, x)
    return 0.9 * _bump(y, line, 0.17) * _ramp(traits["mouth_width"] - np.abs(x), -0.1, 0.25)


def _beard(traits: dict[str, float], palette: Palette, x: Floats, y: Floats) -> Floats:
    jaw = _ramp(y - 0.16 * x**2 + 0.055 * np.abs(x) ** 3, 3.0, 4.2) * _ramp(-y, -9.3, -8.0)
    return palette.beard * jaw * (1 - _blob(x, y, 0, traits["mouth_y"] + 1.2, 0.6, 0.4) * 0.4)


def _brows(traits: dict[str, float], lopsided: Lopsided, x: Floats, y: Floats) -> Floats:
    along = np.abs(x) - traits["eye_distance"]
    middle = traits["eye_y"] - traits["brow_height"] + traits["brow_arch"] * (along - 0.4) ** 2 - lopsided.brow_tilt * np.sign(x)
    thick = traits["brow_thickness"] * (1 - 0.22 * (along + 0.6))
    return _bump(y, middle, np.maximum(thick, 0.05)) * _ramp(1.75 - np.abs(along + 0.1), -0.15, 0.25)


def _eyes(
    colour: Floats, traits: dict[str, float], lopsided: Lopsided, palette: Palette, x: Floats, y: Floats, front: Floats
) -> Floats:
    size = traits["eye_size"]
    along = (np.abs(x) - traits["eye_distance"]) / (1.3 * size)
    inside = np.clip(1 - along**2, 0, 1)
    opened = traits["eye_open"] * size * (1 - np.clip(lopsided.lid * np.sign(x), 0, 0.9))
    top, bottom = traits["eye_y"] - 1.15 * opened * inside**0.7, traits["eye_y"] + 0.85 * opened * inside
    cover = _ramp(y, top - 0.08, top + 0.08) * _ramp(-y, -bottom - 0.08, -bottom + 0.08) * (inside > 0) * front
    gaze = lopsided.gaze * 0.5
    centre = np.hypot(x - np.sign(x) * traits["eye_distance"] - gaze, y - traits["eye_y"] + 0.06)
    eye = _lay(np.full(colour.shape, 0.9), palette.iris, _ramp(-centre, -0.62 * size, -0.5 * size))
    eye = _lay(eye, np.full(3, 0.03), _ramp(-centre, -0.32 * size, -0.2 * size))
    colour = _lay(colour, eye, cover)
    lash = _bump(y, top - 0.02, 0.13) * _ramp(inside, 0.0, 0.12) * front
    return _lay(colour, palette.hair * 0.4, 0.85 * lash)


def _lay(below: Floats, above: Floats, cover: Floats) -> Floats:
    return below + cover[..., None] * (above - below)


def _between(table: Floats, at: float) -> Floats:
    low = min(int(at), len(table) - 2)
    return table[low] + (at - low) * (table[low + 1] - table[low])
