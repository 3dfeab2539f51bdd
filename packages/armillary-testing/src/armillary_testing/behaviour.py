"""Level 2: what the parts do with tiny tensors on the CPU."""

import random
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from armillary.run.build import declared
from armillary_testing.cases import BATCH, Case, case, sized
from armillary_testing.checks import Check, Failure, Skip, Subject

NETWORKS = ("encoder", "head", "renderer", "loss")
_ODD = (21, 27)
_RTOL, _ATOL = 1e-3, 1e-4  # sums in another order


def outputs(subject: Subject) -> None:
    """What comes out has the declared names, shapes and finite values; a loss gives one value an item, or one a batch."""
    one = case(subject)
    found = _called(one, one.build(), one.given())
    _declared(one, found, BATCH)
    wrong = [name for name, value in found.items() if isinstance(value, Tensor) and not _finite(value)]
    if wrong:
        raise Failure(f"{wrong[0]} is not finite")


def items_apart(subject: Subject) -> None:
    """In evaluation an item comes out the same alone and among others; a loss of a batch takes a batch of one."""
    one = case(subject)
    part = one.build()
    given = one.given()
    alone = _called(one, part, {name: value[:1] for name, value in given.items()})
    if subject.kind == "loss":
        _declared(one, alone, 1)
    if getattr(subject.spec, "per", "item") == "item":
        among = {name: value[:1] for name, value in _called(one, part, given).items()}
        _same(alone, among, "alone and among others", close=True)


def odd_sizes(subject: Subject) -> None:
    """Where the declared shapes allow pictures of odd and unequal sides, they work or are refused with a ValueError."""
    one = case(subject)
    known = {
        name: (*shape[:2], *(None for _ in shape[2:])) if len(shape) == 4 else (None,) * len(shape)
        for name, shape in {**one.inputs, **one.outputs}.items()
        if len(shape) in (3, 4)
    }
    known |= {name: shape for name, shape in {**one.inputs, **one.outputs}.items() if len(shape) < 3}
    try:
        odd = sized(subject, one.settings, known, extents=_ODD, channels=8, settled=one.settled)
    except ValueError as error:
        raise Skip(f"its shapes do not allow {_ODD[0]} x {_ODD[1]}: {error}") from None
    if odd.inputs == one.inputs:
        raise Skip("its shapes leave no size open")
    try:
        found = _called(odd, odd.build(), odd.given())
    except ValueError:
        return
    _declared(odd, found, BATCH)


def inputs_kept(subject: Subject) -> None:
    """What a part is called with is left as it was."""
    one = case(subject)
    given = one.given()
    before = {name: value.clone() for name, value in given.items()}
    _called(one, one.build(), given)
    _same(before, given, "before and after the call")


def strides(subject: Subject) -> None:
    """Tensors of another layout in memory give the same values."""
    one = case(subject)
    part, given = one.build(), one.given()
    other = {k: v.mT.contiguous().mT if v.ndim > 1 else v.repeat_interleave(2)[::2] for k, v in given.items()}
    _same(_called(one, part, given), _called(one, part, other), "for another layout in memory", close=True)


def repeatable(subject: Subject) -> None:
    """In evaluation the same input gives the same values."""
    one = case(subject)
    part, given = one.build(), one.given()
    _same(_called(one, part, given), _called(one, part, given), "at the second call")


def seeded(subject: Subject) -> None:
    """The same seed gives the same weights."""
    one = case(subject)
    first, second = one.build().state_dict(), one.build().state_dict()
    if not first:
        raise Skip("it has no weights")
    _same(first, second, "for the same seed")


def state(subject: Subject) -> None:
    """Weights that are read into another instance, every name held to, make it give the same values."""
    one = case(subject)
    first, second = one.build(seed=0), one.build(seed=1)
    if not first.state_dict():
        raise Skip("it has no weights")
    second.load_state_dict(first.state_dict(), strict=True)
    given = one.given()
    _same(_called(one, first, given), _called(one, second, given), "after its weights were read", close=True)


def nothing_global(subject: Subject) -> None:
    """Building and calling a part changes no global state; in evaluation it draws from no global stream."""
    one = case(subject)
    before = _state()
    part = one.build()
    _called(one, part, one.given())
    changed = [name for name, value in _state().items() if value != before[name]]
    if changed:
        raise Failure(f"it changes {', '.join(changed)}")


