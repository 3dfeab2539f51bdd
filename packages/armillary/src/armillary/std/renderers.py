"""Renderers that more than one method uses."""

from collections.abc import Mapping
from typing import Self

from torch import Tensor

from armillary.config import NoConfig
from armillary.interfaces.network import Renderer
from armillary.kernels.depth_mesh import render_depth
from armillary.ports import Shape


class DepthMesh(Renderer):
    """Depth of a canonical depth map seen from another viewpoint, by :mod:`armillary.kernels.depth_mesh`."""

    @classmethod
    def build(cls, config: NoConfig, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the renderer; it takes any size."""
        del config, inputs, outputs
        return cls()

    def forward(self, *, canonical_depth: Tensor, pose: Tensor, camera: Tensor) -> dict[str, Tensor]:
        """Return ``depth`` in the picture's frame and ``visible``; depth is 0 where nothing is seen."""
        depth, visible = render_depth(canonical_depth, pose, camera)
        return {"depth": depth, "visible": visible}
