"""The vocabulary, and unification of symbolic shapes."""

import pytest

from armillary.ports import FRAMES, KINDS, UNITS, Port, Shapes, known_kind, misfit, parse_shape
from armillary.specs import MethodSpec, Slot


def unified(*pairs, settings=None):
    """Return the shapes after unifying pairs of (scope, shape), and the first reason against it."""
    shapes = Shapes()
    for (scope, one), (other_scope, other) in pairs:
        a = shapes.bind(Port("a", kind="feature_map", shape=one), scope, settings or {})
        b = shapes.bind(Port("b", kind="feature_map", shape=other), other_scope, settings or {})
        reason = shapes.unify(a, b)
        if reason:
            return shapes, reason
    return shapes, ""


def number(shapes, scope, shape):
    return shapes.resolve(shapes.bind(Port("a", kind="feature_map", shape=shape), scope, {}))


def test_every_kind_states_a_shape_and_a_unit():
    for name, kind in KINDS.items():
        assert kind.text, name
        assert kind.unit in UNITS
        parse_shape(kind.shape)


@pytest.mark.parametrize("kind", ["x.toy.thing", "image"])
def test_known_kinds(kind):
    assert known_kind(kind)


@pytest.mark.parametrize("kind", ["x.thing", "picture", "x.Toy.thing", "x.toy."])
def test_unknown_kinds(kind):
    assert not known_kind(kind)
    with pytest.raises(ValueError, match="not in the vocabulary"):
        Port("a", kind=kind)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "Depth"}, "lower-case words"),
        ({"unit": "metre"}, "unit 'metre' is not one of"),
        ({"frame": "left"}, "frame 'left' is not one of"),
        ({"shape": "batch 1 h-1"}, "'h-1' is not an integer"),
        ({"shape": "batch height//2"}, "is not an integer"),
    ],
)
def test_a_port_outside_the_vocabulary_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Port(wrong.pop("name", "depth"), **({"kind": "depth"} | wrong))


def test_a_port_has_its_kind_s_shape_and_unit():
    port = Port("depth", kind="depth")
    assert (port.shape, port.unit, port.frame) == ("batch 1 height width", "scene", "")
    assert Port("visible", kind="mask").frame == "image"


@pytest.mark.parametrize("frame", sorted(FRAMES - {"any"}))
def test_frames_fit_themselves_and_any(frame):
    one, unknown = Port("d", kind="depth", frame=frame), Port("d", kind="depth")
    assert misfit(one, one) == misfit(unknown, unknown) == ""
    assert (
        misfit(one, Port("d", kind="depth", frame="any")) == misfit(unknown, Port("d", kind="depth", frame="any")) == ""
    )
    assert f"frame {frame} is not unknown" in misfit(one, unknown)
    assert f"frame unknown is not {frame}" in misfit(unknown, one)
    others = FRAMES - {"any", frame}
    assert all(misfit(one, Port("d", kind="depth", frame=other)) for other in others)


def test_kinds_and_units_must_agree():
    assert "kind depth is not mask" in misfit(Port("a", kind="depth"), Port("a", kind="mask"))
    assert "unit scene is not pixel" in misfit(Port("a", kind="depth"), Port("a", kind="depth", unit="pixel"))


def test_a_stride_is_solved_both_ways():
    """height/2 of 8 is 4, and if height/2 is 5 then height is 10."""
    shapes, reason = unified((("m", "batch h"), ("d", "batch 8")), (("m", "batch h/2"), ("p", "batch r")))
    assert not reason
    assert number(shapes, "p", "batch r") == (None, 4)
    shapes, _ = unified((("m", "batch h/2"), ("d", "batch 5")))
    assert number(shapes, "m", "batch h") == (None, 10)


def test_links_hold_before_numbers_are_known():
    """a = 2 b, b = c / 3, then c = 12 gives a = 8."""
    shapes, reason = unified((("m", "a"), ("m", "b*2")), (("m", "b"), ("m", "c/3")), (("m", "c"), ("d", "12")))
    assert not reason
    assert number(shapes, "m", "a b c") == (8, 4, 12)


def test_two_groups_that_both_have_numbers_are_compared():
    pairs = ((("m", "a"), ("d", "4")), (("m", "b"), ("d", "6")))
    assert unified(*pairs, (("m", "a"), ("m", "b")))[1] == "axis 0: 4 is not 6"
    assert unified(*pairs, (("m", "a*3"), ("m", "b*2")))[1] == ""


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (((("m", "batch 1 h"), ("d", "batch h")),), "3 axes are not 2 axes"),
        (((("m", "batch 1"), ("d", "batch 3")),), "axis 1: 1 is not 3"),
        (((("m", "batch h"), ("d", "batch 8")), (("m", "batch h"), ("d", "batch 9"))), "axis 1: h is 8, not 9"),
        (((("m", "batch h*2"), ("d", "batch 7")),), "does not divide evenly"),
        (((("m", "h"), ("m", "h*2")),), "h is not h*2"),
    ],
)
def test_shapes_that_cannot_agree_say_why(pairs, words):
    assert words in unified(*pairs)[1]


def test_scopes_keep_symbols_apart():
    shapes, reason = unified((("a", "h"), ("d", "8")), (("b", "h"), ("d", "9")))
    assert not reason
    assert number(shapes, "a", "h") == (8,)
    assert number(shapes, "b", "h") == (9,)


def test_a_setting_stands_for_an_axis():
    shapes = Shapes()
    port = Port("points", kind="keypoints2d", shape="batch $points 2")
    assert shapes.resolve(shapes.bind(port, "p", {"points": 16})) == (None, 16, 2)
    for wrong in ({}, {"points": 1.5}, {"points": True}):
        with pytest.raises(ValueError, match=r"port points has \$points"):
            shapes.bind(port, "p", wrong)


def test_a_method_s_settings_stand_for_axes_of_its_slots():
    """A slot may take pictures of a size of its own: everything the method declares is rewritten, symbols stay."""
    small = Port("image", kind="image", shape="batch 3 $side $side")
    found = Port("depth", kind="depth", shape="batch 1 height*2 $side")
    method = MethodSpec(
        name="two-sizes",
        target="m:M",
        slots={"depth": Slot(kind="encoder", consumes=(small,), produces=(found,))},
        trains_on=("image",),
        predicts_from=("image",),
        produces=(found,),
    )
    sized = method.sized({"side": 32})
    assert sized.slots["depth"].consumes[0].shape == "batch 3 32 32"
    assert sized.slots["depth"].produces[0].shape == sized.produces[0].shape == "batch 1 height*2 32"
    assert sized.trains_on == method.trains_on
    with pytest.raises(ValueError, match=r"two-sizes: port image has \$side, but that setting is None"):
        method.sized({})
