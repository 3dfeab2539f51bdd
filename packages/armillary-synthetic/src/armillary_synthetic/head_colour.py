"""Colours of a head: skin, eyes, brows, lips, hair, on a texture over the grid; sRGB.

Everything is a function of the face's own coordinates (x, y) and mirrored, apart from :class:`Lopsided` and the arguments
named ``own``.
"""

import attrs
import numpy as np
from numpy.random import Generator

from armillary_synthetic.anatomy import HAIR, IRIS, NOISE_FOLDED, NOISE_ROWS, SKIN, STRANDS
from armillary_synthetic.head_shape import Form, mouth_line, window
from armillary_synthetic.raster import Floats
from armillary_synthetic.smooth import blob, bump, ramp, smooth_field

_USUAL_HAIR, _USUAL_IRIS = 1, 0  # rows of the tables, where nothing varies
_LIPS = np.array([0.86, 0.60, 0.60])  # times the colour of the skin
_BALD, _BEARDED, _SHORT = 0.1, 0.25, 0.7  # shares of heads: bald; bearded; with hair that ends at the ears
_BEARD = 0.6  # how much of the skin the thickest beard hides
_COLLAR = 10.3  # height below which the shirt is seen
_RED = np.array([0.05, -0.10, -0.10])[:, None, None]
_DARK = np.array([0.10, 0.12, 0.10])[:, None, None]


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
    hair, iris = generator.integers(len(HAIR)), generator.integers(len(IRIS))
    shade, lips, shirt = generator.normal(0, 0.12), generator.normal(0, 0.06, 3), generator.uniform(-0.4, 0.4, 3)
    bald, beard, sides = generator.random(3)
    if variation == 0:
        hair, iris, sides = _USUAL_HAIR, _USUAL_IRIS, 0.0
    return Palette(
        skin=np.clip(skin, 0.05, 1),
        hair=np.clip(HAIR[hair] * (1 + variation * shade), 0.03, 0.9),
        iris=IRIS[iris],
        lips=np.clip(skin * _LIPS * (1 + variation * lips), 0.05, 1),
        shirt=0.5 + variation * shirt,
        bald=bool(bald < _BALD * variation),
        beard=float(beard / _BEARDED * _BEARD) if beard < _BEARDED * variation else 0.0,
        sides=float(-2.0 + 2.5 * sides if sides < _SHORT else 7.0),
        noise=variation * generator.standard_normal((3, NOISE_ROWS, NOISE_FOLDED)),
        strands=variation * generator.standard_normal(STRANDS),
    )


def hair_cover(form: Form, palette: Palette, *, soft: float) -> Floats:
    """Return how much hair there is at each grid point, 0 to 1; its edge is ``soft`` wide, in units of the anatomy."""
    traits, parting, x = form.traits, form.lopsided.parting, form.x
    if palette.bald:
        return np.zeros(x.shape)
    line = traits["hairline"] + traits["hair_curve"] * x**2
    if parting:
        # Beside the parting the hair rises; across the forehead it falls to the other side.
        side = np.sign(parting)
        away = side * x + abs(parting)
        line = line - 0.9 * bump(away, 0.0, 1.0) + 1.3 * ramp(away, 0.3, 3.0) * bump(away, 3.5, 3.2)
    above = ramp(line - form.y, -soft / 2, soft / 2)
    angle = np.abs(form.grid.angle)
    beside = ramp(angle, traits["temple"] - 0.06, traits["temple"] + 0.08)
    beside = beside * ramp(palette.sides - form.height[:, None], -0.5, 0.5)
    return np.maximum(above, beside)


def texture_of(form: Form, palette: Palette, hair: Floats, own: Floats) -> Floats:
    """Return the texture [3, R, C].

    Args:
        form: on the grid of the texture.
        palette: colours.
        hair: [R, C], of :func:`hair_cover` on the same grid.
        own: control values of skin noise that is not mirrored, [3, r, c].
    """
    grid = form.grid
    even = smooth_field(grid.noise_down, grid.noise_folded, palette.noise)
    uneven = smooth_field(grid.noise_down, grid.noise_across, own)
    texture = palette.skin[:, None, None] * (1 + 0.035 * even + 0.05 * uneven)
    for top, bottom, paint in _FEATURES:
        part, where = window(form, top, bottom)
        paint(texture[where], part, palette)
    strand = np.einsum("cs,s->c", grid.strands, palette.strands)
    _lay(texture, palette.hair[:, None, None] * (1 + 0.13 * strand) + 0.02, hair)
    shirt = slice(int(np.searchsorted(form.height, _COLLAR)), None)
    _lay(texture[:, shirt], palette.shirt, ramp(form.y[shirt], _COLLAR, _COLLAR + 0.3))
    return np.clip(texture, 0.01, 1, out=texture)


