"""Claims of ``image_networks.py``: the published sizes, other sizes, and a sphere without a seam."""

import pytest
import torch

from armillary_spherical.image_networks import (
    Convolution,
    Doubling,
    FromVector,
    ImageToVector,
    PreActivationBlock,
    ToVector,
    VectorToSphere,
    decoder_widths,
    encoder_widths,
)


def warm(net, x):
    """Run once in training mode, so that running means differ from zero, then evaluate."""
    net.train()
    with torch.no_grad():
        net(x)
    return net.eval()


def test_the_published_encoder_and_decoder():
    """128 x 128: seven stages, 64, 128 and then 256 channels; to 16 x 16: 128 channels at 4, 64 at 8; to 32 x 32: 256 first."""
    assert encoder_widths(128, width=64, widest=256) == (64, 128, 256, 256, 256, 256, 256)
    assert decoder_widths(16, width=64, widest=256) == (4, (128, 64))
    assert decoder_widths(32, width=64, widest=256) == (4, (256, 128, 64))


def test_the_published_network_has_the_published_vector():
    encoder = ImageToVector(size=128, channels=3)
    assert encoder.body.layers[-1].weight.shape == (1024, 256, 2, 2)
    head = VectorToSphere(features=1024, size=16, channels=32)
    with torch.no_grad():
        found = head.eval()(feature=torch.randn(2, 1024))["embedding"]
    assert found.shape == (2, 32, 16, 16)


@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_pictures_of_other_sizes(size):
    net = ToVector(size, channels=1, width=4, widest=8, features=5, wraps=False)
    assert net(torch.rand(2, 1, size, size)).shape == (2, 5)


@pytest.mark.parametrize(("size", "wraps"), [(16, True), (32, True), (48, False), (64, False)])
def test_maps_of_other_sizes(size, wraps):
    net = FromVector(size, channels=3, width=4, widest=8, features=5, wraps=wraps)
    assert net(torch.randn(2, 5)).shape == (2, 3, size, size)


@pytest.mark.parametrize(
    ("what", "size"), [(encoder_widths, 40), (encoder_widths, 8), (decoder_widths, 40), (decoder_widths, 4)]
)
def test_sizes_that_cannot_be_halved_are_refused(what, size):
    with pytest.raises(ValueError, match="times a power of two"):
        what(size, width=4, widest=8)


def test_maps_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="square"):
        ImageToVector.build(ImageToVector.Config(), inputs={"image": (None, 3, 64, 48)})


@pytest.mark.parametrize("size", [16, 32])
def test_the_decoder_has_no_seam(size):
    """Equivariance: shifting the first map by one column shifts the sphere by the columns that one column becomes."""
    net = FromVector(size, channels=2, width=4, widest=8, features=5, wraps=True).double()
    x = torch.randn(2, net.first.out_channels, 4, 4, dtype=torch.float64)
    rest = warm(net.rest, x)
    with torch.no_grad():
        for shift in (1, 2, 3):
            torch.testing.assert_close(
                rest(x.roll(shift, dims=-1)), rest(x).roll(shift * size // 4, dims=-1), atol=1e-12, rtol=0
            )


def test_pictures_have_a_seam():
    """The limit of the claim: without wrapping, the same shift fails, in rows and in columns; rows never wrap."""
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64)
    for wraps, axis in ((False, -1), (False, -2), (True, -2)):
        net = FromVector(16, channels=2, width=4, widest=8, features=5, wraps=wraps).double()
        rest = warm(net.rest, x)
        with torch.no_grad():
            assert (rest(x.roll(1, dims=axis)) - rest(x).roll(4, dims=axis)).abs().max() > 1e-3


@pytest.mark.parametrize(("side", "wraps"), [(3, True), (7, True), (3, False), (7, False)])
def test_doubling_puts_a_cell_onto_twice_its_place(side, wraps):
    """Golden: a single 1 at cell (2, 1) with a filter that is 1 in its middle gives a single 1 at (4, 2)."""
    layer = Doubling(1, 1, side=side, wraps=wraps)
    with torch.no_grad():
        layer.layer.weight.zero_()[0, 0, side // 2, side // 2] = 1.0
        x = torch.zeros(1, 1, 4, 4)
        x[0, 0, 2, 1] = 1.0
        wanted = torch.zeros(1, 1, 8, 8)
        wanted[0, 0, 4, 2] = 1.0
        torch.testing.assert_close(layer(x), wanted)


def test_doubling_wraps_as_a_long_strip_would():
    """Reference: three copies side by side, doubled without wrapping, hold the wrapped result in their middle."""
    wrapped, plain = Doubling(2, 3, side=7, wraps=True), Doubling(2, 3, side=7, wraps=False)
    with torch.no_grad():
        plain.layer.weight.copy_(wrapped.layer.weight)
        x = torch.randn(1, 2, 8, 8)
        long = plain(torch.cat((x, x, x), dim=-1))
        torch.testing.assert_close(wrapped(x), long[..., 16:32])


def test_convolution_wraps_columns_and_reflects_rows():
    """Golden: a filter that looks one up reads row 1 from row 0; one that looks left reads the last column from the first."""
    layer = Convolution(1, 1, side=3, wraps=True)
    x = torch.arange(16.0).view(1, 1, 4, 4)
    with torch.no_grad():
        layer.layer.weight.zero_()[0, 0, 0, 1] = 1.0
        torch.testing.assert_close(layer(x)[0, 0, 0], x[0, 0, 1])
        layer.layer.weight.zero_()[0, 0, 1, 0] = 1.0
        torch.testing.assert_close(layer(x)[..., 0], x[..., -1])


def test_a_block_whose_filters_are_zero_is_the_identity():
    """Pre-activation: nothing stands on the way past the block."""
    block = PreActivationBlock(3, 3, wraps=True)
    torch.nn.init.zeros_(block.second.layer.weight)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(block(x), x)


def test_gradient_reaches_every_weight():
    net = ToVector(32, channels=1, width=4, widest=8, features=5, wraps=False)
    net(torch.rand(3, 1, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
