"""Evaluators that change their items first, that want outputs while they are fitted, and that find points."""

import json
from typing import Annotated

import attrs
import pytest
from attrs.validators import ge
from PIL import Image
from torch import Tensor

from armillary.config import param
from armillary.errors import ArmillaryError, RecipeError, RunError
from armillary.inference.evaluate import _cell, _figure, evaluate
from armillary.interfaces import Evaluation, Evaluator, Figure
from armillary.plugins.discovery import file_id
from armillary.plugins.host import Host
from armillary.ports import Of
from armillary.recipes.check import check
from armillary.recipes.measures import Changes
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.training.train import train


class Messages:
    """A reporter that keeps its messages."""

    def __init__(self):
        self.lines = []

    def message(self, text):
        self.lines.append(text)

    def progress(self, **words):
        pass


@pytest.fixture
def messages():
    return Messages()


@pytest.fixture
def pairs(toy_host, pictures, tmp_path):
    return train(resolve(toy_host, "toy:pairs"), data=pictures, out=tmp_path / "run", host=toy_host).folder


def test_items_are_changed_alike_whatever_the_batches(toy_host, pictures, pairs):
    """The draws of an item depend on its id alone, so a measure on warped pictures is one on the same warps."""
    found = []
    for size in (1, 3, 10):
        recipe = pairs.recipe()
        pairs.write_recipe(attrs.evolve(recipe, table={**recipe.table, "batch_size": size}))
        entry = evaluate(pairs, data=pictures, host=toy_host, changes=Changes(only=["agreement"]))
        found.append(entry["evaluators"]["agreement"]["figures"]["apart"])
    assert found[0]["count"] == 10
    assert found[0]["value"] == pytest.approx(found[1]["value"], rel=1e-5)
    assert found[0]["value"] == pytest.approx(found[2]["value"], rel=1e-5)


def test_the_fit_pass_gives_outputs_to_those_that_ask(toy_host, pictures, pairs):
    entry = evaluate(pairs, data=pictures, host=toy_host, changes=Changes(only=["centre"]))
    assert entry["evaluators"]["centre"]["figures"]["fitted"]["value"] == 10.0
    assert entry["evaluators"]["centre"]["fitted_on"] == f"{pictures.name}, train, 10 items"


def test_points_are_drawn_over_the_first_pictures(toy_host, pictures, pairs):
    entry = evaluate(pairs, data=pictures, host=toy_host)
    place = entry["evaluators"]["centre"]["picture"]
    assert "picture" not in entry["evaluators"]["agreement"]
    with Image.open(pairs.path / place) as sheet:
        assert sheet.width > 4 * 100


def test_an_evaluator_whose_items_cannot_be_made_is_refused_before_training(toy_host):
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=("evaluators.pairs.use=toy:agreement/1",)))
    with pytest.raises(RecipeError, match=r"evaluators\.pairs: .*source"):
        check(toy_host, complete(toy_host, recipe))


def test_a_stage_can_be_named(toy_host, pictures, pairs):
    entry = evaluate(pairs, data=pictures, host=toy_host, stage="main", changes=Changes(only=["centre"]))
    assert entry["stage"] == "main"
    with pytest.raises(RunError, match="--stage man: toy:pairs has no such stage; did you mean 'main'"):
        evaluate(pairs, data=pictures, host=toy_host, stage="man")


def test_the_untrained_network_is_the_same_however_long_its_run_was(toy_host, pictures, pairs, tmp_path):
    """Two runs of one seed: what they found differs, what they began with does not; and only who asks is shown it."""
    more = resolve(toy_host, "toy:pairs", Overrides(sets=("budget.steps=9",)))
    longer = train(more, data=pictures, out=tmp_path / "longer", host=toy_host).folder
    found = [
        evaluate(run, data=pictures, host=toy_host, changes=Changes(only=["agreement"]), untrained=True)["evaluators"][
            "agreement"
        ]
        for run in (pairs, longer)
    ]
    assert found[0]["figures"]["apart"] != found[1]["figures"]["apart"]
    start = found[0]["baselines"]["untrained network"]
    assert start == found[1]["baselines"]["untrained network"]
    assert start["apart"] not in (found[0]["figures"]["apart"], found[1]["figures"]["apart"])
    plain = evaluate(pairs, data=pictures, host=toy_host, changes=Changes(only=["agreement"]))["evaluators"][
        "agreement"
    ]
    assert "untrained network" not in plain["baselines"]


