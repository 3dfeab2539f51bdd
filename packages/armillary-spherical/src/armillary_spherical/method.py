"""Cross-domain equivariant image embeddings, Esteves et al. 2019, arXiv:1812.02716, Section 3.

Three stages. A spherical CNN learns to tell categories of shapes apart (:class:`Classifier`). It is frozen, and a network of
pictures learns to predict what the CNN says of the very shape, as it is turned, that the picture shows (:class:`Embedding`):
so the picture's embedding turns with the object. A decoder learns to draw the picture from its embedding (:class:`Views`);
drawn from a turned embedding it is a new view. Beside them the paper's baseline (:class:`Regression`).

A map of the sphere is ``batch channel colatitude azimuth`` on the grid ``soft``, z up, in the frame in which the object is
turned: with ``x_world = R @ x_object``, the map of a turned object is the turned map.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.method import Method
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_spherical.network_config import EmbeddingConfig, FineEmbeddingConfig

_MEGABYTE = 2**20


class Classifier(Method):
    """Shapes on the sphere to categories.

    Args:
        encoder: sphere to features and class features.
        head: class features to scores.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @classmethod
    def build(cls, config: "NoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts; it has no settings."""
        del config
        return cls(parts["encoder"], parts["head"])

    def forward(self, sphere: Float[Tensor, "batch channel colatitude azimuth"]) -> dict[str, Tensor]:
        """Return ``class_scores`` and the ``features`` that turn with the shape."""
        found = self.encoder(sphere=sphere)
        return {**self.head(class_features=found["class_features"]), "features": found["features"]}


class Orientation(Method):
    """Shapes on the sphere to their orientation, by features that turn with them. Not in the paper.

    Args:
        encoder: sphere to features.
        head: features to a rotation.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @classmethod
    def build(cls, config: "NoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts; it has no settings."""
        del config
        return cls(parts["encoder"], parts["head"])

    def forward(self, sphere: Float[Tensor, "batch channel colatitude azimuth"]) -> dict[str, Tensor]:
        """Return ``rotation`` and the ``features``."""
        features = self.encoder(sphere=sphere)["features"]
        return {"rotation": self.head(features=features)["rotation"], "features": features}


class Embedding(Method):
    """Pictures to maps of the sphere that a network of shapes would give of what they show.

    Args:
        encoder: image to a vector.
        head: vector to the map.
        target: sphere to features; taken from the first stage, frozen.
        target_map: which of its maps: ``features`` for poses, ``fine_features`` for views.
        standardise: learn the :func:`standardised` map.
        remember: megabytes of targets that training keeps, to find them again by their signals. They are then made one by
            one, so that a target does not depend on what stands beside it in a batch.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        target: nn.Module,
        *,
        target_map: str,
        standardise: bool = False,
        remember: int = 0,
    ) -> None:
        super().__init__()
        self.target_map, self.standardise = target_map, standardise
        self._remembered, self._remembers, self._room = dict[bytes, Tensor](), remember > 0, remember * _MEGABYTE
        self.encoder = encoder
        self.head = head
        self.target = target

    @classmethod
    def build(cls, config: "EmbeddingConfig | FineEmbeddingConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts."""
        return cls(
            parts["encoder"],
            parts["head"],
            parts["target"],
            target_map=config.target_map,
            standardise=config.standardise,
            remember=config.remember,
        )

    def forward(
        self,
        image: Float[Tensor, "batch shade height width"],
        sphere: Float[Tensor, "batch channel rows columns"],
    ) -> dict[str, Tensor]:
        """Return ``embedding`` of the pictures and ``target_embedding`` of the shapes in them, without gradient."""
        with torch.no_grad():
            recalls = self._remembers and not self.target.training  # a target that still changes is never remembered
            target = self._recall(sphere) if recalls else self._embed_shape(sphere)
        return {"embedding": self._embed(image), "target_embedding": target}

    def predict(
        self,
        *,
        image: Float[Tensor, "batch shade height width"] | None = None,
        sphere: Float[Tensor, "batch channel rows columns"] | None = None,
    ) -> dict[str, Tensor]:
        """Return ``embedding``, of pictures where there are some, otherwise of shapes; and ``shape_embedding`` of shapes.

        Raises:
            ValueError: neither pictures nor shapes are given.
        """
        if image is None and sphere is None:
            raise ValueError("an embedding is made from pictures or from shapes, and neither was given")
        shapes = {} if sphere is None else {"shape_embedding": self._embed_shape(sphere)}
        embedding = shapes["shape_embedding"] if image is None else self._embed(image)
        return {"embedding": embedding, **shapes}

    def _recall(self, sphere: Tensor) -> Tensor:
        found = []
        for own, signal in zip(sphere, sphere.cpu(), strict=True):
            key = hashlib.blake2b(signal.contiguous().numpy().tobytes(), digest_size=16).digest()
            target = self._remembered.get(key)
            if target is None:
                target = self._embed_shape(own[None])[0]
                self._room -= target.nbytes
                if self._room >= 0:
                    self._remembered[key] = target
            found.append(target)
        return torch.stack(found)

    def _embed_shape(self, sphere: Tensor) -> Tensor:
        target = self.target(sphere=sphere)[self.target_map]
        return standardised(target) if self.standardise else target

    def _embed(self, image: Tensor) -> Tensor:
        return self.head(feature=self.encoder(image=image)["feature"])["embedding"]


class Views(Method):
    """Pictures to their embeddings and back; turned between, to new views.

    Args:
        embedding: image to the map of the sphere; taken from the second stage, frozen.
        renderer: map to picture.
    """

    def __init__(self, embedding: nn.Module, renderer: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.renderer = renderer

    @classmethod
    def build(cls, config: "NoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts; it has no settings."""
        del config
        return cls(parts["embedding"], parts["renderer"])

    def forward(self, image: Float[Tensor, "batch shade height width"]) -> dict[str, Tensor]:
        """Return ``reconstruction``, drawn from the picture's own embedding, and the ``embedding``."""
        embedding = self._embed(image)
        return {"reconstruction": self.renderer(embedding=embedding)["view"], "embedding": embedding}

    def predict(
        self,
        *,
        image: Float[Tensor, "batch shade height width"],
        rotation: Float[Tensor, "batch 3 3"] | None = None,
    ) -> dict[str, Tensor]:
        """Return the ``reconstruction``, in [0, 1], of the picture's object turned by ``rotation``; as it is without one.

        Args:
            image: pictures.
            rotation: in the frame of the sphere, acting on the object as it stands in the picture.
        """
        embedding = self._embed(image)
        if rotation is not None:
            embedding = turned(embedding, rotation)
        return {"reconstruction": self.renderer(embedding=embedding)["view"].clamp(0, 1), "embedding": embedding}

    def _embed(self, image: Tensor) -> Tensor:
        # A whole method of an earlier stage, or any part from pictures to maps.
        embed = getattr(self.embedding, "predict", self.embedding)
        return embed(image=image)["embedding"]


class Regression(Method):
    """The baseline: pictures to the rotation of the object from its category's canonical orientation.

    Args:
        encoder: image to a vector.
        head: vector to a rotation.

    Source: Appendix B.1, after Mahendran, Ali and Vidal 2017, arXiv:1708.05628.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @classmethod
    def build(cls, config: "NoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts; it has no settings."""
        del config
        return cls(parts["encoder"], parts["head"])

    def forward(self, image: Float[Tensor, "batch shade height width"]) -> dict[str, Tensor]:
        """Return ``rotation`` and the ``rotation_vector`` that it is the exponential of."""
        return self.head(feature=self.encoder(image=image)["feature"])


def standardised(
    maps: Float[Tensor, "batch channel colatitude azimuth"],
) -> Float[Tensor, "batch channel colatitude azimuth"]:
    """Return maps on the grid ``soft``, each channel less its mean over the sphere, over the root mean square of all channels.

    A correlation's peak sees neither; so nothing is lost for poses, and the map turns as it did. Constant maps become 0, up
    to rounding.
    """
    grid = soft(maps.shape[-1] // 2)
    centred = maps - area_mean(maps, grid=grid)[..., None, None]
    power, whole = (area_mean(x.square(), grid=grid).mean(dim=-1) for x in (centred, maps))
    limits = torch.finfo(power.dtype)
    # Of a constant map rounding is left, which must not be blown up.
    power = torch.maximum(power, limits.eps * whole).clamp_min(limits.tiny)
    return centred * power.rsqrt()[:, None, None, None]


def turned(
    embedding: Float[Tensor, "batch channel colatitude azimuth"], rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch channel colatitude azimuth"]:
    """Return maps on the grid ``soft`` turned by ``rotation``, through their coefficients."""
    grid = soft(embedding.shape[-1] // 2)
    coefficients = coefficients_from_signal(embedding, grid=grid)
    return signal_from_coefficients(rotate_coefficients(coefficients, rotation[:, None]), grid=grid)
