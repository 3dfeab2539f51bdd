"""Depth of a canonical depth map seen from another viewpoint, by points in place of a mesh.

Depth maps hold z along the optical axis, in scene units; pixels have their centres at integer coordinates; a pose is
x_picture = R x_canonical + t. Each point is spread over the four pixels around its projection. Where several points meet, a nearer one counts
exponentially more, so that the depth is smooth in the poses and depths that made it, where a mesh has sharp silhouettes.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from armillary.kernels.cameras import back_project, project, require_depth_and_camera, transform_points

_FARTHEST = 80.0  # exp(-80) is still a number in single precision


def splat_depth(
    depth: Float[Tensor, "batch 1 height width"],
    pose: Float[Tensor, "batch 3 4"],
    camera: Float[Tensor, "batch 3 3"],
    *,
    softness: float = 0.005,
    samples: int = 2,
    covered: float = 0.25,
) -> tuple[Float[Tensor, "batch 1 height width"], Bool[Tensor, "batch 1 height width"]]:
    """Return the depth from another viewpoint, and where there is one.

    Args:
        depth: canonical depth, in scene units, > 0.
        pose: of the canonical frame in the picture's.
        camera: of both views.
        softness: difference of depth, in scene units, at which a nearer point counts e times as much.
        samples: points per pixel and axis; the depth between pixels is interpolated. With fewer than two a surface that comes nearer has
            holes.
        covered: share of a pixel that points must cover, of what a surface facing the viewer at the same scale covers.

    Returns:
        Depth, 0 where nothing is seen; and the mask of pixels where something is.

    Raises:
        ValueError: ``softness`` is not above 0, ``samples`` is below 1, or a shape differs.

    Source: ours, after the soft weights of Niklaus and Liu 2020, arXiv:2003.05534, Eq. 7 to 9.

    >>> camera = torch.tensor([[[4.0, 0.0, 1.5], [0.0, 4.0, 1.5], [0.0, 0.0, 1.0]]])
    >>> found, seen = splat_depth(torch.ones(1, 1, 4, 4), torch.eye(3, 4)[None], camera)
    >>> bool(seen.all()), bool((found - 1).abs().max() < 1e-6)
    (True, True)
    """
    require_depth_and_camera(depth, camera)
    if softness <= 0 or samples < 1:
        raise ValueError(f"softness must be above 0 and samples at least 1, got {softness} and {samples}")
    items, _, height, width = depth.shape
    places, z = _moved(depth, pose, camera, samples=samples)
    nearest = z.detach().amin(dim=1, keepdim=True)
    near = torch.exp(-((z - nearest) / softness).clamp(max=_FARTHEST)) * (z > 0)
    sums = depth.new_zeros(3, items, height * width)
    corner = places.floor()
    for right in (0, 1):
        for down in (0, 1):
            column, row = corner[..., 0] + right, corner[..., 1] + down
            share = (1 - (places[..., 0] - column).abs()) * (1 - (places[..., 1] - row).abs())
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (z > 0)
            index = torch.where(inside, row * width + column, 0).long()
            share = torch.where(inside, share, 0.0)
            given = torch.stack((share * near * z, share * near, share))
            sums = sums.scatter_add(2, index.expand(3, -1, -1), given)
    weighted, weight, coverage = sums.unflatten(2, (height, width)).unsqueeze(2)
    seen = (coverage >= covered * samples**2 / 2) & (weight > 0)
    return torch.where(seen, weighted / torch.where(seen, weight, 1.0), 0.0), seen


def _moved(
    depth: Float[Tensor, "batch 1 height width"],
    pose: Float[Tensor, "batch 3 4"],
    camera: Float[Tensor, "batch 3 3"],
    *,
    samples: int,
) -> tuple[Float[Tensor, "batch points 2"], Float[Tensor, "batch points"]]:
    """Return position in pixels and depth of all points, seen from the new viewpoint."""
    height, width = depth.shape[-2:]
    fine = (samples * (height - 1) + 1, samples * (width - 1) + 1)
    dense = functional.interpolate(depth, size=fine, mode="bilinear", align_corners=True)
    scale = camera.new_tensor([samples, samples, 1.0])[:, None]  # pixel centres stay: coordinates times samples
    points = transform_points(pose, back_project(dense, scale * camera).flatten(1, 2))
    places, z = project(points, camera)
    return places, z
