"""Geometry to what a camera sees."""

import abc
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor

from armillary.ports import Shape


class Renderer(abc.ABC):
    """A part that turns geometry into what a camera sees; also a ``torch.nn.Module``, mostly without weights."""

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the renderer for these settings and shapes.

        Args:
            config: an instance of the declared config class.
            inputs: resolved shape of each consumed port.
            outputs: the same for each produced port.
        """

    @abc.abstractmethod
    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return exactly the declared outputs; what is not seen is finite and carries no gradient."""
