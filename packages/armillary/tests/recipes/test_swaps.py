"""Which parts fit a place: decided by putting them there, said in words."""

import pytest

from armillary.errors import ArmillaryError, RecipeError, UnknownNameError
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.recipes.swaps import fits, place, places


def test_a_place_is_named_as_the_flags_name_it(toy_host):
    shapes = place(toy_host, "toy:stages.shapes.picture.encoder")
    assert (shapes.name, shapes.path) == ("shapes.picture.encoder", "stages.shapes.slots.picture.encoder")
    only = place(toy_host, "toy:paper.picture.encoder")
    assert (only.name, only.path, only.used) == ("picture.encoder", "slots.picture.encoder", "toy:vector")


def test_every_slot_is_a_place_filled_or_not(toy_host):
    names = {each.name: each.used for each in places(toy_host, "toy:paper")}
    assert names == {"picture.encoder": "toy:vector", "picture.head": "toy:picture", "renderer": ""}
    taken = {each.name: each.used for each in places(toy_host, "toy:stages")}
    assert taken["embedding.target"] == ""  # of an earlier stage


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("toy:paper.encoder", "has no slot 'encoder'"),
        ("toy:paper", "write it as plugin:recipe.slot"),
        ("toy:papr.picture.head", "did you mean 'toy:paper'"),
        ("toy:stages.picture.head", "did you mean 'shapes.picture.head'"),
    ],
)
def test_a_place_that_is_not_there_says_what_is(toy_host, text, words):
    with pytest.raises(UnknownNameError, match=words):
        place(toy_host, text)


def test_what_fits_has_no_reason_and_what_does_not_has(toy_host):
    for each in places(toy_host, "toy:paper"):
        found = {fit.id: fit for fit in fits(toy_host, each)}
        assert list(found) == list(toy_host.components(each.wanted.kind))
        assert [id for id, fit in found.items() if fit.own] == ([each.used] if each.used else [])


@pytest.mark.parametrize("recipe", ["toy:paper", "toy:pairs", "toy:stages", "toy:shared"])
def test_the_list_the_check_and_what_a_refusal_offers_agree(toy_host, recipe):
    """For each part in each slot: it fits by the list if the check takes it; a refusal offers what the list has, without it."""
    for each in places(toy_host, recipe):
        found = {fit.id: not fit.reasons for fit in fits(toy_host, each)}
        for id, fit in found.items():
            try:
                check(
                    toy_host,
                    complete(toy_host, resolve(toy_host, recipe, Overrides(uses=(f"{each.name}={id}",)))),
                )
                refused = None
            except ArmillaryError as error:
                refused = error
            assert fit == (refused is None), (each.name, id)
            for misfit in refused.misfits if isinstance(refused, RecipeError) else ():
                if misfit.where == each.path:
                    assert misfit.fits == tuple(other for other, fits in found.items() if fits), (each.name, id)


def test_a_reason_names_the_ports_of_both_sides_and_offers_nothing_else(toy_host):
    found = {fit.id: fit.reasons for fit in fits(toy_host, place(toy_host, "toy:paper.picture.head"))}
    (first, *more) = found["toy:labels"]
    assert first == (
        "the part needs features: feature_map [batch features rows columns], the slot gives feature, image"
    )
    assert all("the slot needs reconstruction" in line for line in more)
