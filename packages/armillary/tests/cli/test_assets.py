"""``armillary assets``."""

import json


def test_what_is_added_is_listed(armillary, tmp_path):
    file = tmp_path / "vgg16.pth"
    file.write_bytes(b"weights")
    added = armillary("assets", "add", "vgg16", file)
    assert str(file) in added.err
    assert "no installed part asks for 'vgg16'" in added.err
    assert "vgg16.pth" in armillary("assets", "list").out
    file.unlink()
    (row,) = json.loads(armillary("assets", "list", "--json").out)
    assert row == {"name": "vgg16", "file": str(file), "there": False, "needed by": []}
    assert "missing" in armillary("assets", "list").out


def test_a_file_that_is_not_there_is_refused(armillary):
    assert "nosuch: there is no such file" in armillary("assets", "add", "vgg16", "nosuch", status=1).err
