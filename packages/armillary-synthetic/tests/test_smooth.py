"""Smooth functions."""

import numpy as np
import pytest

from armillary_synthetic.smooth import blob, bump, noise_picture, ramp, smooth_field, spline_basis


@pytest.mark.parametrize("controls", [2, 3, 9])
def test_a_spline_is_a_mean_of_its_control_values(controls):
    """Weights are not negative and sum to 1, so a constant stays constant and nothing leaves the range."""
    basis = spline_basis(np.linspace(0, 1, 50), controls)
    assert basis.min() >= 0
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-15)


def test_a_spline_weighs_one_sixth_two_thirds_one_sixth_at_a_control_point():
    np.testing.assert_allclose(spline_basis(np.array([0.5]), 5)[0], [0, 1 / 6, 2 / 3, 1 / 6, 0], atol=1e-15)


def test_a_spline_keeps_straight_lines_inside():
    at = np.linspace(0.2, 0.8, 31)
    np.testing.assert_allclose(spline_basis(at, 11) @ np.linspace(0, 1, 11), at, atol=1e-14)


def test_a_field_is_the_product_of_its_two_splines():
    generator = np.random.default_rng(0)
    rows, columns = spline_basis(np.linspace(0, 1, 7), 4), spline_basis(np.linspace(0, 1, 6), 3)
    values = generator.standard_normal((2, 4, 3))
    np.testing.assert_allclose(smooth_field(rows, columns, values), rows @ values @ columns.T, atol=1e-14)


def test_noise_of_two_sizes_is_one_function():
    small = noise_picture(np.random.default_rng(3), 9, cells=4, channels=2)
    large = noise_picture(np.random.default_rng(3), 17, cells=4, channels=2)
    np.testing.assert_allclose(large[:, ::2, ::2], small, atol=1e-14)


def test_ramps_and_bumps_have_their_ends_and_middles():
    """A quarter of the way up a ramp: (1/4)^2 (3 - 2/4) = 5/32."""
    np.testing.assert_allclose(ramp(np.array([-1.0, 1.0, 1.5, 2.0, 3.0, 9.0]), 1.0, 3.0), [0, 0, 5 / 32, 0.5, 1, 1])
    np.testing.assert_allclose(bump(np.array([2.0, 5.0]), 2.0, 3.0), [1, np.exp(-1)])
    x, y = np.array([1.0, 3.0, 1.0]), np.array([2.0, 2.0, 6.0])
    np.testing.assert_allclose(blob(x, y, 1.0, 2.0, 2.0, 4.0), [1, np.exp(-1), np.exp(-1)])
