"""Loop over the steps of one stage, with metrics, checkpoints and events for observers."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from armillary.config import structure
from armillary.errors import RecipeError, RunError
from armillary.interfaces import Dataset, StepCache
from armillary.plugins.host import Host
from armillary.recipes.plan import Plan, StagePlan
from armillary.recipes.settings import BudgetConfig, CadenceConfig, DeviceConfig, OptimiserConfig, ScheduleConfig
from armillary.seeds import step_seeded
from armillary.signals import Signals
from armillary.training import checkpoint as checkpoints
from armillary.training.batches import StepBatches, to_device, training_batches
from armillary.training.build import Model, call_method, loss_terms
from armillary.training.folder import RunFolder
from armillary.training.initial import Initial
from armillary.training.observers import Audience, StageRun
from armillary.training.optimise import build_optimiser, load_moments, moments, rate_factor, set_rate, weight_at
from armillary.training.reporter import Reporter

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Training(Protocol):
    """The parts of a training that all its stages share."""

    plan: Plan
    models: dict[str, Model]
    host: Host
    data: Path
    device: DeviceConfig
    fabric: "Fabric"
    reporter: Reporter
    initial: Initial | None

    def batches(self, stage: StagePlan, dataset: Dataset) -> StepBatches:
        """Return the batches of a stage, by step."""
        ...

    def batch_transforms(self, stage: StagePlan, batch: dict[str, Any], step: int) -> dict[str, Any]:
        """Return the batch of a step after the transforms that work on whole batches."""
        ...


class StageLoop:
    """Loop over the steps of one stage.

    Args:
        training: the training of which it is a stage.
        folder: the run's folder.
        name: name of the stage.
        dataset: training split of the stage's data.
        audience: observers of the run.
    """

    def __init__(
        self, training: Training, folder: RunFolder, name: str, dataset: Dataset, *, audience: Audience
    ) -> None:
        self.training, self.folder, self.name, self.dataset = training, folder, name, dataset
        self.audience = audience
        self.stage, self.model = training.plan.stages[name], training.models[name]
        self.fabric = training.fabric
        body = self.stage.body
        self.budget = structure(body["budget"], BudgetConfig)
        self.cadence = structure(body["cadence"], CadenceConfig)
        self.schedule = structure(body["schedule"], ScheduleConfig)
        self.rates = structure(body["optimiser"], OptimiserConfig)
        self.seen = StageRun(
            folder=folder,
            model=self.model,
            device=self.fabric.device,
            cadence=self.cadence,
            alone=len(training.plan.stages) == 1,
            host=training.host,
            data=training.data,
            dataset=dataset,
        )
        self.step, self.seconds = 0, 0.0
        self.optimiser: Any = None
        self.module: Any = None
        self.began = time.monotonic()
        self.saved = time.monotonic()
        self.last_saved = -1

    @property
    def elapsed(self) -> float:
        """Training time of this stage in seconds, before and after a resume."""
        return self.seconds + time.monotonic() - self.began

    def run(self, start: checkpoints.Checkpoint | None, signals: Signals) -> bool:
        """Train from ``start`` or from step 0; return whether the stage used up its budget."""
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
        self.audience.notify(lambda one: one.stage_started(self.seen, self.step))
        if start is None and self.training.initial is not None:
            self._save()  # a resumed run needs these weights, and the run of --init may be gone by then
        self.began = self.saved = time.monotonic()
        self.model.train()
        finished = self._loop(signals)
        if self.last_saved != self.step:
            self._save()
        self.audience.notify(lambda one: one.stage_ended(self.seen, self.step, finished=finished))
        return finished

    def _loop(self, signals: Signals) -> bool:
        batches = self.training.batches(self.stage, self.dataset)
        window, since = {}, time.monotonic()
        steps_in_window = 0
        for batch in training_batches(batches, first=self.step, workers=self.training.device.workers):
            if signals.received or self._out_of_time():
                break
            with self._seeded():
                row = self._train_step(batch)
            steps_in_window += 1
            window = row
            if self.step % self.cadence.log == 0 or self.step == self.budget.steps:
                now = time.monotonic()
                window["seconds_a_step"] = (now - since) / steps_in_window
                since, steps_in_window = now, 0
                self._log(window)
            self.audience.notify(lambda one: one.step_ended(self.seen, self.step))
            due = time.monotonic() - self.saved > 60.0 * self.cadence.minutes
            if self.step % self.cadence.checkpoint == 0 or due:
                self._save()
        return self.step >= self.budget.steps or (not signals.received and self._out_of_time())

    def _out_of_time(self) -> bool:
        return self.budget.seconds is not None and self.elapsed >= self.budget.seconds

    def _seeded(self) -> contextlib.AbstractContextManager[None]:
        seed, fabric = self.training.plan.recipe.seed, self.fabric
        return step_seeded(seed, self.name, self.step, rank=fabric.global_rank, processes=fabric.world_size)

    def _train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch = to_device(batch, self.fabric.device, channels_last=self.training.device.channels_last)
        batch = self.training.batch_transforms(self.stage, batch, self.step)
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
            raise RecipeError(
                [f"stage {self.name}, step {self.step}: every loss has weight 0; type: --weight LOSS=NUMBER above 0"]
            )
        self._check_finite(total, terms)
        self.fabric.backward(total)
        norm = None
        if self.rates.clip_norm is not None:
            norm = self.fabric.clip_gradients(
                self.module, self.optimiser, max_norm=self.rates.clip_norm, error_if_nonfinite=False
            )
            if norm is not None and not torch.isfinite(norm):
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
        try:
            good, _ = checkpoints.newest(self.folder.checkpoints(self.name))
            where = f"the last good checkpoint is {good.path.name}" if good else "no good checkpoint exists yet"
        except RunError as error:
            where = str(error)
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
        self.audience.notify(lambda one: one.logged(self.seen, self.step, plain))

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
            "optimiser": moments(self.optimiser.optimizer, self.model.trainable())
            if self.optimiser is not None
            else {},
        }
        about = {
            "stage": self.name,
            "method": self.stage.method_id,
            "memory_format": "channels_last" if self.training.device.channels_last else "contiguous",
        }
        try:
            saved = checkpoints.save(
                folder, step=self.step, weights=self.model.named_tensors(), state=state, about=about
            )
        except checkpoints.NotFiniteError as error:
            raise self._stopped(str(error)) from error
        checkpoints.prune(folder, saved=saved, keep=self.cadence.keep)
        self.audience.notify(lambda one: one.checkpoint_saved(self.seen, self.step, saved.path))

    def _restore(self, start: checkpoints.Checkpoint) -> None:
        state = start.position(self.name)
        self.step, self.seconds, self.last_saved = start.step, state["seconds"], start.step
        if self.optimiser is not None:
            where = str(start.path / checkpoints.STATE)
            trainable = self.model.trainable()
            load_moments(
                self.optimiser.optimizer, state["optimiser"], parameters=trainable, step=self.step, where=where
            )
        if self.fabric.is_global_zero:
            self.folder.cut_metrics(stage=self.name, step=self.step)
        self.training.reporter.message(f"resuming stage {self.name} from step {self.step}")
