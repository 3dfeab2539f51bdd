"""``armillary compare``."""

import csv
import io
import json

import pytest

from armillary.comparison.table import Cell, Column, Comparison, Row


@pytest.fixture
def made(monkeypatch):
    """A comparison that was made before; return what the command asks for."""
    asked = {}
    column = Column(measure="depth", figure="side", unit="1e-2", head="side (x 0.01)")
    rows = (
        Row(
            name="quick",
            recipe="toy:quick",
            seeds=(0, 1),
            parameters=1234,
            steps=10.0,
            seconds_a_step=0.25,
            peak_memory=400_000_000,
            cells={("depth", "side"): Cell(value=1.5, spread=0.25, values=(1.25, 1.75))},
            notes=("nme: needs points, which it does not find",),
        ),
        Row(name="null depth", kind="baseline", cells={("depth", "side"): Cell(value=2.0, values=(2.0,))}),
    )
    table = Comparison(about={"data": "faces"}, columns=(column,), rows=rows, protocols={"depth": "std:side-mad/1: p"})

    def compare(recipes, **rest):
        asked.update(rest, recipes=recipes)
        return table

    monkeypatch.setattr("armillary.comparison.compare.compare", compare)
    return asked


def test_one_table_with_baselines_and_spread(armillary, pictures, made):
    answer = armillary("compare", "toy:paper", "b=toy:paper", "--data", pictures, "--seeds", "0,1", "--steps", 5)
    assert answer.out.splitlines() == [
        "data  faces",
        "recipe      parameters  steps  s per step  peak memory  side (x 0.01)",
        "quick       1,234       10     0.25        400 MB       1.500 ± 0.250",
        "null depth                                              2.000",
        "quick: nme: needs points, which it does not find",
    ]
    assert "std:side-mad/1: p" in answer.err
    assert "comparison/index.html" in answer.err
    assert made["recipes"] == ("toy:paper", "b=toy:paper")
    assert made["seeds"] == (0, 1)
    assert made["steps"] == 5


def test_json_and_csv_hold_every_digit(armillary, pictures, made):
    found = json.loads(armillary("compare", "--data", pictures, "--json").out)
    assert found["rows"][0]["figures"]["depth"]["side"] == {"value": 1.5, "spread": 0.25, "values": [1.25, 1.75]}
    rows = list(csv.DictReader(io.StringIO(armillary("compare", "--data", pictures, "--csv").out)))
    assert rows[0]["depth.side [1e-2]"] == "1.5"
    assert rows[0]["depth.side [1e-2] spread"] == "0.25"
    assert rows[1]["kind"] == "baseline"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "--data is missing"),
        (("--data", "x", "--json", "--csv"), "print one of them"),
        (("--data", "x", "--seeds", "0;1"), "--seeds 0,1,2"),
        (("--data", "x", "--steps", "0"), "--steps 0: needs a number above 0"),
    ],
)
def test_what_is_typed_wrongly_is_said(armillary, flags, words):
    assert words in armillary("compare", "toy:paper", *flags, status=2).err


def test_a_folder_that_is_not_there(armillary):
    assert (
        "--data nowhere: there is no such folder"
        in armillary("compare", "toy:paper", "--data", "nowhere", status=1).err
    )


def test_a_comparison_in_processes_of_its_own(armillary, pictures):
    """Once for all: the plugins of this process are those of the runs, the table stands, and a second call does nothing."""
    command = ("compare", "toy:pairs", "--data", pictures, "--steps", 2, "--threads", 1, "--out", "c")
    first = armillary(*command)
    assert "toy:pairs, seed 0: run 1 of 1" in first.err
    assert "apart" in first.out
    again = armillary(*command)
    assert "run 1 of 1" not in again.err
    assert again.out == first.out
