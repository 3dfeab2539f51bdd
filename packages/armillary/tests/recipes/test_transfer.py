"""Parts of other runs in a recipe: written, checked with and without the run, refused."""

import pytest

from armillary.errors import ArmillaryError, RecipeError
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, from_table, resolve
from armillary.recipes.transfer import parse_take, slots_by_run, source_entry
from armillary.specs import Take

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


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "near.toml"
    file.write_text(RECIPE)
    return str(file)


def other(host, *sets, name="toy:paper"):
    """Return what a recipe keeps of a run of that recipe."""
    done = complete(host, resolve(host, name, Overrides(sets=sets)))
    return source_entry(done.table, run="my-shapes", recipe=done.id)


def plan(host, name, **overrides):
    return check(host, complete(host, resolve(host, name, Overrides(**overrides))))


def test_with_the_run_the_part_has_its_id_settings_and_shapes(toy_host, recipe):
    found = plan(toy_host, recipe, runs={"shapes": other(toy_host, "picture.encoder.features=5")})
    part = found.stages["main"].slots["target"]
    assert (part.id, part.settings["features"], part.run) == ("toy:vector", 5, "shapes")
    assert part.takes == ("shapes:main", "picture.encoder", True)
    assert found.stages["main"].shapes["target_feature"] == (None, 5)
    assert part.outputs == {"feature": (None, 5)}
    assert found.needed("shapes") == ("main",)
    assert not found.missing


def test_without_the_run_the_rest_is_checked_and_the_plan_says_what_is_missing(toy_host, recipe):
    found = plan(toy_host, recipe)
    assert found.missing == {"shapes": ("slots.target",)}
    assert found.stages["main"].slots["target"].run == "shapes"
    with pytest.raises(RecipeError, match=r"losses\.near: bind"):
        plan(toy_host, recipe, sets=("losses.near.bind.nothing=feature",))


def test_a_misfit_says_both_sides(toy_host, recipe):
    labels = other(toy_host, name="toy:pairs")
    with pytest.raises(RecipeError) as caught:
        plan(toy_host, recipe, sets=("target.take.slot=encoder",), runs={"shapes": labels})
    assert "slots.target: toy:map does not fit: the slot needs feature: feature_vector" in str(caught.value)
    assert "the part gives features" in str(caught.value)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (
            ("target.take.slot=picture.encodr",),
            "stage main has no slot 'picture.encodr'; did you mean 'picture.encoder'?",
        ),
        (("target.take.slot=x",), "slots: picture.encoder, picture.head"),
        (("target.take.stage=first",), "run shapes: no stage 'first'; stages: main"),
        (
            ("target.take.rename.featre=feature",),
            "the transferred part has no port 'featre'; did you mean 'feature'?",
        ),
        (("target.take.slott=x",), "take.slott: unknown; did you mean 'slot'?"),
    ],
)
def test_what_is_not_there_is_named(toy_host, recipe, sets, words):
    with pytest.raises(ArmillaryError) as caught:
        plan(toy_host, recipe, sets=sets, runs={"shapes": other(toy_host)})
    assert words in str(caught.value)


def test_a_whole_method_keeps_the_sizes_it_was_trained_at(toy_host, recipe):
    whole = ("target.take.slot=*",)
    found = plan(toy_host, recipe, sets=whole, runs={"shapes": other(toy_host)})
    assert found.stages["main"].slots["target"].id == "toy:autoencoder"
    with pytest.raises(RecipeError, match=r"the slot gives image.*the part takes image"):
        plan(toy_host, recipe, sets=(*whole, "data.size=16"), runs={"shapes": other(toy_host)})


def test_a_port_of_the_part_may_have_another_name_here(toy_host, recipe, tmp_path):
    """Named otherwise there, and named back here."""
    renamed = other(toy_host)
    renamed["body"]["slots"]["picture.encoder"]["rename"] = {"feature": "colours"}
    with pytest.raises(RecipeError, match=r"runs.shapes: the run my-shapes cannot be built here"):
        plan(toy_host, recipe, runs={"shapes": renamed})  # its own method asks for ``feature``
    labels = other(toy_host, name="toy:pairs")
    back = ("target.take.slot=encoder", 'target.take.rename={features="feature"}')
    with pytest.raises(RecipeError, match="kind feature_map is not feature_vector"):
        plan(toy_host, recipe, sets=back, runs={"shapes": labels})


@pytest.mark.parametrize("stage", ["", ":main"])
def test_take_on_the_command_line_fills_a_slot(toy_host, stage):
    found = resolve(
        toy_host,
        "toy:paper",
        Overrides(takes=(f"picture.encoder=shapes{stage}:picture.encoder",), runs={"shapes": other(toy_host)}),
    )
    entry = found.written["slots"]["picture.encoder"]
    assert "use" not in entry
    assert "settings" not in entry
    assert entry["take"]["slot"] == "picture.encoder"
    taken = check(toy_host, complete(toy_host, found)).stages["main"]
    assert taken.slots["picture.head"].inputs == {"feature": (None, 5)}
    again = complete(toy_host, from_table(complete(toy_host, found).table, id="again"))
    assert again.table == complete(toy_host, found).table


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"takes": ("picture.encoder=shapes",)}, "write it as slot=run:part"),
        ({"takes": ("picture.encoder=a:b:c:d",)}, "write it as slot=run:part"),
        ({"takes": ("picture.encodr=shapes:x",)}, "did you mean 'picture.encoder'?"),
        ({"runs": {"shapes": {}}}, "--from shapes: this recipe takes nothing from 'shapes'; it takes no part"),
        ({"takes": ("picture.encoder=a:x",), "runs": {"b": {}}}, "it takes from a"),
        ({"takes": ("picture.encoder=a:x",), "runs": {"a/b": {}}}, "a name has no"),
    ],
)
def test_what_is_refused(toy_host, overrides, words):
    with pytest.raises(ArmillaryError) as caught:
        resolve(toy_host, "toy:paper", Overrides(**overrides))
    assert words in str(caught.value)


def test_a_take_needs_a_stage_or_a_run():
    assert Take(run="a", slot="*").frozen
    with pytest.raises(ValueError, match="name an earlier stage, or another run"):
        Take(slot="x")


def test_what_is_kept_has_nothing_of_training(toy_host):
    """A change of a loss's plugin must not keep a run from being read."""
    for name in ("toy:paper", "toy:stages"):
        body = other(toy_host, name=name)["body"]
        for stage in body.get("stages", {"": body}).values():
            assert not {"losses", "optimiser", "budget", "evaluators"} & set(stage)
            assert {"method", "slots", "data"} <= set(stage)
    assert parse_take("a:b", "") == {"run": "a", "slot": "b"}
    slots = {"x": {"take": {"run": "a", "slot": "b"}}, "y": {"take": {"stage": "s", "slot": "b"}}}
    assert slots_by_run({"stages": {"main": {"slots": slots}}}) == {"a": ("slots.x",)}
    assert slots_by_run({"stages": {"later": {"slots": slots}}}) == {"a": ("stages.later.slots.x",)}
