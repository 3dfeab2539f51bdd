"""Training: what is resumed is what was never interrupted, what breaks says where, and nothing is lost."""

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from armillary.errors import DataError, RecipeError, RunError
from armillary.inference.evaluate import evaluate
from armillary.inference.predict import predict
from armillary.inference.restore import restore
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import Overrides, resolve
from armillary.training import checkpoint as checkpoints
from armillary.training.build import build, build_transforms
from armillary.training.folder import RunFolder
from armillary.training.train import needed_ports, resume, train

TOY = Path(__file__).parents[1] / "toy"
EVERY = ("cadence.log=1", "cadence.checkpoint=3", "cadence.preview=100", "cadence.keep=9")
RECIPES = ("toy:paper", "toy:pairs", "toy:stages")


def recipe_of(host, name, *sets):
    every = EVERY if name not in ("toy:stages", "toy:shared") else ()
    return resolve(host, name, Overrides(sets=(*every, *sets)))


def weights_of(folder, stage="main"):
    found, passed = checkpoints.newest(folder.checkpoints(stage))
    assert found is not None
    assert not passed
    return found.weights()


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


# --- every kind of recipe trains


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_recipe_trains(toy_host, pictures, tmp_path, name):
    """Its loss falls, its last checkpoint is whole, and the run folder holds what it must."""
    trained = train(recipe_of(toy_host, name), data=pictures, out=tmp_path / "run", host=toy_host)
    assert trained.outcome == "finished"
    for file in ("recipe.toml", "plugins.json", "environment.json", "data.json", "metrics.jsonl"):
        assert (tmp_path / "run" / file).is_file(), file
    if name == "toy:paper":
        rows = trained.folder.metrics()
        assert [row["step"] for row in rows] == list(range(1, 21))
        assert rows[-1]["loss"] < rows[0]["loss"]


def test_transforms_of_a_batch_are_built_once_for_each_stage(toy_host, pictures, tmp_path, monkeypatch):
    built = []

    def counted(host, stage, *, per):
        built.append((stage.name, per))
        return build_transforms(host, stage, per=per)

    monkeypatch.setattr("armillary.training.train.build_transforms", counted)
    train(recipe_of(toy_host, "toy:paper"), data=pictures, out=tmp_path / "run", host=toy_host)
    assert built.count(("main", "batch")) == 1


def test_the_modules_that_come_back_are_those_that_were_saved(toy_host, pictures, tmp_path):
    trained = train(recipe_of(toy_host, "toy:stages"), data=pictures, out=tmp_path / "run", host=toy_host)
    for stage, model in trained.models.items():
        assert same(model.named_tensors(), weights_of(trained.folder, stage))
    assert list(trained.models) == list(recipe_of(toy_host, "toy:stages").bodies)


def test_a_frozen_part_does_not_move_and_is_stored_once(toy_host, pictures, tmp_path):
    trained = train(recipe_of(toy_host, "toy:stages"), data=pictures, out=tmp_path / "run", host=toy_host)
    shapes, embedding, views = (weights_of(trained.folder, stage) for stage in ("shapes", "embedding", "views"))
    assert "picture.encoder.linear.weight" in shapes
    assert set(embedding) == {"encoder.linear.weight", "encoder.linear.bias"}
    assert set(views) == {"head.linear.weight", "head.linear.bias"}
    restored = restore(trained.folder, host=toy_host)
    assert torch.equal(restored.model.parts["target"].linear.weight, shapes["picture.encoder.linear.weight"])


def test_a_wrong_last_stage_is_told_before_the_first_is_trained(toy_host, pictures, tmp_path):
    wrong = resolve(toy_host, "toy:stages", Overrides(uses=("views.head=toy:wrong-size",)))
    with pytest.raises(RecipeError, match="declared reconstruction"):
        train(wrong, data=pictures, out=tmp_path / "wrong", host=toy_host)
    assert not (tmp_path / "wrong").exists()


def test_a_shared_module_is_stored_under_its_owner(toy_host, pictures, tmp_path):
    trained = train(recipe_of(toy_host, "toy:shared"), data=pictures, out=tmp_path / "run", host=toy_host)
    assert set(weights_of(trained.folder, "embedding")) == {"encoder.linear.weight", "encoder.linear.bias"}


def test_a_swap_leaves_the_start_of_the_other_slots(toy_host):
    """Each slot draws from a stream of its own."""
    plans = [
        plan_recipe(toy_host, recipe_of(toy_host, "toy:paper", f"picture.encoder.features={n}")) for n in (5, 5, 6)
    ]
    heads = [build(toy_host, plan.stages["main"], seed=0).parts["picture.head"].linear.bias for plan in plans]
    assert torch.equal(heads[0], heads[1])
    encoder = build(toy_host, plans[2].stages["main"], seed=0).parts["picture.encoder"]
    assert encoder.linear.weight.shape == (6, 3)
    other = build(toy_host, plans[0].stages["main"], seed=1).parts["picture.head"].linear.bias
    assert not torch.equal(heads[0], other)


