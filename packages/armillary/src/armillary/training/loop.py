"""One stage of a training: its steps, and what is written between them."""

import contextlib
import random
import time
from collections.abc import Mapping
from typing import Any

import torch

from armillary.config import structure
from armillary.errors import ArmillaryError, RecipeError, RunError
from armillary.interfaces import Dataset, StepCache
from armillary.recipes.settings import BudgetConfig, CadenceConfig, OptimiserConfig, ScheduleConfig
from armillary.seeds import seed_for
from armillary.signals import Signals
from armillary.training import checkpoint as checkpoints
from armillary.training.batches import collate, to_device, training_batches
from armillary.training.build import build_dataset, build_transforms, call_method, loss_terms
from armillary.training.folder import RunFolder
from armillary.training.optimise import build_optimiser, rate_factor, set_rate, weight_at

_PREVIEWS = 4


class StageLoop:
    """The loop of one stage.

    Args:
        training: the run that it belongs to.
        folder: of the run.
        name: of the stage.
        dataset: its training split.
    """

    def __init__(self, training: Any, folder: RunFolder, name: str, dataset: Dataset) -> None:
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
        """Return the seconds that this stage has trained, over all its runs."""
        return self.seconds + time.monotonic() - self.began

    def run(self, start: checkpoints.Checkpoint | None, signals: Signals) -> bool:
        """Train from ``start``, or from the beginning; return whether the stage came to its end."""
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
            if (
                self.training.initial is not None
            ):  # a resumed run must find these weights without the run that gave them
                self._save()
        self.began = self.saved = time.monotonic()
        self.model.train()
        finished = self._loop(signals)
        if self.last_saved != self.step:
            self._save()
        if finished:
            self._walk()
            self._film()
        return finished

    def _loop(self, signals: Signals) -> bool:
        batches = self.training.batches(self.stage, self.dataset)
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
            if self.step % self.cadence.preview == 0 or self.step == self.budget.steps:
                self._preview()
            due = time.monotonic() - self.saved > 60.0 * self.cadence.minutes
            if self.step % self.cadence.checkpoint == 0 or due:
                self._save()
        return self.step >= self.budget.steps or (not signals.received and self._out_of_time())

    def _out_of_time(self) -> bool:
        return self.budget.seconds is not None and self.elapsed >= self.budget.seconds

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
        ports = self.stage.method.predicts_from  # of a method that needs none of them in particular, all are made
        given = [port.name for port in ports if not port.optional] or [port.name for port in ports]
        if any(name not in item for item in few for name in given):  # pictures that transforms make, of meshes say
            few = [self._made(item) for item in few]
        return collate(few)

    def _made(self, item: dict[str, Any]) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed_for(0, "preview", item["id"]))
        kinds = {name: port.kind for name, port in self.stage.batch.items()}
        for transform in build_transforms(self.training.host, self.stage, per="item"):
            item = transform(item, kinds=kinds, generator=generator)
        return item

    def _preview(self) -> None:
        if not self.fabric.is_global_zero:
            return
        from armillary.drawing.pictures import preview
        from armillary.drawing.sheets import write_png

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

    def _walk(self) -> None:
        """Draw walks through the space of shapes, of a method that has one."""
        from armillary.pages.walks import PICTURES, draw_walks, walks_through

        if not self.fabric.is_global_zero or not walks_through(self.model.method):
            return
        given = {port.name for port in self.stage.method.predicts_from if not port.optional}
        items = (self.dataset[index] for index in range(min(PICTURES, len(self.dataset))))
        samples = (item if given <= set(item) else self._made(item) for item in items)
        prefix = f"{self.name}-" if len(self.training.plan.stages) > 1 else ""
        self.model.eval()
        draw_walks(self.model, samples, self.folder.path / "walks", device=self.fabric.device, prefix=prefix)
        self.model.train()

    def _film(self) -> None:
        """Draw the surfaces of the preview's pictures, turned and in new light, of a method that finds some."""
        from armillary.inference.predict import geometries
        from armillary.pages.relight import FILM, FILMS, animates, write_film

        missing = [p.name for p in self.stage.method.predicts_from if not p.optional and p.name not in self.previewed]
        if not self.fabric.is_global_zero or not animates(self.stage) or missing:
            return
        prefix = f"{self.name}-" if len(self.training.plan.stages) > 1 else ""
        self.model.eval()
        found = list(geometries(self.model, self.previewed, device=self.fabric.device))
        write_film(self.folder.path / FILMS / f"{prefix}{FILM}", found)
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


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list | tuple) else value
