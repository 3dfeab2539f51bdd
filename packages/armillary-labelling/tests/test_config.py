"""Claims of ``config.py``: every setting says where its default comes from, and wrong ones are refused."""

import attrs
import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_labelling import config

CLASSES = [value for value in vars(config).values() if isinstance(value, type) and value.__name__.endswith("Config")]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_setting_has_a_source_and_says_what_it_does(cls):
    for field in attrs.fields(cls):
        assert field.metadata["source"], field.name
        assert field.metadata["help"], field.name


@pytest.mark.parametrize(
    ("cls", "setting"),
    [
        (config.DilationsConfig, {"features": 0}),
        (config.SimpleConfig, {"std": [0.1, 0.0, 0.1]}),
        (config.HourglassConfig, {"features": 100}),
        (config.HourglassConfig, {"norm": "layer"}),
        (config.LabelMapConfig, {"scale": -1.0}),
        (config.DistanceConfig, {"gamma": 0.0}),
        (config.ExchangeConfig, {"gamma": -1.0}),
        (config.MarginConfig, {"scale": 0.0}),
        (config.TpsPairConfig, {"margin": 0.5}),
        (config.TpsPairConfig, {"control": 1}),
        (config.FlowPairConfig, {"minimum_flow": -1.0}),
        (config.PhotometricConfig, {"jpeg_quality": [0, 50]}),
        (config.PhotometricConfig, {"brightness": 1.5}),
    ],
)
def test_what_cannot_be_is_refused(cls, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        structure(setting, cls)
