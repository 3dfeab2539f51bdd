"""``armillary components``."""

import json


def test_list_by_kind(armillary):
    out = armillary("components", "list", "--kind", "encoders").out
    assert "toy:vector" in out
    assert "toy:picture" not in out
    assert "did you mean 'encoder'?" in armillary("components", "list", "--kind", "encoderr", status=1).err


def test_list_of_what_fits_a_slot(armillary):
    """The recipe's own part first; then the others that fit; then what does not, each with its reason."""
    found = json.loads(armillary("components", "list", "--fits", "toy:paper.picture.head", "--json").out)
    assert [each["id"] for each in found if each["fits"]] == ["toy:picture", "toy:wrong-size"]
    assert [each["id"] for each in found if each["own"]] == ["toy:picture"]
    assert all(each["kind"] == "head" for each in found)
    refused = {each["id"]: each["why"] for each in found if not each["fits"]}
    assert refused["toy:labels"][0].startswith("the part needs features: feature_map [")
    assert not any(each["why"] for each in found if each["fits"])
    stage = json.loads(armillary("components", "list", "--fits", "toy:stages.shapes.picture.head", "--json").out)
    assert stage == found


def test_list_of_what_fits_says_why_the_others_do_not(armillary):
    told = armillary("components", "list", "--fits", "toy:paper.picture.head")
    fitting, refused = told.out.split("does not fit")
    assert "(the recipe's own)" in fitting
    assert "toy:labels" in refused
    assert "the slot gives feature" in refused
    assert "2 parts of 3 installed fit: armillary train toy:paper --use picture.head=ID" in told.err


def test_list_of_what_fits_a_place_that_is_not_there(armillary):
    def said(*arguments, status=1):
        return armillary("components", "list", *arguments, status=status).err

    assert "did you mean 'picture.head'?" in said("--fits", "toy:paper.pictur.head")
    assert "plugin:recipe.slot" in said("--fits", "toy")
    assert "leave --kind out" in said("--fits", "toy:paper.picture.head", "--kind", "head", status=2)


def test_show_says_ports_and_settings(armillary):
    out = armillary("components", "show", "std:images").out
    assert "center-crop | squash | pad" in out
    assert "true_depth" in out
    found = json.loads(armillary("components", "show", "toy:vector", "--json").out)
    assert found["kind"] == "encoder"
    assert [setting["name"] for setting in found["settings"]] == ["features"]


def test_show_of_a_method_says_its_slots(armillary):
    out = armillary("components", "show", "toy:autoencoder").out
    assert "slot renderer (renderer) may stay empty" in out
    assert "predicts from" in out


def test_show_of_what_is_not_there(armillary):
    assert "did you mean 'toy:vector'?" in armillary("components", "show", "toy:vectr", status=1).err
    assert "armillary recipes show toy:paper" in armillary("components", "show", "toy:paper", status=1).err
    assert "plugin:component" in armillary("components", "show", "vector", status=1).err
