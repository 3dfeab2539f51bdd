"""Head of dense labelling: features to a label map.

The direction of a label is a point of the object's sphere, its length how sure the network is: matching compares inner
products, so a short label matches everything a little. With more than three channels labels are descriptors without a sphere.
"""

from typing import Annotated, TypedDict

from attrs.validators import gt
from torch import nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Head, from_shape
from armillary.ports import axis_length
from armillary_labelling.networks import xavier

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_LOSS = "jamt9000/DVE, model/loss.py"


class LabelMapOut(TypedDict):
    """Label of each cell."""

    labels: Annotated[ports.LabelMap, "batch $channels rows columns"]


class LabelMap(
    Head,
    name="label-map",
    source=f"{_PAPER}, Section 3.2",
    summary="labels: points of the object's sphere, or with more channels descriptors",
):
    """One 1 x 1 convolution.

    Source: model/smallnet.py, the last convolution; model/loss.py, normalize_vectors.
    """

    channels: int = param(
        3,
        source=f"{_PAPER}, Section 3.2: L = 3; 16, 32 and 64 in the later work",
        validator=gt(0),
        help="of a label; with more than 3 labels describe, but are no points of a sphere",
    )
    unit: bool = param(
        False,
        source=f"{_LOSS}: normalize_vectors, false in the 3-d runs",
        help="give every label the same length, so that it no longer tells how sure it is",
    )
    scale: float = param(20.0, source=f"{_LOSS}: x 20", validator=gt(0), help="that length")
    features: int = from_shape("features", axis_length(1, of="features"))

    def setup(self) -> None:
        self.conv = nn.Conv2d(self.features, self.channels, 1)
        xavier(self)

    def forward(self, features: ports.FeatureMap) -> LabelMapOut:
        """Return ``labels``. A label of length 0 keeps it where ``unit`` is set."""
        labels = self.conv(features)
        return {"labels": self.scale * functional.normalize(labels, dim=1) if self.unit else labels}
