"""Claims of ``e3nn_encoder.py``: it turns with its input, in our frame."""

import pytest
import torch

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary_spherical.e3nn_encoder import E3nnCnn


def build(*, lmax=5, size=16):
    sizes = {"width": 4, "layers": 2, "feature_size": 8, "feature_channels": 3, "class_features": 6}
    net = E3nnCnn(size=size, channels=1, lmax=lmax, **sizes)
    net.train()
    with torch.no_grad():
        net(sphere=signals(8, bandwidth=size // 2)[0])
    return net.eval()


def signals(batch, *, bandwidth=8, seed=0):
    """Signals of degrees below 5, and the same turned."""
    generator = torch.Generator().manual_seed(seed)
    coefficients = torch.randn(batch, 1, 25, generator=generator)
    turn = random_rotation(batch, generator=generator)
    turned = rotate_coefficients(coefficients, turn[:, None])
    grid = soft(bandwidth)
    return signal_from_coefficients(coefficients, grid=grid), signal_from_coefficients(turned, grid=grid), turn


def turned_map(signal, turn):
    grid = soft(signal.shape[-1] // 2)
    coefficients = rotate_coefficients(coefficients_from_signal(signal, grid=grid), turn[:, None])
    return signal_from_coefficients(coefficients, grid=grid)


def relative(a, b):
    return float((a - b).norm() / (b - b.mean(dim=(-2, -1), keepdim=True)).norm())


def test_the_map_turns_and_the_vector_stays():
    """Equivariance, up to what an activation sampled on a finite grid costs; without the turn nothing fits."""
    net = build()
    before, after, turn = signals(6, seed=1)
    with torch.no_grad():
        one, other = net(sphere=before), net(sphere=after)
    assert relative(turned_map(one["features"], turn), other["features"]) < 0.05
    assert relative(one["features"], other["features"]) > 0.5
    torch.testing.assert_close(one["class_features"], other["class_features"], atol=0.01, rtol=0.01)


def test_the_error_is_the_activations():
    """Without it, the linear maps turn exactly, to the rounding of float32."""
    net = build()
    for layer in net.get_submodule("layers").children():
        layer.activation = torch.nn.Identity()
    before, after, turn = signals(6, seed=1)
    with torch.no_grad():
        one, other = net(sphere=before)["features"], net(sphere=after)["features"]
    assert relative(turned_map(one, turn), other) < 1e-5


def test_shapes_and_gradient():
    net = build().train()
    found = net(sphere=torch.rand(2, 1, 16, 16))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "features": (2, 3, 8, 8),
        "class_features": (2, 6),
    }
    (found["features"].square().sum() + found["class_features"].square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="not lmax 9"):
        build(lmax=9)


def test_degrees_that_e3nns_grids_do_not_hold_are_refused():
    with pytest.raises(ValueError, match="lmax"):
        build(lmax=12)
