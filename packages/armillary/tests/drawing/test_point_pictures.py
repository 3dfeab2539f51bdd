"""Pictures of points: where they lie, which edges are drawn, and what is seen from which side."""

import numpy as np
import pytest
import torch

from armillary.drawing import pictures, point_pictures
from armillary.drawing.colours import hues
from armillary.drawing.point_pictures import (
    keypoints_picture,
    points_of_pairs,
    strong_edges,
    structure_picture,
    structure_sheet,
    surface_of,
    surface_picture,
)
from armillary.drawing.sheets import PALE

SQUARE = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
DOME = torch.cat((torch.cat((SQUARE, torch.zeros(1, 2))), torch.tensor([[0.0], [0], [0], [0], [-0.6]])), dim=1)


def near(shown, colour, *, within=30):
    """Where a picture has about this colour: the middle, (row, column)."""
    places = np.argwhere(np.abs(shown.astype(int) - colour).max(axis=-1) < within)
    return places.mean(axis=0)


# --- over the picture -------------------------------------------------------------------------------------------------


def test_found_landmarks_are_green_and_annotated_ones_blue():
    """(-1/2, 0) found, (1/2, 0) annotated, a line between; hidden ones and those that are not numbers are not drawn."""
    found = torch.tensor([[-0.5, 0.0], [0.0, 0.9], [float("nan"), 0.0]])
    truth = torch.tensor([[0.5, 0.0], [0.0, -0.9], [0.0, 0.0]])
    shown = point_pictures.landmarks_over(
        torch.zeros(3, 65, 65), predicted=found, truth=truth, visible=torch.tensor([True, False, True]), size=65
    ).astype(int)
    green, blue = shown[32, 16], shown[32, 48]
    assert green.argmax() == 1
    assert blue.argmax() == 2
    assert shown[32, 32].min() > 200
    assert shown[:24].max() == shown[40:].max() == 0


def test_key_points_lie_where_they_are(head):
    """(-1, -1) is the centre of the upper left pixel; (0, 0) is the middle of the picture."""
    shown = point_pictures.keypoints_picture(torch.tensor([[0.0, 0.0], [-1.0, -1.0]]), size=65).astype(int)
    assert np.ptp(shown[32, 32]) > 50
    assert np.ptp(shown[0, 0]) > 50
    assert np.ptp(shown[50, 50]) < 10
    over = point_pictures.keypoints_picture(torch.zeros(1, 2), image=head.image, size=128)
    assert over.shape == (128, 128, 3)
    assert np.ptp(over.astype(int)[63, 63]) > 50


def test_key_points_at_the_corners_lie_on_the_corner_pixels():
    """Four pixels drawn 32 times as large: (1, 1) is the centre of the last one, 112 pixels from the corner."""
    shown = point_pictures.keypoints_picture(torch.ones(1, 2), image=torch.zeros(3, 4, 4), size=128)
    y, x = np.nonzero(shown.sum(axis=-1))
    assert (y.mean(), x.mean()) == pytest.approx((111.5, 111.5), abs=0.6)


def test_the_edge_that_matters_is_drawn_and_the_weak_one_is_not():
    """Pairs 01 (above), 23 (below): weights 1 and 0.1 of it. The middle of the upper edge is white, the lower is as it was."""
    weights = torch.tensor([1.0, 0, 0, 0, 0, 0.1])
    assert strong_edges(weights) == [(0, 1, 1.0)]
    shown = keypoints_picture(SQUARE, image=torch.zeros(3, 65, 65), edges=strong_edges(weights), size=65)
    assert shown[16, 32].min() > 200
    assert shown[48, 32].max() == 0


def test_a_weaker_edge_lets_more_of_the_picture_through():
    edges = [(0, 1, 0.3), (2, 3, 1.0)]
    shown = keypoints_picture(SQUARE, image=torch.zeros(3, 65, 65), edges=edges, size=65).astype(int)
    assert 30 < shown[16, 32].mean() < shown[48, 32].mean() - 60


def test_strong_edges_come_weakest_first_and_are_few():
    """The weights of 5 points are 1/10 ... 1 in the order of the pairs: a share of 0.75 leaves the last three."""
    weights = torch.arange(1, 11) / 10
    assert [(i, j) for i, j, _ in strong_edges(weights, share=0.75)] == [(2, 3), (2, 4), (3, 4)]
    assert [round(share, 6) for *_, share in strong_edges(3 * weights, share=0.75)] == [0.8, 0.9, 1.0]
    assert [(i, j) for i, j, _ in strong_edges(weights, most=1)] == [(3, 4)]
    assert len(strong_edges(torch.ones(496))) == 3 * 32
    assert strong_edges(torch.zeros(10)) == []


@pytest.mark.parametrize(("pairs", "points"), [(0, None), (1, 2), (2, None), (3, 3), (28, 8), (29, None), (2016, 64)])
def test_pairs_tell_the_number_of_points(pairs, points):
    assert points_of_pairs(pairs) == points
    if points is None:
        with pytest.raises(ValueError, match="not the pairs"):
            strong_edges(torch.ones(pairs))


