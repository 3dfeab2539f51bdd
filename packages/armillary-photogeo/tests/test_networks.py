"""Claims of ``networks.py``: the tables' layers, and their sizes elsewhere."""

import pytest
import torch

from armillary_photogeo.networks import ConvEncoder, DenseBlock, DenseDecoder, DenseEncoder, MapDecoder

CONVOLUTIONS = {16: (1, 1), 32: (1, 2, 1), 64: (1, 1, 1, 1), 128: (1, 1, 1, 1, 1)}


def describe(layer):
    match layer:
        case torch.nn.Conv2d() | torch.nn.ConvTranspose2d():
            name = "conv" if type(layer) is torch.nn.Conv2d else "deconv"
            sizes = (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0], layer.padding[0])
            return name, *sizes
        case DenseBlock():
            return "block", next(layer.layers[0].children()).in_channels, len(layer.layers)
        case torch.nn.LeakyReLU():
            assert layer.negative_slope == 0.2
            return "leaky"
        case _:
            return {"BatchNorm2d": "bn"}.get(type(layer).__name__, type(layer).__name__.lower())


def layers(module):
    return [describe(layer) for layer in module.layers]


def test_depth_encoder_is_table_4():
    assert layers(ConvEncoder(side=64)) == [
        *[("conv", 3, 64, 4, 2, 1), "leaky"],
        *[("conv", 64, 128, 4, 2, 1), "bn", "leaky"],
        *[("conv", 128, 256, 4, 2, 1), "bn", "leaky"],
        *[("conv", 256, 512, 4, 2, 1), "bn", "leaky"],
        *[("conv", 512, 512, 4, 2, 1), "bn", "leaky"],
        *[("conv", 512, 128, 2, 1, 0), "bn", "leaky"],
    ]


def test_depth_decoder_is_the_encoder_the_other_way_round_and_one_doubling_more():
    assert layers(MapDecoder(64, features=128, width=64, channels=1)) == [
        *[("deconv", 128, 512, 2, 1, 0), "bn", "leaky"],
        *[("deconv", 512, 512, 4, 2, 1), "bn", "leaky"],
        *[("deconv", 512, 256, 4, 2, 1), "bn", "leaky"],
        *[("deconv", 256, 128, 4, 2, 1), "bn", "leaky"],
        *[("deconv", 128, 64, 4, 2, 1), "bn", "leaky"],
        *[("deconv", 64, 64, 4, 2, 1), "bn", "leaky"],
        ("deconv", 64, 1, 4, 2, 1),
    ]


def test_albedo_network_is_table_5():
    assert layers(DenseEncoder(side=64)) == [
        ("conv", 3, 64, 4, 2, 1),
        *[("block", 64, 6), ("conv", 64, 128, 4, 2, 1), "bn", "leaky"],
        *[("block", 128, 12), ("conv", 128, 256, 4, 2, 1), "bn", "leaky"],
        *[("block", 256, 24), ("conv", 256, 512, 4, 2, 1), "bn", "leaky"],
        *[("block", 512, 16), ("conv", 512, 128, 4, 4, 0), "bn", "leaky"],
        "sigmoid",
    ]
    decoder = DenseDecoder(64, features=128, width=64, channels=3, convolutions=(16, 24, 12, 6))
    assert layers(decoder) == [
        ("deconv", 128, 512, 4, 1, 0),
        *[("block", 512, 16), ("deconv", 512, 256, 4, 2, 1), "bn", "relu"],
        *[("block", 256, 24), ("deconv", 256, 128, 4, 2, 1), "bn", "relu"],
        *[("block", 128, 12), ("deconv", 128, 64, 4, 2, 1), "bn", "relu"],
        *[("block", 64, 6), ("deconv", 64, 64, 4, 2, 1), "bn", "relu"],
        *["bn", "relu", ("conv", 64, 3, 5, 1, 2)],
    ]
    blocks = [layer for layer in decoder.modules() if isinstance(layer, DenseBlock)]
    assert all(isinstance(next(block.layers[0].children()), torch.nn.ConvTranspose2d) for block in blocks)


def test_each_convolution_of_a_block_reads_the_sum_of_all_before_it():
    """Reference: by hand, x0 + f1(x0) + f2(x0 + f1(x0)) + ...; every convolution counts."""
    block = DenseBlock(4, 3).eval()
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    outputs = [x]
    for layer in block.layers:
        outputs.append(layer(torch.stack(outputs).sum(0)))
    torch.testing.assert_close(block(x), torch.stack(outputs).sum(0))
    block(x).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for name, parameter in block.named_parameters() if ".0." in name)


@pytest.mark.parametrize("size", CONVOLUTIONS)
def test_networks_serve_every_power_of_two(size):
    """The extension: 16 to 128 give an albedo of the picture's size and a depth of twice that."""
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    conv = ConvEncoder(side=size, width=4, features=12)
    depth = MapDecoder(size, features=12, width=4, channels=1)(conv(image=image)["feature"])
    assert depth.shape == (2, 1, 2 * size, 2 * size)
    dense = DenseEncoder(side=size, width=4, features=12, convolutions=CONVOLUTIONS[size])(image=image)["feature"]
    assert dense.shape == (2, 12)
    assert ((dense >= 0) & (dense <= 1)).all()
    decoder = DenseDecoder(size, features=12, width=4, channels=3, convolutions=CONVOLUTIONS[size][::-1])
    assert decoder(dense).shape == (2, 3, size, size)


def test_blocks_that_do_not_fit_the_size_are_refused():
    with pytest.raises(ValueError, match="needs 3 dense blocks"):
        DenseEncoder(side=32)
    with pytest.raises(ValueError, match="needs 2 dense blocks"):
        DenseDecoder(16, features=4, width=4, channels=3, convolutions=(1,))
    with pytest.raises(ValueError, match="must be >= 1"):
        DenseEncoder.Config(convolutions=(1, 0))
