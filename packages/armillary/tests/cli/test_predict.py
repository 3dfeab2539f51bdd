"""``armillary predict``."""

import shutil

import numpy as np
from PIL import Image


def test_predict_writes_a_result_a_picture(run, armillary, pictures, tmp_path):
    del run
    (tmp_path / "more").mkdir()
    shutil.copy(pictures / "0.png", tmp_path / "more" / "0.png")
    (pictures / "text.jpg").write_text("hello")
    answer = armillary("predict", "run", pictures, tmp_path / "more", "--out", "found")
    assert "skipped" in answer.err
    assert "text.jpg" in answer.err
    assert "found: 7 pictures done, 1 file skipped" in answer.err
    found = tmp_path / "work" / "found"
    assert len(list(found.glob("*.npz"))) == 7
    with np.load(found / "more-0.npz") as first, np.load(found / "pictures-0.npz") as second:
        assert {"image", "reconstruction"} <= set(first)
        np.testing.assert_array_equal(first["image"], second["image"])


def test_predict_fails_where_nothing_can_be_used(run, armillary, tmp_path):
    del run
    bad = tmp_path / "text.jpg"
    bad.write_text("hello")
    assert "0 pictures done, 1 file skipped" in armillary("predict", "run", bad, "--out", "found", status=1).err
    assert "text.jpg" in armillary("predict", "run", bad, "--out", "found", "--strict", status=1).err
    assert "no such file" in armillary("predict", "run", "nosuch.png", "--out", "found", status=1).err


def test_new_views_are_drawn_by_the_stage_that_can(armillary, pictures, tmp_path):
    armillary("train", "toy:stages", "--data", pictures, "--out", "run")
    (pictures / "text.jpg").write_text("hello")
    answer = armillary("predict", "run", pictures, "--out", "found", "--views")
    assert "6 pictures done, 1 file skipped" in answer.err
    found = tmp_path / "work" / "found"
    assert {path.name for path in found.glob("0*")} >= {"0-views.png", "0-views.webp", "0.reconstruction.png"}
    assert len(list(found.glob("*-views.webp"))) == 6
    said = armillary("predict", "run", pictures / "0.png", "--out", "other", "--stage", "shapes", "--views", status=1)
    assert "--stage can be views" in said.err


def test_another_stage_can_be_asked(armillary, pictures, tmp_path):
    armillary("train", "toy:stages", "--data", pictures, "--out", "run")
    armillary("predict", "run", pictures / "0.png", "--out", "found", "--stage", "shapes")
    assert (tmp_path / "work" / "found" / "0.reconstruction.png").is_file()
    assert "no such stage" in armillary("predict", "run", pictures, "--out", "found", "--stage", "x", status=1).err


def test_predict_and_data_check_find_the_same_pictures_in_a_folder(run, armillary, pictures, tmp_path):
    """Endings such as .jfif and .tga count as pictures for both; a data folder's masks, notes and hidden files for neither."""
    del run
    odd = tmp_path / "odd"
    for folder in ("images", "masks"):
        (odd / folder).mkdir(parents=True)
        Image.open(pictures / "0.png").save(odd / folder / "a.jfif", "JPEG")
    Image.open(pictures / "1.png").save(odd / "images" / "b.tga")
    (odd / "images" / ".hidden.png").write_bytes((pictures / "2.png").read_bytes())
    (odd / "images" / "notes.txt").write_text("hello")
    assert "2 of 2 can be read" in armillary("data", "check", odd).out
    assert "2 pictures done" in armillary("predict", "run", odd, "--out", "found").err
    assert sorted(path.name for path in (tmp_path / "work" / "found").glob("*.npz")) == ["a.npz", "b.npz"]


def test_predict_refuses_a_folder_without_pictures(run, armillary, tmp_path):
    del run
    (tmp_path / "empty").mkdir()
    assert "the folder is empty" in armillary("predict", "run", tmp_path / "empty", "--out", "found", status=1).err
