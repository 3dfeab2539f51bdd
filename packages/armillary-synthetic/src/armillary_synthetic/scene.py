"""Picture and ground truth of a surface: pose, light, background.

Camera frame: x right, y down, z forward, the eye at 0. The object frame is the camera frame of the canonical view: the head
looks at the eye, its rotation centre at (0, 0, 1); ``x_camera = R @ x_object + t``. Light is given in the camera frame, as a
direction from the surface to the light. Albedo and image are sRGB values in [0, 1] and, as Unsup3D's model of a picture has
it, ``image = clip(albedo * (ambient + diffuse * max(0, normal . direction)))`` in these values, without linearising.
Picture and albedo are means over the samples of a pixel; depth, mask and normals are those at its centre.
"""

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.random import Generator, Philox, SeedSequence
from numpy.typing import NDArray

from armillary_synthetic.raster import Floats, Fragments, Indices, interpolate, project, rasterise
from armillary_synthetic.smooth import backdrop

if TYPE_CHECKING:
    from armillary_synthetic.bases import HeadItem, HeadPictures

CENTRE = np.array([0.0, 0.0, 1.0])
"""Centre of rotation, in scene units."""

_SMALLEST = 8  # pixels; smaller pictures show no face

_FACING = -1e-3  # largest z of a normal before it is made unit

_TOLERANCE = 0.002  # scene units, a tenth of a nose: how far behind the surface a landmark may seem to lie

PURPOSES = ("shape", "colour", "asymmetry", "pose", "light", "background", "marks", "motion")
"""Each purpose draws from a stream of its own, so that a setting of one does not change the others; new ones come last."""


@attrs.frozen(kw_only=True, eq=False)
class Surface:
    """Object in its own frame, in scene units, facing the eye."""

    points: Floats
    """[N, 3]."""
    normals: Floats
    """[N, 3], unit, outward."""
    triangles: Indices
    """[T, 3], counter-clockwise from outside."""
    colours: Floats
    """sRGB: [N, 3] at the vertices, or a texture [3, rows, columns]."""
    texture_positions: Floats | None = None
    """[N, 2], (row, column) in texels of each vertex; None when the colours are the vertices'."""
    landmarks: Floats
    """[P, 3], named points on the surface."""


@attrs.frozen(kw_only=True, eq=False)
class View:
    """Pose and light of an object."""

    pose: Floats
    """[3, 4], camera from object."""
    light: Floats
    """[5], ambient, diffuse, unit direction to the light in the camera frame."""


def check_numbers(*, size: int, seed: int) -> None:
    """Raise ValueError where no picture can be made of this size, or no stream of this seed."""
    if size < _SMALLEST:
        raise ValueError(f"size needs at least {_SMALLEST} pixels, got {size}")
    if seed < 0:
        raise ValueError(f"seed needs at least 0, got {seed}")


def generator_for(seed: int, index: int, purpose: str) -> Generator:
    """Return the random stream of one purpose of one item; it depends on nothing else.

    Raises:
        IndexError: the index is negative.
    """
    if index < 0:
        raise IndexError(f"items are counted from 0, got {index}")
    return Generator(Philox(SeedSequence((seed, index, PURPOSES.index(purpose)))))


def draw_view(heads: "HeadPictures", index: int) -> View:
    """Return a random pose, uniform in yaw, pitch, roll and shift, and a random light in front of the head."""
    generator = generator_for(heads.seed, index, "pose")
    pitch, yaw, roll = generator.uniform(-1, 1, 3) * (heads.pitch, heads.yaw, heads.roll)
    shift = generator.uniform(-1, 1, 3) * (heads.shift, heads.shift, heads.shift_z)
    rotation = rotation_zyx(pitch, yaw, roll)
    pose = np.concatenate([rotation, (CENTRE - _apply(rotation, CENTRE) + shift)[:, None]], axis=1)

    generator = generator_for(heads.seed, index, "light")
    ambient = generator.uniform(heads.ambient_min, heads.ambient_max)
    diffuse = generator.uniform(heads.diffuse_min, heads.diffuse_max)
    lx, ly = generator.uniform(-1, 1, 2) * (heads.light_slope, heads.light_slope * 2 / 3)
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


