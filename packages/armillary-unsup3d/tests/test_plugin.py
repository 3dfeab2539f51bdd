"""Claims of ``plugin.py``: what is offered, and that listing it loads nothing heavy."""

import subprocess
import sys

from armillary_unsup3d import plugin


def test_catalogue():
    names = {
        hook: [spec.name for spec in getattr(plugin, hook)()]
        for hook in (
            "armillary_encoders",
            "armillary_heads",
            "armillary_losses",
            "armillary_methods",
            "armillary_recipes",
        )
    }
    assert names == {
        "armillary_encoders": ["conv-encoder"],
        "armillary_heads": ["depth-map", "albedo-map", "light", "view", "confidence"],
        "armillary_losses": ["photometric", "perceptual"],
        "armillary_methods": ["unsup3d"],
        "armillary_recipes": [
            *("paper", "cats", "cars"),
            *("no-albedo-flip", "no-depth-flip", "no-light", "no-perceptual", "no-confidence"),
            *("quick", "demo", "smoke"),
        ],
    }


def test_light_modules_import_no_torch():
    """Listing, configuring and quoting must stay instant."""
    program = (
        "import sys, armillary_unsup3d.plugin, armillary_unsup3d.config, armillary_unsup3d.reported;"
        "print(sorted({'torch', 'numpy', 'e3nn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_source_is_named():
    """A part without a source would be a claim without a witness."""
    for hook in ("armillary_encoders", "armillary_heads", "armillary_losses", "armillary_methods"):
        for spec in getattr(plugin, hook)():
            assert spec.source, spec.name
            assert spec.summary, spec.name
