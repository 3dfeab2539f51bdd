"""Claims of ``tensorboard.py`` and ``board.py``: TensorBoard's own reader finds what a run wrote."""

import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from armillary.plugins.discovery import PluginRecord
from armillary.plugins.host import Host
from armillary_trackers import tensorboard

RESULTS = {
    "stage": "main",
    "step": 4,
    "evaluators": {
        "depth": {"figures": {"side": {"value": 1.5}, "lost": {"value": None}, "odd": {"value": float("nan")}}}
    },
}


def scalars(run, stage="main"):
    found = EventAccumulator(str(run / "tensorboard" / stage)).Reload()
    return {
        tag: [(one.step, pytest.approx(one.value)) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]
    }


def preview(run, name, colour):
    (run / "previews").mkdir(exist_ok=True)
    Image.new("RGB", (6, 4), colour).save(run / "previews" / name)


def pictures(run, stage="main"):
    found = EventAccumulator(str(run / "tensorboard" / stage)).Reload()
    return [(one.step, one.width, one.height) for tag in found.Tags()["images"] for one in found.Images(tag)]


def train(run, steps, *, stage="main", outcome="finished"):
    tensorboard.armillary_run_started(run=run, recipe={})
    for step in steps:
        row = {
            "stage": stage,
            "step": step,
            "loss": 1 / step,
            "losses.image": 2.0 * step,
            "lr": np.float64(0.1),
            "ok": True,
        }
        tensorboard.armillary_step_ended(run=run, stage=stage, step=step, metrics=row)
    tensorboard.armillary_run_finished(run=run, outcome=outcome)


def test_numbers_of_the_rows_are_read_back(tmp_path):
    """Text and switches are left out, and a name with a point becomes a group."""
    train(tmp_path, (1, 2))
    assert scalars(tmp_path) == {
        "loss": [(1, 1.0), (2, 0.5)],
        "losses/image": [(1, 2.0), (2, 4.0)],
        "lr": [(1, 0.1), (2, 0.1)],
    }


def test_a_row_is_on_the_disk_before_the_run_ends(tmp_path):
    tensorboard.armillary_run_started(run=tmp_path, recipe={})
    tensorboard.armillary_step_ended(run=tmp_path, stage="main", step=1, metrics={"loss": 3.0})
    assert scalars(tmp_path) == {"loss": [(1, 3.0)]}
    tensorboard.armillary_run_finished(run=tmp_path, outcome="failed")


def test_stages_have_files_of_their_own(tmp_path):
    train(tmp_path, (1,), stage="shape")
    train(tmp_path, (1, 2), stage="view")
    assert len(scalars(tmp_path, "shape")["loss"]) == 1
    assert len(scalars(tmp_path, "view")["loss"]) == 2


def test_rows_after_a_resume_replace_those_that_they_repeat(tmp_path):
    train(tmp_path, (1, 2, 3, 4), outcome="interrupted")
    train(tmp_path, (3, 4, 5))
    assert [step for step, _ in scalars(tmp_path)["loss"]] == [1, 2, 3, 4, 5]


def test_figures_of_an_evaluation_stand_at_its_step(tmp_path):
    """During the run and, without its start or end, after it; a figure without a value is left out."""
    train(tmp_path, (1, 2, 4))
    tensorboard.armillary_evaluated(run=tmp_path, results=RESULTS)
    found = scalars(tmp_path)
    assert found["evaluation/depth/side"] == [(4, 1.5)]
    assert [step for step, _ in found["loss"]] == [1, 2, 4]
    assert not any("lost" in tag or "odd" in tag for tag in found)
    assert tensorboard._BOARDS == {}


def test_previews_are_added_once(tmp_path):
    """With the next row, and the last one at the end; the name of the stage, if the file has one, decides where."""
    preview(tmp_path, "step-0000000.png", "red")  # of an earlier process
    tensorboard.armillary_run_started(run=tmp_path, recipe={})
    preview(tmp_path, "step-0000001.png", "green")
    for step in (1, 2):
        tensorboard.armillary_step_ended(run=tmp_path, stage="main", step=step, metrics={"loss": 1.0})
    preview(tmp_path, "step-0000002.png", "blue")
    preview(tmp_path, "view-step-0000007.png", "blue")
    preview(tmp_path, "sheet.png", "blue")
    tensorboard.armillary_run_finished(run=tmp_path, outcome="finished")
    assert pictures(tmp_path) == [(1, 6, 4), (2, 6, 4)]
    assert pictures(tmp_path, "view") == [(7, 6, 4)]


def test_the_plugin_observes_a_run():
    """Loaded as ``--with`` loads it, with all hooks that it uses."""
    record = PluginRecord(
        id="tensorboard",
        module="armillary_trackers.tensorboard",
        distribution="armillary-trackers",
        version="0",
        location="",
    )
    host = Host([record], manifests=False)
    assert host.load("tensorboard").observes == (
        "armillary_run_started",
        "armillary_step_ended",
        "armillary_evaluated",
        "armillary_run_finished",
    )
    assert json.dumps(host.observers(["tensorboard"]).ids) == '["tensorboard"]'
