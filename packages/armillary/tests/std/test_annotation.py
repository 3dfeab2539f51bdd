"""Measures on annotated points: lengths worked out by hand, what counts, what is refused."""

import math

import pytest
import torch

from armillary.errors import DataError
from armillary.std.annotation import ErrorTable, chosen_points, compare, evaluation, normaliser_pixels, pair_distance

SQUARE = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.25], [-0.5, 0.25]]], dtype=torch.float64)


@pytest.mark.parametrize(("normaliser", "length"), [("image", 9), ("box", 4), ((0, 1), 4), ((1, 2), 3), ((0, 2), 5)])
def test_the_normaliser_by_hand(normaliser, length):
    """Nine pixels are eight steps: 4 a unit of [-1, 1]. The rectangle is 4 by 3 pixels, its diagonal 5."""
    found = normaliser_pixels(SQUARE, normaliser=normaliser, height=9, width=9)
    assert found.tolist() == [pytest.approx(length)]


def test_the_eyes_of_68_are_between_their_centres():
    """Both eyes regular hexagons about (-1, 0, 1) and (1, 2, 2): sqrt(4 + 4 + 1) = 3 apart, whatever their size."""
    turns = torch.arange(6) * math.pi / 3
    ring = torch.stack((turns.cos(), turns.sin(), torch.zeros(6)), dim=-1)
    face = torch.full((1, 68, 3), 50.0)
    face[0, 36:42] = 0.3 * ring + torch.tensor([-1.0, 0.0, 1.0])
    face[0, 42:48] = 0.1 * ring + torch.tensor([1.0, 2.0, 2.0])
    assert pair_distance(face, normaliser="eyes-of-68").item() == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize(("normaliser", "said"), [("eyes-of-68", "needs all 68"), ((0, 9), "names point 9, but 4 are")])
def test_points_that_are_not_there_are_refused(normaliser, said):
    with pytest.raises(DataError, match=said):
        pair_distance(SQUARE, normaliser=normaliser)


def test_without_a_length_there_is_no_normaliser():
    """Two points in one place, or a position that is not known."""
    same = SQUARE[:, [0, 0, 2]]
    assert normaliser_pixels(same, normaliser=(0, 1), height=9, width=9).isnan().all()
    unknown = SQUARE.clone()
    unknown[0, 1] = torch.nan
    assert normaliser_pixels(unknown, normaliser=(0, 1), height=9, width=9).isnan().all()
    assert normaliser_pixels(unknown, normaliser="box", height=9, width=9).item() == pytest.approx(4.0)


def test_depth_does_not_say_whether_a_point_lies_in_the_picture():
    points = torch.tensor([[[0.0, 0.0, 5.0], [1.5, 0.0, 0.0]]])
    _, counts = chosen_points(points, None, groups="all")
    assert counts.tolist() == [[True, False]]


def test_each_landmark_counts_once_whatever_its_picture():
    """Sum of errors over number visible, not a mean of means: errors 1 (of one landmark) and 3, 3 (of two) give 7 / 3."""
    truth = torch.zeros(2, 2, 2, dtype=torch.float64)
    found = truth.clone()
    found[0, 0, 0], found[1, :, 1] = 1 / 4, 3 / 4
    counts = torch.tensor([[True, False], [True, True]])
    table = ErrorTable()
    compare(
        table,
        ["a", "b"],
        {"method": found, "mean shape": truth},
        truth=truth,
        counts=counts,
        normaliser="image",
        size=(9, 9),
    )
    figure = evaluation("x/1", table, {}, seen=torch.ones(2), size=(9, 9)).figures["error"]
    assert figure.value == pytest.approx(100 * 7 / 3 / 9)
    assert figure.count == 2
