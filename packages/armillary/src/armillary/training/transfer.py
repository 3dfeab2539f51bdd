"""Other runs of which a recipe takes trained parts: read where ``--from`` points, then kept in the run itself.

A run that takes from others holds, in ``taken/NAME``, the checkpoints that it took from, so that it predicts, evaluates and goes
on without them. A run that is taken from may have taken itself: then its own ``taken`` comes along.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

import attrs

from armillary.errors import RunError
from armillary.plugins.host import Host
from armillary.recipes.plan import Plan
from armillary.training import checkpoint as checkpoints
from armillary.training.build import Model, build
from armillary.training.folder import RunFolder


@attrs.frozen(kw_only=True, eq=False)
class Others:
    """The other runs of a recipe.

    Args:
        plan: of the recipe.
        models: ``run:stage`` to its model with trained weights, for :func:`armillary.training.build.build`.
        taken: (run, stage) to the checkpoint whose weights these are.
        inner: the other runs of each run, by its name.
    """

    plan: Plan
    models: Mapping[str, Model]
    taken: Mapping[tuple[str, str], checkpoints.Checkpoint]
    inner: "Mapping[str, Others]"

    @classmethod
    def read(cls, host: Host, plan: Plan, folders: Mapping[str, RunFolder]) -> Self:
        """Return the models that a recipe takes parts of, built and with their weights.

        Args:
            host: where parts come from.
            plan: of the recipe.
            folders: name to run, or to the place in the recipe's own run where its checkpoints are kept.

        Raises:
            RunError: a run has no good checkpoint, or its weights are of another model than its recipe says.
        """
        models: dict[str, Model] = {}
        taken: dict[tuple[str, str], checkpoints.Checkpoint] = {}
        inner: dict[str, Others] = {}
        for name, other in plan.runs.items():
            folder = folders[name]
            inner[name] = Others.read(host, other, {each: folder.taken(each) for each in other.runs})
            built = dict(inner[name].models)
            for stage in plan.needed(name):
                model = build(host, other.stages[stage], seed=other.recipe.seed, earlier=built, with_losses=False)
                found, passed = checkpoints.newest(folder.checkpoints(stage))
                if found is None:
                    why = f": {'; '.join(passed)}" if passed else ""
                    raise RunError(f"--from {name}={folder.path}: its stage {stage} has no good checkpoint{why}")
                model.load(found.weights(), where=str(found.path))
                built[stage] = models[f"{name}:{stage}"] = model
                taken[name, stage] = found
        return cls(plan=plan, models=models, taken=taken, inner=inner)

    def recorded(self) -> Plan:
        """Return the plan whose recipe says step and hash of what was taken."""
        runs: dict[str, Any] = {name: dict(run) for name, run in self.plan.recipe.table.get("runs", {}).items()}
        for (name, stage), checkpoint in self.taken.items():
            mark = {"step": checkpoint.step, "sha256": _weights_hash(checkpoint)}
            runs[name]["checkpoints"] = {**runs[name].get("checkpoints", {}), stage: mark}
        if not runs:
            return self.plan
        recipe = attrs.evolve(self.plan.recipe, table={**self.plan.recipe.table, "runs": runs})
        return attrs.evolve(self.plan, recipe=recipe)

    def keep(self, folder: RunFolder) -> None:
        """Write into a run the checkpoints that it takes from, without their optimisers."""
        for name, others in self.inner.items():
            others.keep(folder.taken(name))
        for (name, stage), checkpoint in self.taken.items():
            checkpoints.save(
                folder.taken(name).checkpoints(stage),
                step=checkpoint.step,
                weights=checkpoint.weights(),
                state={},
                about={"stage": stage, "run": self.plan.recipe.table["runs"][name]["run"]},
            )


def kept_in(folder: RunFolder, host: Host, plan: Plan) -> Others:
    """Return the other runs of a run, from what it keeps of them.

    Raises:
        RunError: it was ended before it had written them.
    """
    return Others.read(host, plan, {name: folder.taken(name) for name in plan.runs})


def _weights_hash(checkpoint: checkpoints.Checkpoint) -> str:
    manifest = json.loads((checkpoint.path / checkpoints.MANIFEST).read_text(encoding="utf-8"))
    return manifest["files"][checkpoints.WEIGHTS]["sha256"]
