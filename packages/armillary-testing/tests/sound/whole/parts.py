"""A generator, a data set, networks and a method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
import torch
from attrs.validators import gt

from armillary import ports
from armillary.config import param
from armillary.interfaces import (
    Dataset,
    Encoder,
    Fingerprint,
    Generator,
    Head,
    Loss,
    Method,
    from_shape,
    slot,
)
from armillary.ports import Shape
from armillary.std.images import Images

Feature = Annotated[ports.FeatureVector, "batch features"]


class Made(TypedDict):
    """One picture of the generator."""

    image: Annotated[np.ndarray, ports.Of("image")]


class Colours(Generator, name="colours", source="ours"):
    """Pictures of one colour each."""

    darkest: float = param(0.0, unit="image", source="ours", help="of all colours")

    def item(self, index: int) -> Made:
        """Return one picture."""
        random = np.random.default_rng((self.seed, index))
        colour = random.uniform(self.darkest, 1.0, size=(3, 1, 1))
        return {"image": np.broadcast_to(colour, (3, self.size, self.size)).astype(np.float32)}

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {}


class Item(TypedDict):
    """One picture of the folder."""

    image: Annotated[ports.Image, "batch 3 $size $size"]


class Pictures(Dataset, name="pictures", source="ours"):
    """A folder of pictures."""

    size: int = param(16, unit="pixel", source="ours", help="side of the pictures", validator=gt(1))

    def setup(self) -> None:
        """List the pictures of the split."""
        self.inner = Images(root=self.root, split=self.split, size=self.size)

    @property
    def ids(self) -> Sequence[str]:
        """Return the names."""
        return self.inner.ids

    @property
    def provides(self) -> Mapping[str, Shape]:
        """Return what every item holds."""
        return {"image": (3, self.size, self.size)}

    @property
    def problems(self) -> Sequence[str]:
        """Return the files that are skipped."""
        return self.inner.problems

    @property
    def fixed_split(self) -> bool:
        """Return whether the data decide the split."""
        return self.inner.fixed_split

    @classmethod
    def read_file(cls, config: Any, path: Path) -> dict[str, Any]:
        """Return one picture."""
        return Images.read_file(Images.Config(size=config.size), path)

    def fingerprint(self) -> Fingerprint:
        """Return that of the folder."""
        return self.inner.fingerprint()

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.inner)

    def __getitem__(self, index: int) -> Item:
        """Return one picture."""
        inner: Any = self.inner
        item: Item = inner[index]
        return {**item, "image": item["image"]}


class Encoded(TypedDict):
    """One vector."""

    feature: Annotated[ports.FeatureVector, "batch $features"]


class Mean(Encoder, name="mean", source="ours"):
    """Mean colours through a linear layer."""

    features: int = param(4, unit="channel", source="ours", help="length of the vector", validator=gt(0))

    def setup(self) -> None:
        """Make the layer."""
        self.linear = torch.nn.Linear(3, self.features)

    def forward(self, image: ports.Image) -> Encoded:
        """Return the feature."""
        feature = self.linear(image.mean(dim=(-2, -1)))
        return {"feature": feature}


class Drawn(TypedDict):
    """One picture."""

    picture: ports.Image


class Plain(Head, name="plain", source="ours"):
    """A picture of one colour."""

    features: int = from_shape("feature")
    extent: tuple[int, int] = from_shape("picture", lambda shape: shape[2:])

    def setup(self) -> None:
        """Make the layer."""
        self.linear = torch.nn.Linear(self.features, 3)

    def forward(self, feature: Feature) -> Drawn:
        """Return the picture."""
        colour = self.linear(feature).sigmoid()
        return {"picture": colour[..., None, None].expand(-1, -1, *self.extent)}


class Square(Loss, name="square", source="ours"):
    """Mean square of the difference."""

    def forward(self, image: ports.Image, reconstruction: ports.Image) -> ports.PerItem:
        """Return one value per item."""
        return (image - reconstruction).square().mean(dim=(1, 2, 3))


class Vector(TypedDict):
    """Input of the head."""

    feature: Feature


class Explained(TypedDict):
    """The picture as it is explained."""

    reconstruction: ports.Image


class Colouring(Method, name="colouring", source="ours"):
    """Each picture by one colour."""

    @slot("encoder")
    def encoder(self, image: ports.Image) -> Vector: ...
    @slot("head")
    def head(self, feature: Feature) -> Drawn: ...

    def forward(self, image: ports.Image) -> Explained:
        """Return the picture that is explained."""
        picture = self.head(feature=self.encoder(image=image)["feature"])["picture"]
        return {"reconstruction": picture}

    def predict(self, image: ports.Image) -> Explained:
        """Return the same."""
        return self.forward(image=image)
