"""Claims of ``plugin.py``, of the settings and of the protocols: what is offered, what is light, and what is refused."""

import subprocess
import sys

import pytest

from armillary.config import structure
from armillary.errors import ConfigError
from armillary_labelling import heads, losses, networks, plugin, transforms
from armillary_labelling.consistency import LabelConsistency
from armillary_labelling.matching import Matching
from armillary_labelling.regression import LandmarksTrained


def test_catalogue():
    parts = [part.spec() for part in plugin.armillary_components() if isinstance(part, type)]
    assert {f"{spec.KIND} {spec.name}" for spec in parts} == {
        *("encoder dilations", "encoder simple", "encoder hourglass", "head label-map", "method labelling"),
        *("transform tps-pair", "transform flow-pair", "transform photometric"),
        *("loss log", "loss distance", "loss margin", "loss exchange"),
        "evaluator landmarks-trained/1",
        *("evaluator matching/1", "evaluator label-consistency/1"),
    }
    assert all(spec.source and spec.summary for spec in parts)


def test_light_modules_import_no_torch():
    """Recipes and published figures are read without networks."""
    program = (
        "import sys, armillary_labelling.plugin, armillary_labelling.reported;"
        "print(sorted({'torch', 'numpy', 'e3nn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_points_and_normaliser_are_read_from_lists():
    config = structure({"points": [[36, 39], [30]], "normaliser": [1, 0]}, LandmarksTrained.Config)
    assert config.points == ((36, 39), (30,))
    assert config.normaliser == (1, 0)
    assert structure({"points": "five-of-68", "normaliser": "box"}, LandmarksTrained.Config).points == "five-of-68"


@pytest.mark.parametrize(
    ("part", "table", "message"),
    [
        (networks.Dilations, {"features": 0}, "features"),
        (networks.Simple, {"std": [0.1, 0.0, 0.1]}, "std"),
        (networks.Hourglass, {"features": 100}, "features"),
        (networks.Hourglass, {"features": 0}, "features"),
        (networks.Hourglass, {"norm": "layer"}, "norm"),
        (heads.LabelMap, {"scale": -1.0}, "scale"),
        (losses.Distance, {"gamma": 0.0}, "gamma"),
        (losses.Exchange, {"gamma": -1.0}, "gamma"),
        (losses.Margin, {"scale": 0.0}, "scale"),
        (transforms.TpsPair, {"margin": 0.5}, "margin"),
        (transforms.TpsPair, {"control": 1}, "control"),
        (transforms.FlowPair, {"minimum_flow": -1.0}, "minimum_flow"),
        (transforms.Photometric, {"jpeg_quality": [0, 50]}, "jpeg_quality"),
        (transforms.Photometric, {"jpeg_quality": [60, 50]}, "jpeg_quality must rise"),
        (transforms.Photometric, {"brightness": 1.5}, "brightness"),
        (LandmarksTrained, {"points": "five"}, "points"),
        (LandmarksTrained, {"points": []}, "points needs all or five-of-68 or lists"),
        (LandmarksTrained, {"points": [[0], []]}, "points needs all or five-of-68 or lists"),
        (LandmarksTrained, {"points": [[0, -1]]}, "points needs all or five-of-68 or lists"),
        (LandmarksTrained, {"points": [0, 1]}, "points"),
        (LandmarksTrained, {"normaliser": [1, 1]}, "normaliser needs two different points"),
        (LandmarksTrained, {"normaliser": [-1, 1]}, "normaliser needs two different points"),
        (LandmarksTrained, {"normaliser": "eyes"}, "normaliser"),
        (LandmarksTrained, {"epochs": 0}, "epochs"),
        (LandmarksTrained, {"annotated": 0}, "annotated"),
        (LandmarksTrained, {"milestones": [0.9, 0.5]}, "milestones must rise"),
        (LandmarksTrained, {"milestones": [1.0]}, "milestones' must be < 1"),
        (Matching, {"frame": 0}, "frame"),
        (LabelConsistency, {"anchors": 1}, "anchors"),
        (LabelConsistency, {"pictures": 1}, "pictures"),
        (LabelConsistency, {"near": 0.0}, "near"),
    ],
)
def test_wrong_settings_are_refused(part, table, message):
    with pytest.raises(ConfigError, match=message):
        structure(table, part.Config)


@pytest.mark.parametrize("measure", [LandmarksTrained, Matching, LabelConsistency])
def test_measures_name_baselines_and_refuse_to_measure_nothing(measure):
    assert "Baseline" in measure.protocol
    with pytest.raises(ValueError, match=measure.header["name"]):
        measure().result()


def test_protocols_name_the_defaults():
    assert f"of {LandmarksTrained().intermediate} points of its own" in LandmarksTrained.protocol
    assert f"a picture of {Matching().frame:.0f} pixels" in Matching.protocol
    consistency = LabelConsistency()
    for words in (
        f"is read in {consistency.pictures} pictures",
        f"lies within {100 * consistency.near:.0f} per cent",
        "to a quarter of a cell",
    ):
        assert words in consistency.protocol
    assert consistency.tolerance == 0.25
