"""New views of a depth map with its picture, turned or relit.

The renderer is the core's depth mesh, which needs neither a graphics card nor a display.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from armillary.drawing.picture_items import image_picture
from armillary.drawing.sheets import Picture
from armillary.inference.meshes import MAX_SLOPE
from armillary.kernels.cameras import back_project, invert_pose, pose_about, project, transform_points
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.rotations import rotation_from_euler_zyx
from armillary.kernels.sampling import pixels_to_grid, resize_points, sample
from armillary.kernels.shading import lambert, normals_from_depth

BACKGROUND = 0.91
"""Grey around the object, in [0, 1]."""


def swing(count: int, *, degrees: float = 60.0) -> list[float]:
    """Return ``count`` angles in radians of one period of a pendulum, for a film that repeats without a jump."""
    return [math.radians(degrees) * math.sin(2.0 * math.pi * k / count) for k in range(count)]


def sweep(count: int, *, degrees: float = 60.0) -> list[float]:
    """Return ``count`` equally spaced angles in radians from one side to the other, for a strip of pictures."""
    return [math.radians(degrees) * (2.0 * k / max(count - 1, 1) - 1.0) for k in range(count)]


@torch.no_grad()
def turntable(
    depth: Shaped[Tensor, "1 height width"],
    image: Shaped[Tensor, "3 height width"],
    camera: Shaped[Tensor, "3 3"],
    *,
    angles: Sequence[float],
    pitch: float = 0.0,
    centre: tuple[float, float, float] | None = None,
    mask: Shaped[Tensor, "1 height width"] | None = None,
    max_slope: float | None = MAX_SLOPE,
    size: int = 160,
) -> list[Picture]:
    """Draw one picture per yaw of the surface, on light grey.

    Args:
        depth: canonical depth, scene units.
        image: colours of the surface in the same view, in [0, 1].
        camera: intrinsics of both.
        angles: yaw in radians; positive turns the front of the object to the right of the picture.
        pitch: radians; positive turns the front upward.
        centre: centre of rotation in the camera's frame; default: on the axis, at the middle of the surface's depth.
        mask: pixels of the surface.
        max_slope: steeper parts of the surface join separate surfaces and are removed; see ``mesh_from_depth``.
        size: height of the pictures; the surface is interpolated to it first.
    """
    depth, image, camera, keep = _prepared(depth, image, camera, mask, size=size, max_slope=max_slope)
    if centre is None:
        there = depth[keep > 0.5] if bool((keep > 0.5).any()) else depth.reshape(-1)
        centre = (0.0, 0.0, float(there.min() + there.max()) / 2.0)
    turns = torch.tensor([[-pitch, -yaw, 0.0] for yaw in angles])
    poses = pose_about(rotation_from_euler_zyx(turns), torch.zeros(len(angles), 3), centre=torch.tensor(centre))
    return [_view(depth, torch.cat([image, keep]), camera, pose) for pose in poses]


@torch.no_grad()
def relit(
    depth: Shaped[Tensor, "1 height width"],
    albedo: Shaped[Tensor, "3 height width"],
    camera: Shaped[Tensor, "3 3"],
    *,
    angles: Sequence[float],
    ambient: float = 0.25,
    diffuse: float = 0.75,
) -> list[Picture]:
    """Draw one picture per position of a light that circles around the viewer, at 45 degrees to the view; angles in radians.

    At angle 0 the light comes from above, at pi/2 from the right.
    """
    depth, albedo, camera = _plain(depth), _plain(albedo), _plain(camera)
    normals = normals_from_depth(depth, camera)
    pictures = []
    for angle in angles:
        toward = torch.tensor([math.sin(angle), -math.cos(angle), -1.0]) / math.sqrt(2.0)
        light = torch.cat([torch.tensor([ambient, diffuse]), toward])
        pictures.append(image_picture(albedo * lambert(normals, light)))
    return pictures


def _view(depth: Tensor, surface: Tensor, camera: Tensor, pose: Tensor) -> Picture:
    """Draw the surface (three colours and a mask) after a motion."""
    height, width = depth.shape[-2:]
    seen, visible = render_depth(depth, pose, camera)
    points = transform_points(invert_pose(pose), back_project(torch.where(visible, seen, 1.0), camera))
    grid = pixels_to_grid(project(points, camera)[0], height=height, width=width)
    colour, kept = sample(surface, grid, padding="border").split([3, 1])
    return image_picture(torch.where(visible & (kept > 0.5), colour, BACKGROUND))


def _prepared(
    depth: Tensor, image: Tensor, camera: Tensor, mask: Tensor | None, *, size: int, max_slope: float | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return depth, image and camera at a height of ``size``, and the mask of the surface.

    The mask is computed at the depth's own size; then the surface is extended a few pixels beyond its rim, so that the
    interpolation mixes in no values from outside.
    """
    depth, image, camera = _plain(depth), _plain(image), _plain(camera)
    keep = torch.isfinite(depth) & (depth > 0)
    if mask is not None:
        keep &= _plain(mask) > 0.5
    if max_slope is not None:
        keep &= _steepest(_spread(depth, keep), camera) <= max_slope
    depth, image = _spread(depth, keep), _spread(image.nan_to_num(), keep)
    height, width = depth.shape[-2:]
    rows, columns = size, max(1, round(size * width / height))
    scale = torch.tensor([columns / width, rows / height])
    camera = camera.clone()
    camera[:2, 2] = resize_points(camera[:2, 2], scale)
    camera[:2, :2] *= scale[:, None]

    def resized(x: Tensor, mode: str) -> Tensor:
        return interpolate(x[None], size=(rows, columns), mode=mode, align_corners=False)[0]

    rim = avg_pool2d(pad(keep.float()[None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0]  # without its stairs
    return resized(depth, "bilinear"), resized(image, "bicubic").clamp(0.0, 1.0), camera, resized(rim, "bilinear")


def _spread(values: Tensor, keep: Tensor, *, steps: int = 3) -> Tensor:
    """Return the values, extended a few pixels beyond the mask by means of their neighbours."""
    known = keep.float()
    values = torch.where(keep, values, 0.0)
    for _ in range(steps):
        near = avg_pool2d(known[None], 3, stride=1, padding=1)[0]
        mean = avg_pool2d((values * known)[None], 3, stride=1, padding=1)[0] / near.clamp_min(0.1)
        values = torch.where(known > 0, values, mean)
        known = (near > 0).float()
    far = values[keep.expand_as(values)].max() if bool(keep.any()) else values.new_tensor(1.0)
    return torch.where(known > 0, values, far)


def _steepest(depth: Tensor, camera: Tensor) -> Float[Tensor, "1 rows columns"]:
    """Return the tangent of the steepest step from a pixel to one of its four neighbours, near the axis of the camera."""
    right = (depth[..., 1:] - depth[..., :-1]).abs() / (depth[..., 1:] + depth[..., :-1]) * 2.0 * camera[0, 0]
    down = (
        (depth[..., 1:, :] - depth[..., :-1, :]).abs() / (depth[..., 1:, :] + depth[..., :-1, :]) * 2.0 * camera[1, 1]
    )
    sides = (pad(right, (1, 0)), pad(right, (0, 1)), pad(down, (0, 0, 1, 0)), pad(down, (0, 0, 0, 1)))
    return torch.stack(sides).amax(dim=0)


def _plain(value: Tensor) -> Float[Tensor, "*shape"]:
    return value.detach().cpu().to(torch.float32)
