"""Safety of checkpoints: what is damaged, unreadable or not finite is never used, never counted, and deletes nothing."""

import errno
import hashlib
import json
import math
import os
import random
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from armillary.errors import RunError
from armillary.files import write_text
from armillary.inference.restore import restore
from armillary.recipes.recipe import Overrides, resolve
from armillary.training import checkpoint as checkpoints
from armillary.training.folder import RunFolder
from armillary.training.train import resume, train

TOY = Path(__file__).parents[1] / "toy"
EVERY = ("cadence.log=1", "cadence.checkpoint=3", "cadence.preview=100", "cadence.keep=9")


@pytest.fixture
def run(toy_host, pictures, tmp_path):
    """A run of 9 steps with checkpoints at 3, 6 and 9."""
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=(*EVERY, "budget.steps=9")))
    return train(recipe, data=pictures, out=tmp_path / "run", host=toy_host).folder


def steps(folder):
    return [each.step for each in checkpoints.found(folder.checkpoints("main"))]


def contents(folder):
    return {
        str(path.relative_to(folder.path)): path.read_bytes()
        for path in sorted(folder.path.rglob("*"))
        if path.is_file()
    }


def newest_weights(folder):
    found, _ = checkpoints.newest(folder.checkpoints("main"))
    assert found is not None
    # Reading maps the file into memory; a test that writes to the file must not change what was read.
    return {name: value.clone() for name, value in found.weights().items()}


def signed(step):
    """Write the manifest of a checkpoint anew, as someone does who changes its files on purpose."""
    manifest = json.loads((step / "manifest.json").read_text())
    for name in manifest["files"]:
        content = (step / name).read_bytes()
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (step / "manifest.json").write_text(json.dumps(manifest))


def flip(step):
    content = bytearray((step / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (step / "weights.safetensors").write_bytes(content)


def spoil(step):
    weights = load_file(step / "weights.safetensors")
    name = min(weights)
    weights[name] = torch.full_like(weights[name], math.nan)
    save_file(weights, step / "weights.safetensors")
    signed(step)


DAMAGES = {
    "flipped": flip,
    "not finite": spoil,
    "manifest missing": lambda step: (step / "manifest.json").unlink(),
    "manifest empty": lambda step: (step / "manifest.json").write_text(""),
    "weights missing": lambda step: (step / "weights.safetensors").unlink(),
    "state cut": lambda step: (step / "state.pt").write_bytes(b""),
}


# --- damaged checkpoints


@pytest.mark.parametrize("damage", DAMAGES)
def test_resume_takes_the_newest_good_one_and_ends_as_if_nothing_had_happened(toy_host, pictures, run, damage):
    whole = newest_weights(run)
    DAMAGES[damage](run.path / "checkpoints/step-9")
    assert restore(run, host=toy_host).step == 6
    resume(run, data=pictures, host=toy_host)
    assert steps(run) == [3, 6, 9]
    assert (run.path / "checkpoints/aside-step-9").is_dir()
    again = newest_weights(run)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_good_checkpoint_nothing_begins_again(toy_host, pictures, run, damage):
    for step in steps(run):
        DAMAGES[damage](run.path / f"checkpoints/step-{step}")
    before = contents(run)
    with pytest.raises(RunError, match=r"no good checkpoint here.*armillary train .*recipe\.toml --data .* --out"):
        resume(run, data=pictures, host=toy_host)
    assert contents(run) == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("keep", [1, 2])
def test_pruning_counts_good_ones_and_keeps_the_one_just_written(run, damage, keep):
    """Steps 3, 6, 9 with 6 damaged; later ones, damaged or not, never push out what was just written."""
    place = run.checkpoints("main")
    DAMAGES[damage](place / "step-6")
    shutil.copytree(place / "step-6", place / "step-30")
    *_, nine, _ = checkpoints.found(place)
    checkpoints.prune(place, saved=nine, keep=keep)
    good = [each.step for each in checkpoints.found(place) if not each.problem()]
    assert good == ([9] if keep == 1 else [3, 9])
    assert (place / "step-30").is_dir()


def test_missing_first_stage_is_not_trained_again_under_a_later_one(toy_host, pictures, tmp_path):
    recipe = resolve(toy_host, "toy:stages")
    folder = train(recipe, data=pictures, out=tmp_path / "run", host=toy_host).folder
    first = next(iter(recipe.bodies))
    shutil.rmtree(folder.checkpoints(first))
    before = contents(folder)
    with pytest.raises(RunError, match="a later stage has checkpoints"):
        resume(folder, data=pictures, host=toy_host)
    assert contents(folder) == before


# --- read errors


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("file", ["weights.safetensors", "state.pt", "manifest.json"])
def test_a_read_error_stops_and_touches_nothing(toy_host, pictures, run, monkeypatch, file, code):
    victim, before = run.path / "checkpoints/step-9" / file, contents(run)
    for name in ("open", "read_bytes"):
        real = getattr(Path, name)

        def refuse(path, *args, real=real, **settings):
            if path == victim:
                raise OSError(code, os.strerror(code), str(path))
            return real(path, *args, **settings)

        monkeypatch.setattr(Path, name, refuse)
    for use in (lambda: resume(run, data=pictures, host=toy_host, steps=20), lambda: restore(run, host=toy_host)):
        with pytest.raises(RunError) as caught:
            use()
        assert f"{victim}: cannot be read: {os.strerror(code)}; nothing was changed" in str(caught.value)
        assert "corrupted" not in str(caught.value)
    monkeypatch.undo()
    assert contents(run) == before


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_files_have_the_modes_of_the_umask(toy_host, pictures, tmp_path, mask):
    before = os.umask(mask)
    try:
        recipe = resolve(toy_host, "toy:smoke")
        folder = train(recipe, data=pictures, out=tmp_path / "run", host=toy_host).folder
        write_text(tmp_path / "text", "new")
        write_text(tmp_path / "text", "again")
    finally:
        os.umask(before)
    files = [tmp_path / "text", *(path for path in folder.path.rglob("*") if path.is_file())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o666 & ~mask}
    assert any(path.name == "weights.safetensors" for path in files)


# --- values that are not finite


def test_weights_that_are_not_finite_are_not_saved(toy_host, pictures, tmp_path):
    """A rate of 1e38 breaks the weights in the first step, while the loss of that step is finite."""
    sets = (*EVERY[:1], "cadence.checkpoint=1", "optimiser.lr=1e38", "schedule.use=constant", "budget.steps=1")
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=(*sets, "optimiser.eps=1e-45")))
    with pytest.raises(RunError, match=r"are not finite: .*no good checkpoint exists yet.*--set optimiser\.lr="):
        train(recipe, data=pictures, out=tmp_path / "run", host=toy_host)
    assert not steps(RunFolder(tmp_path / "run"))


