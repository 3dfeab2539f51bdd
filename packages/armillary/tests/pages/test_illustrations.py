"""Walks through a space of shapes: drawn for a method that has one, in one scale, and not from a single picture."""

import numpy as np
import pytest
import torch

from armillary.drawing.point_pictures import structure_picture
from armillary.inference.predict import Geometry
from armillary.inference.prediction_files import write_predictions
from armillary.interfaces import Method
from armillary.pages.walks import STEPS, Walks, walk_picture, walks_through

KINDS = {"coefficients": "feature_vector", "edge_weights": "feature_vector", "shape": "keypoints3d", "image": "image"}
SQUARE = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])


class Plain(Method):
    @classmethod
    def build(cls, config, *, parts):
        return cls()

    def forward(self, **ports):
        return {}


class Stretching(Plain):
    """One direction: the square grows by its standard deviation."""

    def walks(self, found, *, steps):
        self.found = found
        spread = found["coefficients"].std(dim=0, unbiased=False)
        return {"shape": torch.stack([(1 + step * spread) * SQUARE for step in steps])[None]}


def found(coefficient, id="a"):
    outputs = {
        "coefficients": torch.tensor([coefficient]),
        "edge_weights": torch.ones(6),
        "image": torch.zeros(3, 9, 9),
    }
    return Geometry(id=id, image=torch.zeros(3, 9, 9), outputs=outputs, kinds=KINDS)


def test_a_method_has_walks_where_it_says_so():
    assert walks_through(Stretching())
    assert not walks_through(Plain())
    assert not walks_through(None)
    assert Plain().walks({}, steps=STEPS) == {}


def test_points_and_vectors_are_stacked_and_pictures_are_not_kept():
    method = Stretching()
    walks = Walks(method, KINDS)
    for value in (0.1, 0.2, 0.3):
        walks.add(found(value).outputs)
    assert list(walks.pictures()) == ["shape"]
    assert set(method.found) == {"coefficients", "edge_weights"}
    torch.testing.assert_close(method.found["coefficients"], torch.tensor([[0.1], [0.2], [0.3]]))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_tell_no_spread(count):
    walks = Walks(Stretching(), KINDS)
    for _ in range(count):
        walks.add(found(0.1).outputs)
    assert walks.pictures() == {}


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


def test_a_prediction_of_several_pictures_draws_them(tmp_path):
    list(write_predictions([found(0.1, "a"), found(0.3, "b")], tmp_path, method=Stretching()))
    assert (tmp_path / "shape-walks.png").is_file()
    list(write_predictions([found(0.1, "a"), found(0.3, "b")], tmp_path / "plain", method=Plain()))
    assert not list((tmp_path / "plain").glob("*-walks.png"))
