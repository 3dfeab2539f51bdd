"""Textures: orientation, seams, poles, size."""

import numpy as np
import pytest

from armillary.data.picture_file import png_bytes
from armillary_synthetic.globe_texture import file_texture, grid_points, made_texture, padded, read_texture, rows_for


def write(path, pixels):
    path.write_bytes(png_bytes(np.asarray(pixels, dtype=np.uint8)))
    return path


def test_a_map_is_seen_as_one_holds_it():
    """The middle of the map faces the viewer (-z), its top is up (-y), its right half is on the right (+x)."""
    rows = 64
    points = grid_points(rows).reshape(3, rows, 2 * rows)
    np.testing.assert_allclose(points[:, rows // 2, rows], [0, 0, -1], atol=0.05)
    np.testing.assert_allclose(points[:, 0, 0], [0, -1, 0], atol=0.05)
    np.testing.assert_allclose(points[:, rows // 2, 3 * rows // 2], [1, 0, 0], atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), 1)


def test_reading_at_a_cell_gives_the_cell():
    texture = np.random.default_rng(0).random((3, 16, 32))
    found = read_texture(padded(texture), grid_points(16))
    np.testing.assert_allclose(found, texture.reshape(3, -1), atol=1e-12)


def test_a_texture_has_no_seam_and_no_hole_at_the_poles():
    """A function that is smooth in space is found back to the order of a cell squared, everywhere."""
    rows = 64
    smooth = lambda p: np.stack([p[0] + 0.5 * p[1], p[1] * p[2], p[2] - p[0]])
    texture = padded(smooth(grid_points(rows)).reshape(3, rows, 2 * rows))
    points = np.random.default_rng(1).standard_normal((3, 4000))
    points[1, :1000] *= 30  # near the poles
    points[0, 1000:2000] *= 0.01  # near the seam and the middle
    points /= np.linalg.norm(points, axis=0)
    assert np.abs(read_texture(texture, points) - smooth(points)).max() < 3e-3


def test_made_textures_do_not_depend_on_their_fineness():
    """A finer grid shows the same sphere."""
    points = np.random.default_rng(2).standard_normal((3, 500))
    points /= np.linalg.norm(points, axis=0)
    coarse, fine = (read_texture(made_texture(0, 0, rows), points) for rows in (128, 256))
    assert np.median(np.abs(coarse - fine)) < 0.02


def test_made_textures_differ_by_seed_and_number():
    textures = {made_texture(seed, number, 64).tobytes() for seed in (0, 1) for number in (0, 1)}
    assert len(textures) == 4


def test_a_file_is_made_smaller_to_means(tmp_path):
    pixels = np.arange(16 * 32 * 3).reshape(16, 32, 3) % 251
    texture = file_texture(write(tmp_path / "map.png", pixels), 4)
    assert texture.shape == (3, 6, 10)
    np.testing.assert_allclose(texture[:, 1, 1], pixels[:4, :4].mean(axis=(0, 1)) / 255)


def test_a_file_is_kept_where_it_is_coarse(tmp_path):
    assert file_texture(write(tmp_path / "map.png", np.zeros((8, 16, 3))), 64).shape == (3, 10, 18)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 15, 3), (1, 2, 3)])
def test_a_file_of_another_shape_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=f"{shape[1]} x {shape[0]} is no equirectangular picture"):
        file_texture(write(tmp_path / "map.png", np.zeros(shape)), 64)


@pytest.mark.parametrize(("radius", "rows"), [(1, 64), (26.5 * 3, 256), (10_000, 512)])
def test_cells_are_about_as_fine_as_samples(radius, rows):
    assert rows_for(radius) == rows


@pytest.mark.realdata("sphere_textures")
def test_the_earth_is_blue_and_has_ice_at_its_poles(real_data):
    texture = file_texture(real_data / "sphere_textures" / "earth_day_1024.jpg", 256)
    pacific, pole = (read_texture(texture, np.array(p)[:, None])[:, 0] for p in ([0.4, 0.0, 0.92], [0.0, 1.0, 0.0]))
    assert pacific[2] > 2 * pacific[0]
    assert pole.min() > 0.5
