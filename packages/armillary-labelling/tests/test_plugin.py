"""Claims of ``plugin.py``: what is offered, and that listing it loads nothing heavy."""

import subprocess
import sys

from armillary_labelling import plugin

HOOKS = (
    "armillary_encoders",
    "armillary_heads",
    "armillary_transforms",
    "armillary_losses",
    "armillary_methods",
    "armillary_evaluators",
    "armillary_recipes",
)


def test_catalogue():
    assert {hook: [spec.name for spec in getattr(plugin, hook)()] for hook in HOOKS} == {
        "armillary_encoders": ["dilations", "simple", "hourglass"],
        "armillary_heads": ["label-map"],
        "armillary_transforms": ["tps-pair", "flow-pair", "photometric"],
        "armillary_losses": ["log", "distance", "margin", "exchange"],
        "armillary_methods": ["labelling"],
        "armillary_evaluators": [
            "landmarks-nearest/1",
            "landmarks-regressed/1",
            "matching/1",
            "label-consistency/1",
        ],
        "armillary_recipes": [
            *("paper", "simple-log", "simple-dist", "simple-dist-1", "dilations-log"),
            *("hourglass", "exchange", "fine-tune", "arm", "globe"),
            *("quick", "demo", "smoke"),
        ],
    }


def test_light_modules_import_no_torch():
    """Listing, configuring and quoting must stay instant."""
    program = (
        "import sys, armillary_labelling.plugin, armillary_labelling.config, armillary_labelling.reported,"
        "armillary_labelling.evaluator_config;"
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
