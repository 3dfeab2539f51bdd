"""Pictures to features."""

import abc
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor

from armillary.ports import Shape


class Encoder(abc.ABC):
    """A network from pictures (or signals) to features; also a ``torch.nn.Module``."""

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the encoder for these settings and shapes.

        Args:
            config: an instance of the declared config class.
            inputs: resolved shape of each consumed port, None for the batch and what is unknown.
            outputs: the same for each produced port.

        Raises:
            ValueError: the shapes cannot be served; the message says which could.
        """

    @abc.abstractmethod
    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return exactly the declared outputs."""
