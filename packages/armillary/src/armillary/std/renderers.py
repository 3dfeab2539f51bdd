"""Renderers that more than one method uses."""

from typing import Annotated, TypedDict

from attrs.validators import ge, gt

from armillary import ports
from armillary.config import param
from armillary.interfaces.network import Renderer
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.depth_splat import splat_depth

CanonicalDepth = Annotated[ports.Depth, ports.Of(frame="canonical")]


class Look(TypedDict):
    """A canonical depth map seen from another viewpoint."""

    depth: Annotated[ports.Depth, ports.Of(frame="image")]
    visible: Annotated[ports.Mask, ports.Of(frame="image")]


class DepthMesh(
    Renderer,
    name="depth-mesh",
    source="Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130, Section 3.3 (there: Kato et al. 2018)",
):
    """Depth of a canonical depth map seen from another viewpoint."""

    def forward(self, canonical_depth: CanonicalDepth, pose: ports.Pose, camera: ports.Camera) -> Look:
        """Return ``depth`` in the picture's frame and ``visible``; depth is 0 where nothing is seen."""
        depth, visible = render_depth(canonical_depth, pose, camera)
        return {"depth": depth, "visible": visible}


class DepthSplat(Renderer, name="depth-splat", source="ours, after Niklaus and Liu 2020, arXiv:2003.05534, Eq. 7 to 9"):
    """Depth of a canonical depth map seen from another viewpoint, by points that are spread over pixels in place of a mesh."""

    softness: float = param(
        0.005,
        unit="scene",
        source="ours: a fortieth of the depth range of unsup3d",
        help="difference of depth at which the nearer of two points in a pixel counts e times as much",
        validator=gt(0),
    )
    samples: int = param(
        2,
        source="ours: with 1 a surface that comes nearer has holes",
        help="points per pixel and axis",
        validator=ge(1),
    )

    def forward(self, canonical_depth: CanonicalDepth, pose: ports.Pose, camera: ports.Camera) -> Look:
        """Return ``depth`` in the picture's frame and ``visible``; depth is 0 where nothing is seen."""
        depth, visible = splat_depth(canonical_depth, pose, camera, softness=self.softness, samples=self.samples)
        return {"depth": depth, "visible": visible}
