"""Rules of names."""

import doctest

import pytest

from armillary import names
from armillary.names import is_component_name, is_name, is_target
from armillary.specs import HeadSpec, MethodSpec, Slot, Stage


def test_examples():
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize("text", ["main", "depth.encoder", "l1", "Ein Bild (2)", "_DSC1", "p\u00e5", "0"])
def test_names(text):
    assert is_name(text)
    assert is_name(text, folders=True)


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".hidden", "/etc", "a//b", "a/", "a/../b", "C:x", "a\\b", "a\nb", "a\x00", "a ", None, 3]
)
def test_what_leaves_a_folder_is_no_name(text):
    assert not is_name(text)
    assert not is_name(text, folders=True)


def test_pictures_may_be_in_folders():
    assert is_name("left/0001", folders=True)
    assert not is_name("left/0001")


@pytest.mark.parametrize("text", ["", "Net", "net_work", "net work", "net/one", None])
def test_no_component_names(text):
    assert not is_component_name(text)


@pytest.mark.parametrize("text", ["", "parts.Net", "parts:", ":Net", "1parts:Net", "parts..x:Net", "parts:Net.", None])
def test_no_targets(text):
    assert not is_target(text)


def test_specs_follow_the_rules():
    assert HeadSpec(name="inner", target="parts:Outer.Inner").target == "parts:Outer.Inner"
    with pytest.raises(ValueError, match="target '': write it as"):
        HeadSpec(name="inner", target="")
    with pytest.raises(ValueError, match=r"name '../shapes': a name has no /"):
        Stage(name="../shapes")
    slot = Slot(kind="head", consumes=("image",), produces=("depth",))
    with pytest.raises(ValueError, match=r"slots '../depth': a name has no /"):
        MethodSpec(name="m", target="a:B", slots={"../depth": slot}, trains_on=("image",), predicts_from=("image",))
