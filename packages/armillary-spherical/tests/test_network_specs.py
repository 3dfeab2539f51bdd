"""Claims of ``network_specs.py`` and ``evaluator_specs.py``: what is offered, whence it is, and that listing is light."""

import subprocess
import sys

from armillary_spherical.evaluator_specs import EVALUATORS
from armillary_spherical.network_specs import ENCODERS, HEADS, LOSSES, METHODS, RENDERERS


def test_catalogue():
    names = {kind: [spec.name for spec in specs] for kind, specs in globals().items() if kind.isupper()}
    assert names == {
        "ENCODERS": ["residual-cnn", "two-branch-cnn", "e3nn-cnn", "pointwise", "image-to-vector", "plain-encoder"],
        "HEADS": ["class-scores", "vector-to-sphere", "vector-to-coefficients", "pose", "frame"],
        "RENDERERS": ["synthesiser"],
        "LOSSES": ["cross-entropy", "huber-sphere", "pixel", "geodesic", "rotation-vector"],
        "METHODS": ["classifier", "embedding", "fine-embedding", "views", "regression", "orientation"],
        "EVALUATORS": [
            *("relative-pose/1", "relative-pose-2dof/1", "image-to-mesh/1"),
            *("equivariance/1", "classification/1", "novel-view/1"),
        ],
    }


def test_every_source_is_named():
    """A part without a source would be a claim without a witness."""
    for spec in (*ENCODERS, *HEADS, *RENDERERS, *LOSSES, *METHODS, *EVALUATORS):
        assert spec.source, spec.name
        assert spec.summary, spec.name


def test_every_measure_states_its_protocol():
    for spec in EVALUATORS:
        assert "aseline" in spec.protocol, spec.name


def test_every_method_says_what_it_is_not_good_for():
    assert all(spec.limits for spec in METHODS)


def test_light_modules_import_no_torch():
    """Listing, configuring and quoting must stay instant."""
    modules = "network_specs evaluator_specs network_config evaluator_config recipes reported plugin"
    imports = ", ".join(f"armillary_spherical.{name}" for name in modules.split())
    program = f"import sys, {imports}; print(sorted({{'torch', 'numpy', 'e3nn'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
