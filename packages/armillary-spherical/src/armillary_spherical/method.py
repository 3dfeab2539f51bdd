"""Cross-domain equivariant image embeddings, Esteves et al. 2019, arXiv:1812.02716, Section 3.

Three stages. A spherical CNN learns to tell categories of shapes apart (:class:`Classifier`). It is frozen, and a network of
pictures learns to predict the CNN's features of the turned shape that the picture shows (:class:`Embedding`). Therefore the
picture's embedding turns with the object. A decoder learns to draw the picture from its embedding (:class:`Views`); drawn from
a turned embedding it is a new view. Also here: the paper's baseline (:class:`Regression`).

A map of the sphere is ``batch channel colatitude azimuth`` on the grid ``soft``, z up, in the frame in which the object is
turned: with ``x_world = R @ x_object``, the map of a turned object is the turned map.
"""

import hashlib
from typing import Any, Literal, NotRequired, TypedDict

import torch
from attrs.validators import ge
from jaxtyping import Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Method, slot
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary_spherical.vocabulary import (
    PAPER,
    SHORT,
    ClassFeatures,
    Embedded,
    Map,
    Picture,
    Rotations,
    Signal,
    View,
    WorldRotation,
)

_MEGABYTE = 2**20


class Feature(TypedDict):
    """Output of an encoder of pictures, of any length."""

    feature: ports.FeatureVector


class Features(TypedDict):
    """Output of an encoder of shapes."""

    features: Map


class FineFeatures(TypedDict):
    """Output of an encoder of shapes: its finer map."""

    fine_features: Map


class Shaped(Features):
    """Output of an encoder of shapes: its map, and a vector that does not turn."""

    class_features: ClassFeatures


class Scores(TypedDict):
    """Output of a head of categories."""

    class_scores: ports.ClassScores


class Classified(Scores):
    """Output of :class:`Classifier`."""

    features: Map


class Rotation(TypedDict):
    """Output of a head of orientations."""

    rotation: ports.Rotation


class Oriented(Rotation):
    """Output of :class:`Orientation`."""

    features: Map


class Learnt(Embedded):
    """Output of an embedding in training."""

    target_embedding: Map


class Shown(Embedded):
    """Output of an embedding in prediction."""

    shape_embedding: NotRequired[Map]


class Drawn(TypedDict):
    """Output of :class:`Views`."""

    reconstruction: Picture
    embedding: Map


class Classifier(Method, name="classifier", source=f"{PAPER}, Section 3.1"):
    """Categories of shapes in any orientation; its features turn with the shape."""

    limits = ("It knows the categories that it was trained on, and shapes as rays from their centre see them.",)

    @slot("encoder")
    def encoder(self, sphere: Signal) -> Shaped: ...
    @slot("head")
    def head(self, class_features: ClassFeatures) -> Scores: ...

    def forward(self, sphere: Signal) -> Classified:
        """Return ``class_scores`` and the ``features`` that turn with the shape."""
        found = self.encoder(sphere=sphere)
        return {**self.head(class_features=found["class_features"]), "features": found["features"]}


class Orientation(Method, name="orientation", source="ours"):
    """Orientation of shapes, by features that turn with them."""

    limits = ("It needs shapes that are aligned within their category.",)

    @slot("encoder")
    def encoder(self, sphere: Signal) -> Features: ...
    @slot("head")
    def head(self, features: Map) -> Rotation: ...

    def forward(self, sphere: Signal) -> Oriented:
        """Return ``rotation`` and the ``features``."""
        features = self.encoder(sphere=sphere)["features"]
        return {"rotation": self.head(features=features)["rotation"], "features": features}


