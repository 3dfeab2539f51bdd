"""Claims of ``symmetry.py``: groups by hand, and in the object's own frame."""

import math

import pytest
import torch

from armillary.kernels.rotations import exp_map, geodesic_angle, random_rotation
from armillary.kernels.symmetry import angle_up_to_symmetry

GROUPS = ("none", "c2x", "c2y", "c2z", "c3z", "c4z", "so2z")


def drawn(*batch, seed=0):
    return random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def about(axis, degrees):
    vector = torch.zeros(3, dtype=torch.float64)
    vector["xyz".index(axis)] = math.radians(degrees)
    return exp_map(vector)


@pytest.mark.parametrize(
    ("group", "turn"),
    [
        ("c2x", about("x", 180)),
        ("c2z", about("z", 180)),
        ("c3z", about("z", -120)),
        ("c4z", about("z", 270)),
        ("so2z", about("z", 77)),
    ],
)
def test_an_element_of_the_group_costs_nothing(group, turn):
    """The object, turned by R, looks the same when turned about its own axis first: T R g R^T is as good as T."""
    truth, base = drawn(2)
    as_good = truth @ base @ turn @ base.mT
    zero = torch.zeros((), dtype=torch.float64)
    torch.testing.assert_close(
        angle_up_to_symmetry(as_good, truth, object_rotation=base, group=group), zero, atol=1e-7, rtol=0
    )
    assert angle_up_to_symmetry(as_good, truth, object_rotation=base, group="none") > 1


@pytest.mark.parametrize("group", GROUPS)
def test_a_symmetry_never_adds_to_the_error(group):
    estimate, truth, base = drawn(3, 50)
    found = angle_up_to_symmetry(estimate, truth, object_rotation=base, group=group)
    assert (found <= geodesic_angle(estimate, truth) + 1e-12).all()
    assert (found >= 0).all()


def test_finer_groups_forgive_more():
    estimate, truth, base = drawn(3, 200)
    means = [
        angle_up_to_symmetry(estimate, truth, object_rotation=base, group=group).mean()
        for group in ("none", "c2z", "c4z", "so2z")
    ]
    assert means == sorted(means, reverse=True)


def test_any_turn_is_the_limit_of_many():
    """Reference: so2z is what 360 turns of one degree come to."""
    estimate, truth, base = drawn(3)
    many = torch.stack(
        [geodesic_angle(estimate, truth @ base @ about("z", degrees) @ base.mT) for degrees in range(360)]
    ).amin()
    found = angle_up_to_symmetry(estimate, truth, object_rotation=base, group="so2z")
    torch.testing.assert_close(found, many, atol=math.radians(0.01), rtol=0)


def test_the_published_rule_forgives_any_half_turn():
    """Golden: 170 degrees count as 10, about whatever axis; 90 stay 90."""
    nothing = torch.eye(3, dtype=torch.float64)
    for axis in "xyz":
        for degrees, wanted in ((170, 10), (90, 90), (20, 20)):
            found = angle_up_to_symmetry(about(axis, degrees), nothing, object_rotation=drawn(), group="half-turn")
            assert math.degrees(found) == pytest.approx(wanted)


@pytest.mark.parametrize("group", ["c0z", "c2w", "cube", ""])
def test_another_word_is_refused(group):
    with pytest.raises(ValueError, match="a symmetry is none"):
        angle_up_to_symmetry(drawn(), drawn(), object_rotation=drawn(), group=group)
