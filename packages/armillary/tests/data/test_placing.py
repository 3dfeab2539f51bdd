"""From any picture to a square: which pixels go where, by hand and by law."""

import numpy as np
import pytest
import torch

from armillary.data.placing import (
    no_flow,
    place,
    place_colours,
    place_mask,
    place_masked,
    placed_coordinates,
    placed_depth,
    placed_flow,
    placed_landmarks,
    placed_normals,
)
from armillary.kernels.sampling import grid_to_pixels

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


# --- flow and coordinates --------------------------------------------------------------------------------------------


def pixels_of(grid, size):
    return grid_to_pixels(grid.double(), height=size, width=size).numpy()


def test_flow_by_hand():
    """16 x 8, everything 2 to the right and 1 down; the middle square at half the size.

    Displacements become 1 and 1/2. Pixel (x, y) = (1, 1) of 4 x 4 leads to (2, 1.5), which is (2 / 1.5 - 1, 0). The last column
    leads out of the picture, and so does the last row.
    """
    flow = np.broadcast_to(np.array([2, 1], np.float32), (8, 16, 2))
    grid, valid = placed_flow(flow, place(width=16, height=8, size=4, fit="center-crop"))
    assert grid.shape == (4, 4, 2)
    assert grid.dtype == torch.float32
    assert grid[1, 1].tolist() == pytest.approx([1 / 3, 0])
    np.testing.assert_allclose(pixels_of(grid, 4)[2, 3], (4, 2.5), atol=1e-6)  # outside, but finite
    assert valid.shape == (1, 4, 4)
    assert valid[0].tolist() == [[True, True, True, False]] * 3 + [[False] * 4]


def test_a_flow_of_the_wanted_size_passes():
    flow = np.random.default_rng(0).uniform(-1, 1, (6, 6, 2)).astype(np.float32)
    grid, valid = placed_flow(flow, place(width=6, height=6, size=6, fit="squash"))
    rows, columns = np.mgrid[:6, :6]
    after = np.stack((columns, rows), -1) + flow
    inside = ((after > 0) & (after < 5)).all(-1)
    np.testing.assert_allclose(pixels_of(grid, 6)[inside], after[inside], atol=1e-6)
    assert valid[0].numpy()[inside].all()
    assert not valid[0].numpy()[((after < -0.1) | (after > 5.1)).any(-1)].any()


def test_what_half_precision_may_have_moved_over_the_border_is_put_back():
    """1/40 of a pixel beyond the centre of the last column is on it; 1/20 is outside."""
    flow = np.zeros((4, 4, 2), np.float32)
    flow[0, 3, 0], flow[1, 3, 0] = 1 / 40, 1 / 20
    grid, valid = placed_flow(flow, place(width=4, height=4, size=4, fit="squash"))
    assert valid[0, :, 3].tolist() == [True, False, True, True]
    assert grid[0, 3].tolist() == [1, -1]


MATRIX = np.array([[0.93, -0.21], [0.17, 1.08]])
SHIFT = np.array([2.3, -1.4])


@pytest.mark.parametrize("fit", ["center-crop", "squash", "pad"])
@pytest.mark.parametrize(("width", "height"), [(40, 40), (61, 40), (40, 61)])
@pytest.mark.parametrize("size", [16, 40, 64])
@pytest.mark.parametrize("box", [None, (3, 5, 30, 31)])
def test_an_affine_motion_is_placed_exactly(fit, width, height, size, box):
    """q = A p + b in pixels of the file is, in the square, q' = w(A w^-1(q) + b) with w the change of pixels, whatever it is."""
    placement = place(width=width, height=height, size=size, fit=fit, box=box)
    rows, columns = np.mgrid[:height, :width]
    p = np.stack((columns, rows), axis=-1).astype(float)
    grid, valid = placed_flow((p @ MATRIX.T + SHIFT - p).astype(np.float32), placement)
    scale, offset = np.array(placement.window.scale), np.array(placement.window.offset)
    rows, columns = np.mgrid[:size, :size]
    before = (np.stack((columns, rows), axis=-1) + 0.5 - offset) / scale - 0.5
    after = (before @ MATRIX.T + SHIFT + 0.5) * scale + offset - 0.5
    between = ((before >= 0) & (before <= (width - 1, height - 1))).all(-1)  # nothing is known beyond the last centres
    left, top, right, bottom = placement.inside
    between &= (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)
    assert between.sum() > size
    found = pixels_of(grid, size)
    inside = ((after >= (left, top)) & (after <= (right - 1, bottom - 1))).all(-1)
    known = between & inside
    np.testing.assert_allclose(found[known], after[known], atol=1e-4)
    edge = np.abs(after[..., None] - np.array([[left, right - 1], [top, bottom - 1]])).min((-2, -1)) < 0.05
    assert (valid[0].numpy() == inside)[between & ~edge].all()


