"""Settings. A number whose source is not named is ours: the paper's text leaves it open, or its code was not released."""

import math
from typing import Literal

import attrs
from attrs.validators import and_, ge, gt, in_, le, lt

from armillary.config import param

MESH_ENDINGS = (".off", ".obj", ".ply", ".stl")
"""Of the mesh files that can be read."""

_PAPER = "Esteves et al. 2019, arXiv:1812.02716"
_CODE = "daniilidis-group/spherical-cnn, params.py"


@attrs.frozen(kw_only=True)
class MeshFolderConfig:
    """A folder of meshes, and how each is placed."""

    up: Literal["z", "y"] = param(
        "z", help="axis of the files that points up: z in ModelNet, y in ShapeNet; in the world it is z"
    )
    centre: Literal["box", "centroid", "none"] = param(
        "box", help="what comes to the origin: middle of the bounding box, centroid of the surface, or nothing"
    )
    radius: float = param(
        1.0,
        unit="scene",
        source="s2cnn, examples/shrec17: scaled to the unit sphere",
        validator=and_(gt(0), le(1)),
        help="of the farthest vertex",
    )
    categories: tuple[str, ...] = param(
        (), help="names of the folders to use, in the order of their labels; without them all, in alphabetical order"
    )
    split_by: Literal["auto", "file", "folder", "hash", "all"] = param(
        "auto",
        help="split.csv, else folders train/val/test above or below the category, else a hash of each path; all: every "
        "mesh in every split",
    )
    val: float = param(0.1, validator=and_(ge(0), lt(1)), help="part of the meshes in val, where the hash decides")
    test: float = param(0.1, validator=and_(ge(0), lt(1)), help="part of the meshes in test, where the hash decides")
    strict: bool = param(
        False, help="refuse the folder for one bad file; without it bad files are named and passed over"
    )
    cache_megabytes: int = param(2048, unit="MB", validator=ge(0), help="keep meshes in memory up to this much")
    picture_size: int = param(
        128, unit="pixel", validator=ge(2), help="side of a picture file that is given instead of a mesh, for predict"
    )
    picture_channels: int = param(1, validator=in_((1, 3)), help="of the same: 1 is grey")

    def __attrs_post_init__(self) -> None:
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val} and test {self.test} leave nothing for train")
        if len(set(self.categories)) != len(self.categories):
            raise ValueError(f"categories repeat: {', '.join(self.categories)}")


@attrs.frozen(kw_only=True)
class TurnConfig:
    """A random orientation, and a random stretch along the object's own axes."""

    rotations: Literal["so3", "views", "azimuth", "none"] = param(
        "so3",
        source=f"{_PAPER}: 3DOF is so3, 2DOF is views over the whole sphere without rotation in the picture",
        help="so3: uniform over all rotations; views: uniform over the directions to see the object from, its z axis "
        "upright in the picture; azimuth: about z only",
    )
    stretch: float = param(
        0.0,
        source=f"ours; {_PAPER} stretches meshes at random but its text does not say by how much",
        validator=and_(ge(0), lt(1)),
        help="each axis by a factor of exp(uniform(-log(1 + stretch), log(1 + stretch))), scaled back to the same radius",
    )


@attrs.frozen(kw_only=True)
class RayCastConfig:
    """The mesh as a signal on the sphere."""

    size: int = param(
        64,
        unit="sample",
        source=f"{_CODE}: 64 x 64",
        validator=and_(ge(2), le(1024)),
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
        source=f"{_PAPER}: the ray length alone",
        validator=in_((1, 2, 3)),
        help="1: distance; 2: and the sine of the angle between ray and normal; 3: and its cosine",
    )
    engine: Literal["auto", "embree", "exact"] = param(
        "auto", help="auto: Embree where the extra 'rays' is installed, else the exact rasterisation in numpy"
    )
    keep_mesh: bool = param(True, help="leave the mesh in the sample, for a transform that comes later")

    def __attrs_post_init__(self) -> None:
        if self.size % 2:
            raise ValueError(f"size {self.size} must be even: it is twice the bandwidth")


@attrs.frozen(kw_only=True)
class RenderConfig:
    """The mesh as a picture."""

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
        (-1.0, -1.0, -0.5), help="from the object to the lamp in the camera's frame: x right, y down, z forward"
    )
    background: float = param(0.0, unit="image", validator=and_(ge(0), le(1)), help="grey where there is nothing")
    keep_mesh: bool = param(False, help="leave the mesh in the sample, for a transform that comes later")

    def __attrs_post_init__(self) -> None:
        if not any(self.lamp_direction):
            raise ValueError("lamp_direction must not be zero")
