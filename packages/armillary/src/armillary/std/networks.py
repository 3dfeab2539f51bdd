"""Networks that more than one method uses, and the rules for their sizes.

Images are in [0, 1] at the input and scaled to [-1, 1] before the first convolution.
"""

from typing import Annotated, TypedDict

from attrs.validators import gt
from torch import nn

from armillary import ports
from armillary.config import param
from armillary.interfaces.network import Encoder
from armillary.interfaces.part import from_shape

_CODE = "elliottwu/unsup3d, unsup3d/networks.py"
SMALLEST_SIZE = 16
_CORE = 4  # the side of the map between the last stage and the feature vector
_WIDEST = 8  # channels stop doubling here, in units of the width


def stage_channels(size: int, *, width: int, core: int = _CORE) -> tuple[int, ...]:
    """Return the channels after each stage of stride 2 that takes a ``size`` x ``size`` map to ``core`` x ``core``.

    They double from ``width`` on, up to eight times that.

    Args:
        core: side of the last map, a power of two below 16.

    Raises:
        ValueError: ``size`` is not a power of two, or is below 16.
    """
    if size < SMALLEST_SIZE or size & (size - 1):
        raise ValueError(
            f"the side of the image must be a power of two from {SMALLEST_SIZE} on, not {size}; type: --set data.size=64"
        )
    stages = (size // core).bit_length() - 1
    return tuple(width * min(2**stage, _WIDEST) for stage in range(stages))


class Encoded(TypedDict):
    """One vector per picture, of the length in the part's setting ``features``."""

    feature: Annotated[ports.FeatureVector, "batch $features"]


class PlainEncoder(
    Encoder,
    name="plain-encoder",
    source=f"{_CODE}, Encoder without its last layer; Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568, Table 7",
):
    """Strided convolutions with rectifiers, to one vector.

    The network has no normalisation and no biases. Each stage halves the image, down to 4 x 4; the last layer is one valid 4 x 4
    convolution. At 64 x 64 the layers are the authors'. Deviates: other powers of two from 16 on, with one stage per halving.
    """

    width: int = param(32, source=f"{_CODE}: nf", help="channels of the first stage", validator=gt(0))
    features: int = param(256, source=f"{_CODE}: nf * 8", help="length of the vector", validator=gt(0))
    side: int = from_shape("image", ports.square_side)
    channels: int = from_shape("image", ports.axis_length(1, of="channels"), default=3)

    def setup(self) -> None:
        """Make the layers."""
        layers: list[nn.Module] = []
        before = self.channels
        for after in stage_channels(self.side, width=self.width):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False), nn.ReLU(inplace=True)]
            before = after
        layers += [nn.Conv2d(before, self.features, _CORE, bias=False), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: ports.AnyImage) -> Encoded:
        """Return ``feature``. The image is in [0, 1]."""
        return {"feature": self.layers(2 * image - 1).flatten(1)}
