"""Laws of all generators of heads: determinism, and truth that agrees with itself."""

import attrs
import numpy as np
import pytest

from armillary_synthetic.heads import Heads
from armillary_synthetic.morphable import Morphable
from armillary_synthetic.scene import take_picture

PORTS = {
    "image": ((3, "s", "s"), np.float32),
    "camera": ((3, 3), np.float32),
    "true_depth": ((1, "s", "s"), np.float32),
    "true_mask": ((1, "s", "s"), np.bool_),
    "true_normals": ((3, "s", "s"), np.float32),
    "true_albedo": ((3, "s", "s"), np.float32),
    "true_pose": ((3, 4), np.float32),
    "true_light": ((5,), np.float32),
    "true_landmarks3d": (("p", 3), np.float32),
    "true_landmarks2d": (("p", 2), np.float32),
    "true_visible": (("p",), np.bool_),
}
STILL = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "shift": 0.0, "shift_z": 0.0}


@pytest.fixture(params=["heads", "morphable"])
def make(request, model):
    """Return a function that builds a generator of settings, size and seed."""

    def build(*, size=48, seed=0, **settings):
        if request.param == "heads":
            return Heads(size=size, seed=seed, **settings)
        return Morphable(size=size, seed=seed, model=str(model), **settings)

    return build


def same(a, b):
    return all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_items_are_the_declared_ports(make):
    size = 24
    generator = make(size=size)
    item = generator.item(0)
    points = len(generator.describe()["points"])
    assert set(item) == set(PORTS) == {port.name for port in generator.spec().produces}
    for name, (shape, dtype) in PORTS.items():
        assert item[name].shape == tuple({"s": size, "p": points}.get(d, d) for d in shape), name
        assert item[name].dtype == dtype, name
        assert np.isfinite(item[name]).all(), name


def test_an_item_depends_on_its_index_not_on_what_came_before(make):
    first, second = make(), make()
    forward = [first.item(i) for i in range(4)]
    backward = [second.item(i) for i in reversed(range(4))][::-1]
    assert all(same(a, b) for a, b in zip(forward, backward, strict=True))


def test_items_and_seeds_differ(make):
    generator = make()
    pictures = [generator.item(0)["image"], generator.item(1)["image"], make(seed=1).item(0)["image"]]
    assert len({picture.tobytes() for picture in pictures}) == 3


def test_pictures_are_in_range(make):
    generator = make()
    for index in range(3):
        item = generator.item(index)
        for name in ("image", "true_albedo"):
            assert 0 <= item[name].min() <= item[name].max() <= 1
        assert 0.3 < item["true_mask"].mean() < 0.98


def test_depth_lies_between_eye_and_far_plane(make):
    generator = make()
    for index in range(5):
        item = generator.item(index)
        mask = item["true_mask"]
        assert item["true_depth"][mask].min() > 0.9
        assert item["true_depth"][mask].max() < generator.far
        assert (item["true_depth"][~mask] == np.float32(generator.far)).all()


def test_landmarks_project_to_their_positions(make):
    size = 48
    item = make(size=size).item(2)
    pixels = item["true_landmarks3d"] @ item["camera"].T
    pixels = pixels[:, :2] / pixels[:, 2:]
    np.testing.assert_allclose(pixels * 2 / (size - 1) - 1, item["true_landmarks2d"], atol=1e-5)


def test_landmarks_move_with_the_pose(make):
    """The object frame is the camera frame of the head at rest: x_camera = R x_object + t."""
    moved, still = make().item(3), make(**STILL).item(3)
    pose = moved["true_pose"]
    np.testing.assert_allclose(
        still["true_landmarks3d"] @ pose[:, :3].T + pose[:, 3], moved["true_landmarks3d"], atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(pose[:, :3]), 1, atol=1e-6)


