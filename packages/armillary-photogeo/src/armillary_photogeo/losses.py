"""Regularisers and supervised losses of Wu, Rupprecht and Vedaldi 2019, arXiv:1906.01568, Section 3.3 and Table 1.

The image losses are the core's (``std:photometric-l1``, ``std:perceptual-l2``).
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.loss import Loss
from armillary.std.branches import CanonicalDepth, PictureDepth
from armillary.std.photometric import pool
from armillary_photogeo.heads import Viewpoint

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"


def mean_viewpoint(viewpoint: Float[Tensor, "batch 6"]) -> Float[Tensor, ""]:
    r"""Return the squared length of the mean viewpoint, :math:`\mathcal R_{vp} = \|\frac 1 B \sum_i w^{(i)}\|_2^2`.

    Args:
        viewpoint: :math:`w`: rotation vectors in radians and translations in scene units.

    Source: Section 3.3.
    """
    return viewpoint.mean(dim=0).square().sum()


def depth_variance(depth: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, ""]:
    r"""Return the squared distance of the depth maps of a batch from each other, a mean over pairs.

    .. math:: \frac 1 B \sum_i \frac{2}{B - 1} \sum_{j > i} \|d^{(i)} - d^{(j)}\|_F^2
              = \frac{2}{B - 1} \sum_i \|d^{(i)} - \bar d\|_F^2

    Returns:
        The right side, which is linear in B, in squared scene units, summed over pixels; 0 for one item.

    Source: Eq. 6 without its weight.
    """
    items = depth.shape[0]
    spread = (depth - depth.mean(dim=0)).square().sum()
    return 2 * spread / max(items - 1, 1)


def supervised(
    depth: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    mask: Bool[Tensor, "batch 1 height width"] | None,
    *,
    power: Callable[[Tensor], Tensor],
) -> ports.Pooled:
    """Return the sum of ``power`` of the depth's error over pixels with a known truth, and their number, per item.

    Args:
        depth: what was found, in scene units.
        truth: what is right.
        mask: pixels with a known truth; by default those of a finite depth above 0.
        power: of an error.

    Raises:
        ValueError: a shape differs where broadcasting would hide it.
    """
    valid = torch.isfinite(truth) & (truth > 0) if mask is None else mask.bool()
    if not depth.shape == truth.shape == valid.shape:
        raise ValueError(
            f"depth {tuple(depth.shape)}, its truth {tuple(truth.shape)} and the mask {tuple(valid.shape)} must agree"
        )
    return pool(power(torch.where(valid, depth - truth, 0.0)), valid)


class MeanViewpoint(Loss, name="mean-viewpoint", source=f"{_PAPER}, Section 3.3"):
    """Squared length of the batch's mean viewpoint."""

    def forward(self, viewpoint: Viewpoint) -> ports.PerBatch:
        """Return one value per batch."""
        return mean_viewpoint(viewpoint)


class DepthVariance(Loss, name="depth-variance", source=f"{_PAPER}, Section 3.3 and Eq. 6, in closed form"):
    """Squared distance of the batch's canonical depth maps from each other."""

    pixels: Literal["sum", "mean"] = param(
        "sum",
        source=f"{_PAPER}, Section 3.3: a squared Frobenius norm",
        help="over the map; the paper divides the perceptual error by its size, and this one not",
    )

    def forward(self, depth: CanonicalDepth) -> ports.PerBatch:
        """Return one value per batch."""
        value = depth_variance(depth)
        return value if self.pixels == "sum" else value / depth[0].numel()


class DepthL1(Loss, name="depth-l1", source=f"{_PAPER}, Table 1, row 1"):
    """Absolute error of the depth, where the truth is known."""

    def forward(
        self, depth: PictureDepth, true_depth: PictureDepth, true_mask: ports.Mask | None = None
    ) -> ports.Pooled:
        """Return sum and count per item."""
        return supervised(depth, true_depth, true_mask, power=torch.abs)


class DepthL2(Loss, name="depth-l2", source=f"{_PAPER}, Table 1, row 2"):
    """Squared error of the depth, where the truth is known."""

    def forward(
        self, depth: PictureDepth, true_depth: PictureDepth, true_mask: ports.Mask | None = None
    ) -> ports.Pooled:
        """Return sum and count per item."""
        return supervised(depth, true_depth, true_mask, power=torch.square)
