"""Synthesis network of Esteves et al. 2019, Section 3.2.4 and Appendix A.3: an embedding back to the picture.

The embedding network mirrored: a map of the sphere (``batch channel colatitude azimuth``) down to a vector, with azimuth padded
in a circle, and the vector up to a picture. Turning the map turns the object in the picture.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from jaxtyping import Float
from torch import Tensor

from armillary.interfaces.network import Renderer
from armillary.ports import Shape
from armillary_spherical.image_networks import FromVector, ToVector, square_side

if TYPE_CHECKING:
    from armillary_spherical.network_config import SynthesiserConfig


class Synthesiser(Renderer):
    """A map of the sphere to a picture.

    The last layer is linear, as the authors have it: a picture may leave [0, 1] by a little while it is learnt.

    Args:
        sphere_size: samples in colatitude, and as many in azimuth.
        sphere_channels: of the map.
        image_size: side of the picture, in pixels.
        image_channels: of the picture.
        width: channels of the first stage and of the last map but one.
        widest: largest number of channels.
        features: length of the vector between.
    """

    def __init__(
        self,
        *,
        sphere_size: int,
        sphere_channels: int,
        image_size: int,
        image_channels: int,
        width: int,
        widest: int,
        features: int,
    ) -> None:
        super().__init__()
        self.encoder = ToVector(
            sphere_size, channels=sphere_channels, width=width, widest=widest, features=features, wraps=True
        )
        self.decoder = FromVector(
            image_size, channels=image_channels, width=width, widest=widest, features=features, wraps=False
        )

    @classmethod
    def build(cls, config: "SynthesiserConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the network between the embedding's size and the picture's."""
        channels = inputs["embedding"][1]
        if channels is None:
            raise ValueError("synthesiser: the channels of the embedding must be known")
        return cls(
            sphere_size=square_side(inputs["embedding"], what="synthesiser"),
            sphere_channels=channels,
            image_size=square_side(outputs["view"], what="synthesiser"),
            image_channels=outputs["view"][1] or 1,
            width=config.width,
            widest=config.widest,
            features=config.features,
        )

    def forward(self, embedding: Float[Tensor, "batch channel colatitude azimuth"]) -> dict[str, Tensor]:
        """Return ``view``."""
        return {"view": 0.5 + 0.5 * self.decoder(self.encoder(embedding))}
