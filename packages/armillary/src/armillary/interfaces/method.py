"""Compositions of parts."""

import abc
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor


class Branch(torch.nn.Module):
    """An encoder and the head that reads it: ``head(**encoder(**ports))``."""

    def __init__(self, encoder: torch.nn.Module, head: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @classmethod
    def among(cls, parts: Mapping[str, torch.nn.Module]) -> dict[str, Self]:
        """Return a branch for each pair of slots ``NAME.encoder`` and ``NAME.head``, by its name."""
        names = [slot.removesuffix(".encoder") for slot in parts if slot.endswith(".encoder")]
        return {name: cls(parts[f"{name}.encoder"], parts[f"{name}.head"]) for name in names}

    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return what the head returns."""
        return self.head(**self.encoder(**ports))


class Method(abc.ABC):
    """A method is given its parts and composes them; also a ``torch.nn.Module``. It knows nothing of losses.

    Each part is the attribute that its slot names: slot ``depth.encoder`` is ``self.depth.encoder``. What the method owns
    itself (a mean shape, a basis) are its own parameters.
    """

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, parts: Mapping[str, torch.nn.Module]) -> Self:
        """Return the method.

        Args:
            config: an instance of the declared config class.
            parts: slot name to part; an optional slot that is empty is missing.
        """

    @abc.abstractmethod
    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return exactly the declared outputs, less those of empty optional slots."""

    def predict(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return what is shown, evaluated and exported; :meth:`forward` unless the method says otherwise."""
        return self.forward(**ports)

    def walks(self, found: Mapping[str, Tensor], *, steps: tuple[float, ...]) -> dict[str, Tensor]:
        """Return what lies along the directions of the method's own space of shapes; nothing unless it has one.

        Args:
            found: of two pictures or more, stacked: the outputs of :meth:`predict` that are points or vectors.
            steps: places along a direction from the middle of what was found, in its standard deviations.

        Returns:
            Points in space by the name of the output that they are: ``[direction, step, points, 3]``.
        """
        del found, steps
        return {}
