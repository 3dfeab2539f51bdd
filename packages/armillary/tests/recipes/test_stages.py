"""A recipe always has stages; its short form is for files and people."""

import pytest

from armillary.config import read_toml, write_toml
from armillary.errors import RecipeError
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import Overrides, Recipe, from_table, resolve
from armillary.recipes.stages import MAIN, full, short, staged, written
from armillary.training.folder import RunFolder


@pytest.mark.parametrize("name", ["toy:paper", "toy:pairs", "toy:stages", "toy:shared"])
def test_both_forms_are_one_recipe(toy_host, name):
    recipe = resolve(toy_host, name)
    assert staged(recipe.table) == recipe.table
    assert staged(recipe.written) == recipe.table
    assert ("stages" in recipe.written) == (list(recipe.bodies) != [MAIN])


def test_the_body_at_the_root_is_the_stage_main():
    table = {"method": "a:b", "seed": 3, "budget": {"steps": 1}}
    assert staged(table) == {"stages": {"main": {"method": "a:b", "budget": {"steps": 1}}}, "seed": 3}
    assert written(staged(table)) == table
    assert staged({"seed": 3}) == {"seed": 3}  # a patch of no stage


def test_paths_are_shown_as_they_are_typed():
    for path in ("slots.depth.head.settings.width", "seed", "stages.views.budget.steps"):
        assert short(full(path)) == path


@pytest.mark.parametrize("path", ["budget.steps", "stages.main.budget.steps"])
def test_both_paths_set_one_value(toy_host, path):
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=(f"{path}=9",)))
    assert recipe.bodies[MAIN]["budget"]["steps"] == 9
    assert recipe.origins["budget.steps"] == "--set"


def test_a_short_path_names_its_setting_as_the_long_one_does(toy_host):
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=("picture.encoder.features=9",)))
    assert recipe.origins["slots.picture.encoder.settings.features"] == "--set"


@pytest.mark.parametrize(
    "overrides",
    [{"sets": ("batch_size=2",)}, {"sets": ("cadence.log=1",)}, {"uses": ("data=toy:pictures",)}],
)
def test_a_body_at_the_root_beside_other_stages_is_refused(toy_host, overrides):
    """It would change nothing: no stage reads it."""
    with pytest.raises(
        RecipeError, match=r"this recipe has several stages; type stages\.NAME\..*; stages: shapes, embedding, views"
    ):
        resolve(toy_host, "toy:stages", Overrides(**overrides))


def test_a_patch_adds_a_stage_to_a_recipe_of_one(toy_host, tmp_path):
    file = tmp_path / "more.toml"
    body = resolve(toy_host, "toy:paper").written
    file.write_text(
        write_toml({"extends": "toy:paper", "batch_size": 3, "stages": {"more": {"method": body["method"]}}})
    )
    found = resolve(toy_host, str(file)).bodies
    assert list(found) == [MAIN, "more"]
    assert found[MAIN]["batch_size"] == 3


def test_a_run_is_stored_in_the_short_form_and_read_with_stages(toy_host, tmp_path):
    """As earlier commits wrote it, so that their runs still load."""
    recipe = resolve(toy_host, "toy:paper")
    folder = RunFolder(tmp_path)
    folder.write_recipe(recipe)
    assert read_toml(tmp_path / "recipe.toml")["method"] == recipe.bodies[MAIN]["method"]
    assert folder.recipe().table == Recipe(id="any", table=recipe.table).table


def test_what_no_stage_ever_read_does_not_keep_a_run_from_loading(toy_host):
    recipe = resolve(toy_host, "toy:stages")
    assert from_table({**recipe.table, "batch_size": 7}, id="old").table == recipe.table


def test_a_changed_body_leaves_the_recipe_as_it_was(toy_host):
    recipe = resolve(toy_host, "toy:stages")
    other = recipe.changed("views", batch_size=77)
    assert other.bodies["views"]["batch_size"] == 77
    assert recipe.bodies["views"].get("batch_size") != 77
    assert plan_recipe(toy_host, other).stages["views"].body["batch_size"] == 77
