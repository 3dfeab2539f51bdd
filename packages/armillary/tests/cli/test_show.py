"""Tables on a terminal."""

import json
from pathlib import Path

from armillary.cli import show
from armillary.plugins.discovery import PluginRecord


def test_columns_are_as_wide_as_they_must_be_and_numbers_stand_right():
    rows = [("a", 1, "x"), ("long name", 12.3456789, "y")]
    assert show.lines(rows, columns=("name", "value", "what"), width=80) == [
        "name       value  what",
        "a              1  x",
        "long name  12.35  y",
    ]


def test_the_last_column_is_wrapped_under_itself():
    found = show.lines([("a", "word " * 10)], width=30)
    assert len(found) == 2
    assert all(len(line) <= 30 for line in found)
    assert found[1].startswith("   word")


def test_columns_without_a_value_are_left_out():
    assert show.lines([("a", "", None), ("b", "", None)], columns=("name", "source", "unit"), width=40) == [
        "name",
        "a",
        "b",
    ]


def test_nothing_is_no_line():
    assert show.lines([]) == []


def test_a_list_and_a_table_are_words(capsys):
    show.facts({"splits": {"train": 8, "test": 2}, "points": ("nose", "chin"), "empty": [], "none": None, "on": True})
    assert capsys.readouterr().out.splitlines() == [
        "splits  train 8, test 2",
        "points  nose, chin",
        "on      true",
    ]


def test_json_takes_records_and_paths(capsys):
    record = PluginRecord(id="a", distribution="b", version="1", module="c", location="d")
    show.as_json({"plugin": record, "page": Path("x") / "y", "names": ("a",)})
    found = json.loads(capsys.readouterr().out)
    assert found["plugin"]["id"] == "a"
    assert found["page"] == "x/y"
    assert found["names"] == ["a"]


def test_one_and_many():
    assert show.count(1, "loss", "losses") == "1 loss"
    assert show.count(0, "step") == "0 steps"
    assert show.count(2, "loss", "losses") == "2 losses"
