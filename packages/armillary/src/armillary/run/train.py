"""The only training loop."""

import contextlib
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
import torch

from armillary.check import Plan, StagePlan, check
from armillary.config import structure
from armillary.errors import ArmillaryError, DataError, RecipeError, RunError
from armillary.host import Host, Observers
from armillary.interfaces import Dataset, StepCache
from armillary.recipe import Recipe, complete
from armillary.run import checkpoint as checkpoints
from armillary.run.batches import StepBatches, collate, to_device, training_batches
from armillary.run.build import (
    Model,
    build,
    build_dataset,
    build_transforms,
    call_method,
    dry_run,
    loss_terms,
    missing_ports,
    stream,
)
from armillary.run.folder import DATA, ENVIRONMENT, PLUGINS, RunFolder, environment
from armillary.run.optimise import build_optimiser, check_weight, rate_factor, set_rate, weight_at
from armillary.run.reporter import LogReporter, Reporter
from armillary.settings import BudgetConfig, CadenceConfig, DeviceConfig, OptimiserConfig, ScheduleConfig

FINISHED, INTERRUPTED, FAILED = "finished", "interrupted", "failed"
_PREVIEWS = 4


@attrs.define(kw_only=True)
class Trained:
    """How a training ended.

    Args:
        folder: of the run.
        outcome: ``finished`` or ``interrupted``.
        signal: that ended it, 0 for none.
    """

    folder: RunFolder
    outcome: str
    signal: int = 0


def plan_recipe(host: Host, recipe: Recipe) -> Plan:
    """Return the plan of a recipe with all settings written out.

    Raises:
        ConfigError, RecipeError, UnknownNameError, PluginError: it cannot be built; before torch is needed.
    """
    plan = check(host, complete(host, recipe))
    problems = [
        check_weight(f"losses.{name}", bound.weight)
        for stage in plan.stages.values()
        for name, bound in stage.losses.items()
    ]
    if any(problems):
        raise RecipeError([problem for problem in problems if problem])
    return plan


