"""Frames by hand, tones by hand, what the camera sees, and laws of turning."""

import math

import attrs
import numpy as np
import pytest
import trimesh

from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, Studio, rotation_of_view, take_picture
from armillary.kernels.triangle_mesh import TriangleMesh

DARK = {"ambient": 0.0, "headlight": 0.0, "lamp": 0.0}


def sphere(subdivisions=4):
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    return TriangleMesh(ball.vertices, ball.faces)


def block(*, low, high):
    corners = trimesh.creation.box(bounds=[low, high])
    return TriangleMesh(corners.vertices, corners.faces)


def centre_of(cover):
    """Return mean (row, column) of what is covered, from the middle of the picture."""
    rows, columns = np.indices(cover.shape) - (len(cover) - 1) / 2
    return (rows * cover).sum() / cover.sum(), (columns * cover).sum() / cover.sum()


@pytest.mark.parametrize("fov", [0.0, 0.5])
def test_x_is_to_the_right_z_is_up_and_minus_y_is_near(fov):
    studio = Studio(size=65, fov=fov)
    right = take_picture(block(low=(0.4, -0.1, -0.1), high=(0.6, 0.1, 0.1)), studio).cover
    above = take_picture(block(low=(-0.1, -0.1, 0.4), high=(0.1, 0.1, 0.6)), studio).cover
    assert centre_of(right) == pytest.approx((0, 16), abs=1.0)
    assert centre_of(above) == pytest.approx((-16, 0), abs=1.0)
    near = take_picture(block(low=(-0.1, -0.6, -0.1), high=(0.1, -0.4, 0.1)), studio).cover.sum()
    far = take_picture(block(low=(-0.1, 0.4, -0.1), high=(0.1, 0.6, 0.1)), studio).cover.sum()
    assert near == pytest.approx(far) if fov == 0 else near > 1.2 * far


def test_the_camera_frame_is_a_rotation():
    assert np.linalg.det(CAMERA_FROM_WORLD) == pytest.approx(1)
    assert (CAMERA_FROM_WORLD @ (0, 1, 0)).tolist() == [0, 0, 1]


@pytest.mark.parametrize("fov", [0.0, 0.2, 0.9])
def test_the_unit_sphere_touches_the_centres_of_border_pixels(fov):
    """Its disk has the diameter size - 1 in pixels."""
    cover = take_picture(sphere(), Studio(size=101, fov=fov, samples=3)).cover
    assert cover.sum() == pytest.approx(math.pi * 50**2, rel=0.01)
    assert cover[50, 0] > 0.2
    assert cover[50, 1] == 1


def test_tones_by_hand():
    """A wall across the view, its normal towards the eye: ambient + headlight + lamp cos 60 = 0.1 + 0.3 + 0.2."""
    wall = block(low=(-0.5, -0.01, -0.5), high=(0.5, 0.01, 0.5))
    lamp = (math.sin(math.pi / 3), 0.0, -0.5)
    studio = Studio(size=9, fov=0.0, ambient=0.1, headlight=0.3, lamp=0.4, lamp_direction=lamp, background=0.25)
    picture = take_picture(wall, studio)
    assert picture.grey[4, 4] == pytest.approx(0.6, abs=1e-6)
    assert picture.grey[0, 0] == 0.25
    assert (picture.cover[4, 4], picture.cover[0, 0]) == (1, 0)


def test_the_lamp_stands_upper_left():
    grey = take_picture(sphere(), Studio(size=65, ambient=0, headlight=0, lamp=1.0)).grey
    assert grey[:32, :32].mean() > 2 * grey[33:, 33:].mean()
    assert grey[:32, :32].mean() > grey[:32, 33:].mean() > grey[33:, 33:].mean()


def test_tones_do_not_exceed_white():
    grey = take_picture(sphere(2), Studio(size=33, ambient=1.0, headlight=1.0, lamp=1.0)).grey
    assert grey.max() == 1


@pytest.mark.parametrize("shading", ["flat", "smooth"])
def test_both_sides_are_lit(shading):
    """A mesh that is wound inwards looks the same."""
    ball, studio = sphere(3), Studio(size=33, shading=shading)
    turned = TriangleMesh(ball.vertices, ball.faces[:, ::-1])
    np.testing.assert_allclose(take_picture(turned, studio).grey, take_picture(ball, studio).grey, atol=1e-6)


@pytest.mark.parametrize("shading", ["flat", "smooth"])
def test_a_closed_mesh_needs_its_front_sides_only(shading):
    mesh, studio = sphere(3), Studio(size=40, shading=shading)
    matrix = rotation_of_view(0.4, 0.3) @ np.diag([1.0, 0.5, 0.7])
    both, front = (take_picture(mesh, studio, matrix=matrix, closed=closed).grey for closed in (False, True))
    np.testing.assert_allclose(front, both, atol=1e-6)


