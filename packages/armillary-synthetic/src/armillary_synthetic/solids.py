"""Solids: aligned meshes of a few kinds, each with a picture of it.

The object's frame has z up and the front at -y; the mesh is about the origin, in the unit sphere, which the picture shows
whole. Item i is of kind i modulo their number. For the pose, the camera's frame has x right, y down, z forward.
"""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from armillary.interfaces.generator import Generator
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, Studio, rotation_of_view, take_picture
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_synthetic.config import SolidsConfig
from armillary_synthetic.raster import Floats
from armillary_synthetic.scene import check_numbers, intrinsics, stream
from armillary_synthetic.solids_shapes import KINDS, Traits


class Solids(Generator):
    """Random solids."""

    VERSION = "1"

    def __init__(self, config: SolidsConfig, *, size: int, seed: int) -> None:
        self.config = config
        self.size = size
        self.seed = seed

    @classmethod
    def build(cls, config: SolidsConfig, *, size: int, seed: int) -> Self:
        """Return the generator.

        Raises:
            ValueError: a size or a seed that cannot be, or a kind that there is not.
        """
        check_numbers(size=size, seed=seed)
        unknown = [name for name in config.categories if name not in KINDS]
        if unknown:
            raise ValueError(f"no kind {unknown[0]!r}; there are: {', '.join(KINDS)}")
        return cls(config, size=size, seed=seed)

    def item(self, index: int) -> dict[str, Any]:
        """Return solid ``index``: its picture, camera, mask, pose and mesh."""
        config, mesh = self.config, self.mesh(index)
        rotation = _draw_rotation(stream(self.seed, index, "pose"), config.views)
        tone, tint = np.split(stream(self.seed, index, "colour").uniform(-1, 1, 4), [1])
        studio = Studio(size=self.size, fov=config.fov, samples=config.supersampling, ambient=0.3)
        picture = take_picture(mesh, studio, matrix=rotation, closed=True)
        albedo = np.clip(0.8 + 0.1 * tone + 0.1 * tint, 0, 1)
        colours = picture.grey[None] * albedo[:, None, None] + (1 - picture.cover[None]) * config.background
        translation = (0.0, 0.0, 1 / math.sin(config.fov / 2))
        return {
            "image": np.clip(colours, 0, 1).astype(np.float32),
            "camera": intrinsics(config.fov, self.size).astype(np.float32),
            "true_mask": picture.cover[None] >= 0.5,
            "true_pose": np.column_stack([CAMERA_FROM_WORLD @ rotation, translation]).astype(np.float32),
            "mesh": mesh,
        }

    def mesh(self, index: int) -> TriangleMesh:
        """Return the mesh of solid ``index``."""
        draw = KINDS[self.config.categories[index % len(self.config.categories)]]
        drawn = draw(Traits(stream(self.seed, index, "shape"), variation=self.config.variation))
        vertices = drawn.vertices - (drawn.vertices.min(axis=0) + drawn.vertices.max(axis=0)) / 2
        return TriangleMesh(vertices / np.sqrt((vertices**2).sum(axis=1).max()), drawn.faces)

    def describe(self) -> dict[str, Any]:
        """Return camera, frames and kinds."""
        config = self.config
        return {
            "camera": {
                "fov": config.fov,
                "focal": "corners",
                "intrinsics": intrinsics(config.fov, self.size).astype(np.float32).tolist(),
            },
            "categories": list(config.categories),
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
