r"""Photo-geometric autoencoding of Wu, Rupprecht and Vedaldi 2019, arXiv:1906.01568, Section 3.

.. math:: \hat I = \Pi(\Lambda(a, d, l), d, w), \quad (d, a, w, l) = \Phi(I)

One picture is taken apart into depth, albedo, viewpoint and light, and put together again: shade the albedo on the depth, turn
the result before the camera, look. In training, albedo and depth are mirrored before that, by chance; so what is predicted
must be symmetric.

The canonical view has the camera of the picture, x right, y down, z forward, in scene units. Depth is predicted on a map of
twice the picture's size, of which the picture's frame is the middle: what comes into the picture from beyond the canonical
frame has a surface then. Images and albedo lie in [0, 1].
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from armillary.interfaces.method import Branch, Method
from armillary.kernels import cameras, depth_mesh, sampling, shading
from armillary.seeds import per_item

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_photogeo.config import PhotogeoConfig

_MID_GREY = 0.5


class Photogeo(Method):
    """One picture to depth, albedo, light and viewpoint, by explaining the picture.

    Args:
        depth: image to canonical depth, at twice the image's size.
        albedo: image to canonical albedo.
        view: image to viewpoint and pose.
        renderer: depth of the canonical view as seen from another pose.
        light: image to light; without it the albedo is the canonical image.
        fov: horizontal field of view over the whole width of the pixels, in radians.
        albedo_symmetry: mirror the albedo of half of the items in training.
        depth_symmetry: mirror the depth of the same items.
    """

    def __init__(
        self,
        *,
        depth: nn.Module,
        albedo: nn.Module,
        view: nn.Module,
        renderer: nn.Module,
        light: nn.Module | None = None,
        fov: float,
        albedo_symmetry: bool = True,
        depth_symmetry: bool = True,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.albedo = albedo
        self.view = view
        self.light = light
        self.renderer = renderer
        self.fov = fov
        self.albedo_symmetry = albedo_symmetry
        self.depth_symmetry = depth_symmetry

    @classmethod
    def build(cls, config: "PhotogeoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method with its branches, each an encoder and a head."""
        return cls(
            **Branch.among(parts),
            renderer=parts["renderer"],
            fov=config.fov,
            albedo_symmetry=config.albedo_symmetry,
            depth_symmetry=config.depth_symmetry,
        )

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return everything that explains the picture, by the names of the method's ports."""
        found = {
            "wide_depth": self.depth(image=image)["depth"],
            "albedo": self.albedo(image=image)["albedo"],
            **self.view(image=image),
        }
        found |= {} if self.light is None else self.light(image=image)
        # Networks may run in half precision; geometry does not.
        exact = torch.promote_types(image.dtype, torch.float32)
        with torch.autocast(image.device.type, enabled=False):
            return self._explain(image.to(exact), **{name: value.to(exact) for name, value in found.items()})

    def _explain(
        self,
        image: Float[Tensor, "batch 3 height width"],
        *,
        wide_depth: Float[Tensor, "batch 1 height*2 width*2"],
        albedo: Float[Tensor, "batch 3 height width"],
        viewpoint: Float[Tensor, "batch 6"],
        pose: Float[Tensor, "batch 3 4"],
        light: Float[Tensor, "batch 5"] | None = None,
    ) -> dict[str, Tensor]:
        camera, wide_camera = (self._camera(image, scale=scale) for scale in (1, 2))

        # Symmetry: the same object the other way round, for the items on which the lot falls
        lot = self._lot(image.shape[0], image.device)
        depth = mirrored(wide_depth, lot & self.depth_symmetry)
        paint = mirrored(albedo, lot & self.albedo_symmetry)

        # Lighting: the picture as seen from the canonical view
        normals = middle(shading.normals_from_depth(depth, wide_camera))
        shade = None if light is None else shading.lambert(normals, light)
        canonical_image = paint if shade is None else paint * shade

        # Reprojection: look up each pixel of the picture where the turned object's surface comes from
        look = self.renderer(canonical_depth=depth, pose=pose, camera=wide_camera)
        rendered, seen = middle(look["depth"]), middle(look["visible"])
        grid = depth_mesh.inverse_warp_grid(rendered, pose, camera)
        visible = seen.detach()  # beyond the canonical image too: else it may pay to move out of it
        found = sampling.sample(canonical_image, grid)
        reconstruction = torch.where(visible, found, _MID_GREY)

        outputs = {
            "reconstruction": reconstruction,
            "visible": visible,
            "depth": torch.where(seen, rendered, rendered.amax(dim=(-2, -1), keepdim=True)),
            "depth_mask": seen,
            "wide_depth": wide_depth,
            "canonical_depth": middle(wide_depth),
            "albedo": albedo,
            "canonical_image": canonical_image,
            "canonical_normals": normals,
            "viewpoint": viewpoint,
            "pose": pose,
            "canonical_camera": camera,
        }
        if light is not None and shade is not None:
            outputs |= {"light": light, "shading": shade}
        return outputs

    def _camera(self, image: Float[Tensor, "batch 3 height width"], *, scale: int) -> Float[Tensor, "batch 3 3"]:
        """Return the picture's camera, or that of a frame ``scale`` times as large about the same axis."""
        items, _, height, width = image.shape
        camera = cameras.intrinsics(
            self.fov, height=height, width=width, focal="edges", dtype=image.dtype, device=image.device
        )
        camera[0, 2], camera[1, 2] = (scale * width - 1) / 2, (scale * height - 1) / 2
        return camera.expand(items, 3, 3)

    def _lot(self, items: int, device: torch.device) -> Shaped[Tensor, " batch"]:
        """Return which items are mirrored: half of them by chance in training, otherwise none."""
        if not self.training:
            return torch.zeros(items, dtype=torch.bool, device=device)
        drawn = per_item(lambda count, generator: torch.rand(count, generator=generator), items)
        return (drawn < 0.5).to(device)


class SupervisedDepth(Method):
    """One picture to the depth that it shows, by the depth network alone.

    Args:
        depth: image to depth at twice the image's size, of which the middle is used.

    Source: Section 4.1 and Table 1: "supervised baselines using the same network architectures".
    """

    def __init__(self, *, depth: nn.Module) -> None:
        super().__init__()
        self.depth = depth

    @classmethod
    def build(cls, config: "NoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method with its one branch."""
        return cls(**Branch.among(parts))

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return ``depth`` in the picture's frame."""
        return {"depth": middle(self.depth(image=image)["depth"])}


def middle(wide: Shaped[Tensor, "batch channel height width"]) -> Shaped[Tensor, "batch channel rows columns"]:
    """Return the middle of the maps, half as high and half as wide."""
    height, width = wide.shape[-2:]
    return wide[..., height // 4 : height - height // 4, width // 4 : width - width // 4]


def mirrored(
    maps: Float[Tensor, "batch channel height width"], lot: Shaped[Tensor, " batch"]
) -> Float[Tensor, "batch channel height width"]:
    """Return the maps, left and right swapped in the items where ``lot`` holds.

    Source: Section 3.2, :math:`[flip\\, a]_{c,u,v} = a_{c,W-1-u,v}`.
    """
    return torch.where(lot[:, None, None, None], maps.flip(-1), maps)
