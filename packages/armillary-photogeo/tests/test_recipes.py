"""Claims of ``recipes.py``: every recipe resolves, fits, builds and makes a step."""

import math

import pytest
import torch

from armillary.interfaces.loss import StepCache
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.training.build import build, call_method, dry_run, loss_terms
from armillary_photogeo.recipes import RECIPES
from armillary_photogeo.reported import RANGES, SETTINGS

NAMES = [recipe.name for recipe in RECIPES]


@pytest.fixture(scope="module")
def host():
    return Host()


def plan(host, name, **overrides):
    recipe = complete(host, resolve(host, f"photogeo:{name}", Overrides(**overrides)))
    checked = check(host, recipe)
    return checked.stages[checked.serves]


def cheap(stage):
    """Settings that make any recipe cheap: untrained features, asked for by name, narrow networks, short blocks."""
    features = [f'losses.{name}.settings.weights="random:0"' for name in stage.losses if name == "perceptual"]
    widths = [f"slots.{name}.settings.width=4" for name, part in stage.slots.items() if "width" in part.settings]
    blocks = [
        f"slots.{name}.settings.convolutions={[1] * len(part.settings['convolutions'])}"
        for name, part in stage.slots.items()
        if "convolutions" in part.settings
    ]
    return (*features, *widths, *blocks)


def batch_of(stage, *, items=2):
    size = stage.body["data"]["settings"]["size"]
    generator = torch.Generator().manual_seed(0)
    low, high = (stage.slots["depth.head"].settings[name] for name in ("depth_min", "depth_max"))
    image, depth = (torch.rand(items, channels, size, size, generator=generator) for channels in (3, 1))
    return {"image": image, "true_depth": low + (high - low) * depth}


@pytest.mark.parametrize("name", NAMES)
def test_recipe_fits_and_runs(host, name):
    """Static check, then a real forward compared with the declared ports, and a finite value of every loss."""
    losses = plan(host, name).losses
    stage = plan(host, name, sets=cheap(plan(host, name)))
    _, values = dry_run(build(host, stage, seed=0), batch_of(stage))
    assert set(values) == set(losses)
    assert all(value.ndim == 0 and value.isfinite() for value in values.values())


def test_published_run_is_table_6(host):
    """What the paper's table of settings says, in the recipe or in the defaults of the parts."""
    stage = plan(host, "paper")
    body, slots = stage.body, stage.slots
    weights = {name: loss["weight"] for name, loss in body["losses"].items()}
    assert weights == {
        "photometric": SETTINGS["weight of the image error"],
        "perceptual": SETTINGS["weight of the perceptual error"],
        "viewpoint": SETTINGS["weight of the mean viewpoint"],
        "variance": SETTINGS["weight of the depth's variance"],
    }
    assert (body["batch_size"], body["optimiser"]["lr"]) == (SETTINGS["batch"], SETTINGS["learning rate"])
    assert body["budget"]["steps"] == 30 * 150_000 // 128
    depth = slots["depth.head"].settings
    assert (depth["depth_min"], depth["depth_max"]) == RANGES["depth, faces"]
    assert math.degrees(slots["view.head"].settings["rotation_range"]) == pytest.approx(60)
    assert math.degrees(slots["light.head"].settings["angle_range"]) == pytest.approx(60)
    assert slots["view.head"].settings["translation_range"] == RANGES["translation"][1]
    assert slots["view.head"].settings["centre_depth"] == pytest.approx(
        sum(RANGES["depth, faces"]) / 2
    )  # ours; Eq. 3: 0
    assert math.degrees(body["settings"]["fov"]) == pytest.approx(25)
    assert stage.transforms == ()


def test_cars_and_cats_have_their_own_depth(host):
    for name in ("cats", "cars"):
        depth = plan(host, name).slots["depth.head"].settings
        assert (depth["depth_min"], depth["depth_max"]) == RANGES[f"depth, {name}"]
    assert plan(host, "cars").slots["view.head"].settings["centre_depth"] == 30


@pytest.mark.parametrize(("depth", "degrees"), [(0.5, 11.5), (30.0, 0.19)])
def test_about_the_camera_a_translation_makes_good_for_small_turns_only(depth, degrees):
    """Why cars turn about themselves: the angle at which depth times its sine is the largest translation, 0.1."""
    angle = math.asin(RANGES["translation"][1] / depth)
    assert math.degrees(angle) == pytest.approx(degrees, abs=0.05)


@pytest.mark.parametrize(
    ("name", "outputs", "losses"),
    [
        ("no-light", {"light", "shading"}, set()),
        ("no-albedo-symmetry", set(), set()),
        ("no-depth-symmetry", set(), set()),
        ("no-perceptual", set(), {"perceptual"}),
        ("no-regularisers", set(), {"viewpoint", "variance"}),
    ],
)
def test_ablations_are_patches_that_take_away(host, name, outputs, losses):
    full, ablated = plan(host, "paper"), plan(host, name)
    assert set(full.outputs) - set(ablated.outputs) == outputs
    assert set(full.losses) - set(ablated.losses) == losses
    for key in ("optimiser", "budget", "batch_size"):
        assert ablated.body[key] == full.body[key]
    if name.endswith("symmetry"):
        switch = name.removeprefix("no-").replace("-", "_")
        assert (full.body["settings"][switch], ablated.body["settings"][switch]) == (True, False)


def test_supervised_runs_have_the_same_depth_network(host):
    full = plan(host, "paper").slots
    for name in ("supervised-l1", "supervised-l2"):
        slots = plan(host, name).slots
        assert {slot: part.settings for slot, part in slots.items()} == {slot: full[slot].settings for slot in slots}
        assert [part.id for part in slots.values()] == [full[slot].id for slot in slots]


def test_tiers_are_ever_smaller(host):
    steps = [plan(host, name).body["budget"]["steps"] for name in ("paper", "quick", "demo", "smoke")]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("smoke", ()),
        (
            "supervised-l1",
            (
                "data.settings.size=16",
                "slots.depth.encoder.settings.width=4",
                "slots.depth.head.settings.width=4",
            ),
        ),
    ],
)
def test_a_few_steps_explain_a_picture_better(host, name, sets):
    """Optimum: on four pictures the sum of the losses falls."""
    stage = plan(host, name, sets=sets)
    model = build(host, stage, seed=0)
    batch = batch_of(stage, items=4)
    optimiser = torch.optim.Adam(model.trainable().values(), lr=3e-3)
    model.train()
    values = []
    for _ in range(25):
        outputs, cache = call_method(model, batch), StepCache()
        value = sum(
            stage.losses[name].weight * loss_terms(model, name, loss, batch, outputs, cache)
            for name, loss in model.losses.items()
        )
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]
