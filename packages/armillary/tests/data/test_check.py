"""Everything that is wrong with a folder, file by file."""

import json

import numpy as np
import pytest
from PIL import Image

from armillary.data.check import check, info
from armillary.errors import DataError
from armillary.interfaces import Finding
from armillary.std.images import Images

SIZE = 8
EYE = "1,0,0,0,1,0,0,0,1,0,0,0"


def picture(path, *, size=(SIZE, SIZE), seed=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def array(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def table(path, header, *lines):
    path.write_text("\n".join([header, *lines]) + "\n")


@pytest.fixture
def folder(tmp_path):
    """Two pictures with everything, and nothing wrong."""
    root = tmp_path / "faces"
    for index, name in enumerate("ab"):
        picture(root / "images" / f"{name}.png", seed=index)
        picture(root / "albedo" / f"{name}.png", seed=index + 5)
        picture(root / "mask" / f"{name}.png", mode="1")
        array(root / "depth" / f"{name}.npy", np.ones((SIZE, SIZE), np.float32))
        normals = np.zeros((3, SIZE, SIZE), np.float16)
        normals[2] = -1
        array(root / "normals" / f"{name}.npy", normals)
    table(root / "landmarks.csv", "id,point,x,y,visible", "a,eye,1,2,1", "b,eye,3,4,1")
    table(root / "poses.csv", "id,r11,r12,r13,r21,r22,r23,r31,r32,r33,t1,t2,t3", f"a,{EYE}", f"b,{EYE}")
    table(root / "lights.csv", "id,ambient,diffuse,x,y,z", "a,0.4,0.6,0,0,-1", "b,0.4,0.6,0,0,-1")
    (root / "generator.json").write_text(json.dumps({"camera": np.eye(3).tolist()}))
    return root


def one_finding(root):
    """Return the only thing that is wrong."""
    (finding,) = check(root, config=Images.Config()).findings
    return finding


def test_nothing_is_wrong(folder):
    report = check(folder, config=Images.Config())
    assert report.findings == ()
    assert report.ok
    assert (report.name, report.count, report.readable) == ("faces", 2, 2)
    assert report.sizes == {"8 x 8": 2}
    assert report.modes == {"RGB": 2}
    assert report.ports["true_depth"] == report.ports["true_pose"] == report.ports["camera"] == 2
    assert report.ports["true_landmarks3d"] == 0
    json.dumps(report.plain())


def test_every_bad_picture_is_named_with_its_reason(tmp_path):
    picture(tmp_path / "good.png", seed=1)
    picture(tmp_path / "grey.jpg", mode="L", size=(20, 10), seed=2)
    picture(tmp_path / "cut.jpg", size=(64, 64))
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    report = check(tmp_path, config=Images.Config())
    assert {finding.path: finding.text.split(" ")[0] for finding in report.findings} == {
        "cut.jpg": "truncated:", "empty.png": "empty", "text.png": "not",
    }  # fmt: skip
    assert not report.ok
    assert (report.count, report.readable) == (5, 2)
    assert report.sizes == {"8 x 8": 1, "20 x 10": 1}
    assert report.modes == {"RGB": 1, "L": 1}


def test_progress_counts_to_the_end(folder):
    calls = []
    check(folder, config=Images.Config(), progress=lambda done, of: calls.append((done, of)))
    assert calls == [(1, 2), (2, 2)]


# --- files beside the pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text", "severity"),
    [
        (np.ones((4, 8)), "is 8 x 4, but its picture is 8 x 8", "error"),
        (np.ones((2, 8, 8)), "has the shape (2, 8, 8), true_depth needs (1, height, width)", "error"),
        (np.zeros((8, 8)), "pixels in the mask have a depth of 0 or less", "error"),
        (np.full((8, 8), np.nan), "64 pixels are not finite numbers", "warning"),
    ],
)
def test_depth(folder, values, text, severity):
    array(folder / "depth/b.npy", values.astype(np.float32))
    finding = one_finding(folder)
    assert finding.path == "depth/b.npy"
    assert text in finding.text
    assert finding.severity == severity


def test_depth_outside_the_mask_may_be_zero(folder):
    mask = np.zeros((8, 8), np.uint8)
    mask[0, 0] = 255
    Image.fromarray(mask).save(folder / "mask/b.png")
    depth = np.zeros((8, 8), np.float32)
    depth[0, 0] = 1
    array(folder / "depth/b.npy", depth)
    assert check(folder, config=Images.Config()).findings == ()


def test_a_depth_file_that_is_none(folder):
    (folder / "depth/b.npy").write_text("hello")
    assert one_finding(folder) == Finding("depth/b.npy", "not a .npy file")


@pytest.mark.parametrize(
    ("z", "text"), [(-2.0, "not of unit length (from 2 to 2)"), (1.0, "most normals look away from the viewer")]
)
def test_normals(folder, z, text):
    normals = np.zeros((3, 8, 8), np.float16)
    normals[2] = z
    array(folder / "normals/b.npy", normals)
    assert text in one_finding(folder).text


def test_masks(folder):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "mask/b.png")
    assert one_finding(folder) == Finding("mask/b.png", "nothing is marked (white counts)", "warning")
    picture(folder / "mask/b.png", size=(4, 4))
    assert one_finding(folder) == Finding("mask/b.png", "is 4 x 4, but its picture is 8 x 8")
    (folder / "mask/b.png").write_bytes(b"")
    assert one_finding(folder) == Finding("mask/b.png", "empty file (0 bytes)")


