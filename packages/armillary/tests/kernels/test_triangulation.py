"""Triangulations by hand, against scipy, and their laws where points are delicate."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial import Delaunay as Peer

from armillary.kernels.triangulation import delaunay, edges_of


def draw(count, *, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2))


def areas(points, faces):
    (ax, ay), (bx, by), (cx, cy) = (points[faces[:, k]].T for k in range(3))
    return ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) / 2


def circles_are_empty(points, faces):
    """No point lies in a circumcircle, by more than the lattice rounds."""
    for face in faces:
        a, b, c = points[face]
        middle = np.linalg.solve(2 * np.stack((b - a, c - a)), np.array([b @ b - a @ a, c @ c - a @ a]))
        radius = np.linalg.norm(a - middle)
        if (np.linalg.norm(points - middle, axis=1) < radius - 1e-5 * max(1, radius)).any():
            return False
    return True


def test_a_kite_by_hand():
    """Points 0 left, 1 right, 2 above, 3 below, farther apart across than along: 2-3 is the shorter diagonal."""
    points = np.array([[-2.0, 0], [2, 0], [0, -1], [0, 1]])
    assert delaunay(points).tolist() == [[0, 2, 3], [1, 3, 2]]
    assert edges_of(delaunay(points)).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]


@pytest.mark.parametrize("count", [3, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_a_peer(count, seed):
    points = draw(count, seed=seed)
    expected = sorted(map(sorted, Peer(points).simplices.tolist()))
    assert sorted(map(sorted, delaunay(points).tolist())) == expected


@pytest.mark.parametrize(
    "points",
    [
        np.stack(np.meshgrid(np.arange(5.0), np.arange(4.0)), axis=-1).reshape(
            -1, 2
        ),  # many on one circle, many on one line
        np.stack((np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)), axis=-1),
        np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [1, 1]]),
        np.array([[0.0, 0], [0, 1], [0, 2], [0, 3], [-1, 1], [1, 1]]),
        np.array([[0.0, 0], [1, 1e-6], [2, 0], [1, -1e-6], [1, 1]]),
        1e-9 * draw(20) + 1e3 * 2.0**-30,
        1e9 * draw(20),
    ],
)
def test_delicate_points_fill_their_hull(points):
    faces = delaunay(points)
    assert sorted(set(faces.flatten().tolist())) == list(range(len(points)))
    assert (areas(points, faces) > 0).all()
    hull = (
        ConvexHull(points / np.abs(points).max()).volume * np.abs(points).max() ** 2
    )  # in a plane the volume is the area
    assert areas(points, faces).sum() == pytest.approx(hull)
    assert circles_are_empty(points / np.abs(points).max(), faces)


def test_mirrored_points_have_the_same_edges():
    points = draw(20)
    mirrored = edges_of(delaunay(points * np.array([-1.0, 1.0])))
    np.testing.assert_array_equal(mirrored, edges_of(delaunay(points)))


def test_of_points_that_coincide_the_first_is_used():
    points = draw(6)
    twice = np.concatenate((points, points[2:4]))
    np.testing.assert_array_equal(delaunay(twice), delaunay(points))


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.zeros((5, 2)), draw(2), np.arange(8.0)[:, None] * [[1, 2]]])
def test_points_on_a_line_have_no_triangle(points):
    assert delaunay(points).shape == (0, 3)
    assert edges_of(delaunay(points)).shape == (0, 2)


@pytest.mark.parametrize("points", [np.zeros(4), np.zeros((4, 3)), np.full((4, 2), np.nan)])
def test_what_is_no_points_is_refused(points):
    with pytest.raises(ValueError, match="finite points"):
        delaunay(points)
