"""Checks of level 2 on evaluators: perfect predictions, merged shards, no data."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.config import structure
from armillary.interfaces.evaluator import Evaluation, Figure
from armillary.ports import Port, Shapes
from armillary_testing.cases import STRANGE, settle, size_of, tensors, uses
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.settings import defaults

FIT = "fit"
_EXTENT, _CHANNELS, _ITEMS, _BATCHES = 32, 8, 8, 4
_FEW = 3  # steps, or epochs, of what a measure trains itself
_SLACK = 1e-6
_TRUTHS = {"keypoints2d": "landmarks2d", "keypoints3d": "landmarks3d", "class_scores": "class_label"}
_NEEDED_ANYWAY = ("visibility",)


@attrs.frozen(kw_only=True, eq=False)
class _Bench:
    """An evaluator's ports and settings.

    Args:
        subject: the component.
        settings: of its config class.
        ports: that it is given, by name.
        shapes: of them.
        pairs: predicted port to the truth of its kind.
        predicted: every port that comes from the method.
    """

    subject: Subject
    settings: Mapping[str, Any]
    ports: Mapping[str, Port]
    shapes: Mapping[str, Any]
    pairs: Mapping[str, str]
    predicted: tuple[str, ...]

    def build(self) -> Any:
        resolved = self.subject.bench.host.resolve(self.subject.spec)
        return resolved.cls.build(structure(self.settings, resolved.config), inputs=self.shapes)  # type: ignore[attr-defined]

    def batches(self, phase: str, *, perfect: bool) -> Iterator[tuple[list[str], dict[str, Tensor]]]:
        for number in range(_BATCHES):
            place = sum(map(ord, phase)) + 100 * number
            given = tensors(self.ports, self.shapes, batch=_ITEMS, seed=place)
            given = _consistent(self.ports, given)
            if perfect:
                given |= {
                    name: _as(self.ports[name].kind, given[truth], given[name]) for name, truth in self.pairs.items()
                }
            names = [f"{'known' if phase == FIT else 'asked'}-{number}-{item}" for item in range(_ITEMS)]
            yield names, given

    def feed(self, evaluator: Any, phase: str, batches: Sequence[tuple[list[str], dict[str, Tensor]]]) -> None:
        left_out = set() if phase != FIT or self.subject.spec.fit_outputs else set(self.predicted)
        for names, given in batches:
            evaluator.update(phase, ids=names, ports={k: v for k, v in given.items() if k not in left_out})

    def measured(self, *, perfect: bool) -> Evaluation:
        evaluator = self.build()
        for phase, _ in self.subject.spec.passes:
            self.feed(evaluator, phase, [*self.batches(phase, perfect=perfect)])
        return evaluator.result()


def perfect_is_best(subject: Subject) -> None:
    """A perfect prediction has figures at least as good as one that knows nothing, and one that is better."""
    bench = _bench(subject)
    if not bench.pairs:
        raise Skip("none of what it is given from the method has a truth of its kind")
    best, other = bench.measured(perfect=True).figures, bench.measured(perfect=False).figures
    better = False
    for name, figure in best.items():
        sign = 1 if figure.better == "higher" else -1
        gain = sign * (figure.value - other[name].value)
        if math.isnan(gain) or gain < -_SLACK * (1 + abs(figure.value)):
            raise Failure(
                f"{name} of a perfect prediction is {figure.value:.6g}, of another one {other[name].value:.6g}"
            )
        better |= gain > _SLACK
    if not better:
        raise Failure("no figure tells a perfect prediction from another one")


def shards(subject: Subject) -> None:
    """Data that are looked at in parts, and merged, give the figures of the whole."""
    bench = _bench(subject)
    whole, one, other = (bench.build() for _ in range(3))
    phases = [phase for phase, _ in subject.spec.passes]
    for phase in [each for each in phases if each == FIT]:
        batches = [*bench.batches(phase, perfect=False)]
        bench.feed(whole, phase, batches)
        bench.feed(other, phase, batches)
        part = bench.build()
        bench.feed(one, phase, batches[::2])
        bench.feed(part, phase, batches[1::2])
        one.merge(part)
    for phase in [each for each in phases if each != FIT]:
        batches = [*bench.batches(phase, perfect=False)]
        bench.feed(whole, phase, batches)
        bench.feed(one, phase, batches[::2])
        bench.feed(other, phase, batches[1::2])
    one.merge(other)
    _same(whole.result(), one.result())


def nothing_scored(subject: Subject) -> None:
    """A measure that has seen nothing says so, with a ValueError, rather than a number."""
    try:
        found = _bench(subject).build().result()
    except ValueError as error:
        if not str(error).strip():
            raise Failure("it has seen nothing, and says so without a word") from error
        return
    raise Failure(f"it has seen nothing, and gives {found}")


def _bench(subject: Subject) -> _Bench:
    spec = subject.spec
    strange = [p for p in spec.consumes if not p.optional and (p.kind in STRANGE or p.kind.startswith("x."))]
    if strange:
        raise Skip(f"its port {strange[0].name} is a {strange[0].kind}, which nothing here can make up")
    use = next(iter(uses(subject)), None)
    settings = dict(use.settings if use else defaults(subject.bench.host.config(spec)))
    settings |= {name: _FEW for name in ("steps", "epochs") if name in settings}
    bind = getattr(use, "bind", {})
    truths = [p for p in spec.consumes if p.name.startswith("true_") or bind.get(p.name, ("",))[0] == "batch"]
    pairs = {}
    for port in spec.consumes:
        if port not in truths:
            wanted = _TRUTHS.get(port.kind, port.kind)
            alike = sorted(
                (t for t in truths if t.kind == wanted and _one_frame(port, t)),
                key=lambda t: not t.name.startswith("true_"),
            )
            pairs |= {port.name: alike[0].name} if alike and port.kind not in ("mask", "visibility") else {}
    taken = {*pairs, *pairs.values()}
    ports = {p.name: p for p in spec.consumes if not p.optional or p.name in taken or p.kind in _NEEDED_ANYWAY}
    shapes, axes = Shapes(), {}
    for name, port in ports.items():
        axes[name] = shapes.bind(port, subject.id, settings)
    for predicted, truth in pairs.items():
        if len(axes[predicted]) == len(axes[truth]):
            shapes.unify(axes[predicted], axes[truth])
    for name, port in ports.items():
        for place, axis in enumerate(axes[name]):
            if axis.symbol and axis.symbol != "batch" and shapes.resolve((axis,)) == (None,):
                settle(shapes, axis, size_of(port, place, len(axes[name]), (_EXTENT, _EXTENT), _CHANNELS))
    return _Bench(
        subject=subject,
        settings=settings,
        ports=ports,
        shapes={name: shapes.resolve(each) for name, each in axes.items()},
        pairs=pairs,
        predicted=tuple(name for name, port in ports.items() if port not in truths),
    )


def _one_frame(port: Port, truth: Port) -> bool:
    """Return whether a prediction that equals the truth would be perfect: of one kind, it must be in the truth's frame."""
    return port.kind != truth.kind or "any" in (port.frame, truth.frame) or port.frame == truth.frame


