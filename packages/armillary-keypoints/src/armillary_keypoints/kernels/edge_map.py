r"""Straight edges between points, drawn as soft lines into one map.

Points are (x, y) in [-1, 1]; the corners -1 and 1 are the centres of the corner pixels. K points have
:math:`K (K - 1) / 2` edges :math:`(i, j)`, :math:`i < j`, in the order of ``torch.triu_indices(K, K, 1)``. The value of a
pixel is that of the strongest edge there,

.. math:: S(p) = \max_{ij} w_{ij} \exp(-d_{ij}(p)^2 / s),

with the distance :math:`d_{ij}` from the pixel to the segment between the points, the weight :math:`w_{ij}` and the
thickness :math:`s`.

The logarithm is monotone, so which edge is strongest is found from :math:`\log w - d^2 / s` without gradient, and that
edge alone is drawn with gradient: no map of a single edge ever exists. Most edges are out of the question for a whole
tile of pixels: the distance from a pixel differs from that of its tile's centre by no more than the two are apart, so an
edge that loses by more than that at the centre loses everywhere in the tile. Half precision is computed in float32, and
the edge that is drawn in float64 where the device has it: thin lines magnify rounding. The ``naive_`` function is the
reference, by plain autograd on all maps.

Source: He, Wandt, Rhodin 2022, arXiv:2205.10636, Section 3.2. Paper and authors' code disagree on the distance: the paper
has :math:`\exp(-d / s)`, the code the square.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

Distance = Literal["squared", "plain"]

_TILE = 8  # pixels per side
_ENTRIES_PER_BLOCK = {"cpu": 2**17, "cuda": 2**24}  # pixels per step: a processor's cache; a device's memory
_SLACK = 1e-3  # of a tile's radius: more than rounding can move a distance


def edge_map(
    points: Float[Tensor, "*batch points 2"],
    weights: Float[Tensor, " pairs"],
    *,
    height: int,
    width: int,
    thickness: float,
    distance: Distance = "squared",
) -> Float[Tensor, "*batch 1 height width"]:
    r"""Return the largest over all edges of :math:`w \exp(-d^2 / s)` at every pixel.

    Args:
        points: in [-1, 1]; outside as well. Where two coincide their edge is a point.
        weights: of the edges, the same for every item, >= 0.
        thickness: :math:`s` > 0: where the squared distance is this, an edge has fallen to 1/e of its weight.
        distance: ``"squared"``, or ``"plain"`` for :math:`w \exp(-d / s)`.

    Returns:
        In [0, largest weight]; nan in an item whose points are not all finite.

    Raises:
        ValueError: fewer than two points, another number of weights, an empty picture, a thickness that is not positive,
            or another distance.

    Undefined: the gradient where two edges tie: that of one of them is returned; for the plain distance, at
    pixel centres on the edge: 0 is returned.

    Source: arXiv:2205.10636, Eq. 2 and 3; for the squared distance the authors' code, models/decoder.py.

    >>> points = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])  # one edge, across the middle row
    >>> drawn = edge_map(points, torch.tensor([1.0]), height=3, width=2, thickness=0.5)
    >>> [[round(value, 4) for value in row] for row in drawn[0].tolist()]  # exp(-2), a row away
    [[0.1353, 0.1353], [1.0, 1.0], [0.1353, 0.1353]]
    """
    _require(points, weights, height=height, width=width, thickness=thickness, distance=distance)
    dtype = torch.float64 if torch.float64 in (points.dtype, weights.dtype) else torch.float32
    flat = points.reshape(-1, *points.shape[-2:]).to(dtype)
    with torch.autocast(points.device.type, enabled=False):
        found = _EdgeMap.apply(flat, weights.to(dtype), (height, width), float(thickness), distance)
    return found.view(*points.shape[:-2], 1, height, width)


def naive_edge_map(
    points: Float[Tensor, "*batch points 2"],
    weights: Float[Tensor, " pairs"],
    *,
    height: int,
    width: int,
    thickness: float,
    distance: Distance = "squared",
) -> Float[Tensor, "*batch 1 height width"]:
    """Return :func:`edge_map` from the maps of all edges by plain autograd: the reference; nan gradient at equal ends.

    >>> points, weights = torch.rand(4, 2), torch.rand(6)
    >>> maps = [draw(points, weights, height=9, width=7, thickness=0.01) for draw in (edge_map, naive_edge_map)]
    >>> torch.allclose(*maps, atol=1e-5)
    True
    """
    count = points.shape[-2]
    start, end = (points[..., ends, None, :] for ends in torch.triu_indices(count, count, 1, device=points.device))
    along, place = end - start, _positions((height, width), points)
    t = (((place - start) * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
    squared = (place - start - t[..., None] * along).square().sum(-1)
    fall = squared if distance == "squared" else squared.sqrt()
    drawn = weights[:, None] * torch.exp(-fall / thickness)
    return drawn.max(-2).values.view(*points.shape[:-2], 1, height, width)


class _EdgeMap(torch.autograd.Function):
    r"""Strongest edge of each pixel, with the gradient of that edge.

    With the nearest place :math:`a + t (b - a)` of the segment and the way there :math:`r = p - a - t (b - a)` the gradient
    of :math:`d^2 = |r|^2` is :math:`-2 (1 - t) r` to a and :math:`-2 t r` to b: t is the best place or an end, so
    its own change counts nothing, and nothing is divided by the length of the edge.
    """

    @staticmethod
    def forward(
        ctx: Any,
        points: Float[Tensor, "batch points 2"],
        weights: Float[Tensor, " pairs"],
        size: tuple[int, int],
        thickness: float,
        distance: Distance,
    ) -> Float[Tensor, "batch pixels"]:
        count = points.shape[1]
        first, second = torch.triu_indices(count, count, 1, device=points.device)
        edge = strongest_edges(points, weights, size=size, thickness=thickness, distance=distance)
        ends = torch.cat((points[:, first], points[:, second]), dim=-1).flatten(0, 1)
        own = torch.arange(len(points), device=points.device)[:, None] * len(weights)
        exact = points.dtype if points.device.type == "mps" else torch.float64
        start, end = ends.index_select(0, (edge + own).flatten()).view(*edge.shape, 4).to(exact).split(2, dim=-1)
        along, from_start = end - start, _positions(size, start) - start
        length = along.square().sum(-1).clamp_min(torch.finfo(exact).tiny)
        t = ((from_start * along).sum(-1) / length).clamp(0, 1)
        way = from_start - t[..., None] * along
        squared = way.square().sum(-1)
        fall = squared if distance == "squared" else squared.sqrt()
        strength = torch.exp(fall / -thickness).to(points.dtype)
        t, way, fall = (x.to(points.dtype) for x in (t, way, fall))
        ctx.save_for_backward(first, second, edge, t, way, strength, weights, fall)
        ctx.thickness, ctx.distance, ctx.shape = thickness, distance, points.shape
        broken = 0 * (points.sum((1, 2)) + weights.sum())  # nan loses every comparison, and would stay hidden
        return weights[edge] * strength + broken[:, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, "batch pixels"]) -> tuple[Tensor | None, ...]:
        first, second, edge, t, way, strength, weights, fall = ctx.saved_tensors
        batch, pairs = len(edge), len(weights)
        to_weight = grad * strength
        pull = to_weight * weights[edge] / ctx.thickness
        if ctx.distance == "squared":
            pull = 2 * pull
        else:
            pull = torch.where(fall > 0, pull / torch.where(fall > 0, fall, 1), 0)
        pull = pull[..., None] * way
        to_end = t[..., None] * pull
        rows = torch.cat((to_weight[..., None], pull - to_end, to_end), dim=-1).flatten(0, 1)
        own = torch.arange(batch, device=edge.device)[:, None] * pairs
        sums = rows.new_zeros(batch * pairs, 5).index_add_(0, (edge + own).flatten(), rows).view(batch, pairs, 5)
        to_points = grad.new_zeros(ctx.shape)
        to_points.index_add_(1, first, sums[..., 1:3]).index_add_(1, second, sums[..., 3:5])
        return to_points, sums[..., 0].sum(0), None, None, None


@torch.no_grad()
def strongest_edges(
    points: Float[Tensor, "batch points 2"],
    weights: Float[Tensor, " pairs"],
    *,
    size: tuple[int, int],
    thickness: float,
    distance: Distance = "squared",
) -> Int[Tensor, "batch pixels"]:
    r"""Return the index of the edge with the largest :math:`\log w - d^2 / s` at every pixel, row by row.

    Args:
        points: float32 or float64.
        weights: >= 0.
        size: height and width of the picture.

    >>> points = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]]])  # edges: top, diagonal, right
    >>> strongest_edges(points, torch.ones(3), size=(1, 3), thickness=0.1).tolist()  # the middle row
    [[1, 1, 2]]
    """
    rows, columns = (-(-pixels // _TILE) for pixels in size)
    tiles = rows * columns
    edges = _Edges(points, weights, thickness=thickness, distance=distance)
    found = points.new_empty(len(points), rows, _TILE, columns, _TILE, dtype=torch.int64)
    block = _ENTRIES_PER_BLOCK.get(points.device.type, _ENTRIES_PER_BLOCK["cuda"])
    step = max(1, block // (tiles * _TILE**2))
    for first in range(0, len(points), step):
        items = slice(first, min(first + step, len(points)))
        winner = _in_tiles(edges, items, *_tiled(size, points), distance=distance)
        found[items] = winner.view(_TILE, _TILE, -1, rows, columns).permute(2, 3, 0, 4, 1)
    return found.flatten(3).flatten(1, 2)[:, : size[0], : size[1]].flatten(1)


class _Edges:
    """Lines of the edges, for distances from them, in units of the thickness.

    A place (x, y) has the coordinate ``e x + f y + c`` along the edge from its middle, and ``e y - f x + g`` across it;
    h is half of the edge's length, n is minus the logarithm of its weight.
    """

    def __init__(self, points: Tensor, weights: Tensor, *, thickness: float, distance: Distance) -> None:
        count = points.shape[1]
        first, second = torch.triu_indices(count, count, 1, device=points.device)
        self.scale = thickness**-0.5 if distance == "squared" else 1.0 / thickness
        start, end = points[:, first] * self.scale, points[:, second] * self.scale
        along, middle = end - start, (start + end) / 2
        length = torch.linalg.vector_norm(along, dim=-1)
        e, f = torch.where(length > 0, along.movedim(-1, 0) / torch.where(length > 0, length, 1), along.new_tensor(1))
        f = torch.where(length > 0, f, 0)
        x, y = middle.unbind(-1)
        n = -weights.log().expand_as(length)
        self.table = torch.stack((e, f, -(e * x + f * y), f * x - e * y, length / 2, n))  # values batch pairs


def _in_tiles(
    edges: _Edges, items: slice, x: Tensor, y: Tensor, *, distance: Distance
) -> Int[Tensor, "tile tile every"]:
    """Return the index of the strongest edge at the pixels of all tiles of these items; tiles last, item by item.

    Tiles are taken in the order of how many edges come into question, so that the k-th of each is a prefix.
    """
    table = edges.table[:, items]
    batch, pairs = table.shape[1:]
    starts, counts, candidates = _candidates(table, x * edges.scale, y * edges.scale, distance=distance)
    counts, order = counts.sort(descending=True)
    starts, flat = starts[order], table.flatten(1)
    tiles = order % x.shape[1]
    x, y = (values.index_select(1, tiles) * edges.scale for values in (x, y))
    item = torch.div(order, len(tiles) // batch, rounding_mode="floor") * pairs
    best = x.new_full((_TILE, _TILE, len(tiles)), torch.inf)
    winner = torch.zeros_like(best, dtype=torch.int64)
    for k, n in enumerate(_tiles_with_more(counts)):
        edge = candidates.index_select(0, starts[:n] + k)
        cost = _cost(flat.index_select(1, edge + item[:n]), x[None, :, :n], y[:, None, :n], distance=distance)
        better = cost < best[..., :n]
        torch.where(better, edge, winner[..., :n], out=winner[..., :n])
        torch.minimum(best[..., :n], cost, out=best[..., :n])
    return torch.empty_like(winner).index_copy_(2, order, winner)


def _tiles_with_more(counts: Int[Tensor, " every"]) -> Iterator[int]:
    """Yield, for k = 0, 1 ..., the number of tiles with more than k edges, while there are any; counts fall."""
    histogram = torch.bincount(counts)
    yield from (len(counts) - histogram.cumsum(0))[:-1].tolist()


def _candidates(
    table: Float[Tensor, "values batch pairs"],
    x: Float[Tensor, "tile tiles"],
    y: Float[Tensor, "tile tiles"],
    *,
    distance: Distance,
) -> tuple[Int[Tensor, " every"], Int[Tensor, " every"], Int[Tensor, " entries"]]:
    """Return, for each tile of each item, the start of its edges in a list, their number, and the list."""
    middle_x, middle_y = ((values[0] + values[-1]) / 2 for values in (x, y))
    radius = torch.hypot(x[-1] - middle_x, y[-1] - middle_y) * (1 + _SLACK)
    off = _squared_distance(table[:, :, None], middle_x[:, None], middle_y[:, None]).sqrt_()
    if distance == "squared":
        most, least = (off + radius[:, None]).square_(), (off - radius[:, None]).clamp_min_(0).square_()
    else:
        most, least = off + radius[:, None], (off - radius[:, None]).clamp_min_(0)
    n = table[5][:, None]
    possible = (least.add_(n) <= most.add_(n).amin(-1, keepdim=True)).flatten(0, 1)
    counts = possible.sum(-1)
    return counts.cumsum(0) - counts, counts, possible.nonzero()[:, 1]


def _cost(edges: Tensor, x: Tensor, y: Tensor, *, distance: Distance) -> Tensor:
    """Return minus the logarithm of the edges' values at the positions."""
    squared = _squared_distance(edges, x, y)
    return (squared if distance == "squared" else squared.sqrt_()).add_(edges[5])


