"""Files of a prediction: tables that say what the outputs hold, and names that differ."""

import csv
import math
from pathlib import Path

import pytest
import torch

from armillary.errors import DataError
from armillary.inference.predict import Geometry, distinct_names
from armillary.inference.prediction_files import table_rows, write_predictions
from armillary.kernels.rotations import rotation_from_euler_zyx

KINDS = {"pose": "pose", "light": "light", "points": "keypoints2d", "depth": "depth", "nothing": "confidence"}


def geometry(id, angle):
    turn = rotation_from_euler_zyx(torch.tensor([0.0, math.radians(angle), 0.0]))
    return Geometry(
        id=id,
        image=torch.rand(3, 4, 4),
        outputs={
            "pose": torch.cat([turn, torch.tensor([[0.0], [0.5], [1.0]])], dim=1),
            "light": torch.tensor([0.2, 0.8, 0.0, 0.0, -1.0]),
            "points": torch.tensor([[0.0, 0.5], [-1.0, 1.0]]),
            "depth": torch.ones(1, 4, 4),
        },
        kinds=KINDS,
    )


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_for_each_output_that_is_a_few_numbers(tmp_path):
    """The turn of 30 degrees about y stands in the table in degrees, and as the matrix."""
    files = list(write_predictions([geometry("a", 30.0), geometry("b", -10.0)], tmp_path / "out"))
    assert [each[0].name for each in files] == ["a.npz", "b.npz"]
    tables = {"pose.csv", "light.csv", "points.csv", "keypoints.csv"}  # the last in pixels
    assert {path.name for path in (tmp_path / "out").glob("*.csv")} == tables
    first, second = rows_of(tmp_path / "out" / "pose.csv")
    assert (first["id"], second["id"]) == ("a", "b")
    assert float(first["y_degrees"]) == pytest.approx(30.0, abs=1e-4)
    assert float(second["y_degrees"]) == pytest.approx(-10.0, abs=1e-4)
    assert float(first["r11"]) == pytest.approx(math.cos(math.radians(30.0)))
    assert float(first["t2"]) == 0.5
    assert rows_of(tmp_path / "out" / "light.csv")[0]["diffuse"] == "0.800000012"  # nine digits: the float32 comes back
    points = rows_of(tmp_path / "out" / "points.csv")
    assert [(row["id"], row["point"], float(row["x"]), float(row["y"])) for row in points[:2]] == [
        ("a", "0", 0.0, 0.5),
        ("a", "1", -1.0, 1.0),
    ]


def test_what_was_found_before_an_error_is_kept(tmp_path):
    def found():
        yield geometry("a", 0.0)
        raise DataError("b.png: truncated")

    with pytest.raises(DataError, match="truncated"):
        list(write_predictions(found(), tmp_path))
    assert [row["id"] for row in rows_of(tmp_path / "pose.csv")] == ["a"]
    assert (tmp_path / "a.npz").is_file()


def test_numbers_without_a_shape_are_one_cell():
    assert table_rows("scalar", torch.tensor(0.25)) == [["0.25"]]
    assert table_rows("class_label", torch.tensor(3)) == [["3"]]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/1.png", "a/2.png"], ["1", "2"]),
        (["a/1.png", "b/1.png", "b/2.png"], ["a-1", "b-1", "2"]),
        (["a/1.png", "a/1.jpg"], ["a-1", "a-1-2"]),
        (["a/1.png", "b/1.png", "c/a-1.png"], ["a-1-2", "b-1", "a-1"]),
    ],
)
def test_no_result_is_written_over_another(files, names):
    found = distinct_names([Path("/x") / file for file in files])
    assert found == names
    assert len(set(found)) == len(files)