def test_a_file_that_only_some_have(folder):
    (folder / "depth/b.npy").unlink()
    assert one_finding(folder) == Finding("images/b.png", "has no depth/b.npy", "warning")
    assert check(folder, config=Images.Config()).ok


def test_files_that_belong_to_no_picture(folder):
    array(folder / "depth/c.npy", np.ones((8, 8), np.float32))
    assert one_finding(folder) == Finding("depth/c.npy", "belongs to no picture", "warning")
    (folder / "depth/c.npy").unlink()
    picture(folder / "depth/a.png")
    assert one_finding(folder) == Finding("depth/a.png", "is not read: true_depth needs .npy", "warning")


def test_coordinates(folder):
    for name in "ab":
        array(folder / f"coordinates/{name}.npy", np.zeros((3, SIZE, SIZE), np.float16))
    assert check(folder, config=Images.Config()).findings == ()
    assert info(folder, config=Images.Config()).ports["true_coordinates"] == 2
    array(folder / "coordinates/b.npy", np.zeros((2, SIZE, SIZE), np.float16))
    assert one_finding(folder) == Finding(
        "coordinates/b.npy", "has the shape (2, 8, 8), true_coordinates needs (3, height, width)"
    )


# --- pairs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs(folder):
    """The same, with a flow from a to b, and none from b."""
    array(folder / "flow/a.npy", np.ones((SIZE, SIZE, 2), np.float16))
    return folder


def test_a_film_has_nothing_wrong_and_its_pairs_are_counted(pairs):
    assert check(pairs, config=Images.Config()).findings == ()
    for port in ("partner_image", "partner_grid", "partner_valid"):
        assert check(pairs, config=Images.Config()).ports[port] == info(pairs, config=Images.Config()).ports[port] == 1


@pytest.mark.parametrize(
    ("values", "text", "severity"),
    [
        (np.zeros((4, 8, 2)), "is 8 x 4, but its picture is 8 x 8", "error"),
        (np.zeros((8, 8, 3)), "has the shape (8, 8, 3), a flow needs (height, width, 2)", "error"),
        (np.full((8, 8, 2), np.nan), "no displacement is known (all are nan)", "warning"),
        (np.full((8, 8, 2), 7), "98% of the displacements lead out of the picture", "warning"),
    ],
)
def test_flow(pairs, values, text, severity):
    array(pairs / "flow/a.npy", values)
    finding = one_finding(pairs)
    assert finding.path == "flow/a.npy"
    assert text in finding.text
    assert finding.severity == severity


