"""The static check on the two recipes from which the contract was drawn, and on what must be refused."""

import pytest

from armillary.errors import ArmillaryError, Misfit, RecipeError
from armillary.recipes.check import check
from armillary.recipes.layers import Merger
from armillary.recipes.recipe import Overrides, complete, from_table, resolve


def plan(host, name, *sets, uses=(), without=()):
    recipe = resolve(host, name, Overrides(sets=sets, uses=uses, without=without))
    return check(host, complete(host, recipe))


def refusal(host, name, *sets, **overrides):
    with pytest.raises(RecipeError) as caught:
        plan(host, name, *sets, **overrides)
    return str(caught.value)


def test_a_head_learns_the_width_of_the_encoder(toy_host):
    slots = plan(toy_host, "toy:paper", "picture.encoder.features=7").stages["main"].slots
    assert slots["picture.head"].inputs == {"feature": (None, 7)}
    assert slots["picture.head"].outputs == {"reconstruction": (None, 3, 8, 8)}


def test_pairs_get_their_shapes_through_a_stride(toy_host):
    """The transform's ports feed the method, and half of 8 is 4."""
    stage = plan(toy_host, "toy:pairs").stages["main"]
    assert stage.slots["head"].inputs == {"features": (None, 4, 4, 4)}
    assert stage.shapes["source_labels"] == (None, 3, 4, 4)
    assert stage.losses["match"].bind["grid"] == ("batch", "grid")
    assert set(stage.predictions) == {"labels"}


def test_stages_take_parts_of_earlier_ones(toy_host):
    found = plan(toy_host, "toy:stages")
    assert list(found.stages) == ["shapes", "embedding", "views"]
    assert found.serves == "embedding"
    assert found.stages["embedding"].slots["target"].takes == ("shapes", "picture.encoder", True)
    assert found.stages["views"].slots["embedding"].takes == ("embedding", "*", True)
    assert found.stages["views"].slots["head"].inputs == {"feature": (None, 5)}


def test_a_slot_shares_the_module_of_another(toy_host):
    assert plan(toy_host, "toy:shared").stages["embedding"].slots["target"].shares == "encoder"


def test_an_output_vanishes_with_its_optional_slot(toy_host):
    assert "bright" not in plan(toy_host, "toy:paper").stages["main"].outputs
    assert "bright" in plan(toy_host, "toy:paper", uses=("renderer=toy:brighten",)).stages["main"].outputs


MAPPED = {"uses": ("picture.encoder=toy:map",), "vias": ("picture.encoder=std:pool",)}


def adapted(host, *sets, **overrides):
    return complete(host, resolve(host, "toy:paper", Overrides(sets=sets, **overrides)))


def test_an_adapter_makes_a_map_a_vector(toy_host):
    """Built for the resolved shapes; the map itself is published beside the slot."""
    stage = check(toy_host, adapted(toy_host, **MAPPED)).stages["main"]
    part = stage.slots["picture.encoder"]
    assert [each.id for each in part.after] == ["std:pool"]
    assert not part.before
    assert part.after[0].outputs == {"feature": (None, 4)}
    assert stage.extras == {"picture.encoder.features": ("picture.encoder", "features")}


def test_adapters_are_in_the_recipe_with_all_their_settings_and_go_with_their_part(toy_host):
    done = adapted(toy_host, **MAPPED)
    entry = done.bodies["main"]["slots"]["picture.encoder"]
    assert entry["via"] == [{"use": "std:pool", "settings": {}}]
    assert complete(toy_host, from_table(done.table, id="toy:paper")).table == done.table
    merged = Merger(toy_host)
    for name in ("toy:map", "toy:vector"):
        merged.apply("a", {"slots": {"picture.encoder": {"use": name}}}, {})
        there = merged.table["stages"]["main"]["slots"]["picture.encoder"]
        assert "via" not in there
        there["via"] = [{"use": "std:pool"}]


MORE = ("more.encoder=toy:vector", "more.head=toy:picture")