def test_visible_landmarks_lie_on_the_depth_map(make):
    size = 96
    generator = make(size=size)
    checked = 0
    for index in range(3):
        item = generator.item(index)
        for xyz, xy, seen in zip(*(item[f"true_{k}"] for k in ("landmarks3d", "landmarks2d", "visible")), strict=True):
            if not seen:
                continue
            column, row = np.rint((xy + 1) / 2 * (size - 1)).astype(int)
            around = item["true_depth"][0, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            assert around.min() - 0.004 < xyz[2] < around.max() + 0.004
            checked += 1
    assert checked > 20


def test_depth_is_where_the_ray_first_meets_a_triangle(make):
    """Each pixel's ray against every triangle (Moeller and Trumbore 1997), front faces only."""
    size = 24
    generator = make(size=size)
    index = 1
    item, surface = generator.item(index), generator.surface(index)
    pose, camera = item["true_pose"].astype(np.float64), item["camera"].astype(np.float64)
    points = surface.points @ pose[:, :3].T + pose[:, 3]
    a, b, c = (points[surface.triangles[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    for row, column in [(4, 4), (8, 10), (12, 12), (14, 9), (16, 13), (18, 12), (10, 14), (13, 15)]:
        ray = np.array([(column - camera[0, 2]) / camera[0, 0], (row - camera[1, 2]) / camera[1, 1], 1.0])
        p = np.cross(ray, ac)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / (ab * p).sum(axis=1)
            u = (-a * p).sum(axis=1) * inverse
            q = np.cross(-a, ab)
            v = (q @ ray) * inverse
            z = (q * ac).sum(axis=1) * inverse
            hit = (inverse > 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (z > 0) & (z < generator.far)
        assert item["true_mask"][0, row, column] == hit.any()
        if hit.any():
            assert item["true_depth"][0, row, column] == pytest.approx(z[hit].min(), abs=1e-5)


def test_normals_are_unit_face_the_viewer_and_agree_with_the_depth(make):
    """Against central differences of the back-projected depth; the median, since noses and lips have edges."""
    size = 128
    item = make(size=size).item(0)
    normals, mask, z = item["true_normals"], item["true_mask"][0], item["true_depth"][0].astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-6)
    assert normals[2].max() < 0
    row, column = np.mgrid[:size, :size]
    camera = item["camera"]
    points = np.stack([(column - camera[0, 2]) * z / camera[0, 0], (row - camera[1, 2]) * z / camera[1, 1], z], -1)
    down, right = points[2:, 1:-1] - points[:-2, 1:-1], points[1:-1, 2:] - points[1:-1, :-2]
    found = np.cross(down, right)
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    cosine = (found * np.moveaxis(normals, 0, -1)[1:-1, 1:-1]).sum(axis=-1)
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    angle = np.degrees(np.arccos(np.clip(cosine[inner], -1, 1)))
    assert np.median(angle) < 3
    assert np.mean(angle < 15) > 0.9


def test_pictures_are_albedo_times_shading(make):
    """Up to what anti-aliasing mixes: means over a pixel of a product against the product of means."""
    item = make(size=64).item(0)
    ambient, diffuse, *direction = item["true_light"]
    cosine = np.einsum("k,khw->hw", np.array(direction), item["true_normals"])
    expected = np.clip(item["true_albedo"] * (ambient + diffuse * np.maximum(cosine, 0)), 0, 1)
    error = np.abs(expected - item["image"])[:, item["true_mask"][0]]
    assert np.median(error) < 0.005
    assert np.quantile(error, 0.9) < 0.04


def test_a_head_is_the_same_in_pictures_of_any_size(make):
    small, large = make(size=24).item(5), make(size=96).item(5)
    np.testing.assert_array_equal(small["true_landmarks3d"], large["true_landmarks3d"])
    np.testing.assert_array_equal(small["true_light"], large["true_light"])
    np.testing.assert_allclose(small["true_landmarks2d"], large["true_landmarks2d"], atol=1e-5)
    assert small["true_mask"].mean() == pytest.approx(large["true_mask"].mean(), abs=0.05)


def test_a_setting_of_one_purpose_leaves_the_others_alone(make):
    usual, other = make().item(4), make(background="plain", ambient_min=0.1, blotches=0.0, marks=0.0).item(4)
    for name in ("true_depth", "true_mask", "true_normals", "true_pose", "true_landmarks2d"):
        np.testing.assert_array_equal(usual[name], other[name])
    assert not np.array_equal(usual["image"], other["image"])


def test_supersampling_moves_no_truth(make):
    one, three = make(supersampling=1).item(0), make(supersampling=3).item(0)
    np.testing.assert_allclose(one["true_depth"], three["true_depth"], atol=1e-6)
    np.testing.assert_array_equal(one["true_mask"], three["true_mask"])


def test_a_turned_head_is_where_its_pose_says(make):
    """Turning the surface by hand, and looking from the front, gives the same depth."""
    generator = make(size=32)
    item, surface = generator.item(6), generator.surface(6)
    from armillary_synthetic.scene import View, draw_background, draw_view

    view = draw_view(generator, 6)
    rotation, translation = view.pose[:, :3], view.pose[:, 3]
    turned = attrs.evolve(
        surface,
        points=surface.points @ rotation.T + translation,
        normals=surface.normals @ rotation.T,
        landmarks=surface.landmarks @ rotation.T + translation,
    )
    front = View(pose=np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1), light=view.light)
    again = take_picture(turned, front, draw_background(generator, 6), generator)
    np.testing.assert_allclose(again["true_depth"], item["true_depth"], atol=1e-6)
    np.testing.assert_allclose(again["image"], item["image"], atol=1e-5)


def test_a_generator_says_what_its_numbers_mean(make):
    size = 32
    generator = make(size=size)
    described = generator.describe()
    assert described["camera"]["intrinsics"] == generator.item(0)["camera"].tolist()
    assert described["camera"]["focal"] == "corners"
    assert len(set(described["points"])) == len(described["points"])


def test_a_generator_survives_a_trip_to_another_process(make):
    import pickle

    generator = make()
    assert same(pickle.loads(pickle.dumps(generator)).item(7), generator.item(7))
