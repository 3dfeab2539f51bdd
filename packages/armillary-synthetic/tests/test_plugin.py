"""What the plugin declares is what there is."""

import importlib
import subprocess
import sys

import pytest

from armillary.interfaces.generator import Generator
from armillary_synthetic.plugin import armillary_generators

SPECS = armillary_generators()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_targets_and_configs_are_there(spec):
    def load(target):
        module, name = target.split(":")
        return getattr(importlib.import_module(module), name)

    assert issubclass(load(spec.target), Generator)
    assert load(spec.config).__attrs_attrs__


def test_the_plugin_imports_no_numpy():
    code = "import sys, armillary_synthetic.plugin, armillary_synthetic.config; print(sorted({'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
