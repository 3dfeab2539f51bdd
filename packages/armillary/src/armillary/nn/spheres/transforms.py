r"""Transforms from samples on a grid to coefficients and back, by real matrix products.

.. math:: c_{lm} = \sum_{jk} w_j\, Y_{lm}(\theta_j, \phi_k)\, f(\theta_j, \phi_k), \qquad
          f(\theta_j, \phi_k) = \sum_{lm} c_{lm} Y_{lm}(\theta_j, \phi_k)

The sum over azimuths comes first, as two products with tables of cosines and sines: even orders have the period pi, so
they see the sum of the two halves of a circle of latitude, and odd orders see the difference. Then comes the sum over
colatitudes, one product for each order; orders go in blocks of similar size, since high orders have few degrees. (An
FFT is slower up to the bandwidth of 128 that was measured: its output must be laid out anew.) Each direction's gradient
is the other direction with the other's weights, and nothing is kept for it.

The inverse is exact on signals of degree below B. What a signal holds beyond is not left out by the quadrature, it is
folded in, as by every sampling.

Source: Driscoll and Healy 1994, doi:10.1006/aama.1994.1008, Theorem 3 (without its fast Legendre transform, which pays
at far larger B).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.nn.spheres.grids import SphereGrid, check_signal, points, quadrature_weights
from armillary.nn.spheres.harmonics import bandwidth_of, spherical_harmonics
from armillary.nn.spheres.tables import Plan, tables_of


def coefficients_from_signal(
    signal: Float[Tensor, "*batch colatitude azimuth"], *, grid: SphereGrid, bandwidth: int | None = None
) -> Float[Tensor, "*batch coefficient"]:
    """Return the coefficients of the signal, by quadrature.

    Args:
        bandwidth: number of degrees to compute, at most the grid's. Default: the grid's.

    Raises:
        ValueError: the signal does not have the grid's shape, is in half precision, or more degrees are wanted than the
            grid holds.

    >>> from armillary.nn.spheres.grids import soft
    >>> round(coefficients_from_signal(torch.ones(8, 8), grid=soft(4))[0].item(), 4)  # of 1: sqrt(4 pi)
    3.5449
    """
    check_signal(signal, grid)
    wanted = grid.bandwidth if bandwidth is None else bandwidth
    _check_bandwidth(wanted, grid)
    flat = signal.reshape(-1, *grid.shape)
    return _Analysis.apply(flat, Plan(grid, wanted, weighted=True)).reshape(*signal.shape[:-2], wanted**2)


def signal_from_coefficients(
    coefficients: Float[Tensor, "*batch coefficient"], *, grid: SphereGrid
) -> Float[Tensor, "*batch colatitude azimuth"]:
    """Return samples of the signal on the grid.

    Args:
        coefficients: of at most as many degrees as the grid's bandwidth. Fewer are a finer sampling of a smoother
            signal: so a signal goes from grid to grid.

    Raises:
        ValueError: there are more degrees than the grid holds, their number is not a square, or half precision.

    >>> from armillary.nn.spheres.grids import soft
    >>> coefficients = torch.randn(16, dtype=torch.float64)
    >>> signal = signal_from_coefficients(coefficients, grid=soft(6))  # a finer grid: nothing is lost
    >>> torch.allclose(coefficients_from_signal(signal, grid=soft(6), bandwidth=4), coefficients)
    True
    """
    bandwidth = bandwidth_of(coefficients)
    _check_bandwidth(bandwidth, grid)
    flat = coefficients.reshape(-1, bandwidth**2)
    return _Synthesis.apply(flat, Plan(grid, bandwidth, weighted=False)).reshape(*coefficients.shape[:-1], *grid.shape)


def naive_coefficients_from_signal(
    signal: Float[Tensor, "*batch colatitude azimuth"], *, grid: SphereGrid
) -> Float[Tensor, "*batch coefficient"]:
    """Return the coefficients by quadrature with every harmonic at every sample: the reference.

    >>> from armillary.nn.spheres.grids import driscoll_healy as grid
    >>> signal = torch.rand(8, 8, dtype=torch.float64)
    >>> slow = naive_coefficients_from_signal(signal, grid=grid(4))
    >>> torch.allclose(coefficients_from_signal(signal, grid=grid(4)), slow)
    True
    """
    check_signal(signal, grid)
    basis = spherical_harmonics(points(grid, dtype=torch.float64), bandwidth=grid.bandwidth)
    weighted = basis * quadrature_weights(grid, dtype=torch.float64)[:, None, None]
    return torch.einsum("...jk,jki->...i", signal, weighted.to(signal))


def naive_signal_from_coefficients(
    coefficients: Float[Tensor, "*batch coefficient"], *, grid: SphereGrid
) -> Float[Tensor, "*batch colatitude azimuth"]:
    """Return the samples by adding up every harmonic at every sample: the reference.

    >>> from armillary.nn.spheres.grids import driscoll_healy as grid
    >>> c = torch.rand(16, dtype=torch.float64)
    >>> torch.allclose(signal_from_coefficients(c, grid=grid(4)), naive_signal_from_coefficients(c, grid=grid(4)))
    True
    """
    basis = spherical_harmonics(points(grid, dtype=torch.float64), bandwidth=bandwidth_of(coefficients))
    return torch.einsum("...i,jki->...jk", coefficients, basis.to(coefficients))


def _check_bandwidth(bandwidth: int, grid: SphereGrid) -> None:
    if not 1 <= bandwidth <= grid.bandwidth:
        raise ValueError(f"{grid} holds 1 to {grid.bandwidth} degrees, but {bandwidth} are wanted")


class _Analysis(torch.autograd.Function):
    """Sum over the samples; linear, so its gradient is its transpose."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, plan: Plan) -> Tensor:
        ctx.plan = plan
        with torch.autocast(signal.device.type, enabled=False):
            return _analyse(signal, plan)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Synthesis.apply(gradient, ctx.plan), None