def test_a_flow_file_that_is_none(pairs):
    (pairs / "flow/a.npy").unlink()
    (pairs / "flow/a.flo").write_bytes(b"PIEH")
    assert one_finding(pairs) == Finding("flow/a.flo", "not a .flo file (it begins with PIEH)")


def test_flow_that_a_picture_lacks(pairs):
    picture(pairs / "images/aa.png", seed=9)
    findings = [finding for finding in check(pairs, config=Images.Config()).findings if "flow" in finding.text]
    assert findings == [Finding("images/aa.png", "has no flow/aa.npy, though its partner is images/b.png", "warning")]


def test_partners_that_do_not_exist_or_are_of_another_size(pairs):
    table(pairs / "pairs.csv", "id,partner", "a,nobody")
    assert one_finding(pairs) == Finding(
        "pairs.csv", "the partner 'nobody' of images/a.png is not a picture of this folder"
    )
    table(pairs / "pairs.csv", "id,partner", "a,c")
    picture(pairs / "images/c.png", size=(9, 8), seed=7)
    assert (
        Finding("images/a.png", "is 8 x 8, but its partner images/c.png is 9 x 8")
        in check(pairs, config=Images.Config()).findings
    )


def test_rows_of_pairs_without_a_picture(pairs):
    table(pairs / "pairs.csv", "id,partner", "a,b", "nobody,a")
    assert one_finding(pairs) == Finding("pairs.csv", "1 rows belong to no picture (line 3: nobody)", "warning")


def test_a_table_of_pairs_that_cannot_be_read(pairs):
    table(pairs / "pairs.csv", "id,other", "a,b")
    assert one_finding(pairs).text.startswith("line 1: needs the columns id, partner")


def test_files_and_rows_that_come_to_nothing(pairs):
    (pairs / "generator.json").unlink()
    array(pairs / "flow/b.npy", np.ones((SIZE, SIZE, 2), np.float16))
    table(pairs / "pairs.csv", "id,partner", "a,b")
    assert one_finding(pairs) == Finding("pairs.csv", "1 pictures have a flow file, but no row here (b)", "warning")
    (pairs / "flow/b.npy").rename(pairs / "flow/c.npy")
    assert one_finding(pairs) == Finding("flow/c.npy", "belongs to no picture", "warning")
    (pairs / "flow/c.npy").rename(pairs / "flow/a.flo")
    assert one_finding(pairs) == Finding("flow/a.flo", "is not read: there is one in .npy too", "warning")
    (pairs / "flow/a.flo").rename(pairs / "flow/a.png")
    assert one_finding(pairs) == Finding("flow/a.png", "is not read: flow needs .npy or .flo", "warning")
    (pairs / "flow/a.png").unlink()
    (pairs / "flow/a.npy").unlink()
    text = "without flow files (flow/ID.npy) it is not used"
    assert one_finding(pairs) == Finding("pairs.csv", text, "warning")


# --- tables ----------------------------------------------------------------------------------------------------------


def test_rows_without_a_picture(folder):
    with (folder / "landmarks.csv").open("a") as file:
        file.write("c,eye,1,1,1\nd,eye,1,1,1\n")
    assert one_finding(folder) == Finding("landmarks.csv", "2 rows belong to no picture (line 4: c, d)", "warning")


def test_pictures_without_a_row(folder):
    table(folder / "landmarks.csv", "id,point,x,y", "a,eye,1,2")
    assert one_finding(folder) == Finding("landmarks.csv", "no points for images/b.png", "warning")


def test_points_outside_the_picture(folder):
    table(folder / "landmarks.csv", "id,point,x,y,visible", "a,eye,7.4,-0.4,1", "b,eye,7.6,0,1", "b,nose,99,0,0")
    finding = one_finding(folder)
    assert finding.text == "1 visible points of images/b.png are outside it"


