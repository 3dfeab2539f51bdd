"""What training makes small."""

import abc
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from torch import Tensor

from armillary.ports import Shape

T = TypeVar("T")


class StepCache:
    """What several losses of one step share, computed once: the features of a target."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}

    def once(self, key: Hashable, function: Callable[[], T]) -> T:
        """Return ``function()``, called at most once for ``key`` in a step."""
        if key not in self._values:
            self._values[key] = function()
        return self._values[key]


class Loss(abc.ABC):
    """A loss; also a ``torch.nn.Module``. It never weighs and never reduces over the batch: the recipe and the runner do."""

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss for these settings and shapes.

        Args:
            config: an instance of the declared config class.
            inputs: resolved shape of each port that is bound.
            assets: path of each file that the spec names and the user gave; a name may be missing.

        Raises:
            ValueError: a file that the settings ask for was not given; the message says what to type.
        """

    @abc.abstractmethod
    def forward(self, **ports: Any) -> Tensor | tuple[Tensor, Tensor]:
        """Return one value an item, or (sum, count) an item that the runner pools; ``per="batch"``: one value.

        A loss whose spec says ``caches`` is also called with ``cache``, a :class:`StepCache`.
        """
