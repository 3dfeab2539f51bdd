"""A trained run, read back: its plan, its modules with the weights of a checkpoint."""

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
from armillary.training.transfer import kept_in


@attrs.frozen(kw_only=True, eq=False)
class Restored:
    """One stage of a run: the one that serves, or another that was asked for.

    Args:
        folder: of the run.
        plan: of the whole recipe.
        model: of the stage, in eval mode.
        step: of its checkpoint.
        notes: what a person should know: newer checkpoints that were passed over.
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
        folder: of the run.
        host: where parts come from.
        plan: of the run's recipe; default: made from the folder.
        stage: its name; the one that serves where it is not given.
        checkpoint: ``step-500`` or ``500``; the newest good one where it is not given.
        device: where the modules go.
        trained: False leaves this stage as it was before its first step, by the recipe's seed; stages before it are trained.

    Raises:
        RunError: there is no such stage or checkpoint, it is corrupted, or its weights are of another method.
    """
    plan = plan or plan_recipe(host, folder.recipe(host))
    wanted = stage or plan.serves
    if wanted not in plan.stages:
        hint = did_you_mean(wanted, plan.stages) or f" there are: {', '.join(plan.stages)}"
        raise RunError(f"--stage {wanted}: {plan.recipe.id} has no such stage;{hint}")
    taken = kept_in(folder, host, plan).models
    models: dict[str, Model] = {}
    notes: list[str] = []
    step = 0
    for name, stage_plan in plan.stages.items():
        models[name] = build(host, stage_plan, seed=plan.recipe.seed, earlier={**taken, **models}, with_losses=False)
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
            why = f": {'; '.join(passed)}" if passed else f" yet: train on with --resume {folder.path}"
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
