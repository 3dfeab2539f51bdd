"""Compositions of parts."""

import abc
from collections.abc import Mapping
from typing import Any, Self

import attrs
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class Illustration:
    """A picture that a method draws of itself.

    Args:
        picture: sRGB.
        title: over the picture in the report.
        caption: under it.
        folder: folder of the run that keeps it, as ``NAME.png``.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    title: str
    caption: str = ""
    folder: str = "illustrations"


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

    def illustrate(self, found: Mapping[str, Tensor]) -> Mapping[str, Illustration]:
        """Return pictures of what the method itself has learnt, by name; none by default.

        Args:
            found: the outputs of :meth:`predict` that are points, poses, vectors or single numbers, for two pictures or
                more, stacked.
        """
        del found
        return {}
