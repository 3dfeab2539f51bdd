"""Which parts fit a place: decided by putting them there, said in words."""

import pytest

from armillary.errors import UnknownNameError
from armillary.recipes.check import fitting
from armillary.recipes.swaps import fits, place, places


def test_a_place_is_named_as_the_flags_name_it(toy_host):
    shapes = place(toy_host, "toy:stages.shapes.picture.encoder")
    assert (shapes.name, shapes.path) == ("shapes.picture.encoder", "stages.shapes.slots.picture.encoder")
    only = place(toy_host, "toy:paper.picture.encoder")
    assert (only.name, only.path, only.used) == ("picture.encoder", "slots.picture.encoder", "toy:vector")
    assert only.filled(toy_host, "toy:map").written["slots"]["picture.encoder"]["use"] == "toy:map"


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
        assert [id for id, fit in found.items() if not fit.reasons] == fitting(toy_host, each.wanted)
        assert [id for id, fit in found.items() if fit.own] == ([each.used] if each.used else [])


def test_a_reason_names_the_ports_of_both_sides_and_offers_nothing_else(toy_host):
    found = {fit.id: fit.reasons for fit in fits(toy_host, place(toy_host, "toy:paper.picture.head"))}
    (first, *more) = found["toy:labels"]
    assert first == (
        "the part needs features: feature_map [batch features rows columns], the slot gives feature, image"
    )
    assert all("the slot needs reconstruction" in line for line in more)
