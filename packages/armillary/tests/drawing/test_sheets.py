"""Sheets, strips, and files that are whole or absent."""

import io

import numpy as np
import pytest
from PIL import Image

from armillary.drawing import sheets


def plain(value, height=8, width=8):
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_sheet_puts_pictures_in_their_cells():
    """Cells of 8 and gaps of 4: columns at 4 and 16, rows at 4 and 16."""
    sheet = sheets.contact_sheet([[plain(0), plain(50)], [plain(100), None]], cell=8)
    assert sheet.shape == (28, 28, 3)
    assert [sheet[y, x, 0] for y, x in [(4, 4), (4, 16), (16, 4), (16, 16), (0, 0)]] == [0, 50, 100, 255, 255]


def test_sheet_keeps_the_aspect():
    sheet = sheets.contact_sheet([[plain(0, 10, 30)], [plain(0, 10, 10)]], cell=20)
    assert sheet.shape[1] == 60 + 8


def test_few_pixels_stay_sharp():
    """A chequerboard of 2 x 2 at 16 x 16 has no colour between black and white."""
    board = np.zeros((2, 2, 3), dtype=np.uint8)
    board[[0, 1], [0, 1]] = 255
    assert set(np.unique(sheets.contact_sheet([[board]], cell=16))) == {0, 255}


def test_headers_and_captions_take_room_and_ink():
    bare = sheets.contact_sheet([[plain(255)] * 2], cell=40)
    sheet = sheets.contact_sheet([[plain(255)] * 2], ["depth", "a header of many words"], cell=40, captions=["cat"])
    assert sheet.shape[0] > bare.shape[0] + 20
    assert sheet.shape[1] > bare.shape[1] + 10
    assert sheet.min() < 100


@pytest.mark.parametrize(
    ("rows", "headers", "captions"),
    [([], [], []), ([[]], [], []), ([[1, 1], [1]], [], []), ([[1]], ["a", "b"], []), ([[1]], [], ["a", "b"])],
)
def test_what_does_not_fit_is_refused(rows, headers, captions):
    rows = [[plain(0) for _ in row] for row in rows]
    with pytest.raises(ValueError, match="rows"):
        sheets.contact_sheet(rows, headers, captions=captions)


def test_strip_and_stack():
    assert sheets.strip([plain(0), plain(9, 4, 6)]).shape == (8, 16, 3)
    assert sheets.stack([plain(0), plain(9, 4, 6)]).shape == (20, 8, 3)


def test_png_comes_back(tmp_path):
    shown = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = sheets.write_png(tmp_path / "deep" / "a.png", shown)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), shown)


def test_webp_moves():
    frames = [plain(value, 16, 16) for value in (0, 120, 240)]
    with Image.open(io.BytesIO(sheets.webp_bytes(frames, milliseconds=50))) as film:
        assert (film.format, getattr(film, "n_frames", 1), film.info["loop"]) == ("WEBP", 3, 0)


@pytest.mark.parametrize("frames", [[], [plain(0), plain(0, 4, 4)]])
def test_frames_of_two_sizes_are_refused(frames):
    with pytest.raises(ValueError, match="frames of one size"):
        sheets.webp_bytes(frames)


def test_a_file_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    path = sheets.write_whole(tmp_path / "a.txt", b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        sheets.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_usual_rights(tmp_path):
    """As any file that a program opens to write: temporary files are for their owner alone, this is not one."""
    (tmp_path / "usual").write_bytes(b"")
    path = sheets.write_whole(tmp_path / "ours", b"")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
