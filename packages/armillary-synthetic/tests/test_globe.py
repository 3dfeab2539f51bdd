"""The sphere: poses, projection, visibility, shading."""

import math

import numpy as np
import pytest

from armillary.data.picture_file import png_bytes
from armillary_synthetic.globe import POINTS, Globe, fibonacci_points, rotation_about
from armillary_synthetic.globe_texture import read_texture


def build(*, size=48, seed=0, **settings):
    return Globe(size=size, seed=seed, **settings)


def positions(size):
    axis = np.linspace(-1, 1, size)
    return np.stack(np.broadcast_arrays(axis[None], axis[:, None]))


def test_a_rotation_vector_turns_about_itself_by_its_length():
    """A quarter turn about z takes x to y; about any axis the axis stays."""
    np.testing.assert_allclose(rotation_about(np.array([0, 0, math.pi / 2])) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(rotation_about(np.zeros(3)), np.eye(3))
    for vector in np.random.default_rng(0).uniform(-2, 2, (20, 3)):
        rotation = rotation_about(vector)
        np.testing.assert_allclose(rotation @ vector, vector, atol=1e-14)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert np.trace(rotation) == pytest.approx(1 + 2 * math.cos(np.linalg.norm(vector)))


def test_tiny_turns_are_tiny():
    np.testing.assert_allclose(rotation_about(np.array([1e-9, 0, 0])) @ [0, 1, 0], [0, 1, 1e-9], atol=1e-18)


def test_fibonacci_points_are_spread_evenly():
    """On the unit sphere, about 0; the nearest two are about as far apart as 64 equal discs allow."""
    points = fibonacci_points(64)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.01)
    angles = np.arccos(np.clip(points @ points.T, -1, 1)) + 4 * np.eye(64)
    equal = 2 * math.acos(1 - 2 / 64)  # caps of radius rho, 64 (1 - cos rho) / 2 = 1: their diameter
    assert angles.min(axis=1).min() > 0.6 * equal
    assert len(POINTS) == 64


def test_landmarks_lie_where_the_pose_says():
    generator = build(shift=0.05)
    for index in range(5):
        item = generator.item(index)
        pose = item["true_pose"].astype(np.float64)
        camera = fibonacci_points(64) @ pose[:, :3].T + pose[:, 3]
        np.testing.assert_allclose(
            item["true_landmarks2d"], generator.describe()["projection"]["scale"] * camera[:, :2], atol=1e-6
        )
        np.testing.assert_array_equal(item["true_visible"], camera[:, 2] <= -generator.grazing)


def test_landmarks_lie_where_the_coordinates_say():
    """The pixel nearest to a landmark that is seen shows coordinates within a pixel of it."""
    size = 96
    generator, worst = build(size=size), []
    for index in range(4):
        item = generator.item(index)
        at = np.rint((item["true_landmarks2d"] + 1) / 2 * (size - 1)).astype(int)[item["true_visible"]]
        shown = item["true_coordinates"][:, at[:, 1], at[:, 0]].T
        worst.append(np.linalg.norm(shown - fibonacci_points(64)[item["true_visible"]], axis=1))
    pixel = 1 / (0.42 * (size - 1))  # radians, in the middle of the disc
    worst = np.concatenate(worst)
    assert np.median(worst) < pixel
    assert worst.max() < pixel * 0.71 / 0.2 * 1.5  # a fifth is the cosine at which points stop to be seen


def test_coordinates_are_unit_vectors_that_the_pose_brings_to_their_pixels():
    generator = build(size=33, shift=0.04)
    scale = generator.describe()["projection"]["scale"]
    for index in range(4):
        item = generator.item(index)
        mask, pose = item["true_mask"][0], item["true_pose"].astype(np.float64)
        points = item["true_coordinates"][:, mask]
        np.testing.assert_allclose(np.linalg.norm(points, axis=0), 1, atol=1e-6)
        camera = pose[:, :3] @ points + pose[:, 3:]
        np.testing.assert_allclose(scale * camera[:2], positions(33)[:, mask], atol=1e-5)
        assert camera[2].max() < 0


def test_flow_is_exact():
    """The grid is the partner's projection of a pixel's coordinates, to the last digit; it ends where they turn away."""
    generator = build(size=33, shift=0.04)
    scale = generator.describe()["projection"]["scale"]
    for index in range(4):
        item = generator.item(index)
        mask, pose = item["true_mask"][0], generator.item(int(item["partner"]))["true_pose"].astype(np.float64)
        camera = pose[:, :3] @ item["true_coordinates"][:, mask] + pose[:, 3:]
        np.testing.assert_allclose(item["partner_grid"][mask].T, scale * camera[:2], atol=1e-5)
        sure = np.abs(camera[2] + generator.grazing) > 1e-4
        np.testing.assert_array_equal(item["partner_valid"][0][mask][sure], (camera[2] < -generator.grazing)[sure])


def test_a_still_sphere_is_found_where_it_is():
    item = build(turn=0.0, size=33).item(0)
    np.testing.assert_allclose(np.moveaxis(item["partner_grid"], -1, 0), positions(33), atol=1e-6)
    depth = item["true_coordinates"][2]
    np.testing.assert_array_equal(item["partner_valid"][0], ~item["true_mask"][0] | (depth <= -0.2))


