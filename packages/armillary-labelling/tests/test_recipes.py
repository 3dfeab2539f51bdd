"""Claims of ``recipes.py``: every recipe resolves, fits, builds and makes a step, by warps or by flow."""

import pytest
import torch

from armillary.config import structure
from armillary.errors import RecipeError
from armillary.interfaces.loss import StepCache
from armillary.kernels.sampling import identity_grid
from armillary.plugins.host import Host
from armillary.ports import Port, misfit
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.recipes.settings import OptimiserConfig
from armillary.recipes.swaps import fits, place
from armillary.specs import EncoderSpec
from armillary.training.batches import collate
from armillary.training.build import build, build_transforms, call_method, dry_run, loss_terms
from armillary.training.optimise import build_optimiser
from armillary_labelling.recipes import RECIPES

NAMES = [recipe.name for recipe in RECIPES]


@pytest.fixture(scope="module")
def host():
    return Host()


def plan(host, name, **overrides):
    recipe = complete(host, resolve(host, f"labelling:{name}", Overrides(**overrides)))
    checked = check(host, recipe)
    return checked.stages[checked.serves]


def small(name):
    """Settings that make any recipe cheap: narrow networks and small pictures."""
    return ("slots.encoder.settings.features=64", f"data.settings.size={48 if name == 'hourglass' else 32}")


def batch(host, stage, *, flow, items=2):
    """A batch as training sees it: pictures through the recipe's transforms."""
    size = stage.body["data"]["settings"]["size"]
    kinds = {name: port.kind for name, port in stage.batch.items()}
    samples = []
    for item in range(items):
        draw = torch.Generator().manual_seed(item)
        sample = {"id": str(item), "image": torch.rand(3, size, size, generator=draw)}
        if flow:
            sample["partner_image"] = sample["image"].roll(2, dims=-1)
            sample["partner_grid"] = identity_grid(size, size) + torch.tensor([4 / (size - 1), 0.0])
            sample["partner_valid"] = torch.ones(1, size, size, dtype=torch.bool)
        for transform in build_transforms(host, stage, per="item"):
            sample = transform(sample, kinds=kinds, generator=draw)
        samples.append(sample)
    return collate(samples)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_fits_and_makes_a_step(host, name):
    """A real forward compared with the declared ports, finite losses, and a slope for every parameter."""
    stage = plan(host, name, sets=small(name))
    model = build(host, stage, seed=0)
    given = batch(host, stage, flow=name in ("arm", "globe"))
    _, values = dry_run(model, given)
    assert all(value.ndim == 0 and value.isfinite() for value in values.values())
    model.train()
    outputs = call_method(model, given)
    total = sum(loss_terms(model, key, loss, given, outputs, StepCache()) for key, loss in model.losses.items())
    total.backward()
    trainable = model.trainable()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trainable.values())
    build_optimiser(trainable, structure(stage.body["optimiser"], OptimiserConfig), fused=False).step()


def test_quick_takes_flow_where_there_is_flow(host):
    stage = plan(host, "quick")
    flowing, still = (batch(host, stage, flow=flow) for flow in (True, False))
    assert flowing["source"].shape[-1] == stage.body["data"]["settings"]["size"]
    assert torch.equal(flowing["source"], flowing["image"])
    assert still["source"].shape[-1] < flowing["source"].shape[-1]


def test_published_run_is_the_authors(host):
    """What their configuration says, in the recipe or in the defaults of the parts."""
    body = plan(host, "paper").body
    assert (body["batch_size"], body["data"]["settings"]["size"]) == (32, 100)
    assert body["losses"]["match"] == {"use": "labelling:distance", "weight": 1.0, "settings": {"gamma": 0.5}}
    warp = body["transforms"][0]["settings"]
    assert (warp["control"], warp["warp"], warp["strong_warp"], warp["first_warp"]) == (10, 0.001, 0.01, 0.5)
    assert round(warp["margin"] * 100) == 15
    assert body["schedule"]["milestones"] == [0.7, 0.9]
    model = build(host, plan(host, "paper"), seed=0)
    assert sum(value.numel() for value in model.trainable().values()) == 334_875