def test_a_recipe_adds_a_branch_of_its_own(toy_host):
    """Its outputs are published under its name, for losses; the method's own need nothing of it."""
    bind = ("losses.again.use=toy:l1", "losses.again.bind.reconstruction=more.head.reconstruction")
    stage = plan(toy_host, "toy:paper", "more.encoder.features=7", *bind, uses=MORE).stages["main"]
    assert stage.added == ("more",)
    assert stage.slots["more.head"].inputs == {"feature": (None, 7)}
    assert stage.extras["more.head.reconstruction"] == ("more.head", "reconstruction")
    assert stage.losses["again"].bind["reconstruction"] == ("outputs", "more.head.reconstruction")
    notes = resolve(toy_host, "toy:paper", Overrides(uses=MORE)).notes
    assert notes == ("slots.more: a branch that toy:autoencoder does not have; losses read it as more.head.PORT",)


@pytest.mark.parametrize("half", MORE)
def test_half_of_an_added_branch_is_refused(toy_host, half):
    with pytest.raises(
        RecipeError, match=r"no slot 'more\.(encoder|head)'.*more\.encoder and \.head together add a branch"
    ):
        resolve(toy_host, "toy:paper", Overrides(uses=(half,)))


def test_an_added_branch_whose_encoder_gives_nothing_to_its_head_is_refused(toy_host):
    found = refusal(toy_host, "toy:paper", uses=("more.encoder=toy:map", "more.head=toy:picture"))
    assert "slots.more.encoder: toy:map does not fit" in found


def test_an_adapter_without_a_place_is_refused(toy_host):
    with pytest.raises(RecipeError, match="pose-to-rotation has no place: it takes pose"):
        check(toy_host, adapted(toy_host, vias=("picture.encoder=std:pose-to-rotation",)))


def test_a_resolved_recipe_resolves_to_itself(toy_host):
    for name in ("toy:paper", "toy:pairs", "toy:stages"):
        done = complete(toy_host, resolve(toy_host, name))
        again = complete(toy_host, from_table(done.table, id=name))
        assert again.table == done.table


def test_a_part_that_does_not_fit_is_refused_with_both_sides_and_what_would_fit(toy_host):
    text = refusal(toy_host, "toy:paper", uses=("picture.encoder=toy:map",))
    assert "slots.picture.encoder: toy:map does not fit" in text
    assert "the slot needs feature: feature_vector [batch picture_features]" in text
    assert "the part gives features" in text
    assert "installed parts that would fit: std:plain-encoder, toy:vector" in text


def misfits(host, name, *sets, **overrides):
    with pytest.raises(RecipeError) as caught:
        plan(host, name, *sets, **overrides)
    return caught.value.misfits


def test_a_misfit_is_a_record(toy_host):
    """The slot of the encoder: the part takes nothing wrong, gives another port, and two others would fit."""
    found = misfits(toy_host, "toy:paper", uses=("picture.encoder=toy:map",))
    assert [(each.where, each.part, each.port) for each in found] == [("slots.picture.encoder", "toy:map", "feature")]
    assert found[0].fits == ("std:plain-encoder", "toy:vector")
    assert found[0].reason.startswith("the slot needs feature: feature_vector")


@pytest.mark.parametrize(
    ("name", "sets", "where", "part", "port", "missing"),
    [
        ("paper", "losses.l1.bind.reconstruction=bright", "losses.l1", "toy:l1", "reconstruction", True),
        ("paper", "losses.l1.bind.reconstruction=feature", "losses.l1", "toy:l1", "reconstruction", False),
        ("paper", "data.rename.image=photo", "transforms.1", "toy:noise", "image", True),
        ("pairs", "transforms=[]", "data", "", "target", True),
        ("paper", "losses.l1.weight=heavy", "losses.l1.weight", "", "", False),
        ("paper", "losses.l1.weight=[[5, 1.0], [2, 1.0]]", "losses.l1.weight", "", "", False),
        ("paper", "serves=nowhere", "serves", "", "", False),
        ("stages", "stages.embedding.slots.target.take.slot=x", "stages.embedding.slots.target", "", "", False),
    ],
)
def test_a_record_says_where_and_of_which_port(toy_host, name, sets, where, part, port, missing):
    found = {each.where: each for each in misfits(toy_host, f"toy:{name}", sets)}
    each = found[where]
    assert (each.part, each.port, each.missing, each.fits) == (part, port, missing, None)


