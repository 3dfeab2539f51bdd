"""From a mesh to tensors: turned, cast to the sphere, rendered. The frames are those of :mod:`armillary.kernels.mesh_pictures`."""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch

from armillary.errors import DataError
from armillary.interfaces.transform import Transform
from armillary.kernels.mesh_pictures import Studio, rotation_of_view
from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import SphereGrid, points
from armillary.ports import Shape
from armillary_spherical.config import RayCastConfig, RenderConfig, TurnConfig
from armillary_spherical.meshes import PosedMesh, stretch_matrix
from armillary_spherical.pictures import take_picture
from armillary_spherical.rays import Casters, spherical_signal


class Turn(Transform):
    """The mesh in a random orientation, stretched before it is turned; ``true_rotation`` is generator from object.

    Args:
        config: the settings.
    """

    def __init__(self, config: TurnConfig) -> None:
        self.config = config

    @classmethod
    def build(cls, config: TurnConfig, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the transform of these settings."""
        return cls(config)

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the sample with its mesh turned, and ``true_rotation``; six draws at most."""
        posed = mesh_of(sample)
        rotation = draw_rotation(self.config.rotations, generator)
        if self.config.stretch:
            drawn = torch.rand(3, generator=generator, dtype=torch.float64, device=generator.device).cpu().numpy()
            factors = (1.0 + self.config.stretch) ** (2.0 * drawn - 1.0)
            posed = posed.moved(stretch_matrix(posed.mesh, factors))
        return {**sample, "mesh": posed.moved(rotation), "true_rotation": torch.from_numpy(rotation).to(torch.float32)}


class RayCast(Transform):
    """The mesh as a signal on a grid of the sphere: ``sphere``.

    Args:
        config: the settings.

    Raises:
        ValueError: the engine that is asked for is not installed.
    """

    def __init__(self, config: RayCastConfig) -> None:
        self.config = config
        grid = SphereGrid(config.grid, config.size // 2)
        self.directions = points(grid, dtype=torch.float64).reshape(-1, 3).numpy()
        self.casters = Casters(engine=config.engine)

    @classmethod
    def build(cls, config: RayCastConfig, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the transform of these settings."""
        return cls(config)

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the sample with ``sphere``; no draw."""
        config, posed = self.config, mesh_of(sample)
        signal = spherical_signal(
            self.casters[posed.mesh],
            self.directions,
            convention=config.convention,
            channels=config.channels,
            matrix=posed.matrix,
        )
        sphere = torch.from_numpy(signal.reshape(config.channels, config.size, config.size)).to(torch.float32)
        return {**_without_mesh(sample, keep=config.keep_mesh), "sphere": sphere}


class Render(Transform):
    """The mesh as a picture: ``image``.

    Args:
        config: the settings.
    """

    def __init__(self, config: RenderConfig) -> None:
        self.config = config
        self.studio = Studio(
            size=config.size,
            fov=config.fov,
            samples=config.samples,
            shading=config.shading,
            ambient=config.ambient,
            headlight=config.headlight,
            lamp=config.lamp,
            lamp_direction=config.lamp_direction,
            background=config.background,
        )

    @classmethod
    def build(cls, config: RenderConfig, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the transform of these settings."""
        return cls(config)

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the sample with ``image``; no draw."""
        grey = torch.from_numpy(take_picture(mesh_of(sample), self.studio))
        image = grey.expand(self.config.channels, -1, -1).clone()
        return {**_without_mesh(sample, keep=self.config.keep_mesh), "image": image}


def draw_rotation(rotations: str, generator: torch.Generator) -> np.ndarray:
    """Return a random rotation [3, 3] in float64.

    Args:
        rotations: ``so3`` (Haar measure), ``views`` (:func:`~armillary.kernels.mesh_pictures.rotation_of_view`, uniform over
            the sphere of directions), ``azimuth`` (about z) or ``none``.
        generator: of every draw.

    Raises:
        ValueError: another word.
    """
    if rotations == "so3":
        return random_rotation(generator=generator, dtype=torch.float64, device="cpu").numpy()
    if rotations == "none":
        return np.eye(3)
    if rotations not in ("views", "azimuth"):
        raise ValueError(f"rotations is so3, views, azimuth or none, not {rotations!r}")
    turn, height = torch.rand(2, generator=generator, dtype=torch.float64, device=generator.device).tolist()
    elevation = math.asin(2.0 * height - 1.0) if rotations == "views" else 0.0
    return rotation_of_view(2.0 * math.pi * turn, elevation)


def mesh_of(sample: Mapping[str, Any]) -> PosedMesh:
    """Return the mesh of a sample.

    Raises:
        DataError: it has none, say because an earlier transform has dropped it.
    """
    posed = sample.get("mesh")
    if not isinstance(posed, PosedMesh):
        raise DataError(
            f"item {sample.get('id')}: no mesh in the sample; where an earlier transform drops it, set its keep_mesh=true"
        )
    return posed


def _without_mesh(sample: Mapping[str, Any], *, keep: bool) -> dict[str, Any]:
    return dict(sample) if keep else {key: value for key, value in sample.items() if key != "mesh"}