def draw_background(heads: "HeadPictures", index: int) -> Floats:
    """Return a smooth random picture [size, size, 3] in [0, 1], or one random colour."""
    size, generator = heads.size, generator_for(heads.seed, index, "background")
    colour = generator.uniform(0.1, 0.9, 3)
    if heads.background == "plain":
        return np.broadcast_to(colour, (size, size, 3))
    return backdrop(generator, colour, size)


def take_picture(surface: Surface, view: View, background: Floats, heads: "HeadPictures") -> "HeadItem":
    """Return the picture of a surface and its ground truth, by the names of the data ports."""
    size, camera = heads.size, intrinsics(heads.fov, heads.size)
    rotation, translation = view.pose[:, :3], view.pose[:, 3]
    points = _apply(rotation, surface.points) + translation
    side = heads.supersampling * size
    fine_camera = _finer(camera, heads.supersampling)
    seen = rasterise(points, surface.triangles, fine_camera, height=side, width=side, far=heads.far)
    normals, albedo = _read(surface, rotation, seen)
    albedo = np.clip(albedo, 0, 1)  # random tones and marks may leave the range
    colour = np.clip(albedo * _shading(normals, view.light), 0, 1)

    row, column = np.divmod(seen.sample, side)
    layers = _means(np.concatenate([albedo, colour]), row, column, size=size, samples=heads.supersampling)
    behind = background * (1 - layers[..., 6:])
    centres = _centres(normals, seen.depth, row, column, size=size, samples=heads.supersampling)
    mask = np.isfinite(centres[..., 3])
    landmarks = _apply(rotation, surface.landmarks) + translation
    landmarks2d = project(landmarks, camera) * (2 / (size - 1)) - 1
    inside = np.abs(landmarks2d).max(axis=1) <= 1
    return {
        "image": _planes(layers[..., 3:6] + behind),
        "camera": camera.astype(np.float32),
        "true_depth": _planes(np.where(mask, centres[..., 3], heads.far)[..., None]),
        "true_mask": mask[None],
        "true_normals": _planes(centres[..., :3]),
        "true_albedo": _planes(layers[..., :3] + behind),
        "true_pose": view.pose.astype(np.float32),
        "true_light": view.light.astype(np.float32),
        "true_landmarks3d": landmarks.astype(np.float32),
        "true_landmarks2d": landmarks2d.astype(np.float32),
        "true_visible": _unhidden(landmarks, project(landmarks, fine_camera), inside, seen, side=side),
    }


def describe_scene(heads: "HeadPictures") -> dict[str, Any]:
    """Return plain values for ``generator.json``: camera, frames and units."""
    return {
        "camera": {
            "fov": heads.fov,
            "focal": "corners",
            "intrinsics": intrinsics(heads.fov, heads.size).astype(np.float32).tolist(),
        },
        "centre": CENTRE.tolist(),
        "far": heads.far,
        "units": {"length": "scene", "angle": "radian", "colour": "sRGB in [0, 1], shaded without linearising"},
        "frames": {
            "camera": "x right, y down, z forward",
            "pose": "x_camera = R @ x_object + t; R = Rz(roll) @ Ry(yaw) @ Rx(pitch) about the centre",
            "normals": "camera frame, facing the viewer (z < 0)",
            "light": "ambient, diffuse, unit direction from the surface to the light, camera frame",
        },
    }


def sample_texture(texture: Floats, row: Floats, column: Floats) -> Floats:
    """Return a texture [C, rows, columns] at positions [S], in texels, linearly interpolated, edges repeated: [C, S]."""
    channels, rows, columns = texture.shape
    row, column = np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)
    top, left = np.minimum(row.astype(np.intp), rows - 2), np.minimum(column.astype(np.intp), columns - 2)
    down, right = row - top, column - left
    flat, first = texture.reshape(channels, -1), top * columns + left
    upper = np.take(flat, first, axis=1) * (1 - right) + np.take(flat, first + 1, axis=1) * right
    first += columns
    lower = np.take(flat, first, axis=1) * (1 - right) + np.take(flat, first + 1, axis=1) * right
    return upper * (1 - down) + lower * down


