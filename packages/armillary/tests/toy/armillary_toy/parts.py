"""The toy's parts."""

import random
import time
from typing import Annotated, NotRequired, TypedDict

import numpy as np
import torch
from attrs.validators import gt
from torch import nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import (
    Encoder,
    Evaluation,
    Evaluator,
    Figure,
    Head,
    Loss,
    Method,
    Points,
    Renderer,
    Transform,
    from_shape,
    slot,
)
from armillary.specs import Use

AnyImage = Annotated[ports.Image, "batch 3 rows columns"]
Feature = Annotated[ports.FeatureVector, "batch width_of_feature"]
OwnFeature = Annotated[ports.FeatureVector, "batch $features"]
Labels = Annotated[ports.LabelMap, "batch 3 height/2 width/2"]
AnyLabels = Annotated[ports.LabelMap, "batch 3 height width"]


class Vector(TypedDict):
    feature: OwnFeature


class VectorEncoder(Encoder, name="vector"):
    """Mean colours through a linear layer."""

    features: int = param(4, unit="channel", validator=gt(0), help="length of the vector")

    def setup(self):
        self.linear = nn.Linear(3, self.features)

    def forward(self, image: AnyImage) -> Vector:
        return {"feature": self.linear(image.mean(dim=(-2, -1)))}


class Maps(TypedDict):
    features: Annotated[ports.FeatureMap, "batch $features rows/2 columns/2"]


class MapEncoder(Encoder, name="map"):
    """One convolution at half the size."""

    features: int = param(4, unit="channel", validator=gt(0), help="length of the vector")

    def setup(self):
        self.convolution = nn.Conv2d(3, self.features, 2, stride=2)

    def forward(self, image: AnyImage) -> Maps:
        return {"features": self.convolution(image)}


class Picture(TypedDict):
    reconstruction: AnyImage


class PictureHead(Head, name="picture"):
    """A linear layer to a picture."""

    channels: int = from_shape("feature")
    extent: tuple[int, int] = from_shape("reconstruction", lambda shape: shape[-2:])

    def setup(self):
        self.shape = (3, *self.extent)
        self.linear = nn.Linear(self.channels, 3 * self.extent[0] * self.extent[1])

    def forward(self, feature: ports.FeatureVector) -> Picture:
        return {"reconstruction": self.linear(feature).unflatten(-1, self.shape)}


class WrongSizeHead(Head, name="wrong-size"):
    """A picture of 7 x 7."""

    def forward(self, feature: ports.FeatureVector) -> Picture:
        return {"reconstruction": feature.new_zeros(feature.shape[0], 3, 7, 7)}


class LabelsOut(TypedDict):
    labels: Annotated[ports.LabelMap, "batch 3 rows columns"]


class LabelHead(Head, name="labels"):
    """A convolution of 1 x 1."""

    channels: int = from_shape("features", lambda shape: shape[1])

    def setup(self):
        self.convolution = nn.Conv2d(self.channels, 3, 1)

    def forward(self, features: ports.FeatureMap) -> LabelsOut:
        return {"labels": self.convolution(features)}


class Bright(TypedDict):
    bright: ports.Image


class Brighten(Renderer, name="brighten"):
    """The picture plus one."""

    def forward(self, reconstruction: ports.Image) -> Bright:
        return {"bright": reconstruction + 1}


class Item(TypedDict):
    image: ports.Image


class AnyItem(TypedDict):
    image: AnyImage


class PairOut(TypedDict):
    source: AnyImage
    target: AnyImage
    grid: Annotated[ports.Grid, "batch rows columns 2"]
    valid: Annotated[ports.Mask, "batch 1 rows columns"]


class Pair(Transform, name="pair"):
    """The picture and its mirror image."""

    def __call__(self, sample: AnyItem, *, kinds, generator) -> PairOut:
        image = sample["image"]
        _, height, width = image.shape
        y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
        x = torch.linspace(1, -1, width).expand(height, width)
        valid = torch.ones(1, height, width, dtype=torch.bool)
        return {**sample, "source": image, "target": image.flip(-1), "grid": torch.stack((x, y), -1), "valid": valid}


