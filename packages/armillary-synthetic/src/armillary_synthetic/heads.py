"""Procedural heads: bilaterally symmetric in shape and colour, apart from the settings of asymmetry."""

from typing import Any

import numpy as np
from attrs.validators import and_, ge, le

from armillary.config import param
from armillary_synthetic.anatomy import NOISE_COLUMNS, NOISE_ROWS, POINTS, UNIT
from armillary_synthetic.bases import HeadPictures
from armillary_synthetic.colour import add_marks
from armillary_synthetic.head_colour import draw_palette, hair_cover, texture_of
from armillary_synthetic.head_shape import (
    Form,
    Lopsided,
    draw_traits,
    form_of,
    locate,
    make_grid,
    make_triangles,
    mouth_line,
    normals_of,
    points_of,
    read_grid,
    to_scene,
    window,
)
from armillary_synthetic.raster import Floats
from armillary_synthetic.scene import Surface, generator_for

_FINE = 2  # texels per cell of the mesh
_MARKED = (5.0, 6.0)  # marks are up to this far from the middle, across and down
_SOFT_VOLUME, _SOFT_COLOUR = 1.6, 0.5  # width of the edge of the hair, in units of the anatomy


class Heads(HeadPictures, name="heads", source="ours"):
    """Procedural symmetric heads with controlled asymmetry.

    Identity is symmetric; each asymmetry has its own setting, and 0 turns it off.
    """

    variation: float = param(
        1.0, help="spread of shape and colour between heads; 0 gives one head", validator=and_(ge(0), le(1.5))
    )
    parting: float = param(0.5, help="share of heads whose hair is parted on one side", validator=and_(ge(0), le(1)))
    marks: float = param(
        1.0, unit="marks", help="mean number of moles and patches a head", validator=and_(ge(0), le(20))
    )
    expression: float = param(
        0.5, help="strength of lopsided expression: mouth, brows, gaze, lids", validator=and_(ge(0), le(1))
    )
    blotches: float = param(0.4, help="strength of skin colour that is not mirrored", validator=and_(ge(0), le(2)))

    def setup(self) -> None:
        super().setup()
        self._mesh, self._texels = make_grid(1), make_grid(_FINE)
        rows, columns = len(self._mesh.sections), len(self._mesh.across)
        self._triangles = make_triangles(rows, columns)
        row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        self._texture_positions = _FINE * np.stack([row.ravel(), column.ravel()], axis=1).astype(np.float64)

    def surface(self, index: int) -> Surface:
        """Return head ``index`` in its object frame."""
        traits = draw_traits(generator_for(self.seed, index, "shape"), variation=self.variation)
        palette = draw_palette(generator_for(self.seed, index, "colour"), variation=self.variation)
        uneven = generator_for(self.seed, index, "asymmetry")
        lopsided = _draw_lopsided(uneven, self)
        own = self.blotches * uneven.standard_normal((3, NOISE_ROWS, NOISE_COLUMNS))

        form, fine = form_of(traits, lopsided, self._mesh), form_of(traits, lopsided, self._texels)
        points = points_of(form, hair_cover(form, palette, soft=_SOFT_VOLUME))
        hair = hair_cover(fine, palette, soft=_SOFT_COLOUR)
        texture = texture_of(fine, palette, hair, own)
        landmarks = read_grid(points, *locate(form, *_named_points(form)))
        return Surface(
            points=to_scene(points).reshape(-1, 3),
            normals=normals_of(points).reshape(-1, 3),
            triangles=self._triangles,
            colours=self._marked(generator_for(self.seed, index, "marks"), fine, texture, hair),
            texture_positions=self._texture_positions,
            landmarks=to_scene(landmarks),
        )

    def _marked(self, generator: np.random.Generator, form: Form, texture: Floats, hair: Floats) -> Floats:
        """Return the texture [3, R, C] with moles and patches on the skin of the face."""
        part, (_, rows, columns) = window(form, -_MARKED[1], _MARKED[1] + 1)
        face = np.stack([part.x.ravel(), part.y.ravel()], axis=1) * UNIT
        flat = texture[:, rows, columns].reshape(3, -1).T
        extent = (_MARKED[0] * UNIT, _MARKED[1] * UNIT)
        marked = add_marks(generator, flat, face, mean_count=self.marks, extent=extent)
        shown = form.grid.front[columns] * (1 - hair[rows, columns])
        texture[:, rows, columns] += shown * (marked - flat).T.reshape(3, *shown.shape)
        return texture

    def describe(self) -> dict[str, Any]:
        """Return camera, conventions and names of landmarks."""
        return {**super().describe(), "points": list(POINTS)}


def _draw_lopsided(generator: np.random.Generator, heads: Heads) -> Lopsided:
    """Return the asymmetry of one head; the same draws whatever the settings."""
    mouth, brow, lid, gaze = heads.expression * generator.uniform(-1, 1, 4)
    parted, where = generator.random(), generator.uniform(-1, 1)
    parting = 0.0 if parted >= heads.parting else float(np.copysign(1.2 + 1.6 * abs(where), where))
    return Lopsided(mouth_tilt=0.7 * mouth, brow_tilt=0.5 * brow, lid=0.9 * lid, gaze=gaze, parting=parting)


def _named_points(form: Form) -> tuple[Floats, Floats]:
    """Return (x, y) on the face of :data:`POINTS`, in their order."""
    t = form.traits
    tip, eye, eye_y, corner = 2.45 + t["nose_length"], t["eye_distance"], t["eye_y"], t["mouth_width"]
    mouth = mouth_line(form, np.array([0.0, corner, -corner]))
    brow = eye_y - t["brow_height"]
    middle = [
        (0, tip),
        (0, eye_y - 0.3),
        (0, tip + 0.75),
        (0, 7.3 + t["chin_drop"]),
        (0, -5.0),
        (0, mouth[0] - 0.4),
        (0, mouth[0] + 0.45),
        (corner, mouth[1]),
        (-corner, mouth[2]),
    ]
    pairs = [
        (eye, eye_y, 0.0),
        (eye - 1.25 * t["eye_size"], eye_y, 0.0),
        (eye + 1.25 * t["eye_size"], eye_y, 0.0),
        (eye, brow, form.lopsided.brow_tilt),
        (1.1, tip + 0.2, 0.0),
        (4.1, 1.6, 0.0),
        (4.4, 5.2, 0.0),
    ]
    both = [(side * x, y - side * lift) for x, y, lift in pairs for side in (1, -1)]
    both += [(20.0, 0.6), (-20.0, 0.6)]  # the ears: where a section is widest
    x, y = np.array(middle + both, dtype=np.float64).T
    return x, y
