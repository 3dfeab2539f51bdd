"""Regularisers and supervised losses of Wu, Rupprecht and Vedaldi 2019, arXiv:1906.01568, Section 3.3 and Table 1.

The image losses are the core's (``std:photometric-l1``, ``std:perceptual-l2``).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces.loss import Loss
from armillary.ports import Shape
from armillary.std.photometric import Pooled, pool

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_photogeo.config import DepthVarianceConfig

Shapes = Mapping[str, Shape]
Assets = Mapping[str, Path]


def mean_viewpoint(viewpoint: Float[Tensor, "batch 6"]) -> Float[Tensor, ""]:
    r"""Squared length of the mean viewpoint, :math:`\mathcal R_{vp} = \|\frac 1 B \sum_i w^{(i)}\|_2^2`.

    Args:
        viewpoint: :math:`w`: rotation vectors in radians and translations in scene units.

    Source: Section 3.3.
    """
    return viewpoint.mean(dim=0).square().sum()


def depth_variance(depth: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, ""]:
    r"""Squared distance of the depth maps of a batch from each other, a mean over pairs.

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
    *,
    valid: Bool[Tensor, "batch 1 height width"],
    power: Callable[[Tensor], Tensor],
) -> Pooled:
    """Sum over valid pixels of ``power`` of the depth's error, and their number, an item.

    Raises:
        ValueError: a shape differs where broadcasting would hide it.
    """
    if not depth.shape == truth.shape == valid.shape:
        raise ValueError(
            f"depth {tuple(depth.shape)}, its truth {tuple(truth.shape)} and the mask {tuple(valid.shape)} must agree"
        )
    return pool(power(torch.where(valid, depth - truth, 0.0)), valid)


class MeanViewpoint(Loss):
    """The mean viewpoint of a batch, pulled to the canonical one."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(self, viewpoint: Float[Tensor, "batch 6"]) -> Float[Tensor, ""]:
        """Return one value for the batch."""
        return mean_viewpoint(viewpoint)


class DepthVariance(Loss):
    """Depth maps of a batch, pulled to each other.

    Args:
        pixels: ``sum`` over the map, as the paper writes it, or ``mean``.
    """

    def __init__(self, *, pixels: str) -> None:
        super().__init__()
        self.pixels = pixels

    @classmethod
    def build(cls, config: "DepthVarianceConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(pixels=config.pixels)

    def forward(self, depth: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, ""]:
        """Return one value for the batch."""
        value = depth_variance(depth)
        return value if self.pixels == "sum" else value / depth[0].numel()


class DepthL1(Loss):
    """Absolute error of the depth where the truth is known."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(self, depth: Tensor, true_depth: Tensor, true_mask: Tensor | None = None) -> Pooled:
        """Return sum and count for each item."""
        return supervised(depth, true_depth, valid=_known(true_depth, true_mask), power=torch.abs)


class DepthL2(Loss):
    """Squared error of the depth where the truth is known."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(self, depth: Tensor, true_depth: Tensor, true_mask: Tensor | None = None) -> Pooled:
        """Return sum and count for each item."""
        return supervised(depth, true_depth, valid=_known(true_depth, true_mask), power=torch.square)


def _known(truth: Tensor, mask: Tensor | None) -> Tensor:
    return torch.isfinite(truth) & (truth > 0) if mask is None else mask.bool()