class Noise(Transform, name="noise"):
    """A little noise on the whole batch."""

    per = "batch"

    def __call__(self, sample: Item, *, kinds, generator) -> Item:
        image = sample["image"]
        noise = torch.randn(image.shape, generator=generator, device=image.device)
        return {**sample, "image": image + 0.01 * noise}


class Jitter(Transform, name="jitter"):
    """Noise on one item."""

    def __call__(self, sample: Item, *, kinds, generator) -> Item:
        image = sample["image"]
        return {**sample, "image": image + torch.rand(image.shape, generator=generator)}


class L1(Loss, name="l1"):
    """Absolute image error."""

    breaks_at: int = param(-1, unit="call", help="call at which the loss becomes nan; -1 for never")

    def setup(self):
        self.calls = 0

    def forward(self, reconstruction: ports.Image, image: ports.Image) -> ports.PerItem:
        # The dry run calls too.
        self.calls += 1
        factor = float("nan") if self.calls - 2 == self.breaks_at else 1.0
        return factor * (reconstruction - image).abs().mean(dim=(1, 2, 3))


class Match(Loss, name="match"):
    """Labels follow the mirror, and have length one."""

    def forward(
        self,
        source_labels: AnyLabels,
        target_labels: AnyLabels,
        grid: Annotated[ports.Grid, "batch height*2 width*2 2"],
        valid: Annotated[ports.Mask, "batch 1 height*2 width*2"],
        cache,
    ) -> ports.PerBatch:
        target = cache.once("flipped", lambda: target_labels.flip(-1))
        return (source_labels - target).square().mean() + (source_labels.norm(dim=1) - 1).square().mean()


class Near(Loss, name="near"):
    """Squared distance of two vectors."""

    def forward(self, feature: ports.FeatureVector, target_feature: ports.FeatureVector) -> ports.Pooled:
        error = (feature - target_feature).square()
        return error.sum(dim=-1), torch.full((len(error),), float(error.shape[-1]))


class PictureOut(TypedDict):
    reconstruction: ports.Image


class Autoencoded(TypedDict):
    reconstruction: ports.Image
    feature: Annotated[ports.FeatureVector, "batch picture_features"]
    bright: NotRequired[ports.Image]


class Autoencoder(Method, name="autoencoder"):
    """A picture through a vector."""

    offset: float = param(0.0, unit="image", help="added to every pixel")
    chance: float = param(
        0.0, unit="share", help="dropped features, and noise of Python and numpy, from global generators"
    )
    slow: float = param(0.0, unit="second", help="sleep in each forward, so that a test can interrupt")

    @slot("branch")
    def picture(self, image: ports.Image) -> PictureOut: ...
    @slot("renderer", optional=True)
    def renderer(self, reconstruction: ports.Image) -> Bright: ...

    def setup(self):
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(self.chance)

    def forward(self, image: ports.Image) -> Autoencoded:
        time.sleep(self.slow)
        feature = self.picture.encoder(image=image)
        if self.training and self.chance:
            noise = self.chance * (random.random() + np.random.rand())  # noqa: NPY002
            feature = {"feature": self.dropout(feature["feature"]) + noise}
        outputs = {**self.picture.head(**feature), **feature}
        outputs["reconstruction"] = self.scale * outputs["reconstruction"] + self.offset
        if self.renderer is not None:
            outputs |= self.renderer(reconstruction=outputs["reconstruction"])
        return outputs


class HalfMaps(TypedDict):
    features: Annotated[ports.FeatureMap, "batch channels height/2 width/2"]


class HalfLabels(TypedDict):
    labels: Labels


class PairLabels(TypedDict):
    source_labels: Labels
    target_labels: Labels


