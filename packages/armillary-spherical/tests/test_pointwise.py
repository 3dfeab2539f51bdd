"""Claims of ``pointwise.py``: the functions, and that their maps turn with the shape."""

import math

import pytest
import torch

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import signal_from_coefficients
from armillary_spherical.method import turned
from armillary_spherical.pointwise import Pointwise


def test_a_ball_gives_the_functions_of_its_radius():
    found = Pointwise(size=32)(sphere=torch.full((2, 1, 32, 32), 0.4))
    wanted = [0.4, 0.16, math.sqrt(0.4), *(1 / (1 + math.exp(-20 * (0.4 - t))) for t in (0.2, 0.4, 0.6, 0.8))]
    assert found["features"].shape == (2, 7, 16, 16)
    torch.testing.assert_close(
        found["features"], torch.tensor(wanted)[None, :, None, None].expand(2, 7, 16, 16), atol=2e-6, rtol=0
    )
    torch.testing.assert_close(found["class_features"], torch.tensor([wanted, wanted]), atol=2e-6, rtol=0)


def test_rays_that_meet_nothing_have_a_finite_gradient():
    nothing = torch.zeros(1, 1, 32, 32, requires_grad=True)
    found = Pointwise(size=32)(sphere=nothing)
    found["features"].sum().backward()
    assert nothing.grad.isfinite().all()
    assert found["features"][:, :3].abs().max() < 1e-6


def test_maps_turn_with_a_smooth_shape():
    """A shape of degrees below 3; what is left of the error is what sampling the functions costs."""
    generator = torch.Generator().manual_seed(0)
    bumps = 0.05 * torch.randn(3, 1, 9, generator=generator)
    bumps[..., 0] = 0.5 * math.sqrt(4 * math.pi)
    shape = signal_from_coefficients(bumps, grid=soft(16))
    rotation = random_rotation(3, generator=generator)
    part = Pointwise(size=32)
    before = turned(part(sphere=shape)["features"], rotation)
    after = part(sphere=turned(shape, rotation))["features"]
    error = (before - after).square().mean() / (after - after.mean((-1, -2), keepdim=True)).square().mean()
    assert error.sqrt() < 0.01


def test_missing_rays_have_a_finite_gradient_free_map():
    assert Pointwise(size=16, feature_size=8)(sphere=torch.zeros(1, 2, 16, 16))["features"].isfinite().all()


def test_a_finer_map_is_refused():
    with pytest.raises(ValueError, match="32 x 32 from signals of 16 x 16"):
        Pointwise(size=16, feature_size=32)
