"""Settings and items that several generators share: of heads, and of moving objects.

The frame of the heads (field of view, depth range, rotation centre) is that of Unsup3D. A number whose source is not named is
ours: no paper published its generator.
"""

import math
from abc import abstractmethod
from typing import Annotated, Any, Literal, TypedDict

from attrs.validators import and_, ge, gt, le, lt
from numpy.typing import NDArray

from armillary.config import param
from armillary.interfaces import Generator
from armillary.ports import Of
from armillary.rules import Holds
from armillary_synthetic.scene import Surface, check_numbers, describe_scene, draw_background, draw_view, take_picture

_UNSUP3D = "elliottwu/unsup3d, unsup3d/renderer/renderer.py"

Array = NDArray[Any]
Image = Annotated[Array, Of("image")]
Camera = Annotated[Array, Of("camera")]
Mask = Annotated[Array, Of("mask", frame="image")]
Pose = Annotated[Array, Of("pose")]
Landmarks2d = Annotated[Array, Of("landmarks2d")]
Visible = Annotated[Array, Of("visibility")]


class HeadItem(TypedDict):
    """One head."""

    image: Image
    camera: Camera
    true_depth: Annotated[Array, Of("depth", frame="image")]
    true_mask: Mask
    true_normals: Annotated[Array, Of("normals", frame="camera")]
    true_albedo: Annotated[Array, Of("albedo", frame="image")]
    true_pose: Pose
    true_light: Annotated[Array, Of("light")]
    true_landmarks3d: Annotated[Array, Of("landmarks3d", frame="camera")]
    true_landmarks2d: Landmarks2d
    true_visible: Visible


class VideoItem(TypedDict):
    """One picture of a clip."""

    image: Image
    true_mask: Mask
    true_coordinates: Annotated[Array, Of("coordinate_map", frame="object")]
    partner: Array
    """Number of the item in which the pixels are found again; no port."""
    partner_grid: Annotated[Array, Of("grid")]
    partner_valid: Mask
    true_landmarks2d: Landmarks2d
    true_visible: Visible


class Pictures(Generator):
    """Base of all generators here: refuses sizes and seeds that cannot be."""

    def setup(self) -> None:
        check_numbers(size=self.size, seed=self.seed)


class HeadPictures(Pictures):
    """Base of the generators of heads: camera, pose, light and background."""

    fov: float = param(
        math.radians(10),
        unit="radian",
        source=f"{_UNSUP3D}: fov",
        help="horizontal angle between the centres of the corner pixels",
        validator=and_(gt(0), lt(math.pi / 2)),
    )
    yaw: float = param(
        0.6, unit="radian", help="the head turns by up to this, either way", validator=and_(ge(0), le(1.2))
    )
    pitch: float = param(0.3, unit="radian", help="the head nods by up to this", validator=and_(ge(0), le(0.8)))
    roll: float = param(0.1, unit="radian", help="the head tilts by up to this", validator=and_(ge(0), le(math.pi)))
    shift: float = param(
        0.005, unit="scene", help="the head moves by up to this along x and y", validator=and_(ge(0), le(0.1))
    )
    shift_z: float = param(
        0.005, unit="scene", help="the head moves by up to this along z", validator=and_(ge(0), le(0.1))
    )
    ambient_min: float = param(0.25, help="least ambient light", validator=and_(ge(0), le(1)))
    ambient_max: float = param(
        0.55, help="most ambient light", validator=and_(ge(0), le(1), Holds("ambient_min <= ambient_max"))
    )
    diffuse_min: float = param(0.4, help="least diffuse light", validator=and_(ge(0), le(1)))
    diffuse_max: float = param(
        0.75, help="most diffuse light", validator=and_(ge(0), le(1), Holds("diffuse_min <= diffuse_max"))
    )
    light_slope: float = param(
        1.0,
        help="the light comes from -(lx, ly, 1) with |lx| up to this, and |ly| up to two thirds of it",
        validator=ge(0),
    )
    background: Literal["texture", "plain"] = param("texture", help="smooth random colours, or one random colour")
    supersampling: int = param(
        3,
        unit="samples per pixel along an axis",
        help="odd, so that one sample is the centre of the pixel",
        validator=and_(ge(1), Holds("supersampling % 2 == 1", "depth is read at the centre of the pixel")),
    )
    far: float = param(
        1.1, unit="scene", source=f"{_UNSUP3D}: max_depth", help="depth where nothing is hit", validator=gt(0)
    )

    @abstractmethod
    def surface(self, index: int) -> Surface:
        """Return head ``index`` in its object frame."""

    def item(self, index: int) -> HeadItem:
        """Return head ``index`` with its ground truth."""
        return take_picture(self.surface(index), draw_view(self, index), draw_background(self, index), self)

    def describe(self) -> dict[str, Any]:
        """Return camera and conventions."""
        return describe_scene(self)


class Video(Pictures):
    """Base of the generators of moving objects: each picture has a partner that shows its pixels again."""

    clip: int = param(
        20,
        unit="pictures",
        help="so many items in a row belong together; a partner is of the same clip",
        validator=ge(2),
    )
    background: Literal["plain", "texture"] = param(
        "plain", help="one colour, or smooth random colours that are fixed for a clip"
    )
    supersampling: int = param(3, unit="samples per pixel along an axis", help="against aliasing", validator=ge(1))
