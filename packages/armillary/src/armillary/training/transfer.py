"""Source runs: runs whose trained parts a recipe transfers, read from ``--from`` and copied into the new run.

A run with transferred parts has copies of their checkpoints in ``taken/NAME``, so that it predicts, evaluates and resumes without
its source runs. A source run may have source runs of its own; their copies are copied too.
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
class SourceRuns:
    """The source runs of a recipe.

    Args:
        plan: plan of the recipe.
        models: ``run:stage`` to its model with trained weights, for :func:`armillary.training.build.build`.
        transferred: (run, stage) to the checkpoint with these weights.
        nested: the source runs of each source run, by its name.
    """

    plan: Plan
    models: Mapping[str, Model]
    transferred: Mapping[tuple[str, str], checkpoints.Checkpoint]
    nested: "Mapping[str, SourceRuns]"

    @classmethod
    def read(cls, host: Host, plan: Plan, folders: Mapping[str, RunFolder]) -> Self:
        """Build the models from which a recipe transfers parts, and load their weights.

        Args:
            host: source of parts.
            plan: plan of the recipe.
            folders: name to source run, or to the copy of its checkpoints in the recipe's own run.

        Raises:
            RunError: a run has no good checkpoint, or its weights do not match the model of its recipe.
        """
        models: dict[str, Model] = {}
        transferred: dict[tuple[str, str], checkpoints.Checkpoint] = {}
        nested: dict[str, SourceRuns] = {}
        for name, source in plan.runs.items():
            folder = folders[name]
            nested[name] = SourceRuns.read(host, source, {each: folder.source_run(each) for each in source.runs})
            built = dict(nested[name].models)
            # Only the stages that the recipe needs are built, in order: a stage may transfer parts of an earlier one.
            for stage in plan.needed(name):
                model = build(host, source.stages[stage], seed=source.recipe.seed, earlier=built, with_losses=False)
                found, passed = checkpoints.newest(folder.checkpoints(stage))
                if found is None:
                    why = f": {'; '.join(passed)}" if passed else ""
                    raise RunError(
                        f"--from {name}={folder.path}: its stage {stage} has no good checkpoint{why}; "
                        f"type --from {name}= with a trained run"
                    )
                model.load(found.weights(), where=str(found.path))
                built[stage] = models[f"{name}:{stage}"] = model
                transferred[name, stage] = found
        return cls(plan=plan, models=models, transferred=transferred, nested=nested)

    def recorded_plan(self) -> Plan:
        """Return the plan with step and hash of the transferred weights in its recipe."""
        runs: dict[str, Any] = {name: dict(run) for name, run in self.plan.recipe.table.get("runs", {}).items()}
        for (name, stage), checkpoint in self.transferred.items():
            mark = {"step": checkpoint.step, "sha256": _weights_hash(checkpoint)}
            runs[name]["checkpoints"] = {**runs[name].get("checkpoints", {}), stage: mark}
        if not runs:
            return self.plan
        recipe = attrs.evolve(self.plan.recipe, table={**self.plan.recipe.table, "runs": runs})
        return attrs.evolve(self.plan, recipe=recipe)

    def save(self, folder: RunFolder) -> None:
        """Write copies of the transferred checkpoints into a run, without the states of their optimisers."""
        for name, source in self.nested.items():
            source.save(folder.source_run(name))
        for (name, stage), checkpoint in self.transferred.items():
            checkpoints.save(
                folder.source_run(name).checkpoints(stage),
                step=checkpoint.step,
                weights=checkpoint.weights(),
                state={},
                about={"stage": stage, "run": self.plan.recipe.table["runs"][name]["run"]},
            )


def saved_source_runs(folder: RunFolder, host: Host, plan: Plan) -> SourceRuns:
    """Return the source runs of a run from its own copies of their checkpoints.

    Raises:
        RunError: the copies are missing, since the run ended before it wrote them.
    """
    return SourceRuns.read(host, plan, {name: folder.source_run(name) for name in plan.runs})


def _weights_hash(checkpoint: checkpoints.Checkpoint) -> str:
    manifest = json.loads((checkpoint.path / checkpoints.MANIFEST).read_text(encoding="utf-8"))
    return manifest["files"][checkpoints.WEIGHTS]["sha256"]
