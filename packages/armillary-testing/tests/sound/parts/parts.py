"""The encoder and the loss."""

from typing import Annotated, TypedDict

import torch
from attrs.validators import gt

from armillary import ports
from armillary.config import param
from armillary.interfaces import Encoder, Loss


class Encoded(TypedDict):
    """One vector."""

    feature: Annotated[ports.FeatureVector, "batch $features"]


class Mean(Encoder, name="mean", source="ours"):
    """Mean colours through a linear layer."""

    features: int = param(4, unit="channel", source="ours", help="length of the vector", validator=gt(0))

    def setup(self) -> None:
        """Make the layer."""
        self.linear = torch.nn.Linear(3, self.features)

    def forward(self, image: ports.Image) -> Encoded:
        """Return the feature."""
        feature = self.linear(image.mean(dim=(-2, -1)))
        return {"feature": feature}


class Square(Loss, name="square", source="ours"):
    """Mean square of the difference."""

    def forward(self, image: ports.Image, reconstruction: ports.Image) -> ports.PerItem:
        """Return one value per item."""
        return (image - reconstruction).square().mean(dim=(1, 2, 3))
