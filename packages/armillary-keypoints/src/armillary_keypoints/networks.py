"""Networks of AutoLink (He, Wandt and Rhodin 2022, arXiv:2205.10636): the detector's trunk and the decoder.

Pictures come in [0, 1] and are seen in [-1, 1], as by the authors, so that a masked pixel is mid-grey: 0.5 outside, 0 inside.
Every convolution starts with He's normal rule for a leaky rectifier of slope 0.2, and with a bias of zero.

Source: xingzhehe/AutoLink, models/encoder.py and models/decoder.py.
"""

import itertools
from typing import Annotated, TypedDict

import torch
from attrs.validators import and_, ge, gt, optional
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.errors import DataError
from armillary.interfaces import Encoder, Renderer, from_shape
from armillary.rules import MultipleOf

_AUTOLINK = "He, Wandt, Rhodin 2022, arXiv:2205.10636"
_ENCODER = "xingzhehe/AutoLink, models/encoder.py"
_DECODER = "xingzhehe/AutoLink, models/decoder.py"

STRIDE = 4
"""Pixels of the picture, as the detector sees it, a cell of its features."""
_COARSEST = 16  # both networks halve their maps four times
_SLOPE = 0.2  # of the leaky rectifier

Sides = tuple[int | None, int | None]


class DetectorOut(TypedDict):
    """Features of the detector's trunk."""

    features: Annotated[ports.FeatureMap, "batch $features rows columns"]


class DecoderOut(TypedDict):
    """Picture made again; not bounded, as published."""

    reconstruction: Annotated[ports.Image, ports.Of(unit="any")]


def sides(shape: ports.Shape) -> Sides:
    """Return height and width of the picture of a resolved shape; None where one is not known."""
    return shape[-2], shape[-1]


