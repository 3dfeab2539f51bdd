"""Zonal convolution against its integral, its symmetry and the limit of it; filters; pooling."""

import math

import pytest
import torch
from e3nn import o3

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres import convolution, grids, harmonics, rotation, transforms

BOTH = [grids.driscoll_healy, grids.soft]
BATCHES = [(), (5,), (2, 3)]
F64 = torch.float64


def draw(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def turns(*batch, seed=0):
    return random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_reference_the_integral():
    """Each value is the integral of f(y) g(x . y), by quadrature exact on products of degree 7."""
    f, g, grid, x = draw(2, 16), draw(4, 2, 3, seed=1), grids.soft(4), turns(10)[..., 0]
    signal = transforms.signal_from_coefficients(f, grid=grid)
    cosine = torch.einsum("jkc,vc->vjk", grids.points(grid, dtype=F64), x)
    legendre = harmonics.legendre(cosine, bandwidth=4)[:, 0]  # P_l0 is the filter's harmonic: g(t) = sum_l g_l P_l0(t)
    kernel = torch.einsum("lio,lvjk->iovjk", g, legendre)
    expected = grids.integrate(torch.einsum("ijk,iovjk->ovjk", signal, kernel), grid=grid)
    out = convolution.zonal_convolution(f, g)
    found = out @ harmonics.spherical_harmonics(x, bandwidth=4).mT
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_convolution_and_rotation_commute(batch):
    f, g, r = draw(*batch, 3, 64), draw(8, 3, 4, seed=1), turns(*batch, 1)
    turned = convolution.zonal_convolution(rotation.rotate_coefficients(f, r), g)
    expected = rotation.rotate_coefficients(convolution.zonal_convolution(f, g), r)
    assert turned.shape == (*batch, 4, 64)
    torch.testing.assert_close(turned, expected, atol=1e-12, rtol=0)
    single = convolution.zonal_convolution(rotation.rotate_coefficients(f.float(), r), g.float())
    assert (single - expected).norm() / expected.norm() < 1e-5


def test_a_filter_that_knows_the_order_does_not_commute():
    """States the limit of the claim: weights of one coefficient each are no convolution."""
    f, w, r = draw(64), draw(64, seed=1), turns()
    assert (rotation.rotate_coefficients(w * f, r) - w * rotation.rotate_coefficients(f, r)).abs().max() > 0.1


def test_mixing_by_degree_is_e3nns_linear():
    """The same weights, up to e3nn's factor 1 / sqrt(channels)."""
    irreps_in, irreps_out = (o3.Irreps([(c, (l, 1)) for l in range(3)]) for c in (3, 2))
    linear = o3.Linear(irreps_in, irreps_out).double()
    weight = torch.stack([w.detach() for w in linear.weight_views()])  # degree in out
    f = draw(5, 3, 9)
    blocks = torch.cat([part.flatten(-2) for part in f.split([1, 3, 5], dim=-1)], dim=-1)  # a channel's orders together
    theirs = [part.unflatten(-1, (2, -1)) for part in linear(blocks).split([2, 6, 10], dim=-1)]
    ours = convolution.mix_degrees(f, weight / math.sqrt(3))
    torch.testing.assert_close(ours, torch.cat(theirs, dim=-1), atol=1e-7, rtol=0)  # its factors are float32


def test_a_shorter_filter_cuts_off():
    f, g = draw(2, 3, 36), draw(4, 3, 5)
    torch.testing.assert_close(
        convolution.zonal_convolution(f, g), convolution.zonal_convolution(f[..., :16], g), atol=1e-14, rtol=0
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_gradients(batch):
    f, g = draw(*batch, 2, 9).requires_grad_(), draw(3, 2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(convolution.zonal_convolution, (f, g))
    signal = draw(*batch, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: convolution.area_pool(s, grid=grids.soft(2)), (signal,))
    assert torch.autograd.gradcheck(lambda s: convolution.area_mean(s, grid=grids.soft(2)), (signal,))
    assert torch.autograd.gradcheck(lambda a: convolution.interpolate_filters(a, bandwidth=5), (g,))


def test_interpolated_filters_by_hand():
    """Anchors 0, 2, 1 on five degrees: 0, 1, 2, 1.5, 1. One anchor is a constant; as many as degrees are themselves."""
    anchors = torch.tensor([0.0, 2.0, 1.0], dtype=F64)[:, None, None]
    found = convolution.interpolate_filters(anchors, bandwidth=5).flatten()
    torch.testing.assert_close(found, torch.tensor([0, 1, 2, 1.5, 1], dtype=F64))
    assert convolution.interpolate_filters(anchors[1:2], bandwidth=4).flatten().tolist() == [2, 2, 2, 2]
    torch.testing.assert_close(convolution.interpolate_filters(anchors, bandwidth=3), anchors)
    assert convolution.interpolate_filters(anchors, bandwidth=1).flatten().tolist() == [0]


def test_interpolated_filters_are_local():
    """Four anchors against free values at each of 32 degrees: the filter's energy lies nearer to its axis."""

    def spread(g):
        coefficients = torch.zeros(32 * 32, dtype=F64)
        degree = torch.arange(32)
        coefficients[degree * (degree + 1)] = g.flatten() * (2 * degree + 1.0).sqrt()
        energy = transforms.signal_from_coefficients(coefficients, grid=grids.soft(64)).square()
        theta = grids.colatitudes(grids.soft(64), dtype=F64)[:, None]
        return grids.integrate(energy * theta, grid=grids.soft(64)) / grids.integrate(energy, grid=grids.soft(64))

    local = spread(convolution.interpolate_filters(1 + draw(4, 1, 1).abs(), bandwidth=32))
    assert local < 0.5 * spread(draw(32, 1, 1))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("grid", BOTH)
def test_pooling_keeps_constants_and_the_mean(batch, grid):
    signal = draw(*batch, 12, 12)
    pooled = convolution.area_pool(signal, grid=grid(6))
    assert pooled.shape == (*batch, 6, 6)
    torch.testing.assert_close(
        convolution.area_mean(pooled, grid=grid(3)), convolution.area_mean(signal, grid=grid(6)), atol=1e-14, rtol=0
    )
    ones = torch.ones(*batch, 12, 12, dtype=F64)
    torch.testing.assert_close(convolution.area_pool(ones, grid=grid(6)), ones[..., :6, :6], atol=1e-15, rtol=0)


def test_pooling_is_the_authors_times_a_constant():
    """Theirs: samples times sin(theta + half a cell), the mean of four, over the same sine at the coarse cells."""
    signal, n = draw(16, 16), 16
    fine = torch.sin(math.pi * (torch.arange(n, dtype=F64) + 0.5) / n)[:, None]
    coarse = torch.sin(math.pi * (torch.arange(n // 2, dtype=F64) + 0.5) / (n // 2))[:, None]
    theirs = torch.nn.functional.avg_pool2d((signal * fine)[None], 2)[0] / coarse
    ours = convolution.area_pool(signal, grid=grids.driscoll_healy(n // 2))
    torch.testing.assert_close(theirs, ours * math.cos(math.pi / (2 * n)), atol=1e-14, rtol=0)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        convolution.mix_degrees(torch.ones(3, 16), torch.ones(4, 2, 5))
    with pytest.raises(ValueError, match="does not fit"):
        convolution.mix_degrees(torch.ones(16), torch.ones(4, 16, 5))
    with pytest.raises(ValueError, match="5 degrees, the coefficients have 4"):
        convolution.zonal_convolution(torch.ones(3, 16), torch.ones(5, 3, 5))
    with pytest.raises(ValueError, match="0 and 4"):
        convolution.interpolate_filters(torch.ones(0, 2, 2), bandwidth=4)
    with pytest.raises(ValueError, match=r"even bandwidth, but the grid is soft\(3\)"):
        convolution.area_pool(torch.ones(6, 6), grid=grids.soft(3))
    with pytest.raises(ValueError, match="8 x 8 samples"):
        convolution.area_mean(torch.ones(6, 6), grid=grids.soft(4))
