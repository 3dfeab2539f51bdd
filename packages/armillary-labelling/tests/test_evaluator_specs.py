"""What the measures declare is what they do: protocols say the defaults, and pairs are at half strength."""

import importlib

import attrs
import pytest

from armillary.interfaces import Evaluator
from armillary_labelling.config import TpsPairConfig
from armillary_labelling.evaluator_config import LabelConsistencyConfig, LandmarksRegressedConfig, MatchingConfig
from armillary_labelling.evaluator_specs import EVALUATORS, HALF_STRENGTH_PAIR

SPECS = {spec.name: spec for spec in EVALUATORS}


def loaded(path):
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", SPECS)
def test_every_measure_loads_and_says_what_it_measures(name):
    spec = SPECS[name]
    assert issubclass(loaded(spec.target), Evaluator)
    assert attrs.has(loaded(spec.config))
    assert "Baseline" in spec.protocol
    with pytest.raises(ValueError, match=name):
        loaded(spec.target).build(loaded(spec.config)(), inputs={}).result()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("landmarks-regressed/1", f"of {LandmarksRegressedConfig().intermediate} points of its own"),
        ("matching/1", f"a picture of {MatchingConfig().frame:.0f} pixels"),
        ("label-consistency/1", f"is read in {LabelConsistencyConfig().pictures} pictures"),
        ("label-consistency/1", f"lies within {100 * LabelConsistencyConfig().near:.0f} per cent"),
    ],
)
def test_protocols_name_the_defaults(name, words):
    assert words in SPECS[name].protocol
    assert "to a quarter of a cell" in SPECS["label-consistency/1"].protocol
    assert LabelConsistencyConfig().tolerance == 0.25


def test_matching_is_measured_at_half_strength():
    """Half of what training draws with, the first warp as strong as the second, landmarks carried along."""
    settings = dict(HALF_STRENGTH_PAIR.settings)
    published = TpsPairConfig()
    for name in ("warp", "strong_warp", "translation", "scale", "rotation"):
        assert settings.pop(name) == pytest.approx(getattr(published, name) / 2)
    assert settings == {"first_warp": 1.0, "first_affine": 1.0, "landmarks": True}
