"""Heads: features to class scores, to a rotation, or to a frame that turns with the shape."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from e3nn import o3
from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.network import Head
from armillary.kernels.rotations import exp_map, gram_schmidt
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.interchange import e3nn_from_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal
from armillary.ports import Shape

if TYPE_CHECKING:
    from armillary_spherical.network_config import ClassScoresConfig, FrameConfig, PoseConfig


class ClassScores(Head):
    """One score a class, linear in the features.

    Args:
        features: length of the vector.
        classes: how many.
    """

    def __init__(self, features: int, *, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, classes)

    @classmethod
    def build(cls, config: "ClassScoresConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the head for the encoder's features."""
        del outputs
        return cls(_known(inputs["class_features"][1], what="class-scores"), classes=config.classes)

    def forward(self, class_features: Float[Tensor, "batch feature"]) -> dict[str, Tensor]:
        """Return ``class_scores``."""
        return {"class_scores": self.layer(class_features)}


class Pose(Head):
    """Rotation of a vector of features: three layers to a rotation vector of length at most pi in each component.

    .. math:: v = \\pi \\tanh(W_3\\, r(W_2\\, r(W_1 x))), \\quad R = \\exp [v]_\\times

    Args:
        features: length of the vector.
        hidden: lengths of the two layers between.

    Source: the pose network of Mahendran, Ali and Vidal 2017, arXiv:1708.05628, Section 4: 4096, 500 and 3 units, with batch
    normalisation and rectifiers between.
    """

    def __init__(self, features: int, *, hidden: tuple[int, int]) -> None:
        super().__init__()
        first, second = hidden
        self.layers = nn.Sequential(
            *(nn.Linear(features, first, bias=False), nn.BatchNorm1d(first), nn.ReLU()),
            *(nn.Linear(first, second, bias=False), nn.BatchNorm1d(second), nn.ReLU()),
            nn.Linear(second, 3),
        )

    @classmethod
    def build(cls, config: "PoseConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the head for the encoder's features."""
        del outputs
        return cls(_known(inputs["feature"][1], what="pose"), hidden=(config.first, config.second))

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Tensor]:
        """Return ``rotation`` and ``rotation_vector``, in radians."""
        exact = torch.promote_types(feature.dtype, torch.float32)
        with torch.autocast(feature.device.type, enabled=False):
            vector = torch.pi * self.layers(feature.to(exact)).tanh()
            return {"rotation": exp_map(vector), "rotation_vector": vector}


class Frame(Head):
    """A frame and scalars, read off a map of the sphere that turns with the shape.

    The map's degrees 0 and 1 are features of type ``0e`` and ``1o``. Two vectors are mixed linearly from the ``1o`` and
    orthonormalised, scalars from the ``0e``. Turning the shape turns the frame, ``head(Q f) = Q @ head(f)``, and leaves the
    scalars. Mirrors are not respected, because the frame's third axis is a cross product: the symmetry is SO(3), not O(3).

    Args:
        channels: of the map; the irreps are ``{channels}x0e + {channels}x1o``.
        scalars: how many.

    Raises:
        ValueError: fewer than two channels, so that there are fewer than two vectors.
    """

    def __init__(self, channels: int, *, scalars: int) -> None:
        super().__init__()
        if channels < 2:
            raise ValueError(f"a frame needs two 1o features, but a map of {channels} channel holds {channels}")
        self.irreps_in = o3.Irreps(f"{channels}x0e + {channels}x1o")
        self.irreps_out = o3.Irreps(f"{scalars}x0e + 2x1o")
        self.scalars = scalars
        self.mix = o3.Linear(self.irreps_in, self.irreps_out)

    @classmethod
    def build(cls, config: "FrameConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the head for the encoder's map."""
        del outputs
        return cls(_known(inputs["features"][1], what="frame"), scalars=config.scalars)

    def forward(self, features: Float[Tensor, "batch channel colatitude azimuth"]) -> dict[str, Tensor]:
        """Return ``rotation``, with ``x_world = R @ x_object``, and ``scalars``."""
        grid = soft(features.shape[-1] // 2)
        exact = features.to(torch.promote_types(features.dtype, torch.float32))
        with torch.autocast(features.device.type, enabled=False):
            coefficients = e3nn_from_coefficients(coefficients_from_signal(exact, grid=grid, bandwidth=2))
            mixed = self.mix(torch.cat((coefficients[..., 0], coefficients[..., 1:].flatten(-2)), dim=-1))
            first, second = mixed[..., self.scalars :].unflatten(-1, (2, 3)).unbind(-2)
            return {"rotation": gram_schmidt(first, second), "scalars": mixed[..., : self.scalars]}


def _known(size: int | None, *, what: str) -> int:
    if size is None:
        raise ValueError(f"{what}: the number of features must be known")
    return size
