"""From any picture to a square: which pixels go where, by hand and by law."""

import numpy as np
import pytest
import torch

from armillary.std.placing import (
    place,
    place_colours,
    place_mask,
    place_masked,
    placed_depth,
    placed_landmarks,
    placed_normals,
)

WHITE = (255, 255, 255)


def ramp(width, height):
    """x in red, y in green, both linear in the pixel."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


def test_a_square_of_the_right_size_passes_bit_for_bit():
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    placement = place(width=16, height=16, size=16, fit="center-crop")
    assert placement.unchanged
    assert place_colours(pixels, placement, background=WHITE) is pixels


def test_centre_crop_by_hand():
    """8 x 4 to 4: the middle columns 2 to 5."""
    placement = place(width=8, height=4, size=4, fit="center-crop")
    assert placement.box == (2, 0, 6, 4)
    result = place_colours(ramp(8, 4), placement, background=WHITE)
    assert result[0, :, 0].tolist() == [2, 3, 4, 5]
    assert placement.window.pixels(torch.tensor([2.0, 0.0])).tolist() == [0, 0]


def test_an_odd_remainder_is_shared_between_both_sides():
    """9 x 4 to 4 begins half a pixel into column 2."""
    placement = place(width=9, height=4, size=4, fit="center-crop")
    assert placement.box == (2.5, 0, 6.5, 4)
    result = place_colours(ramp(9, 4) * 20, placement, background=WHITE)
    assert result[0, 1:3, 0].tolist() == [70, 90]


def test_centre_crop_of_a_smaller_square_by_hand():
    """170 of 256 begins at 43; a picture smaller than the crop gives its largest square."""
    assert place(width=256, height=256, size=64, fit="center-crop", crop=170).box == (43, 43, 213, 213)
    assert place(width=100, height=120, size=64, fit="center-crop", crop=170).box == (0, 10, 100, 110)


def test_box_is_taken_first():
    placement = place(width=128, height=128, size=50, fit="squash", box=(14, 8, 100, 100))
    assert placement.box == (14, 8, 114, 108)
    assert placement.window.pixels(torch.tensor([14.5, 8.5])).tolist() == [0, 0]  # between two pixels that become one


def test_squash_halves_one_axis():
    placement = place(width=8, height=4, size=4, fit="squash")
    assert placement.window.scale == (0.5, 1)
    assert placement.fills


def test_pad_by_hand():
    """8 x 4 to 8: two rows of background above and below."""
    placement = place(width=8, height=4, size=8, fit="pad")
    assert placement.inside == (0, 2, 8, 6)
    result = place_colours(ramp(8, 4), placement, background=(9, 8, 7))
    assert (result[:2] == (9, 8, 7)).all()
    assert (result[6:] == (9, 8, 7)).all()
    np.testing.assert_array_equal(result[2:6], ramp(8, 4))
    assert placement.window.pixels(torch.tensor([0.0, 0.0])).tolist() == [0, 2]


@pytest.mark.parametrize("fit", ["center-crop", "squash", "pad"])
@pytest.mark.parametrize(("width", "height"), [(40, 40), (61, 40), (40, 61), (81, 33)])
@pytest.mark.parametrize("size", [16, 40, 64])
def test_pixels_and_points_move_together(fit, width, height, size):
    """A picture linear in x and y keeps, away from edges, its value at the moved place: x'(x) inverts the resizing."""
    placement = place(width=width, height=height, size=size, fit=fit)
    result = place_colours(ramp(width, height), placement, background=WHITE).astype(float)
    left, top, right, bottom = placement.inside
    margin = 2
    rows, columns = np.mgrid[top + margin : bottom - margin, left + margin : right - margin]
    old = result[rows, columns, :2]
    new = placement.window.pixels(torch.tensor(old)).numpy()
    error = np.abs(new - np.stack([columns, rows], axis=-1))
    assert error.max() <= 0.5 * max(placement.window.scale) + 0.05  # half a grey level of rounding


def test_very_long_pictures_need_no_large_square():
    placement = place(width=20_000, height=1, size=32, fit="pad")
    assert placement.inside == (0, 15, 32, 16)
    assert place_colours(np.zeros((1, 20_000, 3), np.uint8), placement, background=WHITE).shape == (32, 32, 3)