@pytest.mark.parametrize("where", ["weights", "optimiser"])
def test_saving_refuses_what_is_not_finite(tmp_path, where):
    bad = torch.tensor([0.0, math.inf])
    weights = {"part.weight": bad if where == "weights" else torch.zeros(2)}
    state = {"optimiser": {"part.weight": {"exp_avg": bad if where == "optimiser" else torch.zeros(2)}}}
    with pytest.raises(checkpoints.NotFiniteError, match=r"part\.weight"):
        checkpoints.save(tmp_path / "new", step=1, weights=weights, state=state, about={})
    assert not (tmp_path / "new").exists()


# --- a checkpoint by its name


def test_resume_goes_on_from_the_checkpoint_that_is_named(toy_host, pictures, run):
    whole = newest_weights(run)
    resume(run, data=pictures, host=toy_host, checkpoint="step-3")
    assert steps(run) == [3, 6, 9]
    kept = sorted(path.name for path in run.checkpoints("main").glob("aside-*"))
    assert kept == ["aside-step-6", "aside-step-9"]
    again = newest_weights(run)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert [row["step"] for row in run.metrics()] == list(range(1, 10))
    resume(run, data=pictures, host=toy_host, checkpoint="6")
    assert (run.path / "checkpoints/aside-step-9-2").is_dir()


def test_a_checkpoint_that_is_not_there_is_refused(toy_host, pictures, run):
    with pytest.raises(RunError, match=r"--checkpoint step-4: no such checkpoint in .*step-3, step-6, step-9"):
        resume(run, data=pictures, host=toy_host, checkpoint="step-4")


# --- state that was changed on purpose


def first(state):
    return next(iter(state["optimiser"].values()))


def change(key, value):
    def tamper(state):
        state[key] = value

    return tamper


def moment(key, make):
    def tamper(state):
        first(state)[key] = make(first(state)[key])

    return tamper


