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
from typing import Annotated, Any, NotRequired, TypedDict

import torch
from attrs.validators import and_, ge, gt, le, optional
from jaxtyping import Float, Shaped
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.method import Method, slot
from armillary.kernels import cameras, shading
from armillary.ports import Of, With
from armillary.seeds import per_item
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

    reconstruction_flipped: NotRequired[Annotated[ports.Image, With("settings.both_mirrors")]]
    wide_depth: WideDepth
    free_depth: CanonicalDepth


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
    both_mirrors: bool = param(
        False,
        source="ours; False is the published run, True is how the authors' later code has it",
        help=(
            "explain each picture by the object as it is (reconstruction) and mirrored (reconstruction_flipped), in place of one "
            "of them by chance: the same expectation with less noise, for one more rendering"
        ),
    )
    beyond: float = param(
        0.0,
        unit="image",
        source="ours: the paper names no colour; 0.5 is the authors' later code",
        help="colour beyond the frame of the canonical image",
        validator=and_(ge(0), le(1)),
    )
    border_depth: float | None = param(
        None,
        unit="scene",
        source="ours; not given is the published run, 0.7 largest + 0.3 least depth the authors' later code",
        help=(
            "depth of the outermost columns of the canonical view, two left and two right, and of all beside them: a rim behind the "
            "object, without which its relief and its turns trade against each other"
        ),
        validator=optional(gt(0)),
    )

    @slot("branch")
    def depth(self, image: ports.Image) -> WideOut: ...
    @slot("branch")
    def albedo(self, image: ports.Image) -> AlbedoOut: ...
    @slot("branch")
    def view(self, image: ports.Image) -> PoseOut: ...
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
            "pose": self.view(image=image)["pose"],
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
        pose: Float[Tensor, "batch 3 4"],
        light: Float[Tensor, "batch 5"] | None = None,
    ) -> ExplainedByWideDepth:
        items, times = image.shape[0], 2 if self.both_mirrors else 1
        camera, wide_camera = (again(self._camera(image, scale=scale), times) for scale in (1, 2))
        bordered = wide_depth if self.border_depth is None else with_border(wide_depth, self.border_depth)

        # Symmetry: the same object mirrored, for the items that were drawn, or once more for all
        lot = self._lot(items, image.device)
        depth = mirrored(again(bordered, times), lot & self.depth_symmetry)
        paint = mirrored(again(albedo, times), lot & self.albedo_symmetry)

        # Lighting: the picture as seen from the canonical view
        normals = middle(shading.normals_from_depth(depth, wide_camera))
        canonical_image, shade = shaded(paint, normals, None if light is None else again(light, times))

        # Reprojection: look up each pixel of the picture where the turned object's surface comes from
        poses = again(pose, times)
        look = self.renderer(canonical_depth=depth, pose=poses, camera=wide_camera)
        rendered, seen = middle(look["depth"]), middle(look["visible"])
        visible = seen.detach()  # beyond the canonical image too: else it may pay to move out of it
        if self.both_mirrors:
            visible = again(visible[:items] & visible[items:], times)
        reconstruction = reprojected(
            canonical_image, depth=rendered, pose=poses, camera=camera, visible=visible, beyond=self.beyond
        )

        seen, rendered = seen[:items], rendered[:items]
        outputs: ExplainedByWideDepth = {
            "reconstruction": reconstruction[:items],
            "visible": visible[:items],
            "depth": torch.where(seen, rendered, rendered.amax(dim=(-2, -1), keepdim=True)),
            "depth_mask": seen,
            "wide_depth": wide_depth,
            "free_depth": middle(wide_depth),
            "canonical_depth": middle(bordered),
            "albedo": albedo,
            "canonical_image": canonical_image[:items],
            "canonical_normals": normals[:items],
            "pose": pose,
            "canonical_camera": camera[:items],
        }
        if self.both_mirrors:
            outputs["reconstruction_flipped"] = reconstruction[items:]
        if light is not None and shade is not None:
            outputs["light"], outputs["shading"] = light, shade[:items]
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
        """Return which items are mirrored: half of them by chance in training, otherwise none, or all of a second round."""
        if self.both_mirrors:
            return torch.arange(2 * items, device=device) >= items
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


def with_border(
    wide: Float[Tensor, "batch 1 height*2 width*2"], border_depth: float, *, columns: int = 2
) -> Float[Tensor, "batch 1 height*2 width*2"]:
    """Return the map with ``border_depth`` at the sides: beside its middle, and in the middle's outermost columns.

    Source: elliottwu/unsup3d, unsup3d/model.py, which has no map beyond the frame: the sides only, neither top nor bottom.
    """
    side = wide.shape[-1] // 4 + columns
    rim = wide.new_full((*wide.shape[:-1], side), border_depth)
    return torch.cat((rim, wide[..., side:-side], rim), dim=-1)


def again(items: Tensor, times: int) -> Tensor:
    """Return the items, ``times`` times one after the other."""
    return items if times == 1 else torch.cat([items] * times)
