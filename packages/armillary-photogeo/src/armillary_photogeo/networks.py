"""Networks of Wu, Rupprecht and Vedaldi 2019 (arXiv:1906.01568, Tables 4 and 5), cut where a feature vector passes.

Depth: convolutions down to one pixel and back up to a map of twice the picture's size. Albedo: the same idea with dense
blocks, as in the deforming autoencoders of Shu et al. 2018 (arXiv:1806.06503), whose block sizes Table 5 has. Images enter in
[0, 1] and are seen by the first convolution in [-1, 1].

At 64 x 64 the layers are the tables'; other powers of two from 16 on are an extension: one stage per halving, its channels
doubling up to eight times the width. What the tables leave open is ours, and noted there. A convolution before a batch
normalisation has no bias.
"""

import itertools
from collections.abc import Sequence

import torch
from attrs.validators import and_, deep_iterable, ge, gt, min_len
from jaxtyping import Float
from torch import Tensor, nn

from armillary.config import param
from armillary.std.branches import VectorEncoder
from armillary.std.networks import stage_channels

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_TABLE_4 = f"{_PAPER}, Table 4"
_TABLE_5 = f"{_PAPER}, Table 5"
_SLOPE = 0.2  # of the leaky rectifier
_CONV_CORE = 2  # side of the map before the depth encoder's last convolution
_DENSE_CORE = 4  # the same of the albedo encoder's last transition


class ConvEncoder(VectorEncoder, name="conv-encoder", source=_TABLE_4):
    """Strided convolutions with batch normalisation and leaky rectifiers, to one vector.

    The first stage has no normalisation.
    """

    width: int = param(64, source=_TABLE_4, help="channels of the first stage", validator=gt(0))
    features: int = param(128, source=_TABLE_4, help="length of the vector", validator=gt(0))

    def setup(self) -> None:
        widths = stage_channels(self.side, width=self.width, core=_CONV_CORE)
        layers: list[nn.Module] = [nn.Conv2d(self.channels, widths[0], 4, stride=2, padding=1), _leaky()]
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), _leaky()]
        layers += [
            nn.Conv2d(widths[-1], self.features, _CONV_CORE, bias=False),
            nn.BatchNorm2d(self.features),
            _leaky(),
        ]
        self.layers = nn.Sequential(*layers)


class MapDecoder(nn.Module):
    """Second half of the depth network: a feature vector to a map of any real values, at twice the picture's size.

    Args:
        size: side of the picture, in pixels; the map's is twice that.
        features: length of the vector.
        width: channels of the last stages.
        channels: of the map.

    Source: ours, since the decoder's column of Table 4 is lost: the encoder in reverse, with its leaky rectifiers, and one doubling
    more to reach twice the size. With rectifiers that do not leak, as in Table 5, whole maps did not learn.
    """

    def __init__(self, size: int, *, features: int, width: int, channels: int) -> None:
        super().__init__()
        widths = stage_channels(size, width=width, core=_CONV_CORE)[::-1]
        layers = _up(nn.ConvTranspose2d(features, widths[0], _CONV_CORE, bias=False), _leaky())
        for before, after in itertools.pairwise((*widths, width)):
            layers += _up(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False), _leaky())
        layers.append(nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def scale_last(self, factor: float) -> None:
        """Multiply the start of the last layer."""
        with torch.no_grad():
            for parameter in self.layers[-1].parameters():
                parameter.mul_(factor)

    def forward(self, feature: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch channel height width"]:
        """Return the map."""
        return self.layers(feature[:, :, None, None])


class DenseBlock(nn.Module):
    """Convolutions that each read the sum of all outputs before it in the block; returns the sum of all.

    Args:
        channels: in and out of every convolution.
        convolutions: how many.
        transposed: deconvolutions, as in the decoder.

    Source: DBE and DBD of Table 5. That outputs are added where DenseNet concatenates them is ours: the table's channels stay
    the same within a block, and the code of Shu et al. 2018 adds.
    """

    def __init__(self, channels: int, convolutions: int, *, transposed: bool = False) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        self.layers = nn.ModuleList(
            nn.Sequential(kind(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            for _ in range(convolutions)
        )

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return the sum of the input and of what every convolution adds."""
        total = features
        for layer in self.layers:
            total = total + layer(total)
        return total


class DenseEncoder(VectorEncoder, name="dense-encoder", source=_TABLE_5):
    """Dense blocks and transitions, to one vector.

    The vector lies in [0, 1].

    Raises:
        ValueError: there are not as many blocks as the size has halvings to 4 x 4.
    """

    width: int = param(64, source=_TABLE_5, help="channels of the first block", validator=gt(0))
    features: int = param(128, source=_TABLE_5, help="length of the vector", validator=gt(0))
    convolutions: tuple[int, ...] = param(
        (6, 12, 24, 16),
        source=_TABLE_5,
        help="of each block, from the largest map to the smallest",
        validator=and_(min_len(1), deep_iterable(ge(1))),
    )

    def setup(self) -> None:
        widths = stage_channels(self.side, width=self.width, core=_DENSE_CORE)
        _require_blocks(self.side, widths, self.convolutions)
        layers: list[nn.Module] = [nn.Conv2d(self.channels, widths[0], 4, stride=2, padding=1)]
        for before, after, count in zip(widths, widths[1:], self.convolutions, strict=False):
            layers.append(DenseBlock(before, count))
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), _leaky()]
        layers.append(DenseBlock(widths[-1], self.convolutions[-1]))
        layers += [
            nn.Conv2d(widths[-1], self.features, 4, stride=4, bias=False),
            nn.BatchNorm2d(self.features),
            _leaky(),
        ]
        self.layers = nn.Sequential(*layers, nn.Sigmoid())


class DenseDecoder(nn.Module):
    """Second half of the albedo network: a feature vector to a map of any real values.

    Args:
        size: side of the square map, in pixels.
        features: length of the vector.
        width: channels of the last stages.
        channels: of the map.
        convolutions: of each block, from the smallest map to the largest.

    Raises:
        ValueError: there are not as many blocks as the size has doublings from 4 x 4.

    Source: Table 5, dense decoder, without its activation.
    """

    def __init__(self, size: int, *, features: int, width: int, channels: int, convolutions: Sequence[int]) -> None:
        super().__init__()
        widths = stage_channels(size, width=width, core=_DENSE_CORE)[::-1]
        _require_blocks(size, widths, convolutions)
        layers: list[nn.Module] = [nn.ConvTranspose2d(features, widths[0], _DENSE_CORE)]
        for (before, after), count in zip(itertools.pairwise((*widths, width)), convolutions, strict=True):
            layers.append(DenseBlock(before, count, transposed=True))
            layers += _up(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False), nn.ReLU(inplace=True))
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 5, padding=2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, feature: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch channel height width"]:
        """Return the map."""
        return self.layers(feature[:, :, None, None])


def _leaky() -> nn.Module:
    return nn.LeakyReLU(_SLOPE, inplace=True)


def _up(deconvolution: nn.ConvTranspose2d, rectifier: nn.Module) -> list[nn.Module]:
    return [deconvolution, nn.BatchNorm2d(deconvolution.out_channels), rectifier]


def _require_blocks(size: int, widths: Sequence[int], convolutions: Sequence[int]) -> None:
    if len(convolutions) != len(widths):
        raise ValueError(
            f"a {size} x {size} picture needs {len(widths)} dense blocks, one per halving to "
            f"{_DENSE_CORE} x {_DENSE_CORE}, but convolutions names {len(convolutions)}"
        )
