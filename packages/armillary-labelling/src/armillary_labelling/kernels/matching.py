r"""Matching of two label maps: every cell of the one against every cell of the other, in bounded memory.

Label maps are flat: batch, channel, cell, cells row by row. Cell (i, j) of a map of stride s is at pixel
(x, y) = (s j, s i) of its picture, not at the middle of the pixels that it covers; ``armillary.std.label_maps.lattice``
is that rule. A match
:math:`gu` is the position in the target picture of what the source shows at cell u, in pixels, between the cells as
well. The probability that it is found at cell v is

.. math:: p(v|u) = \frac{\exp \langle \Phi_u, \Phi'_v \rangle}{\sum_z \exp \langle \Phi_u, \Phi'_z \rangle},

by raw inner products of source labels :math:`\Phi` and target labels :math:`\Phi'`: a shorter label matches more
diffusely.

The table of all cells by all cells is worked through in blocks that stay in a processor's cache, and what a block adds
to the gradient is formed with its value: no more than a block of the table exists at any time, in the backward pass
neither. Gradients reach the labels; matches and weights get none. Rows of weight 0 may hold anything in source and
matches, nan included. Half precision is computed in float32. The ``naive_`` functions are the
references, by plain autograd on the whole table.

Source: Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, Section 3.2. The identification of cells with pixels is that of
the authors' later code (jamt9000/DVE, model/loss.py).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from armillary.kernels.sampling import grid_to_pixels

_ENTRIES_PER_BLOCK = {"cpu": 2**19, "cuda": 2**26}  # a processor's cache; a device's memory
_CHANNELS_OF_ATTENTION = 8  # fused attention wants a multiple of this many; zeros change nothing

_Distances = Callable[[slice, slice, Tensor], Tensor]


def subsample_grid(
    grid: Float[Tensor, "batch height width 2"], *, stride: int, size: tuple[int, int] | None = None
) -> Float[Tensor, "batch cells 2"]:
    """Return matches of the cells of the source's label map, in pixels of the target.

    Args:
        grid: for every source pixel its position in the target, in [-1, 1]; corners at corner pixels. Source and target
            have one size.
        stride: pixels per cell; the map has height // stride rows.
        size: height and width of the target, as those of the grid when None.

    Raises:
        ValueError: a shape differs from the annotation, or no cell fits.

    >>> from armillary.kernels.sampling import identity_grid
    >>> subsample_grid(identity_grid(2, 4)[None], stride=2).tolist()  # the identity: the cells themselves
    [[[0.0, 0.0], [2.0, 0.0]]]
    """
    if grid.ndim != 4 or grid.shape[-1] != 2 or not 1 <= stride <= min(grid.shape[1:3]):
        raise ValueError(f"grid must be [batch height width 2] and no smaller than {stride}, got {tuple(grid.shape)}")
    height, width = grid.shape[1:3]
    target_height, target_width = size if size is not None else (height, width)
    cells = grid[:, : height // stride * stride : stride, : width // stride * stride : stride]
    return grid_to_pixels(cells.flatten(1, 2), height=target_height, width=target_width)


def expected_distance(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    *,
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    weights: Float[Tensor, "batch cells"] | Bool[Tensor, "batch cells"],
    exponent: float,
    columns: int | None = None,
) -> Float[Tensor, " batch"]:
    r"""Return the expected distance between the cell that is found and the match.

    .. math:: \sum_u w_u \sum_v \lVert v - gu \rVert^\gamma\, p(v|u)

    Args:
        matches: :math:`gu`, pixels; outside of the target as well.
        positions: :math:`v` of the target's cells, pixels.
        weights: :math:`w_u`, or which cells count.
        exponent: :math:`\gamma` > 0.
        columns: of the lattice, where the positions are one, row by row: its squared distances are sums of a row's and
            a column's share, which saves time. None: detected on the CPU; on other devices, where reading
            values would synchronise, treated as no lattice.

    Returns:
        In pixels to the power of the exponent, >= 0.

    Raises:
        ValueError: shapes do not fit, dtypes differ, or the exponent is not positive.

    Source: Eq. 5; the paper's integral over the picture is left to the weights. Exponents 1 and 0.5 are the paper's.

    >>> equal, positions = torch.zeros(1, 3, 2), torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> cells = {"matches": positions[None], "positions": positions, "weights": torch.ones(1, 2)}
    >>> expected_distance(equal, equal, **cells, exponent=1.0).tolist()  # each cell: half the time 4 pixels away
    [4.0]
    """
    source, target, matches, weights = _prepared(source, target, matches, positions, weights)
    distances = _distances(matches, positions.to(source.dtype), exponent=exponent, columns=columns)
    form = torch.is_grad_enabled() and (source.requires_grad or target.requires_grad)
    return _Expectation.apply(source, target, weights, distances, form)


def match_log_likelihood(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    *,
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    weights: Float[Tensor, "batch cells"] | Bool[Tensor, "batch cells"],
    rows: int,
    columns: int,
) -> Float[Tensor, " batch"]:
    r"""Return the negative log-likelihood of the matches.

    .. math:: -\sum_u w_u \log p(gu|u)

    Args:
        matches: :math:`gu`, pixels. Between cells the target's label is interpolated bilinearly; outside of the lattice
            it is that of the nearest point on its border.
        positions: of the target's cells: an evenly spaced lattice, row by row.
        weights: :math:`w_u`, or which cells count.
        rows, columns: of the lattice.

    Returns:
        In nats, >= 0.

    Raises:
        ValueError: shapes do not fit or dtypes differ.

    Source: the probabilistic loss of Section 3.2, Eq. 4, whose formula is read as the likelihood of Eq. 3. The
    interpolation is ours: the paper does not say what gu is between pixels.

    >>> equal, positions = torch.zeros(1, 3, 2), torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> cells = {"matches": positions[None], "positions": positions, "weights": torch.ones(1, 2)}
    >>> nats = match_log_likelihood(equal, equal, **cells, rows=1, columns=2)  # two guesses between two cells: 2 ln 2
    >>> round(nats.item(), 4)
    1.3863
    """
    source, target, matches, weights = _prepared(source, target, matches, positions, weights)
    found = _labels_at(target, matches, positions.to(source.dtype), rows=rows, columns=columns)
    form = torch.is_grad_enabled() and (source.requires_grad or target.requires_grad)
    logits = (source * found).sum(1)
    return _LogPartition.apply(source, target, weights, form) - (weights * logits).sum(-1)


def matching_margin(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    *,
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    weights: Float[Tensor, "batch cells"] | Bool[Tensor, "batch cells"],
    rows: int,
    columns: int,
    scale: float,
    exponent: float,
) -> Float[Tensor, " batch"]:
    r"""Return the amount by which matches fail to beat all other cells by a margin that grows with their distance.

    .. math:: \sum_u w_u \max\{0, \max_v \Delta(u, v) + \langle \Phi_u, \Phi'_v \rangle
              - \langle \Phi_u, \Phi'_{gu} \rangle\}, \quad \Delta(u, v) = \text{scale}\, \lVert v - gu \rVert^\gamma

    Args:
        matches: :math:`gu`, pixels; the label there is read as in :func:`match_log_likelihood`.
        positions: of the target's cells: an evenly spaced lattice, row by row.
        weights: :math:`w_u`, or which cells count.
        rows, columns: of the lattice.
        scale: inner product that a distance of one pixel has to be beaten by.
        exponent: :math:`\gamma` > 0.

    Returns:
        In units of the inner product, >= 0.

    Raises:
        ValueError: shapes do not fit, dtypes differ, or the exponent is not positive.

    Undefined: the gradient where two cells tie; that of one of them is returned.

    Source: footnote 2, which leaves the margin open.

    >>> equal, positions = torch.zeros(1, 3, 2), torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> cells = {"matches": positions[None], "positions": positions, "weights": torch.ones(1, 2)}
    >>> matching_margin(equal, equal, **cells, rows=1, columns=2, scale=0.5, exponent=1.0).tolist()  # 2 cells x 0.5 x 4
    [4.0]
    """
    source, target, matches, weights = _prepared(source, target, matches, positions, weights)
    positions = positions.to(source.dtype)
    right = _labels_at(target, matches, positions, rows=rows, columns=columns)
    distances = _distances(matches, positions, exponent=exponent, columns=columns)
    with torch.no_grad():
        worst = _worst(source, target, distances, scale=scale)
    away = (positions[worst] - matches).square().sum(-1)
    margin = scale * _power(away, exponent)
    wrong = target.gather(2, worst[:, None].expand(-1, target.shape[1], -1))
    return (weights * (margin + (source * (wrong - right)).sum(1)).relu()).sum(-1)


def exchanged(
    source: Float[Tensor, "batch channel cells"], auxiliary: Float[Tensor, "batch channel others"]
) -> Float[Tensor, "batch channel cells"]:
    r"""Return source labels as a mean of another picture's labels, weighted by their match.

    .. math:: \hat\Phi_u = \sum_w \Phi^a_w\,
              \frac{\exp \langle \Phi_u, \Phi^a_w \rangle}{\sum_z \exp \langle \Phi_u, \Phi^a_z \rangle}

    Memory stays bounded where torch has a fused attention for the device and dtype: all but float64 on a GPU. On a
    processor its quicker exponential leaves errors of 1e-5 in the value and 5e-5 in the gradient in float32.

    Raises:
        ValueError: shapes do not fit or dtypes differ.

    Source: Thewlis, Albanie, Bilen, Vedaldi 2019, arXiv:1908.06427.

    >>> single = torch.tensor([[[5.0], [6.0]]])  # another picture of one cell: its label is the answer for every cell
    >>> exchanged(torch.randn(1, 2, 3), single)[0].T.tolist()
    [[5.0, 6.0], [5.0, 6.0], [5.0, 6.0]]
    """
    _require_labels(source, auxiliary)
    dtype, channels = source.dtype, source.shape[1]
    query, key = (_floats(x).transpose(1, 2)[:, None] for x in (source, auxiliary))
    query, key = (functional.pad(x, (0, -channels % _CHANNELS_OF_ATTENTION)).contiguous() for x in (query, key))
    with torch.autocast(source.device.type, enabled=False):
        found = functional.scaled_dot_product_attention(query, key, key, scale=1.0)
    return found[:, 0, :, :channels].transpose(1, 2).to(dtype)


def naive_expected_distance(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    *,
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    weights: Float[Tensor, "batch cells"],
    exponent: float,
) -> Float[Tensor, " batch"]:
    """Return :func:`expected_distance` from the whole table by plain autograd: the reference.

    >>> (source, target), positions = torch.rand(2, 1, 3, 2), torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> cells = {"matches": positions[None], "positions": positions, "weights": torch.ones(1, 2), "exponent": 0.5}
    >>> torch.allclose(naive_expected_distance(source, target, **cells), expected_distance(source, target, **cells))
    True
    """
    with torch.no_grad():
        cost = (positions - matches[:, :, None]).norm(dim=-1) ** exponent
    return (weights * (cost * torch.softmax(source.transpose(1, 2) @ target, dim=-1)).sum(-1)).sum(-1)


def naive_match_log_likelihood(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    *,
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    weights: Float[Tensor, "batch cells"],
    rows: int,
    columns: int,
) -> Float[Tensor, " batch"]:
    """Return :func:`match_log_likelihood` from the whole table and bilinear weights of every cell: the reference.

    >>> (source, target), positions = torch.rand(2, 1, 3, 2), torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> cells = {"matches": positions[None], "positions": positions, "weights": torch.ones(1, 2)}
    >>> losses = naive_match_log_likelihood, match_log_likelihood
    >>> both = [f(source, target, **cells, rows=1, columns=2) for f in losses]
    >>> torch.allclose(*both)
    True
    """
    logits = source.transpose(1, 2) @ target
    hats = _hats(matches, positions, rows=rows, columns=columns)
    return (weights * (logits.logsumexp(-1) - (hats * logits).sum(-1))).sum(-1)


def naive_matching_margin(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    *,
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    weights: Float[Tensor, "batch cells"],
    rows: int,
    columns: int,
    scale: float,
    exponent: float,
) -> Float[Tensor, " batch"]:
    """Return :func:`matching_margin` from the whole table and bilinear weights of every cell: the reference.

    >>> (source, target), positions = torch.rand(2, 1, 3, 2), torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> cells = {"matches": positions[None], "positions": positions, "weights": torch.ones(1, 2)}
    >>> settings = {"rows": 1, "columns": 2, "scale": 0.5, "exponent": 1.0}
    >>> both = [f(source, target, **cells, **settings) for f in (naive_matching_margin, matching_margin)]
    >>> torch.allclose(*both)
    True
    """
    logits = source.transpose(1, 2) @ target
    margin = scale * (positions - matches[:, :, None]).norm(dim=-1) ** exponent
    right = (_hats(matches, positions, rows=rows, columns=columns) * logits).sum(-1)
    return (weights * ((margin + logits).amax(-1) - right).clamp_min(0)).sum(-1)


def naive_exchanged(
    source: Float[Tensor, "batch channel cells"], auxiliary: Float[Tensor, "batch channel others"]
) -> Float[Tensor, "batch channel cells"]:
    """Return :func:`exchanged` from the whole table: the reference.

    >>> source, auxiliary = torch.rand(1, 3, 2), torch.rand(1, 3, 4)
    >>> torch.allclose(naive_exchanged(source, auxiliary), exchanged(source, auxiliary), atol=1e-4)
    True
    """
    return auxiliary @ torch.softmax(source.transpose(1, 2) @ auxiliary, dim=-1).transpose(1, 2)


class _Expectation(torch.autograd.Function):
    r"""Weighted sum over the rows of the expectation of a cost.

    With :math:`L_u = \sum_v D_{uv} p_{uv}` the gradient to the logits is :math:`w_u\, p_{uv} (D_{uv} - L_u)`. In float32
    the softmax of thousands of cells misses a sum of 1 by ten roundings or more; with L divided by that sum the gradient
    sums to 0 all the same, and is nearer to float64 than that of plain autograd.
    """

    @staticmethod
    def forward(
        ctx: Any, source: Tensor, target: Tensor, weights: Tensor, distances: _Distances, form: bool
    ) -> Float[Tensor, " batch"]:
        cost = torch.empty_like(weights)
        gradients = _Gradients(source, target, weights) if form else None
        second: Tensor | None = None
        for items, rows, table in _blocks(source, target):
            if second is None:
                second = torch.empty_like(table)  # the first block is the largest
            p = torch.softmax(table, dim=-1, out=table)
            pull = distances(items, rows, _part(second, table.shape)).mul_(p)
            mean = pull.sum(-1) / p.sum(-1)
            cost[items, rows] = mean
            if gradients is not None:
                gradients.add(items, rows, pull.addcmul_(p, mean[..., None], value=-1))
        if gradients is not None:
            ctx.save_for_backward(gradients.source, gradients.target)
        return (weights * cost).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, " batch"]) -> tuple[Tensor | None, ...]:
        to_source, to_target = ctx.saved_tensors
        return grad[:, None, None] * to_source, grad[:, None, None] * to_target, None, None, None


class _LogPartition(torch.autograd.Function):
    r"""Weighted sum over the rows of :math:`\log \sum_v \exp \langle \Phi_u, \Phi'_v \rangle`."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, weights: Tensor, form: bool) -> Float[Tensor, " batch"]:
        value = torch.empty_like(weights)
        gradients = _Gradients(source, target, weights) if form else None
        for items, rows, table in _blocks(source, target):
            top = table.amax(-1)
            p = torch.softmax(table, dim=-1, out=table)
            value[items, rows] = top - p.amax(-1).log_()
            if gradients is not None:
                gradients.add(items, rows, p)
        if gradients is not None:
            ctx.save_for_backward(gradients.source, gradients.target)
        return (weights * value).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, " batch"]) -> tuple[Tensor | None, ...]:
        to_source, to_target = ctx.saved_tensors
        return grad[:, None, None] * to_source, grad[:, None, None] * to_target, None, None


