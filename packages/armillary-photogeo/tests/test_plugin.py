"""Claims of ``plugin.py``: what is offered, and that listing it loads nothing heavy."""

import subprocess
import sys

from armillary_photogeo import plugin


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
        "armillary_encoders": ["conv-encoder", "dense-encoder"],
        "armillary_heads": ["depth-map", "albedo-map", "light", "view"],
        "armillary_losses": ["mean-viewpoint", "depth-variance", "depth-l1", "depth-l2"],
        "armillary_methods": ["photogeo", "supervised-depth"],
        "armillary_recipes": [
            *("paper", "cats", "cars"),
            *("no-albedo-symmetry", "no-depth-symmetry", "no-light", "no-perceptual", "no-regularisers"),
            *("supervised-l1", "supervised-l2"),
            *("quick", "demo", "smoke"),
        ],
    }


def test_light_modules_import_no_torch():
    """Listing, configuring and quoting must stay instant."""
    program = (
        "import sys, armillary_photogeo.plugin, armillary_photogeo.config, armillary_photogeo.reported;"
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
