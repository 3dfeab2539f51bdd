"""Walks through the shape space by hand."""

import pytest
import torch

from armillary_keypoints.shape_space import ShapeSpace
from armillary_keypoints.walks import shape_walks


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
