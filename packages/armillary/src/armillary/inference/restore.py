"""Restoration of a trained run: its plan, and its modules with the weights of a checkpoint."""

from collections.abc import Mapping

import attrs
import torch

from armillary.errors import RunError, did_you_mean
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.plan import Plan
from armillary.training import checkpoint as checkpoints
from armillary.training.build import Model, build
from armillary.training.folder import RunFolder
from armillary.training.transfer import saved_source_runs


@attrs.frozen(kw_only=True, eq=False)
class Restored:
    """A restored stage of a run.

    Args:
        folder: folder of the run.
        plan: plan of the whole recipe.
        model: model of the stage, in eval mode.
        step: step of its checkpoint.
        notes: messages for the user about newer checkpoints that were skipped.
    """

    folder: RunFolder
    plan: Plan
    model: Model
    step: int
    notes: tuple[str, ...] = ()


def restore(
    folder: RunFolder,
    *,
    host: Host,
    plan: Plan | None = None,
    stage: str | None = None,
    checkpoint: str | None = None,
    device: torch.device | None = None,
    trained: bool = True,
) -> Restored:
    """Return a stage of a run with its weights.

    Args:
        folder: folder of the run.
        host: source of parts.
        plan: plan of the run's recipe; default: made from the folder.
        stage: name of the stage; default: the serving stage.
        checkpoint: ``step-500`` or ``500``; default: the newest good one.
        device: device of the modules.
        trained: False restores this stage as before its first step, by the recipe's seed; stages before it are trained.

    Raises:
        RunError: the stage or checkpoint is missing or corrupted, or its weights are of another method.
    """
    plan = plan or plan_recipe(host, folder.recipe(host))
    wanted = stage or plan.serves
    if wanted not in plan.stages:
        hint = did_you_mean(wanted, plan.stages) or f" there are: {', '.join(plan.stages)}"
        raise RunError(f"--stage {wanted}: {plan.recipe.id} has no such stage;{hint}")
    transferred = saved_source_runs(folder, host, plan).models
    models: dict[str, Model] = {}
    notes: list[str] = []
    step = 0
    for name, stage_plan in plan.stages.items():
        models[name] = build(
            host, stage_plan, seed=plan.recipe.seed, earlier={**transferred, **models}, with_losses=False
        )
        if name == wanted and not trained:
            break
        chosen = checkpoint if name == wanted else None
        place = folder.checkpoints(name)
        found, passed = checkpoints.newest(place) if chosen is None else (checkpoints.named(place, chosen), [])
        notes += passed
        if found is not None:
            models[name].load(found.weights(), where=str(found.path))
            step = found.step
        elif stage_plan.body["budget"]["steps"] > 0 or chosen:
            why = f": {'; '.join(passed)}" if passed else f" yet; type: armillary train --resume {folder.path}"
            raise RunError(f"{folder.path}: stage {name} has no good checkpoint{why}")
        if name == wanted:
            break
    model = models[wanted]
    model.eval()
    if device is not None:
        model.method.to(device)
    return Restored(folder=folder, plan=plan, model=model, step=step, notes=tuple(notes))


def kinds_of(model: Model) -> Mapping[str, str]:
    """Return the kind of each port of the batch and of the outputs."""
    return {name: port.kind for name, port in {**model.plan.batch, **model.plan.predictions}.items()}
