"""How the arm moves: limits, gravity, rest."""

import math
from typing import Any

import numpy as np
import pytest

from armillary_synthetic.arm import Arm
from armillary_synthetic.arm_motion import joints, limited, simulate
from armillary_synthetic.scene import generator_for

pytestmark = pytest.mark.usefixtures("engine")
ARM: Any = Arm.Config()  # its settings do without size and seed
LOOSE: Any = Arm.Config(stiffness=0.0)


class Told:
    """Draws gravity that the test tells, and counts how often it was drawn; the start is in the middle of its range."""

    def __init__(self, *gravity):
        self.gravity = np.array(gravity, dtype=float)
        self.count = 0

    def uniform(self, low, high, size=None):
        return (low + high) / 2 if size is None else np.full(size, (low + high) / 2)

    def standard_normal(self, size):
        assert size == 2
        self.count += 1
        return self.gravity


def test_ends_are_a_chain_from_the_anchor():
    """Two capsules of length 2 from (1, 1): right to (3, 1), then up to (3, 3)."""
    ends = joints(np.array([0, math.pi / 2]), origin=np.array([1.0, 1.0]), length=2.0)
    np.testing.assert_allclose(ends, [[1, 1], [3, 1], [3, 3]], atol=1e-15)
    assert joints(np.zeros((4, 7, 3)), origin=np.zeros(2), length=1.0).shape == (4, 7, 4, 2)


def test_joints_keep_their_limits():
    """Over a thousand pictures: from the anchor between lying and standing, elsewhere up to the bend; and limits are met."""
    angles = np.concatenate([simulate(ARM, generator_for(0, clip, "motion")) for clip in range(50)])
    assert angles.shape == (50 * ARM.clip, ARM.capsules)
    base, bends = angles[:, 0], np.diff(angles, axis=1)
    assert base.min() >= 0
    assert base.max() <= math.pi / 2
    assert np.abs(bends).max() <= ARM.bend + 1e-12
    assert np.abs(bends).max() > 0.99 * ARM.bend


def test_poses_vary():
    """No two clips begin alike, and the arm is found from near lying to near standing, bent to both sides."""
    angles = np.array([simulate(Arm.Config(clip=2), generator_for(0, clip, "motion"))[0] for clip in range(60)])
    assert np.ptp(angles[:, 0]) > 1.0
    assert angles[:, 0].std() > 0.2
    assert (np.diff(angles, axis=1).std(axis=0) > 0.15).all()


def test_angles_within_the_limits_are_left_alone():
    angles = np.array([0.3, 0.5, 0.2])
    np.testing.assert_allclose(limited(ARM, angles), angles)
    np.testing.assert_allclose(limited(ARM, np.array([-0.1, 0.9, 0.9])), [0.0, 0.6, 0.6])


@pytest.mark.parametrize(
    ("gravity", "rest"), [((0, -1), 0.0), ((0, 1), math.pi / 2), ((-1, 0), math.pi / 2), ((1, 0), 0.0)]
)
def test_an_arm_without_springs_falls_with_gravity(gravity, rest):
    """y is up: gravity (0, -1) lays it down, (0, 1) lifts it, (-1, 0) leans it against the left wall."""
    angles = simulate(Arm.Config(stiffness=0.0, burn_in=1000), Told(*gravity))
    assert abs(angles[-1, 0] - rest) < 0.2
    ends = joints(angles[-1], origin=np.full(2, ARM.anchor), length=ARM.length / ARM.capsules)
    assert ends.min() > 0.2 * ARM.thickness  # floor and wall hold it, the engine lets it in a little


def test_an_arm_without_forces_stays_as_it_was():
    angles = simulate(Arm.Config(stiffness=0.0, gravity=0.0), Told(1, 1))
    np.testing.assert_allclose(angles, math.pi / 4, atol=1e-9)


def test_springs_bring_the_arm_back_to_the_diagonal():
    free = Arm.Config(damping=0.1, burn_in=4000)
    assert np.abs(simulate(free, Told(0, 0))[-1] - math.pi / 4).max() < 0.05
    pulled = simulate(free, Told(math.sqrt(0.5) * 0.5, -math.sqrt(0.5) * 0.5))[-1]  # across the diagonal, half a sigma
    assert 0.1 < math.pi / 4 - pulled[0] < 0.6


def test_gravity_is_drawn_as_often_as_the_paper_says():
    """200 iterations before the clip and 20 pictures of 20 iterations: gravity at 0, 100, ... 500."""
    told = Told(0, 0)
    simulate(ARM, told)
    assert told.count == 6


def test_pictures_are_taken_as_often_as_the_paper_says():
    """Taking every second picture of the same motion, with twice the iterations between."""
    dense = simulate(ARM, generator_for(3, 0, "motion"))
    sparse = simulate(Arm.Config(frame_every=40, clip=10), generator_for(3, 0, "motion"))
    np.testing.assert_array_equal(dense[1::2], sparse)


def test_a_longer_arm_swings_slower():
    def speed(metres):
        clips = [simulate(Arm.Config(metres=metres), generator_for(0, clip, "motion")) for clip in range(10)]
        return np.mean([np.abs(np.diff(clip, axis=0)).mean() for clip in clips])

    assert speed(60.0) < 0.7 * speed(10.0)
