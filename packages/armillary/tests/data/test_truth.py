"""Tables beside the pictures: read by name, and every mistake named by file and line."""

import json
import struct

import numpy as np
import pytest

from armillary.data.folder import scan
from armillary.data.picture_file import PictureError
from armillary.data.truth import Truth, camera_of, generator_camera, read_flow, read_landmarks, read_numbers
from armillary.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in "ab":
        (tmp_path / "images" / f"{name}.png").touch()
    return tmp_path


def landmarks(root, text):
    (root / "landmarks.csv").write_text(text)
    return read_landmarks(scan(root))


def test_landmarks_by_hand(folder):
    table = landmarks(folder, "\ufeffID, Point ,x,y,z,visible\na.png,10,1.5,2,0.9,1\na,9,3,4,1,no\n\nb,10,5,6,1,true\n")
    assert table is not None
    assert table.names == ("9", "10")  # numbers are in order of number
    np.testing.assert_allclose(table.values["a"], [[3, 4, 1, 0], [1.5, 2, 0.9, 1]])
    np.testing.assert_allclose(table.values["b"], [[np.nan, np.nan, np.nan, 0], [5, 6, 1, 1]])
    assert table.has_depth


def test_landmarks_without_depth_or_visibility(folder):
    table = landmarks(folder, "id,point,x,y\na,nose,1,2\na,eye,3,4\n")
    assert table is not None
    assert table.names == ("nose", "eye")
    assert not table.has_depth
    assert table.values["a"][:, 3].tolist() == [1, 1]
    tables = Truth.read(scan(folder))
    assert tables.has("true_landmarks2d", "a")
    assert not tables.has("true_landmarks2d", "b")
    assert not tables.has("true_landmarks3d", "a")


def test_the_generator_orders_the_points(folder):
    (folder / "generator.json").write_text(json.dumps({"points": ["ear", "eye", "nose"]}))
    table = landmarks(folder, "id,point,x,y\na,nose,1,2\na,eye,3,4\n")
    assert table is not None
    assert table.names == ("ear", "eye", "nose")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id,point,x\na,1,2\n",
            r"landmarks.csv, line 1: needs the columns id, point, x, y; y missing, has id, point, x",
        ),
        ("id,point,x,y\na,1,2,three\n", r"landmarks.csv, line 2: y is 'three', not a finite number"),
        ("id,point,x,y\na,1,2,nan\n", "not a finite number"),
        ("id,point,x,y\na,1,2,3\na,1,4,5\n", r"line 3: point '1' of 'a' is listed twice"),
        ("id,point,x,y,visible\na,1,2,3,maybe\n", r"line 2: visible is 'maybe', not 0 or 1"),
        ("id,point,x,y\na,1,2\n", "line 2: 3 cells where the header has 4"),
        ("", "needs the columns"),
    ],
)
def test_landmarks_that_are_wrong(folder, text, message):
    with pytest.raises(DataError, match=message):
        landmarks(folder, text)


def test_a_table_that_is_no_text(folder):
    (folder / "landmarks.csv").write_bytes(b"id,point,x,y\n\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_landmarks(scan(folder))


def test_numbers_by_hand(folder):
    (folder / "lights.csv").write_text("id,diffuse,ambient,x,y,z\nb,0.6,0.4,0,0,-1\nnobody,1,1,1,1,1\n")
    values = read_numbers(scan(folder), "lights")
    assert values is not None
    assert set(values) == {"b"}
    np.testing.assert_allclose(values["b"], [0.4, 0.6, 0, 0, -1])


def test_an_id_that_stands_there_twice(folder):
    (folder / "lights.csv").write_text("id,ambient,diffuse,x,y,z\nb,1,1,1,1,1\nb,1,1,1,1,1\n")
    with pytest.raises(DataError, match=r"lights.csv, line 3: 'b' is listed twice"):
        read_numbers(scan(folder), "lights")


@pytest.mark.parametrize(
    "camera", [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], {"intrinsics": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}]
)
def test_the_generators_camera(folder, camera):
    found = generator_camera({"camera": camera}, folder)
    assert found is not None
    assert found.tolist() == np.eye(3).tolist()


@pytest.mark.parametrize("generator", [{}, {"camera": None}, {"camera": {"fov": 10}}])
def test_a_generator_without_intrinsics(folder, generator):
    assert generator_camera(generator, folder) is None


