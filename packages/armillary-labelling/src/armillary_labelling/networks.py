"""Trunks of dense labelling: a picture in [0, 1] to features at half its size.

SIMPLE and DILATIONS are five convolutions with one pooling after the first; the second one looks farther around each pixel
with as many weights. The hourglass is that of the authors' later work. Each standardises the colours of the picture at its
door. A feature (i, j) stands at pixel (2i, 2j) of the picture.

Source: Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.2; authors' code jamt9000/DVE, model/smallnet.py and
model/hourglass.py.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.errors import DataError
from armillary.interfaces.network import Encoder
from armillary.ports import Shape

if TYPE_CHECKING:
    from armillary_labelling.config import DilationsConfig, HourglassConfig, SimpleConfig

STRIDE = 2
_SLOPE = 0.2  # of the leaky rectifier
_DEPTH = 4  # of the hourglass: how often it halves its map
_BLOCKS = 4  # residual blocks a stage of the hourglass
_GROUPS = 16  # of its group normalisation

Norm = Literal["batch", "group"]
Shapes = Mapping[str, Shape]


class Layer(NamedTuple):
    """One convolution that keeps the size of its map."""

    channels: int
    kernel: int
    dilation: int = 1


DILATIONS = (Layer(20, 5), Layer(48, 5), Layer(64, 5, 2), Layer(80, 3, 4))
"""Layers of DILATIONS before the last, which is 3 x 3 with dilation 2. Source: model/smallnet.py."""

SIMPLE = (Layer(20, 5), Layer(48, 5), Layer(64, 3), Layer(80, 3))
"""The same of SIMPLE, whose last is 3 x 3. Source: ours; the paper's text gives no sizes, and a port of it has nearly these."""


def xavier(network: nn.Module) -> None:
    """Draw every convolution's weights by Xavier's normal rule and set its bias to 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_size(shape: Shape | torch.Size, *, smallest: int) -> None:
    """Refuse a picture ``(batch, channel, height, width)`` that cannot be halved; sizes that are not known pass.

    Raises:
        ValueError: a side is odd, or below ``smallest``.
    """
    for name, side in zip(("height", "width"), shape[-2:], strict=True):
        if side is not None and (side % STRIDE or side < smallest):
            serve = f"{side - 1} or {side + 1}" if side > smallest else str(smallest)
            raise ValueError(
                f"labels have half the size of a picture (of a pair, without its margins), so its {name} must be even and at "
                f"least {smallest}, not {side}: {serve} would do"
            )


def check_picture(image: Float[Tensor, "batch 3 height width"], *, smallest: int) -> None:
    """The same for a picture that is there.

    Raises:
        DataError: a side is odd, or below ``smallest``.
    """
    try:
        check_size(image.shape, smallest=smallest)
    except ValueError as error:
        raise DataError(str(error)) from error


class Standardise(nn.Module):
    """Colours less their mean, by their standard deviation.

    Args:
        mean: of each channel, in units of [0, 1].
        std: the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Return the standardised picture."""
        return (image - self.mean) / self.std


def small_trunk(layers: Sequence[Layer]) -> nn.Sequential:
    """Return convolution, batch normalisation and leaky rectifier for each layer, with a pooling by 2 after the first."""
    trunk: list[nn.Module] = []
    before = 3
    for index, layer in enumerate(layers):
        conv = nn.Conv2d(
            before,
            layer.channels,
            layer.kernel,
            padding=layer.dilation * (layer.kernel // 2),
            dilation=layer.dilation,
        )
        norm, activation = nn.BatchNorm2d(layer.channels), nn.LeakyReLU(_SLOPE, inplace=True)
        trunk.append(nn.Sequential(OrderedDict(conv=conv, norm=norm, activation=activation)))
        if index == 0:
            trunk.append(nn.MaxPool2d(STRIDE))
        before = layer.channels
    return nn.Sequential(*trunk)


class Dilations(Encoder):
    """DILATIONS: five convolutions, of which three leave gaps, so that a feature sees 54 pixels each way.

    Args:
        features: channels that come out.
        mean: of the picture's colours.
        std: the same.

    Source: model/smallnet.py, SmallNet without its last convolution.
    """

    smallest = 8

    def __init__(self, *, features: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.door = Standardise(mean=mean, std=std)
        self.layers = small_trunk((*DILATIONS, Layer(features, 3, 2)))
        xavier(self)

    @classmethod
    def build(cls, config: "DilationsConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the trunk of these settings.

        Raises:
            ValueError: the picture's sides are odd or too small.
        """
        check_size(inputs["image"], smallest=cls.smallest)
        return cls(features=config.features, mean=config.mean, std=config.std)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch feature height/2 width/2"]]:
        """Return ``features``.

        Raises:
            DataError: the picture's sides are odd or too small.
        """
        check_picture(image, smallest=self.smallest)
        return {"features": self.layers(self.door(image))}


