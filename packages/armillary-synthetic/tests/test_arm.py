"""The arm in pictures: cover, coordinates, flow, landmarks."""

import math

import numpy as np
import pytest

from armillary_synthetic.arm import Arm, Chain, palette
from armillary_synthetic.arm_motion import simulate

pytestmark = pytest.mark.usefixtures("engine")


def build(*, size=48, seed=0, **settings):
    return Arm(size=size, seed=seed, **settings)


def chain(*angles, start=(-0.5, 0.0), length=0.5, radius=0.1):
    """A chain of capsules, angles clockwise from the x axis as the picture has them."""
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ends = np.array(start) + length * np.concatenate([np.zeros((1, 2)), np.cumsum(along, axis=0)])
    return Chain(start=ends[:-1], along=along, length=length, radius=radius)


def test_a_capsule_covers_its_axis_and_a_disc_about_each_end():
    """Along x from (-1/2, 0) to (0, 0), radius 0.1."""
    one = chain(0.0)
    x = np.array([-0.25, -0.25, -0.59, -0.57, 0.09, 0.11])
    y = np.array([0.09, 0.11, 0.0, 0.08, 0.0, 0.0])
    np.testing.assert_array_equal(one.covers(0, x, y), [True, False, True, False, True, False])


def test_places_on_a_capsule_come_back():
    two = chain(0.7, -1.1)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 50))
    for number in range(2):
        np.testing.assert_allclose(two.world(number, *two.local(number, x, y)), [x, y], atol=1e-15)


def test_the_capsule_nearer_to_the_tip_covers_the_other():
    """Folded back on itself: the second lies over the first."""
    folded = chain(0.0, math.pi)
    shown = folded.shown(np.linspace(-1, 1, 40))
    assert set(np.unique(shown)) == {-1, 1}
    middle = np.array(-0.25), np.array(0.0)
    assert folded.hides(0, *middle)
    assert not folded.hides(1, *middle)


def test_what_a_grid_shows_is_what_covers_each_place():
    """The boxes leave nothing out, also where the arm leaves the picture."""
    axis = np.linspace(-1, 1, 64)
    x, y = np.broadcast_arrays(axis[None], axis[:, None])
    for bent in (chain(0.3, 1.2, -0.4), chain(2.0, 2.5, 3.0, radius=0.3), chain(0.0, start=(5.0, 5.0))):
        expected = np.full((64, 64), -1)
        for number in range(len(bent.start)):
            expected[bent.covers(number, x, y)] = number
        np.testing.assert_array_equal(bent.shown(axis), expected)


def test_the_straight_arm_is_its_own_object_frame():
    """No bend and no gravity: x runs from -1 at the anchor to 1 at the tip, y is the distance across, in half lengths."""
    size = 161
    generator = build(size=size, bend=0.0, stiffness=0.0, gravity=0.0)
    item, arm = generator.item(0), generator.chain(0)
    axis = np.linspace(-1, 1, size)
    x, y = np.broadcast_arrays(axis[None], axis[:, None])
    mask = item["true_mask"][0]
    along, across = arm.local(0, x[mask], y[mask])
    np.testing.assert_allclose(item["true_coordinates"][0, mask], along / 0.8 - 1, atol=1e-6)
    np.testing.assert_allclose(item["true_coordinates"][1, mask], across / 0.8, atol=1e-6)
    assert (item["true_coordinates"][2] == 0).all()
    ends = item["true_coordinates"][0, mask]
    assert ends.min() == pytest.approx(-1 - 0.1 / 0.8, abs=0.02)  # a cap of radius 0.05 of the side, in half lengths
    assert ends.max() == pytest.approx(1 + 0.1 / 0.8, abs=0.02)


def test_the_arm_stands_at_the_lower_left():
    """The first capsule begins at the anchor: 12 hundredths from the left and from below."""
    for index in range(5):
        arm = build().chain(index)
        np.testing.assert_allclose(arm.start[0], [-0.76, 0.76])
        assert arm.along[0, 0] >= 0  # to the right
        assert arm.along[0, 1] <= 0  # and up, where y is down


