"""Packages do without those that they do not need."""

import pytest


@pytest.mark.parametrize("method", ["keypoints", "labelling", "photogeo", "unsup3d"])
def test_a_method_trains_without_the_package_of_generators(armillary, heads, method):
    """Recipes name a generator for demonstrations; who brings pictures needs no generator."""
    alone = {"ARMILLARY_ONLY": method}
    armillary("recipes", "check", env=alone)
    armillary("train", f"{method}:smoke", "--data", heads, "--out", "run", env=alone)
    armillary("evaluate", "run", "--data", heads, env=alone)


def test_the_core_alone_lists_and_reads(armillary, heads):
    alone = {"ARMILLARY_ONLY": "std"}
    assert "std" in armillary("plugins", "list", env=alone).stdout
    armillary("plugins", "doctor", env=alone)
    armillary("data", "info", heads, env=alone)
    told = armillary("train", "unsup3d:smoke", "--data", heads, "--out", "run", env=alone, status=1).stderr
    assert "unsup3d" in told
    assert "ARMILLARY_ONLY" in told
