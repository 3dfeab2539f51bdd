"""``armillary train``: what it says, leaves and refuses. What it computes is held in tests/run."""

import pytest

from armillary.training.train import Trained

FAST = ("--steps", 2, "--set", "cadence.preview=100")


def test_a_training_says_what_to_type_next(run, pictures, armillary):
    """Progress and messages on standard error, nothing on standard output; the commands name this run and work."""
    assert run.out == ""
    assert "step 2 of 2, loss" in run.err
    commands = [line.strip() for line in run.err.splitlines() if line.startswith("  armillary ")]
    assert f"armillary evaluate run --data {pictures}" in commands
    assert not any("armillary export" in command for command in commands)  # this method has no surface
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
        (("toy:smoke", "--data", "x", "--out", "new", "--from", "run"), 2, "write it as NAME=RUN"),
        (
            ("toy:smoke", "--data", "x", "--out", "new", "--from", "a=nosuch"),
            1,
            "--from a=nosuch: no such run",
        ),
        (
            ("toy:smoke", "--data", "x", "--out", "new", "--take", "picture.encoder=a:picture.encoder"),
            2,
            "slots.picture.encoder: taken from another run: --from a=RUN",
        ),
        (("--resume", "nosuch", "--data", "x"), 1, "nosuch: no such run"),
        (("toy:smoke", "--data", "x", "--out", "new", "--checkpoint", "step-2"), 2, "--resume RUN --checkpoint step-N"),
        (("toy:smoke", "--resume", "run", "--data", "x"), 2, "toy:smoke cannot be given with --resume"),
        (("--resume", "run", "--data", "x", "--set", "a=1", "--seed", "2", "--strict"), 2, "--set, --seed, --strict"),
    ],
)
def test_what_train_refuses(armillary, arguments, status, said):
    assert said in armillary("train", *arguments, status=status).err


def test_resume_takes_a_checkpoint_by_name(armillary, run, pictures):
    typed = ("train", "--resume", "run", "--data", pictures)
    assert "no such checkpoint" in armillary(*typed, "--checkpoint", "step-1", status=1).err
    assert "step 3 of 3" in armillary(*typed, "--checkpoint", "step-2", "--steps", 3).err


def test_an_accelerator_that_is_not_there_is_refused(armillary, pictures, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    typed = ("train", "toy:smoke", "--data", pictures, "--out", "new", "--accelerator", "cuda")
    assert "torch finds no CUDA device here" in armillary(*typed, status=1).err


def test_an_interrupted_training_ends_as_by_its_signal(armillary, pictures, monkeypatch):
    def interrupted(recipe, *, out, **rest):
        from armillary.training.folder import RunFolder

        return Trained(folder=RunFolder(out), outcome="interrupted", signal=15)

    monkeypatch.setattr("armillary.training.train.train", interrupted)
    answer = armillary("train", "toy:smoke", "--data", pictures, "--out", "my run", status=143)
    assert f"armillary train --resume 'my run' --data {pictures}" in answer.err


def test_a_part_of_another_run_is_taken(armillary, run, pictures):
    """Checked with the run and without, then trained; the first lines say what was taken."""
    del run
    take = ("--take", "picture.encoder=colours:picture.encoder")
    open_ = armillary("recipes", "check", "toy:smoke", *take)
    assert "takes parts from a missing run: --from colours=RUN" in open_.out
    whole = armillary("recipes", "check", "toy:smoke", *take, "--from", "colours=run")
    assert "missing run" not in whole.out
    typed = ("train", "toy:smoke", "--data", pictures, "--out", "second", *take, "--from", "colours=run")
    said = armillary(*typed, *FAST).err
    stray = ("recipes", "check", "toy:smoke", "--from", "a=run")
    assert "this recipe takes nothing from 'a'; it takes no part of another run" in armillary(*stray, status=1).err
    assert "picture.encoder is picture.encoder of the run run (toy:smoke, step 2), frozen" in said


def test_bad_files_are_named_or_refused(armillary, pictures):
    (pictures / "broken.png").write_bytes((pictures / "0.png").read_bytes()[:60])
    answer = armillary("train", "toy:smoke", "--data", pictures, "--out", "run", *FAST)
    assert "skipped broken.png: truncated" in answer.err
    assert "1 files skipped, 6 used" in answer.err
    strict = armillary("train", "toy:smoke", "--data", pictures, "--out", "other", "--strict", status=1)
    assert "broken.png" in strict.err
    assert not (pictures.parent / "work" / "other").exists()
