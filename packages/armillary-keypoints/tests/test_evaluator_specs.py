"""What the measures declare is what they do."""

import importlib

import attrs
import pytest

from armillary.interfaces import Evaluator
from armillary_keypoints.evaluator_config import PckConfig
from armillary_keypoints.evaluator_specs import EVALUATORS

SPECS = {spec.name: spec for spec in EVALUATORS}


def loaded(path):
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", SPECS)
def test_every_measure_loads_and_says_what_it_measures(name):
    spec = SPECS[name]
    assert issubclass(loaded(spec.target), Evaluator)
    assert attrs.has(loaded(spec.config))
    assert "Baselines" in spec.protocol
    assert "training split" in spec.protocol
    with pytest.raises(ValueError, match=f"{name}: no fit pass was run"):
        loaded(spec.target).build(loaded(spec.config)(), inputs={}).result()


def test_the_published_threshold_is_six_pixels_of_255():
    assert PckConfig().threshold * 255 == pytest.approx(6.0)


def test_both_readings_of_the_3d_error_say_how_they_differ():
    assert "No further alignment" in SPECS["nme3d-regressed/1"].protocol
    assert "best scale, rotation (no mirror) and translation" in SPECS["nme3d-similarity/1"].protocol
    assert all("which the paper does not explain" in SPECS[name].source or "another reading" in SPECS[name].source
               for name in ("nme3d-regressed/1", "nme3d-similarity/1"))  # fmt: skip
