"""Settings of the measures: what is refused, and what TOML can say."""

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_labelling.evaluator_config import (
    LabelConsistencyConfig,
    LandmarksNearestConfig,
    LandmarksRegressedConfig,
    MatchingConfig,
)


def test_points_and_normaliser_are_read_from_lists():
    config = structure({"points": [[36, 39], [30]], "normaliser": [1, 0]}, LandmarksNearestConfig)
    assert config.points == ((36, 39), (30,))
    assert config.normaliser == (1, 0)
    assert structure({"points": "five-of-68", "normaliser": "box"}, LandmarksRegressedConfig).points == "five-of-68"


@pytest.mark.parametrize(
    ("config", "table", "message"),
    [
        (LandmarksNearestConfig, {"points": "five"}, "points"),
        (LandmarksNearestConfig, {"points": []}, "points needs all or five-of-68 or lists"),
        (LandmarksNearestConfig, {"points": [[0], []]}, "points needs all or five-of-68 or lists"),
        (LandmarksNearestConfig, {"points": [[0, -1]]}, "points needs all or five-of-68 or lists"),
        (LandmarksNearestConfig, {"points": [0, 1]}, "points"),
        (LandmarksNearestConfig, {"normaliser": [1, 1]}, "normaliser needs two different points"),
        (LandmarksNearestConfig, {"normaliser": [-1, 1]}, "normaliser needs two different points"),
        (LandmarksNearestConfig, {"normaliser": "eyes"}, "normaliser"),
        (LandmarksNearestConfig, {"metric": "cosine"}, "metric"),
        (LandmarksRegressedConfig, {"epochs": 0}, "epochs"),
        (LandmarksRegressedConfig, {"annotated": 0}, "annotated"),
        (LandmarksRegressedConfig, {"milestones": [0.9, 0.5]}, "milestones .* must rise between 0 and 1"),
        (LandmarksRegressedConfig, {"milestones": [1.0]}, "milestones .* must rise between 0 and 1"),
        (MatchingConfig, {"frame": 0}, "frame"),
        (LabelConsistencyConfig, {"anchors": 1}, "anchors"),
        (LabelConsistencyConfig, {"pictures": 1}, "pictures"),
        (LabelConsistencyConfig, {"near": 0.0}, "near"),
    ],
)
def test_wrong_settings_are_refused(config, table, message):
    with pytest.raises(ConfigError, match=message):
        structure(table, config)
