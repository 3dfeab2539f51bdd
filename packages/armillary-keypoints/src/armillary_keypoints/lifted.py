"""Key points of one method, lifted by the depth of another: the baseline "AutoLink + Unsup3D" of Wang, Cao and Bernard 2024,
Table 4. Nothing is trained; both methods come from runs of their own.

Depth is that of the picture's own view, along the camera's z axis, larger farther.
"""

from collections.abc import Mapping
from typing import Self

import attrs
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.interfaces.method import Method
from armillary.kernels.cameras import intrinsics
from armillary.kernels.points import values_at
from armillary_keypoints.lifted_specs import LiftedConfig


class Lifted(Method):
    """Pictures to key points in space: (x, y) of one trained method, z read off the depth map of another.

    Args:
        points: image to ``keypoints2d``.
        depth: image to ``depth``, and where it has one ``camera`` or ``canonical_camera``.
        points_size: side of the pictures that ``points`` takes, in pixels.
        depth_size: the same of ``depth``.
        fov: field of view where the depth comes without a camera, in radians.
    """

    def __init__(self, points: nn.Module, depth: nn.Module, *, points_size: int, depth_size: int, fov: float) -> None:
        super().__init__()
        self.points, self.depth, self.fov = points, depth, fov
        self.points_size, self.depth_size = points_size, depth_size

    @classmethod
    def build(cls, config: LiftedConfig, *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts."""
        return cls(parts["points"], parts["depth"], **attrs.asdict(config))

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return the key points, flat and lifted, and the depth map that lifts them."""
        points = _predicted(self.points, resized(image, self.points_size))["keypoints2d"]
        found = _predicted(self.depth, resized(image, self.depth_size))
        depth = found["depth"]
        camera = found.get("camera", found.get("canonical_camera"))
        if camera is None:
            height, width = depth.shape[-2:]
            camera = intrinsics(self.fov, height=height, width=width, dtype=depth.dtype, device=depth.device)
        lifted = lift(points.to(depth.dtype), depth, camera)
        return {"keypoints2d": points, "keypoints3d": lifted, "depth": depth}


def resized(image: Float[Tensor, "batch 3 height width"], size: int) -> Float[Tensor, "batch 3 rows columns"]:
    """Return square pictures of ``size`` pixels; those that have it as they are."""
    if tuple(image.shape[-2:]) == (size, size):
        return image
    return functional.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=True)


def lift(
    points: Float[Tensor, "batch points 2"],
    depth: Float[Tensor, "batch 1 height width"],
    camera: Float[Tensor, "*batch 3 3"],
) -> Float[Tensor, "batch points 3"]:
    r"""Key points in the units of the picture.

    .. math:: z_i = \frac{2}{W - 1} \, \frac{f}{\bar Z} \, (Z_i - \bar Z)

    with the depth :math:`Z_i` at point i, their mean :math:`\bar Z` and the focal length f in pixels: one step in space counts
    as much along z as it does across the picture at the mean depth.

    Args:
        points: (x, y) in [-1, 1]; one outside the picture takes the depth at its border.
        depth: along z, > 0, in any unit.
        camera: intrinsics in pixels of the depth map.

    Returns:
        (x, y) as given, and z relative to the mean of the points, larger farther.
    """
    z = values_at(depth, points)
    mean = z.mean(dim=-2, keepdim=True)
    across = camera[..., 0, 0].reshape(-1, 1, 1) * 2.0 / (depth.shape[-1] - 1)
    return torch.cat((points, across * (z - mean) / mean), dim=-1)


def _predicted(part: nn.Module, image: Tensor) -> dict[str, Tensor]:
    return getattr(part, "predict", part)(image=image)