def gradients(subject: Subject) -> None:
    """Gradients reach each weight that can be trained, and are finite there and at the inputs."""
    one = case(subject)
    part = one.build().train()
    given = {
        name: value.clone().requires_grad_() if value.is_floating_point() else value
        for name, value in one.given().items()
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = one.call(part, given)
    values = [value for value in found.values() if value.is_floating_point() and value.requires_grad]
    if not values:
        raise Failure("nothing that comes out carries a gradient")
    generator = torch.Generator().manual_seed(0)
    torch.stack([(v * torch.rand(v.shape, generator=generator).to(v)).sum() for v in values]).sum().backward()
    for name, weight in part.named_parameters():
        if weight.requires_grad and weight.grad is None:
            raise Failure(f"no gradient reaches its weight {name}")
    grads = {name: value.grad for name, value in (*part.named_parameters(), *given.items()) if value.grad is not None}
    wrong = [name for name, value in grads.items() if not _finite(value)]
    if wrong:
        raise Failure(f"the gradient at {wrong[0]} is not finite")


def dtype(subject: Subject) -> None:
    """A part in double precision gives double precision."""
    one = case(subject)
    found = _called(one, one.build().double(), one.given(dtype=torch.float64))
    wrong = [name for name, value in found.items() if value.is_floating_point() and value.dtype != torch.float64]
    if wrong:
        raise Failure(f"{wrong[0]} is {found[wrong[0]].dtype}, though every input was torch.float64")


def empty(subject: Subject) -> None:
    """A batch without items gives an empty result, or an error that says what is wrong."""
    one = case(subject)
    try:
        found = _called(one, one.build(), one.given(batch=0))
    except (ValueError, RuntimeError) as error:
        if not str(error).strip():
            raise Failure(f"a batch of none is refused without a word: {type(error).__name__}") from error
        return
    long = [name for name, value in found.items() if value.ndim and len(value)]
    if long:
        raise Failure(f"of a batch of none {long[0]} is {list(found[long[0]].shape)}")


def _called(one: Case, part: torch.nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        return one.call(part, given)


def _declared(one: Case, found: Any, batch: int) -> None:
    spec = one.subject.spec
    if one.subject.kind == "loss":
        wanted = (batch,) if spec.per == "item" else ()
        for name, value in found.items():
            if not isinstance(value, Tensor) or tuple(value.shape) != wanted:
                got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise Failure(
                    f"it is a loss per {spec.per}, but of {batch} items its {name} is {got}, not {list(wanted)}"
                )
        return
    ports = {port.name: port for port in spec.produces if port.name in one.outputs}
    problems = declared(one.subject.id, found, ports, one.outputs, batch=batch)
    problems += [
        f"{name} is a {type(value).__name__}" for name, value in found.items() if not isinstance(value, Tensor)
    ]
    if problems:
        raise Failure("; ".join(problems))


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], when: str, *, close: bool = False) -> None:
    for name, value in one.items():
        try:
            rtol, atol = (_RTOL, _ATOL) if close else (0.0, 0.0)
            torch.testing.assert_close(other[name], value, rtol=rtol, atol=atol, equal_nan=True)
        except AssertionError as error:
            difference = next((line for line in str(error).splitlines() if "difference" in line), str(error))
            raise Failure(f"{name} differs {when}: {difference}") from None


def _finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all()) if value.is_floating_point() else True


def _state() -> dict[str, Any]:
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "whether torch records gradients": torch.is_grad_enabled(),
        "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch's threads": torch.get_num_threads(),
        "torch's random state": hash(bytes(torch.random.get_rng_state().tolist())),
        "Python's random state": random.getstate(),
    }


RUNS = {
    "outputs": outputs,
    "items-apart": items_apart,
    "odd-sizes": odd_sizes,
    "inputs-kept": inputs_kept,
    "strides": strides,
    "repeatable": repeatable,
    "seeded": seeded,
    "state": state,
    "nothing-global": nothing_global,
    "gradients": gradients,
    "dtype": dtype,
    "empty": empty,
}
CHECKS = tuple(
    Check(name=name, level=2, kinds=NETWORKS, claim=run.__doc__ or "", run=run) for name, run in RUNS.items()
)