def test_the_global_random_stream_is_left_alone(toy_host):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build(toy_host, plan_recipe(toy_host, recipe_of(toy_host, "toy:paper")).stages["main"], seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_an_optimiser_group_is_chosen_by_glob(toy_host, pictures, tmp_path):
    frozen = recipe_of(toy_host, "toy:paper", 'optimiser.groups={"method.*"={lr=0.0}}')
    trained = train(frozen, data=pictures, out=tmp_path / "run", host=toy_host)
    assert weights_of(trained.folder)["method.scale"].item() == 1.0
    wrong = recipe_of(toy_host, "toy:paper", 'optimiser.groups={"methd.*"={lr=0.0}}')
    with pytest.raises(RecipeError, match="matches no parameter"):
        train(wrong, data=pictures, out=tmp_path / "other", host=toy_host)


def test_only_the_ports_that_training_uses_are_read(toy_host):
    """A generator's depth and normals cost eight times the picture; nobody asked for them here."""
    stages = plan_recipe(toy_host, recipe_of(toy_host, "toy:pairs")).stages
    assert needed_ports(stages["main"]) == {"source", "target", "image", "grid", "valid"}
    bound = recipe_of(toy_host, "toy:paper", "losses.l1.bind.image=true_albedo", "data.size=8")
    with pytest.raises(RecipeError, match="kind albedo is not image"):
        plan_recipe(toy_host, bound)


def test_a_crop_changes_the_size_of_everything_after_it(toy_host, tmp_path):
    """Static shapes and what training sees agree: 8 pixels cropped to 6."""
    file = tmp_path / "crop.toml"
    file.write_text('[[transforms]]\nuse = "std:crop"\n[transforms.settings]\nsize = 6\n')
    stage = plan_recipe(toy_host, resolve(toy_host, "toy:paper", Overrides(files=(file,)))).stages["main"]
    assert stage.shapes["image"] == (None, 3, 6, 6)
    assert stage.shapes["true_depth"] == (None, 1, 6, 6)
    assert stage.slots["picture.head"].outputs == {"reconstruction": (None, 3, 6, 6)}


# --- resume


@pytest.mark.parametrize(("name", "workers"), [*((name, 0) for name in RECIPES), ("toy:paper", 1)])
def test_resumed_equals_uninterrupted_bit_for_bit(toy_host, pictures, tmp_path, name, workers):
    """2N steps equal N, resume, N: weights, optimiser and figures; also across the border of two stages."""
    from armillary.recipes.settings import DeviceConfig

    device = DeviceConfig(workers=workers)
    whole = train(recipe_of(toy_host, name), data=pictures, out=tmp_path / "whole", host=toy_host, device=device)
    half = train(recipe_of(toy_host, name), data=pictures, out=tmp_path / "half", host=toy_host, device=device)
    stages = list(plan_recipe(toy_host, half.folder.recipe()).stages)
    # Take the run back to the middle: the last stage is gone, and the newest half of the others' checkpoints.
    for stage in stages[1:]:
        shutil.rmtree(half.folder.checkpoints(stage))
    there = checkpoints.found(half.folder.checkpoints(stages[0]))
    for late in there[len(there) // 2 :] if len(there) > 1 else []:
        shutil.rmtree(late.path)
    again = resume(half.folder, data=pictures, host=toy_host, device=device)
    assert again.outcome == "finished"
    for stage in stages:
        assert same(weights_of(whole.folder, stage), weights_of(half.folder, stage))
        states = [checkpoints.newest(run.folder.checkpoints(stage))[0].state() for run in (whole, again)]
        assert str(states[0]["optimiser"]) == str(states[1]["optimiser"])
    figures = [
        [{k: v for k, v in row.items() if "second" not in k} for row in run.folder.metrics()] for run in (whole, again)
    ]
    assert figures[0] == figures[1]


def test_a_longer_budget_goes_on(toy_host, pictures, tmp_path):
    short = train(
        recipe_of(toy_host, "toy:paper", "budget.steps=6"), data=pictures, out=tmp_path / "run", host=toy_host
    )
    resume(short.folder, data=pictures, host=toy_host, steps=20)
    whole = train(recipe_of(toy_host, "toy:paper"), data=pictures, out=tmp_path / "whole", host=toy_host)
    assert same(weights_of(short.folder), weights_of(whole.folder))
    assert short.folder.recipe().written["budget"]["steps"] == 20


def test_other_data_is_refused_on_resume(toy_host, pictures, tmp_path):
    run = train(recipe_of(toy_host, "toy:smoke"), data=pictures, out=tmp_path / "run", host=toy_host)
    other = tmp_path / "other"
    shutil.copytree(pictures, other)
    (other / "0.png").unlink()
    with pytest.raises(RunError, match=r"differ from the data of this run: .* with 10 items, this is other with 9"):
        resume(run.folder, data=other, host=toy_host)


_SCRIPT = """
import sys
from pathlib import Path
from armillary.plugins.discovery import PluginRecord, discover
from armillary.plugins.host import Host
from armillary.recipes.recipe import Overrides, resolve
from armillary.training.folder import RunFolder
from armillary.training.train import resume, train

out, data = Path(sys.argv[1]), Path(sys.argv[2])
toy = PluginRecord(id="toy", distribution="armillary-toy", version="1.0", module="armillary_toy.plugin", location="-")
host = Host([next(r for r in discover(path=[]) if r.id == "std"), toy])
sets = ("cadence.log=1", "cadence.checkpoint=3", "cadence.preview=50", "budget.steps=4000", "settings.slow=0.002")
if (out / "recipe.toml").is_file():
    print("ready", flush=True)
    trained = resume(RunFolder.open(out), data=data, host=host)
else:
    print("ready", flush=True)
    trained = train(resolve(host, "toy:paper", Overrides(sets=sets)), data=data, out=out, host=host)
print(trained.outcome, trained.signal, flush=True)
"""


@contextlib.contextmanager
def started(out, data):
    """A training in another process; killed at the end of the block if it still runs."""
    process = start(out, data)
    with process:
        try:
            yield process
        finally:
            process.kill()


def start(out, data):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(TOY), *sys.path]), OMP_NUM_THREADS="1")
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(out), str(data)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for_step(out, step, process):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "it ended before it was interrupted"
        with_steps = checkpoints.found(out / "checkpoints") if out.is_dir() else []
        if with_steps and with_steps[-1].step >= step:
            return with_steps[-1].step
        time.sleep(0.002)
    raise AssertionError(f"no checkpoint at step {step} within a minute")


