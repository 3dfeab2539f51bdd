import typing
from pathlib import Path

from armillary.cli import new
from armillary.plugins.scaffold import KINDS


def test_what_is_written_and_what_to_type_next(armillary):
    """The folder alone is data; every command that follows is a message."""
    answer = armillary("new", "plugin", "mine", "--kind", "renderer")
    assert answer.out == "armillary-mine\n"
    assert "  cd armillary-mine\n  python -m pip install -e . armillary-testing " in answer.err
    assert "  armillary plugins verify mine\n" in answer.err
    assert "--use renderer=mine:renderer" in answer.err
    assert Path("armillary-mine/armillary_mine.py").is_file()


def test_a_wrong_name_is_a_wrong_command(armillary):
    assert "type: armillary new plugin my-loss" in armillary("new", "plugin", "MyLoss", status=2).err
    assert list(Path().iterdir()) == []


def test_a_folder_that_is_there_is_a_failure(armillary, tmp_path):
    said = armillary("new", "plugin", "mine", "--out", tmp_path, status=1).err
    assert "is there already, and nothing is overwritten" in said


def test_the_flag_names_every_kind():
    assert typing.get_args(new.Kind) == tuple(KINDS)
