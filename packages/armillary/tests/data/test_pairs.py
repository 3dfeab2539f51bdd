"""Which picture is another's partner: by the table, or as frames follow each other."""

import numpy as np
import pytest

from armillary.data.folder import scan
from armillary.data.pairs import flow_file, read_pairs
from armillary.errors import DataError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def partners(root):
    pairs = read_pairs(scan(root))
    assert pairs is not None
    return {item: entry.id for item, entry in pairs.partner.items()}


def test_frames_follow_each_other_by_number_within_their_folder(tmp_path):
    """As text, 10 stands before 9; the last frame of a film is not followed by the first of the next."""
    touch(tmp_path, *(f"images/{name}.png" for name in ("film/8", "film/9", "film/10", "other/1", "other/2")), "flow/x")
    assert partners(tmp_path) == {"film/8": "film/9", "film/9": "film/10", "other/1": "other/2"}


def test_a_leading_zero_changes_nothing(tmp_path):
    touch(tmp_path, *(f"images/{index:06d}.png" for index in (7, 8, 9, 10, 11)), "flow/x")
    assert partners(tmp_path) == {f"{i:06d}": f"{i + 1:06d}" for i in (7, 8, 9, 10)}


def test_the_table_decides_alone(tmp_path):
    touch(tmp_path, "images/a.png", "images/b.png", "images/c.png", "flow/a.npy", "flow/b.npy")
    (tmp_path / "pairs.csv").write_text("id,partner\na,c.png\nimages/c.png,a\nb,nobody\nnobody,a\n")
    pairs = read_pairs(scan(tmp_path))
    assert pairs is not None
    assert partners(tmp_path) == {"a": "c", "c": "a"}
    assert dict(pairs.unknown) == {"b": "nobody"}
    assert [pairs.has(item) for item in "abc"] == [True, False, False]  # c has no flow file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,partner\na,b\na,c\n", r"pairs.csv, line 3: 'a' is listed twice"),
        ("id,partner\na,nobody\na,b\n", r"line 3: 'a' is listed twice"),
        ("id,other\na,b\n", r"pairs.csv, line 1: needs the columns id, partner; partner missing"),
    ],
)
def test_a_table_that_is_wrong(tmp_path, text, message):
    touch(tmp_path, "images/a.png", "images/b.png")
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_pairs(scan(tmp_path))


def test_no_pairs(tmp_path):
    touch(tmp_path / "plain", "images/a.png", "images/b.png")
    assert read_pairs(scan(tmp_path / "plain")) is None
    touch(tmp_path / "bare", "a.png", "flow/a.npy")
    assert read_pairs(scan(tmp_path / "bare")) is None


def test_arrays_come_before_flo_files(tmp_path):
    touch(tmp_path, "images/a.png", "images/x/b.png", "flow/a.npy", "flow/a.flo", "flow/x/b.flo")
    folder = scan(tmp_path)
    assert flow_file(folder, "a") == tmp_path / "flow/a.npy"
    assert flow_file(folder, "x/b") == tmp_path / "flow/x/b.flo"
    assert flow_file(folder, "c") is None


def test_order_does_not_depend_on_how_files_are_listed(tmp_path):
    names = [str(index) for index in np.random.default_rng(0).permutation(30)]
    touch(tmp_path, *(f"images/{name}.png" for name in names), "flow/x")
    assert partners(tmp_path) == {str(index): str(index + 1) for index in range(29)}
