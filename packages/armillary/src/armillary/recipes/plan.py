"""Plan of a recipe: its checked, shape-resolved form, with the shapes of each part and the sources of each loss's ports. Light.

Made by :mod:`armillary.recipes.check`, used by :mod:`armillary.training`, :mod:`armillary.inference` and
:mod:`armillary.pages`.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from armillary.ports import Port, Shape
from armillary.recipes.recipe import Recipe
from armillary.recipes.stages import named
from armillary.specs import MethodSpec


@attrs.frozen(kw_only=True)
class PartPlan:
    """A part and the shapes for which it is built.

    Args:
        id: ``plugin:component``; the method's id if a whole method is transferred.
        spec: declaration of the part.
        settings: all of its settings.
        rename: the part's port name to its name in the recipe.
        inputs: resolved shape of each consumed port, by the part's name.
        outputs: the same for each produced port.
        shares: slot with the same module, empty if the module is its own.
        takes: source of a transferred part: (stage, slot, frozen). The stage of a source run is ``run:stage``.
        before: adapters between the slot and the part's inputs, in order.
        after: adapters between the part's outputs and the slot, in order.
    """

    id: str
    spec: Any
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    rename: Mapping[str, str] = attrs.field(factory=dict)
    inputs: Mapping[str, Shape] = attrs.field(factory=dict)
    outputs: Mapping[str, Shape] = attrs.field(factory=dict)
    shares: str = ""
    takes: tuple[str, str, bool] | None = None
    before: "tuple[PartPlan, ...]" = ()
    after: "tuple[PartPlan, ...]" = ()

    @property
    def run(self) -> str:
        """Name of the source run of a transferred part; empty for other parts."""
        return self.takes[0].partition(":")[0] if self.takes and ":" in self.takes[0] else ""

    @property
    def gives(self) -> frozenset[str]:
        """Names, in the recipe, of the produced ports."""
        return frozenset(self.rename.get(name, name) for name in self.outputs)

    @property
    def asks(self) -> frozenset[str]:
        """Names, in the recipe, of the consumed ports."""
        return frozenset(self.rename.get(port.name, port.name) for port in self.spec.consumes)

    @property
    def needs(self) -> frozenset[str]:
        """Names, in the recipe, of the required ports."""
        return frozenset(self.rename.get(port.name, port.name) for port in self.spec.consumes if not port.optional)


@attrs.frozen(kw_only=True)
class BoundPlan:
    """A loss or evaluator, and the source of each of its ports.

    Args:
        id: ``plugin:component``.
        spec: its declaration.
        settings: all of its settings.
        bind: its port to (``outputs`` or ``batch``, name), without missing optional ports.
        inputs: resolved shapes, by its own port names.
        weight: weight of a loss.
        transforms: transforms of an evaluator's items, in order.
        kinds: kind of each port of an evaluator's batch after its transforms, by name; empty without transforms.
    """

    id: str
    spec: Any
    settings: Mapping[str, Any]
    bind: Mapping[str, tuple[str, str]]
    inputs: Mapping[str, Shape] = attrs.field(factory=dict)
    weight: Any = 1.0
    transforms: tuple[PartPlan, ...] = ()
    kinds: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class StagePlan:
    """The plan of one stage.

    Args:
        name: name of the stage.
        body: tables of the stage.
        method: spec of its method.
        slots: slot to part, without empty optional slots.
        data: the data set as a part; None if the stage has none.
        transforms: transforms in order.
        batch: ports of a batch after the transforms, by name.
        outputs: ports of the method's forward, without those of empty optional slots.
        predictions: the same for its predict.
        shapes: resolved shapes of ``batch`` and ``outputs`` ports, by name.
        extras: name, as ``SLOT.port``, of each output of a part that its slot does not name: (slot, port). They are among
            ``outputs`` and ``predictions``.
        added: branches that the recipe adds to the method.
        losses: instance name to loss.
        evaluators: name to evaluator.
    """

    name: str
    body: Mapping[str, Any]
    method: MethodSpec
    method_id: str
    slots: Mapping[str, PartPlan]
    data: PartPlan | None
    transforms: tuple[PartPlan, ...]
    batch: Mapping[str, Port]
    outputs: Mapping[str, Port]
    predictions: Mapping[str, Port]
    shapes: Mapping[str, Shape]
    losses: Mapping[str, BoundPlan]
    evaluators: Mapping[str, BoundPlan]
    extras: Mapping[str, tuple[str, str]] = attrs.field(factory=dict)
    added: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Plan:
    """The plan of a recipe.

    Args:
        recipe: recipe with all settings.
        stages: name to stage, in order.
        serves: the stage that predict and evaluate use.
        runs: plans of the source runs of transferred parts, by their name in ``--from``.
        missing: source runs without ``--from``: name to the paths of their slots.
    """

    recipe: Recipe
    stages: Mapping[str, StagePlan]
    serves: str
    runs: "Mapping[str, Plan]" = attrs.field(factory=dict)
    missing: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def bindings(self) -> list[str]:
        """Return one line per loss or evaluator that the overrides added or bound anew: the source of each of its ports."""
        lines = []
        for stage, section, name in self.recipe.added:
            plan = self.stages[stage]
            bound: BoundPlan = getattr(plan, section)[name]
            made = plan.outputs if section == "losses" else plan.predictions
            ports = (_binding(port, bound, made, plan.batch) for port in bound.spec.consumes)
            lines.append(f"{named(stage, name)}: {', '.join(ports)}")
        return lines

    def borrowed(self) -> list[str]:
        """Return one line per part of a source run."""
        lines = []
        for stage in self.stages.values():
            for slot, part in stage.slots.items():
                run = self.recipe.table.get("runs", {}).get(part.run, {})
                if part.takes and run:
                    what = "the whole method" if part.takes[1] == "*" else part.takes[1]
                    mark = run.get("checkpoints", {}).get(part.takes[0].partition(":")[2], {})
                    step = f", step {mark['step']}" if mark else ""
                    how = "frozen" if part.takes[2] else "trained on"
                    lines.append(f"{slot} is {what} of the run {run['run']} ({run['recipe']}{step}), {how}")
        return lines

    def needed(self, run: str) -> tuple[str, ...]:
        """Return the stages of a source run that must be built, in order."""
        other = self.runs[run]
        wanted = {
            part.takes[0].partition(":")[2]
            for stage in self.stages.values()
            for part in stage.slots.values()
            if part.takes and part.run == run
        }
        # A stage takes parts of earlier ones only, so one pass from the last stage to the first finds all that are needed.
        for name in reversed(list(other.stages)):
            if name in wanted:
                wanted |= {p.takes[0] for p in other.stages[name].slots.values() if p.takes and not p.run}
        return tuple(name for name in other.stages if name in wanted)


def _binding(port: Port, bound: BoundPlan, made: Mapping[str, Port], batch: Mapping[str, Port]) -> str:
    """Return ``depth <- canonical_depth (method, frame canonical)``."""
    if port.name not in bound.bind:
        return f"{port.name} <- nothing (optional)"
    place, name = bound.bind[port.name]
    there = (made if place == "outputs" else batch).get(name, port)
    frame = f", frame {there.frame}" if there.frame else ""
    return f"{port.name} <- {name} ({'method' if place == 'outputs' else 'data'}{frame})"
