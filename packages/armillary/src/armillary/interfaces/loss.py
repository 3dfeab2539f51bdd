"""Loss functions."""

import inspect
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from armillary import specs
from armillary.interfaces.network import Network
from armillary.interfaces.signature import per, takes

T = TypeVar("T")


class StepCache:
    """Values that several losses of one step share, each computed once: the features of a target."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}

    def once(self, key: Hashable, function: Callable[[], T]) -> T:
        """Return ``function()``, called at most once per ``key`` and step."""
        if key not in self._values:
            self._values[key] = function()
        return self._values[key]


class Loss(Network):
    """A loss function. It never weighs and never reduces over the batch: the recipe and the runner do.

    ``forward`` returns :data:`~armillary.ports.PerItem`, :data:`~armillary.ports.Pooled` (a sum and a count per item, which the
    runner pools) or :data:`~armillary.ports.PerBatch`. With an argument ``cache`` it receives the :class:`StepCache`.

    Example:
        >>> import torch
        >>> from armillary import ports
        >>> class Absolute(Loss, name="absolute", source="ours"):
        ...     '''Absolute image error.'''
        ...     def forward(self, reconstruction: ports.Image, image: ports.Image) -> ports.PerItem:
        ...         return (reconstruction - image).abs().mean(dim=(1, 2, 3))
        >>> Absolute()(reconstruction=torch.zeros(2, 3, 4, 4), image=torch.ones(2, 3, 4, 4)).tolist()
        [1.0, 1.0]
        >>> Absolute.spec().per, [str(port) for port in Absolute.spec().consumes][1]
        ('item', 'image: image [batch 3 height width] in image units')
    """

    SPEC = specs.LossSpec

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the ports of ``forward``, and what it returns."""
        consumes = takes(cls.forward, besides=("cache",))
        caches = "cache" in inspect.signature(cls.forward).parameters
        return {"consumes": consumes, "per": per(cls.forward), "caches": caches}