@pytest.mark.parametrize("camera", [[1, 2], "wide", [[1, 0, 0], [0, 1, 0], [0, 0, "nan"]]])
def test_a_camera_that_is_none(folder, camera):
    with pytest.raises(DataError, match=r"generator.json: camera needs intrinsics"):
        generator_camera({"camera": camera}, folder)


def test_a_pictures_own_camera_comes_first(folder):
    (folder / "generator.json").write_text(json.dumps({"camera": np.eye(3).tolist()}))
    (folder / "cameras.csv").write_text("id,fx,fy,cx,cy\na,2,3,4,5\n")
    tables = Truth.read(scan(folder))
    own, generators = camera_of(tables, "a"), camera_of(tables, "b")
    assert own is not None
    assert generators is not None
    assert own.tolist() == [[2, 0, 4], [0, 3, 5], [0, 0, 1]]
    assert generators.tolist() == np.eye(3).tolist()


def test_tables_beside_a_bare_folder_are_not_read(tmp_path):
    """Without ``images/`` a CSV file may be anything."""
    (tmp_path / "a.png").touch()
    (tmp_path / "landmarks.csv").write_text("whatever")
    assert Truth.read(scan(tmp_path)).landmarks is None


# --- optical flow ----------------------------------------------------------------------------------------------------


def flo_bytes(flow):
    """A .flo file as its authors write it: 202021.25 as a float, width and height as integers, then u and v by rows."""
    height, width, _ = flow.shape
    return struct.pack("<fii", 202021.25, width, height) + flow.astype("<f4").tobytes()


@pytest.fixture
def flow():
    return np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)


def test_a_flo_file_comes_back(tmp_path, flow):
    (tmp_path / "a.flo").write_bytes(flo_bytes(flow))
    np.testing.assert_array_equal(read_flow(tmp_path / "a.flo", (3, 5)), flow)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int16])
def test_an_array_comes_back_with_its_components_first_or_last(tmp_path, flow, kind):
    values = (flow * 4).astype(kind)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", np.moveaxis(values, -1, 0))
    for name in ("a", "b"):
        read = read_flow(tmp_path / f"{name}.npy", (3, 5))
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf, 1.7e9, -1e10])
def test_what_is_not_known_is_nan_in_both_components(tmp_path, flow, unknown):
    """Middlebury marks an unknown displacement by a value beyond 1e9."""
    flow[1, 2, 0] = unknown
    (tmp_path / "a.flo").write_bytes(flo_bytes(flow))
    read = read_flow(tmp_path / "a.flo", (3, 5))
    assert np.isnan(read[1, 2]).all()
    assert np.isfinite(read).sum() == 2 * 14


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], r"declares 5 x 3 pixels, but holds 14.875 of them"),
        (lambda data: data + b"more", r"declares 5 x 3 pixels, but holds 15.5 of them"),
        (lambda data: data[:11], "not a .flo file"),
        (lambda data: b"", "not a .flo file"),
        (lambda data: b"PIEJ" + data[4:], "not a .flo file"),
        (lambda data: data[:4] + struct.pack("<ii", -5, -3) + data[12:], "declares -5 x -3 pixels"),
    ],
)
def test_a_flo_file_that_is_none(tmp_path, flow, change, message):
    (tmp_path / "a.flo").write_bytes(change(flo_bytes(flow)))
    with pytest.raises(PictureError, match=message):
        read_flow(tmp_path / "a.flo", (3, 5))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 5, 2), r"is 5 x 4, but its picture is 5 x 3"),
        ((3, 5), r"has the shape \(3, 5\), a flow needs \(height, width, 2\)"),
        ((3, 5, 3), r"has the shape \(3, 5, 3\)"),
    ],
)
@pytest.mark.parametrize("header_only", [False, True])
def test_flow_of_another_shape(tmp_path, shape, message, header_only):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(PictureError, match=message):
        read_flow(tmp_path / "a.npy", (3, 5), header_only=header_only)


def test_flow_that_is_not_there(tmp_path):
    for name in ("a.npy", "a.flo"):
        with pytest.raises(PictureError, match=r"a\.(npy|flo): .*No such file"):
            read_flow(tmp_path / name, (3, 5))