def test_biases_of_convolutions_learn_slower(host):
    """Those of batch normalisation do not, as in train.py."""
    stage = plan(host, "paper")
    trainable = build(host, stage, seed=0).trainable()
    optimiser = build_optimiser(trainable, structure(stage.body["optimiser"], OptimiserConfig), fused=False)
    slow = {id(p) for group in optimiser.param_groups if group["lr"] == 1e-5 for p in group["params"]}
    names = {name for name, parameter in trainable.items() if id(parameter) in slow}
    assert names == {name for name in trainable if name.endswith("conv.bias")}
    assert len(names) == 6


def test_hourglass_has_the_later_works_size(host):
    """12.6 million numbers with labels of 64 channels; here with 3, so 61 channels of 257 numbers less."""
    stage = plan(host, "hourglass")
    model = build(host, stage, seed=0)
    assert sum(value.numel() for value in model.trainable().values()) == 12_609_472 - 61 * 257
    warp = stage.body["transforms"][0]["settings"]
    assert 136 - 2 * round(136 * warp["margin"]) == 96


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("simple-log", {"slots", "losses"}),
        ("simple-dist", {"slots"}),
        ("simple-dist-1", {"slots", "losses"}),
        ("dilations-log", {"losses"}),
        ("exchange", {"losses"}),
        ("fine-tune", {"data", "schedule", "optimiser", "budget"}),
    ],
)
def test_patches_change_only_what_they_are_about(host, name, differs):
    full, patched = plan(host, "paper").body, plan(host, name).body
    assert {key for key in full if full[key] != patched[key]} == differs


def test_tiers_are_ever_smaller(host):
    steps = [plan(host, name).body["budget"]["steps"] for name in ("paper", "quick", "demo", "smoke")]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize("encoder", ["simple", "hourglass", "dilations"])
def test_the_trunk_is_swapped_by_name(host, encoder):
    assert plan(host, "quick", uses=(f"encoder=labelling:{encoder}",)).slots["encoder"].id == f"labelling:{encoder}"


def test_a_trunk_that_ends_in_a_vector_does_not_fit(host):
    """The slot asks for a map of features; what would fit is listed beside both sides."""
    asked = place(host, "labelling:quick.encoder")
    own = {fit.id for fit in fits(host, asked) if not fit.reasons and fit.id.startswith("labelling:")}
    assert own == {"labelling:dilations", "labelling:simple", "labelling:hourglass"}
    vector = EncoderSpec(
        name="vector",
        target="nowhere:Vector",
        consumes=(Port("image", kind="image"),),
        produces=(Port("features", kind="feature_vector", shape="batch 64"),),
    )
    assert misfit(vector.produces[0], asked.wanted.produces[0]) == "kind feature_vector is not feature_map"


def test_descriptors_of_more_channels_train_as_well(host):
    """The measure on the sphere does not fit them, and says so; landmarks and matching do."""
    sets = (*small("quick"), "slots.head.settings.channels=16", "slots.head.settings.unit=true")
    with pytest.raises(RecipeError, match=r"evaluators\.consistency: .*channels is 16, not 3"):
        plan(host, "quick", sets=sets)
    others = plan(host, "quick", sets=(*sets, "evaluators.consistency.use=labelling:matching/1"))
    assert others.shapes["source_labels"][1] == 16


def test_a_few_steps_match_better(host):
    """Optimum: on two pictures the loss of the smallest recipe falls."""
    stage = plan(host, "smoke")
    model = build(host, stage, seed=0)
    given = batch(host, stage, flow=False, items=4)
    optimiser = torch.optim.Adam(model.trainable().values(), lr=3e-3)
    values = []
    for _ in range(25):
        outputs = call_method(model, given)
        value = loss_terms(model, "match", model.losses["match"], given, outputs, StepCache())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