class Labelling(Method, name="labelling"):
    """Labels of pairs."""

    @slot("encoder")
    def encoder(self, image: ports.Image) -> HalfMaps: ...
    @slot("head")
    def head(self, features: Annotated[ports.FeatureMap, "batch channels height/2 width/2"]) -> HalfLabels: ...

    def forward(self, source: ports.Image, target: ports.Image) -> PairLabels:
        labels = self.head(**self.encoder(image=torch.cat((source, target))))["labels"]
        return {"source_labels": labels[: len(source)], "target_labels": labels[len(source) :]}

    def predict(self, image: ports.Image) -> HalfLabels:
        return self.head(**self.encoder(image=image))


class FeatureOut(TypedDict):
    feature: Feature


class TargetOut(TypedDict):
    feature: Annotated[ports.FeatureVector, "batch width_of_target"]


class Embedded(TypedDict):
    feature: Feature
    target_feature: Annotated[ports.FeatureVector, "batch width_of_target"]


class Embedding(Method, name="embedding"):
    """One encoder that learns another's vectors."""

    @slot("encoder")
    def encoder(self, image: ports.Image) -> FeatureOut: ...
    @slot("encoder")
    def target(self, image: ports.Image) -> TargetOut: ...

    def forward(self, image: ports.Image) -> Embedded:
        return {**self.encoder(image=image), "target_feature": self.target(image=image)["feature"]}


class Views(Method, name="views"):
    """A picture from an embedding."""

    @slot("encoder")
    def embedding(self, image: ports.Image) -> FeatureOut: ...
    @slot("head")
    def head(self, feature: Feature) -> PictureOut: ...

    def forward(self, image: ports.Image) -> PictureOut:
        return self.head(feature=self.embedding(image=image)["feature"])

    def predict(
        self, image: ports.Image, turn: Annotated[ports.Rotation, ports.Of(frame="camera")] | None = None
    ) -> PictureOut:
        """Return what was learnt, and in each channel where the turn takes x."""
        outputs = self.forward(image=image)
        return (
            outputs if turn is None else {"reconstruction": turn[:, :, :1, None].expand_as(outputs["reconstruction"])}
        )


class Agreeing(Evaluator):
    """Distance of the labels of pairs: of the method's forward, on warped items."""

    calls = "forward"

    def setup(self):
        self.rows = {}

    def score(self, ids, source_labels: AnyLabels, target_labels: AnyLabels):
        apart = (source_labels - target_labels.flip(-1)).abs().mean(dim=(1, 2, 3))
        self.rows |= dict(zip(ids, apart.tolist(), strict=True))

    def merge(self, other):
        self.rows |= other.rows

    def result(self):
        rows = {item: {"apart": value} for item, value in self.rows.items()}
        return Evaluation(figures={"apart": Figure(value=sum(self.rows.values()), count=len(rows))}, rows=rows)


class Agreement(Agreeing, name="agreement/1"):
    """Distance of the labels of jittered pairs."""

    transforms = (Use("toy:jitter"), Use("toy:pair"))
    protocol = "jittered pairs"


class Cropped(Agreeing, name="cropped/1"):
    """Distance of the labels of pairs of the recipe's size."""

    transforms = (Use("std:crop", settings={"jitter": 0}), Use("toy:pair"))
    recipe_settings = True
    protocol = "pairs of the recipe's size, from the middle"


class Centre(Evaluator, name="centre/1"):
    """One point per picture, the mean label of the training split, against the middle."""

    fit_outputs = True
    protocol = "no matter"

    def setup(self):
        self.fitted, self.points = {}, {}

    def fit(self, ids, labels: AnyLabels):
        self.fitted |= dict(zip(ids, labels.mean(dim=(-2, -1)), strict=True))

    def score(self, ids, labels: AnyLabels):
        for item in ids:
            point = torch.stack(list(self.fitted.values())).mean(dim=0)[None, :2].tanh()
            self.points[item] = Points(predicted=point, truth=torch.zeros(1, 2), visible=torch.ones(1))

    def merge(self, other):
        self.fitted |= other.fitted
        self.points |= other.points

    def result(self):
        return Evaluation(
            figures={"fitted": Figure(value=float(len(self.fitted)), count=len(self.points))}, points=self.points
        )
