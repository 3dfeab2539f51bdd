"""Synthesis network of Esteves et al. 2019, Section 3.2.4 and Appendix A.3: an embedding back to the picture.

The embedding network mirrored: a map of the sphere (``batch channel colatitude azimuth``) down to a vector, with azimuth padded
in a circle, and the vector up to a picture. Turning the map turns the object in the picture.
"""

from attrs.validators import gt

from armillary.config import param
from armillary.interfaces import Renderer, from_shape
from armillary.ports import axis_length, square_side
from armillary_spherical.image_networks import FromVector, ToVector
from armillary_spherical.vocabulary import PAPER, SHORT, Map, View, channels

_APPENDIX = f"{SHORT}, Appendix A.3"


class Synthesiser(Renderer, name="synthesiser", source=f"{PAPER}, Section 3.2.4 and Appendix A.3"):
    """A map of the sphere back to a picture.

    The last layer is linear, as the authors have it: a picture may leave [0, 1] by a little while it is learnt.
    """

    width: int = param(
        64,
        unit="channel",
        source=f"{_APPENDIX}: as the embedding network",
        help="channels of the first stage",
        validator=gt(0),
    )
    widest: int = param(256, unit="channel", source=_APPENDIX, help="largest number of channels", validator=gt(0))
    features: int = param(1024, unit="channel", source=_APPENDIX, help="length of the vector", validator=gt(0))
    sphere_size: int = from_shape("embedding", square_side)
    sphere_channels: int = from_shape("embedding", axis_length(1, of="channels"))
    image_size: int = from_shape("view", square_side)
    image_channels: int = from_shape("view", channels)

    def setup(self) -> None:
        sizes = {"width": self.width, "widest": self.widest, "features": self.features}
        self.encoder = ToVector(self.sphere_size, channels=self.sphere_channels, **sizes, wraps=True)
        self.decoder = FromVector(self.image_size, channels=self.image_channels, **sizes, wraps=False)

    def forward(self, embedding: Map) -> View:
        """Return ``view``."""
        return {"view": 0.5 + 0.5 * self.decoder(self.encoder(embedding))}
