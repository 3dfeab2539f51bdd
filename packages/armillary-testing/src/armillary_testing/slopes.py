"""Checks of level 2 on gradients of renderers and losses, against difference quotients."""

from collections.abc import Mapping

import torch
from torch import Tensor

from armillary_testing.cases import Case
from armillary_testing.checks import Check, Failure, Subject
from armillary_testing.suitable import case

_STEP = 1e-6
_PART = 1e-3  # by which the two may differ: a step may cross a kink


def slope(subject: Subject) -> None:
    """In double precision the gradient along a random direction is the difference quotient there."""
    one = case(subject)
    part, given = one.build().double(), one.given(dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    ways = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in given.items()
        if value.is_floating_point()
    }
    free = {name: given[name].clone().requires_grad_() for name in ways}
    total = _total(one, part, {**given, **free})
    if not total.requires_grad:
        raise Failure("nothing that comes out carries a gradient")
    found = torch.autograd.grad(total, list(free.values()), allow_unused=True)
    told = sum(float((g * way).sum()) for g, way in zip(found, ways.values(), strict=True) if g is not None)
    ways = {name: way for (name, way), g in zip(ways.items(), found, strict=True) if g is not None}  # a truth has none
    with torch.no_grad():
        ends = [
            float(_total(one, part, {**given, **{name: given[name] + side * _STEP * ways[name] for name in ways}}))
            for side in (1, -1)
        ]
    measured = (ends[0] - ends[1]) / (2 * _STEP)
    if abs(told - measured) > _PART * (abs(told) + abs(measured)) + _STEP:
        raise Failure(f"along a random direction the gradient is {told:.6g}, but the slope is {measured:.6g}")


def _total(one: Case, part: torch.nn.Module, given: Mapping[str, Tensor]) -> Tensor:
    """Return one number of all that comes out: a sum with fixed random weights."""
    generator = torch.Generator().manual_seed(1)
    values = [value for value in one.call(part, given).values() if value.is_floating_point()]
    return torch.stack([(v * torch.rand(v.shape, generator=generator, dtype=v.dtype)).sum() for v in values]).sum()


CHECKS = (Check(name="slope", level=2, kinds=("renderer", "loss"), claim=slope.__doc__ or "", run=slope),)
