"""Built-in observers: what they leave in a run, also of one that was interrupted or whose drawing breaks."""

import os
import signal

import numpy as np
import pytest

from armillary.interfaces import Illustration
from armillary.pages.observers import built_in
from armillary.pages.summary import outcome_of, summarise
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import Overrides, resolve
from armillary.training.observers import Observer
from armillary.training.train import resume, train


class Interrupting(Observer):
    def step_ended(self, stage, step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def run(toy_host, pictures, tmp_path):
    def trained(*observers, sets=(), recipe="toy:paper", **rest):
        found = resolve(toy_host, recipe, Overrides(sets=sets))
        observers = (*built_in(toy_host), *observers)
        return train(found, data=pictures, out=tmp_path / "run", host=toy_host, observers=observers, **rest)

    return trained


def previews(run):
    return [path.stem for path in sorted((run.folder.path / "previews").iterdir())]


def test_a_run_has_previews_at_its_cadence_and_at_the_end(run):
    assert previews(run(sets=("cadence.preview=8", "budget.steps=18"))) == [
        *("step-0000000", "step-0000008", "step-0000016", "step-0000018")
    ]


def test_each_stage_has_previews_of_its_own(run):
    sets = tuple(f"stages.{name}.cadence.preview=100" for name in ("shapes", "embedding", "views"))
    names = previews(run(recipe="toy:stages", sets=sets))
    assert {"shapes-step-0000000", "shapes-step-0000004", "views-step-0000000", "views-step-0000004"} <= {*names}


def test_a_run_has_report_and_card(run, toy_host):
    folder = run().folder
    before = [(folder.path / name).read_bytes() for name in ("report.html", "README.md")]
    for name in ("report.html", "README.md"):
        (folder.path / name).unlink()
    written = summarise(folder, toy_host)
    assert [path.name for path in written] == ["report.html", "README.md"]
    assert [path.read_bytes() for path in written] == before


def test_an_interrupted_run_has_a_preview_and_says_so(run, toy_host, pictures):
    trained = run(Interrupting(), sets=("cadence.preview=100",))
    assert previews(trained) == ["step-0000000", "step-0000003"]
    plan = plan_recipe(toy_host, trained.folder.recipe())
    assert outcome_of(trained.folder, plan) == trained.outcome == "interrupted"
    assert "interrupted" in (trained.folder.path / "report.html").read_text()
    resume(trained.folder, data=pictures, host=toy_host, observers=built_in(toy_host))
    assert previews(trained)[-1] == "step-0000020"
    assert outcome_of(trained.folder, plan) == "finished"
    assert "interrupted" not in (trained.folder.path / "report.html").read_text()


def test_a_run_that_used_up_its_seconds_has_finished(run, toy_host):
    trained = run(sets=("budget.steps=100000", "budget.seconds=0.2"))
    assert trained.outcome == "finished"
    assert outcome_of(trained.folder, plan_recipe(toy_host, trained.folder.recipe())) == "finished"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("preview", "preview: RuntimeError: broken; the run continues"),
        (
            "write_run_report",
            "report: RuntimeError: broken; the run continues; to repeat it, type: armillary report {run}",
        ),
        ("write_run_card", "card: RuntimeError: broken; the run continues; to repeat it, type: armillary report {run}"),
    ],
)
def test_what_cannot_be_drawn_does_not_stop_the_training(run, tmp_path, monkeypatch, caplog, broken, said):
    def fail(*arguments, **rest):
        raise RuntimeError("broken")

    caplog.set_level("INFO", "armillary")
    monkeypatch.setattr(f"armillary.pages.observers.{broken}", fail)
    trained = run(sets=("budget.steps=4", "cadence.preview=2"))
    assert trained.outcome == "finished"
    assert caplog.messages.count(said.format(run=tmp_path / "run")) == 1
    assert (trained.folder.path / "checkpoints/step-4").is_dir()
    missing = {"write_run_report": "report.html", "write_run_card": "README.md"}.get(broken)
    assert [name for name in ("report.html", "README.md") if not (trained.folder.path / name).is_file()] == (
        [missing] if missing else []
    )


def test_a_failed_run_has_no_report(run, tmp_path):
    with pytest.raises(Exception, match="not finite"):
        run(sets=("losses.l1.breaks_at=3",))
    assert not (tmp_path / "run/report.html").exists()


def test_a_method_is_illustrated_at_the_end_and_in_the_report(run, toy_host, monkeypatch):
    def illustrate(self, found):
        assert found["feature"].shape[0] == 10  # every training picture
        picture = np.zeros((8, 8, 3), dtype=np.uint8)
        return {"mean-walks": Illustration(picture=picture, title="Walks of the mean", folder="walks")}

    method = toy_host.resolve(toy_host.component("method", "toy:autoencoder")).cls
    monkeypatch.setattr(method, "illustrate", illustrate, raising=False)
    folder = run().folder.path
    assert (folder / "walks/mean-walks.png").is_file()
    assert "Walks of the mean" in (folder / "report.html").read_text()
