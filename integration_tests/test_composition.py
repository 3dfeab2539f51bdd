"""Counts of parts that serve in a place for which they were not written. A count may rise; the floors here hold it."""

import attrs
import pytest

from armillary.errors import RecipeError
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import Overrides, resolve
from armillary.recipes.swaps import fits, places

METHODS = ("keypoints", "labelling", "photogeo", "spherical", "unsup3d")
WITH_FLAGS = {
    "photogeo:paper.view.head": Overrides(uses=("view.head=unsup3d:view",), without=("viewpoint",)),
    "keypoints:paper.head": Overrides(
        uses=("head=labelling:label-map",), vias=("head=std:labels-to-points",), sets=("head.channels=8",)
    ),
}
"""Slots that take a foreign part with an adapter, or without a loss that reads what only their own part gives."""
OWN = {
    "unsup3d:paper.confidence.head",
    "unsup3d:paper.renderer",
    "photogeo:paper.renderer",
    "keypoints:paper.edges",
    "keypoints:paper.decoder",
    "keypoints:paper.shape",
    "labelling:paper.head",
    "spherical:paper.shapes.encoder",
    "spherical:paper.shapes.head",
    "spherical:paper.embedding.head",
    "spherical:paper.fine.head",
    "spherical:paper.views.renderer",
}
"""Slots that only parts of their own package fit."""
_CONFIDENCE = ("confidence.encoder=unsup3d:conv-encoder", "confidence.head=unsup3d:confidence")
ELSEWHERE = {
    "keypoints:perceptual": ("photogeo:quick", Overrides()),
    "keypoints:repulsion": (
        "labelling:quick",
        Overrides(vias=("head=std:labels-to-points",), sets=("losses.more.bind.keypoints2d=head.keypoints2d",)),
    ),
    "photogeo:depth-variance": ("unsup3d:quick", Overrides(sets=("losses.more.bind.depth=canonical_depth",))),
    "photogeo:depth-l1": ("unsup3d:quick", Overrides()),
    "photogeo:depth-l2": ("unsup3d:quick", Overrides()),
    "photogeo:mean-viewpoint": (
        "unsup3d:quick",
        Overrides(uses=("view.head=photogeo:view",), sets=("losses.more.bind.viewpoint=view.head.viewpoint",)),
    ),
    "spherical:geodesic": (
        "unsup3d:quick",
        Overrides(
            vias=("view.head=std:pose-to-rotation",),
            sets=("transforms.1.use=std:true-rotation", "losses.more.bind.rotation=view.head.rotation"),
        ),
    ),
    "spherical:pixel": ("keypoints:quick", Overrides()),
    "unsup3d:photometric": (
        "keypoints:quick",
        Overrides(uses=_CONFIDENCE, sets=("losses.more.bind.confidence=confidence.head.confidence",)),
    ),
}
"""Losses of methods' packages, each with a recipe of another method that takes it."""
_PAIRS = "pairs of pictures with a known match, which no other method reads"
AT_HOME = {
    "keypoints:feature-distance": "features of picture and reconstruction, of a slot that keypoints alone has",
    "keypoints:projection": "points found in the picture beside points of a shape in space",
    "labelling:distance": _PAIRS,
    "labelling:exchange": _PAIRS,
    "labelling:log": _PAIRS,
    "labelling:margin": _PAIRS,
    "spherical:cross-entropy": "classes of meshes",
    "spherical:huber-sphere": "functions on the sphere",
    "spherical:rotation-vector": "a rotation as three numbers, which only its own head gives",
    "unsup3d:perceptual": "a confidence for features of VGG-16",
}
"""Losses that no recipe of another method takes, and what they read."""


@pytest.fixture(scope="module")
def host() -> Host:
    """Everything that is installed."""
    return Host()


def test_slots_of_published_recipes_take_foreign_parts(host, say):
    """By name alone, or by the flags above; those that do not are listed, and none of them does."""
    alone, closed = [], set()
    for method in METHODS:
        recipe = f"{method}:paper"
        taken = resolve(host, recipe).bodies
        for place in places(host, recipe):
            if "take" in taken[place.stage].get("slots", {}).get(place.slot, {}):
                continue
            foreign = [
                fit.id
                for fit in fits(host, place)
                if not fit.reasons and not fit.own and fit.id.split(":")[0] != method
            ]
            name = f"{recipe}.{place.name}"
            if foreign:
                alone.append(name)
            elif name not in WITH_FLAGS:
                closed.add(name)
    say(f"composition: {len(alone)} slots of {len(alone) + len(WITH_FLAGS) + len(closed)} take a foreign part by name, "
        f"{len(WITH_FLAGS)} more with an adapter or without a loss")  # fmt: skip
    assert closed == OWN


@pytest.mark.parametrize("place", WITH_FLAGS)
def test_with_its_flags_the_slot_takes_the_part(host, place):
    recipe = resolve(host, place.split(".")[0], WITH_FLAGS[place])
    assert plan_recipe(host, recipe)


def test_renderer_slots_take_two_parts(host, say):
    """Both of key points; depth is drawn by one part, and so are the spherical views."""
    slots = [
        place for method in METHODS for place in places(host, f"{method}:paper") if place.wanted.kind == "renderer"
    ]
    two = {f"{place.recipe}.{place.name}" for place in slots if sum(not fit.reasons for fit in fits(host, place)) >= 2}
    say(f"composition: {len(two)} of {len(slots)} renderer slots take two parts")
    assert two == {"keypoints:paper.edges", "keypoints:paper.decoder"}


@pytest.mark.parametrize("loss", ELSEWHERE)
def test_a_loss_serves_another_method(host, loss):
    recipe, changes = ELSEWHERE[loss]
    assert recipe.split(":")[0] != loss.split(":")[0]
    more = attrs.evolve(changes, sets=(f"losses.more.use={loss}", *changes.sets))
    (stage,) = plan_recipe(host, resolve(host, recipe, more)).stages.values()
    assert stage.losses["more"].id == loss


def test_every_loss_of_a_method_is_listed(host, say):
    """Either with a recipe of another method that takes it, or with the reason why none does."""
    losses = {id for id in host.components("loss") if id.split(":")[0] in METHODS}
    say(f"composition: {len(ELSEWHERE)} of {len(losses)} losses of methods' packages serve another method")
    assert losses == {*ELSEWHERE, *AT_HOME}
    assert not {*ELSEWHERE} & {*AT_HOME}


def test_truth_is_not_offered_in_place_of_what_is_found(host):
    with pytest.raises(RecipeError, match="frame canonical is not camera") as caught:
        plan_recipe(host, resolve(host, "unsup3d:quick", Overrides(sets=("evaluators.x.use=std:light-angle/1",))))
    assert "=true_light" not in str(caught.value)
