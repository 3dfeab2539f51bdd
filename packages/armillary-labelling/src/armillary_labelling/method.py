"""Dense equivariant labelling of Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.

A network gives every pixel a label. Labels of one object point must be the same in a picture and in its deformed copy, and
labels of different points must differ: both are asked for by losses over pairs of pictures, which are no part of the method.
"""

from typing import Annotated, TypedDict

import torch
from torch import Tensor

from armillary import ports
from armillary.interfaces import Method, slot


class FeaturesFound(TypedDict):
    """Output of the slot ``encoder``."""

    features: ports.FeatureMap


class LabelsFound(TypedDict):
    """Output of the slot ``head``."""

    labels: ports.LabelMap


class LabelPair(TypedDict):
    """Labels of both pictures."""

    source_labels: ports.LabelMap
    target_labels: ports.LabelMap


class Labels(TypedDict):
    """Labels of a picture, which may have another size in prediction than in training."""

    labels: Annotated[ports.LabelMap, "batch channels label_rows label_columns"]


class Labelling(
    Method,
    name="labelling",
    source="Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, Section 3",
    summary="every pixel gets its point on the object's sphere, the same in every picture",
):
    """Pictures to label maps."""

    limits = (
        "Labels are of the pixels that the picture shows; nothing is said of the object's hidden side.",
        "The frame is fixed only up to a map of the sphere onto itself: two runs label the same point differently.",
        "Objects should be like a sphere in topology; where a part hides another, labels may jump.",
    )

    @slot("encoder")
    def encoder(self, image: ports.Image) -> FeaturesFound: ...
    @slot("head")
    def head(self, features: ports.FeatureMap) -> LabelsFound: ...

    def forward(self, source: ports.Image, target: ports.Image) -> LabelPair:
        """Return ``source_labels`` and ``target_labels``, from one call, so that both share the statistics of the batch."""
        source_labels, target_labels = self._label(torch.cat((source, target))).chunk(2)
        return {"source_labels": source_labels, "target_labels": target_labels}

    def predict(self, image: Annotated[ports.Image, "batch 3 image_height image_width"]) -> Labels:
        """Return ``labels`` of pictures of any size that the encoder serves."""
        return {"labels": self._label(image)}

    def _label(self, image: Tensor) -> Tensor:
        # Networks may run in half precision; matching does not.
        exact = torch.promote_types(image.dtype, torch.float32)
        return self.head(**self.encoder(image=image))["labels"].to(exact)