def _read(surface: Surface, rotation: Floats, seen: Fragments) -> tuple[Floats, Floats]:
    """Return unit normals (camera frame, facing the viewer) and albedo at the fragments, [3, S] each."""
    texture = surface.texture_positions
    carried = surface.colours if texture is None else texture
    values = interpolate(seen, surface.triangles, np.concatenate([_apply(rotation, surface.normals), carried], axis=1))
    x, y, z = values[:3]
    z = np.minimum(z, _FACING)  # interpolated at a silhouette they may look away by a little
    normals = np.stack([x, y, z]) / np.sqrt(x * x + y * y + z * z)
    return normals, values[3:] if texture is None else sample_texture(surface.colours, values[3], values[4])


def _shading(normals: Floats, light: Floats) -> Floats:
    """Return ambient + diffuse * max(0, normal . direction) of normals [3, S]."""
    cosine = normals[0] * light[2] + normals[1] * light[3] + normals[2] * light[4]
    return light[0] + light[1] * np.maximum(cosine, 0)


def _finer(camera: Floats, samples: int) -> Floats:
    """Return the camera of a grid with ``samples`` samples per pixel along each axis, the middle one at the pixel's centre."""
    finer = camera * np.array([[samples], [samples], [1.0]])
    finer[:2, 2] += (samples - 1) / 2
    return finer


def _means(values: Floats, row: Indices, column: Indices, *, size: int, samples: int) -> Floats:
    """Return means over the samples of each pixel, of values [C, S] and of coverage: [size, size, C + 1]."""
    pixel = (row // samples) * size + column // samples
    sums = [np.bincount(pixel, channel, minlength=size * size) for channel in (*values, np.ones(len(pixel)))]
    return np.stack(sums, axis=1).reshape(size, size, -1) / samples**2


def _centres(normals: Floats, depth: Floats, row: Indices, column: Indices, *, size: int, samples: int) -> Floats:
    """Return normal and depth at the centres of pixels, [size, size, 4]; facing the eye and infinite where nothing is."""
    middle = (samples - 1) // 2
    at = np.flatnonzero((row % samples == middle) & (column % samples == middle))
    result = np.full((size, size, 4), (0.0, 0.0, -1.0, np.inf))
    result[row[at] // samples, column[at] // samples] = np.stack([*normals[:, at], depth[at]], axis=1)
    return result


def _unhidden(
    landmarks: Floats, positions: Floats, inside: NDArray[np.bool_], seen: Fragments, *, side: int
) -> NDArray[np.bool_]:
    """Return which landmarks are in the picture and not behind something else.

    A landmark counts as hidden when everything within one sample of it is nearer by more than a tolerance.

    Args:
        landmarks: [P, 3], camera frame.
        positions: [P, 2], theirs on the grid of samples.
        inside: [P], which of them are in the picture.
        seen: what the picture shows.
        side: of the grid of samples.
    """
    depth = np.zeros((side + 2, side + 2))  # a border of nothing
    depth[seen.sample // side + 1, seen.sample % side + 1] = seen.depth
    nearest = np.where(inside[:, None], np.rint(positions), 0).astype(np.intp) + 1
    column, row = nearest[:, 0], nearest[:, 1]
    deepest = np.max([depth[row + dy, column + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0)
    return inside & (landmarks[:, 2] <= deepest + _TOLERANCE)


def _apply(matrix: Floats, points: Floats) -> Floats:
    """Return ``matrix @ point`` for points [..., 3], without BLAS."""
    return points[..., :1] * matrix[:, 0] + points[..., 1:2] * matrix[:, 1] + points[..., 2:] * matrix[:, 2]


def _planes(picture: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.moveaxis(picture, -1, 0), dtype=np.float32)
