"""The same in Python: six lines that train, and give geometry."""

from typing import Annotated

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import armillary
from armillary import api
from armillary.config import param
from armillary.errors import DataError, RecipeError
from armillary.interfaces import Evaluation, Evaluator, Figure
from armillary.ports import Of


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


class Bright(Evaluator, name="bright/1"):
    """Mean of the reconstruction, times a factor."""

    factor: float = param(1.0)

    def setup(self):
        self.rows = {}

    def score(self, ids, reconstruction: Annotated[Tensor, Of("image")]):
        self.rows |= dict(zip(ids, (self.factor * reconstruction.mean(dim=(1, 2, 3))).tolist(), strict=True))

    def merge(self, other):
        self.rows |= other.rows

    def result(self):
        return Evaluation(figures={"mean": Figure(value=sum(self.rows.values()), count=len(self.rows))})


def test_a_run_is_measured_by_classes_instances_ids_and_tables(toy_host, pictures, tmp_path, monkeypatch):
    """The four forms of one evaluator give one figure, up to the factor of its settings."""
    monkeypatch.setattr(api, "Host", lambda: toy_host)
    run = armillary.train("toy:smoke", data=pictures, out=tmp_path / "run")
    listed = run.evaluate(evaluators=[Bright, Bright(factor=2.0)])["evaluators"]
    named = run.evaluate(
        evaluators={"id": "local:bright/1", "table": {"use": "local:bright/1", "settings": {"factor": 3.0}}}
    )["evaluators"]
    values = [found["figures"]["mean"]["value"] for found in (*listed.values(), *named.values())]
    assert [*listed, *named] == ["bright", "bright-2", "id", "table"]
    assert values == pytest.approx([values[0] * factor for factor in (1.0, 2.0, 1.0, 3.0)])
    with pytest.raises(RecipeError, match="toy:centre/1 does not fit"):
        run.evaluate(evaluators=["toy:centre/1"])


def test_losses_and_evaluators_are_left_out_by_name(toy_host, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "Host", lambda: toy_host)
    run = armillary.train("toy:pairs", data=pictures, out=tmp_path / "run", without=["centre"])
    assert [*run.folder.recipe().table["stages"]["main"]["evaluators"]] == ["agreement"]
