"""``train``, ``evaluate``, ``predict`` and ``export``: what they say, leave and refuse. What they compute is held in tests/run."""

import json
import shutil

import numpy as np
import pytest

from armillary.run.train import Trained

FAST = ("--steps", 2, "--set", "cadence.preview=100")


@pytest.fixture
def run(armillary, pictures):
    """A run of the toy, and what was said while it was trained."""
    return armillary("train", "toy:smoke", "--data", pictures, "--out", "run", *FAST)


def test_a_training_says_what_to_type_next(run, pictures, armillary):
    """Progress and messages on standard error, nothing on standard output; the commands name this run and work."""
    assert run.out == ""
    assert "step 2 of 2, loss" in run.err
    commands = [line.strip() for line in run.err.splitlines() if line.startswith("  armillary ")]
    assert f"armillary evaluate run --data {pictures}" in commands
    assert any(command.startswith("armillary export run ") for command in commands)
    resume = next(command for command in commands if "--resume" in command)
    again = armillary(*resume.replace("N", "3").split()[1:])
    assert "step 3 of 3" in again.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("toy:smoke", "--out", "new"), 2, "--data is missing"),
        (("toy:smoke", "--data", "x"), 2, "--out is missing"),
        (("--data", "x", "--out", "new"), 2, "RECIPE is missing"),
        (("toy:smoke", "--data", "nosuch", "--out", "new"), 1, "nosuch: no such folder"),
        (("toy:smok", "--data", "x", "--out", "new"), 1, "did you mean 'toy:smoke'?"),
        (("toy:smoke", "--data", "x", "--out", "new", "--asset", "vgg16"), 2, "NAME=FILE"),
        (("toy:smoke", "--data", "x", "--out", "new", "--asset", "vgg16=nosuch"), 1, "there is no such file"),
        (("toy:smoke", "--data", "x", "--out", "new", "--devices", "0"), 2, "--devices: 'devices' must be >= 1"),
        (("--resume", "nosuch", "--data", "x"), 1, "nosuch: there is no such run"),
        (("toy:smoke", "--resume", "run", "--data", "x"), 2, "toy:smoke cannot be given with --resume"),
        (("--resume", "run", "--data", "x", "--set", "a=1", "--seed", "2", "--strict"), 2, "--set, --seed, --strict"),
    ],
)
def test_what_train_refuses(armillary, arguments, status, said):
    assert said in armillary("train", *arguments, status=status).err


def test_an_accelerator_that_is_not_there_is_refused(armillary, pictures, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    typed = ("train", "toy:smoke", "--data", pictures, "--out", "new", "--accelerator", "cuda")
    assert "torch finds no CUDA device here" in armillary(*typed, status=1).err


def test_an_interrupted_training_ends_as_by_its_signal(armillary, pictures, monkeypatch):
    def interrupted(recipe, *, out, **rest):
        from armillary.run.folder import RunFolder

        return Trained(folder=RunFolder(out), outcome="interrupted", signal=15)

    monkeypatch.setattr("armillary.run.train.train", interrupted)
    answer = armillary("train", "toy:smoke", "--data", pictures, "--out", "my run", status=143)
    assert f"armillary train --resume 'my run' --data {pictures}" in answer.err


def test_bad_files_are_named_or_refused(armillary, pictures):
    (pictures / "broken.png").write_bytes((pictures / "0.png").read_bytes()[:60])
    answer = armillary("train", "toy:smoke", "--data", pictures, "--out", "run", *FAST)
    assert "passed over broken.png: truncated" in answer.err
    assert "1 files passed over, 6 used" in answer.err
    strict = armillary("train", "toy:smoke", "--data", pictures, "--out", "other", "--strict", status=1)
    assert "broken.png" in strict.err
    assert not (pictures.parent / "work" / "other").exists()


def test_predict_writes_a_result_a_picture(run, armillary, pictures, tmp_path):
    del run
    (tmp_path / "more").mkdir()
    shutil.copy(pictures / "0.png", tmp_path / "more" / "0.png")
    (pictures / "text.jpg").write_text("hello")
    answer = armillary("predict", "run", pictures, tmp_path / "more", "--out", "found")
    assert "passed over" in answer.err
    assert "text.jpg" in answer.err
    assert "found: 7 pictures done, 1 file passed over" in answer.err
    found = tmp_path / "work" / "found"
    assert len(list(found.glob("*.npz"))) == 7
    with np.load(found / "more-0.npz") as first, np.load(found / "pictures-0.npz") as second:
        assert {"image", "reconstruction"} <= set(first)
        np.testing.assert_array_equal(first["image"], second["image"])


def test_predict_fails_where_nothing_can_be_used(run, armillary, tmp_path):
    del run
    bad = tmp_path / "text.jpg"
    bad.write_text("hello")
    assert "0 pictures done, 1 file passed over" in armillary("predict", "run", bad, "--out", "found", status=1).err
    assert "text.jpg" in armillary("predict", "run", bad, "--out", "found", "--strict", status=1).err
    assert "no such file" in armillary("predict", "run", "nosuch.png", "--out", "found", status=1).err


def test_a_run_that_cannot_be_measured_or_exported_says_why(run, armillary, pictures):
    del run
    assert "has no evaluators" in armillary("evaluate", "run", "--data", pictures, status=1).err
    assert "no mesh to export" in armillary("export", "run", pictures / "0.png", status=1).err
    assert "holds 6 pictures" in armillary("export", "run", pictures, status=2).err


def test_export_needs_one_format(armillary):
    assert "which format?" in armillary("export", "run", "a.png", "--out", "a.stl", status=2).err
    assert "disagree" in armillary("export", "run", "a.png", "--out", "a.ply", "--format", "glb", status=2).err


def test_evaluate_prints_the_run_above_its_baselines(run, armillary, monkeypatch):
    del run
    entry = {
        "stage": "main",
        "step": 2,
        "data": {"name": "heads", "count": 9, "digest": "d"},
        "split": "test",
        "items": 3,
        "evaluators": {
            "depth": {
                "id": "std:side-mad/1",
                "protocol": "p",
                "figures": {"mad": {"value": 12.5, "unit": "degree", "spread": 1.0}},
                "baselines": {"null depth": {"mad": {"value": 36.9, "unit": "degree"}}},
                "fitted_on": "heads, train, 6 items",
                "notes": ["masks are eroded"],
            }
        },
    }
    monkeypatch.setattr("armillary.run.evaluate.evaluate", lambda folder, **rest: entry)
    out = armillary("evaluate", "run", "--data", "heads").out.splitlines()
    assert out == [
        "depth (std:side-mad/1) on 3 items of heads, split test, step 2",
        "            mad (degrees)",
        "this run    12.500 ± 1.000",
        "null depth  36.900",
        "average fitted on heads, train, 6 items",
        "note: masks are eroded",
    ]
    assert json.loads(armillary("evaluate", "run", "--data", "heads", "--json").out) == entry
