"""Claims of ``plugin.py``: what is offered, and that listing it loads nothing heavy."""

import subprocess
import sys

from armillary_keypoints import plugin

HOOKS = (
    "armillary_encoders",
    "armillary_heads",
    "armillary_renderers",
    "armillary_transforms",
    "armillary_losses",
    "armillary_methods",
    "armillary_evaluators",
    "armillary_recipes",
)


def test_catalogue():
    assert {hook: {spec.name for spec in getattr(plugin, hook)()} for hook in HOOKS} == {
        "armillary_encoders": {"detector"},
        "armillary_heads": {"keypoints", "shape-space"},
        "armillary_renderers": {"edges", "decoder"},
        "armillary_transforms": {"random-mask"},
        "armillary_losses": {"perceptual", "feature-distance", "projection", "repulsion"},
        "armillary_methods": {"keypoints", "lifted"},
        "armillary_evaluators": {"nme-regressed/1", "nme3d-regressed/1", "nme3d-similarity/1", "pck/1", "spread/1"},
        "armillary_recipes": {
            *("autolink", "paper", "without-repulsion", "basis-1", "basis-5", "basis-20"),
            *("faces-16", "faces-32", "bodies", "horses", "birds"),
            *("quick-autolink", "quick", "quick-vgg", "quick-features", "demo", "smoke", "lifted"),
        },
    }


def test_no_name_stands_twice():
    for hook in HOOKS:
        names = [spec.name for spec in getattr(plugin, hook)()]
        assert len(set(names)) == len(names)


def test_light_modules_import_no_torch():
    """Listing, configuring and quoting must stay instant."""
    program = (
        "import sys, armillary_keypoints.plugin, armillary_keypoints.config, armillary_keypoints.reported,"
        "armillary_keypoints.evaluator_config;"
        "print(sorted({'torch', 'numpy', 'e3nn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_source_is_named():
    """A part without a source would be a claim without a witness."""
    for hook in HOOKS:
        for spec in getattr(plugin, hook)():
            assert spec.source, spec.name
            assert spec.summary, spec.name