def train(
    recipe: Recipe,
    *,
    data: Path,
    out: Path,
    host: Host,
    device: DeviceConfig | None = None,
    assets: Mapping[str, Path] | None = None,
    observers: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> Trained:
    """Train a recipe from its start.

    Args:
        recipe: resolved.
        data: folder of pictures.
        out: where the run goes; must not exist or be empty.
        host: where parts come from.
        device: where to compute.
        assets: files that parts ask for, by name.
        observers: ids of plugins that want to be told.
        reporter: where words go.

    Raises:
        ArmillaryError: wrong input, before anything is written; a loss that is not finite, or a full disk, later.
    """
    plan = plan_recipe(host, recipe)
    return _Training(plan, host, data, device, assets, observers, reporter).start(out)


def resume(
    folder: RunFolder,
    *,
    data: Path,
    host: Host,
    device: DeviceConfig | None = None,
    assets: Mapping[str, Path] | None = None,
    observers: Sequence[str] = (),
    reporter: Reporter | None = None,
    steps: int | None = None,
    seconds: float | None = None,
) -> Trained:
    """Go on with a run from its newest whole checkpoint.

    Args:
        steps: a new budget of the stage that is under way; None keeps the run's.
        seconds: the same in seconds.

    Raises:
        RunError: there is no whole checkpoint, or the data is not what the run was trained on.
    """
    recipe = folder.recipe()
    if steps is not None or seconds is not None:
        table = {**recipe.table}
        bodies = table.get("stages")
        last = list(bodies)[-1] if bodies else None
        body = dict(bodies[last]) if bodies else table
        budget = dict(body.get("budget", {}))
        budget.update({k: v for k, v in (("steps", steps), ("seconds", seconds)) if v is not None})
        body["budget"] = budget
        if bodies and last:
            table["stages"] = {**bodies, last: body}
        recipe = attrs.evolve(recipe, table=table)
    plan = plan_recipe(host, recipe)
    return _Training(plan, host, data, device, assets, observers, reporter).go_on(folder)


class _Training:
    """One run of one process."""

    def __init__(
        self,
        plan: Plan,
        host: Host,
        data: Path,
        device: DeviceConfig | None,
        assets: Mapping[str, Path] | None,
        observers: Sequence[str],
        reporter: Reporter | None,
    ) -> None:
        from lightning_fabric import Fabric

        self.plan, self.host, self.data = plan, host, data
        self.device = device or DeviceConfig()
        self.assets = dict(assets or {})
        self.reporter = reporter or LogReporter()
        if self.device.threads:
            torch.set_num_threads(self.device.threads)
        self.fabric: Any = Fabric(
            accelerator=accelerator(self.device),
            devices=self.device.devices,
            precision=self.device.precision,
            # A loss that is left out may leave parameters without a gradient: DDP has to look for them.
            strategy="ddp_find_unused_parameters_true" if self.device.devices > 1 else "auto",
        )
        self.fabric.launch()
        self.observers: Observers = host.observers(
            (*plan.recipe.table.get("observers", ()), *observers), report=self.reporter.message
        )
        self.models: dict[str, Model] = {}

    def start(self, out: Path) -> Trained:
        datasets = {name: self._dataset(stage) for name, stage in self.plan.stages.items()}
        first = next(iter(self.plan.stages))
        self._build(first, datasets[first])
        folder = RunFolder.create(out) if self.fabric.is_global_zero else RunFolder(out)
        if self.fabric.is_global_zero:
            folder.write_recipe(self.plan.recipe)
            folder.write_json(PLUGINS, plugins_behind(self.host, self.plan))
            folder.write_json(DATA, {name: attrs.asdict(dataset.fingerprint()) for name, dataset in datasets.items()})
        return self._run(folder, datasets, {})

    def go_on(self, folder: RunFolder) -> Trained:
        datasets = {name: self._dataset(stage) for name, stage in self.plan.stages.items()}
        known = folder.read_json(DATA, {})
        for name, dataset in datasets.items():
            now = attrs.asdict(dataset.fingerprint())
            then = known.get(name)
            if then and then["digest"] != now["digest"]:
                raise RunError(
                    f"--data {self.data}: not the data of this run: it was {then['name']} with {then['count']} items, "
                    f"this is {now['name']} with {now['count']}; its files differ"
                )
        done: dict[str, checkpoints.Checkpoint] = {}
        for name in self.plan.stages:
            found, passed = checkpoints.newest(folder.checkpoints(name))
            for line in passed:
                self.reporter.message(f"{folder.checkpoints(name)}: {line}")
            if found is None:
                if passed or not done:
                    self.reporter.message(f"{folder.path}: no whole checkpoint; stage {name} begins again at step 0")
                break
            done[name] = found
            budget = self.plan.stages[name].body["budget"]["steps"]
            if found.step > budget:
                raise RunError(
                    f"{folder.path}: stage {name} is at step {found.step} already: --steps {budget} is behind it"
                )
            if found.step == budget and name == list(self.plan.stages)[-1]:
                self.reporter.message(
                    f"step {budget} of {budget} is reached: nothing to do; --steps N trains on to step N"
                )
        if self.fabric.is_global_zero:
            folder.write_recipe(self.plan.recipe)
        return self._run(folder, datasets, done)

    def _run(
        self, folder: RunFolder, datasets: Mapping[str, Dataset], done: Mapping[str, checkpoints.Checkpoint]
    ) -> Trained:
        if self.fabric.is_global_zero:
            folder.write_json(ENVIRONMENT, environment() | {"device": attrs.asdict(self.device)})
        self.observers.notify("armillary_run_started", run=folder.path, recipe=self.plan.recipe.table)
        outcome, received = FAILED, 0
        try:
            with _deterministic(self.fabric.device.type == "cpu"), _Signals() as signals:
                for name in self.plan.stages:
                    if name not in self.models:
                        self._build(name, datasets[name])
                    finished = self._stage(folder, name, datasets[name], done.get(name), signals)
                    if not finished:
                        break
                outcome = FINISHED if finished else INTERRUPTED
                received = signals.received
        finally:
            self.observers.notify("armillary_run_finished", run=folder.path, outcome=outcome)
        if self.fabric.is_global_zero:
            from armillary.run.summary import summarise

            summarise(folder, self.host, outcome=outcome)
        return Trained(folder=folder, outcome=outcome, signal=received)

    def _dataset(self, stage: StagePlan) -> Dataset:
        dataset = build_dataset(self.host, stage, root=self.data, split="train")
        for line in dataset.problems:
            self.reporter.message(f"passed over {line}")
        if dataset.problems:
            self.reporter.message(f"{len(dataset.problems)} files passed over, {len(dataset)} used")
        given = {name for name in stage.batch if name in dataset.provides}
        # What transforms make is not in the folder.
        made = {port for part in stage.transforms for port in part.outputs}
        for port in stage.method.trains_on:
            if not port.optional and port.name not in given | made:
                raise DataError(
                    f"--data {self.data}: {stage.method_id} trains on {port}, which this folder does not have"
                )
        for name, bound in stage.losses.items():
            missing = missing_ports(bound, batch=dict.fromkeys(given | made))
            if missing:
                raise DataError(
                    f"--data {self.data}: loss {name} ({bound.id}) needs {', '.join(missing)}, which this folder does not "
                    f"have; leave the loss out with --drop {name}"
                )
        dataset.restrict(needed_ports(stage))
        return dataset

    def _build(self, name: str, dataset: Dataset) -> None:
        stage = self.plan.stages[name]
        model = build(self.host, stage, seed=self.plan.recipe.seed, earlier=self.models, assets=self.assets)
        batches = self._batches(stage, dataset)
        if len(batches):
            whole = batches[0]
            count = min(2, len(whole["id"]))
            few = {key: value[:count] for key, value in whole.items()}
            few = self._batch_transforms(stage, to_device(few, torch.device("cpu")), 0)
            dry_run(model, few)
        self.models[name] = model

    def _batches(self, stage: StagePlan, dataset: Dataset) -> StepBatches:
        return StepBatches(
            dataset,
            build_transforms(self.host, stage, per="item"),
            kinds={name: port.kind for name, port in stage.batch.items()},
            batch_size=stage.body.get("batch_size", 1),
            steps=stage.body["budget"]["steps"],
            seed=stream(self.plan.recipe.seed, stage.name, "data"),
            rank=self.fabric.global_rank,
            processes=self.fabric.world_size,
        )

    def _batch_transforms(self, stage: StagePlan, batch: dict[str, Any], step: int) -> dict[str, Any]:
        transforms = build_transforms(self.host, stage, per="batch")
        if not transforms:
            return batch
        device = next(value.device for value in batch.values() if isinstance(value, torch.Tensor))
        generator = torch.Generator(device=device).manual_seed(stream(self.plan.recipe.seed, stage.name, "batch", step))
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
        signals: "_Signals",
    ) -> bool:
        """Train one stage; return whether it came to its end."""
        return _StageLoop(self, folder, name, dataset).run(start, signals)