def test_a_stage_without_evaluators_is_refused(toy_host, pictures, tmp_path):
    folder = train(resolve(toy_host, "toy:stages"), data=pictures, out=tmp_path / "run", host=toy_host).folder
    with pytest.raises(RunError, match="stage shapes of this recipe has no evaluators"):
        evaluate(folder, data=pictures, host=toy_host, stage="shapes")


class Off(Evaluator, name="off/1"):
    """Mean absolute error of the reconstruction above a floor."""

    floor: float = param(0.0, validator=ge(0.0))

    def setup(self):
        self.rows = {}

    def score(self, ids, image: Annotated[Tensor, Of("image")], reconstruction: Annotated[Tensor, Of("image")]):
        error = (image - reconstruction).abs().mean(dim=(1, 2, 3)).clamp_min(self.floor)
        self.rows |= dict(zip(ids, error.tolist(), strict=True))

    def merge(self, other):
        self.rows |= other.rows

    def result(self):
        return Evaluation(figures={"off": Figure(value=sum(self.rows.values()), count=len(self.rows))})


@pytest.fixture
def plain(toy_host, pictures, tmp_path):
    """A run of a recipe without evaluators, on a host with one."""
    toy_host.add_parts([Off])
    return train(resolve(toy_host, "toy:smoke"), data=pictures, out=tmp_path / "plain", host=toy_host).folder


def test_an_installed_evaluator_is_added_by_its_id_or_by_a_setting(toy_host, pictures, plain):
    """Both ways add the same measure; a name of one's own has settings of its own."""
    by_id = evaluate(plain, data=pictures, host=toy_host, changes=Changes(only=["local:off/1"]))["evaluators"]
    sets = ["evaluators.mine.use=local:off/1", "evaluators.mine.floor=100"]
    by_set = evaluate(plain, data=pictures, host=toy_host, changes=Changes(sets=sets))["evaluators"]
    assert 0.0 < by_id["off"]["figures"]["off"]["value"] < by_set["mine"]["figures"]["off"]["value"] == 1000.0
    assert [*json.loads((plain.path / "results.json").read_text())[0]["evaluators"]] == ["mine", "off"]


