"""Interface of observers of a run (reports, previews, hooks of plugins), and the list that notifies them.

Training imports no drawing code. The caller of a training passes its observers, as a rule
:func:`armillary.pages.observers.built_in`; only the first of several processes calls them.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import attrs
import torch

from armillary.errors import ArmillaryError
from armillary.interfaces import Dataset
from armillary.plugins.host import Host, Observers, first_line
from armillary.recipes.plan import Plan
from armillary.recipes.settings import CadenceConfig
from armillary.seeds import seed_for
from armillary.training.build import Model, build_dataset, build_transforms
from armillary.training.folder import RunFolder

_PREVIEWS = 4


@attrs.define(kw_only=True, eq=False, slots=False)
class StageRun:
    """One stage of a running training, passed to observers.

    Args:
        folder: the run's folder.
        model: model of the stage; its plan is ``model.plan``.
        device: device of the model.
        cadence: steps between logs, previews and checkpoints.
        alone: the recipe has no other stage.
        host: source of parts.
        data: folder of pictures.
        dataset: training split of ``data``.
    """

    folder: RunFolder
    model: Model
    device: torch.device
    cadence: CadenceConfig
    alone: bool
    host: Host
    data: Path
    dataset: Dataset

    @property
    def prefix(self) -> str:
        """Prefix of the names of files that each stage writes; empty if the stage is alone."""
        return "" if self.alone else f"{self.model.plan.name}-"

    @cached_property
    def previewed(self) -> list[dict[str, Any]]:
        """Few items for all previews of a stage, from the validation split, or the training split if that is missing."""
        samples: Dataset | None = None
        with contextlib.suppress(ArmillaryError):
            samples = build_dataset(self.host, self.model.plan, root=self.data, split="val")
        samples = samples if samples is not None and len(samples) else self.dataset
        few = [samples[index] for index in range(min(_PREVIEWS, len(samples)))]
        ports = self.model.plan.method.predicts_from  # if no port is required, previews have all of them
        needed = {port.name for port in ports if not port.optional} or {port.name for port in ports}
        return few if all(needed <= {*item} for item in few) else [self._made(item) for item in few]

    def training_items(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield the first items of the training split, with all ports that the method predicts from."""
        for index in range(min(count, len(self.dataset))):
            item = self.dataset[index]
            yield item if self.can_predict(item) else self._made(item)

    def can_predict(self, item: Mapping[str, Any]) -> bool:
        """Return whether an item has every port that the method predicts from."""
        return {port.name for port in self.model.plan.method.predicts_from if not port.optional} <= {*item}

    @contextlib.contextmanager
    def predicting(self) -> Iterator[Model]:
        """Put the model into evaluation mode, without gradients, and back into training mode afterwards."""
        self.model.eval()
        try:
            with torch.no_grad():
                yield self.model
        finally:
            self.model.train()

    def _made(self, item: dict[str, Any]) -> dict[str, Any]:
        """Apply the stage's transforms, for example those that render a mesh."""
        generator = torch.Generator().manual_seed(seed_for(0, "preview", item["id"]))
        kinds = {name: port.kind for name, port in self.model.plan.batch.items()}
        for transform in build_transforms(self.host, self.model.plan, per="item"):
            item = transform(item, kinds=kinds, generator=generator)
        return item


class Observer:
    """Interface of an observer: each method is called at its event and does nothing by default.

    An exception of an observer is reported in one line, and the run continues.
    """

    title: ClassVar[str] = "observer"
    """Name in messages."""

    cure: ClassVar[str] = ""
    """Command that repeats a failed observer, with ``{run}`` for the run folder; empty if there is none."""

    def run_started(self, run: RunFolder, plan: Plan) -> None:
        """Called before the first step, also after a resume."""

    def stage_started(self, stage: StageRun, step: int) -> None:
        """Called before the first step of a stage; after a resume ``step`` is that of the checkpoint."""

    def step_ended(self, stage: StageRun, step: int) -> None:
        """Called after each step."""

    def logged(self, stage: StageRun, step: int, row: Mapping[str, float]) -> None:
        """Called after a row of metrics was written."""

    def checkpoint_saved(self, stage: StageRun, step: int, path: Path) -> None:
        """Called after a checkpoint is complete on the disk."""

    def stage_ended(self, stage: StageRun, step: int, *, finished: bool) -> None:
        """Called after the last checkpoint of a stage; ``finished`` is False if the stage was interrupted."""

    def evaluated(self, run: RunFolder, entry: Mapping[str, Any]) -> None:
        """Called after an evaluation, with the entry that was added to ``results.json``."""

    def run_finished(self, run: RunFolder, outcome: str) -> None:
        """Called at the end with ``finished``, ``interrupted`` or ``failed``."""


class Trackers(Observer):
    """Observer hooks of the plugins that a run names."""

    def __init__(self, plugins: Observers) -> None:
        self._notify = plugins.notify

    def run_started(self, run: RunFolder, plan: Plan) -> None:
        """Call ``armillary_run_started``."""
        self._notify("armillary_run_started", run=run.path, recipe=plan.recipe.written)

    def logged(self, stage: StageRun, step: int, row: Mapping[str, float]) -> None:
        """Call ``armillary_step_ended``."""
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
        name = stage.model.plan.name
        self._notify("armillary_step_ended", run=stage.folder.path, stage=name, step=step, metrics=numbers)

    def checkpoint_saved(self, stage: StageRun, step: int, path: Path) -> None:
        """Call ``armillary_checkpoint_saved``."""
        name = stage.model.plan.name
        self._notify("armillary_checkpoint_saved", run=stage.folder.path, stage=name, step=step, path=path)

    def evaluated(self, run: RunFolder, entry: Mapping[str, Any]) -> None:
        """Call ``armillary_evaluated``."""
        self._notify("armillary_evaluated", run=run.path, results=entry)

    def run_finished(self, run: RunFolder, outcome: str) -> None:
        """Call ``armillary_run_finished``."""
        self._notify("armillary_run_finished", run=run.path, outcome=outcome)


class Audience:
    """The observers of one run, notified together.

    Args:
        observers: in the order in which they are called.
        folder: of the run.
        report: called with one line if an observer raises; equal lines are reported once.
    """

    def __init__(self, observers: Sequence[Observer], folder: RunFolder, *, report: Callable[[str], None]) -> None:
        self._observers, self._folder, self._report = tuple(observers), folder, report
        self._reported: set[str] = set()

    def notify(self, event: Callable[[Observer], None]) -> None:
        """Call ``event`` with each observer; an exception of one does not stop the others."""
        for observer in self._observers:
            try:
                event(observer)
            except Exception as error:
                cure = observer.cure.format(run=self._folder.path)
                line = f"{observer.title}: {first_line(error)}; the run continues{cure and f'; to repeat it, type: {cure}'}"
                if line not in self._reported:
                    self._reported.add(line)
                    self._report(line)