class _StageLoop:
    """The loop of one stage."""

    def __init__(self, training: _Training, folder: RunFolder, name: str, dataset: Dataset) -> None:
        self.training, self.folder, self.name, self.dataset = training, folder, name, dataset
        self.stage, self.model = training.plan.stages[name], training.models[name]
        self.fabric = training.fabric
        body = self.stage.body
        self.budget = structure(body["budget"], BudgetConfig)
        self.cadence = structure(body["cadence"], CadenceConfig)
        self.schedule = structure(body["schedule"], ScheduleConfig)
        self.rates = structure(body["optimiser"], OptimiserConfig)
        self.step, self.seconds = 0, 0.0
        self.optimiser: Any = None
        self.module: Any = None
        self.began = time.monotonic()
        self.saved = time.monotonic()
        self.last_saved = -1

    @property
    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.began

    def run(self, start: checkpoints.Checkpoint | None, signals: "_Signals") -> bool:
        if self.training.device.channels_last:
            self.model.method.to(memory_format=torch.channels_last)
        if start is not None:
            self.model.load(start.weights(), where=str(start.path))
        if self.budget.steps > 0:
            parameters = self.model.trainable()
            fused = self.fabric.device.type in ("cpu", "cuda")
            optimiser = build_optimiser(parameters, self.rates, fused=fused)
            self.module, self.optimiser = self.fabric.setup(self.model.method, optimiser)
        else:
            self.fabric.to_device(self.model.method)
        for loss in self.model.losses.values():
            loss.to(self.fabric.device)
        if start is not None:
            self._restore(start)
        else:
            self.folder.cut_metrics(stage=self.name, step=0)
        self.previewed = self._preview_batch()
        if start is None:
            self._preview()
        self.began = self.saved = time.monotonic()
        self.model.train()
        finished = self._loop(signals)
        if self.last_saved != self.step:
            self._save()
        return finished

    def _loop(self, signals: "_Signals") -> bool:
        batches = self.training._batches(self.stage, self.dataset)
        window, since = {}, time.monotonic()
        steps_in_window = 0
        for batch in training_batches(batches, first=self.step, workers=self.training.device.workers):
            if signals.received or self._out_of_time():
                break
            row = self._train_step(batch)
            steps_in_window += 1
            window = row
            if self.step % self.cadence.log == 0 or self.step == self.budget.steps:
                now = time.monotonic()
                window["seconds_a_step"] = (now - since) / steps_in_window
                since, steps_in_window = now, 0
                self._log(window)
            if self.step % self.cadence.preview == 0:
                self._preview()
            due = time.monotonic() - self.saved > 60.0 * self.cadence.minutes
            if self.step % self.cadence.checkpoint == 0 or due:
                self._save()
        return self.step >= self.budget.steps or (not signals.received and self._out_of_time())

    def _out_of_time(self) -> bool:
        return self.budget.seconds is not None and self.elapsed >= self.budget.seconds

    def _train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch = to_device(batch, self.fabric.device, channels_last=self.training.device.channels_last)
        batch = self.training._batch_transforms(self.stage, batch, self.step)
        factor = rate_factor(self.schedule, step=self.step, steps=self.budget.steps)
        set_rate(self.optimiser, factor)
        outputs = call_method(self.model, batch, module=self.module)
        cache, terms = StepCache(), {}
        total: Any = 0.0
        for name, loss in self.model.losses.items():
            weight = weight_at(self.stage.losses[name].weight, self.step)
            if weight:
                terms[name] = loss_terms(self.model, name, loss, batch, outputs, cache)
                total = total + weight * terms[name]
        if not isinstance(total, torch.Tensor):
            raise RecipeError([f"step {self.step}: every loss has weight 0; nothing to train on"])
        self._check_finite(total, terms)
        self.fabric.backward(total)
        norm = None
        if self.rates.clip_norm is not None:
            norm = self.fabric.clip_gradients(
                self.module, self.optimiser, max_norm=self.rates.clip_norm, error_if_nonfinite=False
            )
            if not torch.isfinite(norm):
                raise self._stopped(f"the gradient is not finite (norm {norm.item()})")
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        row = {"loss": total, **{f"losses.{name}": value for name, value in terms.items()}, "gradient": norm}
        return {key: value.detach() for key, value in row.items() if value is not None}

    def _check_finite(self, total: torch.Tensor, terms: Mapping[str, torch.Tensor]) -> None:
        if torch.isfinite(total):
            return
        bad = [f"{name} = {value.item()}" for name, value in terms.items() if not torch.isfinite(value)]
        raise self._stopped(f"a loss is not finite: {', '.join(bad) or f'their sum = {total.item()}'}")

    def _stopped(self, reason: str) -> RunError:
        good, _ = checkpoints.newest(self.folder.checkpoints(self.name))
        where = f"the last good checkpoint is {good.path.name}" if good else "no checkpoint had been written yet"
        clip = "" if self.rates.clip_norm else " or --set optimiser.clip_norm=1.0"
        return RunError(
            f"stage {self.name}, step {self.step}: {reason}; {where}. "
            f"Try a smaller rate (--set optimiser.lr={self.rates.lr / 3:.2g}){clip}"
        )

    def _log(self, row: Mapping[str, Any]) -> None:
        plain: dict[str, Any] = {"stage": self.name, "step": self.step, "seconds": round(self.elapsed, 3)}
        for key, value in row.items():
            plain[key] = float(value)
        plain["lr"] = self.optimiser.param_groups[0]["lr"]
        if self.fabric.is_global_zero:
            self.folder.add_metrics(plain)
        self.training.reporter.progress(stage=self.name, step=self.step, steps=self.budget.steps, row=plain)
        self.training.observers.notify(
            "armillary_step_ended", run=self.folder.path, stage=self.name, step=self.step, metrics=plain
        )

    def _preview_batch(self) -> dict[str, Any]:
        """Return the same few pictures each time: of the validation split, of the training split where there is none."""
        samples: Dataset | None = None
        with contextlib.suppress(ArmillaryError):
            samples = build_dataset(self.training.host, self.stage, root=self.training.data, split="val")
        samples = samples if samples is not None and len(samples) else self.dataset
        few = [samples[index] for index in range(min(_PREVIEWS, len(samples)))]
        return collate(few)

    def _preview(self) -> None:
        if not self.fabric.is_global_zero:
            return
        from armillary.run.pictures import preview
        from armillary.run.sheets import write_png

        self.model.eval()
        missing = [p.name for p in self.stage.method.predicts_from if not p.optional and p.name not in self.previewed]
        if not missing:
            with torch.no_grad():
                batch = to_device(self.previewed, self.fabric.device)
                outputs = call_method(self.model, batch, predict=True)
            kinds = {name: port.kind for name, port in {**self.stage.batch, **self.stage.predictions}.items()}
            prefix = f"{self.name}-" if len(self.training.plan.stages) > 1 else ""
            place = self.folder.path / "previews" / f"{prefix}step-{self.step:07d}.png"
            with contextlib.suppress(ValueError):  # a method may produce nothing that has a picture
                write_png(place, preview(outputs, batch, kinds))
        self.model.train()

    def _save(self) -> None:
        self.last_saved = self.step
        self.saved = time.monotonic()
        if not self.fabric.is_global_zero:
            return
        folder = self.folder.checkpoints(self.name)
        state = {
            "stage": self.name,
            "step": self.step,
            "seconds": self.elapsed,
            "optimiser": self.optimiser.state_dict() if self.optimiser is not None else {},
            "random": {"torch": torch.get_rng_state(), "python": random.getstate()},
        }
        if torch.cuda.is_available():
            state["random"]["cuda"] = torch.cuda.get_rng_state_all()
        about = {
            "stage": self.name,
            "method": self.stage.method_id,
            "memory_format": "channels_last" if self.training.device.channels_last else "contiguous",
        }
        saved = checkpoints.save(folder, step=self.step, weights=self.model.named_tensors(), state=state, about=about)
        checkpoints.prune(folder, keep=self.cadence.keep)
        self.training.observers.notify(
            "armillary_checkpoint_saved", run=self.folder.path, stage=self.name, step=self.step, path=saved.path
        )

    def _restore(self, start: checkpoints.Checkpoint) -> None:
        state = start.state()
        self.step, self.seconds, self.last_saved = state["step"], state["seconds"], state["step"]
        if self.optimiser is not None and state["optimiser"]:
            self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"]["torch"])
        random.setstate(_tuples(state["random"]["python"]))
        if torch.cuda.is_available() and "cuda" in state["random"]:
            torch.cuda.set_rng_state_all(state["random"]["cuda"])
        if self.fabric.is_global_zero:
            self.folder.cut_metrics(stage=self.name, step=self.step)
        self.training.reporter.message(f"going on with stage {self.name} from step {self.step}")


