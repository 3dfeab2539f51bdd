"""What a recipe that fits comes to: each part with the shapes that it is built for, each loss with where its ports come from.

Made by :mod:`armillary.recipes.check`, read by :mod:`armillary.run`. Light.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from armillary.ports import Port, Shape
from armillary.recipes.recipe import Recipe
from armillary.specs import MethodSpec


@attrs.frozen(kw_only=True)
class PartPlan:
    """A part and the shapes that it is built for.

    Args:
        id: ``plugin:component``; of a whole taken method, the method's.
        spec: what it declares.
        settings: all of its settings.
        rename: its own port name to the name outside.
        inputs: resolved shape of each consumed port, by its own name.
        outputs: the same for each produced port.
        shares: slot whose module this is.
        takes: (stage, slot, frozen) of a part of an earlier stage; of another run, its stage is ``run:stage``.
    """

    id: str
    spec: Any
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    rename: Mapping[str, str] = attrs.field(factory=dict)
    inputs: Mapping[str, Shape] = attrs.field(factory=dict)
    outputs: Mapping[str, Shape] = attrs.field(factory=dict)
    shares: str = ""
    takes: tuple[str, str, bool] | None = None

    @property
    def run(self) -> str:
        """Name of the other run that this part is taken from; empty where it is taken from none."""
        return self.takes[0].partition(":")[0] if self.takes and ":" in self.takes[0] else ""

    @property
    def gives(self) -> frozenset[str]:
        """Names, outside, of the ports that it produces."""
        return frozenset(self.rename.get(name, name) for name in self.outputs)

    @property
    def needs(self) -> frozenset[str]:
        """Names, outside, of the ports that it cannot do without."""
        return frozenset(self.rename.get(port.name, port.name) for port in self.spec.consumes if not port.optional)


@attrs.frozen(kw_only=True)
class BoundPlan:
    """A loss or evaluator, and where each of its ports comes from.

    Args:
        id: ``plugin:component``.
        spec: what it declares.
        settings: all of its settings.
        bind: its port to (``outputs`` or ``batch``, name); a missing optional port is not in it.
        inputs: resolved shapes, by its own port names.
        weight: of a loss.
        transforms: of an evaluator, in order.
        kinds: of the ports of its batch after these, by name; empty where there are none.
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
    """A stage that fits.

    Args:
        name: of the stage.
        body: its tables.
        method: its method's spec.
        slots: slot to part, without empty optional ones.
        data: the data set's part, None where the stage has none.
        transforms: in order.
        batch: ports of a batch after the transforms, by name.
        outputs: ports of the method's forward, without those of empty optional slots.
        predictions: the same of its predict.
        shapes: resolved shapes of ``batch`` and ``outputs`` ports, by name.
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


@attrs.frozen(kw_only=True)
class Plan:
    """A recipe that fits.

    Args:
        recipe: with all settings.
        stages: name to stage, in order.
        serves: the stage that predict and evaluate use.
        runs: other runs of which parts are taken, by the name that ``--from`` gives them.
        missing: other runs that parts are taken from and that are not given: name to places.
    """

    recipe: Recipe
    stages: Mapping[str, StagePlan]
    serves: str
    runs: "Mapping[str, Plan]" = attrs.field(factory=dict)
    missing: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def borrowed(self) -> list[str]:
        """Return a line for each part that is taken from another run."""
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
        """Return the stages of another run that have to be built, in order: those taken from, and what they take from."""
        other = self.runs[run]
        wanted = {
            part.takes[0].partition(":")[2]
            for stage in self.stages.values()
            for part in stage.slots.values()
            if part.takes and part.run == run
        }
        for name in reversed(list(other.stages)):
            if name in wanted:
                wanted |= {p.takes[0] for p in other.stages[name].slots.values() if p.takes and not p.run}
        return tuple(name for name in other.stages if name in wanted)
