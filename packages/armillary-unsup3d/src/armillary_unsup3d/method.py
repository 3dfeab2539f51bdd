"""Photo-geometric autoencoding of Wu, Rupprecht and Vedaldi 2020, arXiv:1911.11130, Section 3.

One picture is taken apart into depth, albedo, light and view, and put together again: shade the albedo on the depth, turn the
result before the camera, look. The same is done with depth and albedo mirrored, so both must explain the picture and the
canonical view becomes the symmetric one. Predicted standard deviations say where the symmetry does not hold.

The canonical view has the camera of the picture, x right, y down, z forward, in scene units, the object about z = 1. Images and
albedo lie in [0, 1]; the canonical image is not clamped, since shading may exceed 1.
"""

import math
from typing import Any, NotRequired, TypedDict

import torch
from attrs.validators import and_, ge, gt
from jaxtyping import Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.method import Method, slot
from armillary.kernels import cameras, shading
from armillary.rules import Holds
from armillary.std.branches import (
    AlbedoOut,
    CanonicalDepth,
    Explained,
    LightOut,
    PictureDepth,
    PoseOut,
    exact,
    reprojected,
    shaded,
)
from armillary_unsup3d.heads import DepthOut, FeatureSigma, Sigmas

_PAPER = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130"
_YML = "elliottwu/unsup3d, experiments/train_celeba.yml"
_MODEL = "elliottwu/unsup3d, unsup3d/model.py"


class Look(TypedDict):
    """Output of the renderer."""

    depth: PictureDepth
    visible: ports.Mask


class ExplainedTwice(Explained):
    """The same for the mirrored object, and what the networks themselves return."""

    reconstruction_flipped: ports.Image
    free_depth: CanonicalDepth
    confidence: NotRequired[ports.Confidence]
    confidence_flipped: NotRequired[ports.Confidence]
    feature_confidence: NotRequired[FeatureSigma]
    feature_confidence_flipped: NotRequired[FeatureSigma]


class Unsup3d(Method, name="unsup3d", source=f"{_PAPER}, Section 3"):
    """One picture into depth, albedo, light, view and confidence, by explaining it twice: as it is and mirrored."""

    limits = (
        "One depth map a picture: what the canonical view does not see has no surface.",
        "Absolute depth and size are not observable; depth lies in the range of the recipe.",
        "The pictures must show the object from varied sides, roughly symmetric and roughly matt.",
    )

    fov: float = param(
        math.radians(10.0),
        unit="radian",
        source=_YML,
        help="horizontal, between corner pixels' centres",
        validator=gt(0),
    )
    border_depth: float = param(
        1.04,
        unit="scene",
        source=f"{_MODEL}: 0.7 max + 0.3 min; 1.08 in train_syncar.yml",
        help="depth of the border columns of the canonical view",
        validator=gt(0),
    )
    border_columns: int = param(
        2, unit="pixel", source=_MODEL, help="columns set to the border depth, left and right", validator=ge(0)
    )
    rendered_min: float = param(
        0.8, unit="scene", source=f"{_MODEL}: least depth - margin 0.1", help="nearest rendered depth", validator=gt(0)
    )
    rendered_max: float = param(
        1.2,
        unit="scene",
        source=f"{_MODEL}: largest depth + margin 0.1",
        help="farthest rendered depth, and depth where nothing is seen",
        validator=and_(gt(0), Holds("rendered_min < rendered_max")),
    )
    albedo_flip: bool = param(True, source="Table 2 has it off", help="render the mirrored albedo as well")
    depth_flip: bool = param(True, source="Table 2 has it off", help="render the mirrored depth as well")

    @slot("branch")
    def depth(self, image: ports.Image) -> DepthOut: ...
    @slot("branch")
    def albedo(self, image: ports.Image) -> AlbedoOut: ...
    @slot("branch")
    def view(self, image: ports.Image) -> PoseOut: ...
    @slot("branch", optional=True)
    def light(self, image: ports.Image) -> LightOut: ...
    @slot("branch", optional=True)
    def confidence(self, image: ports.Image) -> Sigmas: ...
    @slot("renderer")
    def renderer(self, canonical_depth: CanonicalDepth, pose: ports.Pose, camera: ports.Camera) -> Look: ...

    def forward(self, image: ports.Image) -> ExplainedTwice:
        """Return everything that explains the picture."""
        found: dict[str, Any] = {
            "image": image,
            "free_depth": self.depth(image=image)["depth"],
            "albedo": self.albedo(image=image)["albedo"],
            "pose": self.view(image=image)["pose"],
        }
        found |= {} if self.light is None else self.light(image=image)
        sigmas = None if self.confidence is None else self.confidence(image=image)
        with torch.autocast(image.device.type, enabled=False):
            outputs = self._explain(**exact(found))
            return outputs if sigmas is None else {**outputs, **exact(sigmas)}

    def _explain(
        self,
        *,
        image: Float[Tensor, "batch 3 height width"],
        free_depth: Float[Tensor, "batch 1 height width"],
        albedo: Float[Tensor, "batch 3 height width"],
        pose: Float[Tensor, "batch 3 4"],
        light: Float[Tensor, "batch 5"] | None = None,
    ) -> ExplainedTwice:
        items, _, height, width = image.shape
        camera = cameras.intrinsics(
            self.fov, height=height, width=width, focal="corners", dtype=image.dtype, device=image.device
        ).expand(items, 3, 3)
        canonical_depth = set_border(free_depth, self.border_depth, columns=self.border_columns)

        # Lighting: the picture as seen from the canonical view, and its mirror image
        depths = with_mirror(canonical_depth, mirror=self.depth_flip)
        albedos = with_mirror(albedo, mirror=self.albedo_flip)
        normals = shading.normals_from_depth(depths, twice(camera), flat_border=True)
        canonical_images, shades = shaded(albedos, normals, None if light is None else twice(light))

        # Reprojection: look up each pixel of the picture where the turned object's surface comes from
        look = self.renderer(canonical_depth=depths, pose=twice(pose), camera=twice(camera))
        rendered = torch.where(look["visible"], look["depth"], self.rendered_max)
        rendered = rendered.clamp(self.rendered_min, self.rendered_max)
        seen = rendered < self.rendered_max
        visible = (seen[:items] & seen[items:]).detach()
        reconstructions = reprojected(
            canonical_images, depth=rendered, pose=twice(pose), camera=twice(camera), visible=twice(visible)
        )

        outputs: ExplainedTwice = {
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
        }
        if light is not None and shades is not None:
            outputs["light"], outputs["shading"] = light, shades[:items]
        return outputs


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
