"""Claims of ``reported.py``: the rows agree with each other, with the text and with the recipes."""

from armillary_photogeo import reported
from armillary_photogeo.recipes import RECIPES


def row(table, name):
    (found,) = [r for r in table if r.row == name]
    return found


def test_rows_name_recipes_that_exist():
    known = {f"photogeo:{recipe.name}" for recipe in RECIPES} | {""}
    assert {r.recipe for r in (*reported.SYNFACE, *reported.THREEDFAW)} <= known
    assert {recipe for recipe, _ in reported.ABLATION} <= known


def test_ours_lies_between_the_bounds():
    """Table 1: worse than the supervised runs, better than every constant."""
    ours = row(reported.SYNFACE, "ours")
    assert ours.side is not None
    for r in reported.SYNFACE:
        if r.row.startswith("supervised"):
            assert r.side is not None
            assert r.side < ours.side
            assert r.normals < ours.normals
        elif r.row != "ours":
            assert r.side is None
            assert r.normals > ours.normals
    assert reported.BASELINE_SIDE[0] > ours.side


def test_ours_beats_what_learns_from_key_points():
    """Table 2, and the text: "outperforms DepthNet and reaches close-to-supervised performance"."""
    ours = row(reported.THREEDFAW, "ours").total
    assert ours > max(r.total for r in reported.THREEDFAW if r.kind == "2D key points")
    assert ours < row(reported.THREEDFAW, "ground truth").total == 66


def test_splits_add_up():
    assert all(s.total == s.train + s.val + s.test for s in reported.SPLITS)
