"""Trial of a recipe called ``smoke`` on a few items of its generator.

Its loss is measured before the first step and after the last, on the same batch under the same random draws. So it falls only if
the weights improve, not because the last batch is easier than the first.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.data import make as folders
from armillary.data.generators import build_generator
from armillary.errors import ArmillaryError, DataError
from armillary.interfaces import StepCache
from armillary.pages.observers import Films, Illustrations, Previews
from armillary.plugins.host import Host, first_line
from armillary.recipes.check import plan_recipe
from armillary.recipes.plan import Plan, StagePlan
from armillary.recipes.recipe import Overrides, Recipe, resolve
from armillary.recipes.stages import prefix
from armillary.seeds import seed_for
from armillary.training.batches import StepBatches
from armillary.training.build import Model, build, build_dataset, build_transforms, call_method, dry_run, loss_terms
from armillary.training.folder import RunFolder
from armillary.training.observers import Observer, StageRun
from armillary.training.optimise import weight_at
from armillary.training.train import needed_ports, train
from armillary_testing.checks import Failure, Skip, Subject

ITEMS = 12
_SIZE = 64  # of a generator whose recipe does not say
_SEED = 0
_SECONDS = 600.0  # a slow machine must not end a stage before its steps are done


@attrs.frozen(kw_only=True, eq=False)
class Trial:
    """Recipe with the data for its trial.

    Args:
        subject: the recipe.
        plan: with one batch a step, of all items, each drawn once.
        recipe: of the plan.
        data: the folder.
        batches: stage to the batch that stays the same.
    """

    subject: Subject
    plan: Plan
    recipe: Recipe
    data: Path
    batches: Mapping[str, dict[str, Any]]

    def models(self, trained: Mapping[str, Model] | None = None) -> dict[str, Model]:
        """Return every stage as it is before its first step; what it takes of earlier ones is theirs of ``trained``."""
        made: dict[str, Model] = {}
        for name, stage in self.plan.stages.items():
            made[name] = build(
                self.subject.bench.host, stage, seed=self.plan.recipe.seed, earlier={**made, **(trained or {})}
            )
        return made


@attrs.frozen(kw_only=True, eq=False)
class Trained:
    """Trained models of a trial.

    Args:
        folder: of the run.
        models: stage to its modules.
    """

    folder: RunFolder
    models: Mapping[str, Model]


class _Silent:
    def message(self, text: str) -> None:
        del text

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        del stage, step, steps, row


class _Pictures(Observer):
    """Observer that draws the pictures of a run and records failures to draw."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self._built_in = (Previews(), Illustrations(), Films())

    def stage_ended(self, stage: StageRun, step: int, *, finished: bool) -> None:
        for one in self._built_in:
            try:
                one.stage_ended(stage, step, finished=finished)
            except Exception as error:
                self.failed.append(f"{one.title} of stage {stage.model.plan.name}: {first_line(error)}")


def trial(subject: Subject) -> Trial:
    """Return the trial of a recipe, its data made.

    Raises:
        Skip: its generator is not installed, or it needs what nobody can make up.
        Failure: it names no generator, or does not resolve.
    """
    return _kept(subject, "trial", _tried)


def trained(subject: Subject) -> Trained:
    """Return the trial after its training.

    Raises:
        Failure: training stops.
    """
    return _kept(subject, "trained", _trained)


def measure(model: Model, batch: Mapping[str, Any]) -> float:
    """Return the loss of a batch in training mode, under draws that are always the same; the model is left as it was."""
    before = {name: value.clone() for name, value in model.method.state_dict().items()}
    training = model.method.training
    model.train()
    cache, total = StepCache(), 0.0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        outputs = call_method(model, batch)
        for name, loss in model.losses.items():
            weight = weight_at(model.plan.losses[name].weight, 0)
            if weight:
                total += weight * float(loss_terms(model, name, loss, batch, outputs, cache))
    model.method.load_state_dict(before)
    model.method.train(training)
    return total


