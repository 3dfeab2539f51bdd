"""Tables of the transforms, computed in float64, cast once and cached.

Orders m come in two halves, even ones first, since they need different sums of the samples; within a half they are
sorted by size, and cut into blocks of similar size. A *place* is an order of a block and a degree that the block has.
"""

import functools
from collections.abc import Iterator

import attrs
import torch
from torch import Tensor

from armillary.nn.spheres.grids import SphereGrid, azimuths, colatitudes, quadrature_weights
from armillary.nn.spheres.harmonics import legendre


@attrs.frozen
class Plan:
    """Sums over a grid, of degrees below the bandwidth, with or without the quadrature weights.

    >>> from armillary.nn.spheres.grids import soft
    >>> Plan(soft(4), 3, weighted=True) == Plan(soft(4), 3, weighted=True)  # equal plans share their tables
    True
    """

    grid: SphereGrid
    bandwidth: int
    weighted: bool = attrs.field(kw_only=True)


@attrs.frozen
class Block:
    """Orders that are summed together, over the degrees of the lowest of them.

    >>> Block(orders=slice(0, 2), places=slice(0, 6), table=torch.zeros(2, 3, 8)).table.shape
    torch.Size([2, 3, 8])
    """

    orders: slice
    places: slice
    table: Tensor  # order, degree, colatitude


@attrs.frozen
class Tables:
    """Tables of one plan.

    ``packing`` has the place of each coefficient, ``unpacking`` the coefficient of each place; if missing, one
    that the table multiplies by 0.

    >>> from armillary.nn.spheres.grids import soft
    >>> tables = tables_of(Plan(soft(4), 3, weighted=True), torch.float32, torch.device("cpu"))
    >>> tables.orders, tables.even_orders  # -2 to 2, of which -2, 0 and 2
    (5, 3)
    """

    orders: int
    places: int
    even_waves: Tensor  # order, azimuth of half a circle
    odd_waves: Tensor
    blocks: tuple[Block, ...]
    packing: Tensor
    unpacking: Tensor

    @property
    def even_orders(self) -> int:
        """Number of even orders, which come first."""
        return len(self.even_waves)


@functools.lru_cache(maxsize=64)
def tables_of(plan: Plan, dtype: torch.dtype, device: torch.device) -> Tables:
    """Return the tables of a plan. Cached: do not write to them.

    >>> from armillary.nn.spheres.grids import soft
    >>> plan = Plan(soft(4), 3, weighted=False)
    >>> tables_of(plan, torch.float32, torch.device("cpu")).packing.shape  # one place per coefficient
    torch.Size([9])
    """
    with torch.inference_mode(False), torch.no_grad():  # kept, so later calls with gradient must be able to use it
        order = torch.tensor(_sorted_orders(plan.bandwidth), device="cpu")
        even = int((order % 2 == 0).sum())
        waves = _waves(plan.grid, order).to(dtype=dtype, device=device)
        table = _colatitude_table(plan)
        blocks, unpacking, places = [], [], 0
        for rows, lowest in _cuts(order.tolist(), plan.bandwidth):
            degree = torch.arange(lowest, plan.bandwidth, device="cpu")
            degree = torch.maximum(degree, order[rows, None].abs())
            unpacking.append((degree * (degree + 1) + order[rows, None]).flatten())
            here = slice(places, places + degree.numel())
            blocks.append(Block(rows, here, table[order[rows].abs(), lowest:].to(dtype=dtype, device=device)))
            places = here.stop
        coefficient = torch.cat(unpacking)
        # Of the places of one coefficient the last is its own: the ones before it lie below the degree's lowest.
        packing = torch.empty(plan.bandwidth**2, dtype=torch.int64, device="cpu")
        packing.scatter_reduce_(0, coefficient, torch.arange(places, device="cpu"), "amax", include_self=False)
        return Tables(
            orders=len(order),
            places=places,
            even_waves=waves[:even].contiguous(),
            odd_waves=waves[even:].contiguous(),
            blocks=tuple(blocks),
            packing=packing.to(device),
            unpacking=coefficient.to(device),
        )


def _sorted_orders(bandwidth: int) -> list[int]:
    return sorted(range(1 - bandwidth, bandwidth), key=lambda m: (m % 2, abs(m), -m))


def _cuts(orders: list[int], bandwidth: int) -> Iterator[tuple[slice, int]]:
    """Yield blocks of rows, each with the lowest degree of its orders."""
    size = max(8, bandwidth // 8)  # orders per block; measured, 4 to 32 differ by a tenth
    start = 0
    for stop in range(1, len(orders) + 1):
        if stop == len(orders) or (orders[stop] % 2, abs(orders[stop]) // size) != (
            orders[start] % 2,
            abs(orders[start]) // size,
        ):
            yield slice(start, stop), abs(orders[start])
            start = stop


def _waves(grid: SphereGrid, order: Tensor) -> Tensor:
    """Return cosines of the orders from 0, sines of those below, on half a circle [order, azimuth], float64."""
    angle = order.abs()[:, None] * azimuths(grid, dtype=torch.float64)[: grid.bandwidth]
    norm = (1 + (order != 0).double()).sqrt()[:, None]
    return norm * torch.where(order[:, None] < 0, angle.sin(), angle.cos())


def _colatitude_table(plan: Plan) -> Tensor:
    """Return functions of the colatitude at orders from 0 [order, degree, colatitude], float64, weighted by plan."""
    theta = colatitudes(plan.grid, dtype=torch.float64)
    order = torch.arange(plan.bandwidth, dtype=torch.float64, device="cpu")[:, None]
    table = legendre(theta.cos(), bandwidth=plan.bandwidth).transpose(0, 1) * (theta.sin() ** order)[:, None]
    return table * quadrature_weights(plan.grid, dtype=torch.float64) if plan.weighted else table