def kaiming(network: nn.Module) -> None:
    """Draw every convolution's and linear layer's weights by He's normal rule for slope 0.2; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_sides(height: int | None, width: int | None) -> None:
    """Refuse a picture that cannot be halved four times; a side that is not known passes.

    Raises:
        ValueError: a side is no multiple of 16, or below 32.
    """
    for name, side in (("the picture's height", height), ("its width", width)):
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


class Detector(
    Encoder,
    name="detector",
    source=f"{_AUTOLINK}; {_ENCODER}",
    summary="residual blocks down to a sixteenth and up to a quarter of the picture's size",
):
    """Trunk of the detector: four residual blocks down to a sixteenth, two blocks up to a quarter.

    Source: models/encoder.py, Detector without its last convolution.
    """

    features: int = param(
        128,
        source=f"{_ENCODER}: 64, 128, 256, 512, 256, 128",
        validator=and_(ge(2), MultipleOf(2)),
        help="channels that come out; the blocks have 1/2, 1, 2, 4 and 2 times as many",
    )
    size: int | None = param(
        None,
        unit="pixel",
        source=f"{_ENCODER}: 128, the size of its pictures",
        validator=optional(and_(ge(2 * _COARSEST), MultipleOf(_COARSEST))),
        help="side to which pictures are resized first; not given: as they are",
    )
    sides: Sides = from_shape("image", sides, default=(None, None))

    def setup(self) -> None:
        """Make the blocks.

        Raises:
            ValueError: the pictures are not resized and cannot be halved four times.
        """
        if self.size is None:
            check_sides(*self.sides)
        n = self.features
        widths = (3, n // 2, n, 2 * n, 4 * n)
        self.down = nn.Sequential(*(HalvingBlock(a, b) for a, b in itertools.pairwise(widths)))
        self.up = nn.Sequential(_doubling(4 * n, 2 * n), _doubling(2 * n, n))
        kaiming(self)

    def forward(self, image: ports.Image) -> DetectorOut:
        """Return ``features`` at a quarter of the size to which the picture is resized.

        Raises:
            DataError: a picture of another size than in training that cannot be halved four times.
        """
        x = 2.0 * image - 1.0
        if self.size is not None:
            x = functional.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False)
        try:
            check_sides(*x.shape[-2:])
        except ValueError as error:
            raise DataError(str(error)) from error
        return {"features": self.up(self.down(x))}


class _Down(nn.Module):
    """Level of the decoder that halves the map. Source: models/decoder.py, DownBlock."""

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
    """Level of the decoder that doubles the map. Source: models/decoder.py, UpBlock."""

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


class Decoder(
    Renderer,
    name="decoder",
    source=f"{_AUTOLINK}; {_DECODER}",
    summary="the picture again, from the drawn graph and what the mask left of it",
):
    """Picture made again from its edge map and what the mask left of it: a U-Net of four levels.

    Source: models/decoder.py, Decoder. Deviates: the edge map is drawn elsewhere; pictures lie in [0, 1] outside.
    """

    width: int = param(
        64, source=_DECODER, validator=gt(0), help="channels of the finest level; the next have 2, 4, 8 and 8 times"
    )
    sides: Sides = from_shape("masked_image", sides, default=(None, None))

    def setup(self) -> None:
        """Make the levels.

        Raises:
            ValueError: the pictures cannot be halved four times.
        """
        check_sides(*self.sides)
        w = self.width
        self.alpha = nn.Parameter(torch.tensor(1.0))
        self.first = nn.Sequential(_conv(3 + 1, w), _rectify())
        self.down = nn.ModuleList((_Down(w, 2 * w), _Down(2 * w, 4 * w), _Down(4 * w, 8 * w), _Down(8 * w, 8 * w)))
        self.up = nn.ModuleList((_Up(8 * w, 8 * w), _Up(16 * w, 4 * w), _Up(8 * w, 2 * w), _Up(4 * w, w)))
        self.last = _conv(2 * w, 3)
        kaiming(self)

    def forward(self, masked_image: ports.Image, edge_map: ports.EdgeMap) -> DecoderOut:
        """Return ``reconstruction``, which is not clamped: it may leave [0, 1]."""
        maps = [self.first(torch.cat((self.alpha * (2.0 * masked_image - 1.0), edge_map), dim=1))]
        for block in self.down:
            maps.append(block(maps[-1]))
        x = maps.pop()
        for block in self.up:
            x = torch.cat((block(x), maps.pop()), dim=1)
        return {"reconstruction": 0.5 * (self.last(x) + 1.0)}


class SmallDecoder(
    Renderer,
    name="small-decoder",
    source="ours: Ronneberger, Fischer, Brox 2015, arXiv:1505.04597, Section 2, with two levels",
):
    """Picture made again from its edge map and what the mask left of it: a U-Net of two levels, without normalisation.

    It sees some 20 pixels each way, where the published decoder sees far more, and has about a tenth of its weights at the same
    width. Sides of the pictures are multiples of 4.
    """

    width: int = param(
        16, source="ours, not searched", validator=gt(0), help="channels of the finest level; they double per level"
    )
    sides: Sides = from_shape("masked_image", sides, default=(None, None))

    def setup(self) -> None:
        """Make the levels.

        Raises:
            ValueError: the pictures cannot be halved twice.
        """
        if any(side is not None and side % 4 for side in self.sides):
            raise ValueError(f"the sides of the picture must be multiples of 4, not {self.sides[0]} x {self.sides[1]}")
        w = self.width
        self.fine, self.middle, self.coarse = self._level(3 + 1, w), self._level(w, 2 * w), self._level(2 * w, 4 * w)
        self.up, self.top = self._level(4 * w + 2 * w, 2 * w), self._level(2 * w + w, w)
        self.last = _conv(w, 3)
        kaiming(self)

    @staticmethod
    def _level(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(_conv(inputs, outputs), _rectify(), _conv(outputs, outputs), _rectify())

    def forward(self, masked_image: ports.Image, edge_map: ports.EdgeMap) -> DecoderOut:
        """Return ``reconstruction``, which is not clamped: it may leave [0, 1]."""
        fine = self.fine(torch.cat((2.0 * masked_image - 1.0, edge_map), dim=1))
        middle = self.middle(functional.avg_pool2d(fine, 2))
        coarse = self.coarse(functional.avg_pool2d(middle, 2))
        x = self.up(torch.cat((functional.interpolate(coarse, scale_factor=2), middle), dim=1))
        x = self.top(torch.cat((functional.interpolate(x, scale_factor=2), fine), dim=1))
        return {"reconstruction": 0.5 * (self.last(x) + 1.0)}
