"""Claims of ``config.py``: importing it loads nothing heavy, and settings that cannot be are refused with a word."""

import subprocess
import sys

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_spherical.config import MeshFolderConfig, RayCastConfig, RenderConfig, TurnConfig


def test_settings_import_no_torch():
    program = (
        "import sys, armillary_spherical.config;"
        "print(sorted({'torch', 'numpy', 'e3nn', 'trimesh', 'embreex'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("config", "settings", "word"),
    [
        (MeshFolderConfig, {"val": 0.5, "test": 0.5}, "leave nothing for train"),
        (MeshFolderConfig, {"categories": ["car", "car"]}, "repeat"),
        (MeshFolderConfig, {"radius": 1.5}, "radius"),
        (MeshFolderConfig, {"up": "x"}, "up"),
        (TurnConfig, {"stretch": 1.0}, "stretch"),
        (TurnConfig, {"rotations": "so2"}, "rotations"),
        (RayCastConfig, {"size": 7}, "twice the bandwidth"),
        (RayCastConfig, {"channels": 4}, "channels"),
        (RayCastConfig, {"convention": "inside"}, "convention"),
        (RenderConfig, {"fov": 2.0}, "fov"),
        (RenderConfig, {"channels": 2}, "channels"),
        (RenderConfig, {"lamp_direction": [0.0, 0.0, 0.0]}, "zero"),
    ],
)
def test_refusals(config, settings, word):
    with pytest.raises(ConfigError, match=word):
        structure(settings, config)
