"""Checks of level 2 on losses: the truth costs least, masked values are ignored."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from armillary_testing.cases import Case, uses
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.suitable import case
from armillary_testing.values import drawn

_SLACK = 1e-5
_NEAR = 0.1  # of the way from the truth to something else
_MASKS = ("mask", "visibility")


def truth_is_best(subject: Subject) -> None:
    """A loss between a prediction and a truth of its kind is least at the truth, and its gradient leads there."""
    one = case(subject)
    predicted, truth = _pair(subject, one)
    part, given = one.build(), one.given()
    given |= {name: torch.ones_like(given[name]) for name, port in one.consumed.items() if port.kind in _MASKS}
    if one.consumed[truth].kind == "class_label":
        classes = given[predicted].shape[1]
        best = 8.0 * torch.nn.functional.one_hot(given[truth] % classes, classes).to(given[predicted])
    else:
        best = given[truth]
    port = one.consumed[predicted]
    other = drawn(port, tuple(best.shape), seed=1)
    near = _between(port.kind, best, other)
    with torch.no_grad():
        least = _values(one, part, {**given, predicted: best})
        more = {what: _values(one, part, {**given, predicted: x}) for what, x in (("near it", near), ("far", other))}
    for what, value in more.items():
        if bool((value < least - _SLACK * (1 + least.abs())).any()):
            raise Failure(
                f"{predicted} equal to {truth} costs {float(least.max()):.4g}, {what} {float(value.min()):.4g}"
            )
    if not bool((more["far"] > least).any()):
        raise Failure(f"{predicted} costs the same wherever it is")
    free = near.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_values(one, part, {**given, predicted: free}).sum(), free)
    along = float((gradient * (near - best)).sum())
    if not along > 0:
        raise Failure(f"its gradient leads {predicted} away from {truth}: {along:.4g} along the way from it")


def masked(subject: Subject) -> None:
    """What a mask leaves out changes neither value nor gradient, were it nan; with nothing left the value is finite."""
    one = case(subject)
    masks = [name for name, port in one.consumed.items() if port.kind in _MASKS]
    if not masks:
        raise Skip("it has no mask")
    part, given = one.build(), one.given()
    for mask in masks:
        for what, kept in (("nothing", torch.zeros_like(given[mask])), ("a part", given[mask])):
            if what == "a part" and subject.spec.assets:
                continue  # a network inside sees the neighbours of what counts
            before = {**given, mask: kept}
            holes = {**before, **{name: _without(before[name], kept) for name in _maskable(subject, one)}}
            plain, free = _values(one, part, before), _free(holes)
            found = _values(one, part, free)
            if not bool(torch.isfinite(found).all()):
                raise Failure(f"where {mask} leaves {what}, nan outside of it makes the value {found.flatten()[0]}")
            if bool(((found - plain).abs() > _SLACK * (1 + plain.abs())).any()):
                raise Failure(f"where {mask} leaves {what}, what lies outside of it changes the value")
            leaves = [value for value in free.values() if value.requires_grad]
            if not found.requires_grad:
                continue
            for gradient in torch.autograd.grad(found.sum(), leaves, allow_unused=True):
                if gradient is not None and not bool(torch.isfinite(gradient).all()):
                    raise Failure(f"where {mask} leaves {what}, nan outside of it reaches the gradient")


def _pair(subject: Subject, one: Case) -> tuple[str, str]:
    """Return the prediction and the truth that a loss compares, by how recipes bind it; else by their kinds."""
    ports = one.consumed
    for use in uses(subject):
        bind: Mapping[str, tuple[str, str]] = use.bind  # type: ignore[union-attr]
        sides = {
            place: [name for name, (where, _) in bind.items() if where == place and name in ports]
            for place in ("outputs", "batch")
        }
        pairs = [(p, t) for p in sides["outputs"] for t in sides["batch"] if _alike(one, p, t)]
        if len(pairs) == 1:
            return pairs[0]
        raise Skip("it compares no prediction with a truth of its kind")
    pairs = [(p, t) for p in ports for t in ports if p != t and _alike(one, p, t) and _differentiable(one, p)]
    if len({frozenset(pair) for pair in pairs}) != 1 or any(port.kind == "grid" for port in ports.values()):
        raise Skip("it compares no prediction with a truth of its kind")
    return pairs[0]


def _maskable(subject: Subject, one: Case) -> list[str]:
    """Return the ports that a mask speaks of: the positions where there are some; of a network inside, the prediction alone."""
    grids = [name for name, port in one.consumed.items() if port.kind == "grid"]
    if grids or not subject.spec.assets:
        return grids or [name for name, port in one.consumed.items() if port.kind not in _MASKS]
    try:
        return [_pair(subject, one)[0]]
    except Skip:
        return []


def _differentiable(one: Case, name: str) -> bool:
    given = _free(one.given())
    value = _values(one, one.build(), given).sum()
    if not given[name].requires_grad or not value.requires_grad:
        return False
    return torch.autograd.grad(value, given[name], allow_unused=True)[0] is not None


def _alike(one: Case, predicted: str, truth: str) -> bool:
    if _labels(one, predicted, truth):
        return True
    ports = one.consumed
    same = ports[predicted].kind == ports[truth].kind and one.inputs[predicted] == one.inputs[truth]
    return same and ports[predicted].kind not in _MASKS


def _labels(one: Case, predicted: str, truth: str) -> bool:
    return one.consumed[predicted].kind == "class_scores" and one.consumed[truth].kind == "class_label"


def _between(kind: str, best: Tensor, other: Tensor) -> Tensor:
    mixed = best + _NEAR * (other - best)
    if kind != "rotation":
        return mixed
    left, _, right = torch.linalg.svd(mixed)
    return left @ right


def _values(one: Case, part: torch.nn.Module, given: Mapping[str, Any]) -> Tensor:
    found = one.call(part, given)
    if "value" in found:
        return found["value"]
    return found["sum"] / found["count"].clamp_min(torch.finfo(found["sum"].dtype).tiny)


def _without(value: Tensor, mask: Tensor) -> Tensor:
    """Return ``value`` with nan where the mask is false, if it has the mask's places; else as it is."""
    if not value.is_floating_point():
        return value
    if mask.ndim == 4 and value.ndim == 4 and value.shape[-2:] == mask.shape[-2:]:
        return torch.where(mask, value, torch.nan)
    if mask.ndim == 4 and value.ndim == 4 and value.shape[1:3] == mask.shape[-2:]:
        return torch.where(mask[:, 0, :, :, None], value, torch.nan)
    if mask.ndim == 2 and value.ndim == 3 and value.shape[:2] == mask.shape:
        return torch.where(mask[..., None], value, torch.nan)
    return value


def _free(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: v.clone().requires_grad_() if v.is_floating_point() else v for name, v in given.items()}


_RUNS = {"truth-is-best": truth_is_best, "masked": masked}
CHECKS = tuple(
    Check(name=name, level=2, kinds=("loss",), claim=run.__doc__ or "", run=run) for name, run in _RUNS.items()
)