def needed_ports(stage: StagePlan) -> set[str]:
    """Return the ports of the batch that training uses: of the method, of its losses, and of what transforms them."""
    ports = {port.name for port in (*stage.method.trains_on, *stage.method.predicts_from)}
    ports |= {name for bound in stage.losses.values() for place, name in bound.bind.values() if place == "batch"}
    for part in stage.transforms:
        ports |= {part.rename.get(name, name) for name in part.inputs}
    return ports


def accelerator(device: DeviceConfig) -> str:
    """Return what ``auto`` is here: CUDA where there is one, else the CPU; Metal has no float64, which the kernels need."""
    if device.accelerator != "auto":
        return device.accelerator
    return "cuda" if torch.cuda.is_available() else "cpu"


def plugins_behind(host: Host, plan: Plan) -> dict[str, dict[str, str]]:
    """Return distribution and version behind each component id of a plan."""
    ids = {plan.recipe.id} if ":" in plan.recipe.id else set()
    for stage in plan.stages.values():
        ids.add(stage.method_id)
        ids.update(part.id for part in stage.slots.values())
        ids.update(part.id for part in stage.transforms)
        ids.update(bound.id for bound in (*stage.losses.values(), *stage.evaluators.values()))
        if stage.data:
            ids.add(stage.data.id)
    table = {}
    for id in sorted(ids):
        with contextlib.suppress(ArmillaryError):
            record = host.record(id.partition(":")[0])
            table[id] = {"distribution": record.distribution, "version": record.version}
    return table


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list | tuple) else value


@contextlib.contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Use deterministic algorithms inside: on the CPU a resumed run is bit-equal to an uninterrupted one."""
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


class _Signals:
    """Remember SIGINT and SIGTERM so that the loop ends after its step, with a checkpoint; a second SIGINT ends at once."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
