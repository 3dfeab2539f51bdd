"""Claims of ``plain_networks.py``: sizes, a map without seam and without degrees that turning would lose."""

import pytest
import torch

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary_spherical.method import turned
from armillary_spherical.plain_networks import PlainEncoder, VectorToCoefficients

_HEAD = {"features": 7, "size": 16, "channels": 3}


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (48, 1), (64, 3), (80, 1)])
def test_encoder_takes_multiples_of_sixteen(size, channels):
    encoder = PlainEncoder(size=size, channels=channels, width=4, features=9)
    assert encoder(image=torch.rand(3, channels, size, size))["feature"].shape == (3, 9)


@pytest.mark.parametrize("size", [8, 40, 65])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="multiple of 16"):
        PlainEncoder(size=size, channels=1, width=4, features=9)


def test_map_survives_the_transform_and_a_turn_there_and_back():
    head = VectorToCoefficients(**_HEAD)
    with torch.no_grad():
        found = head(feature=torch.randn(5, 7))["embedding"]
    assert found.shape == (5, 3, 16, 16)
    grid = soft(8)
    again = signal_from_coefficients(coefficients_from_signal(found, grid=grid), grid=grid)
    torch.testing.assert_close(again, found, atol=1e-5, rtol=0)
    rotation = random_rotation(5, generator=torch.Generator().manual_seed(0))
    back = turned(turned(found, rotation), rotation.transpose(-1, -2))
    torch.testing.assert_close(back, found, atol=2e-5, rtol=0)


def test_head_can_give_any_map_of_its_degrees():
    head = VectorToCoefficients(size=8, channels=2, features=2 * 16)
    wanted = torch.randn(1, 2, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        head.layer.weight.copy_(torch.eye(32))
        head.layer.bias.zero_()
        found = head(feature=wanted.flatten(1))["embedding"]
    torch.testing.assert_close(coefficients_from_signal(found, grid=soft(4)), wanted, atol=1e-5, rtol=0)


def test_unknown_widths_are_refused():
    with pytest.raises(ValueError, match="not known"):
        VectorToCoefficients.build(
            VectorToCoefficients.Config(), inputs={"feature": (None, 7)}, outputs={"embedding": (None, None, 16, 16)}
        )


def test_gradient_reaches_every_weight():
    encoder = PlainEncoder(size=16, channels=1, width=4, features=7)
    head = VectorToCoefficients(**_HEAD)
    picture = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    head(feature=encoder(image=picture)["feature"])["embedding"].square().mean().backward()
    for part in (encoder, head):
        for name, weight in part.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name