def test_killed_at_any_moment_it_goes_on_from_a_whole_checkpoint(toy_host, pictures, tmp_path):
    """Four kills here; ``benchmarks/kill_and_resume.py`` does any number."""
    out, step, draw = tmp_path / "run", 0, random.Random(0)
    for _ in range(4):
        with started(out, pictures) as process:
            reached = wait_for_step(out, step + 3, process)
            time.sleep(draw.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
        found, _ = checkpoints.newest(out / "checkpoints")
        assert found is not None
        assert found.step >= reached
        found.verify()
        restore(RunFolder.open(out), host=toy_host)
        step = found.step


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_saves(pictures, tmp_path, number):
    with started(tmp_path / "run", pictures) as process:
        wait_for_step(tmp_path / "run", 3, process)
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.read() == f"interrupted {int(number)}\n"
    newest, _ = checkpoints.newest(tmp_path / "run/checkpoints")
    rows = RunFolder(tmp_path / "run").metrics()
    assert newest is not None
    assert newest.step == rows[-1]["step"]


# --- what is stored


def test_a_run_can_be_moved_and_holds_no_absolute_path(toy_host, pictures, tmp_path):
    run = train(recipe_of(toy_host, "toy:paper", "budget.steps=6"), data=pictures, out=tmp_path / "run", host=toy_host)
    moved = RunFolder.open(Path(shutil.move(run.folder.path, tmp_path / "elsewhere")))
    for file in moved.path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert str(tmp_path).encode() not in content, file
            assert str(pictures).encode() not in content, file
    restored = restore(moved, host=toy_host)
    assert next(iter(predict(restored, [pictures / "0.png"], host=toy_host))).reconstruction.shape == (3, 8, 8)
    assert resume(moved, data=pictures, host=toy_host, steps=9).outcome == "finished"


def test_state_loads_with_weights_only(toy_host, pictures, tmp_path):
    run = train(recipe_of(toy_host, "toy:smoke"), data=pictures, out=tmp_path / "run", host=toy_host)
    state = torch.load(run.folder.path / "checkpoints/step-4/state.pt", weights_only=True)
    assert state["step"] == 4
    assert set(state) == {"stage", "step", "seconds", "optimiser"}


@pytest.mark.parametrize("file", ["weights.safetensors", "state.pt", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_corrupted_checkpoint_is_named_and_passed_over(toy_host, pictures, tmp_path, file, damage):
    run = train(recipe_of(toy_host, "toy:paper", "budget.steps=6"), data=pictures, out=tmp_path / "run", host=toy_host)
    victim = run.folder.path / "checkpoints/step-6" / file
    content = victim.read_bytes()
    if damage == "missing":
        victim.unlink()
    else:
        middle = len(content) // 2
        victim.write_bytes(content[:middle] if damage == "cut" else content[:middle] + b"?" + content[middle + 1 :])
    if file == "manifest.json" and damage == "flipped":
        victim.write_bytes(b"?" + content)
    with pytest.raises(RunError, match=r"step-6 is corrupted: .*; use another one with --checkpoint: step-3"):
        restore(run.folder, host=toy_host, checkpoint="step-6")
    restored = restore(run.folder, host=toy_host)
    assert restored.step == 3
    assert "step-6 is corrupted" in restored.notes[0]


def test_weights_of_another_method_are_refused(toy_host, pictures, tmp_path):
    one = train(recipe_of(toy_host, "toy:smoke"), data=pictures, out=tmp_path / "one", host=toy_host)
    other = train(
        recipe_of(toy_host, "toy:pairs", "budget.steps=4"), data=pictures, out=tmp_path / "two", host=toy_host
    )
    shutil.rmtree(one.folder.path / "checkpoints/step-4")
    shutil.copytree(other.folder.path / "checkpoints/step-4", one.folder.path / "checkpoints/step-4")
    with pytest.raises(RunError) as caught:
        restore(one.folder, host=toy_host)
    assert "weights do not match toy:autoencoder" in str(caught.value)
    assert "missing: 5 tensors, in method, picture.encoder, picture.head" in str(caught.value)


# --- what breaks


def test_a_loss_that_is_not_finite_stops_with_term_step_and_checkpoint(toy_host, pictures, tmp_path):
    broken = recipe_of(toy_host, "toy:paper", "losses.l1.breaks_at=5")
    with pytest.raises(RunError) as caught:
        train(broken, data=pictures, out=tmp_path / "run", host=toy_host)
    text = str(caught.value)
    assert "stage main, step 5: a loss is not finite: l1 = nan; the last good checkpoint is step-3" in text
    assert "--set optimiser.lr=" in text


def test_a_full_disk_is_named_and_leaves_the_older_checkpoint(toy_host, pictures, tmp_path, monkeypatch):
    calls = []

    def full(path):
        calls.append(path)
        if len(calls) > 3 + 2:  # the first checkpoint syncs three files and two folders
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints, "_sync", full)
    with pytest.raises(RunError, match="no space left on the disk"):
        train(recipe_of(toy_host, "toy:paper"), data=pictures, out=tmp_path / "run", host=toy_host)
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step-3"]


def test_a_part_that_returns_another_shape_is_refused_before_anything_is_written(toy_host, pictures, tmp_path):
    wrong = resolve(toy_host, "toy:paper", Overrides(uses=("picture.head=toy:wrong-size",)))
    with pytest.raises(RecipeError, match=r"declared reconstruction.* = \[\? 3 8 8\], returned \[2, 3, 7, 7\]"):
        train(wrong, data=pictures, out=tmp_path / "run", host=toy_host)
    assert not (tmp_path / "run").exists()


def test_an_existing_run_is_not_written_over(toy_host, pictures, tmp_path):
    run = train(recipe_of(toy_host, "toy:smoke"), data=pictures, out=tmp_path / "run", host=toy_host)
    with pytest.raises(RunError, match="contains a run already: continue it with --resume"):
        train(recipe_of(toy_host, "toy:smoke"), data=pictures, out=run.folder.path, host=toy_host)


def test_a_run_without_evaluators_says_how_to_add_one(toy_host, pictures, tmp_path):
    run = train(recipe_of(toy_host, "toy:smoke"), data=pictures, out=tmp_path / "run", host=toy_host)
    with pytest.raises(RunError, match="has no evaluators"):
        evaluate(run.folder, data=pictures, host=toy_host)


def test_a_loss_that_the_data_cannot_feed_is_named(toy_host, pictures, tmp_path):
    needs = recipe_of(toy_host, "toy:paper", "losses.l1.bind.image=true_albedo", "losses.l1.bind.reconstruction=image")
    with pytest.raises((DataError, RecipeError), match="true_albedo"):
        train(needs, data=pictures, out=tmp_path / "run", host=toy_host)


def test_metrics_survive_a_line_that_was_cut(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.add_metrics({"stage": "main", "step": 1, "loss": 1.0})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "main", "st')
    assert folder.metrics() == [{"stage": "main", "step": 1, "loss": 1.0}]
    folder.cut_metrics(stage="main", step=1)
    assert json.loads((folder.path / "metrics.jsonl").read_text()) == {"stage": "main", "step": 1, "loss": 1.0}
