"""Photo-geometric autoencoding of Wu, Rupprecht and Vedaldi 2020, arXiv:1911.11130, Section 3.

One picture is taken apart into depth, albedo, light and view, and put together again: shade the albedo on the depth, turn the
result before the camera, look. The same is done with depth and albedo mirrored, so both must explain the picture and the
canonical view becomes the symmetric one. Predicted standard deviations say where the symmetry does not hold.

The canonical view has the camera of the picture, x right, y down, z forward, in scene units, the object about z = 1. Images and
albedo lie in [0, 1]; the canonical image is not clamped, since shading may exceed 1.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from armillary.interfaces.method import Branch, Method
from armillary.kernels import cameras, depth_mesh, sampling, shading

if TYPE_CHECKING:
    from armillary_unsup3d.config import Unsup3dConfig

_MID_GREY = 0.5


class Unsup3d(Method):
    """One picture to depth, albedo, light, view and confidence, by explaining the picture twice.

    Args:
        depth: image to canonical depth.
        albedo: image to canonical albedo.
        view: image to pose.
        renderer: depth of the canonical view as seen from another pose.
        light: image to light; without it the albedo is the canonical image.
        confidence: image to standard deviations.
        fov: horizontal field of view between the centres of the corner pixels, in radians.
        border_depth: depth of the border columns, in scene units.
        border_columns: how many, left and right.
        rendered_range: nearest and farthest rendered depth, in scene units.
        albedo_flip: mirror the albedo for the second explanation.
        depth_flip: mirror the depth for it.
    """

    def __init__(
        self,
        *,
        depth: nn.Module,
        albedo: nn.Module,
        view: nn.Module,
        renderer: nn.Module,
        light: nn.Module | None = None,
        confidence: nn.Module | None = None,
        fov: float,
        border_depth: float,
        border_columns: int,
        rendered_range: tuple[float, float],
        albedo_flip: bool = True,
        depth_flip: bool = True,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.albedo = albedo
        self.view = view
        self.light = light
        self.confidence = confidence
        self.renderer = renderer
        self.fov = fov
        self.border_depth = border_depth
        self.border_columns = border_columns
        self.rendered_range = rendered_range
        self.albedo_flip = albedo_flip
        self.depth_flip = depth_flip

    @classmethod
    def build(cls, config: "Unsup3dConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method with its branches, each an encoder and a head."""
        return cls(
            **Branch.among(parts),
            renderer=parts["renderer"],
            fov=config.fov,
            border_depth=config.border_depth,
            border_columns=config.border_columns,
            rendered_range=(config.rendered_min, config.rendered_max),
            albedo_flip=config.albedo_flip,
            depth_flip=config.depth_flip,
        )

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return everything that explains the picture, by the names of the method's ports."""
        # What is in the picture
        found = {
            "free_depth": self.depth(image=image)["depth"],
            "albedo": self.albedo(image=image)["albedo"],
            "pose": self.view(image=image)["pose"],
        }
        found |= {} if self.light is None else self.light(image=image)
        found |= {} if self.confidence is None else self.confidence(image=image)
        # Networks may run in half precision; geometry does not.
        exact = torch.promote_types(image.dtype, torch.float32)
        with torch.autocast(image.device.type, enabled=False):
            return self._explain(image.to(exact), **{name: value.to(exact) for name, value in found.items()})

    def _explain(
        self,
        image: Float[Tensor, "batch 3 height width"],
        *,
        free_depth: Float[Tensor, "batch 1 height width"],
        albedo: Float[Tensor, "batch 3 height width"],
        pose: Float[Tensor, "batch 3 4"],
        light: Float[Tensor, "batch 5"] | None = None,
        **confidence: Tensor,
    ) -> dict[str, Tensor]:
        items, _, height, width = image.shape
        camera = cameras.intrinsics(
            self.fov, height=height, width=width, focal="corners", dtype=image.dtype, device=image.device
        ).expand(items, 3, 3)
        canonical_depth = set_border(free_depth, self.border_depth, columns=self.border_columns)

        # Lighting: the picture as seen from the canonical view, and its mirror image
        depths = with_mirror(canonical_depth, mirror=self.depth_flip)
        albedos = with_mirror(albedo, mirror=self.albedo_flip)
        normals = shading.normals_from_depth(depths, twice(camera), flat_border=True)
        shades = None if light is None else shading.lambert(normals, twice(light))
        canonical_images = albedos if shades is None else albedos * shades

        # Reprojection: look up each pixel of the picture where the turned object's surface comes from
        rendered, seen = self._look(depths, twice(pose), twice(camera))
        grid = depth_mesh.inverse_warp_grid(rendered, twice(pose), twice(camera))
        reconstructions = sampling.sample(canonical_images, grid)
        visible = (seen[:items] & seen[items:]).detach()
        reconstructions = torch.where(twice(visible), reconstructions, _MID_GREY)

        outputs = {
            "reconstruction": reconstructions[:items],
            "reconstruction_flipped": reconstructions[items:],
            "visible": visible,
            "depth": rendered[:items],
            "depth_mask": seen[:items],
            "canonical_depth": canonical_depth,
            "free_depth": free_depth,
            "albedo": albedo,
            "canonical_image": canonical_images[:items],
            "canonical_normals": normals[:items],
            "pose": pose,
            "canonical_camera": camera,
            **confidence,
        }
        if light is not None and shades is not None:
            outputs |= {"light": light, "shading": shades[:items]}
        return outputs

    def _look(
        self,
        depth: Float[Tensor, "batch 1 height width"],
        pose: Float[Tensor, "batch 3 4"],
        camera: Float[Tensor, "batch 3 3"],
    ) -> tuple[Float[Tensor, "batch 1 height width"], Bool[Tensor, "batch 1 height width"]]:
        nearest, farthest = self.rendered_range
        look = self.renderer(canonical_depth=depth, pose=pose, camera=camera)
        rendered = torch.where(look["visible"], look["depth"], farthest).clamp(nearest, farthest)
        return rendered, rendered < farthest


def set_border(
    depth: Float[Tensor, "batch 1 height width"], border_depth: float, *, columns: int
) -> Float[Tensor, "batch 1 height width"]:
    """Return ``depth`` with ``columns`` columns at the left and the right set to ``border_depth``.

    Source: unsup3d/model.py, forward: the sides only, neither top nor bottom.
    """
    if columns == 0:
        return depth
    side = depth.new_full((*depth.shape[:-1], columns), border_depth)
    return torch.cat((side, depth[..., columns:-columns], side), dim=-1)


def with_mirror(maps: Float[Tensor, "batch channel height width"], *, mirror: bool) -> Tensor:
    """Return the maps followed by their mirror images (left and right swapped), or by themselves."""
    return torch.cat((maps, maps.flip(-1) if mirror else maps))


def twice(items: Tensor) -> Tensor:
    """Return the items followed by themselves."""
    return torch.cat((items, items))