def test_a_table_that_cannot_be_read(folder):
    table(folder / "landmarks.csv", "id,point,x,y", "a,eye,one,2")
    finding = one_finding(folder)
    assert finding == Finding("landmarks.csv", "line 2: x is 'one', not a finite number")


@pytest.mark.parametrize("matrix", ["2,0,0,0,1,0,0,0,1", "-1,0,0,0,1,0,0,0,1"])
def test_a_pose_that_is_no_rotation(folder, matrix):
    header = "id,r11,r12,r13,r21,r22,r23,r31,r32,r33,t1,t2,t3"
    table(folder / "poses.csv", header, f"a,{EYE}", f"b,{matrix},0,0,0")
    assert one_finding(folder).text.startswith("the matrix of images/b.png is not a rotation")


def test_a_light_and_a_camera_that_cannot_be(folder):
    table(folder / "lights.csv", "id,ambient,diffuse,x,y,z", "a,0.4,0.6,0,0,-1", "b,0.4,0.6,0,0,-2")
    assert one_finding(folder).text == "the direction of images/b.png is not of unit length"
    table(folder / "lights.csv", "id,ambient,diffuse,x,y,z", "a,0.4,0.6,0,0,-1", "b,0.4,0.6,0,0,-1")
    table(folder / "cameras.csv", "id,fx,fy,cx,cy", "a,-1,1,0,0")
    assert one_finding(folder).text == "a focal length of images/a.png is not positive"


def test_a_generator_whose_camera_is_none(folder):
    (folder / "generator.json").write_text(json.dumps({"camera": [1, 2]}))
    finding = one_finding(folder)
    assert finding.path == "generator.json"
    assert finding.text.startswith("camera needs intrinsics")


# --- splits and doubles ----------------------------------------------------------------------------------------------


def test_the_same_picture_twice(tmp_path):
    picture(tmp_path / "train/a.png", seed=1)
    picture(tmp_path / "train/b.png", seed=1)
    picture(tmp_path / "test/c.png", seed=1)
    picture(tmp_path / "test/d.png", seed=2)
    report = check(tmp_path, config=Images.Config())
    assert report.duplicates == (("test/c.png", "train/a.png", "train/b.png"),)
    assert [finding.text for finding in report.findings] == [
        "the same bytes as test/c.png and they are in different splits, test and train"
    ] * 2
    assert report.splits == {"train": 2, "test": 2}


def test_pictures_in_no_split(tmp_path):
    for index, name in enumerate(["train/a.png", "test/b.png", "cover.png"]):
        picture(tmp_path / name, seed=index)
    assert one_finding(tmp_path) == Finding(".", "1 pictures belong to no split (cover.png)", "warning")


def test_a_split_csv_that_is_wrong(folder):
    table(folder / "split.csv", "id,split", "a,trian")
    finding = one_finding(folder)
    assert finding == Finding("split.csv", "line 2: unknown split 'trian'; did you mean 'train'?")


def test_a_folder_that_is_not_finished(folder):
    (folder / ".making" / "rows").mkdir(parents=True)
    finding = one_finding(folder)
    assert finding == Finding(".", "not finished: 0 of ? items are there")


@pytest.mark.parametrize("verb", [check, info])
def test_no_folder_and_no_picture(tmp_path, verb):
    with pytest.raises(DataError, match="no such folder"):
        verb(tmp_path / "nowhere", config=Images.Config())
    with pytest.raises(DataError, match="the folder is empty"):
        verb(tmp_path, config=Images.Config())


# --- info ------------------------------------------------------------------------------------------------------------


def test_info(folder):
    picture(folder / "images/c.png", size=(30, 4))
    (folder / "images/d.png").touch()
    told = info(folder, config=Images.Config())
    assert (told.name, told.count) == ("faces", 4)
    assert (told.smallest, told.largest) == ((8, 8), (30, 4))
    assert told.ports["true_depth"] == 2
    assert told.points == ("eye",)
    assert told.split_rule == "hash"
    assert sum(told.splits.values()) == 4
    assert told.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert len(told.digest) == 64
    assert str(folder) not in json.dumps(told.plain())
