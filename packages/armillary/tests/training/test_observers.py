"""Observers of a run: the order of events, what breaks, and what they leave as it was."""

from pathlib import Path

import pytest
import torch

from armillary.recipes.recipe import Overrides, resolve
from armillary.training.observers import Audience, Observer
from armillary.training.train import resume, train


class Listening(Observer):
    """Writes down every event."""

    def __init__(self):
        self.events = []

    def run_started(self, run, plan):
        self.events.append("run started")

    def stage_started(self, stage, step):
        self.events.append(f"{stage.prefix}{step} started")

    def step_ended(self, stage, step):
        self.events.append(f"{stage.prefix}{step}")

    def logged(self, stage, step, row):
        assert row["step"] == step
        self.events.append(f"{stage.prefix}{step} logged")

    def checkpoint_saved(self, stage, step, path):
        assert path.is_dir()
        self.events.append(f"{stage.prefix}{step} saved")

    def stage_ended(self, stage, step, *, finished):
        self.events.append(f"{stage.prefix}{step} {'finished' if finished else 'interrupted'}")

    def run_finished(self, run, outcome):
        self.events.append(f"run {outcome}")


class Failing(Observer):
    title, cure = "fails", "type {run}"

    def step_ended(self, stage, step):
        raise ValueError("the same each time")


class Drawing(Observer):
    """Predicts at each step, with random numbers drawn before."""

    def step_ended(self, stage, step):
        with stage.predicting() as model:
            assert not torch.is_grad_enabled()
            assert not model.method.training
        assert model.method.training
        assert len(stage.previewed) == 4
        assert stage.can_predict(stage.previewed[0])


@pytest.fixture
def trained(toy_host, pictures, tmp_path):
    def run(*observers, recipe="toy:paper", sets=("budget.steps=2", "cadence.log=2", "cadence.checkpoint=1"), **rest):
        found = resolve(toy_host, recipe, Overrides(sets=sets))
        out = tmp_path / f"run-{len([*tmp_path.iterdir()])}"
        return train(found, data=pictures, out=out, host=toy_host, observers=observers, **rest)

    return run


def test_events_come_in_order(trained, toy_host, pictures):
    one = Listening()
    run = trained(one)
    assert one.events == [
        *("run started", "0 started"),
        *("1", "1 saved"),
        *("2 logged", "2", "2 saved"),
        *("2 finished", "run finished"),
    ]
    again = Listening()
    resume(run.folder, data=pictures, host=toy_host, observers=[again])
    assert again.events == ["run started", "2 started", "2 finished", "run finished"]


def test_files_of_several_stages_have_their_names(trained):
    one = Listening()
    trained(one, recipe="toy:stages", sets=())
    starts = [event for event in one.events if event.endswith(" started")]
    assert starts == ["run started", "shapes-0 started", "embedding-0 started", "views-0 started"]


def test_one_that_raises_is_reported_once_and_the_run_goes_on(trained):
    lines = []

    class Reporter:
        def message(self, text):
            lines.append(text)

        def progress(self, **rest):
            pass

    other = Listening()
    run = trained(Failing(), other, reporter=Reporter())
    told = f"fails: ValueError: the same each time; the run continues; to repeat it, type: type {run.folder.path}"
    assert [line for line in lines if "fails" in line] == [told]
    assert "2" in other.events
    assert run.outcome == "finished"


def test_what_ends_the_program_is_not_held_back(tmp_path):
    class Ending(Observer):
        def run_finished(self, run, outcome):
            raise KeyboardInterrupt

    audience = Audience([Ending()], tmp_path, report=print)
    with pytest.raises(KeyboardInterrupt):
        audience.notify(lambda one: one.run_finished(tmp_path, "failed"))


def test_weights_are_the_same_with_and_without_observers(trained):
    plain, drawn = trained().models["main"].named_tensors(), trained(Drawing()).models["main"].named_tensors()
    assert all(torch.equal(value, drawn[name]) for name, value in plain.items())


def test_training_without_observers_draws_nothing(trained):
    folder: Path = trained().folder.path
    assert not [*folder.rglob("*.png"), *folder.rglob("*.html"), *folder.rglob("*.md")]