def _as(kind: str, truth: Tensor, predicted: Tensor) -> Tensor:
    """Return what a perfect prediction of a truth is."""
    if kind != "class_scores":
        return truth
    classes = predicted.shape[1]
    return torch.nn.functional.one_hot(truth % classes, classes).to(predicted)


def _consistent(ports: Mapping[str, Port], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the same with points in space above those of the picture, and on the true depth where that is given."""
    kinds = {port.kind: name for name, port in ports.items() if name.startswith("true_")}
    if {"landmarks2d", "landmarks3d"} <= set(kinds):
        places, depth = given[kinds["landmarks2d"]], given[kinds["landmarks3d"]][..., 2:]
        if "depth" in kinds:
            drawn = torch.nn.functional.grid_sample(given[kinds["depth"]], places[:, :, None], align_corners=True)
            depth = drawn[:, 0]
        given[kinds["landmarks3d"]] = torch.cat((places, depth), dim=-1)
    return given


def _same(whole: Evaluation, merged: Evaluation) -> None:
    tables: dict[str, tuple[Mapping[str, Figure], Mapping[str, Figure]]] = {"": (whole.figures, merged.figures)}
    tables |= {f" of the baseline {name}": (t, merged.baselines.get(name, {})) for name, t in whole.baselines.items()}
    for where, (one, other) in tables.items():
        if set(one) != set(other):
            raise Failure(f"of parts it gives the figures {', '.join(other)}{where}, of the whole {', '.join(one)}")
        for name, figure in one.items():
            for what in ("value", "count"):
                a, b = getattr(figure, what), getattr(other[name], what)
                if a is None or b is None:
                    if a is not b:
                        raise Failure(f"the {what} of {name}{where} is {b} of parts, and {a} of the whole")
                elif not math.isclose(a, b, rel_tol=_SLACK, abs_tol=_SLACK) and not (math.isnan(a) and math.isnan(b)):
                    raise Failure(f"the {what} of {name}{where} is {b:.8g} of parts, and {a:.8g} of the whole")


_RUNS = {"perfect-is-best": perfect_is_best, "shards": shards, "nothing-scored": nothing_scored}
CHECKS = tuple(
    Check(name=name, level=2, kinds=("evaluator",), claim=run.__doc__ or "", run=run) for name, run in _RUNS.items()
)
