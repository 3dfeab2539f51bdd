"""Measures that two methods share: one table in which both have a figure, beside the same guesses."""

import json


def test_labels_and_key_points_are_measured_by_one_landmark_measure(armillary, heads, tmp_path):
    """Both read the same pictures, so the mean shape has one row, with one value per column for both methods."""
    both = ("labelling:smoke", "keypoints:smoke")
    armillary("compare", *both, "--data", heads, "--steps", 2, "--out", "table")
    found = json.loads((tmp_path / "table" / "comparison.json").read_text())
    rows = {row["name"]: row["figures"] for row in found["rows"]}
    assert {"nearest", "regressed", "nme"} <= rows[both[0]].keys() & rows[both[1]].keys()
    for name in (*both, "mean shape", "mean shape, true similarity", "linear in true yaw"):
        assert all(rows[name][measure]["error"]["value"] > 0 for measure in ("nearest", "regressed", "nme"))
    assert rows["mean shape"]["regressed"] == rows["mean shape"]["nearest"]


def test_a_method_without_points_and_labels_is_refused(armillary):
    """Both ports are optional, and one of them is needed: the refusal names them."""
    said = armillary(
        "recipes", "check", "unsup3d:smoke", "--set", "evaluators.x.use=std:landmarks-regressed/1", status=1
    )
    words = " ".join(said.stderr.split())
    assert "needs keypoints2d: " in words
    assert " or labels: " in words
    assert "but all are missing" in words
