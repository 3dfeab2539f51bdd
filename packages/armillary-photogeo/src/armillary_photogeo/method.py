r"""Photo-geometric autoencoding of Wu, Rupprecht and Vedaldi 2019, arXiv:1906.01568, Section 3.

.. math:: \hat I = \Pi(\Lambda(a, d, l), d, w), \quad (d, a, w, l) = \Phi(I)

One picture is taken apart into depth, albedo, viewpoint and light, and put together again: shade the albedo on the depth, turn
the result before the camera, look. In training, albedo and depth are mirrored before that, by chance; so what is predicted
must be symmetric.

The canonical view has the camera of the picture, x right, y down, z forward, in scene units. Depth is predicted on a map of
twice the picture's size, of which the picture's frame is the middle: what comes into the picture from beyond the canonical
frame has a surface then. Images and albedo lie in [0, 1].
"""

import math
from typing import Annotated, Any, TypedDict

import torch
from attrs.validators import gt
from jaxtyping import Float, Shaped
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.method import Method, slot
from armillary.kernels import cameras, shading
from armillary.ports import Of
from armillary.seeds import per_item
from armillary.std.branches import AlbedoOut, Explained, LightOut, PictureDepth, exact, reprojected, shaded
from armillary_photogeo.heads import ViewOut, Viewpoint

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_WIDE = "batch 1 height*2 width*2"

WideDepth = Annotated[ports.Depth, Of(shape=_WIDE, frame="canonical")]


class WideOut(TypedDict):
    """Output of the depth branch."""

    depth: WideDepth


class WideLook(TypedDict):
    """Output of the renderer."""

    depth: Annotated[ports.Depth, Of(shape=_WIDE, frame="image")]
    visible: Annotated[ports.Mask, _WIDE]


class ExplainedByWideDepth(Explained):
    """The explanation, and what the networks themselves return."""

    wide_depth: WideDepth
    viewpoint: Viewpoint


class Photogeo(Method, name="photogeo", source=f"{_PAPER}, Section 3"):
    """One picture into depth, albedo, light and viewpoint, by explaining it, half of the time mirrored."""

    limits = (
        "One depth map a picture: what the canonical view does not see has no surface.",
        "Absolute depth and size are not observable; depth lies in the range of the recipe.",
        "The pictures must show the object from varied sides, symmetric and roughly matt.",
    )

    fov: float = param(
        math.radians(25.0),
        unit="radian",
        source=f"{_PAPER}, Eq. 2 and below",
        help="horizontal, over the whole width of the pixels",
        validator=gt(0),
    )
    albedo_symmetry: bool = param(
        True, source=f"{_PAPER}, Section 3.2", help="mirror the albedo, by chance, in training"
    )
    depth_symmetry: bool = param(True, source=f"{_PAPER}, Section 3.2", help="mirror the depth with it")

    @slot("branch")
    def depth(self, image: ports.Image) -> WideOut: ...
    @slot("branch")
    def albedo(self, image: ports.Image) -> AlbedoOut: ...
    @slot("branch")
    def view(self, image: ports.Image) -> ViewOut: ...
    @slot("branch", optional=True)
    def light(self, image: ports.Image) -> LightOut: ...
    @slot("renderer")
    def renderer(self, canonical_depth: WideDepth, pose: ports.Pose, camera: ports.Camera) -> WideLook: ...

    def forward(self, image: ports.Image) -> ExplainedByWideDepth:
        """Return everything that explains the picture."""
        found: dict[str, Any] = {
            "image": image,
            "wide_depth": self.depth(image=image)["depth"],
            "albedo": self.albedo(image=image)["albedo"],
            **self.view(image=image),
        }
        found |= {} if self.light is None else self.light(image=image)
        with torch.autocast(image.device.type, enabled=False):
            return self._explain(**exact(found))

    def _explain(
        self,
        *,
        image: Float[Tensor, "batch 3 height width"],
        wide_depth: Float[Tensor, "batch 1 height*2 width*2"],
        albedo: Float[Tensor, "batch 3 height width"],
        viewpoint: Float[Tensor, "batch 6"],
        pose: Float[Tensor, "batch 3 4"],
        light: Float[Tensor, "batch 5"] | None = None,
    ) -> ExplainedByWideDepth:
        camera, wide_camera = (self._camera(image, scale=scale) for scale in (1, 2))

        # Symmetry: the same object mirrored, for the items that were drawn
        lot = self._lot(image.shape[0], image.device)
        depth = mirrored(wide_depth, lot & self.depth_symmetry)
        paint = mirrored(albedo, lot & self.albedo_symmetry)

        # Lighting: the picture as seen from the canonical view
        normals = middle(shading.normals_from_depth(depth, wide_camera))
        canonical_image, shade = shaded(paint, normals, light)

        # Reprojection: look up each pixel of the picture where the turned object's surface comes from
        look = self.renderer(canonical_depth=depth, pose=pose, camera=wide_camera)
        rendered, seen = middle(look["depth"]), middle(look["visible"])
        visible = seen.detach()  # beyond the canonical image too: else it may pay to move out of it
        reconstruction = reprojected(canonical_image, depth=rendered, pose=pose, camera=camera, visible=visible)

        outputs: ExplainedByWideDepth = {
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
            outputs["light"], outputs["shading"] = light, shade
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


class DepthShown(TypedDict):
    """Depth in the picture's frame."""

    depth: PictureDepth


class AnyWideOut(TypedDict):
    """Output of the depth branch, in any frame."""

    depth: Annotated[ports.Depth, Of(shape=_WIDE, frame="any")]


class SupervisedDepth(Method, name="supervised-depth", source=f"{_PAPER}, Section 4.1 and Table 1"):
    """One picture to its depth, by the depth network alone, from true depth.

    The middle of the map, which is twice the picture's size, is the depth in the picture's frame.
    """

    limits = ("Learns from true depth, which photographs do not have: a bound for the methods without.",)

    @slot("branch")
    def depth(self, image: ports.Image) -> AnyWideOut: ...

    def forward(self, image: ports.Image) -> DepthShown:
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
