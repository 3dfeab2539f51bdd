"""Normals and Lambertian shading.

Camera frame: x right, y down, z forward. Normals have unit length and face the viewer: a wall seen straight on has
(0, 0, -1). Light directions point from the surface to the light.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.kernels.cameras import rays, require_depth_and_camera


def normals_from_depth(
    depth: Float[Tensor, "*#batch 1 height width"],
    camera: Float[Tensor, "*#batch 3 3"],
    *,
    flat_border: bool = False,
) -> Float[Tensor, "*#batch 3 height width"]:
    r"""Return unit normals of the surface of a depth map, facing the viewer.

    With the ray :math:`(X, Y, 1)`, and D and S the difference and the sum of the depths of the two neighbours,

    .. math:: n \propto (p, q, -(1 + X p + Y q)), \quad p = f_x D_x / S_x, \quad q = f_y D_y / S_y,

    which is the cross product of central differences of the back-projected points, divided by a length that is never
    zero. Exact on planes. At the border one neighbour is the pixel itself.

    Args:
        depth: > 0, any unit.
        flat_border: the outermost pixels get (0, 0, -1) instead.

    Raises:
        ValueError: depth or camera has another shape, or an axis has fewer than two pixels.

    Undefined: where depth <= 0.

    >>> wall = torch.ones(1, 3, 3)
    >>> (normals_from_depth(wall, torch.eye(3))[:, 1, 1] + 0.0).tolist()
    [0.0, 0.0, -1.0]
    """
    require_depth_and_camera(depth, camera)
    height, width = depth.shape[-2:]
    if min(height, width) < 2:
        raise ValueError(f"normals need two pixels along each axis, got {height} x {width}")
    camera = camera.to(depth.dtype)
    focal_x, skew, focal_y = (camera[..., i, j, None, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    x, y, _ = rays(camera, height=height, width=width).unbind(-1)
    difference, total = _neighbours(depth.squeeze(-3))
    p = focal_x * difference / total
    difference, total = _neighbours(depth.squeeze(-3).transpose(-1, -2))
    q = focal_y * (difference / total).transpose(-1, -2) + skew / focal_x * p
    normal = torch.stack((p, q, -(1 + x * p + y * q)), dim=-3)
    normal = normal * normal.square().sum(-3, keepdim=True).rsqrt()
    return _flatten_border(normal) if flat_border else normal


def lambert(
    normals: Float[Tensor, "*#batch 3 height width"], light: Float[Tensor, "*#batch 5"]
) -> Float[Tensor, "*#batch 1 height width"]:
    r"""Return the brightness of a white Lambertian surface: :math:`a + d \max(0, \langle n, l \rangle)`.

    Args:
        light: ambient :math:`a`, diffuse :math:`d`, unit direction :math:`l` from the surface to the light.

    Returns:
        In the unit of the light; neither clamped nor encoded.

    Raises:
        ValueError: the normals do not have three channels, or the light does not have five numbers.

    >>> wall = torch.tensor([0.0, 0.0, -1.0]).reshape(3, 1, 1)
    >>> headlight = torch.tensor([0.25, 0.5, 0.0, 0.0, -1.0])  # ambient, diffuse, direction
    >>> lambert(wall, headlight).item()
    0.75
    """
    if normals.ndim < 3 or normals.shape[-3] != 3 or light.shape[-1] != 5:
        raise ValueError(
            f"normals must be [*batch 3 height width] and light [*batch 5], "
            f"got {tuple(normals.shape)} and {tuple(light.shape)}"
        )
    light = light[..., None, None]
    ambient, diffuse, direction = light[..., :1, :, :], light[..., 1:2, :, :], light[..., 2:, :, :]
    cosine = (normals * direction).sum(-3, keepdim=True)
    return ambient + diffuse * cosine.clamp_min(0)


def _neighbours(d: Float[Tensor, "*#batch rows columns"]) -> tuple[Tensor, Tensor]:
    """Return difference and sum of the depths left and right; at the border the step is one-sided.

    The tangent is ``D * ray + S * (1/f, 0, 0)``. For a one-sided step, S is the depth of the neighbour alone.
    """
    left, right = d[..., :-2], d[..., 2:]
    ahead, behind = d[..., 1:2], d[..., -2:-1]
    difference = torch.cat((ahead - d[..., :1], right - left, d[..., -1:] - behind), dim=-1)
    total = torch.cat((ahead, right + left, behind), dim=-1)
    return difference, total


def _flatten_border(normal: Float[Tensor, "*#batch 3 height width"]) -> Float[Tensor, "*#batch 3 height width"]:
    inside = torch.zeros(normal.shape[-2:], dtype=torch.bool, device=normal.device)
    inside[1:-1, 1:-1] = True
    flat = torch.tensor([0.0, 0.0, -1.0], dtype=normal.dtype, device=normal.device)[:, None, None]
    return torch.where(inside, normal, flat)
