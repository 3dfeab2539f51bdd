"""A run that begins with the weights of another one."""

import json

import pytest
import torch

from armillary.errors import RunError
from armillary.recipes.recipe import Overrides, resolve
from armillary.training import checkpoint as checkpoints
from armillary.training.train import resume, train


def run_of(host, name, out, pictures, *sets, init=None):
    return train(resolve(host, name, Overrides(sets=sets)), data=pictures, out=out, host=host, init=init).folder


def weights(folder, step, stage="main"):
    return {each.step: each for each in checkpoints.found(folder.checkpoints(stage))}[step].weights()


def test_it_begins_where_the_other_ended(toy_host, pictures, tmp_path):
    first = run_of(toy_host, "toy:smoke", tmp_path / "first", pictures)
    second = run_of(toy_host, "toy:smoke", tmp_path / "second", pictures, "seed=5", init=first)
    begun, ended = weights(second, 0), weights(first, 4)
    assert set(begun) == set(ended)
    assert all(torch.equal(begun[name], ended[name]) for name in ended)
    assert any(not torch.equal(weights(second, 4)[name], ended[name]) for name in ended)


def test_what_has_another_shape_begins_anew_and_is_recorded(toy_host, pictures, tmp_path):
    first = run_of(toy_host, "toy:smoke", tmp_path / "first", pictures)
    width = "slots.picture.encoder.settings.features=7"
    second = run_of(toy_host, "toy:smoke", tmp_path / "second", pictures, width, init=first)
    record = json.loads((second.path / "init.json").read_text())
    assert record["run"] == "first"
    assert record["stages"]["main"] == {
        "step": 4,
        "tensors": {"method": 1, "picture.head": 1},
        "begun_anew": {"picture.encoder": 2, "picture.head": 1},
    }
    assert str(tmp_path) not in (second.path / "init.json").read_text()


def test_resumed_it_does_not_need_the_other_run(toy_host, pictures, tmp_path):
    first = run_of(toy_host, "toy:smoke", tmp_path / "first", pictures)
    second = run_of(toy_host, "toy:smoke", tmp_path / "second", pictures, "seed=5", init=first)
    want = weights(second, 4)
    for each in checkpoints.found(second.checkpoints("main")):
        if each.step > 0:
            for file in each.path.iterdir():
                file.unlink()
            each.path.rmdir()
    resume(second, data=pictures, host=toy_host)
    assert all(torch.equal(value, want[name]) for name, value in weights(second, 4).items())


def test_weights_of_which_none_fits_are_refused(toy_host, pictures, tmp_path):
    first = run_of(toy_host, "toy:smoke", tmp_path / "first", pictures)
    with pytest.raises(RunError, match="none of its weights fits toy:labelling"):
        run_of(toy_host, "toy:pairs", tmp_path / "second", pictures, init=first)
    assert not (tmp_path / "second").exists()


def test_stages_take_from_their_own(toy_host, pictures, tmp_path):
    first = run_of(toy_host, "toy:stages", tmp_path / "first", pictures)
    second = run_of(toy_host, "toy:stages", tmp_path / "second", pictures, "seed=5", init=first)
    record = json.loads((second.path / "init.json").read_text())
    assert list(record["stages"]) == ["shapes", "embedding", "views"]
