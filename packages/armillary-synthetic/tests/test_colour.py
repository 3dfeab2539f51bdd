"""Tone and marks."""

import numpy as np

from armillary_synthetic.colour import add_marks, vary_tone

GREY = np.full((400, 3), 0.5)
FACE = np.stack(np.meshgrid(np.linspace(-0.05, 0.05, 20), np.linspace(-0.06, 0.06, 20)), -1).reshape(-1, 2)


def test_tone_keeps_the_order_of_lightness():
    ramp = np.repeat(np.linspace(0.1, 0.9, 9)[:, None], 3, axis=1)
    for seed in range(10):
        assert (np.diff(vary_tone(np.random.default_rng(seed), ramp), axis=0) > 0).all()


def test_no_tone_changes_nothing():
    np.testing.assert_allclose(vary_tone(np.random.default_rng(0), GREY, amount=0.0), GREY)


def test_marks_come_in_the_mean_number_asked_for():
    none = add_marks(np.random.default_rng(0), GREY, FACE, mean_count=0, extent=(0.05, 0.06))
    np.testing.assert_array_equal(none, GREY)
    some = [
        (add_marks(np.random.default_rng(k), GREY, FACE, mean_count=1, extent=(0.05, 0.06)) < 0.49).any()
        for k in range(200)
    ]
    assert 0.45 < np.mean(some) < 0.75  # 1 - 1/e = 0.63, less those between two points of the grid


def test_a_mark_is_darker_and_stays_in_its_place():
    changed = add_marks(np.random.default_rng(2), GREY, FACE, mean_count=3, extent=(0.01, 0.01)) - GREY
    far = np.abs(FACE).max(axis=1) > 0.04
    assert changed[far].min() > -1e-3
    assert changed.min() < -0.05