def test_a_port_of_an_added_evaluator_is_bound(toy_host, pictures, plain):
    """Bound to the picture twice, the error is zero."""
    sets = ["evaluators.x.use=local:off/1", "evaluators.x.bind.reconstruction=image"]
    found = evaluate(plain, data=pictures, host=toy_host, changes=Changes(sets=sets))["evaluators"]["x"]
    assert found["figures"]["off"]["value"] == 0.0
    assert found["bind"] == {"reconstruction": "image"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes(), "this recipe has no evaluators; type --only ID"),
        (Changes(only=["local:of/1"]), "--only local:of/1: the recipe has no such evaluator, .* 'local:off/1'"),
        (Changes(only=["toy:centre/1"]), r"evaluators\.centre: toy:centre/1 does not fit: it needs labels"),
        (Changes(sets=["optimiser.lr=1"]), "belongs to the training of this run.* evaluators, data, batch_size"),
        (Changes(only=["local:off/1"], without=["l1"]), "--without l1: the recipe has no such evaluator"),
        (Changes(only=["local:off/1"], sets=["data.sise=3"]), "data.sise"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_before_anything_is_computed(
    toy_host, pictures, plain, monkeypatch, changes, words
):
    monkeypatch.setattr("armillary.inference.evaluate.restore", None)  # not reached
    with pytest.raises(ArmillaryError, match=words):
        evaluate(plain, data=pictures, host=toy_host, changes=changes)


def test_results_of_other_settings_stay(toy_host, pictures, pairs):
    """Other evaluators, other settings under the same name and other data settings stay; the same measure is replaced."""

    def stored(**changes):
        evaluate(pairs, data=pictures, host=toy_host, changes=Changes(**changes))
        entries = json.loads((pairs.path / "results.json").read_text())
        return [(entry.get("data_settings"), sorted(entry["evaluators"])) for entry in entries]

    assert stored(only=["centre"]) == [(None, ["centre"])]
    assert stored(only=["agreement"]) == [(None, ["agreement", "centre"])]
    assert stored(only=["agreement"]) == [(None, ["agreement", "centre"])]
    other = {"agreement": {"use": "toy:centre/1"}}
    assert stored(evaluators=other) == [(None, ["agreement"]), (None, ["agreement", "centre"])]
    boxed = stored(only=["centre"], sets=["data.box=[0, 0, 4, 4]"])
    assert boxed[-1] == ({"box": [0, 0, 4, 4]}, ["centre"])
    pictures_of_points = sorted(path.name for path in (pairs.path / "evaluation").glob("*.png"))
    assert len(pictures_of_points) == 3  # the recipe's, the renamed one, the one of the box


def test_an_evaluator_is_left_out(toy_host, pictures, pairs):
    found = evaluate(pairs, data=pictures, host=toy_host, changes=Changes(without=["centre"]))
    assert [*found["evaluators"]] == ["agreement"]


TRACKER = """
import json
from armillary.plugins.hookspecs import hookimpl


@hookimpl
def armillary_step_ended(run, stage, step, metrics):
    (run / f"{stage}-{step}.txt").write_text(json.dumps(metrics))


@hookimpl
def armillary_evaluated(run, results):
    (run / "evaluated.txt").write_text(" ".join(results["evaluators"]))
"""


def test_observers_of_the_training_are_notified_of_an_evaluation(toy_host, pictures, tmp_path, messages):
    """``--with`` is not in the recipe, yet the run remembers it; a plugin that is gone is reported. Metrics are numbers."""
    file = tmp_path / "tracker.py"
    file.write_text(TRACKER)
    toy_host.add_file(file)
    sets = ("budget.steps=2", "cadence.log=2")
    recipe = resolve(toy_host, "toy:pairs", Overrides(sets=sets))
    run = train(recipe, data=pictures, out=tmp_path / "run", host=toy_host, trackers=[file_id(file)]).folder
    metrics = json.loads((run.path / "main-2.txt").read_text())
    assert metrics["step"] == 2
    assert all(type(value) in (int, float) for value in metrics.values())
    evaluate(run, data=pictures, host=toy_host, changes=Changes(only=["centre"]))
    assert (run.path / "evaluated.txt").read_text() == "centre"
    less = Host([record for record in toy_host.records if record.id in ("std", "toy")])
    evaluate(run, data=pictures, host=less, reporter=messages)
    assert any(f"observer {file_id(file)} is not notified" in line for line in messages.lines)


def test_a_row_per_item_is_written_as_csv(toy_host, pictures, pairs):
    """The rows add up to the figure; an evaluator without rows has no file, and what is not a number is left empty."""
    found = evaluate(pairs, data=pictures, host=toy_host)["evaluators"]
    assert "rows" not in found["centre"]
    header, *lines = (pairs.path / found["agreement"]["rows"]).read_text().splitlines()
    assert header == "id,apart"
    figure = found["agreement"]["figures"]["apart"]
    assert len(lines) == len({line.split(",")[0] for line in lines}) == figure["count"]
    assert sum(float(line.split(",")[1]) for line in lines) == pytest.approx(figure["value"], rel=1e-6)
    assert (_cell(float("nan")), _cell(None), _cell(0.25)) == ("", "", "0.25")


def test_an_interval_is_kept_as_a_list():
    found = _figure(Figure(value=1.0, interval=(0.5, 1.5)))
    assert found["interval"] == [0.5, 1.5]
    assert "interval" not in _figure(Figure(value=1.0))
