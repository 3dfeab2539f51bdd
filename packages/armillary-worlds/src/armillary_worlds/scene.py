"""From a surface to an item: pose, light, background, picture and ground truth.

Camera frame: x right, y down, z forward, the eye at 0. The object frame is the camera frame of the canonical view: the head
looks at the eye, its rotation centre at (0, 0, 1); ``x_camera = R @ x_object + t``. Light is given in the camera frame, as a
direction from the surface to the light. Albedo and image are sRGB values in [0, 1] and, as Unsup3D's model of a picture has
it, ``image = clip(albedo * (ambient + diffuse * max(0, normal . direction)))`` in these values, without linearising.
Picture and albedo are means over the samples of a pixel; depth, mask and normals are those at its centre.
"""

import math
from typing import Any

import attrs
import numpy as np
from numpy.random import Generator, Philox, SeedSequence
from numpy.typing import NDArray

from armillary_worlds.config import SceneConfig
from armillary_worlds.noise import noise_picture
from armillary_worlds.raster import Floats, Fragments, Indices, interpolate, project, rasterise, unit

CENTRE = np.array([0.0, 0.0, 1.0])
"""Centre of rotation, in scene units."""

STREAMS = ("shape", "colour", "asymmetry", "pose", "light", "background")
"""Each purpose draws from a stream of its own, so that a setting of one does not change the others."""


@attrs.frozen(kw_only=True, eq=False)
class Surface:
    """One object in its own frame, in scene units, facing the eye."""

    points: Floats
    """[N, 3]."""
    normals: Floats
    """[N, 3], unit, outward."""
    triangles: Indices
    """[T, 3], counter-clockwise from outside."""
    colours: Floats
    """sRGB: [N, 3] at the vertices, or a texture [rows, columns, 3]."""
    texture_positions: Floats | None = None
    """[N, 2], (row, column) in texels of each vertex; None when the colours are the vertices'."""
    landmarks: Floats
    """[P, 3], named points on the surface."""


@attrs.frozen(kw_only=True, eq=False)
class View:
    """Where the object is and how it is lit."""

    pose: Floats
    """[3, 4], camera from object."""
    light: Floats
    """[5], ambient, diffuse, unit direction to the light in the camera frame."""


def stream(seed: int, index: int, purpose: str) -> Generator:
    """Return the random stream of one purpose of one item; it depends on nothing else."""
    return Generator(Philox(SeedSequence((seed, index, STREAMS.index(purpose)))))


def draw_view(config: SceneConfig, seed: int, index: int) -> View:
    """Return a random pose, uniform in yaw, pitch, roll and shift, and a random light in front of the head."""
    generator = stream(seed, index, "pose")
    pitch, yaw, roll = generator.uniform(-1, 1, 3) * (config.pitch, config.yaw, config.roll)
    shift = generator.uniform(-1, 1, 3) * (config.shift, config.shift, config.shift_z)
    rotation = rotation_zyx(pitch, yaw, roll)
    pose = np.concatenate([rotation, (CENTRE - _apply(rotation, CENTRE) + shift)[:, None]], axis=1)

    generator = stream(seed, index, "light")
    ambient = generator.uniform(config.ambient_min, config.ambient_max)
    diffuse = generator.uniform(config.diffuse_min, config.diffuse_max)
    lx, ly = generator.uniform(-1, 1, 2) * (config.light_slope, config.light_slope * 2 / 3)
    direction = -np.array([lx, ly, 1.0]) / math.sqrt(lx * lx + ly * ly + 1)
    return View(pose=pose, light=np.concatenate([[ambient, diffuse], direction]))


def rotation_zyx(pitch: float, yaw: float, roll: float) -> Floats:
    """Return ``Rz(roll) @ Ry(yaw) @ Rx(pitch)``, radians, about the axes of the camera frame."""
    (cx, sx), (cy, sy), (cz, sz) = ((math.cos(a), math.sin(a)) for a in (pitch, yaw, roll))
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def intrinsics(fov: float, size: int) -> Floats:
    """Return the camera matrix whose horizontal angle of view, between centres of corner pixels, is ``fov`` radians."""
    focal = (size - 1) / 2 / math.tan(fov / 2)
    centre = (size - 1) / 2
    return np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])


def draw_background(config: SceneConfig, seed: int, index: int, size: int) -> Floats:
    """Return a smooth random picture [size, size, 3] in [0, 1], or one random colour."""
    generator = stream(seed, index, "background")
    colour = generator.uniform(0.1, 0.9, 3)
    if config.background == "plain":
        return np.broadcast_to(colour, (size, size, 3))
    coarse = noise_picture(generator, size, cells=4, channels=3)
    grey = noise_picture(generator, size, cells=9, channels=1)
    fine = noise_picture(generator, size, cells=17, channels=3)
    return np.clip(colour + 0.15 * coarse + 0.3 * grey + 0.08 * fine, 0, 1)


