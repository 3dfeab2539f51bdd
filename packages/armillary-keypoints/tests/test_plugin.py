"""Claims of ``plugin.py`` and of the settings: what is offered, what is light, and what is refused."""

import subprocess
import sys

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_keypoints import evaluators, evaluators_3d, heads, lifted, losses, method, networks, plugin, shape_space
from armillary_keypoints.transforms import RandomMask

MEASURES = (evaluators.NmeRegressed, evaluators.Pck, evaluators_3d.Nme3dRegressed, evaluators_3d.Nme3dSimilarity)


def test_catalogue():
    parts = [part.spec() for part in plugin.armillary_components() if isinstance(part, type)]
    assert {f"{spec.KIND} {spec.name}" for spec in parts} == {
        *("encoder detector", "head keypoints", "head shape-space", "renderer edges", "renderer decoder"),
        *("transform random-mask", "method keypoints", "method lifted"),
        *("loss perceptual", "loss feature-distance", "loss projection", "loss repulsion"),
        *("evaluator nme-regressed/1", "evaluator nme3d-regressed/1", "evaluator nme3d-similarity/1"),
        *("evaluator pck/1", "evaluator spread/1"),
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
        (evaluators.Pck, {"threshold": 0.0}),
    ],
)
def test_what_cannot_be_is_refused(part, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        structure(setting, part.Config)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"normaliser": [1, 1]}, "two different points"),
        ({"normaliser": "eyes"}, "normaliser"),
        ({"points": []}, "points"),
        ({"points": [[-1]]}, "points"),
    ],
)
def test_points_and_normalisers_that_cannot_be_are_refused(measure, table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, measure.Config)


@pytest.mark.parametrize("measure", MEASURES)
def test_points_and_normalisers_are_read(measure):
    assert structure({"points": [[36, 39], [30]], "normaliser": [1, 0]}, measure.Config).points == ((36, 39), (30,))
    for name in ("box", "image", "eyes-of-68"):
        assert structure({"normaliser": name}, measure.Config).normaliser == name


def test_the_defaults_are_autolinks():
    mask, edges, perceptual = RandomMask.Config(), heads.Edges.Config(), losses.Perceptual.Config()
    assert (mask.cells, mask.missing) == (16, 0.8)
    assert (edges.thickness, edges.multiplier, edges.initial, edges.spread) == (2.5e-3, 512.0, -4.0, 0.1)
    assert edges.distance == "squared"
    assert (perceptual.size, perceptual.norm, perceptual.weights) == (224, "l1", "file")
    assert perceptual.layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
