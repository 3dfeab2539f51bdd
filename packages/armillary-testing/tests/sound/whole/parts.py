"""The generator and the networks."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from armillary.interfaces import Encoder, Head, Loss, Method
from armillary.interfaces.generator import Generator
from armillary.std.images import Images


class Colours(Generator):
    """Pictures of one colour each."""

    def __init__(self, darkest: float, size: int, seed: int) -> None:
        self.darkest, self.size, self.seed = darkest, size, seed

    @classmethod
    def build(cls, config: Any, *, size: int, seed: int) -> Self:
        """Return the generator."""
        return cls(config.darkest, size, seed)

    def item(self, index: int) -> dict[str, np.ndarray]:
        """Return one picture."""
        random = np.random.default_rng((self.seed, index))
        colour = random.uniform(self.darkest, 1.0, size=(3, 1, 1))
        return {"image": np.broadcast_to(colour, (3, self.size, self.size)).astype(np.float32)}

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {}


class Pictures(Images):
    """A folder of pictures."""

    @classmethod
    def build(cls, config: Any, *, root: Any, split: str) -> Self:
        """Return one split."""
        return super().build(config, root=root, split=split)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one picture."""
        item = super().__getitem__(index)
        return {**item, "image": item["image"]}


class Mean(Encoder):
    """Mean colours through a linear layer."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, features)

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the encoder."""
        return cls(config.features)

    def forward(self, *, image: Tensor) -> dict[str, Tensor]:
        """Return the feature."""
        feature = self.linear(image.mean(dim=(-2, -1)))
        return {"feature": feature}


class Plain(Head):
    """A picture of one colour."""

    def __init__(self, features: int, height: int, width: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(features, 3)
        self.size = (height, width)

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the head."""
        return cls(inputs["feature"][1], *outputs["picture"][2:])

    def forward(self, *, feature: Tensor) -> dict[str, Tensor]:
        """Return the picture."""
        colour = self.linear(feature).sigmoid()
        return {"picture": colour[..., None, None].expand(-1, -1, *self.size)}


class Square(Loss):
    """Mean square of the difference."""

    @classmethod
    def build(cls, config: Any, *, inputs: Any, assets: Any) -> Self:
        """Return the loss."""
        return cls()

    def forward(self, *, image: Tensor, reconstruction: Tensor) -> Tensor:
        """Return one value an item."""
        return (image - reconstruction).square().mean(dim=(1, 2, 3))


class Colouring(Method):
    """Each picture by one colour."""

    def __init__(self, encoder: torch.nn.Module, head: torch.nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    @classmethod
    def build(cls, config: Any, *, parts: Any) -> Self:
        """Return the method."""
        return cls(**parts)

    def forward(self, *, image: Tensor) -> dict[str, Tensor]:
        """Return the picture that is explained."""
        picture = self.head(**self.encoder(image=image))["picture"]
        return {"reconstruction": picture}

    def predict(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return the same."""
        return self.forward(**ports)
