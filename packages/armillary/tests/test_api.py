"""The same in Python: six lines that train, and give geometry."""

import numpy as np
import pytest
import torch
from PIL import Image

import armillary
from armillary import api
from armillary.errors import DataError


@pytest.fixture
def pictures(tmp_path):
    """Four pictures of coloured noise."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_train_and_predict(toy_host, pictures, tmp_path, monkeypatch):
    """What a run found in a picture is an attribute; a run that is loaded finds the same."""
    monkeypatch.setattr(api, "Host", lambda: toy_host)
    run = armillary.train("toy:smoke", data=pictures, out=tmp_path / "run", sets={"optimiser.lr": 0.02, "seed": 3})
    recipe = run.folder.recipe()
    assert recipe.written["optimiser"]["lr"] == 0.02
    assert recipe.seed == 3
    geometry = run.predict(pictures / "0.png")
    assert geometry.reconstruction.shape == (3, 8, 8)
    with pytest.raises(AttributeError, match="produces reconstruction"):
        _ = geometry.depth
    loaded = armillary.load(tmp_path / "run")
    again = armillary.Run(loaded.folder, host=toy_host).predict(pictures / "0.png")
    assert torch.equal(again.reconstruction, geometry.reconstruction)


def test_a_loaded_run_does_not_know_where_its_data_lie(toy_host, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "Host", lambda: toy_host)
    armillary.train("toy:smoke", data=pictures, out=tmp_path / "run")
    with pytest.raises(ValueError, match=r'run\.evaluate\("DIR"\)'):
        armillary.load(tmp_path / "run").evaluate()


def test_wrong_input_is_an_error_of_armillary(toy_host, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "Host", lambda: toy_host)
    with pytest.raises(DataError, match="no such folder"):
        armillary.train("toy:smoke", data=tmp_path / "nosuch", out=tmp_path / "run")


def test_settings_may_be_texts_lists_and_switches():
    assert [api._toml(value) for value in ("a b", [1, 2], True, 0.5)] == [
        '"a b"',
        "[\n    1,\n    2,\n]",
        "true",
        "0.5",
    ]
