"""Trained parts of other runs: taken with their weights, kept in the new run, never needed again."""

import json
import shutil

import pytest
import torch

from armillary.api import train as train_api
from armillary.errors import RecipeError, RunError
from armillary.inference.predict import predict
from armillary.inference.restore import restore
from armillary.pages.summary import write_run_card
from armillary.recipes.recipe import Overrides, resolve
from armillary.training import checkpoint as checkpoints
from armillary.training.folder import RunFolder, open_source_runs
from armillary.training.train import resume, train

RECIPE = """
method = "toy:embedding"
batch_size = 4
[slots.encoder]
use = "toy:vector"
settings = {features = 5}
[slots.target]
take = {run = "shapes", slot = "picture.encoder"}
[data]
use = "std:images"
settings = {size = 8, split_by = "all"}
[losses.near]
use = "toy:near"
[budget]
steps = 4
"""
FEATURES = "picture.encoder.features=5"


@pytest.fixture
def shapes(toy_host, pictures, tmp_path):
    """A run of an autoencoder, of whose encoder others take."""
    recipe = resolve(toy_host, "toy:smoke", Overrides(sets=(FEATURES,)))
    return train(recipe, data=pictures, out=tmp_path / "my-shapes", host=toy_host).folder


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "near.toml"
    file.write_text(RECIPE)
    return str(file)


def trained(host, recipe, out, pictures, *sets, **runs):
    folders, tables = open_source_runs({name: folder.path for name, folder in runs.items()})
    found = resolve(host, recipe, Overrides(sets=sets, runs=tables))
    return train(found, data=pictures, out=out, host=host, runs=folders).folder


def weights(folder, stage="main"):
    found, _ = checkpoints.newest(folder.checkpoints(stage))
    assert found is not None
    return found.weights()


def test_a_frozen_part_keeps_the_weights_of_its_run(toy_host, pictures, recipe, shapes, tmp_path):
    run = trained(toy_host, recipe, tmp_path / "run", pictures, shapes=shapes)
    target = restore(run, host=toy_host).model.parts["target"]
    assert torch.equal(target.linear.weight, weights(shapes)["picture.encoder.linear.weight"])
    assert set(weights(run)) == {"encoder.linear.weight", "encoder.linear.bias"}  # kept once, in taken/


def test_a_part_that_is_not_frozen_begins_there_and_moves(toy_host, pictures, recipe, shapes, tmp_path):
    fine = ("target.take.frozen=false", "cadence.checkpoint=1", "cadence.keep=9")
    run = trained(toy_host, recipe, tmp_path / "run", pictures, *fine, "budget.steps=1", shapes=shapes)
    name, taken = "target.linear.weight", weights(shapes)["picture.encoder.linear.weight"]
    moved = weights(run)[name]
    assert not torch.equal(moved, taken)
    assert (moved - taken).abs().max() < 1e-3  # one step of Adam at 1e-4
    assert torch.equal(restore(run, host=toy_host).model.parts["target"].linear.weight, moved)


def test_the_new_run_needs_the_other_no_more_and_says_whence(toy_host, pictures, recipe, shapes, tmp_path):
    """Moved, without the other: it predicts, and goes on bit for bit as if never interrupted."""
    whole = trained(toy_host, recipe, tmp_path / "whole", pictures, shapes=shapes)
    half = trained(toy_host, recipe, tmp_path / "half", pictures, shapes=shapes)
    found, _ = checkpoints.newest(shapes.checkpoints("main"))
    manifest = json.loads((found.path / "manifest.json").read_text())
    record = whole.recipe().table["runs"]["shapes"]
    assert (record["run"], record["recipe"]) == ("my-shapes", "toy:smoke")
    assert record["checkpoints"]["main"] == {"step": 4, "sha256": manifest["files"]["weights.safetensors"]["sha256"]}
    card = write_run_card(whole, toy_host).read_text()
    assert "target is picture.encoder of the run my-shapes (toy:smoke, step 4), frozen" in card
    for file in whole.path.rglob("*"):
        assert not file.is_file() or str(tmp_path).encode() not in file.read_bytes(), file
    shutil.rmtree(shapes.path)
    moved = RunFolder(shutil.copytree(half.path, tmp_path / "moved"))
    for each in checkpoints.found(moved.checkpoints("main")):
        shutil.rmtree(each.path)
    resume(moved, data=pictures, host=toy_host)
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(moved).items())
    file = next(pictures.glob("*.png"))
    one, other = (next(predict(restore(run, host=toy_host), [file], host=toy_host)) for run in (whole, moved))
    assert torch.equal(one.target_feature, other.target_feature)


