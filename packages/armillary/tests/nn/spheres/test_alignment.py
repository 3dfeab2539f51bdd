"""The best rotation of one signal onto another, below the grid."""

import math

import pytest
import torch

from armillary.kernels.rotations import exp_map, geodesic_angle, random_rotation
from armillary.nn.spheres import alignment, correlation, rotation

BATCHES = [(), (5,), (2, 3)]
F64 = torch.float64


def draw(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def turns(*batch, seed=0):
    return random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=F64)


def degrees_between(a, b):
    return torch.rad2deg(geodesic_angle(a.double(), b)).max().item()


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("bandwidth", "channels"), [(4, 3), (8, 1), (16, 4)])
def test_a_turned_signal_is_found(batch, dtype, bandwidth, channels):
    """f = R h: the first peak is R to a thousandth of a degree, with score 1; swapped arguments give the inverse."""
    h, r = draw(*batch, channels, bandwidth**2), turns(*batch)
    f = rotation.rotate_coefficients(h, r[..., None, :, :])
    found = alignment.align(f.to(dtype), h.to(dtype))
    assert found.rotations.shape == (*batch, 2, 3, 3)
    assert found.scores.shape == (*batch, 2)
    assert degrees_between(found.rotations[..., 0, :, :], r) < 1e-3
    torch.testing.assert_close(found.scores[..., 0], torch.ones(batch, dtype=F64), atol=1e-6, rtol=0)
    assert (found.scores[..., 1] < found.scores[..., 0]).all()
    swapped = alignment.align(h.to(dtype), f.to(dtype))
    assert degrees_between(swapped.rotations[..., 0, :, :], r.mT) < 1e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.01, math.pi - 1e-7, math.pi])
def test_turns_that_keep_the_z_axis_are_found(axis, angle):
    """There the grid's cells crowd and the angles are not unique."""
    r = exp_map(torch.eye(3, dtype=F64)[axis] * angle)
    h = draw(4, 64)
    found = alignment.align(rotation.rotate_coefficients(h, r), h)
    assert degrees_between(found.rotations[0], r) < 1e-3


@pytest.mark.parametrize("grid", [8, 12, 32])
def test_refinement_does_not_depend_on_the_grid(grid):
    h, r = draw(10, 4, 64), turns(10)
    f = rotation.rotate_coefficients(h, r[:, None]) + 0.3 * draw(10, 4, 64, seed=3)
    coarse, fine = (alignment.align(f, h, bandwidth=b).rotations[:, 0] for b in (grid, 24))
    assert degrees_between(coarse, fine) < 1e-3


def test_a_peak_is_a_maximum_of_the_correlation():
    """No small turn in any direction is better; the score is the correlation there over the norms."""
    f, h = draw(3, 64), draw(3, 64, seed=1)
    found = alignment.align(f, h, peaks=3)
    norm = f.norm() * h.norm()
    for r, score in zip(found.rotations, found.scores, strict=True):
        value = lambda turn, r=r: (f * rotation.rotate_coefficients(h, turn @ r)).sum() / norm
        torch.testing.assert_close(value(torch.eye(3, dtype=F64)), score, atol=1e-12, rtol=0)
        nearby = exp_map(turns(20, seed=5)[:, 0] * 1e-3)
        assert all(value(turn) < score for turn in nearby)
    assert (found.scores.diff() <= 0).all()


def test_the_first_peak_is_above_a_fine_grid():
    f, h = draw(20, 2, 25), draw(20, 2, 25, seed=1)
    highest = correlation.correlate(f, h, bandwidth=20).flatten(1).max(-1).values
    score = alignment.align(f, h).scores[:, 0] * f.norm(dim=(1, 2)) * h.norm(dim=(1, 2))
    assert (score >= highest).all()


