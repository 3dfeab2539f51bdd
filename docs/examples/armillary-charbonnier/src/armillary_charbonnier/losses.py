"""The loss itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from jaxtyping import Float
from torch import Tensor

from armillary.interfaces import Loss
from armillary.ports import Shape
from armillary_charbonnier.config import CharbonnierConfig


class Charbonnier(Loss):
    r"""Mean of :math:`\sqrt{d^2 + \epsilon^2} - \epsilon` over pixels and channels, one value an item.

    Args:
        epsilon: where the penalty turns from quadratic to linear, in image units.
    """

    def __init__(self, *, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    @classmethod
    def build(cls, config: CharbonnierConfig, *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss for these settings."""
        return cls(epsilon=config.epsilon)

    def forward(
        self,
        *,
        reconstruction: Float[Tensor, "batch channel height width"],
        image: Float[Tensor, "batch channel height width"],
    ) -> Float[Tensor, " batch"]:
        """Return the penalty of each item, in image units."""
        difference = reconstruction - image
        penalty = (difference.square() + self.epsilon**2).sqrt() - self.epsilon
        return penalty.mean(dim=(1, 2, 3))
