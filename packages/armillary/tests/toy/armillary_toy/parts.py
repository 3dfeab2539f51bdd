"""The toy's parts."""

import random
import time

import numpy as np
import torch
from torch import nn

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
)
from armillary.interfaces.method import Branch


class VectorEncoder(nn.Module, Encoder):
    def __init__(self, features):
        super().__init__()
        self.linear = nn.Linear(3, features)

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls(config.features)

    def forward(self, *, image):
        return {"feature": self.linear(image.mean(dim=(-2, -1)))}


class MapEncoder(nn.Module, Encoder):
    def __init__(self, features):
        super().__init__()
        self.convolution = nn.Conv2d(3, features, 2, stride=2)

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls(config.features)

    def forward(self, *, image):
        return {"features": self.convolution(image)}


class PictureHead(nn.Module, Head):
    def __init__(self, channels, height, width):
        super().__init__()
        self.linear = nn.Linear(channels, 3 * height * width)
        self.shape = (3, height, width)

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls(inputs["feature"][1], *outputs["reconstruction"][-2:])

    def forward(self, *, feature):
        return {"reconstruction": self.linear(feature).unflatten(-1, self.shape)}


class WrongSizeHead(nn.Module, Head):
    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls()

    def forward(self, *, feature):
        return {"reconstruction": feature.new_zeros(feature.shape[0], 3, 7, 7)}


class LabelHead(nn.Module, Head):
    def __init__(self, channels):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 3, 1)

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls(inputs["features"][1])

    def forward(self, *, features):
        return {"labels": self.convolution(features)}


class Brighten(nn.Module, Renderer):
    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls()

    def forward(self, *, reconstruction):
        return {"bright": reconstruction + 1}


class Pair(Transform):
    """The picture and its mirror image."""

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls()

    def __call__(self, sample, *, kinds, generator):
        image = sample["image"]
        _, height, width = image.shape
        y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
        x = torch.linspace(1, -1, width).expand(height, width)
        valid = torch.ones(1, height, width, dtype=torch.bool)
        return {**sample, "source": image, "target": image.flip(-1), "grid": torch.stack((x, y), -1), "valid": valid}


class Noise(Transform):
    """A little noise on the whole batch."""

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls()

    def __call__(self, sample, *, kinds, generator):
        image = sample["image"]
        noise = torch.randn(image.shape, generator=generator, device=image.device)
        return {**sample, "image": image + 0.01 * noise}


class L1(nn.Module, Loss):
    def __init__(self, breaks_at):
        super().__init__()
        self.breaks_at, self.calls = breaks_at, 0

    @classmethod
    def build(cls, config, *, inputs, assets):
        return cls(config.breaks_at)

    def forward(self, *, reconstruction, image):
        # The dry run calls too.
        self.calls += 1
        factor = float("nan") if self.calls - 2 == self.breaks_at else 1.0
        return factor * (reconstruction - image).abs().mean(dim=(1, 2, 3))


class Match(nn.Module, Loss):
    @classmethod
    def build(cls, config, *, inputs, assets):
        return cls()

    def forward(self, *, source_labels, target_labels, grid, valid, cache):
        target = cache.once("flipped", lambda: target_labels.flip(-1))
        return (source_labels - target).square().mean() + (source_labels.norm(dim=1) - 1).square().mean()


class Near(nn.Module, Loss):
    @classmethod
    def build(cls, config, *, inputs, assets):
        return cls()

    def forward(self, *, feature, target_feature):
        error = (feature - target_feature).square()
        return error.sum(dim=-1), torch.full((len(error),), float(error.shape[-1]))


class Autoencoder(nn.Module, Method):
    def __init__(self, picture, renderer, offset, slow, chance):
        super().__init__()
        self.picture = picture
        if renderer is not None:
            self.renderer = renderer
        self.scale = nn.Parameter(torch.ones(()))
        self.offset, self.slow, self.chance = offset, slow, chance
        self.dropout = nn.Dropout(chance)

    @classmethod
    def build(cls, config, *, parts):
        picture = Branch(parts["picture.encoder"], parts["picture.head"])
        return cls(picture, parts.get("renderer"), config.offset, config.slow, config.chance)

    def forward(self, *, image):
        time.sleep(self.slow)
        feature = self.picture.encoder(image=image)
        if self.training and self.chance:
            noise = self.chance * (random.random() + np.random.rand())  # noqa: NPY002
            feature = {"feature": self.dropout(feature["feature"]) + noise}
        outputs = {**self.picture.head(**feature), **feature}
        outputs["reconstruction"] = self.scale * outputs["reconstruction"] + self.offset
        if hasattr(self, "renderer"):
            outputs |= self.renderer(reconstruction=outputs["reconstruction"])
        return outputs


class Labelling(nn.Module, Method):
    def __init__(self, encoder, head):
        super().__init__()
        self.encoder, self.head = encoder, head

    @classmethod
    def build(cls, config, *, parts):
        return cls(parts["encoder"], parts["head"])

    def forward(self, *, source, target):
        labels = self.head(**self.encoder(image=torch.cat((source, target))))["labels"]
        return {"source_labels": labels[: len(source)], "target_labels": labels[len(source) :]}

    def predict(self, *, image):
        return self.head(**self.encoder(image=image))


class Embedding(nn.Module, Method):
    def __init__(self, encoder, target):
        super().__init__()
        self.encoder, self.target = encoder, target

    @classmethod
    def build(cls, config, *, parts):
        return cls(parts["encoder"], parts["target"])

    def forward(self, *, image):
        return {**self.encoder(image=image), "target_feature": self.target(image=image)["feature"]}


class Views(nn.Module, Method):
    def __init__(self, embedding, head):
        super().__init__()
        self.embedding, self.head = embedding, head

    @classmethod
    def build(cls, config, *, parts):
        return cls(parts["embedding"], parts["head"])

    def forward(self, *, image):
        return self.head(feature=self.embedding(image=image)["feature"])

    def predict(self, *, image, turn=None):
        """What was learnt, and in each channel where the turn takes x."""
        outputs = self.forward(image=image)
        return (
            outputs if turn is None else {"reconstruction": turn[:, :, :1, None].expand_as(outputs["reconstruction"])}
        )


class Jitter(Transform):
    """Noise on one item."""

    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls()

    def __call__(self, sample, *, kinds, generator):
        image = sample["image"]
        return {**sample, "image": image + torch.rand(image.shape, generator=generator)}


class Agreement(Evaluator):
    """How far the labels of pairs are apart: of the method's forward, on warped items."""

    def __init__(self):
        self.rows = {}

    @classmethod
    def build(cls, config, *, inputs):
        return cls()

    def update(self, phase, *, ids, ports):
        apart = (ports["source_labels"] - ports["target_labels"].flip(-1)).abs().mean(dim=(1, 2, 3))
        self.rows |= dict(zip(ids, apart.tolist(), strict=True))

    def merge(self, other):
        self.rows |= other.rows

    def result(self):
        return Evaluation(figures={"apart": Figure(value=sum(self.rows.values()), count=len(self.rows))})


class Centre(Evaluator):
    """Finds one point a picture, the mean label of the training split, and is told the truth: the middle."""

    def __init__(self):
        self.fitted, self.points = {}, {}

    @classmethod
    def build(cls, config, *, inputs):
        return cls()

    def update(self, phase, *, ids, ports):
        means = ports["labels"].mean(dim=(-2, -1))
        if phase == "fit":
            self.fitted |= dict(zip(ids, means, strict=True))
            return
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
