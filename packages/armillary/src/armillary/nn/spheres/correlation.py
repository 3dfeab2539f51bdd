r"""Correlation of two signals over all rotations.

.. math:: C(R) = \sum_c \int f_c(x)\, h_c(R^{-1} x)\, dx = \sum_l \langle f_l,\, D_l(R)\, h_l \rangle

Order of the arguments: the largest value is at the rotation that carries the *second* signal onto the *first*. With
:math:`f = R h` it is at R; the arguments swapped give the inverse, :math:`C_{hf}(R) = C_{fh}(R^{-1})`.

Samples over rotations are those of the SOFT grid of bandwidth B: :math:`\alpha_i = 2\pi i / 2B`,
:math:`\beta_j = \pi (2j + 1) / 4B`, :math:`\gamma_k = 2\pi k / 2B` in :math:`R = R_z(\alpha) R_y(\beta) R_z(\gamma)`. A grid
finer than the signals' bandwidth interpolates their correlation exactly: it is zero padding in the spectrum.

Method: in the real basis a turn about y mixes cosines with cosines and sines with sines, by :math:`T + U` and
:math:`T - U`, where for orders m, n >= 0, with :math:`\sqrt{1/2}` more for each that is 0,

.. math:: T^l_{mn}(\beta) = (-1)^{m-n} d^l_{mn}(\beta) = (-1)^{m-n}\, T^l_{nm}(\beta), \qquad
          U^l_{mn}(\beta) = (-1)^{l+m-n}\, T^l_{mn}(\pi - \beta).

The grid is symmetric under :math:`\beta \to \pi - \beta`, so a table of T at m <= n serves all. Channels are summed first; then for
every pair of orders one product with the table, and for :math:`\alpha` and :math:`\gamma` products with cosines and sines.

Source: Kostelec and Rockmore 2008, doi:10.1007/s00041-008-9013-5; the formula with these conventions was checked
against quadrature.
"""

import functools
from collections.abc import Iterator

import attrs
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.nn.spheres.grids import azimuths, colatitudes, soft
from armillary.nn.spheres.harmonics import bandwidth_of, degrees_and_orders
from armillary.nn.spheres.rotation import quarter_turn_wigner_d, rotate_coefficients, rotation_from_euler_zyz

_ENTRIES_PER_BLOCK = {"cpu": 1, "cuda": 2**26}  # samples in flight; pairs one by one where a cache is what limits


def correlate(
    first: Float[Tensor, "*batch channel coefficient"],
    second: Float[Tensor, "*batch channel coefficient"],
    *,
    bandwidth: int | None = None,
) -> Float[Tensor, "*batch alpha beta gamma"]:
    """Return C(R) on the SOFT grid of rotations, summed over the channels.

    Args:
        first: f, which stays.
        second: h, which is turned.
        bandwidth: B of the grid, (2B)^3 rotations; the signals' own when None. A multiple of it costs memory of its cube.

    Returns:
        Strides are no part of the contract: beta is innermost in memory.

    Raises:
        ValueError: the two differ in shape or dtype, the grid is coarser than the signals, or they are in half precision.

    >>> f, h = torch.randn(2, 1, 9, dtype=torch.float64)
    >>> rotation = rotations_of_cells(torch.tensor(7), bandwidth=3)
    >>> at_cell = correlation_at(f, rotate_coefficients(h, rotation))
    >>> torch.allclose(correlate(f, h).flatten()[7], at_cell)
    True
    """
    degrees = _check(first, second)
    wanted = degrees if bandwidth is None else bandwidth
    if wanted < degrees:
        raise ValueError(f"signals of {degrees} degrees need a grid of at least that bandwidth, but {wanted} is wanted")
    if first.numel() == 0:
        return (first.sum((-2, -1)) + second.sum((-2, -1)))[..., None, None, None].expand(
            *first.shape[:-2], *(2 * wanted,) * 3
        )
    with torch.autocast(first.device.type, enabled=False):
        blocks = [_cubes(f, h, wanted) for f, h in _pairs(first, second, wanted)]
    cubes = torch.cat(blocks) if len(blocks) > 1 else blocks[0]
    return cubes.reshape(*first.shape[:-2], *cubes.shape[1:]).movedim(-1, -2)


def correlation_at(
    first: Float[Tensor, "*batch channel coefficient"], second: Float[Tensor, "*batch channel coefficient"]
) -> Float[Tensor, "*batch"]:
    """Return C at the identity: the inner product of the signals. Rotate the second by R for the value at R.

    Raises:
        ValueError: the two differ in shape or dtype.

    >>> f = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    >>> correlation_at(f, f).item()
    30.0
    """
    _check(first, second)
    return (first * second).sum((-2, -1))


