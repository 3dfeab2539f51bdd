"""Parts of a picture's explanation by geometry and appearance: what several methods take apart and put together again.

The canonical view has the camera of the picture, x right, y down, z forward, in scene units. Images and albedo lie in [0, 1]; a
canonical image is not clamped, since shading may exceed 1.
"""

from typing import Annotated, Any, NotRequired, TypedDict, TypeVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from armillary import ports
from armillary.interfaces.network import Encoder, Head
from armillary.interfaces.part import from_shape
from armillary.kernels import depth_mesh, sampling, shading
from armillary.kernels.ranges import rescale
from armillary.ports import Of, With, axis_length, square_side

_MID_GREY = 0.5

R = TypeVar("R")

CanonicalDepth = Annotated[ports.Depth, Of(frame="canonical")]
CanonicalAlbedo = Annotated[ports.Albedo, Of(frame="canonical")]
CanonicalLight = Annotated[ports.Light, Of(frame="canonical")]
PictureDepth = Annotated[ports.Depth, Of(frame="image")]


class Encoded(TypedDict):
    """Output of an encoder whose setting ``features`` is the length of its vector."""

    feature: Annotated[ports.FeatureVector, "batch $features"]


class AlbedoOut(TypedDict):
    """Output of an albedo head."""

    albedo: CanonicalAlbedo


class LightOut(TypedDict):
    """Output of a light head."""

    light: CanonicalLight


class PoseOut(TypedDict):
    """Output of a pose head: x_camera = R x_object + t."""

    pose: ports.Pose


class Explained(TypedDict):
    """A picture and all that explains it; light and shading where there is a branch for light."""

    reconstruction: ports.Image
    visible: ports.Mask
    depth: PictureDepth
    depth_mask: ports.Mask
    canonical_depth: CanonicalDepth
    albedo: CanonicalAlbedo
    canonical_image: Annotated[ports.Image, Of(frame="canonical")]
    canonical_normals: Annotated[ports.Normals, Of(frame="canonical")]
    pose: ports.Pose
    canonical_camera: ports.Camera
    light: NotRequired[CanonicalLight]
    shading: NotRequired[Annotated[ports.Shading, Of(frame="canonical"), With("light.head")]]


class VectorEncoder(Encoder):
    """Base of encoders that are one row of layers from a square image to a vector."""

    side: int = from_shape("image", square_side)
    channels: int = from_shape("image", axis_length(1, of="channels"), default=3)
    layers: nn.Sequential

    def forward(self, image: ports.AnyImage) -> Encoded:
        """Return ``feature``. The image lies in [0, 1]; the first layer sees it in [-1, 1]."""
        return {"feature": self.layers(2 * image - 1).flatten(1)}


class AlbedoHead(Head):
    """Base of heads that decode a vector to the albedo of the canonical view."""

    features: int = from_shape("feature")
    side: int = from_shape("albedo", square_side)
    decoder: nn.Module

    def forward(self, feature: ports.FeatureVector) -> AlbedoOut:
        """Return ``albedo`` in [0, 1]."""
        return {"albedo": rescale(torch.tanh(self.decoder(feature)), 0.0, 1.0)}


class ViewHead(Head):
    """Base of heads that bound a rotation of three numbers and a translation.

    The settings are a child's own, with the defaults and sources of its paper. A ``depth_translation_range`` of None is
    ``translation_range``.
    """

    rotation_range: float
    translation_range: float
    depth_translation_range: Any
    features: int = from_shape("feature")
    last: nn.Linear

    def motion(self, feature: Tensor) -> Float[Tensor, "*batch 6"]:
        """Return three numbers of a rotation in radians, then a translation in scene units, each within its range."""
        along = self.translation_range if self.depth_translation_range is None else self.depth_translation_range
        raw = self.last(feature)
        return torch.tanh(raw) * raw.new_tensor([self.rotation_range] * 3 + [self.translation_range] * 2 + [along])


def exact(found: R) -> R:
    """Return a record of tensors in single precision at least: networks may run in half precision, geometry does not."""
    record = cast("dict[str, Tensor]", found)
    return cast(
        "R", {name: value.to(torch.promote_types(value.dtype, torch.float32)) for name, value in record.items()}
    )


def shaded(
    albedo: Float[Tensor, "batch 3 height width"],
    normals: Float[Tensor, "batch 3 height width"],
    light: Float[Tensor, "batch 5"] | None,
) -> tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch 1 height width"] | None]:
    """Return the canonical image and its shading; without light the albedo itself, and None."""
    if light is None:
        return albedo, None
    shade = shading.lambert(normals, light)
    return albedo * shade, shade


def reprojected(
    canonical_image: Float[Tensor, "batch 3 height width"],
    *,
    depth: Float[Tensor, "batch 1 height width"],
    pose: Float[Tensor, "batch 3 4"],
    camera: Float[Tensor, "batch 3 3"],
    visible: Bool[Tensor, "batch 1 height width"],
    beyond: float = 0.0,
) -> Float[Tensor, "batch 3 height width"]:
    """Return the picture: each pixel is looked up where its surface point lies in the canonical view; mid grey elsewhere.

    Args:
        canonical_image: what is looked up.
        depth: in the picture's frame, in scene units.
        pose: x_picture = R x_canonical + t.
        camera: of both views.
        visible: pixels with a surface.
        beyond: colour of the canonical view beyond its frame; 0 is black.
    """
    grid = depth_mesh.inverse_warp_grid(depth, pose, camera)
    colours = sampling.sample(canonical_image - beyond, grid) + beyond
    return torch.where(visible, colours, _MID_GREY)
