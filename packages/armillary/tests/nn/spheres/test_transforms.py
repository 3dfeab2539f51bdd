"""Samples to coefficients and back: fast = slow, round trips, Parseval, gradients."""

import math

import pytest
import torch

from armillary.nn.spheres import grids, harmonics, transforms

BOTH = [grids.driscoll_healy, grids.soft]
BATCHES = [(), (5,), (2, 3)]
F64 = torch.float64


def draw(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("grid", BOTH)
@pytest.mark.parametrize("bandwidth", [1, 2, 3, 8, 17])
def test_fast_is_slow(batch, grid, bandwidth):
    """Against quadrature with every harmonic at every sample, on signals that hold higher degrees too."""
    here = grid(bandwidth)
    signal, coefficients = draw(*batch, *here.shape), draw(*batch, bandwidth**2)
    torch.testing.assert_close(
        transforms.coefficients_from_signal(signal, grid=here),
        transforms.naive_coefficients_from_signal(signal, grid=here),
        atol=1e-13,
        rtol=0,
    )
    torch.testing.assert_close(
        transforms.signal_from_coefficients(coefficients, grid=here),
        transforms.naive_signal_from_coefficients(coefficients, grid=here),
        atol=1e-12,
        rtol=0,
    )


@pytest.mark.parametrize("grid", BOTH)
@pytest.mark.parametrize("bandwidth", [1, 16, 32, 64, 128])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 2e-14), (torch.float32, 3e-7)])
def test_round_trip(grid, bandwidth, dtype, error):
    coefficients = draw(3, bandwidth**2, dtype=dtype)
    signal = transforms.signal_from_coefficients(coefficients, grid=grid(bandwidth))
    back = transforms.coefficients_from_signal(signal, grid=grid(bandwidth))
    assert back.dtype == dtype
    assert relative(back, coefficients) < error


@pytest.mark.parametrize("grid", BOTH)
def test_a_harmonic_has_one_coefficient(grid):
    """Y_1,1 = sqrt(3 / 4 pi) x, and 1 = sqrt(4 pi) Y_00."""
    x = grids.points(grid(4), dtype=F64)[..., 0]
    expected = torch.zeros(16, dtype=F64)
    expected[0], expected[3] = math.sqrt(4 * math.pi), math.sqrt(4 * math.pi / 3)
    torch.testing.assert_close(transforms.coefficients_from_signal(1 + x, grid=grid(4)), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("grid", BOTH)
def test_parseval(batch, grid):
    """The integral of f g is the sum of the products of their coefficients."""
    a, b = draw(*batch, 64), draw(*batch, 64, seed=1)
    product = transforms.signal_from_coefficients(a, grid=grid(8)) * transforms.signal_from_coefficients(
        b, grid=grid(8)
    )
    torch.testing.assert_close(grids.integrate(product, grid=grid(8)), (a * b).sum(-1), atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("grid", BOTH)
def test_degrees_above_those_wanted_are_left_out(grid):
    signal = draw(2, *grid(12).shape)
    whole = transforms.coefficients_from_signal(signal, grid=grid(12))
    low = transforms.coefficients_from_signal(signal, grid=grid(12), bandwidth=5)
    torch.testing.assert_close(low, whole[:, :25], atol=1e-14, rtol=0)


def test_from_grid_to_grid_through_coefficients():
    """A signal of degree below 4 on one grid, on another, finer one, and back."""
    coefficients = draw(2, 16)
    coarse = transforms.signal_from_coefficients(coefficients, grid=grids.driscoll_healy(4))
    between = transforms.coefficients_from_signal(coarse, grid=grids.driscoll_healy(4))
    fine = transforms.signal_from_coefficients(between, grid=grids.soft(9))
    exact = harmonics.spherical_harmonics(grids.points(grids.soft(9), dtype=F64), bandwidth=4) @ coefficients[0]
    torch.testing.assert_close(fine[0], exact, atol=1e-13, rtol=0)


def test_the_wrong_grid_is_wrong():
    """States why a grid has a name: half a cell in colatitude spoils the coefficients."""
    signal = transforms.signal_from_coefficients(draw(64), grid=grids.driscoll_healy(8))
    assert relative(transforms.coefficients_from_signal(signal, grid=grids.soft(8)), draw(64)) > 0.1


def test_beyond_the_bandwidth_a_signal_is_folded_in():
    """States the limit of the round trip: noise on the grid is not band-limited, so it does not come back."""
    noise = draw(16, 16)
    back = transforms.signal_from_coefficients(
        transforms.coefficients_from_signal(noise, grid=grids.soft(8)), grid=grids.soft(8)
    )
    assert relative(back, noise) > 0.1


@pytest.mark.parametrize("grid", BOTH)
@pytest.mark.parametrize("batch", BATCHES)
def test_gradients(grid, batch):
    signal, coefficients = draw(*batch, 6, 6).requires_grad_(), draw(*batch, 9).requires_grad_()
    forward = lambda x: transforms.coefficients_from_signal(x, grid=grid(3))
    backward = lambda c: transforms.signal_from_coefficients(c, grid=grid(3))
    for function, value in ((forward, signal), (backward, coefficients)):
        assert torch.autograd.gradcheck(function, (value,))
        assert torch.autograd.gradgradcheck(function, (value,))


def test_strided_and_expanded_samples():
    signal = draw(2, 12, 12, 3).movedim(-1, 1)
    expected = transforms.coefficients_from_signal(signal.contiguous(), grid=grids.soft(6))
    torch.testing.assert_close(transforms.coefficients_from_signal(signal, grid=grids.soft(6)), expected)
    spread = signal[:, :1].expand(2, 4, 12, 12).requires_grad_()
    transforms.coefficients_from_signal(spread, grid=grids.soft(6)).sum().backward()


@pytest.mark.parametrize("batch", [(0,), (2, 0)])
def test_nothing_gives_nothing(batch):
    coefficients = transforms.coefficients_from_signal(torch.zeros(*batch, 8, 8), grid=grids.soft(4))
    assert coefficients.shape == (*batch, 16)
    assert transforms.signal_from_coefficients(coefficients, grid=grids.soft(4)).shape == (*batch, 8, 8)


def test_tables_made_in_inference_mode_serve_training():
    with torch.inference_mode():
        transforms.coefficients_from_signal(draw(22, 22), grid=grids.soft(11))
    signal = draw(22, 22).requires_grad_()
    transforms.coefficients_from_signal(signal, grid=grids.soft(11)).sum().backward()
    assert signal.grad.isfinite().all()


def test_exact_under_autocast():
    signal = draw(8, 8, dtype=torch.float32).requires_grad_()
    expected = transforms.coefficients_from_signal(signal, grid=grids.soft(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = transforms.coefficients_from_signal(signal, grid=grids.soft(4))
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"soft\(4\) holds 1 to 4 degrees, but 5"):
        transforms.signal_from_coefficients(torch.ones(25), grid=grids.soft(4))
    with pytest.raises(ValueError, match="but 0 are wanted"):
        transforms.coefficients_from_signal(torch.ones(8, 8), grid=grids.soft(4), bandwidth=0)
    with pytest.raises(ValueError, match="8 x 8 samples"):
        transforms.coefficients_from_signal(torch.ones(8, 10), grid=grids.soft(4))
    with pytest.raises(ValueError, match="float16"):
        transforms.coefficients_from_signal(torch.ones(8, 8, dtype=torch.float16), grid=grids.soft(4))
