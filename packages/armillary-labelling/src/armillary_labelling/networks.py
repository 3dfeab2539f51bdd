"""Trunks of dense labelling: a picture in [0, 1] to features at half its size.

SIMPLE and DILATIONS are five convolutions with one pooling after the first; the second one looks farther around each pixel
with as many weights. The hourglass is that of the authors' later work. Each standardises the colours of the picture at its
door. A feature (i, j) lies at pixel (2i, 2j) of the picture.

Source: Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.2; authors' code jamt9000/DVE, model/smallnet.py and
model/hourglass.py.
"""

import abc
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple, TypedDict

import torch
from attrs.validators import and_, deep_iterable, ge, gt, le
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.errors import DataError
from armillary.interfaces import Encoder, from_shape
from armillary.ports import Shape
from armillary.rules import MultipleOf

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_SMALLNET = "jamt9000/DVE, model/smallnet.py"
_HOURGLASS = "jamt9000/DVE, model/hourglass.py"
_NORMALIZE = "jamt9000/DVE, data_loader/data_loaders.py: normalize"

STRIDE = 2
_SLOPE = 0.2  # of the leaky rectifier
_DEPTH = 4  # of the hourglass: how often it halves its map
_BLOCKS = 4  # residual blocks a stage of the hourglass
_GROUPS = 16  # of its group normalisation
_NARROWEST = 4 * _GROUPS  # channels: its first maps have a quarter of them

Norm = Literal["batch", "group"]
Triple = tuple[float, float, float]

MEAN = param(
    (0.5084, 0.4224, 0.3769),
    unit="image",
    source=_NORMALIZE,
    validator=deep_iterable(and_(ge(0.0), le(1.0))),
    help="mean of red, green and blue, taken off at the door",
)
STD = param(
    (0.2599, 0.2371, 0.2323),
    unit="image",
    source=_NORMALIZE,
    validator=deep_iterable(gt(0.0)),
    help="standard deviation of red, green and blue, divided by at the door",
)


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
    """Refuse a picture tensor that cannot be halved.

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


class TrunkOut(TypedDict):
    """Features at half the size of the picture."""

    features: Annotated[ports.FeatureMap, "batch $features height/2 width/2"]


class Trunk(Encoder):
    """Base of the trunks: refuses sizes that cannot be halved, and standardises colours.

    A subclass makes its layers after ``super().setup()``, and returns features in ``_features``.
    """

    smallest: ClassVar[int] = 8
    mean: Triple
    std: Triple
    picture: Shape = from_shape("image", lambda shape: shape, default=(None, None))

    def setup(self) -> None:
        """Make the door.

        Raises:
            ValueError: the picture's sides are odd or too small.
        """
        check_size(self.picture, smallest=self.smallest)
        self.door = Standardise(mean=self.mean, std=self.std)

    def forward(self, image: ports.Image) -> TrunkOut:
        """Return ``features``.

        Raises:
            DataError: the picture's sides are odd or too small.
        """
        check_picture(image, smallest=self.smallest)
        return {"features": self._features(self.door(image))}

    @abc.abstractmethod
    def _features(self, image: Tensor) -> Tensor:
        """Return the features of a standardised picture."""


class Dilations(
    Trunk,
    name="dilations",
    source=f"{_PAPER}, Section 3.2: DILATIONS; {_SMALLNET}",
    summary="five convolutions, three of them with gaps, to features at half the size",
):
    """DILATIONS: five convolutions, of which three leave gaps, so that a feature sees 54 pixels each way.

    Source: model/smallnet.py, SmallNet without its last convolution.
    """

    features: int = param(256, source=_SMALLNET, validator=gt(0), help="channels of the last convolution")
    mean: Triple = MEAN
    std: Triple = STD

    def setup(self) -> None:
        super().setup()
        self.layers = small_trunk((*DILATIONS, Layer(self.features, 3, 2)))
        xavier(self)

    def _features(self, image: Tensor) -> Tensor:
        return self.layers(image)


class Simple(
    Trunk,
    name="simple",
    source=f"{_PAPER}, Section 3.2: SIMPLE; its sizes are ours",
    summary="the same without gaps: a feature sees less of the picture",
):
    """SIMPLE: five convolutions without gaps, so that a feature sees 26 pixels each way.

    Source: ours; the paper names the network, and no source gives its sizes.
    """

    features: int = param(
        256,
        source="ours: as DILATIONS; no source gives the sizes",
        validator=gt(0),
        help="channels of the last convolution",
    )
    mean: Triple = MEAN
    std: Triple = STD

    def setup(self) -> None:
        super().setup()
        self.layers = small_trunk((*SIMPLE, Layer(self.features, 3)))
        xavier(self)

    def _features(self, image: Tensor) -> Tensor:
        return self.layers(image)


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


class Hourglass(
    Trunk,
    name="hourglass",
    source=f"Thewlis, Albanie, Bilen, Vedaldi 2019, arXiv:1908.06427; {_HOURGLASS}",
    summary="one hourglass of residual blocks: a feature sees the whole picture",
):
    """Stacked hourglass of the later work, with one stack.

    Weights start as torch draws them, which is what the authors' does; only the small networks start by Xavier's rule.

    Source: model/hourglass.py, HourglassNet without its last convolution.
    """

    smallest = 32

    features: int = param(
        256,
        source=f"{_HOURGLASS}: planes_hg x 2",
        validator=and_(gt(0), MultipleOf(_NARROWEST)),
        help="channels of every block but the first",
    )
    norm: Norm = param(
        "batch", source=f"{_HOURGLASS}: use_group_norm", help="group does not depend on the batch's other pictures"
    )
    mean: Triple = MEAN
    std: Triple = STD

    def setup(self) -> None:
        super().setup()
        full, norm = self.features, self.norm
        first = full // 4
        self.stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(3, first, 7, stride=STRIDE, padding=3),
                norm=_norm(norm, first),
                activation=nn.ReLU(inplace=True),
                widen=nn.Sequential(
                    Block(first, 2 * first, norm=norm),
                    Block(2 * first, full, norm=norm),
                    Block(full, full, norm=norm),
                ),
            )
        )
        self.waist = Waist(_DEPTH, channels=full, norm=norm)
        self.tail = nn.Sequential(
            OrderedDict(
                blocks=nn.Sequential(*(Block(full, full, norm=norm) for _ in range(_BLOCKS))),
                conv=nn.Conv2d(full, full, 1),
                norm=_norm(norm, full),
                activation=nn.ReLU(inplace=True),
            )
        )

    def _features(self, image: Tensor) -> Tensor:
        return self.tail(self.waist(self.stem(image)))
