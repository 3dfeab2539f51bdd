"""The colour map: what a reader may rely on."""

import numpy as np
import pytest

from armillary.drawing.colours import NOTHING, colour_map, hues, oklch_to_srgb, to_bytes


def cielab(srgb):
    """CIE L*a*b* (D65) of sRGB bytes: a measure of colour that the map was not made with."""
    value = srgb.astype(np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    t = xyz / (np.array([0.9505, 1.0, 1.089]))
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def test_lightness_rises_all_the_way():
    """Read in grey, the map is still in order; it spans three quarters of the lightness there is."""
    lightness = cielab(colour_map(np.linspace(0.0, 1.0, 129)))[:, 0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] - lightness[0] > 65


def test_equal_steps_look_nearly_equal():
    """No step of a sixteenth is more than 1.6 times the mean step (CIE76), and none less than a half."""
    steps = np.linalg.norm(np.diff(cielab(colour_map(np.linspace(0.0, 1.0, 17))), axis=0), axis=1)
    assert steps.max() < 1.6 * steps.mean()
    assert steps.min() > 0.5 * steps.mean()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_grey(value):
    assert tuple(colour_map(np.array([value]))[0]) == NOTHING


def test_outside_is_clipped():
    np.testing.assert_array_equal(colour_map(np.array([-3.0, 7.0])), colour_map(np.array([0.0, 1.0])))


def test_black_white_and_red_in_oklch():
    """Golden: L = 0 is black, L = 1 is white; Ottosson gives red as (0.6279, 0.2577, 29.23 degrees)."""
    got = oklch_to_srgb(np.array([0.0, 1.0, 0.62796]), np.array([0.0, 0.0, 0.25768]), np.deg2rad([0.0, 0.0, 29.2339]))
    np.testing.assert_allclose(got, [[0, 0, 0], [1, 1, 1], [1, 0, 0]], atol=2e-3)


def test_hues_tell_apart():
    found = cielab(hues(8))
    apart = np.linalg.norm(found[:, None] - found[None], axis=-1)[~np.eye(8, dtype=bool)]
    assert apart.min() > 20
    assert hues(0).shape == (0, 3)


def test_bytes_round():
    """127.5 goes to the even 128; nan is 0."""
    np.testing.assert_array_equal(to_bytes(np.array([0.0, 0.5, 1.0, 2.0, -1.0, np.nan])), [0, 128, 255, 255, 0, 0])