def test_shrinking_does_not_alias():
    """Stripes one pixel wide shrink to grey, not to stripes."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    placement = place(width=64, height=64, size=16, fit="squash")
    result = place_colours(stripes, placement, background=WHITE)
    assert np.abs(result[:, 1:-1].astype(int) - 127).max() < 4


def test_a_box_outside_the_picture_is_refused():
    with pytest.raises(ValueError, match=r"10 x 10 pixels do not hold the box \(5, 0, 6, 6\)"):
        place(width=10, height=10, size=8, fit="squash", box=(5, 0, 6, 6))


# --- truth -----------------------------------------------------------------------------------------------------------


def test_the_background_does_not_leak_into_depth():
    """Half of the picture at depth 1, half far away at 9 and outside the mask: what counts stays 1."""
    depth = np.full((1, 8, 8), 9, np.float32)
    depth[..., :5] = 1
    mask = depth[0] < 5
    placement = place(width=8, height=8, size=4, fit="squash")
    placed = placed_depth(depth, mask, placement)
    kept = place_mask(mask, placement)
    np.testing.assert_allclose(placed[0][kept], 1, atol=1e-6)
    assert kept.any()
    assert not kept.all()


@pytest.mark.parametrize("size", [8, 32])
def test_a_plane_stays_a_plane(size):
    """Depth linear in x, resized, is the same linear function of the moved x."""
    depth = np.broadcast_to(1 + 0.01 * np.arange(16, dtype=np.float32), (1, 16, 16))
    placement = place(width=16, height=16, size=size, fit="squash")
    placed = placed_depth(depth, np.ones((16, 16), bool), placement)
    x = (np.arange(size) + 0.5) * 16 / size - 0.5
    inner = slice(size // 8, -size // 8)
    np.testing.assert_allclose(placed[0, 3, inner], (1 + 0.01 * x)[inner], atol=1e-5)


def test_depth_that_is_not_a_number_becomes_the_far_plane():
    depth = np.array([[[1, 2], [np.nan, np.inf]]], np.float32)
    mask = np.isfinite(depth[0])
    placed = placed_depth(depth, mask, place(width=2, height=2, size=2, fit="squash"))
    assert placed[0].tolist() == [[1, 2], [2, 2]]


def test_depth_outside_the_picture_is_the_far_plane():
    depth = np.array([[[1, 3]]], np.float32)
    placed = placed_depth(depth, np.ones((1, 2), bool), place(width=2, height=1, size=2, fit="pad"))
    assert placed[0].tolist() == [[1, 3], [3, 3]]


def test_values_outside_the_mask_may_be_nan():
    values = np.full((3, 8, 8), np.nan, np.float32)
    values[:, :, :4] = 0.5
    mask = np.isfinite(values[0])
    placed = place_masked(values, mask, place(width=8, height=8, size=4, fit="squash"))
    assert np.isfinite(placed).all()
    np.testing.assert_allclose(
        placed[:, place_mask(mask, place(width=8, height=8, size=4, fit="squash"))], 0.5, atol=1e-6
    )


def test_landmarks_by_hand():
    """On 9 x 9, at focal length 2 and centre 4, pixel (6, 4) at depth 3 is x = (6 - 4) * 3 / 2 = 3."""
    camera = np.array([[2, 0, 4], [0, 2, 4], [0, 0, 1]], np.float32)
    values = np.array([[6.0, 4, 3, 1], [0, 0, np.nan, 0]])
    item = placed_landmarks(values, camera, place(width=9, height=9, size=9, fit="squash"))
    assert item["true_landmarks3d"][0].tolist() == [3, 0, 3]
    assert item["true_landmarks2d"][0].tolist() == [0.5, 0]
    assert item["true_visible"].tolist() == [True, False]
    assert torch.isfinite(item["true_landmarks3d"]).all()


def test_landmarks_in_space_do_not_depend_on_the_square():
    camera = np.array([[20, 0, 4], [0, 20, 4], [0, 0, 1]], np.float32)
    values = np.array([[6.0, 4, 3, 1], [1, 2, 2.5, 1]])
    one = placed_landmarks(values, camera, place(width=30, height=10, size=9, fit="squash"))
    other = placed_landmarks(values, camera, place(width=30, height=10, size=64, fit="pad"))
    torch.testing.assert_close(one["true_landmarks3d"], other["true_landmarks3d"])


def test_normals_are_of_unit_length_everywhere():
    normals = np.zeros((3, 4, 8), np.float16)
    normals[0], normals[2] = 0.6, -0.8
    normals[:, 0, 0] = np.nan
    placed = placed_normals(
        normals.astype(np.float32), np.ones((4, 8), bool), place(width=8, height=4, size=8, fit="pad")
    )
    np.testing.assert_allclose(np.linalg.norm(placed, axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(placed[:, 3, 3], (0.6, 0, -0.8), atol=1e-3)
    assert placed[:, 0, 0].tolist() == [0, 0, -1]
