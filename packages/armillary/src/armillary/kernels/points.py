"""Points read from maps, and maps read at points.

A point is (x, y) in [-1, 1]; the corners -1 and 1 are the centres of the corner cells, so that axis positions are
``linspace(-1, 1, cells)``. An axis of one cell has its cell at 0.
"""

import functools
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from armillary.kernels.sampling import identity_grid, pixels_to_grid, sample

_ENTRIES_PER_BLOCK = {"cpu": 2**19, "cuda": 2**26}  # a processor's cache; a device's memory


def soft_argmax(
    logits: Float[Tensor, "*batch points height width"], *, temperature: float = 1.0
) -> Float[Tensor, "*batch points 2"]:
    r"""Return the mean position under the softmax of each map.

    .. math:: \sum_v v\, p_v, \quad p = \mathrm{softmax}(\text{logits} / T)

    Args:
        logits: any scale; cells at minus infinity are left out. Half precision is computed in float32.
        temperature: T > 0; towards 0 the position is that of the largest logit.

    Returns:
        (x, y) in [-1, 1].

    Raises:
        ValueError: the logits are not maps, or the temperature is not positive.

    Undefined: where all cells are at minus infinity, or one is at infinity or nan; the point is nan then.

    >>> soft_argmax(torch.zeros(1, 5, 5)).tolist()  # a flat map: its middle
    [[0.0, 0.0]]
    >>> soft_argmax(100 * torch.eye(3)[:1].reshape(1, 1, 3)).tolist()  # a sharp one: its largest cell
    [[-1.0, 0.0]]
    """
    if logits.ndim < 3:
        raise ValueError(f"logits must be [*batch points height width], got {tuple(logits.shape)}")
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    flat = _floats(logits).reshape(-1, logits.shape[-2] * logits.shape[-1])
    table = coordinate_table(*logits.shape[-2:], dtype=flat.dtype, device=flat.device)
    return _MeanPosition.apply(flat, table, float(temperature)).view(*logits.shape[:-2], 2)


def argmax_positions(heat: Float[Tensor, "*batch points height width"]) -> Float[Tensor, "*batch points 2"]:
    """Return the position of the largest value of each map, the first of equal ones, row by row; no gradient.

    Raises:
        ValueError: the values are not maps.

    >>> argmax_positions(torch.tensor([[[0.0, 0.0, 7.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])).tolist()
    [[1.0, -1.0]]
    """
    if heat.ndim < 3:
        raise ValueError(f"maps must be [*batch points height width], got {tuple(heat.shape)}")
    height, width = heat.shape[-2:]
    cell = heat.flatten(-2).argmax(-1)
    row = torch.div(cell, width, rounding_mode="floor")
    pixels = torch.stack((cell - row * width, row), dim=-1).to(_floats(heat[..., :0]).dtype)
    return pixels_to_grid(pixels, height=height, width=width)


def values_at(
    image: Float[Tensor, "*batch channel height width"], points: Float[Tensor, "*batch points 2"]
) -> Float[Tensor, "*batch points channel"]:
    """Read maps at points, bilinearly; outside of a map, return the value of the nearest place on its border.

    Raises:
        ValueError: the leading axes of map and points differ.

    >>> ramp = torch.tensor([[[0.0, 1.0, 2.0]]])
    >>> values_at(ramp, torch.tensor([[0.5, 0.0], [9.0, 0.0]])).flatten().tolist()
    [1.5, 2.0]
    """
    return sample(image, points[..., None, :, :], padding="border").squeeze(-2).transpose(-1, -2)


@functools.lru_cache(maxsize=16)
def coordinate_table(
    height: int,
    width: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "cells 2"]:
    """Return the position of every cell, row by row. The table is cached: do not write to it.

    >>> coordinate_table(1, 3).tolist()
    [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    with torch.inference_mode(False):  # later calls with gradient must be able to use it
        return identity_grid(height, width, dtype=torch.float64).flatten(0, 1).to(device, dtype)


class _MeanPosition(torch.autograd.Function):
    """Positions under the softmax of each row, computed block by block, and again for the gradient.

    The softmax is not kept: to read it back would take longer than to compute it in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Float[Tensor, "maps cells"], table: Float[Tensor, "cells 2"], temperature: float
    ) -> Float[Tensor, "maps 2"]:
        mean = logits.new_empty(len(logits), 2)
        for rows, p in _softmax_blocks(logits, temperature):
            mean[rows] = p @ table
        ctx.save_for_backward(logits, table, mean)
        ctx.temperature = temperature
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, "maps 2"]) -> tuple[Tensor | None, ...]:
        logits, table, mean = ctx.saved_tensors
        grad = grad / ctx.temperature
        pull = torch.cat((grad, -(grad * mean).sum(-1, keepdim=True)), dim=-1)
        slopes = torch.cat((table.T, torch.ones_like(table[None, :, 0])))
        found = torch.empty_like(logits)
        for rows, p in _softmax_blocks(logits, ctx.temperature):
            torch.mm(pull[rows], slopes, out=found[rows]).mul_(p)
        return found, None, None


def _softmax_blocks(
    logits: Float[Tensor, "maps cells"], temperature: float
) -> Iterator[tuple[slice, Float[Tensor, "some cells"]]]:
    """Yield the softmax by blocks of rows, in one reused buffer; mixed precision is off."""
    maps, cells = logits.shape
    step = max(1, _ENTRIES_PER_BLOCK.get(logits.device.type, _ENTRIES_PER_BLOCK["cuda"]) // cells)
    memory = logits.new_empty(min(step, maps), cells)
    for first in range(0, maps, step):
        rows = slice(first, min(first + step, maps))
        p = memory[: rows.stop - rows.start]
        some = logits[rows] if temperature == 1 else torch.div(logits[rows], temperature, out=p)
        with torch.autocast(logits.device.type, enabled=False):
            yield rows, torch.softmax(some, dim=-1, out=p)


def _floats(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
