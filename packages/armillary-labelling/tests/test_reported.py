"""Claims of ``reported.py``: the rows agree with each other and with the recipes."""

import pytest

from armillary_labelling.recipes import RECIPES
from armillary_labelling.reported import FEW_LABELS, FINE_TUNING, LATER_WORK, PARAMETERS, REPORTED, TABLE_3, TABLE_4


def value(table, row, figure):
    (found,) = [r.value for r in table if (r.row, r.figure) == (row, figure)]
    return found


def test_rows_name_recipes_that_exist():
    known = {f"labelling:{recipe.name}" for recipe in RECIPES} | {""}
    assert {r.recipe for r in REPORTED} <= known


def test_no_figure_stands_twice():
    assert len({(r.row, r.figure, r.source) for r in REPORTED}) == len(REPORTED)
    assert (len(TABLE_3), len(TABLE_4), len(LATER_WORK), len(FINE_TUNING), len(FEW_LABELS)) == (10, 7, 54, 30, 12)


def test_what_the_paper_concludes_from_table_3():
    """SIMPLE needs the distance, gamma 0.5 is better than 1, and with DILATIONS both losses are alike."""
    simple = [
        value(TABLE_3, f"SIMPLE, {loss}", "nearest") for loss in ("log", "distance, gamma 1", "distance, gamma 0.5")
    ]
    assert simple == sorted(simple, reverse=True)
    dilations = [value(TABLE_3, f"DILATIONS, {loss}", "regressed") for loss in ("log", "distance, gamma 0.5")]
    assert dilations == pytest.approx([5.85, 5.85], abs=0.03)


def test_fine_tuned_rows_agree_with_the_larger_table():
    """It is the same run: AFLW figures of the larger table are those after fine-tuning, 300W those before."""
    for r in FINE_TUNING:
        name, _, tuned = r.row.rpartition(", ")
        if (tuned == "fine-tuned") == r.figure.startswith("AFLW"):
            assert r.value == value(LATER_WORK, name, r.figure)


def test_exchange_helps_descriptors_and_not_labels():
    """On MAFL, as the later work concludes."""
    gain = {
        d: value(LATER_WORK, d, "MAFL") - value(LATER_WORK, f"{d}, exchange", "MAFL") for d in ("3-d", "16-d", "64-d")
    }
    assert gain["3-d"] < 0 < gain["16-d"] < gain["64-d"]


def test_every_row_says_where_it_was_read_and_how_it_was_measured():
    assert all(r.source and r.protocol for r in REPORTED)
    assert list(PARAMETERS) == [3, 16, 32, 64]