def test_a_point_that_is_not_finite_takes_its_edges_with_it():
    points = SQUARE.clone()
    points[1] = float("nan")
    shown = keypoints_picture(points, image=torch.zeros(3, 65, 65), edges=[(0, 1, 1.0), (2, 3, 1.0)], size=65)
    assert shown[16, 32].max() == 0
    assert shown[48, 32].min() > 200


# --- in space ---------------------------------------------------------------------------------------------------------


def test_three_sides_show_the_near_point_where_it_is():
    """A pyramid whose tip, the last point, is near: in the middle, on the left from the right, below from above."""
    size = 128
    shown = structure_picture(DOME, edges=[], size=size)
    assert shown.shape == (size, 3 * size + 2 * 2, 3)
    views = [shown[:, k * (size + 2) : k * (size + 2) + size] for k in range(3)]
    front, right, above = (near(view, hues(5)[4]) / size - 0.5 for view in views)
    assert np.abs(front).max() < 0.02
    assert right[1] < -0.1
    assert abs(right[0]) < 0.02
    assert above[0] > 0.1
    assert abs(above[1]) < 0.02


def test_what_is_on_the_right_is_on_the_right_from_above_and_near_from_the_right():
    """Two points one behind the other seen from the right: the right one hides the left one."""
    points = torch.tensor([[-1.0, 0, 0], [1, 0, 0]])
    shown = structure_picture(points, edges=[], size=128)
    left, right = hues(2)
    assert near(shown[:, :128], left)[1] < 40 < 90 < near(shown[:, :128], right)[1]
    assert near(shown[:, 260:388], left)[1] < 40 < 90 < near(shown[:, 260:388], right)[1]
    assert np.abs(shown[64, 130 + 64].astype(int) - right).max() < 20


def test_the_surface_is_the_pyramids_four_sides():
    assert sorted(map(sorted, surface_of(DOME).tolist())) == [[0, 1, 4], [0, 2, 4], [1, 3, 4], [2, 3, 4]]
    shown = surface_picture(DOME, size=128).astype(int)
    top, left, right, bottom = shown[45, 64], shown[64, 45], shown[64, 82], shown[82, 64]
    for one, other in ((top, bottom), (left, right)):  # light from the upper left
        assert one.min() > other.max() + 20


def test_the_surface_does_not_depend_on_the_pose_where_the_objects_own_is_given():
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    sheet = structure_sheet(DOME @ turn.T, canonical=DOME, size=96)
    lower = surface_picture(DOME @ turn.T, faces=surface_of(DOME), size=96)
    np.testing.assert_array_equal(sheet[-96:], lower)
    assert sheet.shape == (2 * 96 + 2, 3 * 96 + 4, 3)


def test_points_that_are_not_finite_are_left_out():
    points = torch.cat((DOME, torch.tensor([[float("nan"), 0, 0], [0, float("inf"), 0]])))
    assert surface_of(points).max() == 4
    one, other = (
        structure_picture(p, edges=[(0, 1, 1.0), (0, 5, 1.0)][:n], size=64) for p, n in ((points, 2), (points, 1))
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "points", [torch.zeros(0, 3), torch.zeros(1, 3), torch.zeros(5, 3), torch.full((5, 3), float("nan"))]
)
def test_points_without_extent_do_not_break_a_picture(points):
    assert structure_sheet(points, size=64).shape == (130, 196, 3)


# --- of any method ----------------------------------------------------------------------------------------------------

KINDS = {"keypoints2d": "keypoints2d", "keypoints3d": "keypoints3d", "canonical_keypoints3d": "keypoints3d"}


def outputs():
    edges = torch.zeros(10)
    edges[0] = 1
    return {"keypoints2d": DOME[:, :2], "edge_weights": edges, "keypoints3d": DOME, "canonical_keypoints3d": DOME}


def test_a_prediction_has_points_over_the_picture_and_the_structure():
    image = torch.rand(3, 16, 16)
    shown = pictures.prediction_pictures(outputs(), KINDS | {"edge_weights": "feature_vector"}, image=image)
    assert list(shown) == ["image", *KINDS]
    over = keypoints_picture(DOME[:, :2], image=image, edges=[(0, 1, 1.0)], size=256)
    np.testing.assert_array_equal(shown["keypoints2d"], over)
    np.testing.assert_array_equal(shown["keypoints3d"], structure_sheet(DOME, edges=[(0, 1, 1.0)]))


def test_weights_of_other_points_are_no_edges_of_these():
    found = outputs() | {"edge_weights": torch.ones(6)}
    shown = pictures.prediction_pictures(found, KINDS)
    np.testing.assert_array_equal(shown["keypoints2d"], keypoints_picture(DOME[:, :2], size=256))


def test_a_preview_has_the_edges_and_the_sides():
    given = {name: torch.stack([value] * 2) for name, value in outputs().items()}
    kinds = KINDS | {"image": "image", "true_points": "landmarks2d"}
    batch = {"image": torch.zeros(2, 3, 32, 32), "true_points": given["keypoints2d"][:1].repeat(2, 1, 1)}
    shown = pictures.preview(given, batch, kinds, cell=128)
    without = pictures.preview({k: v for k, v in given.items() if k != "edge_weights"}, batch, kinds, cell=128)
    assert shown.shape == without.shape
    assert (shown != without).any()
    assert PALE in {tuple(pixel) for pixel in shown.reshape(-1, 3).tolist()}