def test_a_closed_mesh_that_is_wound_inwards_is_not_what_was_promised():
    """States the limit of ``closed``: then the insides are seen."""
    ball = sphere(3)
    inwards = TriangleMesh(ball.vertices, ball.faces[:, ::-1])
    studio = Studio(size=40, headlight=0.0)
    assert np.abs(take_picture(inwards, studio, closed=True).grey - take_picture(ball, studio).grey).max() > 0.1


def test_smooth_shading_of_a_sphere_is_that_of_its_normals():
    """Seen from infinitely far with the headlight alone, grey is the z of the normal: sqrt(1 - x^2 - y^2)."""
    studio = Studio(size=65, fov=0.0, shading="smooth", samples=1, **{**DARK, "headlight": 1.0})
    grey = take_picture(sphere(5), studio).grey
    y, x = (np.indices(grey.shape) - 32) / 32
    inside = x**2 + y**2 < 0.9
    np.testing.assert_allclose(grey[inside], np.sqrt(1 - (x**2 + y**2)[inside]), atol=5e-3)


def test_smooth_shading_knows_perspective():
    """On a slanted plane under the headlight alone grey is n . v, with v along the ray through the pixel, in a wide view."""
    studio = Studio(size=33, fov=1.2, shading="smooth", samples=1, **{**DARK, "headlight": 1.0})
    corners = np.array([(-1.0, -0.7, -1), (1, -0.7, -1), (1, 0.7, 1), (-1, 0.7, 1)]) * 0.9
    grey = take_picture(TriangleMesh(corners, np.array([(0, 1, 2), (0, 2, 3)])), studio).grey
    normal = CAMERA_FROM_WORLD @ np.cross(corners[1] - corners[0], corners[3] - corners[0])
    row, column = np.nonzero(grey > 0)
    ray = np.stack([column - 16, row - 16, np.full(len(row), 16 / math.tan(0.6))], axis=1)
    expected = np.abs(ray @ normal) / np.linalg.norm(ray, axis=1) / np.linalg.norm(normal)
    assert len(row) > 200
    np.testing.assert_allclose(grey[row, column], expected, atol=1e-6)


def test_a_view_shows_what_it_names():
    """Azimuth pi / 2 turns the object's +x away from the camera; an elevation of pi / 2 shows its top."""
    assert rotation_of_view(math.pi / 2, 0.0) @ (1, 0, 0) == pytest.approx([0, 1, 0])
    assert rotation_of_view(0.3, math.pi / 2) @ (0, 0, 1) == pytest.approx([0, -1, 0])


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (1.0, 0.5), (-2.0, -1.2), (3.0, math.pi / 2)])
def test_views_are_rotations_without_turn_in_the_picture(azimuth, elevation):
    """The object's up axis stays above the camera's middle line: its x in the camera frame is 0, its y not positive."""
    rotation = rotation_of_view(azimuth, elevation)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(rotation) == pytest.approx(1)
    up = CAMERA_FROM_WORLD @ rotation @ (0, 0, 1)
    assert up[0] == pytest.approx(0)
    assert up[1] <= 1e-15


def test_a_quarter_turn_in_the_picture_turns_the_picture():
    """Rotating the object about the line of sight by 90 degrees turns the flat picture by 90 degrees."""
    mesh = block(low=(0.1, -0.2, -0.3), high=(0.6, 0.2, 0.5))
    studio = Studio(size=48, lamp=0.0)
    about_sight = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # z to x: clockwise as seen
    turned = take_picture(mesh, studio, matrix=about_sight).grey
    difference = np.abs(turned - np.rot90(take_picture(mesh, studio).grey, -1))
    assert np.sort(difference.ravel())[-10] < 1e-6  # but for samples on an edge, which may go to either face


def test_samples_soften_edges_only():
    coarse, fine = (take_picture(sphere(3), Studio(size=33, samples=samples)).cover for samples in (1, 4))
    assert set(np.unique(coarse)) == {0, 1}
    assert len(np.unique(fine)) > 5
    assert np.abs(coarse - fine).mean() < 0.05


def test_a_mesh_around_the_eye_is_refused():
    with pytest.raises(ValueError, match="unit sphere"):
        take_picture(block(low=(-9, -9, -9), high=(9, 9, 9)), Studio(size=8))
    assert take_picture(block(low=(-9, -9, -9), high=(9, 9, 9)), attrs.evolve(Studio(size=8), fov=0.0)).cover.all()