class Simple(Encoder):
    """SIMPLE: five convolutions without gaps, so that a feature sees 26 pixels each way.

    Args:
        features: channels that come out.
        mean: of the picture's colours.
        std: the same.

    Source: ours; the paper names the network, and no source gives its sizes.
    """

    smallest = 8

    def __init__(self, *, features: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.door = Standardise(mean=mean, std=std)
        self.layers = small_trunk((*SIMPLE, Layer(features, 3)))
        xavier(self)

    @classmethod
    def build(cls, config: "SimpleConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the trunk of these settings.

        Raises:
            ValueError: the picture's sides are odd or too small.
        """
        check_size(inputs["image"], smallest=cls.smallest)
        return cls(features=config.features, mean=config.mean, std=config.std)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch feature height/2 width/2"]]:
        """Return ``features``.

        Raises:
            DataError: the picture's sides are odd or too small.
        """
        check_picture(image, smallest=self.smallest)
        return {"features": self.layers(self.door(image))}


def _norm(kind: Norm, channels: int) -> nn.Module:
    return nn.GroupNorm(_GROUPS, channels) if kind == "group" else nn.BatchNorm2d(channels)


class Block(nn.Module):
    """Residual bottleneck that normalises and rectifies before each of its three convolutions.

    Args:
        inputs: channels that come in.
        outputs: channels that come out, twice those in between.
        norm: ``batch`` or ``group``.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: Norm) -> None:
        super().__init__()
        planes = outputs // 2
        widths = ((inputs, planes, 1), (planes, planes, 3), (planes, outputs, 1))
        self.steps = nn.Sequential(
            *(
                nn.Sequential(
                    OrderedDict(
                        norm=_norm(norm, before),
                        activation=nn.ReLU(inplace=True),
                        conv=nn.Conv2d(before, after, kernel, padding=kernel // 2),
                    )
                )
                for before, after, kernel in widths
            )
        )
        self.shortcut_conv = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "batch inputs rows columns"]) -> Float[Tensor, "batch outputs rows columns"]:
        """Return the input and what the block adds to it."""
        return self.steps(x) + self.shortcut_conv(x)


class Waist(nn.Module):
    """One level of an hourglass: a skip at this size beside a way through the smaller sizes.

    Args:
        depth: levels from here down.
        channels: of every map.
        norm: ``batch`` or ``group``.

    Deviates: the small map is brought to the skip's size, so that sizes that do not halve evenly pass; the authors' takes
    multiples only, for which both are the same.
    """

    def __init__(self, depth: int, *, channels: int, norm: Norm) -> None:
        super().__init__()

        def blocks() -> nn.Sequential:
            return nn.Sequential(*(Block(channels, channels, norm=norm) for _ in range(_BLOCKS)))

        self.skip, self.down, self.up = blocks(), blocks(), blocks()
        self.inner = blocks() if depth == 1 else Waist(depth - 1, channels=channels, norm=norm)

    def forward(self, x: Float[Tensor, "batch channel rows columns"]) -> Float[Tensor, "batch channel rows columns"]:
        """Return the map after its way down and up; the skip's blocks lie before the pooling as well."""
        skip = self.skip(x)
        low = self.up(self.inner(self.down(functional.max_pool2d(skip, 2))))
        return skip + functional.interpolate(low, size=skip.shape[-2:], mode="nearest")


class Hourglass(Encoder):
    """The stacked hourglass of the later work, with one stack.

    Args:
        features: channels of its blocks and of what comes out.
        norm: ``batch`` or ``group``.
        mean: of the picture's colours.
        std: the same.

    Weights start as torch draws them, which is what the authors' does; only the small networks start by Xavier's rule.

    Source: model/hourglass.py, HourglassNet without its last convolution.
    """

    smallest = 32

    def __init__(self, *, features: int, norm: Norm, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.door = Standardise(mean=mean, std=std)
        first = features // 4
        self.stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(3, first, 7, stride=STRIDE, padding=3),
                norm=_norm(norm, first),
                activation=nn.ReLU(inplace=True),
                widen=nn.Sequential(
                    Block(first, 2 * first, norm=norm),
                    Block(2 * first, features, norm=norm),
                    Block(features, features, norm=norm),
                ),
            )
        )
        self.waist = Waist(_DEPTH, channels=features, norm=norm)
        self.tail = nn.Sequential(
            OrderedDict(
                blocks=nn.Sequential(*(Block(features, features, norm=norm) for _ in range(_BLOCKS))),
                conv=nn.Conv2d(features, features, 1),
                norm=_norm(norm, features),
                activation=nn.ReLU(inplace=True),
            )
        )

    @classmethod
    def build(cls, config: "HourglassConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the hourglass of these settings.

        Raises:
            ValueError: the picture's sides are odd or too small.
        """
        check_size(inputs["image"], smallest=cls.smallest)
        return cls(features=config.features, norm=config.norm, mean=config.mean, std=config.std)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch feature height/2 width/2"]]:
        """Return ``features``.

        Raises:
            DataError: the picture's sides are odd or too small.
        """
        check_picture(image, smallest=self.smallest)
        return {"features": self.tail(self.waist(self.stem(self.door(image))))}