def test_flow_is_the_motion_of_the_capsule():
    """Exact for each pixel: brought to its capsule's frame here, and from there to the partner's picture."""
    size = 45
    generator = build(size=size)
    axis = np.linspace(-1, 1, size)
    x, y = np.broadcast_arrays(axis[None], axis[:, None])
    for index in (0, 7, 19):
        item = generator.item(index)
        here, there = generator.chain(index), generator.chain(int(item["partner"]))
        shown = here.shown(axis)
        for number in range(5):
            at = shown == number
            offset = np.stack([x[at], y[at]], axis=1) - here.start[number]
            turn = math.atan2(*there.along[number][::-1]) - math.atan2(*here.along[number][::-1])
            matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
            np.testing.assert_allclose(item["partner_grid"][at], offset @ matrix.T + there.start[number], atol=1e-6)


def test_what_bends_under_its_neighbour_is_not_seen_there():
    """Where joints bend far, capsules come to lie over others: the pixels covered there, and only those, are not valid."""
    size, hidden = 90, 0
    generator = build(size=size, bend=2.6, stiffness=0.0)
    axis = np.linspace(-1, 1, size)
    for index in range(40):
        item = generator.item(index)
        here, there = generator.chain(index), generator.chain(int(item["partner"]))
        shown = here.shown(axis)
        for number in range(5):
            at = shown == number
            x, y = item["partner_grid"][at].T.astype(np.float64)
            seen = item["partner_valid"][0][at]
            assert there.covers(number, x, y).mean() > 0.99  # but for rounding on the outline
            later = np.any([there.covers(k, x, y) for k in range(number + 1, 5)] or [np.zeros(len(x), bool)], axis=0)
            out = np.maximum(np.abs(x), np.abs(y)) > 1
            assert ((later | out) != ~seen).mean() < 0.01
            hidden += later.sum()
    assert hidden > 100


def test_landmarks_are_the_middles_of_the_capsules():
    """Where the coordinates say: the middle of capsule k of five lies at x = (2 k + 1) / 5 - 1, y = 0."""
    size = 120
    generator = build(size=size)
    for index in (0, 3, 11):
        item = generator.item(index)
        assert item["true_visible"].all()
        at = np.rint((item["true_landmarks2d"] + 1) / 2 * (size - 1)).astype(int)
        shown = item["true_coordinates"][:, at[:, 1], at[:, 0]]
        np.testing.assert_allclose(shown[0], (2 * np.arange(5) + 1) / 5 - 1, atol=0.02)
        np.testing.assert_allclose(shown[1:], 0, atol=0.02)


def test_a_middle_under_another_capsule_is_not_visible(monkeypatch):
    """Two capsules, the second folded back over the first: the first's middle lies under it."""
    folded = np.array([math.pi / 4, math.pi / 4 + 3.0])
    monkeypatch.setattr("armillary_synthetic.arm.simulate", lambda config, generator: np.tile(folded, (20, 1)))
    item = build(capsules=2).item(0)
    np.testing.assert_array_equal(item["true_visible"], [False, True])


def test_pixels_inside_a_capsule_have_its_colour():
    """Pixels whose neighbours all show the same capsule are of its one colour; colours differ between capsules."""
    item, generator = build(size=90).item(0), build(size=90)
    shown = generator.chain(0).shown(np.linspace(-1, 1, 90))
    colours = palette(5)[:3]
    for number in range(5):
        at = shown == number
        inner = at[1:-1, 1:-1] & at[:-2, 1:-1] & at[2:, 1:-1] & at[1:-1, :-2] & at[1:-1, 2:]
        found = item["image"][:, 1:-1, 1:-1][:, inner]
        np.testing.assert_allclose(np.median(found, axis=1), colours[:, number], atol=1e-6)
    apart = np.abs(colours[:, :, None] - colours[:, None, :-1]).max(axis=0) + np.eye(6, 5)
    assert apart.min() > 0.3


def test_a_clip_is_simulated_once_while_its_items_are_asked_for(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "armillary_synthetic.arm.simulate", lambda config, generator: calls.append(1) or simulate(config, generator)
    )
    generator = build(size=16)
    for index in range(40):
        generator.item(index)
    assert len(calls) == 2
