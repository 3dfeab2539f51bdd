"""Correlation over rotations: against quadrature and turned signals, its laws, the order of its arguments."""

import math

import pytest
import torch

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres import correlation, grids, harmonics, rotation, transforms

BATCHES = [(), (5,), (2, 3)]
F64 = torch.float64


def draw(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def turns(*batch, seed=0):
    return random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_reference_the_integral():
    """A few rotations of the grid, by quadrature of f(x) h(R^-1 x) with h evaluated at the turned samples."""
    f, h, grid = draw(2, 16), draw(2, 16, seed=1), grids.soft(4)
    cells = torch.tensor([0, 1, 9, 77, 300, 511])
    x = grids.points(grid, dtype=F64)
    r = correlation.rotations_of_cells(cells, bandwidth=4)
    turned = harmonics.spherical_harmonics(torch.einsum("rba,jkb->rjka", r, x), bandwidth=4)  # R^-1 x
    products = torch.einsum("cjk,rjki,ci->rjk", transforms.signal_from_coefficients(f, grid=grid), turned, h)
    expected = grids.integrate(products, grid=grid)
    cube = correlation.correlate(f, h)
    assert cube.shape == (8, 8, 8)
    torch.testing.assert_close(cube.flatten()[cells], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("degrees", "bandwidth"), [(1, 1), (1, 3), (2, 2), (4, 4), (3, 5), (9, 9)])
def test_fast_is_slow(batch, degrees, bandwidth):
    f, h = draw(*batch, 3, degrees**2), draw(*batch, 3, degrees**2, seed=1)
    cube = correlation.correlate(f, h, bandwidth=bandwidth)
    torch.testing.assert_close(cube, correlation.naive_correlate(f, h, bandwidth=bandwidth), atol=1e-12, rtol=0)


@pytest.mark.parametrize("degrees", [8, 32])
def test_error_in_single_precision(degrees):
    f, h = draw(32, degrees**2), draw(32, degrees**2, seed=1)
    exact, single = correlation.correlate(f, h), correlation.correlate(f.float(), h.float())
    assert single.dtype == torch.float32
    assert (single - exact).norm() / exact.norm() < 3e-7


def test_cells_by_hand():
    """B = 2: cell (1, 2, 3) is at alpha 90, beta 112.5, gamma 270 degrees; its index is (1 * 4 + 2) * 4 + 3."""
    angles = torch.tensor([math.pi / 2, 5 * math.pi / 8, 3 * math.pi / 2], dtype=F64)
    found = correlation.rotations_of_cells(torch.tensor([[27]]), bandwidth=2)
    torch.testing.assert_close(found[0, 0], rotation.rotation_from_euler_zyz(angles), atol=1e-15, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_turned_signal_peaks_at_its_turn(batch):
    """f = R h with R a cell of the grid: the largest value is there, and it is the squared norm."""
    h, cells = draw(*batch, 2, 64), torch.randint(16**3, batch, generator=torch.Generator().manual_seed(2))
    r = correlation.rotations_of_cells(cells, bandwidth=8)
    cube = correlation.correlate(rotation.rotate_coefficients(h, r[..., None, :, :]), h).flatten(-3)
    value, cell = cube.max(-1)
    assert torch.equal(cell, cells)
    torch.testing.assert_close(value, h.square().sum((-2, -1)), atol=1e-11, rtol=0)


def test_swapped_arguments_give_the_inverse():
    """C_hf(R) = C_fh(R^-1). The grid holds R^-1 of (i, j, k) at (B - k, j, B - i), since -R_y(b) is a turn of R_y(b)."""
    f, h, b = draw(2, 36), draw(2, 36, seed=1), 6
    cube, swapped = correlation.correlate(f, h), correlation.correlate(h, f)
    i = torch.arange(2 * b)
    inverse = swapped[(b - i) % (2 * b)][:, :, (b - i) % (2 * b)].permute(2, 1, 0)
    torch.testing.assert_close(cube, inverse, atol=1e-12, rtol=0)
    assert (cube - swapped).abs().max() > 1


def test_turning_the_signals_moves_the_correlation():
    """Turning f by two cells about z moves the cube by two cells in alpha; turning h, in gamma the other way."""
    f, h, b = draw(2, 36), draw(2, 36, seed=1), 6
    angle = torch.tensor([2 * math.pi * 2 / 12, 0, 0], dtype=F64)
    cube = correlation.correlate(f, h)
    moved = correlation.correlate(rotation.rotate_coefficients_zyz(f, angle), h)
    torch.testing.assert_close(moved, cube.roll(2, dims=0), atol=1e-12, rtol=0)
    moved = correlation.correlate(f, rotation.rotate_coefficients_zyz(h, angle))
    torch.testing.assert_close(moved, cube.roll(-2, dims=2), atol=1e-12, rtol=0)
    assert b == len(cube) // 2


def test_channels_are_summed():
    f, h = draw(3, 25), draw(3, 25, seed=1)
    each = torch.stack([correlation.correlate(f[c : c + 1], h[c : c + 1]) for c in range(3)])
    torch.testing.assert_close(correlation.correlate(f, h), each.sum(0), atol=1e-12, rtol=0)


def test_the_mean_over_rotations_is_the_product_of_the_means():
    """Haar mean of C: only degree 0 is left. Weights over beta are those of the sphere's SOFT grid."""
    f, h = draw(2, 25), draw(2, 25, seed=1)
    weights = grids.quadrature_weights(grids.soft(5), dtype=F64) * 10 / (4 * math.pi)
    mean = (correlation.correlate(f, h).mean((0, 2)) * weights).sum()
    torch.testing.assert_close(mean, (f[:, 0] * h[:, 0]).sum(), atol=1e-12, rtol=0)


def test_gradients():
    f, h = draw(2, 4).requires_grad_(), draw(2, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(correlation.correlate, (f, h))
    assert torch.autograd.gradcheck(lambda f, h: correlation.correlate(f, h, bandwidth=3), (f, h))


def test_several_pairs_in_one_block(monkeypatch):
    f, h = draw(5, 2, 16), draw(5, 2, 16, seed=1)
    expected = correlation.correlate(f, h)
    monkeypatch.setitem(correlation._ENTRIES_PER_BLOCK, "cpu", 2 * 8**3)
    torch.testing.assert_close(correlation.correlate(f, h), expected, atol=1e-12, rtol=0)


def test_no_pairs_give_no_cubes():
    assert correlation.correlate(torch.zeros(0, 2, 9), torch.zeros(0, 2, 9)).shape == (0, 6, 6, 6)
    assert (
        correlation.correlate(torch.zeros(2, 0, 9), torch.zeros(2, 0, 9)).tolist() == torch.zeros(2, 6, 6, 6).tolist()
    )


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="two signals"):
        correlation.correlate(torch.ones(2, 9), torch.ones(3, 9))
    with pytest.raises(ValueError, match="two signals"):
        correlation.correlate(torch.ones(9), torch.ones(9))
    with pytest.raises(ValueError, match="not a square"):
        correlation.correlate(torch.ones(2, 8), torch.ones(2, 8))
    with pytest.raises(ValueError, match="signals of 3 degrees"):
        correlation.correlate(torch.ones(2, 9), torch.ones(2, 9), bandwidth=2)
