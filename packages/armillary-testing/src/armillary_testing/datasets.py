"""Checks of level 2 on data sets, on a folder made by a generator."""

from typing import Any

from torch import Tensor

from armillary.errors import DataError
from armillary.training.batches import StepBatches, training_batches
from armillary.training.build import build_dataset
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.ranges import out_of_kind
from armillary_testing.samples import equal, trials

_SEEDS = (0, 1)
_WORKERS = 2
_STEPS, _BATCH = 3, 2


def items(subject: Subject) -> None:
    """Each item has its name and the ports that the data offers, each declared, of the shape that it tells and of its kind."""
    one = _dataset(subject)
    ports = {port.name: port for port in subject.spec.produces}
    strange = sorted(set(one.provides) - set(ports))
    if strange:
        raise Failure(f"it offers {strange[0]}, which it does not declare")
    if len(one) != len(one.ids) or len(set(one.ids)) != len(one.ids) or not len(one):
        raise Failure(f"it has {len(one)} items, with {len(set(one.ids))} names")
    for index in range(len(one)):
        item = one[index]
        if item.get("id") != one.ids[index]:
            raise Failure(f"item {index} is called {item.get('id')!r}, but ids say {one.ids[index]!r}")
        missing = sorted(set(one.provides) - set(item))
        if missing:
            raise Failure(f"{one.ids[index]} lacks {missing[0]}, which the data offers")
        for name, shape in one.provides.items():
            _like(ports[name], item[name], shape)


def dataset_repeats(subject: Subject) -> None:
    """Built again it has the same names in the same order and gives the same items, in whatever order they are asked for."""
    one, other = _dataset(subject), _dataset(subject)
    if list(one.ids) != list(other.ids):
        raise Failure("built again it has other names, or another order")
    first = [one[index] for index in range(len(one))]
    for index in reversed(range(len(other))):
        again = other[index]
        differing = [name for name, value in first[index].items() if name not in again or not equal(value, again[name])]
        if differing:
            raise Failure(f"{differing[0]} of {one.ids[index]} differs when items are read in another order")


def workers(subject: Subject) -> None:
    """The batches of a seed are the same whatever the number of workers."""
    here, there = (list(_batches(subject, seed=_SEEDS[0], workers=number)) for number in (0, _WORKERS))
    for step, (one, other) in enumerate(zip(here, there, strict=True)):
        for name, value in one.items():
            alike = equal(value, other[name]) if isinstance(value, Tensor) else _plainly(value) == _plainly(other[name])
            if not alike:
                raise Failure(f"{name} of step {step} differs with {_WORKERS} workers")


def splits(subject: Subject) -> None:
    """No item is in two splits, and all of them together are all."""
    names: dict[str, list[str]] = {}
    for split in ("train", "val", "test", "all"):
        try:
            names[split] = list(_dataset(subject, split=split).ids)
        except DataError:  # a small folder may leave a split empty
            names[split] = []
    parts = [name for split in ("train", "val", "test") for name in names[split]]
    twice = sorted({name for name in parts if parts.count(name) > 1})
    if twice:
        raise Failure(f"{twice[0]} is in two splits")
    if set(parts) != set(names["all"]):
        lost = sorted(set(parts) ^ set(names["all"]))
        raise Failure(f"{lost[0]} is in no split, or in one and not in all")


def _dataset(subject: Subject, *, split: str = "train") -> Any:
    one, stage = _place(subject)
    return build_dataset(subject.bench.host, stage, root=one.data, split=split)


def _place(subject: Subject) -> Any:
    key = ("place", subject.id)
    kept = subject.bench.kept
    if key not in kept:
        kept[key] = next(
            (
                (one, stage)
                for everywhere in (False, True)
                for one in trials(subject, everywhere=everywhere)
                for stage in one.plan.stages.values()
                if stage.data is not None and stage.data.id == subject.id
            ),
            None,
        )
    if kept[key] is None:
        raise Skip("no installed recipe called smoke reads it on a generator that is installed")
    return kept[key]


def _batches(subject: Subject, *, seed: int, workers: int) -> Any:
    batches = StepBatches(_dataset(subject), [], kinds={}, batch_size=_BATCH, steps=_STEPS, seed=seed)
    return training_batches(batches, first=0, workers=workers)


def _plainly(value: Any) -> Any:
    return [str(each) for each in value] if isinstance(value, list) else value


def _like(port: Any, value: Any, shape: Any) -> None:
    if not isinstance(value, Tensor):
        return
    if len(value.shape) != len(shape) or any(w is not None and w != g for w, g in zip(shape, value.shape, strict=True)):
        raise Failure(f"{port.name} is {list(value.shape)}, and the data offers {list(shape)}")
    if value.ndim != len(port.shape.split()) - 1:
        raise Failure(f"{port.name} has {value.ndim} axes, declared are {port}, less the batch")
    problem = out_of_kind(port, value[None])
    if problem:
        raise Failure(f"{port.name} is {port.kind}, but {problem}")


_RUNS = {"items": items, "dataset-repeats": dataset_repeats, "workers": workers, "splits": splits}
CHECKS = tuple(
    Check(name=name, level=2, kinds=("dataset",), claim=run.__doc__ or "", run=run) for name, run in _RUNS.items()
)
