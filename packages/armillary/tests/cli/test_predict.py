"""``armillary predict``."""

import shutil

import numpy as np


def test_predict_writes_a_result_a_picture(run, armillary, pictures, tmp_path):
    del run
    (tmp_path / "more").mkdir()
    shutil.copy(pictures / "0.png", tmp_path / "more" / "0.png")
    (pictures / "text.jpg").write_text("hello")
    answer = armillary("predict", "run", pictures, tmp_path / "more", "--out", "found")
    assert "passed over" in answer.err
    assert "text.jpg" in answer.err
    assert "found: 7 pictures done, 1 file passed over" in answer.err
    found = tmp_path / "work" / "found"
    assert len(list(found.glob("*.npz"))) == 7
    with np.load(found / "more-0.npz") as first, np.load(found / "pictures-0.npz") as second:
        assert {"image", "reconstruction"} <= set(first)
        np.testing.assert_array_equal(first["image"], second["image"])


def test_predict_fails_where_nothing_can_be_used(run, armillary, tmp_path):
    del run
    bad = tmp_path / "text.jpg"
    bad.write_text("hello")
    assert "0 pictures done, 1 file passed over" in armillary("predict", "run", bad, "--out", "found", status=1).err
    assert "text.jpg" in armillary("predict", "run", bad, "--out", "found", "--strict", status=1).err
    assert "no such file" in armillary("predict", "run", "nosuch.png", "--out", "found", status=1).err