class _Gradients:
    """Gradients to the labels, gathered block by block from the slopes of a row's value by its logits."""

    def __init__(self, source: Tensor, target: Tensor, weights: Tensor) -> None:
        self.source, self.target = torch.empty_like(source), torch.zeros_like(target)
        self._weights = weights[:, None]
        self._labels, self._weighted = target, source * self._weights

    def add(self, items: slice, rows: slice, slope: Float[Tensor, "some rows targets"]) -> None:
        step = torch.bmm(self._labels[items], slope.transpose(1, 2))
        self.source[items, :, rows] = step.mul_(self._weights[items, :, rows])
        self.target[items].baddbmm_(self._weighted[items, :, rows], slope)


def _blocks(
    source: Float[Tensor, "batch channel cells"], target: Float[Tensor, "batch channel targets"]
) -> Iterator[tuple[slice, slice, Float[Tensor, "some rows targets"]]]:
    """Yield logits by blocks of items and of their rows, the largest first, in one reused buffer.

    As many rows of an item as a block holds, and as many items: whole pictures when they are small.
    """
    batch, _, cells = source.shape
    targets = target.shape[2]
    limit = _ENTRIES_PER_BLOCK.get(source.device.type, _ENTRIES_PER_BLOCK["cuda"])
    rows = max(1, min(cells, limit // targets))
    items = max(1, min(batch, limit // (rows * targets)))
    table = source.new_empty(items, rows, targets)
    for first in range(0, batch, items):
        some = slice(first, min(first + items, batch))
        queries, keys = source[some].transpose(1, 2), target[some]
        for start in range(0, cells, rows):
            block = slice(start, min(start + rows, cells))
            part = _part(table, (some.stop - some.start, block.stop - block.start, targets))
            with torch.autocast(source.device.type, enabled=False):
                yield some, block, torch.bmm(queries[:, block], keys, out=part)


def _part(memory: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """Return the beginning of a buffer, contiguous, in a smaller shape."""
    return memory.view(-1)[: shape[0] * shape[1] * shape[2]].view(shape)


def _distances(
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    *,
    exponent: float,
    columns: int | None,
) -> _Distances:
    """Return a function that writes the distances of a block's matches from all positions, to the exponent's power."""
    if exponent <= 0:
        raise ValueError(f"exponent must be positive, got {exponent}")
    if columns is None and positions.device.type == "cpu":
        columns = _columns_of(positions)
    if columns is not None and positions.shape[0] % columns:
        raise ValueError(f"{positions.shape[0]} positions do not make rows of {columns}")

    def on_lattice(items: slice, rows: slice, out: Tensor) -> Tensor:
        some = matches[items, rows, None]
        across = (positions[:columns, 0] - some[..., 0]).square_()
        down = (positions[::columns, 1] - some[..., 1]).square_()
        torch.add(down[..., None], across[..., None, :], out=out.view(*down.shape, -1))
        return _power(out, exponent)

    def anywhere(items: slice, rows: slice, out: Tensor) -> Tensor:
        some = matches[items, rows, None]
        torch.sub(positions[:, 0], some[..., 0], out=out).square_()
        down = positions[:, 1] - some[..., 1]
        return _power(out.addcmul_(down, down), exponent)

    return anywhere if columns is None else on_lattice


def _columns_of(positions: Float[Tensor, "targets 2"]) -> int | None:
    """Return the number of columns of the lattice of the positions; None if they are not a lattice. Reads values."""
    x, y = positions.unbind(-1)
    columns = int((y == y[:1]).to(torch.uint8).cummin(0).values.sum())
    if columns == 0 or len(x) % columns:
        return None
    x, y = x.view(-1, columns), y.view(-1, columns)
    return columns if bool((x == x[:1]).all() and (y == y[:, :1]).all()) else None


def _power(squared: Tensor, exponent: float) -> Tensor:
    """Return the distance to the power of the exponent from its square, in place. Roots are far quicker than powers."""
    if exponent == 2:
        return squared
    if exponent == 1:
        return squared.sqrt_()
    if exponent == 0.5:
        return squared.sqrt_().sqrt_()
    return squared.pow_(exponent / 2)


def _worst(
    source: Float[Tensor, "batch channel cells"],
    target: Float[Tensor, "batch channel targets"],
    distances: _Distances,
    *,
    scale: float,
) -> Int[Tensor, "batch cells"]:
    """Return the target cell of largest margin plus inner product, for every source cell."""
    worst = source.new_empty((source.shape[0], source.shape[2]), dtype=torch.int64)
    second: Tensor | None = None
    for items, rows, table in _blocks(source, target):
        if second is None:
            second = torch.empty_like(table)
        margin = distances(items, rows, _part(second, table.shape))
        worst[items, rows] = table.add_(margin, alpha=scale).argmax(-1)
    return worst


def _labels_at(
    target: Float[Tensor, "batch channel targets"],
    matches: Float[Tensor, "batch cells 2"],
    positions: Float[Tensor, "targets 2"],
    *,
    rows: int,
    columns: int,
) -> Float[Tensor, "batch channel cells"]:
    """Return target labels at the matches, bilinear, clamped to the lattice."""
    x, y = _lattice_coordinates(matches, positions, rows=rows, columns=columns).unbind(-1)
    left, up = (low.floor().clamp(max=max(count - 2, 0)) for low, count in ((x, columns), (y, rows)))
    right, down = (left + 1).clamp(max=columns - 1), (up + 1).clamp(max=rows - 1)
    across, along = x - left, y - up
    corners = torch.cat([i * columns + j for i in (up, down) for j in (left, right)], dim=-1).long()
    shares = torch.cat([a * b for a in (1 - along, along) for b in (1 - across, across)], dim=-1)
    labels = target.gather(2, corners[:, None].expand(-1, target.shape[1], -1))
    return (labels * shares[:, None]).unflatten(-1, (4, -1)).sum(-2)


def _lattice_coordinates(
    matches: Float[Tensor, "batch cells 2"], positions: Float[Tensor, "targets 2"], *, rows: int, columns: int
) -> Float[Tensor, "batch cells 2"]:
    """Return column and row of the matches, fractional, clamped to the lattice."""
    if rows * columns != len(positions):
        raise ValueError(f"{len(positions)} positions are not a lattice of {rows} x {columns}")
    last = positions.new_tensor([columns - 1, rows - 1])
    step = torch.where(last > 0, (positions[-1] - positions[0]) / last.clamp_min(1), 1.0)
    return torch.minimum(((matches - positions[0]) / step).clamp_min(0), last)


def _hats(
    matches: Float[Tensor, "batch cells 2"], positions: Float[Tensor, "targets 2"], *, rows: int, columns: int
) -> Float[Tensor, "batch cells targets"]:
    """Return the bilinear weight of every cell at every match: a product of two hat functions."""
    place = _lattice_coordinates(matches, positions, rows=rows, columns=columns)
    x = torch.arange(columns, dtype=place.dtype, device=place.device)
    y = torch.arange(rows, dtype=place.dtype, device=place.device)
    across = (1 - (place[..., :1] - x).abs()).clamp_min(0)
    along = (1 - (place[..., 1:] - y).abs()).clamp_min(0)
    return (along[..., None] * across[..., None, :]).flatten(-2)


def _prepared(
    source: Tensor, target: Tensor, matches: Tensor, positions: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return source, target, matches and weights in one dtype, zeroed where the weight is 0."""
    _require_labels(source, target)
    batch, _, cells = source.shape
    expected = ((batch, cells, 2), (target.shape[2], 2), (batch, cells))
    got = tuple(tuple(x.shape) for x in (matches, positions, weights))
    if got != expected:
        raise ValueError(f"matches, positions and weights must be {expected}, got {got}")
    source, target = _floats(source), _floats(target)
    kept = weights.detach() != 0
    source = torch.where(kept[:, None], source, 0.0)
    matches = torch.where(kept[..., None], matches.detach().to(source.dtype), 0.0)
    return source, target, matches, weights.detach().to(source.dtype)


def _require_labels(source: Tensor, target: Tensor) -> None:
    if source.ndim != 3 or target.ndim != 3 or source.shape[:2] != target.shape[:2] or source.dtype != target.dtype:
        raise ValueError(
            f"labels must be [batch channel cells], alike but for the cells, got {tuple(source.shape)} of "
            f"{source.dtype} and {tuple(target.shape)} of {target.dtype}"
        )


def _floats(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
