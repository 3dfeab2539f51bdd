"""Networks of Wu, Rupprecht and Vedaldi 2020 (arXiv:1911.11130), cut where a feature vector passes.

Every network of the paper is an encoder that halves a square image down to 4 x 4 and closes with one valid 4 x 4 convolution,
followed by a decoder or one more layer. Light and view begin with :class:`armillary.std.networks.PlainEncoder`. No convolution
has a bias; group normalisation has 4 channels per group.

At 64 x 64 the layers are the authors' own (unsup3d/networks.py). Deviates: other powers of two from 16 on are an
extension: one stage of stride 2 per halving, its channels doubling up to eight times the width.
"""

import itertools

from attrs.validators import gt
from jaxtyping import Float
from torch import Tensor, nn

from armillary.config import param
from armillary.std import networks
from armillary.std.branches import VectorEncoder

_NETWORKS = "elliottwu/unsup3d, unsup3d/networks.py"
_CORE = 4  # the side of the map between the last stage and the feature vector
_CHANNELS_PER_GROUP = 4
_SLOPE = 0.2  # of the leaky rectifier


def stage_channels(size: int, *, width: int) -> tuple[int, ...]:
    """Return the channels after each stage of stride 2 that takes a ``size`` x ``size`` map to 4 x 4.

    Raises:
        ValueError: ``size`` is no power of two or below 16; ``width`` is no multiple of 4.
    """
    if width < _CHANNELS_PER_GROUP or width % _CHANNELS_PER_GROUP:
        raise ValueError(f"width must be a multiple of {_CHANNELS_PER_GROUP}, not {width}")
    return networks.stage_channels(size, width=width, core=_CORE)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // _CHANNELS_PER_GROUP, channels)


def _halve(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)


def _double(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        _norm(outputs),
        nn.ReLU(inplace=True),
    ]


def _convolve(inputs: int, outputs: int, *, side: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False), _norm(outputs), nn.ReLU(inplace=True)]


class ConvEncoder(VectorEncoder, name="conv-encoder", source=f"{_NETWORKS}, first half of EDDeconv and ConfNet"):
    """Strided convolutions with group normalisation and leaky rectifiers, to one vector.

    The last stage has no normalisation.
    """

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the first stage", validator=gt(0))
    features: int = param(
        256, source=f"{_NETWORKS}: zdim; 128 for confidence", help="length of the vector", validator=gt(0)
    )

    def setup(self) -> None:
        widths = stage_channels(self.side, width=self.width)
        layers: list[nn.Module] = [_halve(self.channels, widths[0])]
        for before, after in itertools.pairwise(widths):
            layers += [_norm(before), nn.LeakyReLU(_SLOPE, inplace=True), _halve(before, after)]
        layers += [nn.LeakyReLU(_SLOPE, inplace=True), nn.Conv2d(widths[-1], self.features, _CORE, bias=False)]
        self.layers = nn.Sequential(*layers, nn.ReLU(inplace=True))


class MapDecoder(nn.Module):
    """Second half of the paper's depth and albedo networks: a feature vector to a map of any real values.

    Args:
        size: side of the square map, in pixels.
        features: length of the vector.
        width: channels of the last stages.
        channels: of the map.

    Source: unsup3d/networks.py, the second half of EDDeconv without its activation.
    """

    def __init__(self, size: int, *, features: int, width: int, channels: int) -> None:
        super().__init__()
        widths = stage_channels(size, width=width)[::-1]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(features, widths[0], _CORE, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(widths[0], widths[0], 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
        ]
        for before, after in itertools.pairwise(widths):
            layers += [*_double(before, after), *_convolve(after, after, side=3)]
        last = widths[-1]
        layers += [
            nn.Upsample(scale_factor=2, mode="nearest"),
            *_convolve(last, last, side=3),
            *_convolve(last, last, side=5),
            nn.Conv2d(last, channels, 5, padding=2, bias=False),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, feature: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch channel height width"]:
        """Return the map."""
        return self.layers(feature[:, :, None, None])


class ConfidenceDecoder(nn.Module):
    """Second half of the paper's confidence network: two maps of two channels, of any real values.

    Args:
        size: side of the square image, in pixels.
        features: length of the vector.
        width: channels of the last stages.

    Source: unsup3d/networks.py, the second half of ConfNet without its activations.
    """

    def __init__(self, size: int, *, features: int, width: int) -> None:
        super().__init__()
        widths = stage_channels(size, width=width)[::-1]
        trunk: list[nn.Module] = [nn.ConvTranspose2d(features, widths[0], _CORE, bias=False), nn.ReLU(inplace=True)]
        for before, after in itertools.pairwise(widths[:-1]):
            trunk += _double(before, after)
        quarter, last = widths[-2:]
        self.trunk = nn.Sequential(*trunk)
        self.pixels = nn.Sequential(
            *_double(quarter, last), *_double(last, last), nn.Conv2d(last, 2, 5, padding=2, bias=False)
        )
        self.features = nn.Conv2d(quarter, 2, 3, padding=1, bias=False)

    def forward(
        self, feature: Float[Tensor, "batch feature"]
    ) -> tuple[Float[Tensor, "batch 2 height width"], Float[Tensor, "batch 2 height/4 width/4"]]:
        """Return a map at the image's size and one at a quarter of it."""
        trunk = self.trunk(feature[:, :, None, None])
        return self.pixels(trunk), self.features(trunk)
