"""Others' annotations as a data folder: points, depth and poses in this project's axes, and nothing guessed."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from armillary.data.convert import FAR, convert, rotation_from_pitch_yaw_roll, turned_to_the_side
from armillary.errors import DataError
from armillary.std.images import Images

POINTS = np.array(
    [[2.0, 3.0, 1.0], [6.0, 3.0, 1.0], [4.0, 6.5, -2.0]]
)  # both eyes nearer than the mouth, if larger is nearer


@pytest.fixture
def annotated(tmp_path):
    """Four pictures of 9 x 9 with three points each, the last of which is not known in the second picture."""

    def make(**arrays):
        folder = tmp_path / "faces"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        names = [f"face{index:03d}" for index in range(4)]
        for index, name in enumerate(names):
            Image.fromarray(np.full((9, 9, 3), 40 * index, np.uint8)).save(folder / "images" / f"{name}.png")
        points = np.stack([POINTS] * 4)
        points[1, 2] = np.nan
        given = {"id": np.array(names), "landmarks3": points.astype(np.float32), **arrays}
        np.savez(folder / "annotations.npz", **{name: value for name, value in given.items() if value is not None})
        return folder

    return make


def items(folder, split="all"):
    dataset = Images(size=9, root=folder, split=split)
    return {dataset.ids[index]: dataset[index] for index in range(len(dataset))}


def test_points_come_out_where_they_were(annotated, tmp_path):
    """Pixel 2 of 9 is -0.5 in [-1, 1]; larger z is farther, at one unit a pixel, FAR away."""
    done = convert(annotated(), tmp_path / "out", larger_z="nearer")
    assert (done.pictures, done.points, done.splits) == (4, ("0", "1", "2"), {})
    item = items(tmp_path / "out")["face000"]
    np.testing.assert_allclose(item["true_landmarks2d"], POINTS[:, :2] / 4 - 1, atol=1e-6)
    space = item["true_landmarks3d"].numpy()
    np.testing.assert_allclose(space[:, :2], POINTS[:, :2] - 4, rtol=1e-3)
    np.testing.assert_allclose(space[:, 2] - FAR, -POINTS[:, 2], atol=0.01)
    assert item["true_visible"].all()
    text = "".join(file.read_text() for file in (tmp_path / "out").glob("*.*"))
    assert str(tmp_path) not in text


def test_farther_stays_farther(annotated, tmp_path):
    convert(annotated(), tmp_path / "out", larger_z="farther")
    space = items(tmp_path / "out")["face000"]["true_landmarks3d"].numpy()
    np.testing.assert_allclose(space[:, 2] - FAR, POINTS[:, 2], atol=0.01)


def test_a_point_that_is_not_known_has_no_position_and_is_not_visible(annotated, tmp_path):
    convert(annotated(), tmp_path / "out", larger_z="nearer")
    item = items(tmp_path / "out")["face001"]
    assert item["true_visible"].tolist() == [True, True, False]
    assert item["true_landmarks2d"][2].isnan().all()
    hidden = np.ones((4, 3), bool)
    hidden[0, 1] = False
    convert(annotated(visible=hidden), tmp_path / "other", larger_z="nearer")
    item = items(tmp_path / "other")["face000"]
    assert item["true_visible"].tolist() == [True, False, True]
    assert item["true_landmarks2d"].isfinite().all()


def test_points_of_the_plane_have_no_camera(annotated, tmp_path):
    names = np.array([f"face{index:03d}.png" for index in range(4)])
    folder = annotated(id=None, filename=names, landmarks3=np.stack([POINTS[:, :2]] * 4))
    convert(folder, tmp_path / "out")
    item = items(tmp_path / "out")["face003"]
    assert "true_landmarks3d" not in item
    assert "camera" not in item
    assert not (tmp_path / "out" / "cameras.csv").exists()


# --- poses


def test_straight_out_of_the_picture_is_the_identity():
    np.testing.assert_allclose(rotation_from_pitch_yaw_roll(np.zeros((2, 3))), np.stack([np.eye(3)] * 2), atol=1e-12)


def test_3ddfa_angles_by_hand():
    """In its axes a yaw of 90 degrees takes the nose (0, 0, 1) to (-1, 0, 0): to the left, as in its code; here nose is -z."""
    rotation = rotation_from_pitch_yaw_roll(np.array([0.0, math.pi / 2, 0.0]))
    np.testing.assert_allclose(rotation @ [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], atol=1e-12)
    rotation = rotation_from_pitch_yaw_roll(np.array([math.pi / 2, 0.0, 0.0]))
    np.testing.assert_allclose(rotation @ [0.0, 0.0, -1.0], [0.0, -1.0, 0.0], atol=1e-12)  # (0, 1, 0) there: up
    rotation = rotation_from_pitch_yaw_roll(np.array([0.0, 0.0, math.pi / 2]))
    np.testing.assert_allclose(rotation @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)  # (0, -1, 0) there: down


def test_poses_are_rotations_and_yaw_is_what_turns_to_the_side():
    angles = np.random.default_rng(0).uniform(-1.4, 1.4, (50, 3))
    rotations = rotation_from_pitch_yaw_roll(angles)
    np.testing.assert_allclose(rotations @ rotations.swapaxes(-1, -2), np.stack([np.eye(3)] * 50), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    yaw = [turned_to_the_side(rotation) for rotation in rotations]
    np.testing.assert_allclose(yaw, np.degrees(np.abs(angles[:, 1])), atol=1e-9)
    behind = rotation_from_pitch_yaw_roll(np.array([0.0, math.radians(170), 0.0]))
    assert turned_to_the_side(behind) == pytest.approx(170.0)


def test_only_faces_that_look_this_way_are_kept(annotated, tmp_path):
    angles = np.zeros((4, 7))
    angles[:, 1] = np.radians([10, -44, 46, -100])
    done = convert(annotated(pose_para=angles), tmp_path / "out", larger_z="nearer", yaw_below=45.0)
    assert sorted(items(tmp_path / "out")) == ["face000", "face001"]
    assert done.left_out == ("face002: turned by 46 degrees", "face003: turned by 100 degrees")
    pose = items(tmp_path / "out")["face000"]["true_pose"].numpy()
    np.testing.assert_allclose(pose[:, :3], rotation_from_pitch_yaw_roll(angles[0, :3]), atol=1e-6)
    np.testing.assert_allclose(pose[:, 3], [0.0, POINTS[:, 1].mean() - 4, FAR], atol=1e-3)


# --- splits


def test_blocks_and_groups_stay_together(annotated, tmp_path):
    for number, how in enumerate(({"block": 2}, {"group": "person"})):
        folder = annotated(person=np.array(["a", "a", "b", "b"]))
        out = tmp_path / f"out{number}"
        done = convert(folder, out, larger_z="nearer", test=0.5, **how)
        rows = dict(line.split(",") for line in (out / "split.csv").read_text().splitlines()[1:])
        assert rows["face000"] == rows["face001"]
        assert rows["face002"] == rows["face003"]
        assert done.splits == {side: list(rows.values()).count(side) for side in ("train", "test")}


# --- COCO


def coco(folder, *, boxes=(None, None), images=(1, 2)):
    (folder / "pictures").mkdir(parents=True)
    for index in range(3):
        Image.fromarray(np.full((9, 12, 3), 60 * index, np.uint8)).save(folder / "pictures" / f"{index}.png")
    points = [[2, 3, 2, 8, 3, 1, 0, 0, 0], [4, 4, 2, 6, 4, 2, 5, 7, 2]]
    table = {
        "images": [{"id": index, "file_name": f"{index}.png"} for index in range(3)],
        "categories": [{"id": 1, "keypoints": ["left", "right", "tail"]}],
        "annotations": [
            {"id": 7 + n, "image_id": images[n], "keypoints": points[n], **({"bbox": boxes[n]} if boxes[n] else {})}
            for n in range(2)
        ]
        + [{"id": 99, "image_id": 0, "keypoints": [0] * 9}],
    }
    (folder / "points.json").write_text(json.dumps(table))
    return folder / "points.json"


def test_coco_points_have_their_names_and_what_is_not_labelled_is_not_there(tmp_path):
    done = convert(coco(tmp_path / "in"), tmp_path / "out")
    assert (done.pictures, done.points) == (2, ("left", "right", "tail"))
    rows = (tmp_path / "out" / "landmarks.csv").read_text().splitlines()
    assert rows[0] == "id,point,x,y,visible"
    assert rows[1:3] == ["1,left,2,3,1", "1,right,8,3,0"]
    assert len(rows) == 1 + 2 + 3


def test_several_objects_of_a_picture_are_cut_out(tmp_path):
    """A box of 4 x 2 about (5, 5) becomes a square of 1.25 times 4 from (2, 2) on; beyond the picture it is black."""
    done = convert(coco(tmp_path / "in", boxes=([3, 4, 4, 2], [8, 4, 8, 8]), images=(2, 2)), tmp_path / "out")
    assert done.pictures == 2
    assert "2-1,left,0,1,1" in (tmp_path / "out" / "landmarks.csv").read_text().splitlines()
    first, second = (np.asarray(Image.open(tmp_path / "out" / "images" / f"2-{n}.png")) for n in (1, 2))
    assert first.shape == (5, 5, 3)
    assert (first == 120).all()
    assert second.shape == (10, 10, 3)
    assert second[0, 0, 0] == 120
    assert second[-1, -1, 0] == 0


# --- refused


@pytest.mark.parametrize(
    ("arrays", "how", "said"),
    [
        ({}, {}, "--larger-z nearer, or --larger-z farther"),
        ({"id": None}, {"larger_z": "nearer"}, "needs id or filename; it has landmarks3"),
        ({"landmarks5": np.zeros((4, 5, 2))}, {}, "several: landmarks3, landmarks5; choose one with --landmarks"),
        ({"landmarks3": None}, {}, "no landmarks"),
        ({"landmarks3": np.zeros((3, 5, 2))}, {}, r"landmarks3 has the shape \(3, 5, 2\), for 4 pictures"),
        ({}, {"landmarks": "landmark3"}, "has no such array; did you mean 'landmarks3'?"),
        ({}, {"larger_z": "nearer", "yaw_below": 45.0}, "has no pose"),
        ({}, {"larger_z": "nearer", "group": "person"}, "--group person: .* has no such array"),
        ({}, {"larger_z": "nearer", "group": "id", "block": 5}, "give one"),
        ({}, {"larger_z": "nearer", "block": 5, "test": 1.0}, "needs a share between 0 and 1"),
        (
            {"id": np.array(["face000", "face001", "face002", "face9"])},
            {"larger_z": "nearer"},
            "'face9' is needed.* none",
        ),
        (
            {"id": np.array(["face000", "face001", "face002", "../face003"])},
            {"larger_z": "nearer"},
            "picture '../face003': a name has no /",
        ),
        ({"pose_para": np.full((4, 7), 2.0)}, {"larger_z": "nearer", "yaw_below": 10.0}, "no picture is left"),
    ],
)
def test_what_is_refused(annotated, tmp_path, arrays, how, said):
    folder = annotated(**arrays)
    with pytest.raises(DataError, match=said):
        convert(folder, tmp_path / "out", **how)


def test_folders_and_files_that_are_not_there(annotated, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        convert(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="needs no conversion: --data"):
        convert(tmp_path / "bare", tmp_path / "out")
    with pytest.raises(DataError, match="is not empty"):
        convert(annotated(), annotated(), larger_z="nearer")
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(DataError, match="not a COCO file of key points"):
        convert(tmp_path / "bad.json", tmp_path / "out")
