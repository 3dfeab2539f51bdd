r"""Features of a shape without a network: functions of the ray length, point by point: a baseline for learnt features.

.. math:: \rho, \quad \rho^2, \quad \sqrt\rho, \quad \sigma\big(20\, (\rho - t)\big),\; t \in \{0.2, 0.4, 0.6, 0.8\}

of a ray length :math:`\rho` in the units of the object's radius, each cut to the degrees that its map can carry. Ours; not in
the paper.
"""

from typing import Annotated, TypedDict

import torch
from attrs.validators import gt

from armillary import ports
from armillary.config import param
from armillary.interfaces import Encoder, from_shape
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary.ports import square_side
from armillary_spherical.vocabulary import SHORT, Signal

_THRESHOLDS = (0.2, 0.4, 0.6, 0.8)  # shares of the radius
_STEEPNESS = 20.0


class Functions(TypedDict):
    """Output of :class:`Pointwise`."""

    features: Annotated[ports.SphereSignal, "batch 7 $feature_size $feature_size"]
    class_features: Annotated[ports.FeatureVector, "batch 7"]


class Pointwise(Encoder, name="pointwise", source="ours"):
    """Seven functions of the ray length on a coarser grid, nothing learnt: a baseline for the networks.

    Raises:
        ValueError: the map is finer than the input.
    """

    symmetry = "o3"
    feature_size: int = param(
        16,
        unit="sample",
        source=f"{SHORT}, Section 3.2.3: 16 x 16 from the cell of 22.5 degrees",
        help="side of the map; its degrees lie below half of that",
        validator=gt(0),
    )
    size: int = from_shape("sphere", square_side)

    def setup(self) -> None:
        size, coarse = self.size, self.feature_size
        if coarse > size:
            raise ValueError(f"pointwise: a map of {coarse} x {coarse} from signals of {size} x {size}")
        self.grid, self.grid_out = soft(size // 2), soft(coarse // 2)

    def forward(self, sphere: Signal) -> Functions:
        """Return ``features``, which turn with the shape, and ``class_features``, their means, which do not.

        Args:
            sphere: its first channel is the ray length.
        """
        length = sphere[:, :1].to(torch.promote_types(sphere.dtype, torch.float32)).clamp_min(0)
        steps = [torch.sigmoid(_STEEPNESS * (length - threshold)) for threshold in _THRESHOLDS]
        met = length > 0  # the slope of the root is infinite where a ray meets nothing
        root = length.where(met, 1.0).sqrt().where(met, 0.0)
        maps = torch.cat((length, length.square(), root, *steps), dim=1)
        low = coefficients_from_signal(maps, grid=self.grid, bandwidth=self.grid_out.bandwidth)
        features = signal_from_coefficients(low, grid=self.grid_out)
        return {"features": features, "class_features": area_mean(features, grid=self.grid_out)}
