"""Claims of ``networks.py`` and of the encoder and head pairs: the paper's layers, and their sizes elsewhere."""

import pytest
import torch

from armillary.std.networks import PlainEncoder
from armillary_unsup3d.heads import AlbedoMap, Confidence, DepthMap, Light, View
from armillary_unsup3d.networks import ConvEncoder, MapDecoder, stage_channels

SIZES = (16, 32, 64, 128)


def count(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def branches(size=64, width=64):
    sides, half = {"side": size, "width": width}, {"width": max(width // 2, 4), "features": 256}
    return {
        "depth": (ConvEncoder(**sides), DepthMap(**sides, features=256)),
        "albedo": (ConvEncoder(**sides), AlbedoMap(**sides, features=256)),
        "light": (PlainEncoder(side=size, **half), Light(features=256)),
        "view": (PlainEncoder(side=size, **half), View(features=256)),
        "confidence": (ConvEncoder(**sides, features=128), Confidence(**sides, features=128)),
    }


@pytest.mark.parametrize(
    ("branch", "parameters"),
    [
        ("depth", 12_979_648),
        ("albedo", 12_982_848),
        ("light", 1_739_264),
        ("view", 1_739_776),
        ("confidence", 7_678_208),
    ],
)
def test_parameters_are_the_papers(branch, parameters):
    """Encoder and head together have the authors' number of parameters at 64 x 64."""
    assert count(*branches()[branch]) == parameters


def test_layers_are_the_papers():
    """Depth at 64 x 64, layer by layer, as the authors list it: kind, channels, kernel, stride, groups."""

    def describe(layer):
        match layer:
            case torch.nn.Conv2d():
                assert layer.bias is None
                return "conv", layer.out_channels, layer.kernel_size[0], layer.stride[0]
            case torch.nn.ConvTranspose2d():
                assert layer.bias is None
                return "deconv", layer.out_channels, layer.kernel_size[0], layer.stride[0]
            case torch.nn.GroupNorm():
                return "norm", layer.num_groups
            case torch.nn.LeakyReLU():
                return "leaky", layer.negative_slope
            case torch.nn.Upsample():
                return "resize", layer.scale_factor, layer.mode
            case _:
                return (type(layer).__name__.lower(),)

    first, second = branches()["depth"]
    relu = ("relu",)
    assert [describe(layer) for layer in first.layers] == [
        *[("conv", 64, 4, 2), ("norm", 16), ("leaky", 0.2)],
        *[("conv", 128, 4, 2), ("norm", 32), ("leaky", 0.2)],
        *[("conv", 256, 4, 2), ("norm", 64), ("leaky", 0.2)],
        *[("conv", 512, 4, 2), ("leaky", 0.2)],
        *[("conv", 256, 4, 1), relu],
    ]
    assert [describe(layer) for layer in second.decoder.layers] == [
        *[("deconv", 512, 4, 1), relu, ("conv", 512, 3, 1), relu],
        *[("deconv", 256, 4, 2), ("norm", 64), relu, ("conv", 256, 3, 1), ("norm", 64), relu],
        *[("deconv", 128, 4, 2), ("norm", 32), relu, ("conv", 128, 3, 1), ("norm", 32), relu],
        *[("deconv", 64, 4, 2), ("norm", 16), relu, ("conv", 64, 3, 1), ("norm", 16), relu],
        *[("resize", 2.0, "nearest"), ("conv", 64, 3, 1), ("norm", 16), relu],
        *[("conv", 64, 5, 1), ("norm", 16), relu, ("conv", 1, 5, 1)],
    ]


@pytest.mark.parametrize("size", SIZES)
def test_every_branch_serves_every_power_of_two(size):
    """The extension: 16 to 128 give maps of the image's size, and features at a quarter of it."""
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    shapes = {}
    for encoder_, head_ in branches(size, width=8).values():
        shapes |= {name: tuple(out.shape) for name, out in head_(**encoder_(image=image)).items()}
    quarter = (2, 1, size // 4, size // 4)
    assert shapes == {
        "depth": (2, 1, size, size),
        "albedo": (2, 3, size, size),
        "light": (2, 5),
        "pose": (2, 3, 4),
        "confidence": (2, 1, size, size),
        "confidence_flipped": (2, 1, size, size),
        "feature_confidence": quarter,
        "feature_confidence_flipped": quarter,
    }


def test_channels_stop_doubling_at_eight_times_the_width():
    assert stage_channels(256, width=64) == (64, 128, 256, 512, 512, 512)


@pytest.mark.parametrize("size", [0, 8, 48, 100])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="power of two"):
        stage_channels(size, width=64)


def test_width_that_cannot_be_grouped_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        MapDecoder(64, features=8, width=6, channels=1)
