"""A small embedding network, ours: strided convolutions to one vector, and one linear map to the coefficients of the sphere.

The published network is deep and narrow on the way down, which is dear on a processor: at 48 x 48 pixels a step of it takes
four times as long as one of this, and in the same time this one learns more (the table is in the package's README). Its map
holds no degree that the grid cannot carry, and has no seam, since it never is a picture.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.network import Encoder, Head
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import signal_from_coefficients
from armillary.ports import Shape
from armillary_spherical.image_networks import square_side

if TYPE_CHECKING:
    from armillary_spherical.network_config import PlainEncoderConfig, VectorToCoefficientsConfig

_LAYERS = 4  # convolutions, each halving the picture
SMALLEST_IMAGE = 2**_LAYERS


class PlainEncoder(Encoder):
    """A picture to a vector: four convolutions that halve it, each normalised and rectified, and a linear layer.

    Args:
        size: side of the square picture, in pixels, a multiple of 16.
        channels: of the picture.
        width: channels after the first convolution, doubled by each that follows.
        features: length of the vector.

    Raises:
        ValueError: a size that cannot be halved four times.
    """

    def __init__(self, size: int, *, channels: int, width: int, features: int) -> None:
        super().__init__()
        if size < SMALLEST_IMAGE or size % SMALLEST_IMAGE:
            raise ValueError(f"plain-encoder: the side must be a multiple of {SMALLEST_IMAGE}, not {size}")
        layers: list[nn.Module] = []
        before = channels
        for index in range(_LAYERS):
            after, side = width * 2**index, 3 if index else 5
            layers += [nn.Conv2d(before, after, side, stride=2, padding=side // 2, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        cells = (size // SMALLEST_IMAGE) ** 2
        layers += [nn.Flatten(), nn.Linear(cells * before, features, bias=False), nn.BatchNorm1d(features), nn.ReLU()]
        self.body = nn.Sequential(*layers)

    @classmethod
    def build(cls, config: "PlainEncoderConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the encoder of the pictures that the recipe feeds."""
        del outputs
        size = square_side(inputs["image"], what="plain-encoder")
        return cls(size, channels=inputs["image"][1] or 1, width=config.width, features=config.features)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> dict[str, Tensor]:
        """Return ``feature``. The picture lies in [0, 1]."""
        return {"feature": self.body(2 * image - 1)}


class VectorToCoefficients(Head):
    """A vector to a map of the sphere by one linear map to its real spherical harmonics, unbounded.

    Args:
        size: samples of the map in colatitude, and as many in azimuth; its degrees lie below half of that.
        channels: of the map.
        features: length of the vector.
    """

    def __init__(self, size: int, *, channels: int, features: int) -> None:
        super().__init__()
        self.grid, self.channels = soft(size // 2), channels
        self.layer = nn.Linear(features, channels * self.grid.bandwidth**2)

    @classmethod
    def build(
        cls, config: "VectorToCoefficientsConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]
    ) -> Self:
        """Return the head to the map that the target has.

        Raises:
            ValueError: the length of the vector, or the map that is wanted, is not known.
        """
        del config
        features, channels = inputs["feature"][1], outputs["embedding"][1]
        if features is None or channels is None:
            raise ValueError(
                "vector-to-coefficients: the length of the vector and the channels of the map must be known"
            )
        size = square_side(outputs["embedding"], what="vector-to-coefficients")
        return cls(size, channels=channels, features=features)

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Tensor]:
        """Return ``embedding``."""
        exact = torch.promote_types(feature.dtype, torch.float32)  # what is correlated is not in half precision
        coefficients = self.layer(feature).to(exact).unflatten(-1, (self.channels, -1))
        return {"embedding": signal_from_coefficients(coefficients, grid=self.grid)}
