"""Networks that more than one method uses: their layers, their sizes, what they refuse."""

import pytest
import torch

from armillary.ports import square_side, vector_length
from armillary.std.networks import PlainEncoder, stage_channels


def encoder(size, **settings):
    side = square_side((None, 3, size, size))
    return PlainEncoder(side=side, **settings)


def test_plain_layers_are_the_authors():
    """At 64 x 64: channels, kernel and stride of each convolution, none with a bias."""
    layers = [layer for layer in encoder(64).layers if isinstance(layer, torch.nn.Conv2d)]
    assert [(x.out_channels, x.kernel_size[0], x.stride[0], x.bias) for x in layers] == [
        *[(32, 4, 2, None), (64, 4, 2, None), (128, 4, 2, None), (256, 4, 2, None), (256, 4, 1, None)],
    ]


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_plain_encoder_serves_every_power_of_two(size):
    assert encoder(size, width=8, features=12)(image=torch.rand(2, 3, size, size))["feature"].shape == (2, 12)


def test_encoder_sees_images_about_zero():
    """Mid-grey is what the convolutions see as 0: without biases and norms the feature is exactly 0."""
    assert encoder(64, width=8)(image=torch.full((1, 3, 64, 64), 0.5))["feature"].abs().max() == 0


def test_channels_stop_doubling_at_eight_times_the_width():
    assert stage_channels(256, width=64) == (64, 128, 256, 512, 512, 512)
    assert stage_channels(64, width=64, core=2) == (64, 128, 256, 512, 512)


@pytest.mark.parametrize("size", [0, 8, 48, 100])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="power of two"):
        stage_channels(size, width=64)


@pytest.mark.parametrize("shape", [(None, 3, 64, 32), (None, 3, None, None)])
def test_maps_that_are_not_square_are_refused(shape):
    with pytest.raises(ValueError, match="square"):
        square_side(shape)


def test_vectors_of_unknown_length_are_refused():
    assert vector_length((None, 5)) == 5
    with pytest.raises(ValueError, match="length of the feature"):
        vector_length((None, None))
