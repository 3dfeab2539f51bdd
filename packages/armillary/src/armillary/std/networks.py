"""Networks that more than one method uses, and what their sizes come from.

Images enter in [0, 1] and are seen by the first convolution in [-1, 1].
"""

from collections.abc import Mapping
from typing import Self

from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.network import Encoder
from armillary.ports import Shape, square_side
from armillary.std.config import PlainEncoderConfig

SMALLEST_SIZE = 16
_CORE = 4  # the side of the map between the last stage and the feature vector
_WIDEST = 8  # channels stop doubling here, in units of the width


def stage_channels(size: int, *, width: int, core: int = _CORE) -> tuple[int, ...]:
    """Return the channels after each stage of stride 2 that takes a ``size`` x ``size`` map to ``core`` x ``core``.

    They double from ``width`` on, up to eight times that.

    Args:
        core: side of the last map, a power of two below 16.

    Raises:
        ValueError: ``size`` is no power of two or below 16.
    """
    if size < SMALLEST_SIZE or size & (size - 1):
        raise ValueError(f"the side of the image must be a power of two from {SMALLEST_SIZE} on, not {size}")
    stages = (size // core).bit_length() - 1
    return tuple(width * min(2**stage, _WIDEST) for stage in range(stages))


class PlainEncoder(Encoder):
    """A picture to a feature vector by strided convolutions with rectifiers and nothing else: no norms, no biases.

    The image is halved down to 4 x 4, and one valid 4 x 4 convolution closes.

    Args:
        size: side of the square image, in pixels.
        channels: of the image.
        width: channels of the first stage.
        features: length of the vector.

    Source: elliottwu/unsup3d, unsup3d/networks.py, Encoder up to its last layer; at 64 x 64 the layers are the authors' own.
    Deviates: other powers of two from 16 on are an extension: one stage for each halving.
    """

    def __init__(self, size: int, *, channels: int, width: int, features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for outputs in stage_channels(size, width=width):
            layers += [nn.Conv2d(before, outputs, 4, stride=2, padding=1, bias=False), nn.ReLU(inplace=True)]
            before = outputs
        layers += [nn.Conv2d(before, features, _CORE, bias=False), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    @classmethod
    def build(
        cls,
        config: PlainEncoderConfig,
        *,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
    ) -> Self:
        """Return the encoder of the images that the recipe feeds."""
        del outputs
        size, channels = square_side(inputs["image"]), inputs["image"][1]
        return cls(size, channels=channels or 3, width=config.width, features=config.features)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[str, Float[Tensor, "batch feature"]]:
        """Return ``feature``. The image lies in [0, 1]."""
        return {"feature": self.layers(2 * image - 1).flatten(1)}
