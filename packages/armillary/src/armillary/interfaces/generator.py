"""Generators of pictures with full ground truth."""

import abc
from typing import Any, Self

import numpy as np


class Generator(abc.ABC):
    """A generator: item ``index`` is a function of version, settings, size, seed and index alone.

    So the same seed gives the same bytes whatever the number of workers or shards, on one machine and set of libraries.
    """

    VERSION: str = "1"

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, size: int, seed: int) -> Self:
        """Return the generator.

        Args:
            config: an instance of the declared config class.
            size: side of the pictures in pixels.
            seed: of the whole collection.

        Raises:
            ValueError: the settings cannot be served (a missing model file); the message says what to type.
        """

    @abc.abstractmethod
    def item(self, index: int) -> dict[str, np.ndarray]:
        """Return one item: arrays by the name of their port, without the batch axis."""

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return plain values for ``generator.json``: camera, units, names of the landmarks."""