class _Synthesis(torch.autograd.Function):
    """Sum over the coefficients; linear, so its gradient is its transpose."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, plan: Plan) -> Tensor:
        ctx.plan = plan
        with torch.autocast(coefficients.device.type, enabled=False):
            return _synthesise(coefficients, plan)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Analysis.apply(gradient, ctx.plan), None


def _analyse(signal: Tensor, plan: Plan) -> Tensor:
    rows, columns = plan.grid.shape
    tables = tables_of(plan, signal.dtype, signal.device)
    flat = signal.reshape(-1, columns)
    spectrum = flat.new_empty(tables.orders, len(flat))
    first, second = flat.chunk(2, dim=-1)
    torch.mm(tables.even_waves, (first + second).mT, out=spectrum[: tables.even_orders])
    torch.mm(tables.odd_waves, (first - second).mT, out=spectrum[tables.even_orders :])
    spectrum = spectrum.view(tables.orders, -1, rows)
    product = flat.new_empty(tables.places, spectrum.shape[1])
    for block in tables.blocks:
        out = product[block.places].view(*block.table.shape[:2], -1)
        torch.bmm(block.table, spectrum[block.orders].mT, out=out)  # order, degree, item
    return product.index_select(0, tables.packing).mT


def _synthesise(coefficients: Tensor, plan: Plan) -> Tensor:
    rows, columns = plan.grid.shape
    tables = tables_of(plan, coefficients.dtype, coefficients.device)
    unpacked = coefficients.mT.contiguous().index_select(0, tables.unpacking)
    spectrum = unpacked.new_empty(tables.orders, len(coefficients), rows)
    for block in tables.blocks:
        operand = unpacked[block.places].view(*block.table.shape[:2], -1)
        torch.bmm(operand.mT, block.table, out=spectrum[block.orders])  # order, item, colatitude
    flat = spectrum.view(tables.orders, -1)
    even = torch.mm(flat[: tables.even_orders].mT, tables.even_waves)
    odd = torch.mm(flat[tables.even_orders :].mT, tables.odd_waves)
    signal = even.new_empty(len(even), columns)
    torch.add(even, odd, out=signal[:, : columns // 2])
    torch.sub(even, odd, out=signal[:, columns // 2 :])
    return signal.view(-1, rows, columns)
