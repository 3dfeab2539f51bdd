r"""Features of a shape without a network: functions of the ray length, point by point. What learnt features must beat.

.. math:: \rho, \quad \rho^2, \quad \sqrt\rho, \quad \sigma\big(20\, (\rho - t)\big),\; t \in \{0.2, 0.4, 0.6, 0.8\}

of a ray length :math:`\rho` in the units of the object's radius, each cut to the degrees that its map can carry. Ours; not in
the paper.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.interfaces.network import Encoder
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary.ports import Shape
from armillary_spherical.image_networks import square_side

if TYPE_CHECKING:
    from armillary_spherical.network_config import PointwiseConfig

_THRESHOLDS = (0.2, 0.4, 0.6, 0.8)  # shares of the radius
_STEEPNESS = 20.0


class Pointwise(Encoder):
    """Seven functions of the ray length, on a coarser grid. Nothing is learnt.

    Args:
        size: samples of the input in colatitude, and as many in azimuth.
        feature_size: of the map.

    Raises:
        ValueError: the map is finer than the input.
    """

    def __init__(self, size: int, *, feature_size: int) -> None:
        super().__init__()
        if feature_size > size:
            raise ValueError(f"pointwise: a map of {feature_size} x {feature_size} from signals of {size} x {size}")
        self.grid, self.grid_out = soft(size // 2), soft(feature_size // 2)

    @classmethod
    def build(cls, config: "PointwiseConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the features of the signals that the recipe feeds, of which the first channel is the ray length."""
        del outputs
        return cls(square_side(inputs["sphere"], what="pointwise"), feature_size=config.feature_size)

    def forward(self, sphere: Float[Tensor, "batch channel colatitude azimuth"]) -> dict[str, Tensor]:
        """Return ``features``, which turn with the shape, and ``class_features``, their means, which do not."""
        length = sphere[:, :1].to(torch.promote_types(sphere.dtype, torch.float32)).clamp_min(0)
        steps = [torch.sigmoid(_STEEPNESS * (length - threshold)) for threshold in _THRESHOLDS]
        met = length > 0  # the slope of the root is infinite where a ray meets nothing
        root = length.where(met, 1.0).sqrt().where(met, 0.0)
        maps = torch.cat((length, length.square(), root, *steps), dim=1)
        low = coefficients_from_signal(maps, grid=self.grid, bandwidth=self.grid_out.bandwidth)
        features = signal_from_coefficients(low, grid=self.grid_out)
        return {"features": features, "class_features": area_mean(features, grid=self.grid_out)}
