"""Claims of ``plugin.py``."""

import subprocess
import sys


def test_the_plugin_imports_no_numpy():
    code = "import sys, armillary_synthetic.plugin; print(sorted({'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