def _squared_distance(edges: Tensor, x: Tensor, y: Tensor) -> Tensor:
    e, f, c, g, h, _ = edges
    beyond = torch.addcmul(c, f, y) + e * x
    beyond = beyond.abs_().sub_(h).clamp_min_(0)
    across = torch.addcmul(g, e, y) - f * x
    return across.square_().addcmul_(beyond, beyond)


def _tiled(size: tuple[int, int], like: Tensor) -> tuple[Float[Tensor, "tile tiles"], Float[Tensor, "tile tiles"]]:
    """Return x and y of the pixels of each tile, tiles row by row; the last pixel is repeated to fill the last tile."""
    y, x = (torch.cat((line, line[-1:].expand(-len(line) % _TILE))).view(-1, _TILE).T for line in _lines(size, like))
    return x.repeat(1, y.shape[1]), y.repeat_interleave(x.shape[1], dim=1)


def _positions(size: tuple[int, int], like: Tensor) -> Float[Tensor, "pixels 2"]:
    """Return positions (x, y) of the pixels, row by row."""
    y, x = _lines(size, like)
    return torch.stack((x.repeat(len(y)), y.repeat_interleave(len(x))), dim=-1)


def _lines(size: tuple[int, int], like: Tensor) -> list[Tensor]:
    """Return positions of rows and of columns; an axis of one pixel has its pixel at 0."""
    return [
        torch.linspace(-1, 1, pixels, dtype=like.dtype, device=like.device) if pixels > 1 else like.new_zeros(1)
        for pixels in size
    ]


def _require(points: Tensor, weights: Tensor, *, height: int, width: int, thickness: float, distance: Distance) -> None:
    count = points.shape[-2] if points.ndim > 1 else 0
    if points.ndim < 2 or points.shape[-1] != 2 or count < 2:
        raise ValueError(f"points must be [*batch points 2], two of them or more, got {tuple(points.shape)}")
    if weights.shape != (count * (count - 1) // 2,):
        raise ValueError(
            f"{count} points have {count * (count - 1) // 2} edges, but there are weights {tuple(weights.shape)}"
        )
    if min(height, width) < 1:
        raise ValueError(f"a picture needs pixels, got {height} x {width}")
    if not thickness > 0:
        raise ValueError(f"thickness must be positive, got {thickness}")
    if distance not in ("squared", "plain"):
        raise ValueError(f"distance must be 'squared' or 'plain', got {distance!r}")
