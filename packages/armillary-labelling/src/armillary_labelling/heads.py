"""Head of dense labelling: features to a label map.

The direction of a label is a point of the object's sphere, its length how sure the network is: matching compares inner
products, so a short label matches everything a little. With more than three channels labels are descriptors without a sphere.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.interfaces.network import Head
from armillary.ports import Shape
from armillary_labelling.networks import xavier

if TYPE_CHECKING:
    from armillary_labelling.config import LabelMapConfig

Shapes = Mapping[str, Shape]


class LabelMap(Head):
    """One 1 x 1 convolution.

    Args:
        features: channels that come in.
        channels: of a label.
        unit: give every label the length ``scale``.
        scale: that length.

    Source: model/smallnet.py, the last convolution; model/loss.py, normalize_vectors.
    """

    def __init__(self, features: int, *, channels: int, unit: bool, scale: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, channels, 1)
        self.unit = unit
        self.scale = scale
        xavier(self)

    @classmethod
    def build(cls, config: "LabelMapConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the head for these features.

        Raises:
            ValueError: the number of features is not known.
        """
        features = inputs["features"][1]
        if features is None:
            raise ValueError("the number of features is not known")
        return cls(features, channels=config.channels, unit=config.unit, scale=config.scale)

    def forward(
        self, features: Float[Tensor, "batch feature rows columns"]
    ) -> dict[str, Float[Tensor, "batch channel rows columns"]]:
        """Return ``labels``. A label of length 0 keeps it where ``unit`` is set."""
        labels = self.conv(features)
        return {"labels": self.scale * functional.normalize(labels, dim=1) if self.unit else labels}
