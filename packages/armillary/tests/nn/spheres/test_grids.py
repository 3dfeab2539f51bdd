"""Grids on the sphere: values by hand, the integrals that must come out, what is refused."""

import math

import pytest
import torch

from armillary.nn.spheres import grids

BOTH = [grids.driscoll_healy, grids.soft]
BATCHES = [(), (5,), (2, 3)]
F64 = torch.float64


def test_colatitudes_and_azimuths_by_hand():
    """B = 2: rows at 0, 45, 90, 135 degrees against 22.5, 67.5, 112.5, 157.5; columns at 0, 90, 180, 270."""
    eighth = math.pi / 8
    assert grids.colatitudes(grids.driscoll_healy(2), dtype=F64).tolist() == [0, 2 * eighth, 4 * eighth, 6 * eighth]
    assert grids.colatitudes(grids.soft(2), dtype=F64).tolist() == [eighth, 3 * eighth, 5 * eighth, 7 * eighth]
    for grid in BOTH:
        assert grids.azimuths(grid(2), dtype=F64).tolist() == [0, math.pi / 2, math.pi, 3 * math.pi / 2]


def test_points_by_hand():
    """B = 2: row 2 of Driscoll-Healy is the equator, its column 1 looks along +y; row 0 is the north pole, +z."""
    points = grids.points(grids.driscoll_healy(2), dtype=F64)
    torch.testing.assert_close(points[2, 1], torch.tensor([0, 1, 0], dtype=F64), atol=1e-15, rtol=0)
    torch.testing.assert_close(points[0], torch.tensor([0, 0, 1], dtype=F64).expand(4, 3), atol=1e-15, rtol=0)


@pytest.mark.parametrize("grid", BOTH)
def test_points_are_unit_vectors_of_their_angles(grid):
    points = grids.points(grid(6), dtype=F64)
    torch.testing.assert_close(points.norm(dim=-1), torch.ones(12, 12, dtype=F64))
    theta = torch.atan2(points[..., :2].norm(dim=-1), points[..., 2])
    torch.testing.assert_close(theta, grids.colatitudes(grid(6), dtype=F64)[:, None].expand(12, 12), atol=1e-14, rtol=0)


@pytest.mark.parametrize("grid", BOTH)
@pytest.mark.parametrize("bandwidth", [1, 2, 7, 16, 64])
def test_weights_and_areas_sum_to_the_sphere(grid, bandwidth):
    for rows in (grids.quadrature_weights, grids.cell_areas):
        total = rows(grid(bandwidth), dtype=F64).sum() * 2 * bandwidth
        torch.testing.assert_close(total, torch.tensor(4 * math.pi, dtype=F64), atol=1e-13, rtol=0)


def test_weights_against_the_published_sums():
    """Driscoll-Healy's a_j sum to sqrt 2 and are ours times B sqrt(2) / (2 pi); SOFT's, b = 8, sum to 2 (times B / pi)."""
    n = 16
    theta = grids.colatitudes(grids.driscoll_healy(n // 2), dtype=F64)
    odd = 2 * torch.arange(n // 2, dtype=F64) + 1
    a = 2 * math.sqrt(2) / n * theta.sin() * ((odd * theta[:, None]).sin() / odd).sum(-1)
    torch.testing.assert_close(a.sum(), torch.tensor(math.sqrt(2), dtype=F64))
    ours = grids.quadrature_weights(grids.driscoll_healy(n // 2), dtype=F64)
    torch.testing.assert_close(ours * (n // 2) * math.sqrt(2) / (2 * math.pi), a)
    soft = grids.quadrature_weights(grids.soft(8), dtype=F64) * 8 / math.pi
    torch.testing.assert_close(soft.sum(), torch.tensor(2.0, dtype=F64))


@pytest.mark.parametrize("grid", BOTH)
@pytest.mark.parametrize("power", range(8))
def test_quadrature_is_exact_below_twice_the_bandwidth(grid, power):
    """B = 4 integrates degree 7: the integral of z^p over the sphere is 4 pi / (p + 1) at even p, else 0."""
    z = grids.points(grid(4), dtype=F64)[..., 2]
    exact = 4 * math.pi / (power + 1) if power % 2 == 0 else 0.0
    torch.testing.assert_close(
        grids.integrate(z**power, grid=grid(4)), torch.tensor(exact, dtype=F64), atol=1e-13, rtol=0
    )


@pytest.mark.parametrize("grid", BOTH)
def test_quadrature_ends_at_twice_the_bandwidth(grid):
    """States the limit of the claim: degree 2B is wrong."""
    z = grids.points(grid(4), dtype=F64)[..., 2]
    assert abs(grids.integrate(z**8, grid=grid(4)) - 4 * math.pi / 9) > 1e-4


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("grid", BOTH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_integral_of_one_is_four_pi(batch, grid, dtype):
    total = grids.integrate(torch.ones(*batch, 10, 10, dtype=dtype), grid=grid(5))
    assert total.dtype == dtype
    torch.testing.assert_close(total, torch.full(batch, 4 * math.pi, dtype=dtype))


def test_grids_are_named_values():
    assert grids.soft(4) == grids.soft(4) != grids.driscoll_healy(4)
    assert str(grids.soft(4)) == "soft(4)"
    assert grids.soft(4).shape == (8, 8)


def test_wrong_grids_and_signals_are_refused():
    for wrong in (lambda: grids.SphereGrid("healpix", 4), lambda: grids.soft(0)):
        with pytest.raises(ValueError, match=r"name|bandwidth"):
            wrong()
    with pytest.raises(TypeError, match="bandwidth"):
        grids.soft(2.5)
    with pytest.raises(ValueError, match=r"soft\(4\) has 8 x 8 samples"):
        grids.integrate(torch.ones(8, 9), grid=grids.soft(4))
    with pytest.raises(ValueError, match="float16"):
        grids.integrate(torch.ones(8, 8, dtype=torch.float16), grid=grids.soft(4))
