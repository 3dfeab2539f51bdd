"""Renderers that more than one method uses."""

from typing import Annotated, TypedDict

from armillary import ports
from armillary.interfaces.network import Renderer
from armillary.kernels.depth_mesh import render_depth

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