def take_picture(
    surface: Surface, view: View, background: Floats, config: SceneConfig, *, size: int
) -> dict[str, NDArray[np.generic]]:
    """Return the picture of a surface and its ground truth, by the names of the data ports."""
    camera = intrinsics(config.fov, size)
    rotation, translation = view.pose[:, :3], view.pose[:, 3]
    points = _apply(rotation, surface.points) + translation
    samples = config.supersampling
    fine_camera = camera * np.array([[samples], [samples], [1]])
    fine_camera[:2, 2] += (samples - 1) / 2
    side = samples * size
    seen = rasterise(points, surface.triangles, fine_camera, height=side, width=side)

    normals, albedo = _read(surface, rotation, seen)
    ambient, diffuse, direction = view.light[0], view.light[1], view.light[2:]
    cosine = normals[:, 0] * direction[0] + normals[:, 1] * direction[1] + normals[:, 2] * direction[2]
    shading = ambient + diffuse * np.maximum(cosine, 0)
    # Means over the samples of a pixel: albedo, colour, coverage.
    row, column = np.divmod(seen.sample, side)
    pixel = (row // samples) * size + column // samples
    colour = np.clip(albedo * shading[:, None], 0, 1)
    columns = [*albedo.T, *colour.T, None]
    layers = np.stack([np.bincount(pixel, values, minlength=size * size) for values in columns], axis=1)
    layers = layers.reshape(size, size, 7) / samples**2
    behind = background * (1 - layers[..., 6:])

    full = np.full((side * side, 4), (0.0, 0.0, -1.0, np.inf))
    full[seen.sample, :3] = normals
    full[seen.sample, 3] = seen.depth
    full = full.reshape(side, side, 4)
    middle = full[(samples - 1) // 2 :: samples, (samples - 1) // 2 :: samples]
    mask = np.isfinite(middle[..., 3])

    landmarks = _apply(rotation, surface.landmarks) + translation
    landmarks2d = project(landmarks, camera) * (2 / (size - 1)) - 1
    return {
        "image": _planes(layers[..., 3:6] + behind),
        "camera": camera.astype(np.float32),
        "true_depth": _planes(np.where(mask, middle[..., 3], config.far)[..., None]),
        "true_mask": mask[None],
        "true_normals": _planes(middle[..., :3]),
        "true_albedo": _planes(layers[..., :3] + behind),
        "true_pose": view.pose.astype(np.float32),
        "true_light": view.light.astype(np.float32),
        "true_landmarks3d": landmarks.astype(np.float32),
        "true_landmarks2d": landmarks2d.astype(np.float32),
        "true_visible": _visible(landmarks, landmarks2d, fine_camera, full[..., 3]),
    }


def describe_scene(config: SceneConfig, *, size: int) -> dict[str, Any]:
    """Return plain values for ``world.json``: camera, frames and units."""
    return {
        "camera": {
            "fov": config.fov,
            "focal": "corners",
            "intrinsics": intrinsics(config.fov, size).tolist(),
        },
        "centre": CENTRE.tolist(),
        "far": config.far,
        "units": {"length": "scene", "angle": "radian", "colour": "sRGB in [0, 1], shaded without linearising"},
        "frames": {
            "camera": "x right, y down, z forward",
            "pose": "x_camera = R @ x_object + t; R = Rz(roll) @ Ry(yaw) @ Rx(pitch) about the centre",
            "normals": "camera frame, facing the viewer (z < 0)",
            "light": "ambient, diffuse, unit direction from the surface to the light, camera frame",
        },
    }


def sample_texture(texture: Floats, positions: Floats) -> Floats:
    """Return a texture [rows, columns, C] at positions [S, 2] (row, column), linearly interpolated, edges repeated."""
    rows, columns, channels = texture.shape
    row = np.clip(positions[:, 0], 0, rows - 1)
    column = np.clip(positions[:, 1], 0, columns - 1)
    top, left = np.minimum(row.astype(np.intp), rows - 2), np.minimum(column.astype(np.intp), columns - 2)
    down, right = (row - top)[:, None], (column - left)[:, None]
    flat, first = texture.reshape(-1, channels), top * columns + left
    upper = flat[first] * (1 - right) + flat[first + 1] * right
    lower = flat[first + columns] * (1 - right) + flat[first + columns + 1] * right
    return upper * (1 - down) + lower * down


def _read(surface: Surface, rotation: Floats, seen: Fragments) -> tuple[Floats, Floats]:
    """Return unit normals (camera frame, facing the viewer) and albedo at the fragments."""
    texture = surface.texture_positions
    carried = surface.colours if texture is None else texture
    values = interpolate(seen, surface.triangles, np.concatenate([_apply(rotation, surface.normals), carried], axis=1))
    normals, rest = values[:, :3], values[:, 3:]
    normals[:, 2] = np.minimum(normals[:, 2], -1e-3)  # interpolated at a silhouette they may look away by a little
    return unit(normals), rest if texture is None else sample_texture(surface.colours, rest)


def _visible(landmarks: Floats, landmarks2d: Floats, camera: Floats, depth: Floats) -> NDArray[np.bool_]:
    """Return which landmarks are inside the picture and not behind something else, by the depth of the samples around."""
    side = depth.shape[0]
    column, row = np.rint(project(landmarks, camera)).astype(np.intp).T
    inside = (np.abs(landmarks2d) <= 1).all(axis=1)
    around = np.stack(
        [
            depth[np.clip(row + dy, 0, side - 1), np.clip(column + dx, 0, side - 1)]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
    )
    deepest = np.where(np.isfinite(around), around, 0).max(axis=0)
    tolerance = 0.002  # scene units; a tenth of a nose
    return inside & (landmarks[:, 2] <= deepest + tolerance)


def _apply(matrix: Floats, points: Floats) -> Floats:
    """Return ``matrix @ point`` for points [..., 3], without BLAS."""
    return points[..., :1] * matrix[:, 0] + points[..., 1:2] * matrix[:, 1] + points[..., 2:] * matrix[:, 2]


def _planes(picture: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.moveaxis(picture, -1, 0), dtype=np.float32)
