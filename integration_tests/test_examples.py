"""Examples in the docstrings of the kernels: each public one has an example, and the example holds."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
FOLDERS = ("armillary/kernels", "armillary/nn", "armillary_keypoints/kernels", "armillary_labelling/kernels")


def public_kernels() -> list[tuple[str, str]]:
    """Return module and name of each public function and class that a kernel file defines."""
    found = []
    for path in sorted(ROOT.glob("packages/*/src/**/*.py")):
        inside = path.relative_to(next(p for p in path.parents if p.name == "src"))
        if inside.as_posix().startswith(FOLDERS):
            module = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            found += [(module, name) for name in names if not name.startswith("_")]
    return found


def test_the_kernels_were_read():
    """Guards the test below: an empty list would pass it."""
    assert len(public_kernels()) > 90
    modules = [module.replace(".", "/") for module, _ in public_kernels()]
    assert all([module for module in modules if module.startswith(folder)] for folder in FOLDERS)


@pytest.mark.parametrize(("module", "name"), public_kernels(), ids=lambda part: part.removeprefix("armillary"))
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
