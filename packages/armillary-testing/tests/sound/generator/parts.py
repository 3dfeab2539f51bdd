"""The generator."""

from typing import Annotated, Any, TypedDict

import numpy as np
from attrs.validators import gt

from armillary import ports
from armillary.config import param
from armillary.interfaces import Generator


class Item(TypedDict):
    """One picture."""

    image: Annotated[np.ndarray, ports.Of("image", "batch $channels height width")]


class Colours(Generator, name="colours", source="ours"):
    """Pictures of one colour each."""

    channels: int = param(3, unit="channel", source="ours", help="red, green and blue", validator=gt(0))
    range: tuple[float, float] = param((0.0, 1.0), unit="image", source="ours", help="from dark to light")
    label: str | None = param(None, source="ours", help="written into generator.json")

    def check(self) -> None:
        """Refuse a range without width."""
        if self.range[0] == self.range[1]:
            raise ValueError(f"range {self.range} has no width")

    def item(self, index: int) -> Item:
        """Return one picture."""
        random = np.random.default_rng((self.seed, index))
        colour = random.uniform(*self.range, size=(self.channels, 1, 1))
        return {"image": np.broadcast_to(colour, (self.channels, self.size, self.size)).astype(np.float32)}

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {"label": self.label or "colours"}
