"""Losses over pairs of label maps, by the probability that a point of the target is a point of the source.

.. math:: p(v|u) = \\frac{\\exp\\langle\\Phi_u(x), \\Phi_v(x')\\rangle}{\\sum_z \\exp\\langle\\Phi_u(x), \\Phi_z(x')\\rangle}

A cell (i, j) of a label map of stride s stands at pixel (s i, s j) of its picture. Losses are means over the valid cells u
of the source, pooled over the batch; g u is where the grid says that the pixel of u lies in the target. Distances are in
pixels of the pictures.

Source: Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.2; authors' code jamt9000/DVE, model/loss.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces.loss import Loss
from armillary.ports import Shape
from armillary_labelling.kernels import matching

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_labelling.config import DistanceConfig, ExchangeConfig, MarginConfig

Labels = Float[Tensor, "batch channel rows columns"]
Grid = Float[Tensor, "batch height width 2"]
Valid = Bool[Tensor, "batch 1 height width"]
Pooled = tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]
Shapes = Mapping[str, Shape]
Assets = Mapping[str, Path]


class Cells(NamedTuple):
    """A pair of label maps as lists of cells.

    Args:
        source: labels of the source.
        target: labels of the target.
        matches: where each cell of the source lies in the target, in pixels.
        positions: where each cell of the target stands, in pixels.
        weights: 1 where a cell of the source counts, else 0.
    """

    source: Float[Tensor, "batch channel cells"]
    target: Float[Tensor, "batch channel cells"]
    matches: Float[Tensor, "batch cells 2"]
    positions: Float[Tensor, "cells 2"]
    weights: Float[Tensor, "batch cells"]


def cells(source_labels: Labels, target_labels: Labels, *, grid: Grid, valid: Valid) -> Cells:
    """Return labels, matches and weights by cell.

    Raises:
        ValueError: the two label maps differ in shape, the grid is not of the pictures' size, or the pictures' size is not a
            whole multiple of the labels'.
    """
    items, _, rows, columns = source_labels.shape
    height, width = grid.shape[1:3]
    stride = height // rows
    fits = stride > 0 and (height, width) == (stride * rows, stride * columns)
    if source_labels.shape != target_labels.shape or valid.shape != (items, 1, height, width) or not fits:
        raise ValueError(
            f"labels of source {tuple(source_labels.shape)} and target {tuple(target_labels.shape)} must agree, and grid "
            f"{tuple(grid.shape)} and valid {tuple(valid.shape)} must be a whole multiple of them"
        )
    exact = source_labels.dtype
    counts = valid[:, 0, ::stride, ::stride].flatten(1)
    matches = matching.subsample_grid(grid.to(exact), stride=stride)
    return Cells(
        source=source_labels.flatten(2),
        target=target_labels.flatten(2),
        matches=matches.where(counts[..., None], 0.0),  # where nothing is valid the grid may be nan
        positions=matching.lattice(
            rows, columns, stride=stride, height=height, width=width, dtype=exact, device=source_labels.device
        ),
        weights=counts.to(exact),
    )


class Distance(Loss):
    r"""Expected distance of the match from the truth.

    .. math:: L = \sum_u \sum_v \|v - gu\|_2^\gamma\, p(v|u)

    Args:
        gamma: :math:`\gamma`.

    Source: Eq. 5.
    """

    def __init__(self, *, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    @classmethod
    def build(cls, config: "DistanceConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(gamma=config.gamma)

    def forward(self, source_labels: Labels, target_labels: Labels, grid: Grid, valid: Valid) -> Pooled:
        """Return the sum over valid cells in pixels to the power of gamma, and their number, for each item."""
        pair = cells(source_labels, target_labels, grid=grid, valid=valid)
        total = matching.expected_distance(
            pair.source,
            pair.target,
            matches=pair.matches,
            positions=pair.positions,
            weights=pair.weights,
            exponent=self.gamma,
            columns=target_labels.shape[-1],
        )
        return total, pair.weights.sum(1)


class Log(Loss):
    r"""Negative log-likelihood of the true match.

    .. math:: L = -\sum_u \log p(gu|u)

    The logit at gu, which lies between cells, is interpolated; a gu outside the cells counts as the nearest point of their
    border.

    Source: Eq. 4. Deviates: the paper's formula is lost with its page; name and behaviour are kept, natural logarithm, and
    the interpolation is ours.
    """

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(self, source_labels: Labels, target_labels: Labels, grid: Grid, valid: Valid) -> Pooled:
        """Return the sum over valid cells in nats, and their number, for each item."""
        pair = cells(source_labels, target_labels, grid=grid, valid=valid)
        rows, columns = target_labels.shape[-2:]
        total = matching.match_log_likelihood(
            pair.source,
            pair.target,
            matches=pair.matches,
            positions=pair.positions,
            weights=pair.weights,
            rows=rows,
            columns=columns,
        )
        return total, pair.weights.sum(1)


class Margin(Loss):
    r"""How far a wrong match, raised by a margin that grows with its distance, lies above the true one.

    .. math:: L = \sum_u \max\Big\{0, \max_v \Delta(u, v) + \langle\Phi_u(x), \Phi_v(x')\rangle
              - \langle\Phi_u(x), \Phi_{gu}(x')\rangle\Big\}, \quad \Delta(u, v) = s \|v - gu\|_2^\gamma

    Args:
        scale: :math:`s`.
        gamma: :math:`\gamma`.

    Source: footnote 2, which leaves the margin open; its form is ours.
    """

    def __init__(self, *, scale: float, gamma: float) -> None:
        super().__init__()
        self.scale = scale
        self.gamma = gamma

    @classmethod
    def build(cls, config: "MarginConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(scale=config.scale, gamma=config.gamma)

    def forward(self, source_labels: Labels, target_labels: Labels, grid: Grid, valid: Valid) -> Pooled:
        """Return the sum over valid cells, and their number, for each item."""
        pair = cells(source_labels, target_labels, grid=grid, valid=valid)
        rows, columns = target_labels.shape[-2:]
        total = matching.matching_margin(
            pair.source,
            pair.target,
            matches=pair.matches,
            positions=pair.positions,
            weights=pair.weights,
            rows=rows,
            columns=columns,
            scale=self.scale,
            exponent=self.gamma,
        )
        return total, pair.weights.sum(1)


class Exchange(Loss):
    r"""The distance loss with the source's labels said through those of another picture.

    .. math:: \hat\Phi_u(x) = \sum_w p(w|u; x, x_a)\, \Phi_w(x_a)

    So a label is of use only where other objects of the kind have it too. The auxiliary picture x_a is the source of the next
    pair of the batch, after the last one the first; a batch of one pair is its own next.

    Args:
        gamma: of the distance.

    Source: Thewlis, Albanie, Bilen and Vedaldi 2019, arXiv:1908.06427; model/loss.py, dense_correlation_loss_dve.
    """

    def __init__(self, *, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    @classmethod
    def build(cls, config: "ExchangeConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(gamma=config.gamma)

    def forward(self, source_labels: Labels, target_labels: Labels, grid: Grid, valid: Valid) -> Float[Tensor, ""]:
        """Return the mean over the valid cells of the batch, in pixels to the power of gamma; 0 where there is none."""
        pair = cells(source_labels, target_labels, grid=grid, valid=valid)
        total = matching.expected_distance(
            matching.exchanged(pair.source, pair.source.roll(-1, dims=0)),
            pair.target,
            matches=pair.matches,
            positions=pair.positions,
            weights=pair.weights,
            exponent=self.gamma,
            columns=target_labels.shape[-1],
        )
        return total.sum() / pair.weights.sum().clamp_min(1)
