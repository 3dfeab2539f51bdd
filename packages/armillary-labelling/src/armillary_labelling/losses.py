"""Losses over pairs of label maps, by the probability that a point of the target is a point of the source.

.. math:: p(v|u) = \\frac{\\exp\\langle\\Phi_u(x), \\Phi_v(x')\\rangle}{\\sum_z \\exp\\langle\\Phi_u(x), \\Phi_z(x')\\rangle}

A cell (i, j) of a label map of stride s lies at pixel (s i, s j) of its picture. Losses are means over the valid cells u
of the source, pooled over the batch; g u is the position of the pixel of u in the target, by the grid. Distances are in
pixels of the pictures.

Source: Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.2; authors' code jamt9000/DVE, model/loss.py.
"""

from typing import NamedTuple

from attrs.validators import gt
from jaxtyping import Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Loss
from armillary.std.label_maps import lattice
from armillary_labelling.kernels import matching

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_CODE = "jamt9000/DVE, model/loss.py"

GAMMA = param(
    0.5,
    source=f"{_PAPER}, Section 4.3, Table 3: 0.5 (robust) or 1; {_CODE}: pow=0.5",
    validator=gt(0),
    help="power of the distance; below 1 far matches count less",
)


class Cells(NamedTuple):
    """A pair of label maps as lists of cells.

    Args:
        source: labels of the source.
        target: labels of the target.
        matches: position of each cell of the source in the target, in pixels.
        positions: of each cell of the target, in pixels.
        weights: 1 where a cell of the source counts, else 0.
    """

    source: Float[Tensor, "batch channel cells"]
    target: Float[Tensor, "batch channel cells"]
    matches: Float[Tensor, "batch cells 2"]
    positions: Float[Tensor, "cells 2"]
    weights: Float[Tensor, "batch cells"]


def cells(
    source_labels: ports.LabelMap, target_labels: ports.LabelMap, *, grid: ports.Grid, valid: ports.Mask
) -> Cells:
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
        positions=lattice(
            rows, columns, stride=stride, height=height, width=width, dtype=exact, device=source_labels.device
        ),
        weights=counts.to(exact),
    )


class Distance(
    Loss,
    name="distance",
    source=f"{_PAPER}, Eq. 5",
    summary="expected distance of the match from the truth, to a power",
):
    r"""Expected distance of the match from the truth.

    .. math:: L = \sum_u \sum_v \|v - gu\|_2^\gamma\, p(v|u)

    Source: Eq. 5.
    """

    gamma: float = GAMMA

    def forward(
        self, source_labels: ports.LabelMap, target_labels: ports.LabelMap, grid: ports.Grid, valid: ports.Mask
    ) -> ports.Pooled:
        """Return the sum over valid cells in pixels to the power of gamma, and their number, per item."""
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


class Log(
    Loss,
    name="log",
    source=f"{_PAPER}, Eq. 4",
    summary="negative log-likelihood of the true match",
):
    r"""Negative log-likelihood of the true match.

    .. math:: L = -\sum_u \log p(gu|u)

    The logit at gu, which lies between cells, is interpolated; a gu outside the cells counts as the nearest point of their
    border.

    Source: Eq. 4. Deviates: the paper's formula is lost with its page; name and behaviour are kept, natural logarithm, and
    the interpolation is ours.
    """

    def forward(
        self, source_labels: ports.LabelMap, target_labels: ports.LabelMap, grid: ports.Grid, valid: ports.Mask
    ) -> ports.Pooled:
        """Return the sum over valid cells in nats, and their number, per item."""
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


class Margin(
    Loss,
    name="margin",
    source=f"{_PAPER}, footnote 2",
    summary="how far the best wrong match, raised by a margin, lies above the true one",
):
    r"""Excess of the best wrong match, raised by a margin that grows with its distance, over the true one.

    .. math:: L = \sum_u \max\Big\{0, \max_v \Delta(u, v) + \langle\Phi_u(x), \Phi_v(x')\rangle
              - \langle\Phi_u(x), \Phi_{gu}(x')\rangle\Big\}, \quad \Delta(u, v) = s \|v - gu\|_2^\gamma

    Source: footnote 2, which leaves the margin open; its form is ours.
    """

    scale: float = param(
        1.0,
        source="ours: the paper leaves the margin open",
        validator=gt(0),
        help="margin of a match that is one pixel off, in units of the labels' inner product",
    )
    gamma: float = param(0.5, source="ours: as the distance loss", validator=gt(0), help="power of the distance")

    def forward(
        self, source_labels: ports.LabelMap, target_labels: ports.LabelMap, grid: ports.Grid, valid: ports.Mask
    ) -> ports.Pooled:
        """Return the sum over valid cells, and their number, per item."""
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


class Exchange(
    Loss,
    name="exchange",
    source=f"Thewlis, Albanie, Bilen, Vedaldi 2019, arXiv:1908.06427; {_CODE}",
    summary="the distance loss with labels said through those of the next picture",
):
    r"""Distance loss with the source's labels exchanged for mixtures of another picture's.

    .. math:: \hat\Phi_u(x) = \sum_w p(w|u; x, x_a)\, \Phi_w(x_a)

    So a label is of use only where other objects of the kind have it too. The auxiliary picture x_a is the source of the next
    pair of the batch, after the last one the first; a batch of one pair is its own next.

    Source: Thewlis, Albanie, Bilen and Vedaldi 2019, arXiv:1908.06427; model/loss.py, dense_correlation_loss_dve.
    """

    gamma: float = GAMMA

    def forward(
        self, source_labels: ports.LabelMap, target_labels: ports.LabelMap, grid: ports.Grid, valid: ports.Mask
    ) -> ports.PerBatch:
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
