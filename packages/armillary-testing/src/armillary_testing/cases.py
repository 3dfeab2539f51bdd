"""Small instances of parts: with the settings and shapes of a recipe that uses them, or with defaults and small sizes."""

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.config import structure
from armillary.errors import ArmillaryError
from armillary.interfaces import StepCache
from armillary.plugins.host import first_line
from armillary.ports import Axis, Port, Shape, Shapes
from armillary.recipes.check import check
from armillary.recipes.plan import BoundPlan, PartPlan, Plan
from armillary.recipes.recipe import complete, resolve
from armillary_testing.checks import Failure, Skip, Subject
from armillary_testing.settings import defaults
from armillary_testing.values import drawn

BATCH = 3
_POINTS = 5
_RANDOM = "random:0"
_COEFFICIENTS = 64  # degrees below 8
EXTENTS = (16, 32, 64)
_CHANNELS = (8, 64, 128)
STRANGE = ("mesh",)
"""Kinds of ports that hold records, which cannot be drawn."""
_POINT_KINDS = ("keypoints2d", "keypoints3d", "landmarks2d", "landmarks3d", "visibility", "heatmap")


@attrs.frozen(kw_only=True, eq=False)
class Case:
    """Part with sizes for which it can be built.

    Args:
        subject: the component.
        settings: of its config class.
        inputs: shape of each port that it is called with, None for the batch.
        outputs: shape of each port that it returns; None where nothing that goes in decides a size.
        settled: sizes that only outputs have were chosen too, as the method does for a head that draws a map.
    """

    subject: Subject
    settings: Mapping[str, Any]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    settled: bool
    built: dict[int, torch.nn.Module] = attrs.field(factory=dict, init=False)

    def build(self, *, seed: int = 0) -> torch.nn.Module:
        """Return the part in eval mode, its weights drawn from ``seed``; built once, and copied."""
        if seed not in self.built:
            self.built[seed] = self.anew(seed=seed)
        return copy.deepcopy(self.built[seed])

    def anew(self, *, seed: int = 0) -> torch.nn.Module:
        """Return the same, built for the purpose."""
        subject = self.subject
        resolved = subject.bench.host.resolve(subject.spec)
        config = structure(self.settings, resolved.config)
        more: dict[str, Any] = {"assets": {}} if subject.kind == "loss" else {"outputs": self.outputs}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            part = resolved.cls.build(config, inputs=self.inputs, **more)  # type: ignore[attr-defined]
        if not isinstance(part, torch.nn.Module):
            raise Failure(f"build returned {type(part).__name__}, not a torch.nn.Module")
        return part.eval()

    def given(self, *, batch: int = BATCH, dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
        """Return what the part is called with."""
        return tensors(self.consumed, self.inputs, batch=batch, dtype=dtype, seed=seed)

    @property
    def consumed(self) -> Mapping[str, Port]:
        """Return the ports that go in, by name."""
        return {port.name: port for port in self.subject.spec.consumes if port.name in self.inputs}

    @property
    def produced(self) -> Mapping[str, Port]:
        """Return the ports that come out, by name."""
        return {port.name: port for port in self.subject.spec.produces if port.name in self.outputs}

    def call(self, part: torch.nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what comes out by name; of a loss ``value``, or ``sum`` and ``count``."""
        extra = {"cache": StepCache()} if getattr(self.subject.spec, "caches", False) else {}
        found = part(**given, **extra)
        if self.subject.kind != "loss":
            return found
        return {"sum": found[0], "count": found[1]} if isinstance(found, tuple) else {"value": found}


def tensors(
    ports: Mapping[str, Port],
    shapes: Mapping[str, Shape],
    *,
    batch: int,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return a tensor for each shape, of what its port says; what is not known is 1."""
    made = {}
    for name, shape in shapes.items():
        value = drawn(ports[name], (batch, *(1 if size is None else size for size in shape[1:])), seed=seed)
        made[name] = value.to(dtype) if value.is_floating_point() else value
    return made


def undrawable(spec: Any) -> str:
    """Return why the inputs of a part cannot be drawn; empty if they can."""
    strange = [port for port in spec.consumes if not port.optional and port.kind in STRANGE]
    if strange:
        return f"its port {strange[0].name} is a {strange[0].kind}, which nothing here can make up"
    return "" if spec.consumes else "it is called with nothing"


def owned(spec: Any) -> str:
    """Return the name of a required port whose kind is the plugin's own; empty without one."""
    return next((port.name for port in spec.consumes if not port.optional and port.kind.startswith("x.")), "")


def part_case(subject: Subject) -> Case | Exception:
    """Return the first case in which a part can be built and called, or why there is none."""
    reason = undrawable(subject.spec)
    if reason:
        return Skip(reason)
    said: list[str] = []
    for tried in _candidates(subject):
        try:
            with torch.no_grad():
                tried.call(tried.build(), tried.given())
        except Exception as error:
            said.append(first_line(error))
        else:
            return tried
    if subject.spec.assets:
        return Skip(f"it needs {', '.join(subject.spec.assets)}")
    if owned(subject.spec):
        return Skip(
            f"its port {owned(subject.spec)} is of a kind of its own, which cannot be made up: {said[0] if said else ''}"
        )
    return Failure(f"it cannot be built and called at any size that was tried: {said[0] if said else 'there was none'}")


def _candidates(subject: Subject) -> Iterator[Case]:
    for settings, known in (*_used(subject), (None, {})):
        own = _without_files(subject, settings or defaults(subject.bench.host.config(subject.spec)))
        for extent in EXTENTS:
            for channels in _CHANNELS:
                for settled in (False, True):
                    with contextlib.suppress(ValueError):
                        yield sized(subject, own, known, extents=(extent, extent), channels=channels, settled=settled)


def _used(subject: Subject) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Shape]]]:
    """Yield settings and shapes with which recipes of the same plugin use a component, smoke first."""
    for part in uses(subject):
        if subject.spec.assets:  # a large network inside: first with small pictures
            yield part.settings, {}
        yield part.settings, {**part.inputs, **getattr(part, "outputs", {})}
        return


