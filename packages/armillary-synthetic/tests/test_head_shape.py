"""The surface of a head."""

import numpy as np
import pytest

from armillary_synthetic.anatomy import COLUMNS, TRAITS
from armillary_synthetic.head_shape import (
    Lopsided,
    draw_traits,
    form_of,
    locate,
    make_grid,
    make_triangles,
    mouth_line,
    normals_of,
    points_of,
    read_grid,
    window,
)

GRID = make_grid(1)
MEAN = {name: mean for name, (mean, _) in TRAITS.items()}


def head(**lopsided):
    form = form_of(MEAN, Lopsided(**lopsided), GRID)
    return form, points_of(form, np.zeros(form.x.shape))


def test_a_finer_grid_passes_through_the_coarse_one():
    fine, coarse = make_grid(2), GRID
    np.testing.assert_allclose(fine.angle[::2], coarse.angle, atol=1e-15)
    np.testing.assert_allclose(fine.sections[::2], coarse.sections, atol=1e-15)


def test_the_triangles_tile_the_grid_and_are_mirrored():
    rows, columns = 4, 5
    triangles = make_triangles(rows, columns)
    assert len(triangles) == 2 * (rows - 1) * (columns - 1)
    row, column = np.divmod(triangles, columns)
    area = (column[:, 1] - column[:, 0]) * (row[:, 2] - row[:, 0]) - (column[:, 2] - column[:, 0]) * (
        row[:, 1] - row[:, 0]
    )
    assert (area == -1).all()  # y down: counter-clockwise on the screen
    there = {frozenset(t) for t in triangles.tolist()}
    assert there == {frozenset(t) for t in (row * columns + columns - 1 - column).tolist()}


@pytest.mark.parametrize("half", ["left", "right"])
def test_points_between_vertices_lie_on_a_triangle(half):
    """At a third of a cell, on either side of its diagonal, exactly as the triangle of the mesh says."""
    generator = np.random.default_rng(0)
    points = generator.standard_normal((5, 7, 3))
    flat, triangles = points.reshape(-1, 3), make_triangles(5, 7)
    corner = np.divmod(triangles, 7)
    wanted = (corner[1].mean(axis=1) > 3) == (half == "right")
    chosen = triangles[wanted]
    weights = np.array([0.2, 0.3, 0.5])
    row, column = (index[wanted] @ weights for index in corner)
    np.testing.assert_allclose(
        read_grid(points, row, column), np.einsum("k,tkc->tc", weights, flat[chosen]), atol=1e-12
    )


def test_points_of_the_face_are_found_again():
    form, points = head()
    x, y = np.array([0.0, 2.5, -3.0, 4.0]), np.array([0.0, 3.0, -1.0, -4.0])
    found = read_grid(points, *locate(form, x, y))
    np.testing.assert_allclose(found[:, 0], x, atol=0.02)
    np.testing.assert_allclose(found[:, 1], y, atol=0.02)


def test_normals_point_out_of_the_head():
    _, points = head()
    normals = normals_of(points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-12)
    middle = COLUMNS // 2
    assert normals[20:50, middle, 2].mean() < -0.7
    assert normals[30, -12, 0] > 0.7
    assert normals[30, 11, 0] < -0.7


def test_a_window_is_the_part_between_two_heights():
    form, _ = head()
    part, where = window(form, -3.0, 2.0)
    np.testing.assert_array_equal(part.x, form.x[where[1:]])
    assert -3.0 <= part.y.min() < -2.0
    assert 1.0 < part.y.max() < 2.0
    assert part.x.min() < -5
    assert part.x.max() > 5


def test_the_crown_is_closed():
    form, points = head()
    assert np.ptp(points[0], axis=0).max() < 1e-9
    assert form.height[0] == points[0, 0, 1]


def test_a_smile_lifts_the_corners_and_a_tilt_one_of_them():
    form = form_of({**MEAN, "smile": 0.3}, Lopsided(), GRID)
    middle, left, right = mouth_line(form, np.array([0.0, 2.0, -2.0]))
    assert left == right < middle
    form = form_of({**MEAN, "smile": 0.0}, Lopsided(mouth_tilt=0.5), GRID)
    middle, left, right = mouth_line(form, np.array([0.0, 2.0, -2.0]))
    assert left < middle < right


def test_traits_are_drawn_about_their_means_and_clipped():
    draws = [draw_traits(np.random.default_rng(k), variation=1.0) for k in range(300)]
    for name, (mean, spread) in TRAITS.items():
        values = np.array([d[name] for d in draws])
        assert abs(values.mean() - mean) < 0.3 * spread
        assert np.abs(values - mean).max() <= 2 * spread + 1e-12
    assert draw_traits(np.random.default_rng(0), variation=0.0) == MEAN