def test_a_run_that_took_may_be_taken_from(toy_host, pictures, recipe, shapes, tmp_path):
    """The whole method of a run whose own part came from a third."""
    first = trained(toy_host, recipe, tmp_path / "first", pictures, shapes=shapes)
    whole = ("target.take.run=near", "target.take.slot=*", "target.take.rename.feature=own", "budget.steps=0")
    whole = (*whole, "target.take.rename.target_feature=feature", "target.take.rename.own=own")
    with pytest.raises(RecipeError, match="no port 'own'"):
        trained(toy_host, recipe, tmp_path / "second", pictures, *whole, near=first)
    second = trained(toy_host, recipe, tmp_path / "second", pictures, *whole[:-1], near=first)
    shutil.rmtree(shapes.path)
    shutil.rmtree(first.path)
    method = restore(second, host=toy_host).model.parts["target"].part
    assert torch.equal(
        method.target.linear.weight,
        weights(second.source_run("near").source_run("shapes"))["picture.encoder.linear.weight"],
    )
    assert not any(parameter.requires_grad for parameter in method.parameters())


def test_a_run_of_stages_gives_what_serves_with_what_that_takes(toy_host, pictures, recipe, tmp_path):
    staged = train(resolve(toy_host, "toy:stages"), data=pictures, out=tmp_path / "staged", host=toy_host).folder
    sets = ("target.take.slot=target",)
    run = trained(toy_host, recipe, tmp_path / "run", pictures, *sets, shapes=staged)
    assert sorted(path.name for path in run.source_run("shapes").path.joinpath("checkpoints").iterdir()) == [
        "embedding",
        "shapes",
    ]
    target = restore(run, host=toy_host).model.parts["target"]
    assert torch.equal(target.linear.weight, weights(staged, "shapes")["picture.encoder.linear.weight"])


def test_what_is_missing_or_no_run_is_refused_before_anything_is_written(toy_host, pictures, recipe, shapes, tmp_path):
    with pytest.raises(RecipeError, match=r"slots.target: a part of another run.*--from shapes=RUN"):
        trained(toy_host, recipe, tmp_path / "run", pictures)
    with pytest.raises(RunError, match=r"--from shapes=.*not a run"):
        open_source_runs({"shapes": pictures})
    for each in checkpoints.found(shapes.checkpoints("main")):
        (each.path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=r"--from shapes=.*its stage main has no good checkpoint: .*corrupted"):
        trained(toy_host, recipe, tmp_path / "run", pictures, shapes=shapes)
    assert not (tmp_path / "run").exists()


def test_weights_that_do_not_fit_say_both_sides(toy_host, pictures, recipe, shapes, tmp_path):
    folders, tables = open_source_runs({"shapes": shapes.path})
    tables["shapes"]["body"]["slots"]["picture.encoder"]["settings"]["features"] = 6
    found = resolve(toy_host, recipe, Overrides(runs=tables, sets=("encoder.features=6",)))
    with pytest.raises(RunError, match="do not match"):
        train(found, data=pictures, out=tmp_path / "run", host=toy_host, runs=folders)


def test_the_same_in_python(toy_host, pictures, shapes, tmp_path, monkeypatch):
    monkeypatch.setattr("armillary.api.Host", lambda: toy_host)
    run = train_api(
        "toy:smoke",
        data=pictures,
        out=tmp_path / "run",
        runs={"shapes": shapes.path},
        takes={"picture.encoder": "shapes:picture.encoder"},
        sets={"budget.steps": 1},
    )
    assert "picture.encoder.linear.weight" not in weights(run.folder)
    assert run.folder.recipe().written["slots"]["picture.encoder"]["take"]["run"] == "shapes"
