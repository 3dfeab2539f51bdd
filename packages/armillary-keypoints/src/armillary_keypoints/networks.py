"""Networks of AutoLink (He, Wandt and Rhodin 2022, arXiv:2205.10636): the detector's trunk and the decoder.

Pictures come in [0, 1] and are seen in [-1, 1], as by the authors, so that a masked pixel is mid-grey: 0.5 outside, 0 inside.
Every convolution starts with He's normal rule for a leaky rectifier of slope 0.2, and with a bias of zero.

Source: xingzhehe/AutoLink, models/encoder.py and models/decoder.py.
"""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.errors import DataError
from armillary.interfaces.network import Encoder, Renderer
from armillary.ports import Shape

if TYPE_CHECKING:
    from armillary_keypoints.config import DecoderConfig, DetectorConfig

STRIDE = 4
"""Pixels of the picture, as the detector sees it, a cell of its features."""
_COARSEST = 16  # both networks halve their maps four times
_SLOPE = 0.2  # of the leaky rectifier

Shapes = Mapping[str, Shape]


def kaiming(network: nn.Module) -> None:
    """Draw every convolution's and linear layer's weights by He's normal rule for slope 0.2; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_side(name: str, side: int | None) -> None:
    """Refuse a side that cannot be halved four times; one that is not known passes.

    Raises:
        ValueError: it is no multiple of 16, or below 32.
    """
    if side is not None and (side % _COARSEST or side < 2 * _COARSEST):
        raise ValueError(f"{name} must be a multiple of {_COARSEST} from {2 * _COARSEST} on, not {side}")


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _scale(factor: float) -> nn.Upsample:
    return nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False)


def _rectify() -> nn.LeakyReLU:
    return nn.LeakyReLU(_SLOPE, inplace=True)


class HalvingBlock(nn.Module):
    """Residual block that halves the map: two convolutions beside one.

    Source: models/encoder.py, ResBlock.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(_conv(inputs, outputs), _scale(0.5), nn.BatchNorm2d(outputs))
        self.main = nn.Sequential(
            _conv(inputs, outputs),
            _scale(0.5),
            nn.BatchNorm2d(outputs),
            _rectify(),
            _conv(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch feature rows columns"]:
        """Return features at half the size."""
        return functional.leaky_relu(self.main(x) + self.shortcut(x), _SLOPE, inplace=True)


def _doubling(inputs: int, outputs: int) -> nn.Sequential:
    """Return a block that doubles the map. Source: models/encoder.py, TransposedBlock."""
    return nn.Sequential(_scale(2.0), _conv(inputs, outputs), nn.BatchNorm2d(outputs), _rectify())


class Detector(Encoder):
    """Trunk of the detector: four residual blocks down to a sixteenth, two blocks up to a quarter.

    Args:
        features: channels that come out; the blocks have half as many, then once, twice and four times as many.
        size: side to which pictures are resized first; None leaves them as they are.

    Source: models/encoder.py, Detector without its last convolution.
    """

    def __init__(self, *, features: int, size: int | None) -> None:
        super().__init__()
        if features % 2:
            raise ValueError(f"features must be even, not {features}")
        widths = (3, features // 2, features, 2 * features, 4 * features)
        self.down = nn.Sequential(*(HalvingBlock(a, b) for a, b in itertools.pairwise(widths)))
        self.up = nn.Sequential(_doubling(4 * features, 2 * features), _doubling(2 * features, features))
        self.size = size
        kaiming(self)

    @classmethod
    def build(cls, config: "DetectorConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the trunk for pictures of this size.

        Raises:
            ValueError: the pictures are not resized and cannot be halved four times.
        """
        if config.size is None:
            for name, side in zip(("the picture's height", "its width"), inputs["image"][-2:], strict=True):
                check_side(name, side)
        return cls(features=config.features, size=config.size)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch feature rows columns"]]:
        """Return ``features`` at a quarter of the size to which the picture is resized.

        Raises:
            DataError: a picture of another size than in training that cannot be halved four times.
        """
        x = 2.0 * image - 1.0
        if self.size is not None:
            x = functional.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False)
        try:
            for name, side in zip(("the picture's height", "its width"), x.shape[-2:], strict=True):
                check_side(name, side)
        except ValueError as error:
            raise DataError(str(error)) from error
        return {"features": self.up(self.down(x))}


class _Down(nn.Module):
    """Source: models/decoder.py, DownBlock."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(inputs, outputs),
            nn.BatchNorm2d(outputs),
            _rectify(),
            _conv(outputs, outputs),
            nn.BatchNorm2d(outputs),
            _scale(0.5),
            _rectify(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _Up(nn.Module):
    """Source: models/decoder.py, UpBlock."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _scale(2.0),
            _conv(inputs, outputs),
            nn.BatchNorm2d(outputs),
            _rectify(),
            _conv(outputs, outputs),
            nn.BatchNorm2d(outputs),
            _rectify(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Decoder(Renderer):
    """The picture again, from its edge map and what the mask left of it: a U-Net of four levels.

    Args:
        width: channels of the finest level; the next have 2, 4, 8 and 8 times as many.

    Source: models/decoder.py, Decoder. Deviates: the edge map is drawn elsewhere; pictures lie in [0, 1] outside.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        w = width
        self.alpha = nn.Parameter(torch.tensor(1.0))
        self.first = nn.Sequential(_conv(3 + 1, w), _rectify())
        self.down = nn.ModuleList((_Down(w, 2 * w), _Down(2 * w, 4 * w), _Down(4 * w, 8 * w), _Down(8 * w, 8 * w)))
        self.up = nn.ModuleList((_Up(8 * w, 8 * w), _Up(16 * w, 4 * w), _Up(8 * w, 2 * w), _Up(4 * w, w)))
        self.last = _conv(2 * w, 3)
        kaiming(self)

    @classmethod
    def build(cls, config: "DecoderConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the decoder for pictures of this size.

        Raises:
            ValueError: the pictures cannot be halved four times.
        """
        for name, side in zip(("the picture's height", "its width"), inputs["masked_image"][-2:], strict=True):
            check_side(name, side)
        return cls(width=config.width)

    def forward(
        self, masked_image: Float[Tensor, "batch 3 height width"], edge_map: Float[Tensor, "batch 1 height width"]
    ) -> dict[str, Float[Tensor, "batch 3 height width"]]:
        """Return ``reconstruction``, which is not clamped: it may leave [0, 1]."""
        maps = [self.first(torch.cat((self.alpha * (2.0 * masked_image - 1.0), edge_map), dim=1))]
        for block in self.down:
            maps.append(block(maps[-1]))
        x = maps.pop()
        for block in self.up:
            x = torch.cat((block(x), maps.pop()), dim=1)
        return {"reconstruction": 0.5 * (self.last(x) + 1.0)}
