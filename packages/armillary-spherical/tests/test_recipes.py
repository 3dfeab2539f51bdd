"""Claims of ``recipes.py``: every recipe resolves, fits, and its stages build and make a step."""

import pytest
import torch

from armillary.errors import RecipeError
from armillary.interfaces.loss import StepCache
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.training.build import build, call_method, dry_run, loss_terms
from armillary_spherical.recipes import RECIPES

NAMES = [recipe.name for recipe in RECIPES]


@pytest.fixture(scope="module")
def host():
    return Host()


def plan(host, name, **overrides):
    recipe = resolve(host, f"spherical:{name}", Overrides(**overrides))
    for body in recipe.bodies.values():
        body.pop("generator", None)  # the generators are another package's; nothing but a demonstration needs them
    return check(host, complete(host, recipe))


def batch_of(stage, *, items=2):
    """Random tensors of the shapes that the recipe's transforms give."""
    generator = torch.Generator().manual_seed(0)
    batch = {"class_label": torch.arange(items) % 2, "true_rotation": torch.eye(3).expand(items, 3, 3)}
    for name in ("image", "sphere"):
        if name in stage.shapes:
            batch[name] = torch.rand(items, *stage.shapes[name][1:], generator=generator)
    return batch


@pytest.mark.parametrize("name", NAMES)
def test_recipe_fits(host, name):
    found = plan(host, name)
    assert found.serves in found.stages


@pytest.mark.parametrize("name", ["smoke", "demo", "quick-regression"])
def test_stages_build_one_on_the_other_and_run(host, name):
    """A real forward of each, compared with the declared ports, and a finite value of every loss."""
    earlier = {}
    for stage_name, stage in plan(host, name).stages.items():
        model = earlier[stage_name] = build(host, stage, seed=0, earlier=earlier)
        _, values = dry_run(model, batch_of(stage))
        assert set(values) == set(stage.losses)
        assert all(value.ndim == 0 and value.isfinite() for value in values.values())


def test_published_run_is_the_papers(host):
    """What the appendix says, in the recipe or in the defaults of the parts."""
    stages = plan(host, "paper").stages
    assert list(stages) == ["shapes", "embedding", "fine", "views"]
    steps = {name: stage.body["budget"]["steps"] for name, stage in stages.items()}
    assert steps == {"shapes": 9_230, "embedding": 200_000, "fine": 200_000, "views": 200_000}
    assert [stage.body["batch_size"] for stage in stages.values()] == [16, 16, 16, 8]
    assert stages["shapes"].shapes["sphere"] == (None, 1, 64, 64)
    assert stages["shapes"].shapes["class_scores"] == (None, 40)
    assert stages["embedding"].shapes["embedding"] == (None, 32, 16, 16)
    assert stages["embedding"].shapes["image"][-2:] == (128, 128)
    assert stages["views"].slots["renderer"].inputs["embedding"] == (None, 16, 32, 32)
    assert stages["embedding"].slots["encoder"].settings["features"] == 1024
    assert stages["embedding"].losses["map"].settings["delta"] == 1.0
    milestones = [round(share * 9_230) for share in stages["shapes"].body["schedule"]["milestones"]]
    assert milestones == [5000, 8500]


def test_later_stages_do_not_touch_earlier_ones(host):
    """Frozen parts are neither in the optimiser nor in the stored weights."""
    earlier = {}
    for name, stage in plan(host, "smoke").stages.items():
        earlier[name] = build(host, stage, seed=0, earlier=earlier)
    assert all(name.startswith(("encoder.", "head.")) for name in earlier["embedding"].trainable())
    assert all(name.startswith("renderer.") for name in earlier["views"].trainable())


def test_the_baseline_is_trained_on_as_much(host):
    """As many pictures of the same kind, into the same picture network."""
    ours = plan(host, "quick").stages["embedding"]
    (baseline,) = plan(host, "quick-regression").stages.values()
    assert ours.body["schedule"]["use"] == baseline.body["schedule"]["use"] == "cosine"
    for key in ("batch_size", "budget", "optimiser"):
        assert ours.body[key] == baseline.body[key], key
    assert ours.slots["encoder"].settings == baseline.slots["encoder"].settings
    assert ours.shapes["image"] == baseline.shapes["image"]
    assert ours.body["transforms"][0] == baseline.body["transforms"][0]


def test_tiers_are_ever_smaller(host):
    for stage in ("shapes", "embedding", "views"):
        steps = [plan(host, name).stages[stage].body["budget"]["steps"] for name in ("paper", "quick", "demo", "smoke")]
        assert steps == sorted(steps, reverse=True)


def test_evaluators_see_the_recipes_pictures_in_their_own_turns(host):
    """Sizes are the recipe's; turns, and that nothing is stretched, are the protocol's."""
    for name, rotations in (("pose", "so3"), ("pose_2dof", "views"), ("mesh", "so3")):
        turn, *_, render = plan(host, "quick").stages["embedding"].evaluators[name].transforms
        assert (turn.settings["rotations"], turn.settings["stretch"]) == (rotations, 0.0)
        assert render.settings["size"] == 48


def test_a_head_of_another_kind_does_not_fit(host):
    with pytest.raises(RecipeError, match="the part needs feature"):
        plan(host, "shapes", uses=("head=spherical:pose",))


def test_the_e3nn_network_fits_the_same_slot(host):
    stage = plan(host, "shapes", uses=("encoder=spherical:e3nn-cnn",)).stages["main"]
    assert stage.slots["head"].inputs["class_features"] == (None, 64)


def test_a_few_steps_explain_a_map_better(host):
    """Optimum: on four pictures the second stage's loss falls."""
    stages = plan(host, "smoke").stages
    earlier = {"shapes": build(host, stages["shapes"], seed=0)}
    stage = stages["embedding"]
    model = build(host, stage, seed=0, earlier=earlier)
    batch = batch_of(stage, items=4)
    optimiser = torch.optim.Adam(model.trainable().values(), lr=3e-3)
    model.train()
    values = []
    for _ in range(15):
        outputs = call_method(model, batch)
        value = loss_terms(model, "map", model.losses["map"], batch, outputs, StepCache())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
