"""Baseline "AutoLink + Unsup3D" of Wang, Cao and Bernard 2024, Table 4: key points of one method, lifted by the depth of another.

Nothing is trained; both methods come from runs of their own.

Depth is that of the picture's own view, along the camera's z axis, larger farther.
"""

import math
from typing import Annotated, NotRequired, TypedDict

import torch
from attrs.validators import gt
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Method, slot
from armillary.kernels.cameras import intrinsics
from armillary.kernels.points import values_at
from armillary_keypoints.shape_space import InSpace

_SIZE = "ours: unsup3d:paper, keypoints:quick"
DepthMap = Annotated[ports.Depth, ports.Of(shape="batch 1 $depth_size $depth_size", frame="image")]


class PointsFound(TypedDict):
    """Output of the run of the points."""

    keypoints2d: ports.Keypoints2d


class DepthFound(TypedDict):
    """Output of the run of the depth, with the camera where it has one."""

    depth: DepthMap
    camera: NotRequired[ports.Camera]
    canonical_camera: NotRequired[ports.Camera]


class LiftedOut(TypedDict):
    """Key points, flat and lifted, and the depth map that lifts them."""

    keypoints2d: ports.Keypoints2d
    keypoints3d: InSpace
    depth: DepthMap


class Lifted(
    Method,
    name="lifted",
    source="Wang, Cao, Bernard 2024, Table 4: AutoLink + Unsup3D",
    summary="key points of one run, lifted by the depth of another",
):
    """Pictures to key points in space: (x, y) of one trained method, z read off the depth map of another."""

    limits = (
        "A point lies where the depth map is at its place: on the surface that is seen, also where the point itself is hidden.",
        "Where the depth map ends, a point takes the depth of what is behind the object.",
    )

    points_size: int = param(
        64, unit="pixel", source=_SIZE, validator=gt(0), help="side of the pictures that the run of the points takes"
    )
    depth_size: int = param(
        64, unit="pixel", source=_SIZE, validator=gt(0), help="side of the pictures that the run of the depth takes"
    )
    fov: float = param(
        math.radians(10.0),
        unit="radian",
        source="Unsup3D, elliottwu/unsup3d, unsup3d/renderer",
        validator=gt(0.0),
        help="horizontal field of view, used where the run of the depth gives no camera",
    )

    @slot("encoder")
    def points(self, image: Annotated[ports.Image, "batch 3 $points_size $points_size"]) -> PointsFound: ...
    @slot("encoder")
    def depth(self, image: Annotated[ports.Image, "batch 3 $depth_size $depth_size"]) -> DepthFound: ...

    def forward(self, image: ports.Image) -> LiftedOut:
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
    r"""Return key points in the units of the picture.

    .. math:: z_i = \frac{2}{W - 1} \, \frac{f}{\bar Z} \, (Z_i - \bar Z)

    with the depth :math:`Z_i` at point i, their mean :math:`\bar Z` and the focal length f in pixels: one step in space counts
    as much along z as it does across the picture at the mean depth.

    Args:
        points: (x, y) in [-1, 1]; one outside the picture takes the depth at its border.
        depth: along z, > 0, in any unit.
        camera: intrinsics in pixels of the depth map.

    Returns:
        (x, y) of the points, and z relative to the mean of the points, larger farther.
    """
    z = values_at(depth, points)
    mean = z.mean(dim=-2, keepdim=True)
    across = camera[..., 0, 0].reshape(-1, 1, 1) * 2.0 / (depth.shape[-1] - 1)
    return torch.cat((points, across * (z - mean) / mean), dim=-1)


def _predicted(part: nn.Module, image: Tensor) -> dict[str, Tensor]:
    return getattr(part, "predict", part)(image=image)
