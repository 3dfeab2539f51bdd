"""Textured meshes from a depth map and a picture.

The frame of a mesh is glTF's: x right, y up, z *towards* the viewer, right-handed, triangles counter-clockwise seen from
outside. A camera has x right, y down, z forward, so the conversion is a rotation by 180 degrees about x:
(x, y, z) -> (x, -y, -z). Scene units are unchanged. Texture coordinates (u, v) are glTF's too: (0, 0) is the upper left corner
of the upper left texel, (1, 1) the lower right corner of the lower right one.
"""

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from armillary.inference.export import Mesh
from armillary.kernels.cameras import back_project

CAMERA_TO_MESH = np.array([1.0, -1.0, -1.0])
"""Factors of (x, y, z) that convert from a camera's frame to a mesh's, and back."""

MAX_SLOPE = 10.0
"""Tangent of the largest angle, about 84 degrees, between a triangle's normal and the line of sight.

Steeper triangles join two separate surfaces."""


def mesh_from_depth(
    depth: Shaped[Tensor, "1 height width"],
    texture: Shaped[Tensor, "3 texture_height texture_width"],
    camera: Shaped[Tensor, "3 3"],
    *,
    mask: Shaped[Tensor, "1 height width"] | None = None,
    max_slope: float | None = MAX_SLOPE,
    centre: tuple[float, float, float] | None = None,
    lit: bool = True,
) -> Mesh:
    """Return the surface of a depth map as a mesh: one vertex per pixel, two triangles per cell of four pixels.

    Args:
        depth: scene units; pixels that are not finite or not positive are holes.
        texture: sRGB in [0, 1], of the depth's size or a multiple of it, over the same picture.
        camera: intrinsics of the depth map, pixel centres at integers.
        mask: pixels of the surface. A triangle needs all three of its pixels.
        max_slope: triangles that are steeper, seen from the camera, are removed, so that the surface is open at silhouettes;
            tangent of the angle between the triangle's normal and the line of sight. None removes none.
        centre: the point, in the camera's frame, that becomes the origin: the rotation centre of the method. Default: on the
            camera's axis, at the middle of the surface's range of depth.
        lit: see ``Mesh``.

    Raises:
        ValueError: a shape does not fit, or no triangle is left.
    """
    depth, texture, camera = (value.detach().cpu().to(torch.float64) for value in (depth, texture, camera))
    if depth.ndim != 3 or depth.shape[0] != 1 or texture.ndim != 3 or texture.shape[0] != 3:
        raise ValueError(
            f"a depth [1, height, width] and a texture [3, height, width] are needed, "
            f"but they have the shapes {tuple(depth.shape)} and {tuple(texture.shape)}"
        )
    counts = torch.isfinite(depth[0]) & (depth[0] > 0)
    if mask is not None:
        counts &= mask.detach().cpu().reshape(counts.shape) > 0.5
    points = back_project(torch.where(counts, depth[0], 1.0)[None], camera).numpy()
    faces = _grid_faces(*counts.shape)
    faces = faces[counts.numpy().reshape(-1)[faces].all(axis=1)]
    if max_slope is not None:
        faces = faces[_slopes(points.reshape(-1, 3), faces) <= max_slope]
    if not len(faces):
        raise ValueError(
            "the mesh is empty: no triangle of the depth map is inside the mask and below max_slope; use a larger mask or slope"
        )
    height, width = counts.shape
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    vertices = points.reshape(-1, 3)[used]
    if centre is None:
        centre = (0.0, 0.0, float(vertices[:, 2].min() + vertices[:, 2].max()) / 2.0)
    vertices = (vertices - centre) * CAMERA_TO_MESH
    rows, columns = np.divmod(used, width)
    return Mesh(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        normals=vertex_normals(vertices, faces).astype(np.float32),
        uv=np.stack([(columns + 0.5) / width, (rows + 0.5) / height], axis=1).astype(np.float32),
        texture=np.rint(texture.nan_to_num().clamp(0.0, 1.0).numpy() * 255.0).astype(np.uint8).transpose(1, 2, 0),
        lit=lit,
    )


def vertex_normals(
    vertices: Shaped[np.ndarray, "vertices 3"], faces: Shaped[np.ndarray, "faces 3"]
) -> Shaped[np.ndarray, "vertices 3"]:
    """Return unit normals: means over the triangles around a vertex, weighted by area; (0, 0, 1) where the sum is zero."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    around = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for corner in faces.T:
        np.add.at(total, corner, around)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0.0, total / np.where(length > 0.0, length, 1.0), [0.0, 0.0, 1.0])


def _grid_faces(height: int, width: int) -> Shaped[np.ndarray, "faces 3"]:
    """Return two triangles per cell, counter-clockwise as seen by the viewer after y points up."""
    index = np.arange(height * width).reshape(height, width)
    upper_left, upper_right = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    lower_left, lower_right = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    first = np.stack([upper_left, lower_left, upper_right], axis=1)
    second = np.stack([upper_right, lower_left, lower_right], axis=1)
    return np.stack([first, second], axis=1).reshape(-1, 3)


def _slopes(
    points: Shaped[np.ndarray, "vertices 3"], faces: Shaped[np.ndarray, "faces 3"]
) -> Shaped[np.ndarray, " faces"]:
    """Return the tangent of the angle between each triangle's normal and the line of sight to its middle."""
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    toward = corners.mean(axis=1)
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    across = np.abs((normal * toward).sum(axis=1))
    along = np.linalg.norm(normal - (normal * toward).sum(axis=1, keepdims=True) * toward, axis=1)
    return along / np.maximum(across, np.finfo(np.float64).tiny)
