"""Splines by hand, against scipy's exact ones and the authors' formula; affine maps, inverses, slopes."""

import math

import pytest
import torch
from scipy.interpolate import RBFInterpolator

from armillary.kernels import sampling
from armillary_labelling.kernels import thin_plate_spline
from armillary_labelling.kernels.thin_plate_spline import (
    control_points,
    interpolating_grid,
    spline_grid,
    spline_inverse,
    spline_jacobian,
    spline_map,
    spline_weights,
)

BATCHES = [(), (5,), (2, 3)]
CONTROLS = [(10, 10), (4, 6), (2, 2)]
AUTHORS = 1e-5  # their epsilon


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def random_weights(*batch, control, size=0.005, seed=0):
    """About as strong as the authors' warps: random, not orthogonal to affine maps, near the identity."""
    count = control[0] * control[1]
    weights = draw(*batch, count + 3, 2, seed=seed) * size
    weights[..., -2:, :] += torch.eye(2, dtype=torch.float64)
    return weights


def affine_weights(*batch, control, seed=0):
    weights = random_weights(*batch, control=control, size=0.3, seed=seed)
    weights[..., :-3, :] = 0
    return weights


# --- golden -----------------------------------------------------------------------------------------------------------


def test_one_bend_by_hand():
    """Corners as control points, weight (1, 0) on (-1, -1). At (1, -1) the square of the distance is 4, U = 4 log 4.

    There the slope by x is 2 (log 4 + 1) * 2, for the distance is 2 along x and 0 along y.
    """
    weights = torch.zeros(7, 2, dtype=torch.float64)
    weights[0, 0] = 1
    weights[-2:] = torch.eye(2)
    point = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    found = spline_map(weights, point, control=(2, 2))
    torch.testing.assert_close(found, torch.tensor([[1 + 4 * math.log(4), -1]], dtype=torch.float64))
    slope = spline_jacobian(weights, point, control=(2, 2))
    expected = torch.tensor([[[1 + 4 * (math.log(4) + 1), 0], [0, 1]]], dtype=torch.float64)
    torch.testing.assert_close(slope, expected)
    grid = spline_grid(weights, height=2, width=2, control=(2, 2))
    assert grid[0, 1].tolist() == pytest.approx(found[0].tolist(), rel=1e-14)
    assert grid[0, 0].tolist() == [-1, -1]


def test_control_points_run_row_by_row_from_corner_to_corner():
    points = control_points((2, 3), dtype=torch.float64)
    assert points.tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]


# --- reference --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_interpolating_grid_equals_the_exact_spline(control, dtype, error):
    """scipy's, which solves for each set of values."""
    centres = control_points(control, dtype=torch.float64)
    values = centres + 0.1 * draw(2, len(centres), 2)
    pixels = sampling.identity_grid(40, 50, dtype=torch.float64).flatten(0, 1)
    found = interpolating_grid(values.to(dtype), height=40, width=50, control=control)
    assert found.dtype == dtype
    for item, value in zip(found, values, strict=True):
        exact = RBFInterpolator(centres.numpy(), value.numpy(), kernel="thin_plate_spline", degree=1)(pixels.numpy())
        assert (item.flatten(0, 1) - torch.from_numpy(exact)).abs().max() <= error


@pytest.mark.parametrize("control", CONTROLS)
def test_weights_give_the_same_spline_as_the_values(control):
    values = control_points(control, dtype=torch.float64) + 0.1 * draw(3, control[0] * control[1], 2)
    weights = spline_weights(values, control=control)
    torch.testing.assert_close(
        spline_grid(weights, height=15, width=12, control=control),
        interpolating_grid(values, height=15, width=12, control=control),
        atol=1e-12,
        rtol=0,
    )


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_random_weights_equal_the_authors_formula(batch, dtype, error):
    """As they wrote it: U(pixels, control) W + [1 | pixels] A, with their epsilon."""
    control = (10, 10)
    weights = random_weights(*batch, control=control)
    pixels = sampling.identity_grid(20, 30, dtype=torch.float64).flatten(0, 1)
    squared = (pixels[:, None] - control_points(control, dtype=torch.float64)[None]).square().sum(-1)
    basis = squared * torch.log(squared + AUTHORS)
    affine = torch.cat((torch.ones(len(pixels), 1, dtype=torch.float64), pixels), dim=1)
    expected = (basis @ weights[..., :-3, :] + affine @ weights[..., -3:, :]).unflatten(-2, (20, 30))
    found = spline_grid(weights.to(dtype), height=20, width=30, control=control, epsilon=AUTHORS)
    assert found.dtype == dtype
    assert found.shape == (*batch, 20, 30, 2)
    assert (found - expected).abs().max() <= error


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("batch", BATCHES)
def test_values_are_reached_at_the_control_points(control, batch):
    values = draw(*batch, control[0] * control[1], 2)
    weights = spline_weights(values, control=control)
    centres = control_points(control, dtype=torch.float64).expand(*batch, -1, 2)
    torch.testing.assert_close(spline_map(weights, centres, control=control), values, atol=1e-11, rtol=0)


