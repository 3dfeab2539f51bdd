"""Parts of one method inside another, by name; what does not fit is refused, with the reason, before training starts."""

import json

import pytest


@pytest.mark.parametrize("encoder", ["simple", "hourglass"])
def test_the_trunk_of_labelling_is_swapped_by_name(armillary, globe, encoder):
    """The same recipe with another network."""
    swap = ("--use", f"encoder=labelling:{encoder}", "--set", "encoder.features=64", "--steps", 1)
    armillary("train", "labelling:smoke", "--data", globe, "--out", "run", *swap)
    evaluate = ("evaluate", "run", "--data", globe, "--split", "all", "--only", "consistency", "--json")
    found = json.loads(armillary(*evaluate).stdout)
    assert 0 <= found["evaluators"]["consistency"]["figures"]["spread"]["value"] <= 180


def test_an_encoder_that_ends_in_a_vector_is_refused(armillary, globe):
    """Both sides are printed, and the parts that would fit; nothing is written."""
    train = ("train", "labelling:smoke", "--data", globe, "--out", "run", "--use", "encoder=unsup3d:conv-encoder")
    told = armillary(*train, status=1).stderr
    assert "slots.encoder: unsup3d:conv-encoder does not fit" in told
    assert "the slot needs features: feature_map [batch features rows columns], the part gives feature" in told
    for part in ("dilations", "hourglass", "simple"):
        assert f"labelling:{part}" in told
    checked = armillary("recipes", "check", "labelling:smoke", "--use", "encoder=unsup3d:conv-encoder", status=1)
    assert "does not fit" in checked.stdout + checked.stderr


def test_a_run_goes_on_with_other_pictures(armillary, globe, heads):
    """Fine-tuning: flow of the globe first, then warps of pictures that have none."""
    armillary("train", "labelling:smoke", "--data", globe, "--out", "first", "--steps", 2)
    said = armillary("train", "labelling:smoke", "--data", heads, "--out", "second", "--steps", 2, "--init", "first")
    assert "starts from first, step 2" in said.stderr
    assert "start untrained" not in said.stderr
