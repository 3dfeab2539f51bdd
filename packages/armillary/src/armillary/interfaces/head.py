"""Features to geometry, light or appearance."""

import abc
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor

from armillary.ports import Shape


class Head(abc.ABC):
    """A network from features to geometry, light or appearance; also a ``torch.nn.Module``."""

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the head for these settings and shapes.

        Args:
            config: an instance of the declared config class.
            inputs: resolved shape of each consumed port: the width of the features comes from here.
            outputs: the same for each produced port: the size of a map comes from here.

        Raises:
            ValueError: the shapes cannot be served; the message says which could.
        """

    @abc.abstractmethod
    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return exactly the declared outputs, in the units and frames of their ports."""
