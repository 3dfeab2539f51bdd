"""Pose, light, camera, background and the picture of a surface."""

import math

import numpy as np
import pytest

from armillary_synthetic.heads import Heads
from armillary_synthetic.scene import (
    CENTRE,
    PURPOSES,
    Surface,
    View,
    check_numbers,
    draw_background,
    draw_view,
    generator_for,
    intrinsics,
    rotation_zyx,
    sample_texture,
    take_picture,
)

HEADS = Heads(size=16, seed=0)
FRONT = np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1)


def wall(**changes):
    """A wall at z = 1, wider than the picture, its landmarks in the middle and out of the picture."""
    points = np.array([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    fields = {
        "points": points,
        "normals": np.tile([0.0, 0, -1], (4, 1)),
        "triangles": np.array([[0, 2, 1], [0, 3, 2]]),
        "colours": np.tile([0.2, 0.4, 0.6], (4, 1)),
        "landmarks": np.array([[0.0, 0, 1], [0.5, 0, 1], [0.0, 0, 1.05]]),
    }
    return Surface(**{**fields, **changes})


def light(*direction, ambient=0.3, diffuse=0.5):
    return np.array([ambient, diffuse, *direction]) if direction else np.array([ambient, diffuse, 0, 0, -1.0])


@pytest.mark.parametrize("angles", [(0.3, 0, 0), (0, 0.4, 0), (0, 0, -0.2), (0.3, -0.5, 0.1)])
def test_rotations_are_about_x_then_y_then_z(angles):
    def about(axis, angle):
        matrix, (i, j) = np.eye(3), [(1, 2), (2, 0), (0, 1)][axis]
        matrix[i, i] = matrix[j, j] = math.cos(angle)
        matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
        return matrix

    expected = about(2, angles[2]) @ about(1, angles[1]) @ about(0, angles[0])
    np.testing.assert_allclose(rotation_zyx(*angles), expected, atol=1e-15)


def test_heads_turn_about_their_centre():
    heads = Heads(size=16, seed=0, shift=0.0, shift_z=0.0)
    for index in range(5):
        pose = draw_view(heads, index).pose
        np.testing.assert_allclose(pose[:, :3] @ CENTRE + pose[:, 3], CENTRE, atol=1e-15)


def test_views_stay_in_their_ranges_and_reach_into_them():
    views = [draw_view(HEADS, index) for index in range(200)]
    yaw = np.array([math.asin(-v.pose[2, 0]) for v in views])
    assert 0.55 < np.abs(yaw).max() <= HEADS.yaw
    assert abs(yaw.mean()) < 0.1
    lights = np.array([v.light for v in views])
    np.testing.assert_allclose(np.linalg.norm(lights[:, 2:], axis=1), 1)
    assert lights[:, 4].max() < -0.5
    assert HEADS.ambient_min <= lights[:, 0].min() < lights[:, 0].max() <= HEADS.ambient_max
    assert HEADS.diffuse_min <= lights[:, 1].min() < lights[:, 1].max() <= HEADS.diffuse_max


def test_the_corner_pixels_lie_at_half_the_angle_of_view():
    """64 pixels, 10 degrees: f = 31.5 / tan 5 degrees = 360.0466."""
    camera = intrinsics(math.radians(10), 64)
    assert camera[0, 0] == pytest.approx(360.0466, abs=1e-4)
    assert math.atan2(63 - camera[0, 2], camera[0, 0]) == pytest.approx(math.radians(5))


def test_streams_differ_by_seed_item_and_purpose():
    draws = {generator_for(*key).random() for key in [(0, 0, "shape"), (1, 0, "shape"), (0, 1, "shape")]}
    draws |= {generator_for(0, 0, purpose).random() for purpose in PURPOSES}
    assert len(draws) == len(PURPOSES) + 2


def test_a_wall_is_lit_as_the_formula_says():
    """Light at 60 degrees: 0.3 + 0.5 * 1/2 = 0.55 times the colour; with the light behind, 0.3."""
    slanted = light(math.sqrt(3) / 2, 0, -0.5)
    for given, shading in ((light(), 0.8), (slanted, 0.55), (light(0, 0, 1.0), 0.3)):
        item = take_picture(wall(), View(pose=FRONT, light=given), np.zeros((16, 16, 3)), HEADS)
        for channel, colour in enumerate((0.2, 0.4, 0.6)):
            np.testing.assert_allclose(item["image"][channel], shading * colour, rtol=1e-6)
        np.testing.assert_allclose(item["true_albedo"][2], 0.6, rtol=1e-6)


def test_a_picture_is_clipped_at_white():
    view = View(pose=FRONT, light=light(ambient=1.0, diffuse=1.0))
    item = take_picture(wall(), view, np.zeros((16, 16, 3)), HEADS)
    np.testing.assert_allclose(item["image"][2], 1)


@pytest.mark.parametrize(
    ("edge", "covered", "centre"),
    [(-0.5, 1.0, True), (-0.2, 2 / 3, True), (0.2, 1 / 3, False), (0.4, 0.0, False)],
)
def test_an_outline_is_mixed_by_coverage(edge, covered, centre):
    """The wall begins at ``edge`` pixels from the centre of pixel 8, whose samples lie at -1/3, 0 and 1/3."""
    left = (edge + 0.5) / intrinsics(HEADS.fov, 16)[0, 0]
    points = np.array([[left, -1, 1], [1, -1, 1], [1, 1, 1], [left, 1, 1]])
    item = take_picture(wall(points=points), View(pose=FRONT, light=light()), np.ones((16, 16, 3)), HEADS)
    row = item["image"][0, 8]
    np.testing.assert_allclose(row[:8], 1)
    np.testing.assert_allclose(row[8], covered * 0.16 + (1 - covered), rtol=1e-6)
    np.testing.assert_allclose(row[9:], 0.16, rtol=1e-6)
    assert item["true_mask"][0, 8, 8] == centre
    assert item["true_depth"][0, 8, 8] == np.float32(1.0 if centre else HEADS.far)


def test_landmarks_are_seen_unless_hidden_or_outside():
    item = take_picture(wall(), View(pose=FRONT, light=light()), np.zeros((16, 16, 3)), HEADS)
    assert item["true_visible"].tolist() == [True, False, False]
    np.testing.assert_allclose(item["true_landmarks2d"][0], 0, atol=1e-7)


def test_a_texture_is_read_between_its_texels():
    texture = np.arange(12.0).reshape(2, 2, 3)
    row, column = np.array([[0, 0], [1, 2], [0.5, 1.0], [0, 0.25], [-3, 9]]).T
    np.testing.assert_allclose(sample_texture(texture, row, column), [[0, 5, 2.5, 0.25, 2], [6, 11, 8.5, 6.25, 8]])


def test_backgrounds_are_textured_or_plain():
    plain = draw_background(Heads(size=16, seed=0, background="plain"), 0)
    assert (plain == plain[:1, :1]).all()
    textured = draw_background(HEADS, 0)
    assert textured.std(axis=(0, 1)).min() > 0.05
    assert 0 <= textured.min() <= textured.max() <= 1


@pytest.mark.parametrize(("size", "seed", "said"), [(4, 0, "size"), (64, -1, "seed")])
def test_numbers_that_cannot_be_are_refused(size, seed, said):
    with pytest.raises(ValueError, match=said):
        check_numbers(size=size, seed=seed)


def test_items_before_the_first_are_refused():
    with pytest.raises(IndexError, match="-1"):
        generator_for(0, -1, "shape")
