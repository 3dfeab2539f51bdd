"""Settings are refused where they cannot be."""

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_synthetic.arm import Arm
from armillary_synthetic.globe import Globe
from armillary_synthetic.heads import Heads
from armillary_synthetic.morphable import Morphable


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"supersampling": 2}, "supersampling % 2 == 1"),
        ({"ambient_min": 0.9, "ambient_max": 0.1}, "ambient_min"),
        ({"yaw": 3.0}, "yaw"),
        ({"background": "sky"}, "background"),
        ({"parting": 2.0}, "parting"),
        ({"yaws": 0.1}, "yaw"),
    ],
)
def test_settings_that_cannot_be_are_refused(table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, Heads.Config)


def test_a_morphable_model_must_be_named():
    with pytest.raises(ConfigError, match="model"):
        structure({}, Morphable.Config)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"radius": 0.45, "shift": 0.1}, "radius 0.45, shift 0.1"),
        ({"radius": 0.0}, "radius"),
        ({"textures": 0}, "textures"),
        ({"textures": 2, "texture": "earth.jpg"}, "a file is one texture"),
        ({"turn": -0.1}, "turn"),
        ({"clip": 1}, "clip"),
        ({"shading": 1.5}, "shading"),
        ({"background": "sky"}, "background"),
    ],
)
def test_settings_of_a_globe_that_cannot_be_are_refused(table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, Globe.Config)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"anchor": 0.02}, "the straight arm fits a picture of side 1"),
        ({"length": 0.9}, "the straight arm fits a picture of side 1"),
        ({"capsules": 12}, "a capsule is longer than wide"),
        ({"capsules": 1}, "capsules"),
        ({"frame_every": 0}, "frame_every"),
        ({"damping": 0.0}, "damping"),
        ({"clip": 1}, "clip"),
    ],
)
def test_settings_of_an_arm_that_cannot_be_are_refused(table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, Arm.Config)
