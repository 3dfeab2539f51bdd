"""Ray casting of a depth map, and a loss that ignores contrast."""

from typing import Annotated, TypedDict

import torch
from torch import Tensor

from armillary import Loss, Renderer, ports
from armillary.kernels.cameras import back_project, invert_pose, transform_points
from armillary.kernels.depth_mesh import inverse_warp_grid
from armillary.kernels.sampling import sample

ROUNDS = (32, 8, 8)  # planes per round of the search, each between two planes of the round before
MARGIN = 0.01  # of the search, beyond the nearest and the farthest point
BORDER = 1.0001  # of the grid; rounding must not lose the pixels on it


class Seen(TypedDict):
    """Depth from another viewpoint, 0 where nothing is seen."""

    depth: Annotated[ports.Depth, ports.Of(frame="image")]
    visible: ports.Mask


class Surface(Renderer, name="surface", source="ours"):
    """Depth where each ray first meets the surface."""

    def forward(
        self,
        canonical_depth: Annotated[ports.Depth, ports.Of(frame="canonical")],
        pose: ports.Pose,
        camera: ports.Camera,
    ) -> Seen:
        """Return the depth, in the precision of the canonical depth; the search is in double precision."""
        exact = canonical_depth.double(), pose.double(), camera.double()
        with torch.no_grad():
            near, far = _search(*exact)
        # The crossing between two close planes is linear, so one step finds it and carries the gradient.
        before, behind = _behind(near, *exact), _behind(far, *exact)
        visible = before * behind <= 0  # nan, outside the map, is no crossing
        part = before / torch.where(visible, before - behind, 1)
        depth = torch.where(visible, near + (far - near) * part, 0)
        return {"depth": depth.to(canonical_depth), "visible": visible}


def _search(depth: Tensor, pose: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """Return the depths of two close planes per pixel, between which the ray first crosses the surface."""
    z = transform_points(pose, back_project(depth, camera))[:, None, ..., 2]
    near = ((1 - MARGIN) * z.amin((2, 3), keepdim=True)).expand_as(z)
    far = ((1 + MARGIN) * z.amax((2, 3), keepdim=True)).expand_as(z)
    for planes in ROUNDS:
        z = torch.lerp(near, far, torch.linspace(0, 1, planes).to(near)[:, None, None])
        behind = _behind(z, depth, pose, camera)
        first = (behind[:, 1:] * behind[:, :-1] <= 0).max(1, keepdim=True).indices
        near, far = z.gather(1, first), z.gather(1, first + 1)
    return near, far


def _behind(z: Tensor, depth: Tensor, pose: Tensor, camera: Tensor) -> Tensor:
    """Return how far the points of some planes are behind the surface: negative before it, nan outside the map.

    Inverse depth is interpolated, since that of a plane is linear in the picture.
    """
    grid = inverse_warp_grid(z[:, :, None], pose[:, None], camera[:, None])
    points = transform_points(invert_pose(pose), back_project(z[:, :, None], camera[:, None]))
    surface = sample(1 / depth, grid.flatten(1, 2), padding="border").view_as(z)
    return torch.where(grid.abs().amax(-1) < BORDER, points[..., 2] * surface - 1, torch.nan)


class Correlation(Loss, name="correlation", source="ours"):
    """1 - correlation of the two pictures."""

    def forward(self, reconstruction: ports.Image, image: ports.Image) -> ports.PerItem:
        """Return 0 for a picture in another contrast, 2 for its negative."""
        found, wanted = (x.sub(x.mean((1, 2, 3), keepdim=True)).flatten(1) for x in (reconstruction, image))
        return 1 - torch.cosine_similarity(found, wanted)
