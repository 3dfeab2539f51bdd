"""Claims of ``plugin.py`` and of the settings: what is offered, what is light, and what is refused."""

import subprocess
import sys

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_keypoints import heads, lifted, losses, method, networks, plugin, shape_space
from armillary_keypoints.transforms import RandomMask


def test_catalogue():
    parts = [part.spec() for part in plugin.armillary_components() if isinstance(part, type)]
    assert {f"{spec.KIND} {spec.name}" for spec in parts} == {
        *("encoder detector", "head keypoints", "head shape-space", "renderer edges", "renderer decoder"),
        *("renderer blobs", "renderer small-decoder"),
        *("transform random-mask", "method keypoints", "method lifted"),
        *("loss perceptual", "loss feature-distance", "loss projection", "loss repulsion"),
        "evaluator spread/1",
    }
    assert all(spec.source and spec.summary for spec in parts)


def test_light_modules_import_no_torch():
    """Recipes and published figures are read without networks."""
    program = (
        "import sys, armillary_keypoints.plugin, armillary_keypoints.reported;"
        "print(sorted({'torch', 'numpy', 'e3nn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("part", "setting"),
    [
        (method.Keypoints, {"cells": 0}),
        (lifted.Lifted, {"fov": 0.0}),
        (RandomMask, {"missing": 1.5}),
        (networks.Detector, {"features": 7}),
        (networks.Detector, {"size": 40}),
        (networks.Detector, {"size": 16}),
        (heads.KeypointsHead, {"points": 1}),
        (heads.KeypointsHead, {"temperature": 0.0}),
        (heads.Edges, {"thickness": 0.0}),
        (heads.Edges, {"distance": "cubed"}),
        (heads.Edges, {"multiplier": -1.0}),
        (networks.Decoder, {"width": 0}),
        (shape_space.ShapeSpace, {"basis": 0}),
        (shape_space.ShapeSpace, {"mean_spread": 0.0}),
        (shape_space.ShapeSpace, {"momentum": 1.5}),
        (losses.Repulsion, {"reach": 0.0}),
        (losses.Perceptual, {"layers": []}),
        (losses.Perceptual, {"size": -1}),
        (losses.FeatureDistance, {"norm": "l3"}),
    ],
)
def test_what_cannot_be_is_refused(part, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        structure(setting, part.Config)


def test_the_defaults_are_autolinks():
    mask, edges, perceptual = RandomMask.Config(), heads.Edges.Config(), losses.Perceptual.Config()
    assert (mask.cells, mask.missing) == (16, 0.8)
    assert (edges.thickness, edges.multiplier, edges.initial, edges.spread) == (2.5e-3, 512.0, -4.0, 0.1)
    assert edges.distance == "squared"
    assert (perceptual.size, perceptual.norm, perceptual.weights) == (224, "l1", "file")
    assert perceptual.layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
