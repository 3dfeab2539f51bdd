"""Checks of level 2 on all parts, with tiny tensors on the CPU."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from armillary.plugins.host import first_line
from armillary.ports import Port
from armillary.training.build import declared
from armillary_testing.cases import BATCH, Case, sized
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.ranges import out_of_kind
from armillary_testing.suitable import case
from armillary_testing.values import singular

METHODS_TOO = ("encoder", "head", "renderer", "loss", "method")
NETWORKS = ("encoder", "head", "renderer", "loss")
_ODD = (21, 27)
_ELSEWHERE = "meta"
_WILD = 20.0  # times as large as features that are drawn
_RTOL, _ATOL = 1e-3, 1e-4  # sums in another order


def outputs(subject: Subject) -> None:
    """What comes out has the declared names, shapes and finite values; a loss gives one value an item, or one a batch."""
    one = case(subject)
    found = _called(one, one.build(), one.given())
    _declared(one, found, BATCH)
    wrong = [name for name, value in found.items() if isinstance(value, Tensor) and not _finite(value)]
    if wrong:
        raise Failure(f"{wrong[0]} is not finite")


def ranges(subject: Subject) -> None:
    """What comes out is of its kind: pictures in [0, 1], rotations of determinant +1, unit normals, masks of truth values."""
    one = case(subject)
    part = one.build()
    for scale in (1.0, _WILD):
        given = {
            name: value * scale if one.consumed[name].kind in ("feature_vector", "feature_map") else value
            for name, value in one.given().items()
        }
        for name, value in _called(one, part, given).items():
            problem = out_of_kind(one.produced[name], value) if name in one.produced else ""
            if problem:
                raise Failure(f"{name} is {one.produced[name].kind}, but {problem}")


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
    first, second = one.build().state_dict(), one.anew().state_dict()
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


def device(subject: Subject) -> None:
    """What a part makes for itself lies where its inputs lie: nothing changes under another default device."""
    one = case(subject)
    part, given = one.build(), one.given()
    try:
        with torch.no_grad(), torch.device(_ELSEWHERE):  # a tensor that is made without a device lies there
            found = one.call(part, given)
    except NotImplementedError as error:
        raise Skip(f"it moves what it makes to its inputs afterwards, which cannot be seen here: {error}") from None
    except (RuntimeError, TypeError, ValueError) as error:
        raise Failure(
            f"it makes tensors on the default device, not on that of its inputs: {first_line(error)}"
        ) from error
    away = [name for name, value in found.items() if value.device.type == _ELSEWHERE]
    if away:
        raise Failure(f"{away[0]} lies on the default device, not on that of the inputs")


def degenerate(subject: Subject) -> None:
    """Of black pictures, points in one place, features of 0 and the like values and gradients are finite, or it says why not."""
    one = case(subject)
    part = (
        one.build()
    )  # in evaluation: batch norm over a batch in which nothing differs multiplies gradients without end
    given = {name: singular(one.consumed[name], value) for name, value in one.given().items()}
    given = {name: v.clone().requires_grad_() if v.is_floating_point() else v for name, v in given.items()}
    try:
        found = one.call(part, given)
    except ValueError as error:
        if not str(error).strip():
            raise Failure("it refuses without a word") from error
        return
    wrong = [name for name, value in found.items() if not _finite(value)]
    if wrong:
        raise Failure(f"{wrong[0]} is not finite")
    values = [value for value in found.values() if value.is_floating_point() and value.requires_grad]
    if not values:
        return
    torch.stack([value.sum() for value in values]).sum().backward()
    grads = {name: value.grad for name, value in (*part.named_parameters(), *given.items()) if value.grad is not None}
    wrong = [name for name, value in grads.items() if not _finite(value)]
    if wrong:
        raise Failure(f"the gradient at {wrong[0]} is not finite")


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


def predicts(subject: Subject) -> None:
    """What a method predicts has the declared names and shapes, and is of its kind."""
    one = case(subject)
    found = one.predict()
    ports, shapes = one.stage.predictions, one.stage.shapes
    known = {name: shapes.get(name) or (None,) * len(port.shape.split()) for name, port in ports.items()}
    problems = declared(
        subject.id, found, {k: v for k, v in ports.items() if k in found or not v.optional}, known, batch=BATCH
    )
    problems += [
        f"{k} is {ports[k].kind}, but {p}" for k, v in found.items() if k in ports and (p := out_of_kind(ports[k], v))
    ]
    if problems:
        raise Failure("; ".join(problems))


def calls(subject: Subject) -> None:
    """A method calls each of its parts by keyword, with the ports that the slot declares."""
    one = case(subject)
    model, problems = one.model(), []
    for name, slot in one.stage.method.slots.items():
        if name in model.parts:
            model.parts[name].register_forward_pre_hook(_watch(name, slot.consumes, problems), with_kwargs=True)
    with torch.no_grad():
        one.call(model.method.eval(), one.given())
    if problems:
        raise Failure("; ".join(dict.fromkeys(problems)))


def _watch(name: str, ports: tuple[Port, ...], problems: list[str]) -> Callable[..., None]:
    """Return a hook that compares each call of the part in a slot with the ports of the slot."""
    known = {port.name: port for port in ports}

    def hook(part: torch.nn.Module, positional: tuple[Any, ...], given: dict[str, Any]) -> None:
        del part
        if positional:
            problems.append(f"it calls {name} with {len(positional)} arguments without their names")
            return
        missing = [port.name for port in ports if port.name not in given and not port.optional]
        unknown = [key for key in given if key not in known]
        if missing or unknown:
            problems.append(
                f"it calls {name} without {missing or 'nothing'} and with undeclared {unknown or 'nothing'}"
            )
        for key in given.keys() & known.keys():
            axes = len(known[key].shape.split())
            if isinstance(given[key], Tensor) and given[key].ndim != axes:
                problems.append(f"it calls {name} with {key} of {given[key].ndim} axes, declared are {known[key]}")

    return hook


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
    problems = declared(one.subject.id, found, one.produced, one.outputs, batch=batch)
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


_KINDS = {
    "odd-sizes": NETWORKS,  # a method's sizes are its recipe's
    "ranges": ("encoder", "head", "renderer", "method"),
    "predicts": ("method",),
    "calls": ("method",),
}
RUNS = {
    "outputs": outputs,
    "ranges": ranges,
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
    "device": device,
    "degenerate": degenerate,
    "empty": empty,
    "predicts": predicts,
    "calls": calls,
}
CHECKS = tuple(
    Check(name=name, level=2, kinds=_KINDS.get(name, METHODS_TOO), claim=run.__doc__ or "", run=run)
    for name, run in RUNS.items()
)
