"""A triangle by hand, every face at every sample as the reference, and no gap between neighbours."""

import numpy as np
import pytest

from armillary.kernels import raster
from armillary.kernels.raster import barycentric, visible_faces

UPRIGHT = np.array([(0, 1, 2)])


def every_face_at_every_sample(screen, nearness, faces, *, height, width, sides="both"):
    """Reference: the nearest of all faces whose three weights are not negative; the first of equals."""
    row, column = np.divmod(np.arange(height * width), width)
    best, shown = np.full(height * width, -np.inf), np.full(height * width, -1)
    for index, (a, b, c) in enumerate(screen[faces]):
        (dx1, dy1), (dx2, dy2) = b - a, c - a
        area = dx1 * dy2 - dx2 * dy1
        if area == 0 or (sides == "front" and area > 0):
            continue
        px, py = column - a[0], row - a[1]
        second, third = (px * dy2 - py * dx2) / area, (py * dx1 - px * dy1) / area
        first = 1 - second - third
        near = np.stack([first, second, third]).T @ nearness[faces[index]]
        inside = (np.minimum(np.minimum(first, second), third) >= 0) & (near > best)
        best[inside], shown[inside] = near[inside], index
    return shown.reshape(height, width)


def soup(seed, *, vertices=60, faces=80, reach=20.0):
    generator = np.random.default_rng(seed)
    screen = generator.uniform(-3, reach, (vertices, 2))
    return screen, generator.uniform(0.5, 2, vertices), generator.integers(0, vertices, (faces, 3))


def test_a_triangle_by_hand():
    """Corners (0, 0), (3, 0), (0, 3): ten samples with x + y <= 3."""
    screen = np.array([(0.0, 0), (3, 0), (0, 3)])
    shown = visible_faces(screen, np.ones(3), UPRIGHT, height=4, width=5)
    assert (shown + 1).tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]


@pytest.mark.parametrize("sides", ["both", "front"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_every_face_at_every_sample(seed, sides):
    screen, nearness, faces = soup(seed)
    settings = {"height": 17, "width": 13, "sides": sides}
    expected = every_face_at_every_sample(screen, nearness, faces, **settings)
    np.testing.assert_array_equal(visible_faces(screen, nearness, faces, **settings), expected)


def test_blocks_change_nothing(monkeypatch):
    """Nor which of equally near faces is the first, when the others come in a later block."""
    screen, nearness, faces = soup(7)
    faces = np.concatenate([faces, faces])
    whole = visible_faces(screen, nearness, faces, height=17, width=13)
    monkeypatch.setattr(raster, "_BLOCK", 40)
    np.testing.assert_array_equal(visible_faces(screen, nearness, faces, height=17, width=13), whole)


def test_the_nearer_face_is_seen_and_the_first_of_equals():
    screen = np.array([(0.0, 0), (4, 0), (0, 4)] * 3)
    faces = np.arange(9).reshape(3, 3)
    assert visible_faces(screen, np.repeat([1.0, 2, 2], 3), faces, height=2, width=2).tolist() == [[1, 1], [1, 1]]


def test_counter_clockwise_as_seen_is_the_front():
    """On the screen, y down, (0, 0), (0, 3), (3, 0) runs counter-clockwise for who looks at it."""
    screen = np.array([(0.0, 0), (0, 3), (3, 0)])
    front = visible_faces(screen, np.ones(3), UPRIGHT, height=1, width=1, sides="front")
    back = visible_faces(screen, np.ones(3), UPRIGHT[:, ::-1], height=1, width=1, sides="front")
    assert (front.item(), back.item()) == (0, -1)


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_leave_no_gap(seed):
    """A fan around a point, its edges running through samples or near them, covers its square."""
    middle = np.array([(5.0, 5), (5 + 1e-13, 5), (4.75, 5.5), (5, 5 - 1e-9)])[seed]
    square = np.array([(0.0, 0), (5, 0), (10, 0), (10, 5), (10, 10), (5, 10), (0, 10), (0, 5)])
    faces = np.array([(8, k, (k + 1) % 8) for k in range(8)])
    shown = visible_faces(np.vstack([square, middle]), np.ones(9), faces, height=11, width=11)
    assert (shown >= 0).all()


def test_slivers_and_points_cover_nothing():
    screen = np.array([(0.0, 0), (3, 3), (1, 1), (2, 2)])
    shown = visible_faces(screen, np.ones(4), np.array([(0, 1, 2), (3, 3, 3), (0, 0, 1)]), height=4, width=4)
    assert (shown == -1).all()


def test_outside_the_picture_is_clipped():
    screen = np.array([(-100.0, -100), (300, -100), (-100, 300)])
    assert (visible_faces(screen, np.ones(3), UPRIGHT, height=3, width=4) == 0).all()
    assert (visible_faces(screen + 500, np.ones(3), UPRIGHT, height=3, width=4) == -1).all()


def test_nothing_to_draw():
    assert (visible_faces(np.zeros((0, 2)), np.zeros(0), np.zeros((0, 3), dtype=int), height=2, width=2) == -1).all()


def test_weights_give_the_sample_back():
    screen, nearness, faces = soup(3)
    shown = visible_faces(screen, nearness, faces, height=17, width=13)
    row, column = np.nonzero(shown >= 0)
    face = shown[row, column]
    weights = barycentric(screen, faces, face=face, row=row, column=column)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-12)
    at = np.einsum("ks,skc->sc", weights, screen[faces[face]])
    np.testing.assert_allclose(at, np.stack([column, row], axis=1), atol=1e-9)
