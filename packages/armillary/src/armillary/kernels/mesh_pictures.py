"""Grey pictures of meshes, on the CPU without OpenGL. numpy only.

The world has z up. The camera is fixed on the world's -y axis, facing the origin: its x, to the right, is the world's
x, and its y, down, is the world's -z. The unit sphere fills the picture: it touches the centres of the border pixels.
A surface reflects diffusely, and both of its sides are lit: with n the unit normal turned to the viewer,

    grey = min(1, ambient + headlight n . v + lamp max(0, n . l)),

v the direction to the eye and l the direction to a lamp that is fixed to the camera. Grey is an sRGB value, not
linearised. A pixel is the mean of its samples.
"""

import math
from typing import Literal, NamedTuple

import attrs
import numpy as np
from jaxtyping import Float, Float32

from armillary.kernels.raster import barycentric, visible_faces
from armillary.kernels.triangle_mesh import TriangleMesh, face_vectors, moved_points, unit_rows, vertex_vectors

CAMERA_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Rotation: x right, y down, z forward, of a world with z up that is seen along +y."""


@attrs.frozen(kw_only=True)
class Studio:
    """Camera and light.

    Args:
        size: side of the picture in pixels.
        fov: radian, angle of view between the centres of border pixels; 0 is an orthographic camera.
        samples: along each side of a pixel.
        shading: one normal per triangle, or blended between the corners (which relies on how the mesh is wound).
        ambient: light from everywhere.
        headlight: light from the eye.
        lamp: light from ``lamp_direction``.
        lamp_direction: towards the lamp, in the camera's frame; need not be of unit length.
        background: grey of pixels without mesh.

    >>> Studio(size=64, fov=0.0).shading  # orthographic
    'flat'
    """

    size: int = 128
    fov: float = math.radians(30.0)
    samples: int = 2
    shading: Literal["flat", "smooth"] = "flat"
    ambient: float = 0.2
    headlight: float = 0.4
    lamp: float = 0.4
    lamp_direction: tuple[float, float, float] = (-1.0, -1.0, -0.5)
    background: float = 0.0


class MeshPicture(NamedTuple):
    """Picture of a mesh; row 0 at the top.

    >>> nothing = TriangleMesh(np.zeros((0, 3)), np.zeros((0, 3)))
    >>> picture = take_picture(nothing, Studio(size=2, background=0.5))
    >>> picture.grey.tolist(), picture.cover.tolist()
    ([[0.5, 0.5], [0.5, 0.5]], [[0.0, 0.0], [0.0, 0.0]])
    """

    grey: Float32[np.ndarray, "size size"]
    """In [0, 1]."""
    cover: Float32[np.ndarray, "size size"]
    """Share of each pixel's samples that show the mesh."""


def take_picture(
    mesh: TriangleMesh, studio: Studio, *, matrix: Float[np.ndarray, "3 3"] | None = None, closed: bool = False
) -> MeshPicture:
    """Return the picture of a mesh.

    Args:
        mesh: about the origin, inside the unit sphere.
        studio: camera and light.
        matrix: world from object, of positive determinant. Default: identity.
        closed: each part of the mesh is watertight and wound outwards, so that only front sides can be seen: the same
            picture for half the work.

    Raises:
        ValueError: a vertex is beside or behind the eye: the mesh reaches far outside the unit sphere.

    >>> wall = TriangleMesh([[-9, 0, -9], [9, 0, -9], [9, 0, 9], [-9, 0, 9]], [[0, 1, 2], [0, 2, 3]])
    >>> picture = take_picture(wall, Studio(size=2, fov=0.0, lamp=0.0))
    >>> picture.grey.round(4).tolist()  # ambient 0.2 and headlight 0.4, straight on
    [[0.6000000238418579, 0.6000000238418579], [0.6000000238418579, 0.6000000238418579]]
    """
    distance = 1.0 / math.sin(studio.fov / 2) if studio.fov else 0.0
    points = moved_points(CAMERA_FROM_WORLD if matrix is None else CAMERA_FROM_WORLD @ matrix, mesh.vertices)
    points[:, 2] += distance
    screen, nearness = _projected(points, studio)
    faces, side = mesh.faces, studio.size * studio.samples
    sides: Literal["both", "front"] = "front" if closed else "both"
    shown = visible_faces(screen, nearness, faces, height=side, width=side, sides=sides)
    if studio.shading == "flat":
        seen = np.zeros(len(faces) + 1, dtype=bool)
        seen[shown] = True
        seen[-1] = False
        tones = np.full(len(faces) + 1, studio.background)  # -1 reads the last
        tones[np.flatnonzero(seen)] = _face_tones(points, faces[seen[:-1]], studio)
        grey = tones[shown]
    else:
        grey = np.full(side * side, studio.background)
        covered = np.flatnonzero(shown.ravel() >= 0)
        grey[covered] = _smooth_tones(points, faces, studio, screen, nearness, shown.ravel()[covered], covered)
    return MeshPicture(_means(grey, studio), _means(shown >= 0, studio))