def naive_correlate(
    first: Float[Tensor, "*batch channel coefficient"],
    second: Float[Tensor, "*batch channel coefficient"],
    *,
    bandwidth: int,
) -> Float[Tensor, "*batch alpha beta gamma"]:
    """Return C(R) by rotating the second signal to every rotation of the grid: the reference.

    >>> f, h = torch.randn(2, 1, 9, dtype=torch.float64)
    >>> torch.allclose(naive_correlate(f, h, bandwidth=3), correlate(f, h))
    True
    """
    _check(first, second)
    cells = torch.arange((2 * bandwidth) ** 3, device=first.device)
    turns = rotations_of_cells(cells, bandwidth=bandwidth)
    turned = rotate_coefficients(second[..., None, :, :], turns[:, None])
    products = (first[..., None, :, :] * turned).sum((-2, -1))
    return products.unflatten(-1, (2 * bandwidth,) * 3)


def rotations_of_cells(
    cells: Int[Tensor, "*batch"], *, bandwidth: int, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotations of cells of the SOFT grid.

    Args:
        cells: index into the grid flattened in the order (alpha, beta, gamma).

    >>> rotation = rotations_of_cells(torch.tensor(0), bandwidth=2)  # alpha and gamma 0, beta 22.5 degrees
    >>> round(torch.acos(rotation[2, 2]).rad2deg().item(), 4)
    22.5
    """
    n = 2 * bandwidth
    grid = soft(bandwidth)
    beta = colatitudes(grid, dtype=torch.float64, device=cells.device)
    turn = azimuths(grid, dtype=torch.float64, device=cells.device)
    angles = torch.stack((turn[cells // n**2], beta[cells // n % n], turn[cells % n]), dim=-1)
    return rotation_from_euler_zyz(angles).to(dtype)


def _check(first: Tensor, second: Tensor) -> int:
    if first.shape != second.shape or first.ndim < 2 or first.dtype != second.dtype:
        raise ValueError(
            "two signals [*batch channel coefficient] of one dtype are needed, "
            f"but {first.shape} {first.dtype} and {second.shape} {second.dtype} came"
        )
    return bandwidth_of(first)


def _pairs(first: Tensor, second: Tensor, bandwidth: int) -> Iterator[tuple[Tensor, Tensor]]:
    limit = _ENTRIES_PER_BLOCK.get(first.device.type, _ENTRIES_PER_BLOCK["cuda"])
    size = max(1, limit // (2 * bandwidth) ** 3)
    flat = (signal.reshape(-1, *signal.shape[-2:]) for signal in (first, second))
    return zip(*(signal.split(size) for signal in flat), strict=True)


def _cubes(first: Tensor, second: Tensor, bandwidth: int) -> Tensor:
    """Return the correlation of each pair [pair, alpha, gamma, beta]."""
    degrees, pairs = bandwidth_of(first), len(first)
    tables = _tables(degrees, bandwidth, first.dtype, first.device)
    products = _products(first, second, tables).index_select(0, tables.sorting).flatten(1, 2)
    products = products.view(len(products) // 2, -1, degrees)  # orders m <= n, then n, m: one table serves both
    operands = [(products[rows, :, degrees - table.shape[1] :], table) for rows, table in tables.wigner]
    summed = torch.cat([torch.bmm(product, table) for product, table in operands])
    summed = summed.view(-1, 4 * pairs, 2 * bandwidth).index_select(0, tables.unsorting)
    p, r, q, s = summed.view(degrees, degrees, 4, pairs, -1).unbind(2)
    q, s = q.flip(-1), s.flip(-1)
    # Factors of cos cos, cos sin, sin cos, sin sin of (m alpha, n gamma).
    spectrum = first.new_empty(pairs, 2, degrees, 2, degrees, 2 * bandwidth)
    for i, j, here, there, sign in ((0, 0, q, p, 1), (0, 1, r, s, -1), (1, 0, r, s, 1), (1, 1, q, p, -1)):
        spectrum[:, i, :, j] = torch.add(here, there, alpha=sign).movedim(2, 0)
    over_alpha = torch.matmul(tables.waves, spectrum.view(pairs, 2 * degrees, -1))
    return torch.matmul(tables.waves, over_alpha.view(pairs, 2 * bandwidth, 2 * degrees, -1))


def _products(first: Tensor, second: Tensor, tables: "_Tables") -> Tensor:
    """Return products of all orders by all orders, summed over channels [order order, part, pair, degree].

    With c, s the coefficients of cosine and sine: p = cc + ss, r = sc - cs, and for the mirrored table q = cc - ss,
    s = sc + cs; each with the signs that the tables leave out.
    """
    degrees, pairs = bandwidth_of(first), len(first)
    f, h = (x.movedim(-1, 0) for x in (first, second))
    f, h = (torch.cat((x, torch.zeros_like(x[:1]))).index_select(0, tables.by_degree) for x in (f, h))
    f, h = (x.view(degrees, 2 * degrees, pairs, -1).movedim(2, 0).flatten(0, 1) for x in (f, h))
    products = torch.bmm(f, h.mT).view(pairs, degrees, -1).permute(2, 0, 1).contiguous()
    cc, cs, sc, ss = products.view(2, degrees, 2, degrees, pairs, degrees).transpose(1, 2).flatten(0, 1).unbind(0)
    plain, mirrored = tables.signs
    parts = torch.stack(((cc + ss) * plain, (sc - cs) * plain, (cc - ss) * mirrored, (sc + cs) * mirrored), dim=2)
    return parts.view(degrees * degrees, 4, pairs, degrees)


@attrs.frozen
class _Tables:
    """Tables for the correlation of signals of some degrees on a grid.

    ``by_degree`` is the place of each (degree, part, order) among the coefficients, the one after the last where there
    is none. ``sorting`` takes pairs of orders to the order of the table: by the larger, m <= n, each followed by (n, m).
    """

    by_degree: Tensor
    signs: tuple[Tensor, Tensor]  # [order, order, 1, degree]: of T at (n, m); of U besides
    sorting: Tensor
    unsorting: Tensor
    wigner: tuple[tuple[slice, Tensor], ...]  # T at m <= n [order order, degree, beta], from the first degree it has
    waves: Tensor  # cosines, then sines of each order at each angle [angle, part order]


@functools.lru_cache(maxsize=8)
def _tables(degrees: int, bandwidth: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    with torch.inference_mode(False), torch.no_grad():  # kept, so later calls with gradient must be able to use it
        place = torch.full((degrees, 2, degrees), degrees**2, dtype=torch.int64, device="cpu")
        l, m = degrees_and_orders(degrees)
        place[l, (m < 0).long(), m.abs()] = torch.arange(degrees**2, device="cpu")
        step = torch.arange(degrees, device="cpu")
        one, other = step[:, None, None, None], step[:, None, None]
        plain = torch.where(one > other, 1 - 2 * ((one + other) % 2), 1)
        mirrored = plain * (1 - 2 * ((one + other + step) % 2))
        pairs = [(low, high) for high in range(degrees) for low in range(high + 1)]
        low, high = torch.tensor(pairs, device="cpu").unbind(1)
        sorting = torch.stack((low * degrees + high, high * degrees + low), dim=1).flatten()
        unsorting = torch.empty(degrees**2, dtype=torch.int64, device="cpu")
        unsorting[sorting] = torch.arange(len(sorting), device="cpu")
        angle = azimuths(soft(bandwidth), dtype=torch.float64)[:, None] * step
        return _Tables(
            by_degree=place.flatten().to(device),
            signs=(plain.to(dtype=dtype, device=device), mirrored.to(dtype=dtype, device=device)),
            sorting=sorting.to(device),
            unsorting=unsorting.to(device),
            wigner=tuple(_wigner_blocks(degrees, bandwidth, dtype, device)),
            waves=torch.cat((angle.cos(), angle.sin()), dim=1).to(dtype=dtype, device=device),
        )


def _wigner_blocks(
    degrees: int, bandwidth: int, dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[slice, Tensor]]:
    beta = colatitudes(soft(bandwidth), dtype=torch.float64)
    quarter = quarter_turn_wigner_d(degrees)
    size = max(8, degrees // 8)  # orders per block
    for first in range(0, degrees, size):
        last = min(first + size, degrees)
        rows = [(low, high) for high in range(first, last) for low in range(high + 1)]
        low, high = torch.tensor(rows, device="cpu").unbind(1)
        table = torch.zeros(len(rows), degrees - first, len(beta), dtype=dtype, device="cpu")
        sign = (1.0 - 2.0 * ((low + high) % 2)) * (1 + (low == 0).double()).rsqrt() * (1 + (high == 0).double()).rsqrt()
        for l in range(first, degrees):
            exists = high <= l
            d = _wigner_d(quarter[l], low[exists], high[exists], beta)
            table[exists, l - first] = (sign[exists, None] * d).to(dtype)
        start = first * (first + 1) // 2
        yield slice(start, start + len(rows)), table.to(device)


def _wigner_d(quarter: Tensor, m: Tensor, n: Tensor, beta: Tensor) -> Tensor:
    r"""Return Wigner's d of one degree at pairs of orders from 0 [pair beta], from that at a quarter turn.

    .. math:: d_{mn}(\beta) = i^{m-n} \sum_k d_{km}(\pi/2)\, e^{-ik\beta}\, d_{kn}(\pi/2)

    Source: Risbo 1996, doi:10.1007/BF01090814.
    """
    l = len(quarter) // 2
    weight = torch.full((l + 1, 1), 2.0, dtype=quarter.dtype)  # k and -k
    weight[0] = 1
    products = ((weight * quarter[l:, l:])[:, m] * quarter[l:, l:][:, n]).T
    angle = torch.arange(l + 1, device="cpu")[:, None] * beta
    odd = ((m - n) % 2).bool()
    values = torch.empty(len(m), len(beta), dtype=quarter.dtype)
    values[~odd], values[odd] = products[~odd] @ angle.cos(), products[odd] @ angle.sin()
    sign = 1.0 - 2.0 * (torch.where(odd, m - n - 1, m - n) // 2 % 2)
    return sign[:, None].to(quarter.dtype) * values
