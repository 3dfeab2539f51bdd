"""The encoder and the loss."""

from typing import Any, Self

import torch
from torch import Tensor

from armillary.interfaces import Encoder, Loss


class Mean(Encoder):
    """Mean colours through a linear layer."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, features)

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the encoder."""
        return cls(config.features)

    def forward(self, *, image: Tensor) -> dict[str, Tensor]:
        """Return the feature."""
        feature = self.linear(image.mean(dim=(-2, -1)))
        return {"feature": feature}


class Square(Loss):
    """Mean square of the difference."""

    @classmethod
    def build(cls, config: Any, *, inputs: Any, assets: Any) -> Self:
        """Return the loss."""
        return cls()

    def forward(self, *, image: Tensor, reconstruction: Tensor) -> Tensor:
        """Return one value an item."""
        return (image - reconstruction).square().mean(dim=(1, 2, 3))
