"""Solids: aligned meshes of a few kinds, each with a picture of it.

The object's frame has z up and the front at -y; the mesh is about the origin, in the unit sphere, which the picture shows
whole. Item i is of kind i modulo their number. For the pose, the camera's frame has x right, y down, z forward.
"""

import math
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from attrs.validators import and_, ge, gt, le, lt, min_len
from numpy.typing import NDArray

from armillary.config import param
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, Studio, rotation_of_view, take_picture
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary.ports import Of
from armillary.rules import Distinct
from armillary_synthetic.bases import Camera, Image, Mask, Pictures, Pose
from armillary_synthetic.raster import Floats
from armillary_synthetic.scene import generator_for, intrinsics
from armillary_synthetic.solids_shapes import KINDS, Traits


class Solid(TypedDict):
    """One solid."""

    image: Image
    camera: Camera
    true_mask: Mask
    true_pose: Pose
    mesh: Annotated[TriangleMesh, Of("mesh")]


class Solids(Pictures, name="solids", source="ours"):
    """Aligned meshes of aeroplanes, cars, chairs, mugs and animals, with a picture of each.

    The kinds are distinguished by their shape alone; the result of an item is its mesh.
    """

    categories: tuple[str, ...] = param(
        ("aeroplane", "car", "chair", "mug", "quadruped"),
        validator=and_(min_len(1), Distinct()),
        help="kinds to make, in turn, one per item",
    )
    variation: float = param(
        1.0, help="spread of shapes within a kind; 0 makes one of each", validator=and_(ge(0), le(1))
    )
    views: Literal["views", "so3", "front"] = param(
        "views",
        help="how the picture shows the object: from anywhere with its top up, turned in any way, or from the front",
    )
    fov: float = param(
        math.radians(30),
        unit="radian",
        help="angle of view; the unit sphere fills it",
        validator=and_(gt(0), lt(math.pi / 2)),
    )
    supersampling: int = param(3, unit="samples per pixel along an axis", help="against aliasing", validator=ge(1))
    background: float = param(
        0.0,
        unit="image",
        help="grey where there is nothing; 0, as methods that learn from the meshes draw them",
        validator=and_(ge(0), le(1)),
    )

    def setup(self) -> None:
        super().setup()
        unknown = [name for name in self.categories if name not in KINDS]
        if unknown:
            raise ValueError(f"no kind {unknown[0]!r}; there are: {', '.join(KINDS)}")

    def item(self, index: int) -> Solid:
        """Return solid ``index``: its picture, camera, mask, pose and mesh."""
        mesh = self.mesh(index)
        rotation = _draw_rotation(generator_for(self.seed, index, "pose"), self.views)
        tone, tint = np.split(generator_for(self.seed, index, "colour").uniform(-1, 1, 4), [1])
        studio = Studio(size=self.size, fov=self.fov, samples=self.supersampling, ambient=0.3)
        picture = take_picture(mesh, studio, matrix=rotation, closed=True)
        albedo = np.clip(0.8 + 0.1 * tone + 0.1 * tint, 0, 1)
        colours = picture.grey[None] * albedo[:, None, None] + (1 - picture.cover[None]) * self.background
        translation = (0.0, 0.0, 1 / math.sin(self.fov / 2))
        return {
            "image": np.clip(colours, 0, 1).astype(np.float32),
            "camera": intrinsics(self.fov, self.size).astype(np.float32),
            "true_mask": picture.cover[None] >= 0.5,
            "true_pose": np.column_stack([CAMERA_FROM_WORLD @ rotation, translation]).astype(np.float32),
            "mesh": mesh,
        }

    def mesh(self, index: int) -> TriangleMesh:
        """Return the mesh of solid ``index``."""
        draw = KINDS[self.categories[index % len(self.categories)]]
        drawn = draw(Traits(generator_for(self.seed, index, "shape"), variation=self.variation))
        vertices = drawn.vertices - (drawn.vertices.min(axis=0) + drawn.vertices.max(axis=0)) / 2
        return TriangleMesh(vertices / np.sqrt((vertices**2).sum(axis=1).max()), drawn.faces)

    def describe(self) -> dict[str, Any]:
        """Return camera, frames and kinds."""
        return {
            "camera": {
                "fov": self.fov,
                "focal": "corners",
                "intrinsics": intrinsics(self.fov, self.size).astype(np.float32).tolist(),
            },
            "categories": list(self.categories),
            "units": {"length": "the largest distance of a vertex from the origin is 1", "colour": "sRGB in [0, 1]"},
            "frames": {
                "mesh": "z up, front at -y, about the middle of its bounding box",
                "pose": "x_camera = R @ x_object + t; the camera has x right, y down, z forward",
            },
        }


def _draw_rotation(generator: np.random.Generator, views: str) -> Floats:
    """Return a rotation of the generator; the same draws whatever the views."""
    uniform, normal = generator.random(2), generator.standard_normal(4)
    if views == "front":
        return np.eye(3)
    if views == "views":
        return rotation_of_view(2 * math.pi * uniform[0], math.asin(2 * uniform[1] - 1))
    return _rotation_from_quaternion(normal / np.sqrt((normal**2).sum()))


def _rotation_from_quaternion(wxyz: NDArray[np.float64]) -> Floats:
    w, x, y, z = wxyz
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
