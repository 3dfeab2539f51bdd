"""Faces of a morphable model file."""

import json

import numpy as np
import pytest

from armillary_synthetic.morphable import Morphable
from armillary_synthetic.scene import CENTRE, View, take_picture

FRONT = View(
    pose=np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1),
    light=np.array([0.4, 0.6, 0.0, 0.0, -1.0]),
)


def build(path, **settings):
    return Morphable(size=48, seed=0, model=str(path), **settings)


def shoot(generator, index):
    return take_picture(generator.surface(index), FRONT, np.full((48, 48, 3), 0.5), generator)


def test_without_variation_a_face_is_the_mean(model):
    generator = build(model, identity=0.0, smile=0.0, expression=0.0)
    np.testing.assert_array_equal(generator.surface(0).points, generator.surface(1).points)
    assert np.abs(generator.surface(0).points - CENTRE).max() < 0.15


def test_a_face_looks_at_the_eye_with_its_left_on_the_right(model):
    """The file has x to the subject's left, y up and z to the front: x stays, y and z turn round; the scale is one."""
    with np.load(model) as file:
        front = file["landmarks68"]
        given = file["vertices"][front].astype(np.float64)
    generator = build(model, identity=0.0, smile=0.0, expression=0.0)
    surface = generator.surface(0)
    for axis, sign in enumerate((1, -1, -1)):
        slope, _ = np.polyfit(given[:, axis], surface.landmarks[:, axis], 1)
        assert slope == pytest.approx(sign * 0.0094, rel=1e-4)
    assert surface.normals[generator.face.landmarks, 2].mean() < -0.8
    assert shoot(generator, 0)["true_visible"].mean() > 0.8


def test_a_face_is_the_weighted_sum_of_its_modes(model):
    """Two faces differ by a vector in the span of identity and expression modes."""
    generator = build(model)
    modes = np.concatenate([generator.face.identity_modes, generator.face.expression_modes]).astype(np.float64)
    moved = (generator.surface(3).points - generator.face.mean).ravel()
    weights, *_ = np.linalg.lstsq(modes.T, moved, rcond=None)
    np.testing.assert_allclose(weights @ modes, moved, atol=1e-6)
    assert np.abs(moved).max() > 1e-3


def test_without_asymmetry_a_symmetric_model_gives_symmetric_faces(model):
    generator = build(model, expression=0.0, blotches=0.0, marks=0.0)
    item = shoot(generator, 2)
    both = item["true_mask"] & item["true_mask"][..., ::-1]
    for name, limit in (("true_depth", 5e-4), ("image", 0.02)):  # the file's triangles are not mirrored
        off = np.abs(item[name] - item[name][..., ::-1]).max(axis=0, keepdims=True)[both]
        assert np.quantile(off, 0.95) < limit, name


@pytest.mark.parametrize(
    ("setting", "what"),
    [({"expression": 1.0}, "true_depth"), ({"marks": 20.0}, "true_albedo"), ({"blotches": 2.0}, "true_albedo")],
)
def test_each_asymmetry_breaks_the_mirror(model, setting, what):
    still = {"expression": 0.0, "blotches": 0.0, "marks": 0.0}
    generator, even = build(model, **{**still, **setting}), build(model, **still)

    def lopsided(generator, index):
        item = shoot(generator, index)
        both = (item["true_mask"] & item["true_mask"][..., ::-1])[0]
        return np.abs(item[what] - item[what][..., ::-1])[:, both].mean()

    assert np.mean([lopsided(generator, i) for i in range(6)]) > 1.5 * np.mean([lopsided(even, i) for i in range(6)])


def test_the_mouth_is_no_hole(model):
    """The pouch stands behind the lips by the depth of teeth, 1.2 cm of 0.0094 scene units, not by its own."""
    generator = build(model, identity=0.0, smile=0.0, expression=0.0)
    lips = generator.surface(0).landmarks[48:60, 2]
    pouch = generator.face.mean[generator.face.region == 2]
    assert pouch[:, 2].max() < lips.max() + 0.03
    heights = generator.surface(0).landmarks[48:60, 1]
    assert heights.min() < pouch[:, 1].min() < pouch[:, 1].max() < heights.max()


@pytest.mark.parametrize("crop", ["narrow", "face", "head"])
def test_crops_keep_what_they_say(model, crop):
    generator = build(model, crop=crop)
    width = np.ptp(generator.surface(0).points[generator.face.triangles.ravel(), 0])
    assert (width < 0.12) == (crop == "narrow")


def test_the_generator_names_its_model_by_hash_not_by_place(model):
    text = json.dumps(build(model).describe())
    assert str(model.parent) not in text
    described = json.loads(text)["model"]
    assert described["name"] == model.name
    assert described["bytes"] == model.stat().st_size
    assert len(described["sha256"]) == 64


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no file at .*none.npz: give a morphable model with --set model=FILE"):
        build(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 cut short", b"\x93NUMPY"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken.npz .*--set model=FILE"):
        build(path)


def test_a_model_that_lacks_an_array_is_refused(write):
    with pytest.raises(ValueError, match="lacks albedo_base"):
        build(write("short.npz", leave_out="albedo_base"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"landmarks68": np.zeros(5, dtype=int)}, r"landmarks68 has shape \(5,\), needs \[68\]"),
        ({"albedo_base": np.zeros((7, 3))}, r"albedo_base has shape \(7, 3\)"),
        ({"triangles": np.full((1, 3), 10**6)}, "triangles points outside"),
    ],
)
def test_a_model_whose_arrays_do_not_fit_is_refused(write, change, said):
    with pytest.raises(ValueError, match=said):
        build(write("wrong.npz", change=change))


@pytest.mark.realdata("face_model_ict")
def test_the_real_model_makes_faces(real_data):
    file = real_data / "face_model_ict" / "ict_face_60.npz"
    generator = build(file)
    items = [generator.item(i) for i in range(10)]
    assert 0.6 < np.mean([item["true_mask"].mean() for item in items]) < 0.85
    assert all(item["true_depth"].min() > 0.9 for item in items)
    assert np.mean([item["true_visible"].mean() for item in items]) > 0.6
    tip = build(file, yaw=0.0, pitch=0.0, roll=0.0).item(0)["true_landmarks3d"][30]
    assert tip[2] < 0.96
