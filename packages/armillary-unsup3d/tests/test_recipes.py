"""Claims of ``recipes.py``: every recipe resolves, fits, builds and makes a step."""

import pytest
import torch

from armillary.interfaces.loss import StepCache
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.training.build import build, call_method, dry_run, loss_terms
from armillary_unsup3d.recipes import RECIPES

NAMES = [recipe.name for recipe in RECIPES]
CONFIDENT = {"photometric", "photometric_flipped", "perceptual", "perceptual_flipped"}


@pytest.fixture(scope="module")
def host():
    return Host()


def plan(host, name, **overrides):
    recipe = complete(host, resolve(host, f"unsup3d:{name}", Overrides(**overrides)))
    checked = check(host, recipe)
    return checked.stages[checked.serves]


def cheap(stage):
    """Settings that make any recipe cheap: untrained features, asked for by name, and narrow networks."""
    features = [f'losses.{name}.settings.weights="random:0"' for name in stage.losses if name.startswith("perceptual")]
    widths = [f"slots.{name}.settings.width=4" for name, part in stage.slots.items() if "width" in part.settings]
    return (*features, *widths)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_fits_and_runs(host, name):
    """Static check, then a real forward compared with the declared ports, and a finite value of every loss."""
    losses = plan(host, name).losses
    stage = plan(host, name, sets=cheap(plan(host, name)))
    size = stage.body["data"]["settings"]["size"]
    model = build(host, stage, seed=0)
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    _, values = dry_run(model, {"image": image})
    assert set(values) == set(losses)
    assert all(value.ndim == 0 and value.isfinite() for value in values.values())


def test_published_run_is_the_papers():
    """What the paper's table of settings says, in the recipe or in the defaults of the parts."""
    host = Host()
    stage = plan(host, "paper")
    body = stage.body
    assert set(body["losses"]) == CONFIDENT
    assert [body["losses"][name]["weight"] for name in sorted(CONFIDENT)] == [1.0, 0.5, 1.0, 0.5]
    assert (body["batch_size"], body["optimiser"]["lr"], body["optimiser"]["weight_decay"]) == (64, 1e-4, 5e-4)
    assert body["optimiser"].get("clip_norm") is None
    assert body["slots"]["confidence.head"]["settings"]["sigma_floor"] == 0.5e-7
    assert body["settings"]["border_depth"] == pytest.approx(0.7 * 1.1 + 0.3 * 0.9)
    parameters = sum(value.numel() for value in build(host, stage, seed=0, with_losses=False).trainable().values())
    assert parameters == 12_979_648 + 12_982_848 + 1_739_264 + 1_739_776 + 7_678_208


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("no-light", {"light", "shading"}),
        ("no-confidence", {"confidence", "confidence_flipped", "feature_confidence", "feature_confidence_flipped"}),
        ("no-albedo-flip", set()),
        ("no-depth-flip", set()),
        ("no-perceptual", set()),
    ],
)
def test_ablations_are_patches_that_take_away(host, name, gone):
    full, ablated = plan(host, "paper"), plan(host, name)
    assert set(full.outputs) - set(ablated.outputs) == gone
    assert ablated.body["optimiser"] == full.body["optimiser"]
    assert ablated.body["budget"] == full.body["budget"]
    if name.endswith("-flip"):
        switch = name.removeprefix("no-").replace("-", "_")
        assert (full.body["settings"][switch], ablated.body["settings"][switch]) == (True, False)


def test_tiers_are_ever_smaller(host):
    steps = [plan(host, name).body["budget"]["steps"] for name in ("paper", "quick", "demo", "smoke")]
    assert steps == sorted(steps, reverse=True)


def test_a_few_steps_explain_a_picture_better(host):
    """Optimum: on two pictures the loss of the smallest recipe falls."""
    stage = plan(host, "smoke")
    model = build(host, stage, seed=0)
    size = stage.body["data"]["settings"]["size"]
    batch = {"image": torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))}
    optimiser = torch.optim.Adam(model.trainable().values(), lr=1e-3)
    model.train()
    values = []
    for _ in range(12):
        outputs = call_method(model, batch)
        cache = StepCache()
        value = sum(
            stage.losses[name].weight * loss_terms(model, name, loss, batch, outputs, cache)
            for name, loss in model.losses.items()
        )
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.1