@pytest.mark.parametrize(("size", "lost"), [(8, 1), (16, 4), (4, 0)])
def test_one_unknown_pixel_takes_its_own_area_and_no_more(size, lost):
    """As large, it is one pixel; twice as large, its 2 x 2; at half the size a quarter of one pixel, of which the rest is known."""
    flow = np.full((8, 8, 2), 0.25, np.float32)
    flow[3, 3] = np.nan
    placement = place(width=8, height=8, size=size, fit="squash")
    grid, valid = placed_flow(flow, placement)
    whole = placed_flow(np.full((8, 8, 2), 0.25, np.float32), placement)
    assert (whole[1] & ~valid).sum() == lost
    assert torch.isfinite(grid).all()
    torch.testing.assert_close(grid[valid[0]], whole[0][valid[0]])


def test_more_than_half_unknown_is_unknown():
    """At half the size each pixel has four: two known suffice, one does not."""
    flow = np.zeros((4, 4, 2), np.float32)
    flow[0, :2] = np.nan
    flow[2, 2:] = flow[3, 2] = np.nan
    _, valid = placed_flow(flow, place(width=4, height=4, size=2, fit="squash"))
    assert valid[0].tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("size", [4, 8, 12])
def test_nothing_known_is_nothing_valid_and_finite(size):
    placement = place(width=8, height=6, size=size, fit="pad")
    grid, valid = placed_flow(np.full((6, 8, 2), np.nan, np.float32), placement)
    assert not valid.any()
    assert torch.equal(grid, no_flow(placement)[0])
    assert not no_flow(placement)[1].any()
    np.testing.assert_allclose(pixels_of(grid, size)[1, 2], (2, 1), atol=1e-6)


@pytest.mark.parametrize("size", [5, 8, 13, 32])
def test_two_motions_are_not_mixed(size):
    """The left half stands still, the right half moves by 5: no pixel moves by anything else."""
    flow = np.zeros((8, 16, 2), np.float32)
    flow[:, 8:, 1] = -5
    grid, _ = placed_flow(flow, place(width=16, height=8, size=size, fit="squash"))
    moved = pixels_of(grid, size)[..., 1] - np.arange(size)[:, None]
    assert set(np.unique(moved.round(4))) == {0, round(-5 * size / 8, 4)}


def test_standing_still_is_valid_to_the_border():
    for size in (4, 8, 15):
        placement = place(width=8, height=8, size=size, fit="squash")
        grid, valid = placed_flow(np.zeros((8, 8, 2), np.float32), placement)
        assert valid.all()
        torch.testing.assert_close(grid, no_flow(placement)[0])
        assert grid.abs().max() <= 1


def test_beside_a_padded_picture_nothing_is_valid():
    """8 x 4 in 8 x 8: two rows above and below; one row down, the last row of the picture leads into the background."""
    flow = np.broadcast_to(np.array([0, 1], np.float32), (4, 8, 2))
    _, valid = placed_flow(flow, place(width=8, height=4, size=8, fit="pad"))
    assert valid[0, :, 0].tolist() == [False] * 2 + [True] * 3 + [False] * 3


@pytest.mark.parametrize("size", [3, 8, 16, 21])
def test_coordinates_are_never_blended(size):
    """Every placed value is one of the file's, and stands where the mask does."""
    values = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    mask = np.random.default_rng(1).uniform(size=(8, 8)) > 0.4
    placement = place(width=8, height=8, size=size, fit="squash")
    placed = placed_coordinates(np.where(mask, values, np.nan), mask, placement)
    kept = place_mask(mask, placement)
    assert (placed[:, ~kept] == 0).all()
    allowed = {tuple(column) for column in values[:, mask].T}
    assert {tuple(column) for column in placed[:, kept].T} <= allowed


def test_a_coordinate_comes_from_the_nearest_pixel():
    """Coordinates that are the file's own x and y stay, at any size, within half a pixel of the file of where they are."""
    y, x = np.mgrid[:40, :40].astype(np.float32)
    for size in (10, 40, 100):
        placement = place(width=40, height=40, size=size, fit="squash")
        placed = placed_coordinates(np.stack((x, y, 0 * x)), np.ones((40, 40), bool), placement)
        where = (np.arange(size) + 0.5) * 40 / size - 0.5
        assert np.abs(placed[0] - where).max() <= 0.5 + 1e-6
        assert np.abs(placed[1] - where[:, None]).max() <= 0.5 + 1e-6


def test_a_pixel_that_counts_by_its_surroundings_gets_its_nearest_neighbour():
    """At a quarter of the size, a hole of 2 x 2 at the pixel's centre: the mask counts, the four pixels there do not."""
    mask = np.ones((8, 8), bool)
    mask[1:3, 1:3] = False
    values = np.where(mask, 7, np.nan)[None].repeat(3, 0).astype(np.float32)
    placed = placed_coordinates(values, mask, place(width=8, height=8, size=2, fit="squash"))
    assert (placed == 7).all()
