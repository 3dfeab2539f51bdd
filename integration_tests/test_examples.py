"""Examples in the docstrings of the kernels: each public one has an example, and the example holds."""

import doctest
import importlib
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from source import KERNELS, public_kernels

sys.path.pop(0)


def test_the_kernels_were_read():
    """Guards the test below: an empty list would pass it."""
    assert len(public_kernels()) > 90
    modules = [module.replace(".", "/") for module, _, _ in public_kernels()]
    assert all([module for module in modules if module.startswith(folder)] for folder in KERNELS)


@pytest.mark.parametrize(
    ("module", "name"), [kernel[:2] for kernel in public_kernels()], ids=lambda part: part.removeprefix("armillary")
)
def test_the_example_of_a_kernel_holds(module, name):
    """One example at least, run on the names of its module as its docstring shows it."""
    torch.manual_seed(0)
    names = vars(importlib.import_module(module))
    # Without its module, the finder also reads functions behind a decorator, such as torch.no_grad.
    tests = doctest.DocTestFinder(recurse=False).find(names[name], name, module=False, globs=dict(names))
    text: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    for test in tests:
        runner.run(test, out=text.append)
    done = runner.summarize(verbose=False)
    assert done.attempted > 0, f"{module}.{name} has no example (>>>) in its docstring"
    assert done.failed == 0, "".join(text)
