"""The rasteriser, against scenes that can be worked out by hand."""

import numpy as np
import pytest

from armillary_synthetic.raster import interpolate, project, rasterise, unit, vertex_normals

CAMERA = np.array([[8.0, 0, 3.5], [0, 8.0, 3.5], [0, 0, 1]])  # 8 x 8 samples, 1 scene unit is 8 samples at z = 1
SQUARE = np.array([[0, 2, 1], [0, 3, 2]])  # of corners in clockwise order on the screen


def square(z=(1.0, 1.0, 1.0, 1.0), *, low=-0.3, high=0.3):
    """Corners top left, top right, bottom right, bottom left, whose screen positions do not depend on z."""
    xy = np.array([[low, low], [high, low], [high, high], [low, high]])
    z = np.asarray(z, dtype=np.float64)
    return np.concatenate([xy * z[:, None], z[:, None]], axis=1)


def draw(points, triangles, **options):
    return rasterise(points, triangles, CAMERA, height=8, width=8, **options)


def picture(fragments, values, empty=np.nan):
    result = np.full(64, empty)
    result[fragments.sample] = values
    return result.reshape(8, 8)


def test_a_square_covers_the_samples_inside_it():
    """Edges at 3.5 -+ 0.3 * 8 = 1.1 and 5.9: samples 2 to 5 along each axis."""
    seen = draw(square(), SQUARE)
    expected = np.zeros((8, 8), dtype=bool)
    expected[2:6, 2:6] = True
    assert (np.isfinite(picture(seen, seen.depth)) == expected).all()
    np.testing.assert_allclose(seen.depth, 1)


def test_a_sample_on_a_shared_edge_or_on_the_outline_is_covered_once():
    """Edges at 3.5 -+ 0.3125 * 8 = 1 and 6, the diagonal through (1, 1), ..., (6, 6)."""
    seen = draw(square(low=-0.3125, high=0.3125), SQUARE)
    assert len(seen.sample) == len(set(seen.sample.tolist())) == 36


def test_depth_of_a_tilted_plane_is_exact():
    """The plane z = 1 + x / 2 + y / 4 is hit by the ray (u, v, 1) at z = 1 / (1 - u / 2 - v / 4)."""
    ray = np.array([[-0.3, -0.3], [0.3, -0.3], [0.3, 0.3], [-0.3, 0.3]])
    z = 1 / (1 - ray[:, 0] / 2 - ray[:, 1] / 4)
    seen = draw(square(z), SQUARE)
    u, v = (seen.sample % 8 - 3.5) / 8, (seen.sample // 8 - 3.5) / 8
    np.testing.assert_allclose(seen.depth, 1 / (1 - u / 2 - v / 4), rtol=1e-12)


def test_attributes_are_linear_on_the_surface_not_on_the_screen():
    z = (1.0, 2.0, 2.0, 1.0)
    points = square(z)
    seen = draw(points, SQUARE)
    found = interpolate(seen, SQUARE, points)
    u, v = (seen.sample % 8 - 3.5) / 8, (seen.sample // 8 - 3.5) / 8
    np.testing.assert_allclose(found, np.stack([u, v, np.ones_like(u)]) * seen.depth, rtol=1e-12)
    np.testing.assert_allclose(seen.weights.sum(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 3, 0, 1), (3, 1, 2, 0)])
def test_the_nearer_triangle_wins_in_any_order(order):
    points = np.concatenate([square((2.0,) * 4), square((1.0,) * 4, low=-0.1, high=0.3)])
    triangles = np.concatenate([SQUARE, SQUARE + 4])[list(order)]
    depth = picture(draw(points, triangles), draw(points, triangles).depth)
    assert depth[2, 2] == 2
    assert depth[4, 4] == 1


def test_a_tie_goes_to_the_lower_index():
    triangles = np.concatenate([SQUARE, SQUARE])
    assert draw(square(), triangles).triangle.max() <= 1


def test_the_back_of_a_triangle_is_not_seen():
    assert len(draw(square(), SQUARE[:, ::-1]).sample) == 0


def test_what_lies_behind_far_is_not_seen():
    z = (1.0, 3.0, 3.0, 1.0)
    full, cut = draw(square(z), SQUARE), draw(square(z), SQUARE, far=1.5)
    assert 0 < len(cut.sample) < len(full.sample)
    assert set(cut.sample) == set(full.sample[full.depth < 1.5])


def test_what_lies_outside_the_picture_leaves_no_trace():
    assert len(draw(square() + np.array([5.0, 0, 0]), SQUARE).sample) == 0
    assert len(draw(square(low=-9.0, high=9.0), SQUARE).sample) == 64


def test_positions_on_the_screen():
    """Focal length 8, centre 3.5: (0.25, -0.5, 2) lands on 3.5 + 1, 3.5 - 2."""
    np.testing.assert_allclose(project(np.array([0.25, -0.5, 2.0]), CAMERA), [4.5, 1.5])


def test_normals_of_a_sphere_point_outward():
    polar, around = np.linspace(0.3, 2.8, 40), np.linspace(0, 2 * np.pi, 80, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    points = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], -1).reshape(-1, 3)
    row, column = np.meshgrid(np.arange(39), np.arange(80), indexing="ij")
    first, right = (row * 80 + column).ravel(), (row * 80 + (column + 1) % 80).ravel()
    triangles = np.concatenate([np.stack([first, first + 80, right], 1), np.stack([right, first + 80, right + 80], 1)])
    inner = slice(80, -80)
    normals = vertex_normals(points, triangles)
    assert (normals * points).sum(axis=1)[inner].min() > np.cos(0.05)


def test_a_vertex_without_triangle_has_no_normal():
    points = np.concatenate([square(), [[9.0, 9.0, 9.0]]])
    np.testing.assert_array_equal(vertex_normals(points, SQUARE)[4], 0)
    np.testing.assert_array_equal(unit(np.zeros((1, 3))), 0)
