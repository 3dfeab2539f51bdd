"""Heads: features to class scores, to a rotation, or to a frame that turns with the shape."""

from typing import Annotated, TypedDict

import torch
from attrs.validators import gt
from e3nn import o3
from torch import nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import Head, from_shape
from armillary.kernels.rotations import exp_map, gram_schmidt
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.interchange import e3nn_from_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal
from armillary.ports import axis_length
from armillary_spherical.vocabulary import PAPER, SHORT, ClassFeatures, Map, Rotations

_POSE = "Mahendran, Ali and Vidal 2017, arXiv:1708.05628, Section 4"


class Scores(TypedDict):
    """Output of :class:`ClassScores`."""

    class_scores: Annotated[ports.ClassScores, "batch $classes"]


class Oriented(TypedDict):
    """Output of :class:`Frame`."""

    rotation: ports.Rotation
    scalars: Annotated[ports.FeatureVector, "batch $scalars"]


class ClassScores(Head, name="class-scores", source=f"{PAPER}, Appendix A.1"):
    """One score per category, linear in the features."""

    classes: int = param(
        40,
        source=f"{SHORT}, Appendix A.1: ModelNet40",
        help="at least the number of categories in the data",
        validator=gt(0),
    )
    features: int = from_shape("class_features")

    def setup(self) -> None:
        self.layer = nn.Linear(self.features, self.classes)

    def forward(self, class_features: ClassFeatures) -> Scores:
        """Return ``class_scores``."""
        return {"class_scores": self.layer(class_features)}


class Pose(Head, name="pose", source=f"Mahendran, Ali, Vidal 2017, arXiv:1708.05628, Section 4; {PAPER}, Appendix B.1"):
    """Three layers to a rotation vector of length at most pi in each component, and to its rotation.

    .. math:: v = \\pi \\tanh(W_3\\, r(W_2\\, r(W_1 x))), \\quad R = \\exp [v]_\\times

    Source: the pose network of Mahendran, Ali and Vidal 2017, arXiv:1708.05628, Section 4: 4096, 500 and 3 units, with batch
    normalisation and rectifiers between.
    """

    first: int = param(4096, unit="unit", source=_POSE, help="units of the first layer", validator=gt(0))
    second: int = param(500, unit="unit", source=_POSE, help="units of the second layer", validator=gt(0))
    features: int = from_shape("feature")

    def setup(self) -> None:
        first, second = self.first, self.second
        self.layers = nn.Sequential(
            *(nn.Linear(self.features, first, bias=False), nn.BatchNorm1d(first), nn.ReLU()),
            *(nn.Linear(first, second, bias=False), nn.BatchNorm1d(second), nn.ReLU()),
            nn.Linear(second, 3),
        )

    def forward(self, feature: ports.FeatureVector) -> Rotations:
        """Return ``rotation`` and ``rotation_vector``, in radians."""
        exact = torch.promote_types(feature.dtype, torch.float32)
        with torch.autocast(feature.device.type, enabled=False):
            vector = torch.pi * self.layers(feature.to(exact)).tanh()
            return {"rotation": exp_map(vector), "rotation_vector": vector}


class Frame(Head, name="frame", source="ours; the frame by Zhou et al. 2019, arXiv:1812.07035, Section B"):
    """A frame that turns with the shape and scalars that do not, read off degrees 0 and 1.

    The map's degrees 0 and 1 are features of type ``0e`` and ``1o``. Two vectors are mixed linearly from the ``1o`` and
    orthonormalised, scalars from the ``0e``. Turning the shape turns the frame, ``head(Q f) = Q @ head(f)``, and leaves the
    scalars. Mirrors are not respected, because the frame's third axis is a cross product: the symmetry is SO(3), not O(3).

    Raises:
        ValueError: fewer than two channels, so that there are fewer than two vectors.
    """

    symmetry = "so3"
    scalars: int = param(1, help="numbers that do not change when the shape is turned", validator=gt(0))
    channels: int = from_shape("features", axis_length(1, of="channels"))

    def setup(self) -> None:
        if self.channels < 2:
            raise ValueError(
                f"a frame needs two 1o features, but a map of {self.channels} channel holds {self.channels}"
            )
        self.irreps_in = o3.Irreps(f"{self.channels}x0e + {self.channels}x1o")
        self.irreps_out = o3.Irreps(f"{self.scalars}x0e + 2x1o")
        self.mix = o3.Linear(self.irreps_in, self.irreps_out)

    def forward(self, features: Map) -> Oriented:
        """Return ``rotation``, with ``x_world = R @ x_object``, and ``scalars``."""
        grid = soft(features.shape[-1] // 2)
        exact = features.to(torch.promote_types(features.dtype, torch.float32))
        with torch.autocast(features.device.type, enabled=False):
            coefficients = e3nn_from_coefficients(coefficients_from_signal(exact, grid=grid, bandwidth=2))
            mixed = self.mix(torch.cat((coefficients[..., 0], coefficients[..., 1:].flatten(-2)), dim=-1))
            first, second = mixed[..., self.scalars :].unflatten(-1, (2, 3)).unbind(-2)
            return {"rotation": gram_schmidt(first, second), "scalars": mixed[..., : self.scalars]}