def test_both_peaks_of_a_symmetric_object_are_found():
    """A signal kept by a half turn about z, turned by R: both R and R Rz(pi) carry it, with equal scores."""
    h, half = draw(4, 64), exp_map(torch.tensor([0, 0, math.pi], dtype=F64))
    h = h + rotation.rotate_coefficients(h, half)
    r = turns()
    found = alignment.align(rotation.rotate_coefficients(h, r), h, peaks=3)
    torch.testing.assert_close(found.scores[:2], torch.ones(2, dtype=F64), atol=1e-9, rtol=0)
    assert found.scores[2] < 0.99
    errors = torch.stack([geodesic_angle(found.rotations[:2], turn) for turn in (r, r @ half)])
    assert torch.rad2deg(errors.min(dim=1).values).max() < 1e-3


def test_without_newton_the_cells_are_returned():
    h, r = draw(3, 64), turns()
    f = rotation.rotate_coefficients(h, r)
    found = alignment.align(f, h, bandwidth=16, newton_steps=0)
    cell = correlation.correlate(f, h, bandwidth=16).flatten().argmax()
    expected = correlation.rotations_of_cells(cell, bandwidth=16)
    torch.testing.assert_close(found.rotations[0], expected, atol=1e-14, rtol=0)
    assert 0.01 < degrees_between(found.rotations[0], r) < 15


def test_newton_climbs_to_a_level_place_from_anywhere():
    """Also where the correlation curves upwards, and where a whole step would overshoot."""
    f, h = draw(1, 2, 36), draw(1, 2, 36, seed=1)
    starts = turns(1, 20)
    _, low = alignment._climb(f, h, starts, steps=0, reach=1.0)
    tops, high = alignment._climb(f, h, starts, steps=60, reach=2.0)
    assert (high >= low).all()
    turned = rotation.rotate_coefficients(h[:, None], tops[:, :, None])
    slopes = (rotation.infinitesimal_turns(f)[:, :, None] * turned).sum((-2, -1))
    assert slopes.abs().max() < 1e-6 * f.norm() * h.norm()


def test_derivatives_of_a_turn():
    """Against differences, and the commutators of so(3): [Gx, Gy] = Gz and so on."""
    c, step = draw(2, 49), 1e-5
    slopes = rotation.infinitesimal_turns(c)
    for i, axis in enumerate(torch.eye(3, dtype=F64)):
        ahead, back = (rotation.rotate_coefficients(c, exp_map(sign * step * axis)) for sign in (1, -1))
        torch.testing.assert_close(slopes[i], (ahead - back) / (2 * step), atol=1e-7, rtol=0)
    twice = rotation.infinitesimal_turns(slopes)  # [i, j] is G_i G_j c
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        torch.testing.assert_close(twice[i, j] - twice[j, i], slopes[k], atol=1e-12, rtol=0)


def test_nothing_to_align():
    """A zero signal has score 0; more peaks than cells are repeated at minus infinity; no pairs give none."""
    found = alignment.align(torch.zeros(2, 9), draw(2, 9, dtype=torch.float32))
    assert found.scores[0] == 0
    assert found.rotations.isfinite().all()
    found = alignment.align(torch.ones(2, 1), torch.ones(2, 1), peaks=99)
    torch.testing.assert_close(found.scores[0], torch.tensor(1.0, dtype=F64))
    assert found.scores[-1] == -math.inf
    torch.testing.assert_close(found.rotations[-1], found.rotations[0])
    found = alignment.align(torch.zeros(0, 2, 9), torch.zeros(0, 2, 9))
    assert found.rotations.shape == (0, 2, 3, 3)


def test_no_gradient_flows():
    assert not alignment.align(draw(2, 9).requires_grad_(), draw(2, 9)).scores.requires_grad


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="peaks is at least 1"):
        alignment.align(torch.ones(2, 9), torch.ones(2, 9), peaks=0)
    with pytest.raises(ValueError, match="newton_steps at least 0"):
        alignment.align(torch.ones(2, 9), torch.ones(2, 9), newton_steps=-1)
    with pytest.raises(ValueError, match="two signals"):
        alignment.align(torch.ones(2, 9), torch.ones(3, 9))
    with pytest.raises(ValueError, match="signals of 3 degrees"):
        alignment.align(torch.ones(2, 9), torch.ones(2, 9), bandwidth=2)
