"""``armillary assets``."""

import json


def test_what_is_added_is_listed(armillary, tmp_path):
    file = tmp_path / "faces.h5"
    file.write_bytes(b"weights")
    added = armillary("assets", "add", "faces", file)
    assert str(file) in added.err
    assert "no installed part asks for 'faces'" in added.err
    assert "faces.h5" in armillary("assets", "list").out
    file.unlink()
    rows = {row["name"]: row for row in json.loads(armillary("assets", "list", "--json").out)}
    assert rows["faces"] == {"name": "faces", "file": str(file), "there": False, "needed by": []}
    assert "missing" in armillary("assets", "list").out


def test_what_an_installed_part_asks_for_names_the_part(armillary, tmp_path):
    file = tmp_path / "vgg16.pth"
    file.write_bytes(b"weights")
    assert "no installed part" not in armillary("assets", "add", "vgg16", file).err
    rows = {row["name"]: row for row in json.loads(armillary("assets", "list", "--json").out)}
    assert "std:perceptual-l2" in rows["vgg16"]["needed by"]


def test_a_file_that_is_not_there_is_refused(armillary):
    assert "nosuch: there is no such file" in armillary("assets", "add", "vgg16", "nosuch", status=1).err