def _blush(picture: Floats, form: Form, palette: Palette) -> None:
    traits, x, y = form.traits, np.abs(form.x), form.y
    flush = 0.6 * blob(x, y, 3.7, 2.2, 1.7, 1.5) + 0.5 * blob(x, y, 0, 2.4, 1.2, 0.9)
    shade = blob(x, y, traits["eye_distance"], traits["eye_y"] + 0.3, 1.6, 0.9)
    picture += palette.skin[:, None, None] * (_RED * flush - _DARK * shade)


def _nostrils(picture: Floats, form: Form, palette: Palette) -> None:
    cover = 0.8 * blob(np.abs(form.x), form.y, 0.55, 2.95 + form.traits["nose_length"], 0.3, 0.16)
    _lay(picture, palette.skin * 0.25, cover)


def _lips(picture: Floats, form: Form, palette: Palette) -> None:
    traits, x, y = form.traits, form.x, form.y
    line = mouth_line(form, x)
    taper = np.sqrt(np.clip(1 - (x / traits["mouth_width"]) ** 2, 0, 1))
    bow = 1 - 0.25 * bump(x, 0, 0.35)
    top, bottom = line - 0.75 * traits["lips"] / 0.5 * taper * bow, line + 0.95 * traits["lips"] / 0.5 * taper
    red = ramp(y, top - 0.12, top + 0.12) * ramp(-y, -bottom - 0.15, -bottom + 0.15) * (taper > 0)
    _lay(picture, palette.lips, red)
    gap = 0.9 * bump(y, line, 0.17) * ramp(traits["mouth_width"] - np.abs(x), -0.1, 0.25)
    _lay(picture, palette.lips * 0.35, gap)


def _beard(picture: Floats, form: Form, palette: Palette) -> None:
    if palette.beard == 0:
        return
    x, y = form.x, form.y
    jaw = ramp(y - 0.16 * x**2 + 0.055 * np.abs(x) ** 3, 3.0, 4.2) * ramp(-y, -9.3, -8.0)
    cover = palette.beard * jaw * (1 - blob(x, y, 0, form.traits["mouth_y"] + 1.2, 0.6, 0.4) * 0.4)
    _lay(picture, palette.hair * 0.9, cover * form.grid.front[form.grid.front > 0])


def _brows(picture: Floats, form: Form, palette: Palette) -> None:
    traits, x, y = form.traits, form.x, form.y
    along = np.abs(x) - traits["eye_distance"]
    arch = traits["brow_arch"] * (along - 0.4) ** 2 - form.lopsided.brow_tilt * np.sign(x)
    middle = traits["eye_y"] - traits["brow_height"] + arch
    thick = traits["brow_thickness"] * (1 - 0.22 * (along + 0.6))
    cover = bump(y, middle, np.maximum(thick, 0.05)) * ramp(1.75 - np.abs(along + 0.1), -0.15, 0.25)
    _lay(picture, palette.hair * 0.85, 0.9 * cover)


def _eyes(picture: Floats, form: Form, palette: Palette) -> None:
    traits, lopsided, x, y = form.traits, form.lopsided, form.x, form.y
    size = traits["eye_size"]
    along = (np.abs(x) - traits["eye_distance"]) / (1.3 * size)
    inside = np.clip(1 - along**2, 0, 1)
    opened = traits["eye_open"] * size * (1 - np.clip(lopsided.lid * np.sign(x), 0, 0.9))
    top, bottom = traits["eye_y"] - 1.15 * opened * inside**0.7, traits["eye_y"] + 0.85 * opened * inside
    cover = ramp(y, top - 0.08, top + 0.08) * ramp(-y, -bottom - 0.08, -bottom + 0.08) * (inside > 0)
    centre = np.hypot(x - np.sign(x) * traits["eye_distance"] - 0.5 * lopsided.gaze, y - traits["eye_y"] + 0.06)
    eye = np.full(picture.shape, 0.9)
    _lay(eye, palette.iris, ramp(-centre, -0.62 * size, -0.5 * size))
    _lay(eye, np.full(3, 0.03), ramp(-centre, -0.32 * size, -0.2 * size))
    _lay(picture, eye, cover)
    lash = bump(y, top - 0.02, 0.13) * ramp(inside, 0.0, 0.12)
    _lay(picture, palette.hair * 0.4, 0.85 * lash)


_FEATURES = (
    (-4.5, 7.0, _blush),
    (2.0, 9.0, _lips),
    (1.0, 10.0, _beard),
    (1.5, 4.5, _nostrils),
    (-3.0, 1.0, _eyes),
    (-5.0, 1.0, _brows),
)
"""From and to which height each is painted, in this order; the mouth is painted with the lips."""


def _lay(picture: Floats, above: Floats, cover: Floats) -> None:
    """Lay one colour [3], or another picture, over a picture [3, R, C] in place, as far as a cover [R, C] says."""
    above = above[:, None, None] if above.ndim == 1 else above
    picture += cover * (above - picture)


def _between(table: Floats, at: float) -> Floats:
    low = min(int(at), len(table) - 2)
    return table[low] + (at - low) * (table[low + 1] - table[low])
