"""Settings of the measures: what TOML can say, and what is refused."""

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_keypoints.evaluator_config import (
    Nme3dRegressedConfig,
    Nme3dSimilarityConfig,
    NmeRegressedConfig,
    PckConfig,
)

ALL = (NmeRegressedConfig, Nme3dRegressedConfig, Nme3dSimilarityConfig, PckConfig)


@pytest.mark.parametrize("config", ALL)
def test_points_and_normalisers_are_read(config):
    assert structure({"points": [[36, 39], [30]], "normaliser": [1, 0]}, config).points == ((36, 39), (30,))
    for name in ("box", "image", "eyes-of-68"):
        assert structure({"normaliser": name}, config).normaliser == name


@pytest.mark.parametrize("config", ALL)
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"normaliser": [1, 1]}, "two different points"),
        ({"normaliser": "eyes"}, "normaliser"),
        ({"points": []}, "points"),
        ({"points": [[-1]]}, "points"),
    ],
)
def test_what_cannot_be_is_refused(config, table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, config)


def test_a_threshold_is_above_nothing():
    with pytest.raises(ConfigError, match="threshold"):
        structure({"threshold": 0.0}, PckConfig)