def predicted(model: Model, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return what a model predicts of a batch in evaluation mode, its weights laid out in memory as reading them lays them out."""
    model.eval()
    for weight in model.method.parameters():  # training may leave them in another order, which sums in another order
        weight.data = weight.data.clone(memory_format=torch.contiguous_format)
    with torch.no_grad():
        return call_method(model, batch, predict=True)


def _kept(subject: Subject, what: str, make: Any) -> Any:
    key = (what, subject.id)
    kept = subject.bench.kept
    if key not in kept:
        try:
            kept[key] = make(subject)
        except (Skip, Failure) as said:
            kept[key] = said
    if isinstance(kept[key], Exception):
        raise kept[key]
    return kept[key]


def _tried(subject: Subject) -> Trial:
    host = subject.bench.host
    try:
        reason = excuse(host, subject.id)
        if reason:
            raise Skip(reason)
        recipe = resolve(host, subject.id)
        plan = plan_recipe(host, recipe)
        generator = generator_of(recipe)
        if generator is None:
            raise Failure("it names no generator, so there is nothing to try it on: generator=Use(...)")
        data = _data(subject, recipe, generator)
        small = plan_recipe(host, resolve(host, subject.id, _alike(subject, plan, data)))
    except ArmillaryError as error:
        raise Failure(str(error)) from error
    batches = {name: _batch(subject, small, stage, data) for name, stage in small.stages.items()}
    return Trial(subject=subject, plan=small, recipe=small.recipe, data=data, batches=batches)


def _data(subject: Subject, recipe: Recipe, generator: Mapping[str, Any]) -> Path:
    size = recipe.bodies[recipe.serves].get("data", {}).get("settings", {}).get("size", _SIZE)
    key = ("data", generator["use"], repr(generator.get("settings")), size)
    kept = subject.bench.kept
    if key not in kept:
        place = subject.bench.folder / f"data-{sum(isinstance(each, tuple) and each[0] == 'data' for each in kept)}"
        try:
            built = build_generator(
                subject.bench.host, generator["use"], generator.get("settings", {}), size=size, seed=_SEED
            )
        except DataError as error:
            raise Skip(f"its generator cannot be made here: {error}") from error
        folders.make(
            built.generator,
            place,
            name=built.id,
            settings=built.settings,
            size=size,
            seed=_SEED,
            count=ITEMS,
            workers=0,
        )
        kept[key] = place
    return kept[key]


def _alike(subject: Subject, plan: Plan, data: Path) -> Overrides:
    """Return what makes every step see all items under the same draws."""
    sets = []
    for name, stage in plan.stages.items():
        at = prefix(name)
        count = len(_dataset(subject, stage, data))
        seconds = stage.body["budget"].get("seconds")
        sets += [f"{at}draws=1", f"{at}batch_size={count}"]
        sets += [f"{at}budget.seconds={_SECONDS}"] if seconds is not None else []
    return Overrides(sets=tuple(sets))


def _dataset(subject: Subject, stage: StagePlan, data: Path) -> Any:
    return build_dataset(subject.bench.host, stage, root=data, split="train")


def _batch(subject: Subject, plan: Plan, stage: StagePlan, data: Path) -> dict[str, Any]:
    host, kinds = subject.bench.host, {name: port.kind for name, port in stage.batch.items()}
    try:
        dataset = _dataset(subject, stage, data)
        dataset.restrict(needed_ports(stage))
        batch = StepBatches(
            dataset,
            build_transforms(host, stage, per="item"),
            kinds=kinds,
            batch_size=stage.body["batch_size"],
            draws=1,
            steps=1,
            seed=seed_for(plan.recipe.seed, stage.name, "data"),
        )[0]
    except ArmillaryError as error:
        raise Failure(str(error)) from error
    generator = torch.Generator().manual_seed(seed_for(plan.recipe.seed, stage.name, "batch", 0))
    for transform in build_transforms(host, stage, per="batch"):
        batch = transform(batch, kinds=kinds, generator=generator)
    return batch


def _trained(subject: Subject) -> Trained:
    one = trial(subject)
    out = subject.bench.folder / f"run-{subject.id.replace(':', '-')}"
    pictures = _Pictures()
    try:
        done = train(
            one.recipe, data=one.data, out=out, host=subject.bench.host, observers=[pictures], reporter=_Silent()
        )
    except (Exception, SystemExit) as error:
        raise Failure(
            f"training stops: {str(error) if isinstance(error, ArmillaryError) else first_line(error)}"
        ) from error
    if pictures.failed:
        raise Failure(f"it trains, but cannot be drawn: {'; '.join(pictures.failed)}")
    return Trained(folder=done.folder, models=done.models)


def dry(subject: Subject) -> None:
    """Build every stage and run it once.

    Raises:
        Failure: what comes out is not what is declared.
    """
    _kept(subject, "dry", _dry)


def _dry(subject: Subject) -> bool:
    one = trial(subject)
    try:
        for name, model in one.models().items():
            dry_run(model, one.batches[name])
    except ArmillaryError as error:
        raise Failure(str(error)) from error
    return True


def generator_of(recipe: Recipe) -> Mapping[str, Any] | None:
    """Return the entry of the generator that the serving stage names, None without one."""
    return recipe.bodies[recipe.serves].get("generator")


def absent(host: Host, id: str) -> str:
    """Return the plugin of a part of a recipe that is not installed; empty if all are. The generator does not count."""
    plugin, _, name = id.partition(":")
    spec = host.load(plugin).components["recipe"][name]
    for other in _ids({key: value for key, value in spec.table()[0].items() if key != "generator"}):
        if other.partition(":")[0] not in host.ids:
            return f"it uses {other}, and {other.partition(':')[0]} is not installed"
    return ""


def excuse(host: Host, id: str) -> str:
    """Return why a recipe cannot be tried here for a reason that is not its own fault; empty if it can."""
    reason = absent(host, id)
    if reason:
        return reason
    try:
        recipe = resolve(host, id)
        taken = [run for run in _runs(recipe.table) if run]
        if taken:
            return f"it takes parts of another run, {taken[0]}"
        generator = generator_of(recipe)
        if generator is None:
            return ""
        if generator["use"].partition(":")[0] not in host.ids:
            return f"its generator {generator['use']} is not installed"
        spec = host.component("generator", generator["use"])
        return f"its generator needs the file {spec.assets[0]}" if spec.assets else ""
    except ArmillaryError:  # reported by other checks
        return ""


def _runs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        take = value.get("take")
        if isinstance(take, Mapping):
            yield take.get("run", "")
        for each in value.values():
            yield from _runs(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _runs(each)


def _ids(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name != "generator":
                yield from _ids(each, str(name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _ids(each, key)
    elif key in ("use", "method", "extends") and isinstance(value, str) and ":" in value:
        yield value
