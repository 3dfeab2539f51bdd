"""Claims of ``spread.py``: a value by hand, shards, what it is compared with."""

import pytest
import torch

from armillary_keypoints.spread import Spread


def scored(points, ids):
    found = Spread()
    found.update("score", ids=ids, ports={"keypoints2d": points})
    return found


def test_by_hand():
    """Points at 0, 1 and 3 of a side of 2: nearest distances 1, 1 and 2, two thirds of the side; a heap has 0."""
    line = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    result = scored(torch.stack((line, torch.zeros(3, 2))), ["a", "b"]).result()
    assert result.figures["nearest"].value == pytest.approx(100 / 3)
    assert result.rows["a"]["nearest"] == pytest.approx(200 / 3)
    assert result.rows["b"]["nearest"] == 0.0
    assert result.figures["nearest"].spread == pytest.approx(100 / 3)


def test_merged_shards_equal_the_whole():
    points = torch.rand(6, 5, 2, generator=torch.Generator().manual_seed(0))
    ids = list("abcdef")
    whole, part = scored(points, ids).result(), scored(points[:2], ids[:2])
    part.merge(scored(points[2:], ids[2:]))
    assert part.result().figures == whole.figures
    assert part.result().rows == whole.rows


def test_random_points_are_as_far_apart_as_theory_says():
    """For many points on a unit square the mean nearest distance is near 1 / (2 sqrt K); the border makes it larger."""
    points = torch.rand(1, 100, 2)
    chance = scored(points, ["a"]).result().baselines["random points"]["nearest"].value
    assert 5.0 < chance < 6.0


def test_nothing_scored_is_refused():
    with pytest.raises(ValueError, match="nothing was scored"):
        Spread().result()
