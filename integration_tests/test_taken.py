"""Trained parts of one method inside another: taken from their runs, kept, and used when those runs are gone."""

import json
import shutil

ONE = ("--steps", 1)


def test_the_trunk_of_labelling_measures_features_of_key_points(armillary, heads, tmp_path):
    """Its ports fit by name; frozen, it is in no checkpoint; the run predicts without the one that it was taken from."""
    armillary("train", "labelling:smoke", "--data", heads, "--out", "labels", *ONE)
    take = ("--take", "features=labels:encoder", "--set", "losses.trunk.use=keypoints:feature-distance")
    train = ("train", "keypoints:smoke", "--data", heads, "--out", "points", *take, *ONE)
    assert "slots.features: taken from another run: --from labels=RUN" in armillary(*train, status=2).stderr
    said = armillary(*train, "--from", "labels=labels").stderr
    assert "features is encoder of the run labels (labelling:smoke, step 1), frozen" in said
    wrong = ("recipes", "check", "keypoints:smoke", "--take", "features=labels:head", "--from", "labels=labels")
    assert "labelling:label-map does not fit" in armillary(*wrong, status=1).stderr
    shutil.rmtree(tmp_path / "labels")
    armillary("predict", "points", next((heads / "images").iterdir()), "--out", "found")
    assert list((tmp_path / "found").glob("*.npz"))


def test_key_points_are_lifted_by_the_depth_of_another_method(armillary, heads, tmp_path):
    """Nothing is trained; each run sees pictures of its own size; both may go; the measures in space run on what comes out."""
    armillary("train", "keypoints:smoke", "--data", heads, "--out", "points", *ONE)
    armillary("train", "unsup3d:smoke", "--data", heads, "--out", "depth", *ONE)
    sizes = ("--set", "settings.points_size=32", "--set", "settings.depth_size=16")
    both = ("--from", "points=points", "--from", "depth=depth", *sizes)
    armillary("train", "keypoints:lifted", "--data", heads, "--out", "lifted", *both)
    for run in ("points", "depth"):
        shutil.rmtree(tmp_path / run)
    evaluate = ("evaluate", "lifted", "--data", heads, "--split", "all", "--only", "nme3d-aligned", "--json")
    found = json.loads(armillary(*evaluate).stdout)["evaluators"]["nme3d-aligned"]
    assert found["figures"]["error"]["value"] > 0
    assert {"mean shape", "without depth", "depth mirrored", "one place"} == set(found["baselines"])
