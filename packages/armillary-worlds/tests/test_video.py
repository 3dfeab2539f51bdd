"""Clips, positions and means."""

import numpy as np
import pytest

from armillary_worlds.video import inside, means, partner_of, positions


@pytest.mark.parametrize("clip", [2, 3, 10])
def test_every_partner_is_another_item_of_the_clip(clip):
    for index in range(3 * clip):
        partner = partner_of(index, clip=clip)
        assert abs(partner - index) == 1
        assert partner // clip == index // clip


def test_positions_of_pixels_run_from_corner_to_corner():
    np.testing.assert_allclose(positions(5), [-1, -0.5, 0, 0.5, 1])


def test_samples_lie_evenly_about_their_pixel():
    """Three samples of a pixel of width 1/2 lie a sixth apart, the middle one on the pixel."""
    samples = positions(5, samples=3).reshape(5, 3)
    np.testing.assert_allclose(samples[:, 1], positions(5))
    np.testing.assert_allclose(np.diff(samples.ravel()), 1 / 6)


def test_means_are_over_the_samples_of_a_pixel():
    values = np.arange(2 * 4 * 4.0).reshape(2, 4, 4)
    expected = [[values[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(2)] for c, i in ((0, 0), (0, 1))]
    np.testing.assert_allclose(means(values, samples=2)[0], expected)
    assert means(values, samples=2).shape == (2, 2, 2)


def test_the_corners_are_inside():
    x, y = np.array([-1.0, 1, 1.01, 0]), np.array([1.0, 1, 0, -1.01])
    np.testing.assert_array_equal(inside(x, y), [True, True, False, False])