def test_a_slot_that_is_empty_offers_what_fits(toy_host):
    recipe = resolve(toy_host, "toy:paper")
    slots = {name: entry for name, entry in recipe.bodies["main"]["slots"].items() if name != "picture.encoder"}
    with pytest.raises(RecipeError, match=r"picture\.encoder: installed parts that would fit: std:plain-") as caught:
        check(toy_host, complete(toy_host, recipe.changed("main", slots=slots)))
    (each,) = caught.value.misfits
    assert (each.where, each.reason, each.fits) == (
        "slots.picture.encoder",
        "empty",
        ("std:plain-encoder", "toy:vector"),
    )


def test_the_screen_shows_both_sides_once_and_the_offer_below_the_last():
    one, two = (Misfit(where="slots.a", part="p:q", reason=word, fits=("x:y",)) for word in ("first", "second"))
    error = RecipeError([one, two, Misfit(where="serves", reason="no stage", hint=" there is main")], recipe="p:r")
    assert str(error).splitlines() == [
        "recipe p:r does not fit:",
        "  slots.a: p:q does not fit: first",
        "  slots.a: p:q does not fit: second",
        "  slots.a: installed parts that would fit: x:y",
        "  serves: no stage; there is main",
    ]
    assert str(RecipeError(["a sentence"])) == "a sentence"


@pytest.mark.parametrize(
    ("sets", "overrides", "words"),
    [
        ((), {"uses": ("picture.encoder=toy:vectr",)}, "did you mean 'toy:vector'?"),
        ((), {"uses": ("picture.encoder=toy:picture",)}, "'toy:picture' is of kind head, not encoder"),
        (("losses.l1.bind.reconstruction=bright",), {}, "but 'bright' is missing"),
        (("losses.l1.bind.reconstruktion=feature",), {}, "did you mean 'reconstruction'?"),
        (("losses.l1.bind.reconstruction=feature",), {}, "kind feature_vector is not image"),
        (("transforms.0.rename.image=picture",), {}, "has no port 'image'"),
    ],
)
def test_each_misfit_is_named(toy_host, sets, overrides, words):
    with pytest.raises(ArmillaryError) as caught:
        plan(toy_host, "toy:paper", *sets, **overrides)
    assert words in str(caught.value)


def test_all_misfits_come_at_once(toy_host):
    text = refusal(toy_host, "toy:stages", "stages.embedding.slots.target.take.slot=nothing", "serves=nowhere")
    assert "no slot 'nothing'" in text
    assert "no stage 'nowhere'" in text


def test_a_name_in_both_places_is_refused(toy_host):
    """An output that is called as a port of the batch would hide it."""
    text = refusal(toy_host, "toy:paper", "data.rename.camera=reconstruction")
    assert "is both an output of the method and a port of the batch" in text


def test_a_crop_changes_the_size_of_grids_too(toy_host):
    """A grid has its axes elsewhere than a map; both are of the crop's size, so that a pair still fits together."""
    cropped = "transforms=[{use = 'std:crop', settings = {size = 4}}]"
    shapes = plan(toy_host, "toy:paper", cropped).stages["main"].shapes
    assert shapes["partner_image"] == (None, 3, 4, 4)
    assert shapes["partner_grid"] == (None, 4, 4, 2)
    assert shapes["partner_valid"] == (None, 1, 4, 4)


def test_an_evaluator_may_take_the_size_from_the_recipe(toy_host):
    """What it sets itself stays; what it leaves open is the recipe's."""
    crop = "transforms=[{use = 'std:crop', settings = {size = 6, jitter = 1}}, {use = 'toy:pair'}]"
    measured = "evaluators={cropped = {use = 'toy:cropped/1'}}"
    bound = plan(toy_host, "toy:pairs", crop, measured).stages["main"].evaluators["cropped"]
    assert bound.transforms[0].settings == {"size": 6, "jitter": 0}
    assert bound.inputs["source_labels"] == (None, 3, 3, 3)
