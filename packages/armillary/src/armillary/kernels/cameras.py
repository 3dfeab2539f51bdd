"""Pinhole cameras and rigid poses.

Camera frame: x right, y down, z forward. Pixel (i, j), row i and column j, has its centre at the integer coordinates
(x, y) = (j, i). Intrinsics are

    [[fx, s, cx], [0, fy, cy], [0, 0, 1]]

in pixels, last row exact. Depth is z, not the distance along the ray. A pose is [R | t] with
``x_camera = R @ x_object + t``. Functions take any leading batch, and the batches of their arguments broadcast.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor


def intrinsics(
    fov: float,
    *,
    height: int,
    width: int,
    focal: Literal["corners", "edges"] = "corners",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "3 3"]:
    """Return a camera with square pixels that looks through the centre of the image.

    Args:
        fov: horizontal angle of view, radians, in (0, pi).
        focal: what the angle spans. ``"corners"``: from the centre of the first column to the centre of the last,
            ``f = (width - 1) / 2 / tan(fov / 2)``. ``"edges"``: the whole width of the pixels,
            ``f = width / 2 / tan(fov / 2)``.

    Returns:
        Principal point ``((width - 1) / 2, (height - 1) / 2)``, pixels.

    Raises:
        ValueError: ``fov`` outside (0, pi), or ``focal`` is neither of the two.

    >>> intrinsics(math.pi / 2, height=3, width=5).tolist()  # 45 degrees to either side: f is 2 pixels
    [[2.0, 0.0, 2.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]]
    """
    if not 0 < fov < math.pi:
        raise ValueError(f"fov must lie in (0, pi) radians, got {fov}")
    if focal not in ("corners", "edges"):
        raise ValueError(f"focal must be 'corners' or 'edges', got {focal!r}")
    span = width - 1 if focal == "corners" else width
    f = span / 2 / math.tan(fov / 2)
    rows = [[f, 0.0, (width - 1) / 2], [0.0, f, (height - 1) / 2], [0.0, 0.0, 1.0]]
    return torch.tensor(rows, dtype=dtype, device=device)


def pixel_coordinates(
    height: int,
    width: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "height width 2"]:
    """Return the centre (x, y) of every pixel: integers, from (0, 0) to (width - 1, height - 1).

    >>> pixel_coordinates(1, 3).tolist()
    [[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]]
    """
    x = torch.arange(width, dtype=dtype, device=device)
    y = torch.arange(height, dtype=dtype, device=device)
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)), dim=-1)


def invert_intrinsics(camera: Float[Tensor, "*#batch 3 3"]) -> Float[Tensor, "*#batch 3 3"]:
    """Invert the intrinsics in closed form: ``inverse @ (x, y, 1)`` is the ray with z = 1.

    >>> camera = intrinsics(0.5, height=4, width=6)
    >>> torch.allclose(invert_intrinsics(camera) @ camera, torch.eye(3), atol=1e-6)
    True
    """
    fx, s, cx = camera[..., 0, :].unbind(-1)
    fy, cy = camera[..., 1, 1], camera[..., 1, 2]
    one, zero = torch.ones_like(fx), torch.zeros_like(fx)
    entries = (1 / fx, -s / (fx * fy), (s * cy / fy - cx) / fx, zero, 1 / fy, -cy / fy, zero, zero, one)
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def rays(camera: Float[Tensor, "*#batch 3 3"], *, height: int, width: int) -> Float[Tensor, "*#batch height width 3"]:
    """Return the direction (x, y, 1) through the centre of every pixel.

    >>> rays(intrinsics(math.pi / 2, height=1, width=3), height=1, width=3).round().tolist()
    [[[-1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]]
    """
    pixels = pixel_coordinates(height, width, dtype=camera.dtype, device=camera.device)
    camera = camera[..., None, None, :, :]
    fx, s, cx = camera[..., 0, :].unbind(-1)
    fy, cy = camera[..., 1, 1], camera[..., 1, 2]
    y = (pixels[..., 1] - cy) / fy
    x = (pixels[..., 0] - cx - s * y) / fx
    return torch.stack((x, y, torch.ones_like(x)), dim=-1)


def back_project(
    depth: Float[Tensor, "*#batch 1 height width"], camera: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*#batch height width 3"]:
    """Return the point of every pixel, camera frame, in the unit of the depth.

    Raises:
        ValueError: the depth does not have one channel, or the camera is not 3 x 3.

    >>> points = back_project(torch.full((1, 1, 3), 2.0), intrinsics(math.pi / 2, height=1, width=3))
    >>> points.round().tolist()  # a wall at depth 2, seen over 90 degrees, is 4 wide
    [[[-2.0, 0.0, 2.0], [0.0, 0.0, 2.0], [2.0, 0.0, 2.0]]]
    """
    require_depth_and_camera(depth, camera)
    height, width = depth.shape[-2:]
    return depth.movedim(-3, -1) * rays(camera.to(depth.dtype), height=height, width=width)


def project(
    points: Float[Tensor, "*points 3"], camera: Float[Tensor, "*batch 3 3"]
) -> tuple[Float[Tensor, "*points 2"], Float[Tensor, "*points"]]:
    """Return pixel coordinates (x, y) and depth z of points in the camera frame.

    The leading axes of the points are those of the camera; between them and the last one there may be any number more
    (points, or height and width).

    Returns:
        Pixels, and z in the unit of the points. A point with z <= 0 is not visible: its pixel is that of z = 1,
        finite, with no gradient to z; the caller masks by z > 0.

    Raises:
        ValueError: the points do not have three coordinates, or the camera is not 3 x 3.

    >>> camera = intrinsics(math.pi / 2, height=3, width=3)
    >>> pixels, depth = project(torch.tensor([0.0, 0.0, 2.0]), camera)  # straight ahead
    >>> pixels.tolist(), depth.tolist()
    ([1.0, 1.0], 2.0)
    """
    if points.shape[-1] != 3 or camera.shape[-2:] != (3, 3):
        raise ValueError(f"points must end in 3 and camera in 3 x 3, got {points.shape} and {camera.shape}")
    between = points.ndim - 1 - (camera.ndim - 2)
    if between > 0:
        camera = camera.reshape(*camera.shape[:-2], *(1,) * between, 3, 3)
    x, y, z = points.unbind(-1)
    safe = torch.where(z > 0, z, 1.0)
    fx, s, cx = camera[..., 0, :].unbind(-1)
    fy, cy = camera[..., 1, 1], camera[..., 1, 2]
    pixels = torch.stack(((fx * x + s * y) / safe + cx, fy * y / safe + cy), dim=-1)
    return pixels, z


def transform_points(pose: Float[Tensor, "*batch 3 4"], points: Float[Tensor, "*points 3"]) -> Float[Tensor, "... 3"]:
    """Return ``R @ x + t`` of every point.

    The leading axes of the points are those of the pose; between them and the last one there may be any number more
    (points, or height and width).

    Raises:
        ValueError: the pose is not 3 x 4, or the points do not have three coordinates.

    >>> away = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 3.0]])
    >>> transform_points(away, torch.tensor([[1.0, 2.0, 0.0]])).tolist()
    [[1.0, 2.0, 3.0]]
    """
    _require_pose(pose)
    if points.shape[-1] != 3:
        raise ValueError(f"points must end in 3, got {points.shape}")
    between = points.ndim - 1 - (pose.ndim - 2)
    if between > 0:
        pose = pose.reshape(*pose.shape[:-2], *(1,) * between, 3, 4)
    x, y, z = points[..., None, :].unbind(-1)  # by components: the same rounding for every place in a batch
    return pose[..., 0] * x + pose[..., 1] * y + pose[..., 2] * z + pose[..., 3]


def invert_pose(pose: Float[Tensor, "*#batch 3 4"]) -> Float[Tensor, "*#batch 3 4"]:
    """Return the pose of the inverse motion, ``[R^T | -R^T t]``. R must be a rotation.

    >>> pose = torch.tensor([[0.0, -1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.0, 3.0]])
    >>> torch.equal(compose_poses(invert_pose(pose), pose), torch.eye(3, 4))
    True
    """
    _require_pose(pose)
    turned = pose[..., :3].transpose(-1, -2)
    return torch.cat((turned, -_apply(turned, pose[..., 3])[..., None]), dim=-1)


def compose_poses(a: Float[Tensor, "*#batch 3 4"], b: Float[Tensor, "*#batch 3 4"]) -> Float[Tensor, "*#batch 3 4"]:
    """Return the pose that applies ``b`` first, then ``a``.

    >>> turn = torch.tensor([[0.0, -1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    >>> shift = torch.tensor([[1.0, 0.0, 0.0, 5.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    >>> compose_poses(turn, shift)[:, 3].tolist()  # the shift along x is turned to y
    [0.0, 5.0, 0.0]
    """
    _require_pose(a)
    _require_pose(b)
    rotation = a[..., :3] @ b[..., :3]
    translation = _apply(a[..., :3], b[..., 3]) + a[..., 3]
    return torch.cat((rotation, translation[..., None].expand(*rotation.shape[:-1], 1)), dim=-1)


def pose_about(
    rotation: Float[Tensor, "*#batch 3 3"],
    translation: Float[Tensor, "*#batch 3"],
    *,
    centre: Float[Tensor, "*#batch 3"],
) -> Float[Tensor, "*#batch 3 4"]:
    """Return the pose ``x -> R (x - c) + c + t``: a rotation about ``centre``, then a translation.

    >>> centre = torch.tensor([0.0, 0.0, 1.0])
    >>> pose = pose_about(torch.diag(torch.tensor([-1.0, -1.0, 1.0])), torch.zeros(3), centre=centre)
    >>> transform_points(pose, centre).tolist()  # the centre stays
    [0.0, 0.0, 1.0]
    """
    shift = centre - _apply(rotation, centre) + translation
    batch = torch.broadcast_shapes(rotation.shape[:-2], shift.shape[:-1])
    return torch.cat((rotation.expand(*batch, 3, 3), shift.expand(*batch, 3)[..., None]), dim=-1)


def require_depth_and_camera(depth: Tensor, camera: Tensor) -> None:
    """Raise for a depth without its one channel, or for a camera that is not 3 x 3.

    Raises:
        ValueError: a shape is not as described.

    >>> require_depth_and_camera(torch.ones(2, 4, 4), torch.eye(3))
    Traceback (most recent call last):
    ValueError: depth must be [*batch 1 height width], got (2, 4, 4)
    """
    if depth.ndim < 3 or depth.shape[-3] != 1:
        raise ValueError(f"depth must be [*batch 1 height width], got {tuple(depth.shape)}")
    if camera.shape[-2:] != (3, 3):
        raise ValueError(f"camera must be [*batch 3 3], got {tuple(camera.shape)}")


def _require_pose(pose: Tensor) -> None:
    if pose.shape[-2:] != (3, 4):
        raise ValueError(f"pose must be [*batch 3 4], got {tuple(pose.shape)}")


def _apply(matrix: Float[Tensor, "*#batch 3 3"], vector: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*#batch 3"]:
    return (matrix * vector[..., None, :]).sum(-1)
