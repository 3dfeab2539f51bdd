"""Walks through the shape space: by hand, and drawn in one scale."""

import numpy as np
import pytest
import torch

from armillary.drawing.point_pictures import structure_picture
from armillary_keypoints.shape_space import ShapeSpace
from armillary_keypoints.walks import edges_between, shape_walks, walk_picture

SQUARE = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])


@pytest.fixture
def shape():
    space = ShapeSpace(points=4, basis=2, hidden=3, layers=1, mean_spread=1.0, basis_spread=1.0, momentum=0.1)
    return space.double()


def test_a_step_is_a_standard_deviation_from_the_mean_of_what_was_found(shape):
    """Coefficients (1, 3) and (3, 3): mean (2, 3), deviation (1, 0). The second direction leads nowhere."""
    coefficients = torch.tensor([[1.0, 3.0], [3.0, 3.0]], dtype=torch.float64)
    walks = shape_walks(shape, coefficients, steps=(-2, 0, 1))
    middle = shape.mean + 2 * shape.basis[0] + 3 * shape.basis[1]
    torch.testing.assert_close(walks[0, 1], middle.detach())
    torch.testing.assert_close(walks[0, 0], (middle - 2 * shape.basis[0]).detach())
    torch.testing.assert_close(walks[0, 2], (middle + shape.basis[0]).detach())
    torch.testing.assert_close(walks[1], middle.detach().expand(3, 4, 3))


def test_depth_is_turned_as_in_what_the_shape_space_returns(shape):
    """With an average whose rim is near, every shape is mirrored in depth, also those of a walk."""
    points = torch.tensor([[-1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    with torch.no_grad():
        shape.average.copy_(points)
    shape.eval()
    found = shape(keypoints2d=torch.rand(3, 4, 2, dtype=torch.float64))
    walks = shape_walks(shape, found["shape_coefficients"], steps=(0,))
    torch.testing.assert_close(walks[0, 0], found["canonical_keypoints3d"][0])
    torch.testing.assert_close(walks[0, 0, :, 2], -shape.mean[:, 2].detach())


def test_shapes_are_drawn_in_one_scale():
    """The square of twice the size fills the view; that of half the size is drawn as with twice its own reach."""
    shapes = torch.stack([scale * SQUARE for scale in (0.5, 1.0, 1.0, 1.0, 2.0)])[None]
    edges = [(0, 1, 1.0), (1, 2, 1.0)]
    sheet = walk_picture(shapes, edges=edges, cell=100)
    first = structure_picture(0.5 * SQUARE, edges=edges, reach=2.0, sides=("front", "from the right"), size=100)
    assert (sheet[:, : sheet.shape[1] // 2] == 255).any()
    found = [
        np.array_equal(sheet[-104:-4, x : x + first.shape[1]], first) for x in range(sheet.shape[1] - first.shape[1])
    ]
    assert sum(found) == 1


def test_a_sheet_has_a_row_for_each_direction():
    one, three = (walk_picture(SQUARE.expand(n, 5, 4, 3), cell=40) for n in (1, 3))
    assert three.shape == (one.shape[0] + 2 * 44, *one.shape[1:])


def test_shapes_that_are_not_finite_do_not_break_it():
    assert walk_picture(torch.full((2, 5, 4, 3), float("nan")), cell=40).dtype == np.uint8


def test_edges_are_those_of_the_same_points():
    """Six weights are those of the pairs of four points; for five points they say nothing."""
    assert edges_between(SQUARE[None, None], torch.ones(3, 6)) is not None
    assert edges_between(torch.zeros(1, 1, 5, 3), torch.ones(3, 6)) is None
    assert edges_between(SQUARE[None, None], None) is None
