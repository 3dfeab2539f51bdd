"""``armillary components``."""

import json


def test_list_by_kind(armillary):
    out = armillary("components", "list", "--kind", "encoders").out
    assert "toy:vector" in out
    assert "toy:picture" not in out
    assert "did you mean 'encoder'?" in armillary("components", "list", "--kind", "encoderr", status=1).err


def test_list_of_what_fits_a_slot(armillary):
    found = json.loads(armillary("components", "list", "--fits", "toy:paper.picture.head", "--json").out)
    assert [each["id"] for each in found] == ["toy:picture", "toy:wrong-size"]
    assert all(each["kind"] == "head" for each in found)
    stage = json.loads(armillary("components", "list", "--fits", "toy:stages.shapes.picture.head", "--json").out)
    assert stage == found
    assert (
        "did you mean 'picture.head'?"
        in armillary("components", "list", "--fits", "toy:paper.pictur.head", status=1).err
    )
    assert "plugin:recipe.slot" in armillary("components", "list", "--fits", "toy", status=1).err


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
