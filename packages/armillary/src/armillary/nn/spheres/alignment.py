r"""Alignment of one signal with another: peaks of their correlation over rotations, below the resolution of its grid.

A coarse peak is a cell of the grid above its six neighbours. From the best of them, far enough apart, Newton's method
climbs the exact correlation: a small turn v at R changes it by

.. math:: C(\exp(v) R) = \langle f, h' \rangle - \sum_i v_i \langle G_i f, h' \rangle
          + \tfrac12 \sum_{ij} v_i v_j \langle G_i G_j f, h' \rangle + O(|v|^3), \qquad h' = D(R)\, h,

with the :math:`G_i` of :func:`~armillary.nn.spheres.rotation.infinitesimal_turns`, so that all ten numbers are one
product with tensors of f that are made once. Symmetric objects have several peaks of nearly one height, which is why
runners-up are returned. Everything after the grid is float64.

Source: the method is that of Esteves et al. 2019, arXiv:1812.02716, Section 3.3, who stop at the grid.
"""

import math

import attrs
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.kernels.rotations import exp_map, geodesic_angle
from armillary.nn.spheres.correlation import correlate, correlation_at, rotations_of_cells
from armillary.nn.spheres.harmonics import bandwidth_of
from armillary.nn.spheres.rotation import infinitesimal_turns, rotate_coefficients

_ENTRIES_PER_BLOCK = {"cpu": 2**20, "cuda": 2**26}  # numbers in flight
_BANDWIDTH = 32  # of the grid by default: that of the paper
_CANDIDATES = 128  # coarse peaks that are looked at, and ...
_SPARE = 2  # ... that are refined beyond those wanted: refinement joins some


@attrs.frozen(eq=False)
class Alignment:
    """Peaks of a correlation, the highest first.

    Where a correlation has fewer peaks than wanted, the last ones repeat the best, with a score of minus infinity.

    >>> found = align(torch.ones(1, 4), torch.zeros(1, 4), peaks=1)
    >>> found.rotations.shape, found.scores.tolist()  # nothing to align with: 0
    (torch.Size([1, 3, 3]), [0.0])
    """

    rotations: Float[Tensor, "*batch peak 3 3"] = attrs.field()
    """R of each peak, float64: carries the second signal onto the first."""
    scores: Float[Tensor, "*batch peak"] = attrs.field()
    """Correlation over the norms of both signals, float64: in [-1, 1]; 1 where the turned second is a positive multiple
    of the first; 0 where a signal is 0."""


