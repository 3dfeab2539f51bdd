"""Claims of ``config.py``: every setting says where its default comes from, and wrong ones are refused."""

import attrs
import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_keypoints import config

CLASSES = [value for value in vars(config).values() if isinstance(value, type) and value.__name__.endswith("Config")]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_setting_has_a_source_and_says_what_it_does(cls):
    for field in attrs.fields(cls):
        assert field.metadata["source"], field.name
        assert field.metadata["help"], field.name


@pytest.mark.parametrize(
    ("cls", "setting"),
    [
        (config.KeypointsConfig, {"cells": 0}),
        (config.RandomMaskConfig, {"missing": 1.5}),
        (config.DetectorConfig, {"features": 7}),
        (config.DetectorConfig, {"size": 40}),
        (config.DetectorConfig, {"size": 16}),
        (config.KeypointsHeadConfig, {"points": 1}),
        (config.KeypointsHeadConfig, {"temperature": 0.0}),
        (config.EdgesConfig, {"thickness": 0.0}),
        (config.EdgesConfig, {"distance": "cubed"}),
        (config.EdgesConfig, {"multiplier": -1.0}),
        (config.DecoderConfig, {"width": 0}),
        (config.ShapeSpaceConfig, {"basis": 0}),
        (config.ShapeSpaceConfig, {"mean_spread": 0.0}),
        (config.ShapeSpaceConfig, {"momentum": 1.5}),
        (config.RepulsionConfig, {"reach": 0.0}),
        (config.PerceptualConfig, {"layers": []}),
        (config.PerceptualConfig, {"size": -1}),
        (config.FeatureDistanceConfig, {"norm": "l3"}),
    ],
)
def test_what_cannot_be_is_refused(cls, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        structure(setting, cls)


def test_the_defaults_are_autolinks():
    mask, edges, perceptual = config.RandomMaskConfig(), config.EdgesConfig(), config.PerceptualConfig()
    assert (mask.cells, mask.missing) == (16, 0.8)
    assert (edges.thickness, edges.multiplier, edges.initial, edges.spread) == (2.5e-3, 512.0, -4.0, 0.1)
    assert edges.distance == "squared"
    assert (perceptual.size, perceptual.norm, perceptual.weights) == (224, "l1", "file")
    assert perceptual.layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
