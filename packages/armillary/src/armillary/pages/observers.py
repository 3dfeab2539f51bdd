"""Built-in observers of a run: previews, films, illustrations, report and card."""

from collections.abc import Mapping
from typing import Any

from armillary.drawing.pictures import preview
from armillary.drawing.sheets import write_png
from armillary.inference.predict import geometries
from armillary.inference.restore import kinds_of
from armillary.pages.illustrations import PICTURES, Found, illustrates, prefixed, write_illustrations
from armillary.pages.relight import FILM, FILMS, animates, write_film
from armillary.pages.summary import write_run_card, write_run_report
from armillary.plugins.host import Host
from armillary.recipes.plan import Plan
from armillary.training.batches import collate, to_device
from armillary.training.build import call_method
from armillary.training.folder import FAILED, RunFolder
from armillary.training.observers import Observer, StageRun

_REPEAT = "armillary report {run}"


def built_in(host: Host) -> tuple[Observer, ...]:
    """Return the observers of every run; those that write pictures come before the pages that show the pictures.

    Args:
        host: source of parts, for the pages.
    """
    return (Previews(), Illustrations(), Films(), Report(host), Card(host))


class Previews(Observer):
    """Predictions for the same few pictures, at step 0, at the recipe's cadence, and whenever a stage ends."""

    title = "preview"

    def __init__(self) -> None:
        self._drawn: tuple[str, int] | None = None

    def stage_started(self, stage: StageRun, step: int) -> None:
        """Draw the untrained networks."""
        if step == 0:
            self._draw(stage, step)

    def step_ended(self, stage: StageRun, step: int) -> None:
        """Draw at every multiple of ``cadence.preview``."""
        if step % stage.cadence.preview == 0:
            self._draw(stage, step)

    def stage_ended(self, stage: StageRun, step: int, *, finished: bool) -> None:
        """Draw the last step, also of an interrupted stage."""
        del finished
        if self._drawn != (stage.model.plan.name, step):
            self._draw(stage, step)

    def _draw(self, stage: StageRun, step: int) -> None:
        plan = stage.model.plan
        self._drawn = (plan.name, step)
        if not stage.previewed or not stage.can_predict(stage.previewed[0]):
            return
        with stage.predicting() as model:
            batch = to_device(collate(stage.previewed), stage.device)
            outputs = call_method(model, batch, predict=True)
        kinds = {name: port.kind for name, port in {**plan.batch, **plan.predictions}.items()}
        try:
            sheet = preview(outputs, batch, kinds)
        except ValueError:  # nothing that the method predicts has a picture
            return
        write_png(stage.folder.path / "previews" / f"{stage.prefix}step-{step:07d}.png", sheet)


class Illustrations(Observer):
    """Illustrations of a method, drawn after a stage has finished."""

    title = "illustrations"

    def stage_ended(self, stage: StageRun, step: int, *, finished: bool) -> None:
        """Predict from training items one by one, and draw the illustrations from these predictions."""
        del step
        if not finished or not illustrates(stage.model.method):
            return
        kinds = kinds_of(stage.model)
        with stage.predicting() as model:
            found = Found(model.method)
            for item in stage.training_items(PICTURES):
                outputs = call_method(model, to_device(collate([item]), stage.device), predict=True)
                found.add({name: value[0] for name, value in outputs.items()}, kinds)
            pictures = found.illustrations()
        write_illustrations(stage.folder, prefixed(pictures, stage.prefix))


class Films(Observer):
    """Films of the surfaces of the previewed pictures, turned and relit, after a stage that predicts surfaces has finished."""

    title = "film"

    def stage_ended(self, stage: StageRun, step: int, *, finished: bool) -> None:
        """Draw the film."""
        del step
        if not finished or not animates(stage.model.plan):
            return
        if stage.previewed and stage.can_predict(stage.previewed[0]):
            with stage.predicting() as model:
                found = list(geometries(model, collate(stage.previewed), device=stage.device))
            write_film(stage.folder.path / FILMS / f"{stage.prefix}{FILM}", found)


class _Page(Observer):
    """A page of the run, written after each evaluation and after a training that did not fail."""

    cure = _REPEAT

    def __init__(self, host: Host) -> None:
        self._host = host
        self._plan: Plan | None = None

    def run_started(self, run: RunFolder, plan: Plan) -> None:
        """Store the plan, to avoid a second check of the recipe."""
        del run
        self._plan = plan

    def evaluated(self, run: RunFolder, entry: Mapping[str, Any]) -> None:
        """Write the page with the new figures."""
        del entry
        self._write(run)

    def run_finished(self, run: RunFolder, outcome: str) -> None:
        """Write the page, unless the training failed."""
        if outcome != FAILED:
            self._write(run)

    def _write(self, run: RunFolder) -> None:
        raise NotImplementedError


class Report(_Page):
    """The report (``report.html``)."""

    title = "report"

    def _write(self, run: RunFolder) -> None:
        write_run_report(run, self._host, self._plan)


class Card(_Page):
    """The card (``README.md``)."""

    title = "card"

    def _write(self, run: RunFolder) -> None:
        write_run_card(run, self._host, self._plan)