def rotation_of_view(azimuth: float, elevation: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation of an object that is seen from a direction, its own z axis upright in the picture.

    ``Rx(elevation) Rz(azimuth)``: the object turns about its own axis by ``azimuth`` and then leans towards the camera, so
    that an elevation of pi / 2 shows its top. Two degrees of freedom: no rotation within the picture.

    Args:
        azimuth: radian.
        elevation: radian, in [-pi / 2, pi / 2].

    >>> top = rotation_of_view(0.0, math.pi / 2) @ [0.0, 0.0, 1.0]
    >>> (top.round(4) + 0.0).tolist()  # the object's own z axis points to the camera, which looks along +y
    [0.0, -1.0, 0.0]
    """
    ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
    return np.array([[ca, -sa, 0.0], [ce * sa, ce * ca, -se], [se * sa, se * ca, ce]])


def _means(samples: np.ndarray, studio: Studio) -> np.ndarray:
    blocks = samples.reshape(studio.size, studio.samples, studio.size, studio.samples)
    return blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32)


def _projected(points: np.ndarray, studio: Studio) -> tuple[np.ndarray, np.ndarray]:
    """Return positions on the grid of samples, and nearness."""
    half = (studio.size - 1) / 2
    if studio.fov:
        if not (points[:, 2] > 0).all():
            raise ValueError("the mesh reaches beside or behind the camera; scale it to the unit sphere")
        nearness = 1.0 / points[:, 2]
        pixels = points[:, :2] * (nearness * (half / math.tan(studio.fov / 2)))[:, None] + half
    else:
        nearness = -points[:, 2]
        pixels = points[:, :2] * half + half
    return (pixels + 0.5) * studio.samples - 0.5, nearness


def _face_tones(points: np.ndarray, faces: np.ndarray, studio: Studio) -> np.ndarray:
    normals = unit_rows(face_vectors(points, faces))
    middles = (points[faces[:, 0]] + points[faces[:, 1]] + points[faces[:, 2]]) / 3
    return _lit(normals, middles, studio)


def _smooth_tones(
    points: np.ndarray,
    faces: np.ndarray,
    studio: Studio,
    screen: np.ndarray,
    nearness: np.ndarray,
    face: np.ndarray,
    sample: np.ndarray,
) -> np.ndarray:
    row, column = np.divmod(sample, studio.size * studio.samples)
    weights = barycentric(screen, faces, face=face, row=row, column=column).clip(0.0, 1.0)
    corners = faces[face].T
    if studio.fov:
        weights = weights * nearness[corners]
    weights = weights / weights.sum(axis=0)
    at_vertices = unit_rows(vertex_vectors(points, faces))
    normals = sum(weights[k][:, None] * at_vertices[corners[k]] for k in range(3))
    places = sum(weights[k][:, None] * points[corners[k]] for k in range(3))
    return _lit(unit_rows(np.asarray(normals)), np.asarray(places), studio)


def _lit(normals: np.ndarray, places: np.ndarray, studio: Studio) -> np.ndarray:
    """Return the grey of unit normals at places of the camera's frame."""
    towards = -unit_rows(places) if studio.fov else np.broadcast_to((0.0, 0.0, -1.0), places.shape)
    facing = np.einsum("ij,ij->i", normals, towards)
    lamp = np.asarray(studio.lamp_direction) / np.linalg.norm(studio.lamp_direction)
    lit = np.maximum(normals @ lamp * np.where(facing < 0, -1.0, 1.0), 0.0)
    return np.minimum(studio.ambient + studio.headlight * np.abs(facing) + studio.lamp * lit, 1.0)
