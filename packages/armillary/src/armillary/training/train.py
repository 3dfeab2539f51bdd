"""Start and resume of a training: data, models and observers of all stages."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from armillary.errors import ArmillaryError, DataError, RunError
from armillary.interfaces import Dataset, Transform
from armillary.plugins.discovery import FILE
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.plan import Plan, StagePlan
from armillary.recipes.recipe import Recipe
from armillary.recipes.settings import DeviceConfig
from armillary.seeds import globals_kept, seed_for
from armillary.signals import Signals
from armillary.training import checkpoint as checkpoints
from armillary.training.batches import StepBatches, to_device
from armillary.training.build import Model, build, build_dataset, build_transforms, dry_run, missing_ports
from armillary.training.folder import (
    DATA,
    ENVIRONMENT,
    FAILED,
    FINISHED,
    INIT,
    INTERRUPTED,
    PLUGINS,
    RECIPE,
    RunFolder,
    environment,
)
from armillary.training.initial import Initial
from armillary.training.loop import StageLoop
from armillary.training.observers import Audience, Observer, Trackers
from armillary.training.reporter import LogReporter, Reporter
from armillary.training.transfer import SourceRuns, saved_source_runs


@attrs.define(kw_only=True)
class Trained:
    """Result of a training.

    Args:
        folder: the run's folder.
        outcome: ``finished`` or ``interrupted``.
        signal: number of the signal that interrupted it, 0 if none did.
        meshes: its predictions can be exported as meshes.
        models: stage to its trained modules, without the stages that an interrupted training did not reach.
    """

    folder: RunFolder
    outcome: str
    signal: int = 0
    meshes: bool = False
    models: Mapping[str, Model] = attrs.field(factory=dict, repr=False, eq=False)


def train(
    recipe: Recipe | Plan,
    *,
    data: Path,
    out: Path,
    host: Host,
    device: DeviceConfig | None = None,
    assets: Mapping[str, Path] | None = None,
    init: RunFolder | None = None,
    runs: Mapping[str, RunFolder] | None = None,
    observers: Sequence[Observer] = (),
    trackers: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> Trained:
    """Train a recipe from its start.

    Args:
        recipe: resolved recipe, or its plan if the caller has checked it already.
        data: folder of pictures.
        out: folder of the new run; missing or empty.
        host: source of parts.
        device: device and precision.
        assets: files that parts need, by name.
        init: a run whose weights are the start: per slot, the tensors with equal names and shapes.
        runs: source runs of transferred parts, by their name in the recipe.
        observers: called at the events of the run; none by default (see :mod:`armillary.pages.observers`).
        trackers: ids of plugins whose observer hooks are called, besides those of the recipe.
        reporter: receiver of messages and progress.

    Raises:
        ArmillaryError: wrong input, before anything is written; later a loss that is not finite, or a full disk.
    """
    plan = recipe if isinstance(recipe, Plan) else plan_recipe(host, recipe)
    return _Training(plan, host, data, device, assets, observers, trackers, reporter).start(out, init, runs or {})


def resume(
    folder: RunFolder,
    *,
    data: Path,
    host: Host,
    device: DeviceConfig | None = None,
    assets: Mapping[str, Path] | None = None,
    observers: Sequence[Observer] = (),
    trackers: Sequence[str] = (),
    reporter: Reporter | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    checkpoint: str | None = None,
) -> Trained:
    """Resume a run from its newest good checkpoint.

    Args:
        checkpoint: ``step-500`` or ``500`` of the latest stage; later checkpoints are renamed. None: the newest good one.
        steps: new budget of the last stage, in steps; None keeps the run's.
        seconds: new budget of the last stage, in seconds; None keeps the run's.

    Raises:
        RunError: a checkpoint cannot be read, none of them is good, or the data differs from the data of the run; nothing
            is changed.
    """
    recipe = folder.recipe(host)
    last = list(recipe.bodies)[-1]
    budget = {name: value for name, value in (("steps", steps), ("seconds", seconds)) if value is not None}
    recipe = recipe.changed(last, budget={**recipe.bodies[last].get("budget", {}), **budget})
    plan = plan_recipe(host, recipe)
    return _Training(plan, host, data, device, assets, observers, trackers, reporter).go_on(folder, checkpoint)


class _Training:
    """One training in one of its processes."""

    def __init__(
        self,
        plan: Plan,
        host: Host,
        data: Path,
        device: DeviceConfig | None,
        assets: Mapping[str, Path] | None,
        observers: Sequence[Observer],
        trackers: Sequence[str],
        reporter: Reporter | None,
    ) -> None:
        from lightning_fabric import Fabric

        self.plan, self.host, self.data = plan, host, data
        self.device = device or DeviceConfig()
        self.assets, self.trackers = dict(assets or {}), tuple(trackers)
        self.reporter = reporter or LogReporter()
        if self.device.threads:
            torch.set_num_threads(self.device.threads)
        self.fabric: Fabric = Fabric(
            accelerator=accelerator(self.device),
            devices=self.device.devices,
            precision=self.device.precision,
            # Without a dropped loss some parameters may have no gradient, which DDP must look for.
            strategy="ddp_find_unused_parameters_true" if self.device.devices > 1 else "auto",
        )
        self.fabric.launch()
        plugins = host.observers((*plan.recipe.table.get("observers", ()), *trackers), report=self.reporter.message)
        self.observers: tuple[Observer, ...] = (Trackers(plugins), *observers) if self.fabric.is_global_zero else ()
        self.models: dict[str, Model] = {}
        self.initial: Initial | None = None
        self.source_runs: SourceRuns | None = None
        self._per_batch: dict[str, list[Transform]] = {}

    def start(self, out: Path, init: RunFolder | None, runs: Mapping[str, RunFolder]) -> Trained:
        self.initial = Initial.read(init) if init is not None else None
        self.source_runs = SourceRuns.read(self.host, self.plan, runs)
        self.plan = self.source_runs.recorded_plan()
        for line in self.plan.borrowed():
            self.reporter.message(line)
        datasets = {name: self._dataset(stage) for name, stage in self.plan.stages.items()}
        first = next(iter(self.plan.stages))
        self._rehearse(datasets)
        self._build(first, datasets[first])
        folder = RunFolder.create(out) if self.fabric.is_global_zero else RunFolder(out)
        if self.fabric.is_global_zero:
            self.source_runs.save(folder)
            folder.write_recipe(self.plan.recipe)
            behind = plugins_behind(self.host, self.plan)
            folder.write_json(PLUGINS, behind)
            for record in {self.host.record(id.partition(":")[0]) for id in behind}:
                if record.distribution == FILE:
                    folder.keep_plugin_file(Path(record.module))
            folder.write_json(DATA, {name: attrs.asdict(dataset.fingerprint()) for name, dataset in datasets.items()})
        return self._run(folder, datasets, {})

    def go_on(self, folder: RunFolder, wanted: str | None = None) -> Trained:
        self.source_runs = saved_source_runs(folder, self.host, self.plan)
        datasets = {name: self._dataset(stage) for name, stage in self.plan.stages.items()}
        known = folder.read_json(DATA, {})
        for name, dataset in datasets.items():
            now = attrs.asdict(dataset.fingerprint())
            then = known.get(name)
            if then and then["digest"] != now["digest"]:
                raise RunError(
                    f"--data {self.data}: its files differ from the data of this run: the run was trained on {then['name']} "
                    f"with {then['count']} items, this is {now['name']} with {now['count']}; type --data with that folder"
                )
        done = self._done(folder, wanted)
        self.fabric.barrier()  # no process may still read when the first one renames
        if self.fabric.is_global_zero:
            for name, found in done.items():
                for line in checkpoints.set_aside(folder.checkpoints(name), after=found.step):
                    self.reporter.message(line)
            folder.write_recipe(self.plan.recipe)
        return self._run(folder, datasets, done)

    def _done(self, folder: RunFolder, wanted: str | None) -> dict[str, checkpoints.Checkpoint]:
        """Return the checkpoint of each stage that has begun."""
        begun = [name for name in self.plan.stages if checkpoints.found(folder.checkpoints(name))]
        if not begun:
            if wanted is not None:
                checkpoints.named(folder.checkpoints(next(iter(self.plan.stages))), wanted)
            self.reporter.message(f"{folder.path}: there is no checkpoint yet; training begins at step 0")
            return {}
        done: dict[str, checkpoints.Checkpoint] = {}
        for name in self.plan.stages:
            place = folder.checkpoints(name)
            if wanted is not None and name == begun[-1]:
                found, passed = checkpoints.named(place, wanted), []
                found.verify()
            else:
                found, passed = checkpoints.newest(place)
            for line in passed:
                self.reporter.message(f"{place}: {line}")
            if found is None:
                raise RunError(
                    f"{place}: no good checkpoint here, and training would start again at step 0: "
                    f"{'; '.join(passed) or 'the folder is empty, but a later stage has checkpoints'}. Restore a good one, or type: "
                    f"armillary train {folder.path / RECIPE} --data {self.data} --out ANOTHER_RUN"
                )
            done[name] = found
            self._within_budget(folder, name, found.step)
            if name == begun[-1]:
                break
        return done

    def _within_budget(self, folder: RunFolder, name: str, step: int) -> None:
        budget = self.plan.stages[name].body["budget"]["steps"]
        if step > budget:
            raise RunError(
                f"{folder.path}: stage {name} is at step {step} already, after --steps {budget}; type --steps {step} or more"
            )
        if step == budget and name == list(self.plan.stages)[-1]:
            self.reporter.message(f"step {budget} of {budget} is reached: nothing to do; to train on, type --steps N")

    def _run(
        self, folder: RunFolder, datasets: Mapping[str, Dataset], done: Mapping[str, checkpoints.Checkpoint]
    ) -> Trained:
        if self.fabric.is_global_zero:
            notified = dict.fromkeys((*folder.read_json(ENVIRONMENT, {}).get("observers", ()), *self.trackers))
            observed = {"observers": list(notified)} if notified else {}  # an evaluation notifies them too
            folder.write_json(ENVIRONMENT, environment() | {"device": attrs.asdict(self.device)} | observed)
        audience = Audience(self.observers, folder, report=self.reporter.message)
        audience.notify(lambda one: one.run_started(folder, self.plan))
        outcome, received = FAILED, 0
        try:
            with _deterministic(self.fabric.device.type == "cpu"), globals_kept(), Signals() as signals:
                for name in self.plan.stages:
                    if name not in self.models:
                        self._build(name, datasets[name])
                    if self.initial is not None and self.fabric.is_global_zero:
                        folder.write_json(INIT, self.initial.record())
                    finished = self._stage(folder, name, datasets[name], done.get(name), signals, audience)
                    if not finished:
                        break
                outcome = FINISHED if finished else INTERRUPTED
                received = signals.received
        finally:
            audience.notify(lambda one: one.run_finished(folder, outcome))
        return Trained(
            folder=folder,
            outcome=outcome,
            signal=received,
            meshes=gives_meshes(self.plan),
            models=dict(self.models),
        )

    def _dataset(self, stage: StagePlan) -> Dataset:
        dataset = build_dataset(self.host, stage, root=self.data, split="train")
        for line in dataset.problems:
            self.reporter.message(f"skipped {line}")
        if dataset.problems:
            self.reporter.message(f"{len(dataset.problems)} files skipped, {len(dataset)} used")
        present = {name for name in stage.batch if name in dataset.provides}
        # Outputs of transforms need not be in the folder.
        made = {port for part in stage.transforms for port in part.gives}
        for port in stage.method.trains_on:
            if not port.optional and port.name not in present | made:
                raise DataError(
                    f"--data {self.data}: {stage.method_id} trains on {port}, which this folder does not have; to list what it "
                    f"has, type: armillary data check {self.data}"
                )
        for name, bound in stage.losses.items():
            missing = missing_ports(bound, batch=dict.fromkeys(present | made))
            if missing:
                raise DataError(
                    f"--data {self.data}: loss {name} ({bound.id}) needs {', '.join(missing)}, which this folder does not "
                    f"have; leave the loss out with --without {name}"
                )
        dataset.restrict(needed_ports(stage))
        return dataset

    def _rehearse(self, datasets: Mapping[str, Dataset]) -> None:
        """Build and try all stages of a recipe with several, so that an error in the last is raised before the first."""
        tried: dict[str, Model] = {}
        for name in self.plan.stages if len(self.plan.stages) > 1 else ():
            tried[name] = self._built(name, tried)
            self._try(tried[name], datasets[name])

    def _build(self, name: str, dataset: Dataset) -> None:
        model = self._built(name, self.models)
        if self.initial is not None:
            self.reporter.message(self.initial.load(model, alone=len(self.plan.stages) == 1))
        self._try(model, dataset)
        self.models[name] = model

    def _built(self, name: str, before: Mapping[str, Model]) -> Model:
        earlier = {**(self.source_runs.models if self.source_runs else {}), **before}
        seed = self.plan.recipe.seed
        return build(self.host, self.plan.stages[name], seed=seed, earlier=earlier, assets=self.assets)

    def _try(self, model: Model, dataset: Dataset) -> None:
        stage = model.plan
        batches = self.batches(stage, dataset, steps=1)  # a recipe without training is tried too
        if len(dataset):
            whole = batches[0]
            count = min(2, len(whole["id"]))
            few = {key: value[:count] for key, value in whole.items()}
            with globals_kept(seed_for(self.plan.recipe.seed, stage.name, "dry run")):
                few = self.batch_transforms(stage, to_device(few, torch.device("cpu")), 0)
                dry_run(model, few)

    def batches(self, stage: StagePlan, dataset: Dataset, *, steps: int | None = None) -> StepBatches:
        return StepBatches(
            dataset,
            build_transforms(self.host, stage, per="item"),
            kinds={name: port.kind for name, port in stage.batch.items()},
            batch_size=stage.body.get("batch_size", 1),
            draws=stage.body.get("draws"),
            steps=stage.body["budget"]["steps"] if steps is None else steps,
            seed=seed_for(self.plan.recipe.seed, stage.name, "data"),
            rank=self.fabric.global_rank,
            processes=self.fabric.world_size,
        )

    def batch_transforms(self, stage: StagePlan, batch: dict[str, Any], step: int) -> dict[str, Any]:
        if stage.name not in self._per_batch:
            self._per_batch[stage.name] = build_transforms(self.host, stage, per="batch")
        transforms = self._per_batch[stage.name]
        if not transforms:
            return batch
        device = next(value.device for value in batch.values() if isinstance(value, torch.Tensor))
        generator = torch.Generator(device=device).manual_seed(
            seed_for(self.plan.recipe.seed, stage.name, "batch", step)
        )
        kinds = {name: port.kind for name, port in stage.batch.items()}
        for transform in transforms:
            batch = transform(batch, kinds=kinds, generator=generator)
        return batch

    def _stage(
        self,
        folder: RunFolder,
        name: str,
        dataset: Dataset,
        start: checkpoints.Checkpoint | None,
        signals: Signals,
        audience: Audience,
    ) -> bool:
        """Train one stage; return whether it used up its budget."""
        return StageLoop(self, folder, name, dataset, audience=audience).run(start, signals)


def gives_meshes(plan: Plan) -> bool:
    """Return whether the serving stage predicts a depth map with its camera, which a mesh needs."""
    kinds = {port.kind for port in plan.stages[plan.serves].predictions.values()}
    return {"depth", "camera"} <= kinds


def needed_ports(stage: StagePlan) -> set[str]:
    """Return the ports of the batch that the method, its losses and the transforms use in training."""
    ports = {port.name for port in (*stage.method.trains_on, *stage.method.predicts_from)}
    ports |= {name for bound in stage.losses.values() for place, name in bound.bind.values() if place == "batch"}
    for part in stage.transforms:
        ports |= {part.rename.get(name, name) for name in part.inputs}
    return ports


def accelerator(device: DeviceConfig) -> str:
    """Return the accelerator, with ``auto`` resolved to CUDA if available, else the CPU; Metal lacks float64."""
    if device.accelerator != "auto":
        return device.accelerator
    return "cuda" if torch.cuda.is_available() else "cpu"


def plugins_behind(host: Host, plan: Plan) -> dict[str, dict[str, str]]:
    """Return distribution and version of the plugin of each component id of a plan."""
    ids = {plan.recipe.id} if ":" in plan.recipe.id else set()
    for stage in plan.stages.values():
        ids.add(stage.method_id)
        ids.update(part.id for part in stage.slots.values())
        ids.update(part.id for part in stage.transforms)
        ids.update(bound.id for bound in (*stage.losses.values(), *stage.evaluators.values()))
        if stage.data:
            ids.add(stage.data.id)
    table = {}
    for other in plan.runs.values():
        table |= plugins_behind(host, other)
    for id in sorted(ids):
        with contextlib.suppress(ArmillaryError):
            record = host.record(id.partition(":")[0])
            table[id] = {"distribution": record.distribution, "version": record.version}
    return table


@contextlib.contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Use deterministic algorithms inside the context, so that on the CPU a resumed run is bit-equal to an uninterrupted one."""
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    if wanted:
        torch.use_deterministic_algorithms(True)
        # Filling fresh memory with nan only finds bugs; it costs a pass over each tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
