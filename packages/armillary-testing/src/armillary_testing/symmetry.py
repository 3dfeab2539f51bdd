r"""Check of level 2 on symmetry: outputs are equivariant under the declared group, and not under the next larger one.

Signals are bumps whose centres are turned: so the signal that is turned is exact, whatever the grid. Of what comes out, maps and
coefficients turn, rotations are multiplied from the left, and everything else stays. What is measured is

.. math:: e(g) = \frac{\|f(g x) - g f(x)\|}{\|f(g x) - f(x')\|}

with x' another signal: 0 where the output follows exactly, 1 where it does no better than that of something else. What sampling
costs a nonlinearity depends on the grid, so an element of the declared group must be followed well, and one beyond it clearly worse.
Beyond mirrors nothing turns a sphere into itself; there the poles are stretched, as by a zoom.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from armillary.kernels.rotations import exp_map
from armillary.nn.spheres.grids import colatitudes, points, soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary.specs import SYMMETRIES
from armillary_testing.cases import Case
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.suitable import case

_FOLLOWED = 0.25
"""Largest error under the declared group."""

_WORSE = 2.0
"""Times as large that of the next larger group is, at least."""

_BUMPS, _SHARPNESS, _SIGNALS = 3, 3.0, 4
_ZOOM = 2.5
_MAPS = ("sphere_signal", "sphere_coefficients")

_Act = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Tensor | None]
"""How points move, how signals on a soft grid do, and the matrix of a turn or mirror."""


def symmetry(subject: Subject) -> None:
    """What comes out follows the declared group, and does not follow the next larger one."""
    group = subject.spec.symmetry
    if not group:
        raise Skip("it declares none")
    one = case(subject)
    maps = [name for name, port in one.consumed.items() if port.kind in _MAPS]
    if len(maps) != 1 or one.consumed[maps[0]].kind != "sphere_signal":
        raise Failure(f"it declares the symmetry {group}, but takes no signal on the sphere")
    size = one.inputs[maps[0]][-1]
    if size is None or one.inputs[maps[0]][-2] != size or size % 2:
        raise Failure(f"its signals are {one.inputs[maps[0]]}, on no grid that can be turned")
    part = one.build()
    inside = {name: _error(one, part, maps[0], act) for name, act in _elements(group).items()}
    worst = max(inside, key=lambda name: inside[name])
    if not inside[worst] <= _FOLLOWED:
        raise Failure(
            f"it declares {group}, but under {worst} its error is {inside[worst]:.2f} of that of another signal's"
        )
    larger = [*SYMMETRIES, "zoom"][SYMMETRIES.index(group) + 1]
    beyond = max(_error(one, part, maps[0], act) for act in _elements(larger, only=True).values())
    if beyond < max(_WORSE * inside[worst], _FOLLOWED / _WORSE):
        raise Failure(
            f"it declares {group}, but follows {larger} too: {beyond:.3f} of the error of another signal's, {inside[worst]:.3f} "
            f"under {group}; declare the largest group that it has, or the measure sees nothing"
        )


def _error(one: Case, part: torch.nn.Module, name: str, act: _Act) -> float:
    """Return the largest error of all outputs under one element."""
    move, follow, matrix = act
    shape = one.inputs[name]
    size, channels = shape[-1] or 0, shape[1] or 1
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(_SIGNALS, channels, _BUMPS, 3, generator=generator), dim=-1)
    heights = 0.5 + torch.rand(_SIGNALS, channels, _BUMPS, generator=generator)
    with torch.no_grad():
        before = one.call(part, {name: _bumps(centres, heights, lambda x: x, size)})
        after = one.call(part, {name: _bumps(centres, heights, move, size)})
    errors = []
    for port, value in before.items():
        kind = one.produced[port].kind
        wanted = _followed(kind, value, follow, matrix)
        off = (after[port] - wanted).flatten(1).norm(dim=1)
        apart = (after[port] - value.roll(1, dims=0)).flatten(1).norm(dim=1)
        if float(apart.max()) > 0:
            errors.append(float((off / apart.clamp_min(torch.finfo(off.dtype).tiny)).mean()))
    return max(errors, default=math.nan)


def _followed(kind: str, value: Tensor, follow: Callable[[Tensor], Tensor], matrix: Tensor | None) -> Tensor:
    if kind == "sphere_signal":
        return follow(value)
    if kind == "sphere_coefficients":
        grid = soft(math.isqrt(value.shape[-1]))
        return coefficients_from_signal(follow(signal_from_coefficients(value, grid=grid)), grid=grid)
    if kind == "rotation" and matrix is not None:
        return matrix.to(value) @ value
    return value


def _bumps(centres: Tensor, heights: Tensor, move: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """Return the signal x -> f(g^-1 x): ``move`` is g^-1."""
    where = move(points(soft(size // 2), dtype=centres.dtype))
    near = (torch.einsum("hwd,scbd->scbhw", where, centres) - 1) * _SHARPNESS
    return (near.exp() * heights[..., None, None]).sum(dim=2)


def _elements(group: str, *, only: bool = False) -> dict[str, _Act]:
    """Return elements of a group, with those of the groups inside it unless ``only`` its own are wanted."""
    turns = {
        "so2z": {"a turn about z": _turned(exp_map(torch.tensor([0.0, 0.0, 1.1])))},
        "so3": {"a turn about another axis": _turned(exp_map(torch.tensor([0.9, -0.6, 0.4])))},
        "o3": {"a mirror": _turned(torch.diag(torch.tensor([1.0, -1.0, 1.0])))},
        "zoom": {"a zoom": (lambda x: _zoomed(x, 1 / _ZOOM), _zoom, None)},
    }
    names = [group] if only else [*turns][: [*turns].index(group) + 1]
    return {name: act for each in names for name, act in turns[each].items()}


def _turned(matrix: Tensor) -> _Act:
    mirrors = bool(torch.linalg.det(matrix) < 0)

    def follow(value: Tensor) -> Tensor:
        if mirrors:  # y to -y reverses azimuth
            return value.flip(-1).roll(1, dims=-1)
        grid = soft(value.shape[-1] // 2)
        return signal_from_coefficients(
            rotate_coefficients(coefficients_from_signal(value, grid=grid), matrix), grid=grid
        )

    return (lambda x: x @ matrix), follow, matrix  # rows times R are R^T x, the inverse


def _zoomed(x: Tensor, factor: float) -> Tensor:
    """Return points with their stereographic distance from the north pole multiplied: a conformal map that is no turn."""
    flat = factor * x[..., :2] / (1 + x[..., 2:]).clamp_min(1e-6)
    square = flat.square().sum(-1, keepdim=True)
    return torch.cat((2 * flat, 1 - square), dim=-1) / (1 + square)


def _zoom(value: Tensor) -> Tensor:
    """Return a signal on a soft grid moved by the zoom: each row is read from where it was, linearly between rows."""
    rows = colatitudes(soft(value.shape[-2] // 2), dtype=value.dtype)
    source = 2 * torch.atan(torch.tan(rows / 2) / _ZOOM)
    place = ((source - rows[0]) / (rows[1] - rows[0])).clamp(0, len(rows) - 1)
    low = place.floor().long().clamp_max(len(rows) - 2)
    part = (place - low)[:, None]
    return value[..., low, :] * (1 - part) + value[..., low + 1, :] * part


CHECKS = (Check(name="symmetry", level=2, kinds=("encoder", "head"), claim=symmetry.__doc__ or "", run=symmetry),)
