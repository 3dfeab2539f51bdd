"""Claims of the package's declarations that no signature checks."""

import subprocess
import sys

from armillary.interfaces import Evaluator, Method
from armillary.interfaces.part import Part
from armillary_spherical.plugin import armillary_components

PARTS = [part for part in armillary_components() if isinstance(part, type) and issubclass(part, Part)]


def test_sources_protocols_and_limits_are_there():
    for part in PARTS:
        spec = part.spec()
        assert spec.source, spec.name
        assert spec.summary, spec.name
        assert not issubclass(part, Evaluator) or "aseline" in spec.protocol, spec.name
        assert not issubclass(part, Method) or spec.limits, spec.name


def test_light_modules_import_no_torch():
    program = (
        "import sys, armillary_spherical.plugin, armillary_spherical.recipes, armillary_spherical.reported;"
        "print(sorted({'torch', 'numpy', 'e3nn', 'trimesh', 'embreex'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
