"""Settings are refused where they cannot be."""

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_worlds.config import HeadsConfig, MorphableConfig


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"supersampling": 2}, "odd"),
        ({"ambient_min": 0.9, "ambient_max": 0.1}, "ambient_min"),
        ({"yaw": 3.0}, "yaw"),
        ({"background": "sky"}, "background"),
        ({"parting": 2.0}, "parting"),
        ({"yaws": 0.1}, "yaw"),
    ],
)
def test_settings_that_cannot_be_are_refused(table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, HeadsConfig)


def test_a_morphable_model_must_be_named():
    with pytest.raises(ConfigError, match="model"):
        structure({}, MorphableConfig)
