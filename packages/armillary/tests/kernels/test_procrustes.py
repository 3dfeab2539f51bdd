"""Alignment of corresponding points: exact where a similarity relates them, optimal where none does, never a mirror."""

import math

import pytest
import torch

from armillary.kernels.procrustes import aligned, similarity, transformed
from armillary.kernels.rotations import random_rotation

BATCHES = [(), (5,), (2, 3)]


def case(batch, seed=0, points=7):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*batch, points, 3, generator=generator, dtype=torch.float64)
    rotation = random_rotation(*batch, generator=generator, dtype=torch.float64)
    scale = 0.5 + torch.rand(batch, generator=generator, dtype=torch.float64)
    translation = torch.randn(*batch, 3, generator=generator, dtype=torch.float64)
    return x, scale, rotation, translation


@pytest.mark.parametrize("batch", BATCHES)
def test_what_related_them_is_found(batch):
    x, *known = case(batch)
    for found, wanted in zip(similarity(x, transformed(x, *known)), known, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_quarter_turn_by_hand():
    """(1, 0) goes to (0, 2) and (-1, 0) to (0, -2) in the plane: twice as large, turned by 90 degrees."""
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5]])
    y = torch.tensor([[3.0, 2.0], [3.0, -2.0], [2.0, 0.0]])
    scale, rotation, translation = similarity(x, y)
    assert scale.item() == pytest.approx(2.0)
    torch.testing.assert_close(rotation, torch.tensor([[0.0, -1.0], [1.0, 0.0]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(translation, torch.tensor([3.0, 0.0]), atol=1e-6, rtol=0)


def test_no_small_change_is_better():
    x, *_ = case((), seed=1)
    y = torch.randn(7, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    scale, rotation, translation = similarity(x, y)
    best = (transformed(x, scale, rotation, translation) - y).square().sum()
    for axis in range(3):
        for step in (-1e-3, 1e-3):
            turn = torch.eye(3, dtype=torch.float64)
            i, j = (axis + 1) % 3, (axis + 2) % 3
            turn[i, i] = turn[j, j] = math.cos(step)
            turn[i, j], turn[j, i] = -math.sin(step), math.sin(step)
            moved = translation.clone()
            moved[axis] += step
            for other in (
                (scale, turn @ rotation, translation),
                (scale, rotation, moved),
                (scale + step, rotation, translation),
            ):
                assert (transformed(x, *other) - y).square().sum() >= best


def test_a_mirror_is_not_made():
    """The limit of the claim: of mirrored points only a rotation is found, and they do not meet."""
    x, *_ = case((4,), seed=3)
    mirrored = x * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    _, rotation, _ = similarity(x, mirrored)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(4, dtype=torch.float64))
    assert (aligned(x, mirrored) - mirrored).norm(dim=-1).mean() > 0.1


@pytest.mark.parametrize("rubbish", [1e6, torch.nan])
def test_what_is_not_valid_may_hold_anything(rubbish):
    x, *known = case((3,), seed=4)
    y = transformed(x, *known)
    valid = torch.ones(3, 7, dtype=torch.bool)
    valid[:, 2] = False
    spoiled, wrong = x.clone(), y.clone()
    spoiled[:, 2], wrong[:, 2] = rubbish, rubbish
    for found, wanted in zip(similarity(spoiled, wrong, valid=valid), known, strict=True):
        torch.testing.assert_close(found, wanted)


def test_one_point_goes_to_the_middle():
    y = case((), seed=5)[0]
    found = aligned(torch.zeros(7, 3, dtype=torch.float64) + 3.0, y)
    torch.testing.assert_close(found, y.mean(dim=0).expand(7, 3))
    none = similarity(y, y, valid=torch.zeros(7, dtype=torch.bool))
    assert none[0].item() == 0.0
    assert all(value.isfinite().all() for value in none)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="must agree"):
        similarity(torch.zeros(4, 3), torch.zeros(5, 3))
