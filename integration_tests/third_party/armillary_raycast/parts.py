import torch

from armillary.interfaces import Loss, Renderer
from armillary.kernels.cameras import back_project, invert_pose, transform_points
from armillary.kernels.depth_mesh import inverse_warp_grid
from armillary.kernels.sampling import sample


class Surface(Renderer):
    build = classmethod(lambda cls, config, **shapes: cls())  # type: ignore

    def forward(self, *, canonical_depth, pose, camera):
        z = transform_points(pose, back_project(canonical_depth, camera)).detach()[:, None, ..., 2].double()
        low, high = (0 * z + edge for edge in (0.99 * z.amin((2, 3), True), 1.01 * z.amax((2, 3), True)))
        for planes in (32, 8, 8, 2):  # where each ray first meets the surface, ever finer; gradient in the last round
            d, t, k = (x.double() if planes == 2 else x.double().detach() for x in (canonical_depth, pose, camera))
            z = torch.lerp(low, high, torch.linspace(0, 1, planes).to(low)[:, None, None])
            grid = inverse_warp_grid(z[:, :, None], t[:, None], k[:, None])
            far = transform_points(invert_pose(t), back_project(z[:, :, None], k[:, None]))[..., 2]
            behind = far * sample(1 / d, grid.flatten(1, 2), padding="border").view_as(z) - 1  # of a plane: exact
            behind = torch.where(grid.abs().amax(-1) < 1.0001, behind, torch.nan)
            seen, first = (behind[:, 1:] * behind[:, :-1] <= 0).max(1, keepdim=True)
            low, high = z.gather(1, first), z.gather(1, first + 1)
        part = behind[:, :1] / torch.where(seen, behind[:, :1] - behind[:, 1:], 1)
        return {"depth": torch.where(seen, low + (high - low) * part, 0).to(canonical_depth), "visible": seen}


class Correlation(Loss):
    build = classmethod(lambda cls, config, **shapes: cls())  # type: ignore

    def forward(self, *, reconstruction, image):
        return 1 - torch.cosine_similarity(*((x - x.mean((1, 2, 3), True)).flatten(1) for x in (reconstruction, image)))
