"""Real spherical harmonics: values by hand, orthonormality, scipy's and e3nn's."""

import math

import pytest
import torch
from scipy.special import sph_harm_y

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres import grids, harmonics

F64 = torch.float64
BATCHES = [(), (5,), (2, 3)]


def directions(*batch, seed=0):
    return random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=F64)[..., 2]


@pytest.mark.parametrize("batch", BATCHES)
def test_first_degrees_by_hand(batch):
    """l = 1 is sqrt(3 / 4 pi) (y, z, x); Y_20 = sqrt(5 / 16 pi) (3 z^2 - 1); Y_2,-2 = sqrt(15 / 4 pi) x y."""
    v = directions(*batch)
    x, y, z = v.unbind(-1)
    values = harmonics.spherical_harmonics(v, bandwidth=3)
    assert values.shape == (*batch, 9)
    torch.testing.assert_close(values[..., 0], torch.full(batch, 1 / math.sqrt(4 * math.pi), dtype=F64))
    torch.testing.assert_close(values[..., 1:4], math.sqrt(3 / 4 / math.pi) * torch.stack((y, z, x), dim=-1))
    torch.testing.assert_close(values[..., 6], math.sqrt(5 / 16 / math.pi) * (3 * z * z - 1))
    torch.testing.assert_close(values[..., 4], math.sqrt(15 / 4 / math.pi) * x * y)
    torch.testing.assert_close(values[..., 8], math.sqrt(15 / 16 / math.pi) * (x * x - y * y))


def test_reference_scipy():
    """scipy's complex ones carry the sign (-1)^m: cosine is sqrt 2 (-1)^m of the real part, sine of the imaginary."""
    v = directions(50)
    theta, phi = torch.atan2(v[:, :2].norm(dim=-1), v[:, 2]).numpy(), torch.atan2(v[:, 1], v[:, 0]).numpy()
    ours = harmonics.spherical_harmonics(v, bandwidth=32)
    for l in (0, 1, 2, 5, 17, 31):
        for m in range(l + 1):
            theirs = torch.from_numpy(sph_harm_y(l, m, theta, phi)) * (-1) ** m * (math.sqrt(2) if m else 1)
            centre = l * l + l
            torch.testing.assert_close(ours[:, centre + m], theirs.real, atol=1e-12, rtol=0)
            if m:
                torch.testing.assert_close(ours[:, centre - m], theirs.imag, atol=1e-12, rtol=0)


@pytest.mark.parametrize("grid", [grids.driscoll_healy, grids.soft])
def test_orthonormal(grid):
    basis = harmonics.spherical_harmonics(grids.points(grid(8), dtype=F64), bandwidth=8)
    products = basis.permute(2, 0, 1)[:, None] * basis.permute(2, 0, 1)
    gram = grids.integrate(products, grid=grid(8))
    torch.testing.assert_close(gram, torch.eye(64, dtype=F64), atol=1e-13, rtol=0)


def test_squares_of_a_degree_sum_to_a_constant():
    """Addition theorem: the sum over m of Y_lm^2 is (2 l + 1) / 4 pi everywhere."""
    values = harmonics.spherical_harmonics(directions(20), bandwidth=64).square()
    sums = torch.stack([part.sum(-1) for part in values.split([2 * l + 1 for l in range(64)], dim=-1)], dim=-1)
    expected = (2 * torch.arange(64, dtype=F64) + 1) / (4 * math.pi)
    torch.testing.assert_close(sums, expected.expand(20, 64), rtol=1e-12, atol=0)


def test_finite_at_the_poles_with_gradient():
    poles = torch.tensor([[0.0, 0, 1], [0, 0, -1]], dtype=F64, requires_grad=True)
    values = harmonics.spherical_harmonics(poles, bandwidth=8)
    degree, order = harmonics.degrees_and_orders(8)
    on_pole = torch.where(order == 0, ((2 * degree + 1) / (4 * math.pi)).sqrt().double(), 0)
    torch.testing.assert_close(values[0], on_pole, atol=1e-7, rtol=1e-7)
    torch.testing.assert_close(values[1], on_pole * (1 - 2 * (degree % 2)), atol=1e-7, rtol=1e-7)
    values.sum().backward()
    assert poles.grad.isfinite().all()


def test_gradient():
    v = directions(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: harmonics.spherical_harmonics(v, bandwidth=5), (v,))


def test_order_of_the_coefficients():
    degree, order = harmonics.degrees_and_orders(3)
    assert degree.tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 2]
    assert order.tolist() == [0, -1, 0, 1, -2, -1, 0, 1, 2]


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="not a square"):
        harmonics.bandwidth_of(torch.ones(3, 8))
    with pytest.raises(ValueError, match="not a square"):
        harmonics.bandwidth_of(torch.tensor(1.0))
    with pytest.raises(ValueError, match="at least one degree"):
        harmonics.spherical_harmonics(torch.ones(3), bandwidth=0)
    with pytest.raises(ValueError, match="bfloat16"):
        harmonics.spherical_harmonics(torch.ones(3, dtype=torch.bfloat16), bandwidth=2)
