"""Claims of ``synthesiser.py``: its sizes, and what it refuses."""

import pytest
import torch

from armillary_spherical.synthesiser import Synthesiser


def build(channels=4, sphere=16, side=48, shades=1):
    config = Synthesiser.Config(width=4, widest=8, features=6)
    shape = (None, channels, sphere, sphere)
    return Synthesiser.build(config, inputs={"embedding": shape}, outputs={"view": (None, shades, side, side)})


@pytest.mark.parametrize(("sphere", "side", "shades"), [(16, 48, 1), (16, 64, 3), (32, 32, 1)])
def test_a_map_becomes_a_picture(sphere, side, shades):
    net = build(sphere=sphere, side=side, shades=shades)
    assert net(embedding=torch.randn(2, 4, sphere, sphere))["view"].shape == (2, shades, side, side)


def test_pictures_begin_about_mid_grey():
    """The last layer is linear and its output 0 is drawn as 0.5."""
    net = build()
    torch.nn.init.zeros_(net.decoder.rest[-1].layer.weight)
    torch.nn.init.zeros_(net.decoder.rest[-1].layer.bias)
    torch.testing.assert_close(net(embedding=torch.randn(2, 4, 16, 16))["view"], torch.full((2, 1, 48, 48), 0.5))


def test_the_map_has_no_seam_at_azimuth_0():
    """A turn about z by half the sphere shifts the first layer's map by half: it wraps."""
    first = build().double().encoder.layers[0]
    x = torch.randn(1, 4, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(first(x.roll(8, dims=-1)), first(x).roll(4, dims=-1))


def test_an_unknown_width_is_refused():
    with pytest.raises(ValueError, match="channels is not known"):
        build(channels=None)