@torch.no_grad()
def align(
    first: Float[Tensor, "*batch channel coefficient"],
    second: Float[Tensor, "*batch channel coefficient"],
    *,
    bandwidth: int | None = None,
    peaks: int = 2,
    newton_steps: int = 5,
) -> Alignment:
    r"""Return rotations R from ``second`` to ``first``: the highest peaks of :math:`\int f(x)\, h(R^{-1} x)\, dx`.

    Swapped arguments give the inverses. No gradient flows.

    Args:
        bandwidth: of the grid of rotations; None is twice the signals' own, at most 32, at least their own.
        peaks: how many to return, at least 1.
        newton_steps: 0 gives the cells of the grid themselves. A turned copy is found to 1e-6 degree after 5.

    Raises:
        ValueError: the two differ in shape or dtype, the grid is coarser than the signals, no peak is wanted, or they
            are in half precision.

    >>> signal = torch.randn(1, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> rotation = exp_map(torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64))
    >>> found = align(rotate_coefficients(signal, rotation), signal, peaks=1)
    >>> torch.allclose(found.rotations[0], rotation), round(found.scores.item(), 6)
    (True, 1.0)
    """
    if peaks < 1 or newton_steps < 0:
        raise ValueError(f"peaks is at least 1 and newton_steps at least 0, but {peaks} and {newton_steps} came")
    degrees = bandwidth_of(first)
    if first.numel() == 0:
        none = correlation_at(first, second).double()[..., None].expand(*first.shape[:-2], peaks)
        identity = torch.eye(3, dtype=torch.float64, device=first.device)
        return Alignment(identity.expand(*none.shape, 3, 3), none)
    grid = max(degrees, min(2 * degrees, _BANDWIDTH)) if bandwidth is None else bandwidth
    apart = math.pi / (2 * degrees)  # half a wavelength of the highest degree
    entries = max((2 * grid) ** 3, (peaks + _SPARE) * first.shape[-2] * first.shape[-1])
    size = max(1, _ENTRIES_PER_BLOCK.get(first.device.type, _ENTRIES_PER_BLOCK["cuda"]) // entries)
    pairs = (x.reshape(-1, *x.shape[-2:]).split(size) for x in (first, second))
    found = []
    for f, h in zip(*pairs, strict=True):
        start, heights = _coarse_peaks(correlate(f, h, bandwidth=grid), peaks + _SPARE, apart=apart)
        if newton_steps:
            start, heights = _climb(f.double(), h.double(), start, steps=newton_steps, reach=math.pi / grid)
        found.append(_apart(start, heights, peaks, apart=apart))
    rotations, heights = (
        torch.cat(parts).reshape(*first.shape[:-2], *parts[0].shape[1:]) for parts in zip(*found, strict=True)
    )
    norm = (first.double().square().sum((-2, -1)) * second.double().square().sum((-2, -1))).sqrt()[..., None]
    return Alignment(rotations, torch.where(norm > 0, heights / torch.where(norm > 0, norm, 1.0), heights))


def _coarse_peaks(cubes: Tensor, number: int, *, apart: float) -> tuple[Tensor, Tensor]:
    """Return rotations [pair peak 3 3] and values [pair peak] of the highest cells above their neighbours, float64."""
    cubes = cubes.movedim(-2, -1)  # as they lie in memory: pair alpha gamma beta
    highest = torch.ones_like(cubes, dtype=torch.bool)
    for axis in (1, 2):
        highest &= (cubes >= cubes.roll(1, dims=axis)) & (cubes >= cubes.roll(-1, dims=axis))
    highest[..., 1:] &= cubes[..., 1:] >= cubes[..., :-1]
    highest[..., :-1] &= cubes[..., :-1] >= cubes[..., 1:]
    masked = torch.where(highest, cubes, -torch.inf).flatten(1)
    values, cells = masked.topk(min(_CANDIDATES, masked.shape[1]))
    size = cubes.shape[1]
    alpha, gamma, beta = cells // size**2, cells // size % size, cells % size
    turns = rotations_of_cells((alpha * size + beta) * size + gamma, bandwidth=size // 2)
    return _apart(turns, values.double(), number, apart=apart)


def _apart(rotations: Tensor, values: Tensor, number: int, *, apart: float) -> tuple[Tensor, Tensor]:
    """Return the highest that are ``apart`` from all higher ones, filled up with the best at minus infinity.

    Args:
        rotations, values: [pair peak 3 3], [pair peak], in any order.
    """
    pair = torch.arange(len(values), device=values.device)
    best, left = values.argmax(-1), values.clone()
    chosen, heights = [], []
    for _ in range(number):
        index = left.argmax(-1)
        height = left[pair, index]
        turn = rotations[pair, torch.where(height == -torch.inf, best, index)]
        left = torch.where(geodesic_angle(rotations, turn[:, None]) < apart, -torch.inf, left)
        chosen.append(turn)
        heights.append(height)
    return torch.stack(chosen, dim=1), torch.stack(heights, dim=1)


def _climb(first: Tensor, second: Tensor, rotations: Tensor, *, steps: int, reach: float) -> tuple[Tensor, Tensor]:
    """Climb the exact correlation from each rotation by Newton's method; shorten a step that would lose height.

    Args:
        first, second: [pair channel coefficient], float64.
        rotations: [pair peak 3 3].
        reach: longest step, radians.
    """
    slopes = infinitesimal_turns(first)  # axis pair channel coefficient
    curves = infinitesimal_turns(slopes)
    curves = (curves + curves.transpose(0, 1)) / 2
    rows = torch.cat((first[None], -slopes, curves.flatten(0, 1))).flatten(2).permute(1, 2, 0)  # pair value (1 + 3 + 9)

    def look(turns: Tensor) -> Tensor:
        return torch.bmm(rotate_coefficients(second[:, None], turns[:, :, None]).flatten(2), rows)

    here, seen = rotations, look(rotations)
    radius = torch.full_like(seen[..., 0], reach)
    for _ in range(steps):
        there = exp_map(_newton_step(seen[..., 1:4], seen[..., 4:].unflatten(-1, (3, 3)), radius)) @ here
        then = look(there)
        better = then[..., 0] >= seen[..., 0]
        here = torch.where(better[..., None, None], there, here)
        seen = torch.where(better[..., None], then, seen)
        radius = torch.where(better, radius, radius / 4)
    return here, seen[..., 0]


def _newton_step(slope: Tensor, curve: Tensor, radius: Tensor) -> Tensor:
    """Return Newton's step uphill [peak 3], along the axes of the curvature, whose values count as negative."""
    values, axes = torch.linalg.eigh(curve)
    floor = values.abs().amax(-1, keepdim=True) * math.sqrt(torch.finfo(values.dtype).eps)
    along = (axes.mT @ slope[..., None])[..., 0]
    bend = torch.maximum(values.abs(), floor)
    step = (axes @ torch.where(bend > 0, along / torch.where(bend > 0, bend, 1.0), 0.0)[..., None])[..., 0]
    length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
    return step * torch.where(length > radius[..., None], radius[..., None] / torch.where(length > 0, length, 1.0), 1.0)
