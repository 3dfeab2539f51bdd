"""The generator."""

from typing import Any, Self

import numpy as np

from armillary.interfaces.generator import Generator
from armillary_sound.config import ColoursConfig  # type: ignore[import-not-found]  # laid under a name of its own


class Colours(Generator):
    """Pictures of one colour each."""

    def __init__(self, config: ColoursConfig, size: int, seed: int) -> None:
        self.config, self.size, self.seed = config, size, seed

    @classmethod
    def build(cls, config: ColoursConfig, *, size: int, seed: int) -> Self:
        """Return the generator."""
        return cls(config, size, seed)

    def item(self, index: int) -> dict[str, np.ndarray]:
        """Return one picture."""
        random = np.random.default_rng((self.seed, index))
        colour = random.uniform(*self.config.range, size=(self.config.channels, 1, 1))
        return {"image": np.broadcast_to(colour, (self.config.channels, self.size, self.size)).astype(np.float32)}

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {"name": self.config.name or "colours"}