@pytest.mark.parametrize("control", CONTROLS)
def test_bend_is_orthogonal_to_affine_maps(control):
    """The side conditions of the spline that bends least."""
    weights = spline_weights(draw(3, control[0] * control[1], 2), control=control)
    centres = control_points(control, dtype=torch.float64)
    affine = torch.cat((torch.ones(len(centres), 1, dtype=torch.float64), centres), dim=1)
    assert (affine.T @ weights[..., :-3, :]).abs().max() <= 1e-11


@pytest.mark.parametrize("control", CONTROLS)
def test_affine_values_give_an_affine_map(control):
    centres = control_points(control, dtype=torch.float64)
    turn, shift = draw(2, 2), draw(2)
    weights = spline_weights(centres @ turn.T + shift, control=control)
    assert weights[:-3].abs().max() <= 1e-11
    torch.testing.assert_close(weights[-3:], torch.cat((shift[None], turn.T)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("epsilon", [0.0, AUTHORS])
def test_grid_is_the_map_at_the_pixels(epsilon):
    weights = random_weights(2, control=(4, 6))
    grid = spline_grid(weights, height=9, width=11, control=(4, 6), epsilon=epsilon)
    pixels = sampling.identity_grid(9, 11, dtype=torch.float64).flatten(0, 1).expand(2, -1, 2)
    found = spline_map(weights, pixels, control=(4, 6), epsilon=epsilon).unflatten(-2, (9, 11))
    torch.testing.assert_close(grid, found, atol=1e-14, rtol=0)


def test_no_bend_is_the_identity():
    weights = random_weights(control=(4, 6), size=0.0)
    grid = spline_grid(weights, height=9, width=11, control=(4, 6))
    torch.testing.assert_close(grid, sampling.identity_grid(9, 11, dtype=torch.float64), atol=1e-15, rtol=0)


# --- inverse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_inverse_finds_where_points_come_from(batch, control, dtype, error):
    weights = random_weights(*batch, control=control)
    came_from = torch.rand(*batch, 40, 2, generator=generator(), dtype=torch.float64) * 2 - 1
    points = spline_map(weights, came_from, control=control, epsilon=AUTHORS)
    found, converged = spline_inverse(weights.to(dtype), points.to(dtype), control=control, epsilon=AUTHORS)
    assert converged.all()
    assert found.dtype == dtype
    assert found.shape == (*batch, 40, 2)
    back = spline_map(weights, found.double(), control=control, epsilon=AUTHORS)
    assert (back - points).abs().max() <= error
    if dtype == torch.float64:
        torch.testing.assert_close(found, came_from, atol=1e-10, rtol=0)


@pytest.mark.parametrize("near", [0.0, 1e-7])
def test_inverse_at_and_near_control_points(near):
    """Where the square of the distance and its logarithm are both extreme, without an epsilon."""
    control = (4, 6)
    weights = random_weights(control=control, size=0.01)
    came_from = control_points(control, dtype=torch.float64) + near
    points = spline_map(weights, came_from, control=control)
    found, converged = spline_inverse(weights, points, control=control)
    assert converged.all()
    torch.testing.assert_close(found, came_from, atol=1e-12, rtol=0)


def test_inverse_of_an_affine_map_reaches_outside_of_the_picture():
    """Half the size, and aside by 1: the point (0, 0) comes from (-2, 0)."""
    weights = affine_weights(control=(4, 4))
    weights[-3:] = torch.tensor([[1.0, 0], [0.5, 0], [0, 0.5]])
    found, converged = spline_inverse(weights, torch.zeros(1, 2, dtype=torch.float64), control=(4, 4))
    assert converged.all()
    torch.testing.assert_close(found, torch.tensor([[-2.0, 0]], dtype=torch.float64))


def test_points_that_the_map_does_not_reach_are_not_found():
    """All of the plane goes to one point, or to the line y = 0: what does not lie there is not found. Nor is nan."""
    weights = torch.zeros(2, 19, 2, dtype=torch.float64)
    weights[1, -2, 0] = 1
    points = torch.tensor([[0.0, 0], [0.5, 0], [0.5, 0.5], [math.nan, 0]], dtype=torch.float64).expand(2, 4, 2)
    found, converged = spline_inverse(weights, points, control=(4, 4))
    assert converged.tolist() == [[True, False, False, False], [True, True, False, False]]
    assert found.isfinite().all()


def test_the_search_ends_near_the_picture():
    """Of the identity, (2, 0) is found and (50, 0) is not, nor does the search run there."""
    weights = random_weights(control=(4, 4), size=0.0)
    points = torch.tensor([[2.0, 0], [50.0, 0]], dtype=torch.float64)
    found, converged = spline_inverse(weights, points, control=(4, 4))
    assert converged.tolist() == [True, False]
    assert found.abs().max() < 3


def test_a_fold_gives_one_of_the_positions_that_are_right():
    """Weights so strong that the map folds: what converged is right all the same, and hardly anything does not.

    From the nearest node of the coarse grid alone, several of these 1600 points would be missed.
    """
    control = (10, 10)
    weights = random_weights(32, control=control, size=0.1)
    came_from = torch.rand(32, 50, 2, generator=generator(), dtype=torch.float64) * 2 - 1
    assert torch.linalg.det(spline_jacobian(weights, came_from, control=control)).min() < 0
    points = spline_map(weights, came_from, control=control)
    found, converged = spline_inverse(weights, points, control=control)
    assert (~converged).sum() <= 1
    back = spline_map(weights, found, control=control)
    assert (back - points).norm(dim=-1)[converged].max() <= 1e-6
    assert (found - came_from).norm(dim=-1).max() > 0.1


# --- gradient ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("epsilon", [0.0, AUTHORS])
def test_jacobian_is_the_derivative(batch, epsilon):
    weights = random_weights(*batch, control=(4, 6), size=0.1)
    points = draw(*batch, 7, 2, seed=1).requires_grad_()
    found = spline_jacobian(weights, points, control=(4, 6), epsilon=epsilon)
    moved = spline_map(weights, points, control=(4, 6), epsilon=epsilon)
    for i in range(2):
        (expected,) = torch.autograd.grad(moved[..., i].sum(), points, retain_graph=True)
        torch.testing.assert_close(found[..., i, :], expected, atol=1e-12, rtol=1e-12)


def test_gradient():
    weights, points = random_weights(2, control=(2, 3)).requires_grad_(), draw(2, 4, 2).requires_grad_()
    values = draw(2, 6, 2).requires_grad_()
    size = {"height": 3, "width": 4, "control": (2, 3)}
    assert torch.autograd.gradcheck(lambda w: spline_grid(w, **size, epsilon=AUTHORS), (weights,))
    assert torch.autograd.gradcheck(lambda v: interpolating_grid(v, **size), (values,))
    assert torch.autograd.gradcheck(lambda v: spline_weights(v, control=(2, 3)), (values,))
    assert torch.autograd.gradcheck(lambda w, p: spline_map(w, p, control=(2, 3), epsilon=AUTHORS), (weights, points))


def test_slope_at_a_control_point_is_finite():
    """The slope of s log s is infinite at 0, but meets a distance of 0."""
    control = (4, 6)
    centres = control_points(control, dtype=torch.float64)
    weights = random_weights(control=control, size=1.0)
    slope = spline_jacobian(weights, centres, control=control)
    nearby = spline_jacobian(weights, centres + 1e-9, control=control)
    torch.testing.assert_close(slope, nearby, atol=1e-6, rtol=0)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_matrices_are_computed_once_and_serve_training_after_inference():
    for kept in (thin_plate_spline._pixel_basis, thin_plate_spline._pixel_interpolation):
        kept.cache_clear()
    values = draw(1, 24, 2)
    with torch.inference_mode():
        spline_grid(random_weights(control=(4, 6)), height=5, width=6, control=(4, 6))
        interpolating_grid(values, height=5, width=6, control=(4, 6))
    weights = random_weights(control=(4, 6)).requires_grad_()
    values = draw(1, 24, 2).requires_grad_()
    grid = spline_grid(weights, height=5, width=6, control=(4, 6))
    (grid + interpolating_grid(values, height=5, width=6, control=(4, 6))).sum().backward()
    assert thin_plate_spline._pixel_basis.cache_info().misses == 1
    assert thin_plate_spline._pixel_interpolation.cache_info().misses == 1
    assert weights.grad is not None
    assert values.grad is not None


def test_mixed_precision_does_not_reach_it():
    weights = random_weights(control=(4, 6)).float()
    expected = spline_grid(weights, height=5, width=6, control=(4, 6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(spline_grid(weights, height=5, width=6, control=(4, 6)), expected)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_wrong_numbers_of_weights_are_refused():
    weights = random_weights(control=(4, 6))
    points = torch.zeros(1, 2, dtype=torch.float64)
    for call in (
        lambda: spline_grid(weights, height=5, width=5, control=(4, 5)),
        lambda: spline_map(weights, points, control=(4, 5)),
        lambda: spline_jacobian(weights, points, control=(4, 5)),
        lambda: spline_inverse(weights, points, control=(4, 5)),
        lambda: spline_weights(weights, control=(4, 6)),
        lambda: interpolating_grid(weights, height=5, width=5, control=(4, 6)),
    ):
        with pytest.raises(ValueError, match="control points need"):
            call()


def test_half_precision_is_refused():
    with pytest.raises(ValueError, match="float32 or float64"):
        spline_grid(random_weights(control=(4, 6)).half(), height=5, width=5, control=(4, 6))


def test_too_few_control_points_are_refused():
    with pytest.raises(ValueError, match="two rows and two columns"):
        control_points((1, 4))