class _AnyEmbedding(Method):
    """Base of the methods from pictures to a map of the sphere that a network of shapes gives; they differ in the map.

    The slot ``target`` holds that network: sphere to features, of the first stage, frozen. Remembered targets are made one by
    one, so that a target does not depend on the batch.
    """

    limits = (
        "Objects that look alike after a turn have several right answers; one of them is given.",
        "The object must fill the picture as it did in training, cut out before an even background.",
        "Colours and textures are not in the embedding.",
    )
    target_map: str
    target: Any

    standardise: bool = param(
        False,
        source="ours; not in the paper",
        help="learn maps less their mean over the sphere, all of one root mean square: the mean tells categories apart, which "
        "can be nine tenths of what a map varies by, and says nothing of the pose",
    )
    remember: int = param(
        0,
        unit="MB",
        source="ours",
        help="targets kept by their signals while training, for a recipe that sets draws: the shape network then works once "
        "a signal, not once a step",
        validator=ge(0),
    )

    @slot("encoder")
    def encoder(self, image: Picture) -> Feature: ...
    @slot("head")
    def head(self, feature: ports.FeatureVector) -> Embedded: ...

    def setup(self) -> None:
        self._remembered, self._room = dict[bytes, Tensor](), self.remember * _MEGABYTE

    def forward(self, image: Picture, sphere: Signal) -> Learnt:
        """Return ``embedding`` of the pictures and ``target_embedding`` of the shapes in them, without gradient."""
        with torch.no_grad():
            recalls = self.remember and not self.target.training  # a target that still changes is never remembered
            target = self._recall(sphere) if recalls else self._embed_shape(sphere)
        return {"embedding": self._embed(image), "target_embedding": target}

    def predict(self, *, image: Picture | None = None, sphere: Signal | None = None) -> Shown:
        """Return ``embedding``, of pictures where there are some, otherwise of shapes; and ``shape_embedding`` of shapes.

        Raises:
            ValueError: neither pictures nor shapes are given.
        """
        if sphere is not None:
            shape = self._embed_shape(sphere)
            return {"embedding": shape if image is None else self._embed(image), "shape_embedding": shape}
        if image is None:
            raise ValueError("an embedding is made from pictures or from shapes, and neither was given")
        return {"embedding": self._embed(image)}

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


class Embedding(_AnyEmbedding, name="embedding", source=f"{PAPER}, Section 3.2"):
    """Pictures to maps of the sphere that turn with the object, learnt without pose labels."""

    target_map: Literal["features"] = param(
        "features", source=f"{SHORT}, Section 3.2.2: a deeper layer for poses", help="map of the target network"
    )

    @slot("encoder")
    def target(self, sphere: Signal) -> Features: ...


class FineEmbedding(_AnyEmbedding, name="fine-embedding", source=f"{PAPER}, Section 3.2"):
    """Pictures to a finer map, of an earlier layer, which tells instances apart."""

    target_map: Literal["fine_features"] = param(
        "fine_features",
        source=f"{SHORT}, Section 3.2.2: an earlier layer for views",
        help="map of the target network",
    )

    @slot("encoder")
    def target(self, sphere: Signal) -> FineFeatures: ...


class Views(Method, name="views", source=f"{PAPER}, Section 3.2.4"):
    """New views of a picture's object, drawn from its turned embedding.

    The slot ``embedding`` holds the method of the second stage, frozen, or any part from pictures to maps.
    """

    limits = ("New views are blurred: what the picture does not show is drawn as shapes of its kind have it.",)

    @slot("encoder")
    def embedding(self, image: Picture) -> Embedded: ...
    @slot("renderer")
    def renderer(self, embedding: Map) -> View: ...

    def forward(self, image: Picture) -> Drawn:
        """Return ``reconstruction``, drawn from the picture's own embedding, and the ``embedding``."""
        embedding = self._embed(image)
        return {"reconstruction": self.renderer(embedding=embedding)["view"], "embedding": embedding}

    def predict(self, *, image: Picture, rotation: WorldRotation | None = None) -> Drawn:
        """Return the ``reconstruction``, in [0, 1], of the picture's object turned by ``rotation``; as it is without one.

        Args:
            image: pictures.
            rotation: in the frame of the sphere, applied to the object in the orientation that the picture shows.
        """
        embedding = self._embed(image)
        if rotation is not None:
            embedding = turned(embedding, rotation)
        return {"reconstruction": self.renderer(embedding=embedding)["view"].clamp(0, 1), "embedding": embedding}

    def _embed(self, image: Tensor) -> Tensor:
        embed = getattr(self.embedding, "predict", self.embedding)
        return embed(image=image)["embedding"]


class Regression(
    Method,
    name="regression",
    source=f"{PAPER}, Appendix B.1; Mahendran, Ali, Vidal 2017, arXiv:1708.05628",
):
    """Baseline: the rotation from the category's canonical orientation, learnt from pose labels."""

    limits = ("It needs shapes that are aligned within their category, and pose labels.",)

    @slot("encoder")
    def encoder(self, image: Picture) -> Feature: ...
    @slot("head")
    def head(self, feature: ports.FeatureVector) -> Rotations: ...

    def forward(self, image: Picture) -> Rotations:
        """Return ``rotation`` and the ``rotation_vector`` of which it is the exponential."""
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
