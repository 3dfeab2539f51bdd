"""Evaluators that change their items first, that want outputs while they are fitted, and that find points."""

import attrs
import pytest
from PIL import Image

from armillary.errors import RecipeError, RunError
from armillary.inference.evaluate import _cell, _figure, evaluate
from armillary.interfaces.evaluator import Figure
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.training.train import train


@pytest.fixture
def pairs(toy_host, pictures, tmp_path):
    return train(resolve(toy_host, "toy:pairs"), data=pictures, out=tmp_path / "run", host=toy_host).folder


def test_items_are_changed_alike_whatever_the_batches(toy_host, pictures, pairs):
    """The draws of an item depend on its id alone, so a measure on warped pictures is one on the same warps."""
    found = []
    for size in (1, 3, 10):
        recipe = pairs.recipe()
        pairs.write_recipe(attrs.evolve(recipe, table={**recipe.table, "batch_size": size}))
        entry = evaluate(pairs, data=pictures, host=toy_host, only=["agreement"])
        found.append(entry["evaluators"]["agreement"]["figures"]["apart"])
    assert found[0]["count"] == 10
    assert found[0]["value"] == pytest.approx(found[1]["value"], rel=1e-5)
    assert found[0]["value"] == pytest.approx(found[2]["value"], rel=1e-5)


def test_the_fit_pass_gives_outputs_to_those_that_ask(toy_host, pictures, pairs):
    entry = evaluate(pairs, data=pictures, host=toy_host, only=["centre"])
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
    entry = evaluate(pairs, data=pictures, host=toy_host, stage="main", only=["centre"])
    assert entry["stage"] == "main"
    with pytest.raises(RunError, match="--stage man: toy:pairs has no such stage; did you mean 'main'"):
        evaluate(pairs, data=pictures, host=toy_host, stage="man")


def test_the_untrained_network_is_the_same_however_long_its_run_was(toy_host, pictures, pairs, tmp_path):
    """Two runs of one seed: what they found differs, what they began with does not; and only who asks is shown it."""
    more = resolve(toy_host, "toy:pairs", Overrides(sets=("budget.steps=9",)))
    longer = train(more, data=pictures, out=tmp_path / "longer", host=toy_host).folder
    found = [
        evaluate(run, data=pictures, host=toy_host, only=["agreement"], untrained=True)["evaluators"]["agreement"]
        for run in (pairs, longer)
    ]
    assert found[0]["figures"]["apart"] != found[1]["figures"]["apart"]
    start = found[0]["baselines"]["untrained network"]
    assert start == found[1]["baselines"]["untrained network"]
    assert start["apart"] not in (found[0]["figures"]["apart"], found[1]["figures"]["apart"])
    plain = evaluate(pairs, data=pictures, host=toy_host, only=["agreement"])["evaluators"]["agreement"]
    assert "untrained network" not in plain["baselines"]


def test_a_stage_without_evaluators_is_refused(toy_host, pictures, tmp_path):
    folder = train(resolve(toy_host, "toy:stages"), data=pictures, out=tmp_path / "run", host=toy_host).folder
    with pytest.raises(RunError, match="stage shapes of this recipe has no evaluators"):
        evaluate(folder, data=pictures, host=toy_host, stage="shapes")


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