def test_background_that_the_partner_covers_is_not_seen_there():
    generator, covered = build(shift=0.08, size=33), 0
    for index in range(4):
        item = generator.item(index)
        behind, there = ~item["true_mask"][0], generator.item(int(item["partner"]))["true_mask"][0]
        np.testing.assert_array_equal(item["partner_valid"][0][behind], ~there[behind])
        covered += there[behind].sum()
    assert covered > 50


def test_the_disc_has_the_radius_that_was_asked_for():
    """Its area is pi r^2 of the square between the centres of the corner pixels."""
    size = 128
    for radius in (0.2, 0.42, 0.5):
        item = build(size=size, radius=radius).item(0)
        assert item["true_mask"].sum() / (size - 1) ** 2 == pytest.approx(math.pi * radius**2, rel=0.01)


def test_turns_fill_their_range():
    generator = build(turn=0.5)
    vectors = [generator.stand(index).rotation for index in range(200)]
    angles = np.array([math.acos((np.trace(r) - 1) / 2) for r in vectors])
    assert 0.5 < angles.max() <= 0.5 * math.sqrt(3) + 1e-9
    assert angles.min() < 0.15


def test_shading_darkens_by_a_fixed_light():
    """A picture is the bare texture times 1 - s + s max(0, n . l) at each place: light from above on the left."""
    bare, lit = build(size=64).item(0), build(size=64, shading=0.7).item(0)
    for port in set(bare) - {"image"}:
        np.testing.assert_array_equal(bare[port], lit[port])
    x, y = positions(64) / 0.84
    inner = x**2 + y**2 < 0.9
    z = -np.sqrt(np.where(inner, 1 - x**2 - y**2, 1))
    light = build(shading=0.7).describe()["light"]
    assert np.linalg.norm(light["direction"]) == pytest.approx(1)
    cosine = np.maximum(light["direction"][0] * x + light["direction"][1] * y + light["direction"][2] * z, 0)
    expected = bare["image"] * (light["ambient"] + light["diffuse"] * cosine)
    assert np.abs(lit["image"] - expected)[:, inner].max() < 0.02
    assert lit["image"][:, 20, 20].mean() / bare["image"][:, 20, 20].mean() > 0.9


def test_a_collection_has_the_textures_that_were_asked_for():
    generator = build(textures=3, clip=2, size=16)
    seen = {generator.texture_of(index).tobytes() for index in range(60)}
    assert len(seen) == 3
    assert all(generator.texture_of(2 * k) is generator.texture_of(2 * k + 1) for k in range(10))
    assert len({build(size=16).texture_of(index).tobytes() for index in range(50)}) == 1


def test_textures_change_colours_alone():
    one, many = build().item(3), build(textures=7).item(3)
    for port in set(one) - {"image"}:
        np.testing.assert_array_equal(one[port], many[port])


def test_collections_of_all_seeds_show_one_sphere_in_other_poses():
    """So that one collection is learnt from and another one measured on."""
    one, other = build(seed=0), build(seed=1)
    np.testing.assert_array_equal(one.texture_of(0), other.texture_of(0))
    assert np.abs(one.item(0)["true_pose"] - other.item(0)["true_pose"]).max() > 0.1
    assert np.abs(one.texture_of(0) - build(texture_seed=1).texture_of(0)).max() > 0.1


def test_every_place_can_be_told_from_every_other():
    """Colours along a cross of half a radian about 300 places: the nearest other place is far from equal, on 4 spheres."""
    generator = np.random.default_rng(0)
    for seed in range(4):
        texture = build(texture_seed=seed).texture_of(0)
        frames = np.linalg.qr(generator.standard_normal((300, 3, 3)))[0]
        looks = []
        for frame in frames:
            angle = np.linspace(-0.5, 0.5, 11)
            arms = [np.cos(angle) * frame[:, :1] + np.sin(angle) * frame[:, k : k + 1] for k in (1, 2)]
            looks.append(read_texture(texture, np.concatenate(arms, axis=1)).ravel())
        looks = np.array(looks)
        different = np.sqrt(((looks[:, None] - looks[None]) ** 2).mean(axis=2))
        apart = np.abs(frames[:, :, 0] @ frames[:, :, 0].T) < 0.9
        assert different[apart].min() > 0.08
        assert looks.std() > 0.15


def test_a_picture_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none.png: .*--set texture=FILE"):
        build(texture=str(tmp_path / "none.png"))


def test_a_picture_wrapped_around_is_seen_in_every_item(tmp_path):
    (tmp_path / "orange.png").write_bytes(png_bytes(np.full((32, 64, 3), (255, 128, 0), dtype=np.uint8)))
    generator = build(texture=str(tmp_path / "orange.png"))
    item = generator.item(0)
    np.testing.assert_allclose(item["image"][:, 24, 24], [1, 128 / 255, 0], atol=1e-6)
    assert str(tmp_path) not in str(generator.describe())
