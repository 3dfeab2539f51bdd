"""Claims of ``reported.py``: the rows agree with each other and with the recipes."""

from armillary_unsup3d.recipes import RECIPES
from armillary_unsup3d.reported import SYNFACE


def row(name):
    (found,) = [r for r in SYNFACE if r.row == name]
    return found


def test_rows_name_recipes_that_exist():
    known = {f"unsup3d:{recipe.name}" for recipe in RECIPES} | {""}
    assert {r.recipe for r in SYNFACE} <= known


def test_the_paper_beats_its_baselines_by_the_stated_ratios():
    """0.793 / 1.990 = 0.40 of the average depth in SIDE, 16.51 / 23.26 = 0.71 in MAD."""
    ours, average = row("ours, unsupervised"), row("average ground-truth depth")
    assert round(ours.side / average.side, 2) == 0.40
    assert round(ours.mad / average.mad, 2) == 0.71


def test_every_row_says_where_it_was_read():
    assert all(r.source and r.kind in {"quoted", "authors", "replication"} for r in SYNFACE)
