"""Claims of ``recipes.py``: every recipe resolves, fits, builds and makes a step; what ablations take away."""

import pytest
import torch

from armillary.config import structure
from armillary.interfaces.loss import StepCache
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.recipes.settings import OptimiserConfig
from armillary.training.build import build, build_transforms, call_method, dry_run, loss_terms
from armillary.training.optimise import build_optimiser, weight_at
from armillary_keypoints.recipes import RECIPES

ALONE = [recipe.name for recipe in RECIPES if recipe.name not in ("quick-features", "lifted")]  # they need other runs


@pytest.fixture(scope="module")
def host():
    return Host()


def plan(host, name, **overrides):
    recipe = complete(host, resolve(host, f"keypoints:{name}", Overrides(**overrides)))
    checked = check(host, recipe)
    return checked.stages[checked.serves]


def small(host, name):
    """Settings that make any recipe cheap: narrow networks, small pictures, untrained features asked for by name."""
    sets = ["slots.encoder.settings.features=8", "slots.decoder.settings.width=4", "data.settings.size=32"]
    if "reconstruction" in plan(host, name).losses:
        at = "losses.reconstruction.settings"
        sets += [f'{at}.weights="random:0"', f'{at}.layers=["relu1_2", "relu2_2"]', f"{at}.size=0"]
    return tuple(sets)


def batch(host, stage, *, items=2):
    """A batch as training sees it."""
    size = stage.body["data"]["settings"]["size"]
    given = {"image": torch.rand(items, 3, size, size, generator=torch.Generator().manual_seed(0))}
    for transform in build_transforms(host, stage, per="batch"):
        given = transform(given, kinds={}, generator=torch.Generator().manual_seed(0))
    return given


def total(stage, model, given):
    outputs, cache = call_method(model, given), StepCache()
    return sum(
        weight_at(stage.losses[name].weight, 0) * loss_terms(model, name, loss, given, outputs, cache)
        for name, loss in model.losses.items()
    )


@pytest.mark.parametrize("name", ALONE)
def test_recipe_fits_and_makes_a_step(host, name):
    """A real forward compared with the declared ports, finite losses, and a slope for every parameter that can have one."""
    stage = plan(host, name, sets=small(host, name))
    model = build(host, stage, seed=0)
    given = batch(host, stage)
    _, values = dry_run(model, given)
    assert all(value.ndim == 0 and value.isfinite() for value in values.values())
    model.train()
    total(stage, model, given).backward()
    trainable = model.trainable()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trainable.values())
    build_optimiser(trainable, structure(stage.body["optimiser"], OptimiserConfig), fused=False).step()


def test_published_run_is_the_authors(host):
    """What AutoLink's train.py says, in the recipe or in the defaults of the parts."""
    body = plan(host, "autolink").body
    assert (body["batch_size"], body["data"]["settings"]["size"], body["budget"]["steps"]) == (64, 128, 20_001)
    optimiser = body["optimiser"]
    assert (optimiser["use"], optimiser["lr"], optimiser["weight_decay"]) == ("adamw", 1e-4, 1e-3)
    assert body["slots"]["head"]["settings"]["points"] == 8
    assert body["slots"]["edges"]["settings"]["thickness"] == 2.5e-3
    assert body["transforms"][1]["settings"] == {"cells": 16, "missing": 0.8}
    assert body["losses"].keys() == {"reconstruction"}


def test_decay_is_kept_off_what_all_pictures_share(host):
    stage = plan(host, "paper", sets=small(host, "paper"))
    trainable = build(host, stage, seed=0).trainable()
    optimiser = build_optimiser(trainable, structure(stage.body["optimiser"], OptimiserConfig), fused=False)
    free = {id(p) for group in optimiser.param_groups if group["weight_decay"] == 0 for p in group["params"]}
    names = {name for name, parameter in trainable.items() if id(parameter) in free}
    assert names == {"shape.mean", "shape.basis", "edges.scalars", "decoder.alpha"}


def test_without_a_shape_space_it_is_autolink(host):
    full, flat = plan(host, "quick"), plan(host, "quick-autolink")
    gone = set(full.outputs) - set(flat.outputs)
    assert gone >= {"keypoints3d", "projected_keypoints2d", "pose", "shape_coefficients"}
    assert set(full.losses) - set(flat.losses) == {"projection", "repulsion"}
    for key in ("data", "transforms", "budget", "batch_size", "schedule", "evaluators"):
        assert full.body[key] == flat.body[key]


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("without-repulsion", {"losses"}),
        ("basis-1", {"slots"}),
        ("basis-20", {"slots"}),
        ("basis-5", set()),
        ("faces-16", {"slots"}),
        ("faces-32", {"slots"}),
        ("bodies", {"slots"}),
        ("horses", {"slots", "transforms"}),
        ("birds", {"slots", "transforms"}),
    ],
)
def test_patches_change_only_what_they_are_about(host, name, differs):
    full, patched = plan(host, "paper").body, plan(host, name).body
    assert {key for key in full if full[key] != patched[key]} == differs


def test_objects_that_face_one_way_are_not_mirrored(host):
    flips = {name: plan(host, name).body["transforms"][0]["settings"]["probability"] for name in ALONE}
    assert {name for name, probability in flips.items() if probability == 0.0} == {"horses", "birds"}


def test_tiers_are_ever_smaller(host):
    steps = [plan(host, name).body["budget"]["steps"] for name in ("paper", "quick", "demo", "smoke")]
    assert steps == sorted(steps, reverse=True)


def test_a_trunk_of_another_kind_fits(host):
    """The detector's is a slot like others: any map of features will do."""
    own = plan(host, "quick", sets=("slots.encoder.settings.size=128",))
    assert own.slots["encoder"].id == "keypoints:detector"


def test_features_of_another_run_are_asked_for(host):
    """The static check passes, and says what is missing; with a part in its place the loss is bound to it."""
    stage = plan(host, "quick-features", sets=("slots.features.use=keypoints:detector",))
    assert {"image_features", "reconstruction_features"} <= set(stage.outputs)
    assert stage.losses["features"].id == "keypoints:feature-distance"


def test_a_few_steps_explain_pictures_better(host):
    """Optimum: on four pictures the loss of the smallest recipe falls."""
    stage = plan(host, "smoke")
    model = build(host, stage, seed=0)
    given = batch(host, stage, items=4)
    optimiser = torch.optim.Adam(model.trainable().values(), lr=1e-3)
    model.train()
    values = []
    for _ in range(15):
        value = total(stage, model, given)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.05
