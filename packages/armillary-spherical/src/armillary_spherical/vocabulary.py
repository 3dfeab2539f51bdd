"""Port types of this package, its paper, and a size read from resolved shapes.

A map of the sphere is ``batch channel colatitude azimuth`` on the grid ``soft``, z up.
"""

from typing import Annotated, TypedDict

from torch import Tensor

from armillary import ports

PAPER = "Esteves, Sud, Luo, Daniilidis, Makadia 2019, arXiv:1812.02716"
SHORT = "Esteves et al. 2019, arXiv:1812.02716"

Picture = Annotated[ports.Image, "batch shades height width"]
Signal = Annotated[ports.SphereSignal, ports.Of(shape="batch signals rows columns", frame="any")]
Map = Annotated[ports.SphereSignal, "batch channels colatitude azimuth"]
ClassFeatures = Annotated[ports.FeatureVector, "batch class_features"]
AnyRotation = Annotated[ports.Rotation, ports.Of(frame="any")]
WorldRotation = Annotated[ports.Rotation, ports.Of(frame="world")]
RotationVector = Annotated[Tensor, ports.Of("x.spherical.rotation_vector", "batch 3", unit="radian")]

OwnFeature = Annotated[ports.FeatureVector, "batch $features"]
OwnMap = Annotated[ports.SphereSignal, "batch $feature_channels $feature_size $feature_size"]
OwnFineMap = Annotated[ports.SphereSignal, "batch $fine_channels $fine_size $fine_size"]
OwnClassFeatures = Annotated[ports.FeatureVector, "batch $class_features"]


class Encoded(TypedDict):
    """Output of an encoder of pictures."""

    feature: OwnFeature


class Embedded(TypedDict):
    """Output of whatever makes maps of the sphere."""

    embedding: Map


class View(TypedDict):
    """Output of a renderer."""

    view: Picture


class Rotations(TypedDict):
    """A rotation, and the vector of which it is the exponential."""

    rotation: ports.Rotation
    rotation_vector: RotationVector


def channels(shape: ports.Shape) -> int:
    """Return the number of channels of a resolved shape, 1 where it is not known."""
    return shape[1] or 1
