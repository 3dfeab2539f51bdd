"""A small embedding network, ours: strided convolutions to one vector, and one linear map to the coefficients of the sphere.

The published network is deep and narrow on the way down, which is dear on a processor: at 48 x 48 pixels a step of it takes
four times as long as one of this, and in the same time this one learns more (the table is in the package's README). Its map
holds no degree that the grid cannot carry, and has no seam, since it never is a picture.
"""

from typing import Annotated, TypedDict

import torch
from attrs.validators import gt
from torch import nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import Adapter, Encoder, Head, from_shape
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import signal_from_coefficients
from armillary.ports import axis_length, square_side
from armillary_spherical.vocabulary import Embedded, Encoded, Picture, channels

_LAYERS = 4  # convolutions, each halving the picture
SMALLEST_IMAGE = 2**_LAYERS


class PlainEncoder(Encoder, name="plain-encoder", source="ours"):
    """Four strided convolutions, a picture to one vector: cheap on a processor.

    Each convolution is normalised and rectified; a linear layer follows.

    Raises:
        ValueError: a size that cannot be halved four times.
    """

    width: int = param(
        16, unit="channel", help="channels after the first convolution, doubled by each", validator=gt(0)
    )
    features: int = param(512, unit="channel", help="length of the vector", validator=gt(0))
    size: int = from_shape("image", square_side)
    channels: int = from_shape("image", channels)

    def setup(self) -> None:
        if self.size < SMALLEST_IMAGE or self.size % SMALLEST_IMAGE:
            raise ValueError(f"plain-encoder: the side must be a multiple of {SMALLEST_IMAGE}, not {self.size}")
        layers: list[nn.Module] = []
        before = self.channels
        for index in range(_LAYERS):
            after, side = self.width * 2**index, 3 if index else 5
            layers += [nn.Conv2d(before, after, side, stride=2, padding=side // 2, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        inputs, outputs = (self.size // SMALLEST_IMAGE) ** 2 * before, self.features
        layers += [nn.Flatten(), nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers)

    def forward(self, image: Picture) -> Encoded:
        """Return ``feature``. The picture lies in [0, 1]."""
        return {"feature": self.body(2 * image - 1)}


class VectorToCoefficients(Head, name="vector-to-coefficients", source="ours"):
    """One vector to the spherical harmonics of a map of the sphere, by one linear map.

    The map is unbounded; its degrees lie below half of its samples in colatitude.
    """

    features: int = from_shape("feature")
    size: int = from_shape("embedding", square_side)
    channels: int = from_shape("embedding", axis_length(1, of="channels"))

    def setup(self) -> None:
        self.grid = soft(self.size // 2)
        self.layer = nn.Linear(self.features, self.channels * self.grid.bandwidth**2)

    def forward(self, feature: ports.FeatureVector) -> Embedded:
        """Return ``embedding``."""
        exact = torch.promote_types(feature.dtype, torch.float32)  # what is correlated is not in half precision
        coefficients = self.layer(feature).to(exact).unflatten(-1, (self.channels, -1))
        return {"embedding": signal_from_coefficients(coefficients, grid=self.grid)}


class OwnMap(TypedDict):
    """A map of the sphere of the adapter's own size."""

    features: Annotated[ports.SphereSignal, "batch $channels $side $side"]


class VectorToMap(Adapter, name="vector-to-map", source="ours"):
    """One vector to a map of the sphere, by one linear map to its spherical harmonics.

    With it a head that reads maps of the sphere follows an encoder of pictures.
    """

    channels: int = param(8, unit="channel", source="ours", help="channels of the map", validator=gt(0))
    side: int = param(8, unit="sample", source="ours", help="samples in colatitude and azimuth; even", validator=gt(1))
    features: int = from_shape("feature")

    def check(self) -> None:
        if self.side % 2:
            raise ValueError(f"side must be even, not {self.side}")

    def setup(self) -> None:
        self.grid = soft(self.side // 2)
        self.layer = nn.Linear(self.features, self.channels * self.grid.bandwidth**2)

    def forward(self, feature: ports.FeatureVector) -> OwnMap:
        """Return ``features``."""
        exact = torch.promote_types(feature.dtype, torch.float32)
        coefficients = self.layer(feature).to(exact).unflatten(-1, (self.channels, -1))
        return {"features": signal_from_coefficients(coefficients, grid=self.grid)}