def _without_files(subject: Subject, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings with random weights in place of those of a file, and small pictures, where a part may have them."""
    if not subject.spec.assets:
        return settings
    small = {"weights": _RANDOM, "size": EXTENTS[1]}
    return {**settings, **{name: value for name, value in small.items() if name in settings}}


def uses(subject: Subject) -> "Iterator[PartPlan | BoundPlan]":
    """Yield the places in recipes of the same plugin that use a component, smoke first."""
    for plan in plans(subject):
        for stage in plan.stages.values():
            parts: list[PartPlan | BoundPlan] = [
                *stage.slots.values(),
                *stage.losses.values(),
                *stage.evaluators.values(),
                *stage.transforms,
            ]
            for part in parts:
                if part.id == subject.id and subject.kind == part.spec.KIND and not getattr(part, "shares", ""):
                    yield part


def plans(subject: Subject) -> Iterator[Plan]:
    """Yield the recipes of the same plugin that resolve, smoke first."""
    host, recipes = subject.bench.host, subject.bench.offer.components.get("recipe", {})
    for name in sorted(recipes, key=lambda name: (name != "smoke", name)):
        key = ("plan", name)
        if key not in subject.bench.kept:
            try:
                plan = check(host, complete(host, resolve(host, f"{subject.bench.plugin}:{name}")))
            except ArmillaryError:  # for another check to say
                plan = None
            subject.bench.kept[key] = plan
        if subject.bench.kept[key] is not None:
            yield subject.bench.kept[key]


def sized(
    subject: Subject,
    settings: Mapping[str, Any],
    known: Mapping[str, Shape],
    *,
    extents: tuple[int, int],
    channels: int,
    settled: bool,
) -> Case:
    """Return a case with these sizes where the shapes leave them open.

    Raises:
        ValueError: the declared shapes cannot have them.
    """
    spec, shapes = subject.spec, Shapes()
    ports: dict[str, tuple[Port, tuple[Axis, ...]]] = {}
    for port in (*spec.consumes, *spec.produces):
        if port.name in known or not port.optional:
            ports[f"{port.name}{port in spec.produces}"] = (port, shapes.bind(port, subject.id, settings))
    for port, axes in ports.values():
        sizes = known.get(port.name, ())
        for axis, size in zip(axes, sizes, strict=False):
            if size is not None:
                settle(shapes, axis, size)
    for key, (port, axes) in ports.items():
        for place, axis in enumerate(axes if settled or key.endswith("False") else ()):
            if axis.symbol and axis.symbol != "batch" and shapes.resolve((axis,)) == (None,):
                settle(shapes, axis, size_of(port, place, len(axes), extents, channels))
    given = {
        port.name for port in spec.consumes if not port.optional or (port.name in known and subject.kind == "loss")
    }
    resolved = {key: shapes.resolve(axes) for key, (_, axes) in ports.items()}
    return Case(
        subject=subject,
        settings=settings,
        settled=settled,
        inputs={name: resolved[f"{name}False"] for name in given if f"{name}False" in resolved},
        outputs={p.name: resolved[f"{p.name}True"] for p in spec.produces if f"{p.name}True" in resolved},
    )


def settle(shapes: Shapes, axis: Axis, size: int) -> None:
    """Give an axis a size.

    Raises:
        ValueError: it has another one.
    """
    problem = shapes.unify((axis,), (Axis(size),))
    if problem:
        raise ValueError(problem)


def size_of(port: Port, place: int, rank: int, extents: tuple[int, int], channels: int) -> int:
    """Return a size that suits an axis of a port."""
    if port.kind == "sphere_coefficients" and place == rank - 1:
        return _COEFFICIENTS
    if port.kind in _POINT_KINDS and place == 1:
        return _POINTS
    if port.kind == "grid":
        return extents[place - 1]
    if rank == 4 and place >= 2:
        return extents[place - 2]
    return channels
