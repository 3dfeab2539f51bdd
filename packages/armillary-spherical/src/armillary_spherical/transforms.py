"""Transforms from a mesh to tensors: turned, cast to the sphere, rendered. The frames are those of :mod:`armillary.kernels.mesh_pictures`."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

import attrs
import numpy as np
import torch
from attrs.validators import and_, ge, in_, le, lt

from armillary import ports
from armillary.config import param
from armillary.errors import DataError
from armillary.interfaces import Transform
from armillary.kernels.mesh_pictures import Studio, rotation_of_view
from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import SphereGrid, points
from armillary.rules import Holds, MultipleOf
from armillary_spherical.meshes import PosedMesh, stretch_matrix
from armillary_spherical.pictures import take_picture
from armillary_spherical.rays import Casters, spherical_signal
from armillary_spherical.vocabulary import PAPER, SHORT, WorldRotation


class WithMesh(TypedDict):
    """A sample that still holds its mesh."""

    mesh: ports.Mesh


class Turned(WithMesh):
    """The same, turned by a known rotation."""

    true_rotation: WorldRotation


class Cast(TypedDict):
    """A sample with its signal."""

    sphere: Annotated[ports.SphereSignal, ports.Of(shape="batch $channels $size $size", frame="world")]


class Rendered(TypedDict):
    """A sample with its picture."""

    image: Annotated[ports.Image, "batch $channels $size $size"]


class Turn(Transform, name="turn", source=PAPER):
    """The mesh in a random orientation, in three or two degrees of freedom, perhaps stretched.

    It is stretched before it is turned; ``true_rotation`` is world from object.
    """

    rotations: Literal["so3", "views", "azimuth", "none"] = param(
        "so3",
        source=f"{SHORT}: 3DOF is so3, 2DOF is views over the whole sphere without rotation in the picture",
        help="so3: uniform over all rotations; views: uniform over the directions to see the object from, its z axis "
        "upright in the picture; azimuth: about z only",
    )
    stretch: float = param(
        0.0,
        source=f"ours; {SHORT} stretches meshes at random but its text does not say by how much",
        validator=and_(ge(0), lt(1)),
        help="each axis by a factor of exp(uniform(-log(1 + stretch), log(1 + stretch))), scaled back to the same radius",
    )

    def __call__(self, sample: WithMesh, *, kinds: Mapping[str, str], generator: torch.Generator) -> Turned:
        """Return the sample with its mesh turned, and ``true_rotation``; six draws at most."""
        posed = mesh_of(sample)
        rotation = draw_rotation(self.rotations, generator)
        if self.stretch:
            drawn = torch.rand(3, generator=generator, dtype=torch.float64, device=generator.device).cpu().numpy()
            factors = (1.0 + self.stretch) ** (2.0 * drawn - 1.0)
            posed = posed.moved(stretch_matrix(posed.mesh, factors))
        return {**sample, "mesh": posed.moved(rotation), "true_rotation": torch.from_numpy(rotation).to(torch.float32)}


class RayCast(
    Transform, name="ray-cast", source="Esteves et al. 2018, arXiv:1711.06721; Cohen et al. 2018, arXiv:1801.10130"
):
    """The mesh as a signal on the sphere: distance of its surface along each ray.

    Raises:
        ValueError: the engine of the settings is not installed.
    """

    size: int = param(
        64,
        unit="sample",
        source="daniilidis-group/spherical-cnn, params.py: 64 x 64",
        validator=and_(ge(2), le(1024), MultipleOf(2)),
        help="rows and columns of the grid; even, twice the bandwidth",
    )
    grid: Literal["driscoll_healy", "soft"] = param(
        "driscoll_healy",
        source="daniilidis-group/spherical-cnn, sphere.py: theta_j = pi j / n",
        help="which colatitudes",
    )
    convention: Literal["centre", "outside"] = param(
        "centre",
        source="Esteves et al. 2018, arXiv:1711.06721: rays from the centre, farthest hit",
        help="centre: distance from the centre to the farthest hit, 0 where there is none; outside: from the unit sphere "
        "inwards to the first hit, 1 where there is none",
    )
    channels: int = param(
        1,
        source=f"{SHORT}: the ray length alone",
        validator=in_((1, 2, 3)),
        help="1: distance; 2: and the sine of the angle between ray and normal; 3: and its cosine",
    )
    engine: Literal["auto", "embree", "exact"] = param(
        "auto", help="auto: Embree where the extra 'rays' is installed, else the exact rasterisation in numpy"
    )
    keep_mesh: bool = param(True, help="leave the mesh in the sample, for a transform that comes later")

    def setup(self) -> None:
        grid = SphereGrid(self.grid, self.size // 2)
        self.directions = points(grid, dtype=torch.float64).reshape(-1, 3).numpy()
        self.casters = Casters(engine=self.engine)

    def __call__(self, sample: WithMesh, *, kinds: Mapping[str, str], generator: torch.Generator) -> Cast:
        """Return the sample with ``sphere``; no draw."""
        posed = mesh_of(sample)
        signal = spherical_signal(
            self.casters[posed.mesh],
            self.directions,
            convention=self.convention,
            channels=self.channels,
            matrix=posed.matrix,
        )
        sphere = torch.from_numpy(signal.reshape(-1, self.size, self.size)).to(torch.float32)
        return _with(sample, keep_mesh=self.keep_mesh, sphere=sphere)


class Render(Transform, name="render", source=PAPER):
    """A shaded picture of the mesh by a fixed camera."""

    size: int = param(128, unit="pixel", validator=and_(ge(8), le(4096)), help="side of the picture")
    channels: int = param(1, validator=in_((1, 3)), help="1 is grey; 3 repeats it, for networks that expect colours")
    fov: float = param(
        math.radians(30),
        unit="radian",
        validator=and_(ge(0), lt(math.pi / 2)),
        help="angle of view; the unit sphere fills it. 0 is an orthographic camera",
    )
    samples: int = param(2, unit="samples a pixel along an axis", validator=and_(ge(1), le(8)), help="against aliasing")
    shading: Literal["flat", "smooth"] = param(
        "flat", help="one normal a triangle, or blended between corners, for meshes that are wound one way"
    )
    ambient: float = param(0.2, validator=and_(ge(0), le(1)), help="light from everywhere")
    headlight: float = param(0.4, validator=and_(ge(0), le(1)), help="light from the eye")
    lamp: float = param(0.4, validator=and_(ge(0), le(1)), help="light from beside the camera")
    lamp_direction: tuple[float, float, float] = param(
        (-1.0, -1.0, -0.5),
        validator=Holds("lamp_direction != (0, 0, 0)"),
        help="from the object to the lamp in the camera's frame: x right, y down, z forward",
    )
    background: float = param(0.0, unit="image", validator=and_(ge(0), le(1)), help="grey where there is nothing")
    keep_mesh: bool = param(False, help="leave the mesh in the sample, for a transform that comes later")

    def setup(self) -> None:
        self.studio = Studio(**{name: getattr(self, name) for name in attrs.fields_dict(Studio)})

    def __call__(self, sample: WithMesh, *, kinds: Mapping[str, str], generator: torch.Generator) -> Rendered:
        """Return the sample with ``image``; no draw."""
        grey = torch.from_numpy(take_picture(mesh_of(sample), self.studio))
        image = grey.expand(self.channels, -1, -1).clone()
        return _with(sample, keep_mesh=self.keep_mesh, image=image)


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


def _with(sample: Mapping[str, Any], *, keep_mesh: bool, **added: torch.Tensor) -> Any:
    """Return the sample with more ports, with or without its mesh."""
    return {key: value for key, value in sample.items() if keep_mesh or key != "mesh"} | added
