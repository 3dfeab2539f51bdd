"""The colours of a head."""

import attrs
import numpy as np
import pytest

from armillary_synthetic.anatomy import NOISE_COLUMNS, NOISE_ROWS, TRAITS
from armillary_synthetic.head_colour import draw_palette, hair_cover, texture_of
from armillary_synthetic.head_shape import Lopsided, form_of, locate, make_grid

GRID = make_grid(2)
MEAN = {name: mean for name, (mean, _) in TRAITS.items()}
PALETTE = draw_palette(np.random.default_rng(0), variation=0.0)
EVEN = np.zeros((3, NOISE_ROWS, NOISE_COLUMNS))


def colours(palette=PALETTE, own=EVEN, **lopsided):
    form = form_of(MEAN, Lopsided(**lopsided), GRID)
    hair = hair_cover(form, palette, soft=0.5)
    return form, hair, texture_of(form, palette, hair, own)


def at(form, texture, x, y):
    row, column = locate(form, np.array([float(x)]), np.array([float(y)]))
    return texture[:, round(row[0]), round(column[0])]


def test_without_variation_there_is_one_palette():
    other = draw_palette(np.random.default_rng(1), variation=0.0)
    for field in attrs.fields(type(other)):
        np.testing.assert_array_equal(getattr(other, field.name), getattr(PALETTE, field.name))


@pytest.mark.parametrize("seed", range(5))
def test_colours_are_in_range(seed):
    _, hair, texture = colours(draw_palette(np.random.default_rng(seed), variation=1.5))
    assert 0 < texture.min() < texture.max() <= 1
    assert 0 <= hair.min() <= hair.max() <= 1


def test_the_parts_of_a_face_have_their_colours():
    """White of the eye, pupil, lips redder than the skin, hair on the crown, the shirt below."""
    form, _, texture = colours()
    x, y = MEAN["eye_distance"], MEAN["eye_y"]
    assert at(form, texture, x, y).max() < 0.2
    assert at(form, texture, x + 0.85, y).min() > 0.5
    skin, lip = at(form, texture, 3.5, 0.5), at(form, texture, 0.8, MEAN["mouth_y"] + 0.5)
    assert lip[1] / lip[0] < 0.85 * skin[1] / skin[0]
    np.testing.assert_allclose(texture[:, 5, GRID.angle.size // 2], PALETTE.hair + 0.02, atol=0.01)
    np.testing.assert_allclose(texture[:, -1].mean(axis=1), PALETTE.shirt, atol=0.01)


def test_a_bald_head_has_no_hair():
    _, hair, _ = colours(attrs.evolve(PALETTE, bald=True))
    assert hair.max() == 0


@pytest.mark.parametrize(
    ("lopsided", "y"),
    [({"parting": 2.0}, -6.5), ({"brow_tilt": 0.4}, -2.6), ({"lid": 0.8}, -1.0), ({"gaze": 1.0}, -1.0)],
)
def test_each_lopsided_thing_shows_on_its_row(lopsided, y):
    form, _, texture = colours(**lopsided)
    row = int(np.searchsorted(form.height, y))
    band = texture[:, row - 8 : row + 8]
    assert np.abs(band - band[..., ::-1]).max() > 0.1
    _, _, even = colours()
    np.testing.assert_allclose(even, even[..., ::-1], atol=1e-9)


def test_skin_noise_of_its_own_breaks_the_mirror():
    own = np.random.default_rng(0).standard_normal(EVEN.shape)
    _, _, texture = colours(own=own)
    assert np.abs(texture - texture[..., ::-1]).max() > 0.03