TAMPERED = {
    "moment of another shape": (moment("exp_avg", lambda value: torch.zeros(1)), "exp_avg of .* has the shape"),
    "moment of another type": (moment("exp_avg_sq", torch.Tensor.double), "exp_avg_sq of .* is torch.float64"),
    "moment that is no tensor": (moment("exp_avg", lambda value: 3), "is not a plain tensor"),
    "sparse moment": (moment("exp_avg", torch.Tensor.to_sparse), "is not a plain tensor"),
    "moment that is nan": (moment("exp_avg", lambda value: value * math.nan), "exp_avg of .* is not finite"),
    "negative squares": (moment("exp_avg_sq", lambda value: value - 1), "has squares below 0"),
    "negative steps": (moment("step", lambda value: value - 100), "step of .* is -91 at step 9"),
    "infinite steps": (moment("step", lambda value: value / 0), "step of .* is not finite"),
    "steps of another shape": (moment("step", lambda value: value.expand(3)), r"step of .* has the shape \[3\]"),
    "moment missing": (lambda state: first(state).pop("exp_avg"), "it needs exp_avg, exp_avg_sq, step"),
    "unknown parameter": (
        lambda state: state["optimiser"].update({"nobody": first(state)}),
        "'nobody' is not a trained parameter",
    ),
    "no table": (change("optimiser", [1]), "not a table of tables"),
    "optimiser missing": (lambda state: state.pop("optimiser"), "optimiser is missing"),
    "another step": (change("step", -5), "step is -5, it needs 9"),
    "step of another type": (change("step", 9.0), "step is 9.0, it needs 9"),
    "another stage": (change("stage", "other"), "stage is 'other'"),
    "seconds that are nan": (change("seconds", math.nan), "seconds is nan"),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_tampered_state_is_refused_by_file_and_reason(toy_host, pictures, run, kind):
    """Moments of another shape ended in a segmentation fault of the fused optimiser."""
    tamper, words = TAMPERED[kind]
    step = run.path / "checkpoints/step-9"
    state = torch.load(step / "state.pt", weights_only=True)
    tamper(state)
    torch.save(state, step / "state.pt")
    signed(step)
    with pytest.raises(RunError, match=rf"step-9/state\.pt: .*{words}.*--checkpoint"):
        resume(run, data=pictures, host=toy_host, steps=12)


@pytest.mark.parametrize(("file", "content"), [("state.pt", b"no archive"), ("weights.safetensors", b"\xff" * 64)])
def test_a_file_of_another_kind_is_named(toy_host, pictures, run, file, content):
    step = run.path / "checkpoints/step-9"
    (step / file).write_bytes(content)
    signed(step)
    with pytest.raises(RunError, match=rf"step-9/{file}: cannot be used: .*--checkpoint"):
        resume(run, data=pictures, host=toy_host, steps=12)


# --- the seed decides

_SCRIPT = """
import sys
from pathlib import Path
from armillary.plugins.discovery import PluginRecord, discover
from armillary.plugins.host import Host
from armillary.recipes.recipe import Overrides, resolve
from armillary.training.train import train

toy = PluginRecord(id="toy", distribution="armillary-toy", version="1.0", module="armillary_toy.plugin", location="-")
host = Host([next(r for r in discover(path=[]) if r.id == "std"), toy])
recipe = resolve(host, "toy:paper", Overrides(sets=tuple(sys.argv[3:])))
train(recipe, data=Path(sys.argv[2]), out=Path(sys.argv[1]), host=host)
"""
_CHANCE = (*EVERY, "budget.steps=9", "settings.chance=0.5")


def in_a_process(out, pictures, *sets):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(TOY), *sys.path]), OMP_NUM_THREADS="1")
    subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(out), str(pictures), *_CHANCE, *sets], check=True, env=environment
    )
    return newest_weights(RunFolder(out))


def test_dropout_is_decided_by_the_seed(pictures, tmp_path):
    """Two processes agree bit by bit in dropout and in noise of Python's and numpy's generators; another seed differs."""
    one, two, other = (
        in_a_process(tmp_path / str(index), pictures, f"seed={seed}") for index, seed in enumerate((0, 0, 1))
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_a_resumed_run_drops_the_same_features(toy_host, pictures, tmp_path):
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=_CHANCE))
    whole = newest_weights(train(recipe, data=pictures, out=tmp_path / "whole", host=toy_host).folder)
    folder = train(recipe, data=pictures, out=tmp_path / "half", host=toy_host).folder
    for late in checkpoints.found(folder.checkpoints("main"))[1:]:
        shutil.rmtree(late.path)
    torch.manual_seed(99)
    resume(folder, data=pictures, host=toy_host)
    again = newest_weights(folder)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    silent = train(
        resolve(toy_host, "toy:paper", Overrides(sets=(*_CHANCE, "settings.chance=0.0"))),
        data=pictures,
        out=tmp_path / "silent",
        host=toy_host,
    )
    assert not all(torch.equal(whole[name], other) for name, other in newest_weights(silent.folder).items())


def test_training_leaves_the_global_generators(toy_host, pictures, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    recipe = resolve(toy_host, "toy:smoke", Overrides(sets=("settings.chance=0.5",)))
    train(recipe, data=pictures, out=tmp_path / "run", host=toy_host)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
