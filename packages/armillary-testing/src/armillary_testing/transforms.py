"""Checks of level 2 on transforms."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from armillary.errors import ArmillaryError
from armillary.kernels.sampling import sample as sample_at
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.ranges import out_of_kind
from armillary_testing.samples import RAMPS, Sample, drawn_sample, equal, ramps, sample

_SCALES = (1, 2, 4, 8)
_DRAWS = 8
_TOLERANCE = 0.02  # of a ramp over the whole picture; a pixel is as much
_INSIDE = 0.9


def transform_repeats(subject: Subject) -> None:
    """The same generator gives the same sample, and no other stream is drawn from."""
    one = sample(subject)
    before = torch.random.get_rng_state()
    first, second = one.changed(), one.changed()
    if not torch.equal(before, torch.random.get_rng_state()):
        torch.random.set_rng_state(before)
        raise Failure("it draws from torch's global stream, not from its generator")
    for name, value in first.items():
        if name not in second or not equal(value, second[name]):
            raise Failure(f"{name} differs for the same generator")


def transform_keeps(subject: Subject) -> None:
    """The sample that it is given is left as it is."""
    one = sample(subject)
    values = copy.deepcopy(dict(one.values))
    one.changed(values=values)
    changed = [name for name in one.values if name not in values or not equal(values[name], one.values[name])]
    if changed:
        raise Failure(f"it changes {changed[0]} of the sample that it was given")


def transform_ports(subject: Subject) -> None:
    """What it declares to make is there, with as many axes as declared, and of its kind; the name of the item stays."""
    one = sample(subject)
    found = one.changed()
    batched = subject.spec.per == "batch"
    for port in subject.spec.produces:
        if port.name not in found:
            if port.optional:
                continue
            raise Failure(f"it declares {port}, and does not make it")
        value = found[port.name]
        if not isinstance(value, Tensor):
            continue
        axes = len(port.shape.split()) - (not batched)
        if value.ndim != axes:
            raise Failure(
                f"{port.name} has {value.ndim} axes, declared are {port}{'' if batched else ', less the batch'}"
            )
        problem = out_of_kind(port, value if batched else value[None])
        if problem:
            raise Failure(f"{port.name} is {port.kind}, but {problem}")
    if found.get("id") != one.values.get("id"):
        raise Failure("the name of the item is lost")


def moves_together(subject: Subject) -> None:
    """Pixels and geometry move together: a picture of ramps shows at the moved points what it showed before."""
    if not subject.spec.moves:
        raise Skip("it moves nothing, by what it declares")
    one = drawn_sample(subject, more=RAMPS)
    before, moved = _served(one), False
    for seed in range(_DRAWS):
        after = one.changed(seed=seed, values=before)
        _follows(before, after)
        same = after["image"].shape == before["image"].shape and torch.equal(after["image"], before["image"])
        moved |= not same
    if not moved:
        raise Failure(f"it moves nothing in {_DRAWS} draws")


def pairs(subject: Subject) -> None:
    """Where a grid is valid, the target shows there what the source shows at the pixel."""
    ports = {port.name: port.kind for port in subject.spec.produces}
    if not {"source", "target", "grid", "valid"} <= set(ports):
        raise Skip("it makes no pairs")
    one, tolerance = _of_ramps(subject), _TOLERANCE
    if one is None:
        one, tolerance = sample(subject), 3 * _TOLERANCE
    some = 0
    for seed in range(_DRAWS):
        found = one.changed(seed=seed)
        shown = sample_at(found["target"][None], found["grid"][None].to(found["target"]))[0]
        off = (shown - found["source"]).abs().amax(dim=0)[found["valid"][0].bool()]
        some += len(off)
        if len(off) and float(off.median()) > tolerance:
            raise Failure(f"target at the grid is {float(off.median()):.3g} from source, in the middle of valid pixels")
    if not some:
        raise Failure(f"no pixel is valid in {_DRAWS} draws")


def _follows(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    old, new = before["true_landmarks2d"], after["true_landmarks2d"]
    inside = (new.abs() < _INSIDE).all(dim=-1)
    if not bool(inside.any()):
        raise Failure("no point near the middle of the picture is left in it")
    at = new[None, None].to(torch.float32)
    shown = sample_at(after["image"][None], at)[0, :2, 0].mT  # red and green at each point
    told = (old + 1) / 2
    off = float((shown - told).abs()[inside].max())
    if off > _TOLERANCE:
        raise Failure(f"at the moved points the picture shows what lay {off:.3g} of its side elsewhere")
    depth = sample_at(after["true_depth"][None].to(torch.float32), at)[0, 0, 0]
    off = float((depth - (1 + old.sum(-1) / 8)).abs()[inside].max())
    if off > _TOLERANCE:
        raise Failure(f"at the moved points the depth is off by {off:.3g}")
    red, mask = after["image"][0], after["true_mask"][0].bool()
    clear = (red - 0.5).abs() > 2 * _TOLERANCE
    if bool((mask != (red < 0.5))[clear].any()):
        raise Failure("the mask does not go with the picture")


def _served(one: Sample) -> dict[str, Any]:
    """Return ramps of a size that the transform takes: the smallest, where none is said to be too small."""
    for scale in _SCALES:
        try:
            one.changed(values=ramps(scale))
        except (ValueError, ArmillaryError):
            continue
        return ramps(scale)
    return ramps(1)


def _of_ramps(subject: Subject) -> Sample | None:
    """Return the transform with a picture of ramps, where a picture is all that it needs."""
    try:
        one = drawn_sample(subject)
        values = {"image": ramps(1)["image"], "id": "ramps"}
        made = Sample(transform=one.transform, values=values, kinds=one.kinds)
        made.changed()
    except Exception:
        return None
    return made


_RUNS = {
    "transform-repeats": transform_repeats,
    "transform-keeps": transform_keeps,
    "transform-ports": transform_ports,
    "moves-together": moves_together,
    "pairs": pairs,
}
CHECKS = tuple(
    Check(name=name, level=2, kinds=("transform",), claim=run.__doc__ or "", run=run) for name, run in _RUNS.items()
)
