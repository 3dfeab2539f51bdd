"""Size and shape of the code beside the values at commit 10b0c87, before the refactoring, and the bars.

    python benchmarks/structure.py [--fast] [TREE]

Exit status 1 if a bar is missed. What each row counts:

mentions
    Occurrences of a setting's name, as a word, in the source of its package, ``recipes.py`` and ``reported.py`` apart; the median
    over all settings of the method packages whose name holds an underscore and is declared by one class of its package alone. A setting
    is ``name: type = param(...)`` in the body of a class.
declaration
    Lines of a method package that declare a part, a port or a setting outside the part's class: all lines of ``plugin.py``,
    ``config.py``, ``*_config.py`` and ``*_specs.py``, and elsewhere the lines of calls of ``Port``, ``Slot`` and ``...Spec``, and of
    attrs classes with ``param`` fields and no method but checks. ``recipes.py`` and ``reported.py`` do not count. Aliases of port types
    (``Annotated``) and classes derived from ``TypedDict`` are part of the form and do not count.
tutorial
    Lines and number of all files of the tutorial's loss, its tests and ``mine.toml`` apart; and :data:`CONCEPTS`, the names that a
    reader has to know.
circles
    Sets of files of one package that import each other, directly or through others; imports inside functions count, imports for
    type checkers alone do not.
code
    Lines with a token of code on them: no docstrings, comments and blank lines. A text of several lines that is a value counts in
    full. Templates do not count.
functions
    Distinct functions, methods, lambdas, comprehensions, module bodies and class bodies of the packages that run in the main
    process of ``armillary train unsup3d:smoke`` before the first step of the optimiser. From Python 3.12 on comprehensions are no
    functions of their own, so compare values of one version of Python (the value before is of 3.11). Only for the installed tree.
questions
    Docstrings of modules and classes whose first word is in ``source.QUESTIONS``.
kernels
    Public functions and classes of the kernel folders without an example (``>>>``).
"""

import argparse
import ast
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent / "integration_tests"))
from source import FLOORS as FLOORS
from source import ROOT, circles, docstrings, import_graph, public_kernels, questions, source_files, tree

BEFORE = "10b0c87"
METHODS = ("unsup3d", "photogeo", "labelling", "keypoints", "spherical")
TUTORIAL = "docs/examples/armillary-charbonnier"
TRAIN = ("train", "unsup3d:smoke")

CONCEPTS = {
    "the entry point": ("entry-points",),
    "the marker of a hook": ("hookimpl",),
    "the hook": ("armillary_losses", "armillary_components", "parts_in"),
    "the record of a loss": ("LossSpec", "summary"),
    "a port": ("Port", "consumes"),
    "the kind of a port": ("kind",),
    "the place of a class as text": ("target",),
    "the place of its settings as text": ("config",),
    "a class of settings": ("attrs", "frozen", "kw_only"),
    "a setting": ("param", "unit", "help", "default"),
    "its range": ("validator", "gt", "ge", "lt", "le"),
    "the interface, with name and source": ("Loss", "name", "source"),
    "how it is built": ("build", "inputs"),
    "a shape": ("Shape",),
    "files that the user names": ("assets",),
    "shapes in annotations": ("Float",),
    "the call, by port": ("forward",),
    "a port type": ("ports", "Image"),
    "one value per item": ("PerItem",),
}
"""Words of Armillary and its tools in the tutorial's loss, by concept. A word of the files that is missing here counts as one more."""

_KNOWN = ("Tensor", "torch", "nn", "dim", "Mapping", "Path", "Self", "Any", "super", "__init__", "math", "annotations")
"""Words of Python and torch."""

_DECLARING = re.compile(r"(plugin|config|.*_config|.*_specs)\.py")
_APART = ("recipes.py", "reported.py")


class Row(NamedTuple):
    """One line of the table."""

    measure: str
    before: float | None
    bar: float
    today: float | None

    @property
    def missed(self) -> bool:
        """Return whether the value is known and above its bar."""
        return self.today is not None and self.today > self.bar


def _called(node: ast.AST) -> str:
    """Return the last name of what a call calls, empty for what is no call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def settings(node: ast.ClassDef) -> list[str]:
    """Return the names of the settings that the body of a class declares."""
    fields = (field for field in node.body if isinstance(field, ast.AnnAssign) and field.value is not None)
    return [f.target.id for f in fields if isinstance(f.target, ast.Name) and _called(f.value or f) == "param"]


def _classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def mentions(package: Path) -> dict[str, int]:
    """Return how often each compound setting that one class alone declares is named in its package."""
    paths = [path for path in source_files(package) if path.name not in _APART]
    declared = [name for path in paths for node in _classes(path) for name in settings(node)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    alone = (name for name in declared if "_" in name and declared.count(name) == 1)
    return {name: len(re.findall(rf"\b{name}\b", text)) for name in alone}


def declaration_lines(package: Path) -> int:
    """Return the number of lines that declare parts, ports and settings outside the classes of parts."""
    total = 0
    for path in source_files(package):
        if _DECLARING.fullmatch(path.name):
            total += len(path.read_text(encoding="utf-8").splitlines())
        elif path.name not in _APART:
            total += len(_declaring(tree(path)))
    return total


def _declaring(module: ast.Module) -> set[int]:
    """Return the lines of records and of classes of settings in a file of parts."""
    lines: set[int] = set()
    for node in ast.walk(module):
        record = _called(node) in ("Port", "Slot") or _called(node).endswith("Spec")
        if record or (isinstance(node, ast.ClassDef) and _only_settings(node)):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    return lines


def _only_settings(node: ast.ClassDef) -> bool:
    """Return whether a class is an attrs class of settings, with no method but checks."""
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    decorated = any("attrs" in ast.unparse(decorator) for decorator in node.decorator_list)
    return bool(settings(node)) and decorated and methods <= {"check", "__attrs_post_init__"}


def tutorial_files(folder: Path) -> list[Path]:
    """Return the files that the author of the tutorial's loss writes, tests and recipe apart."""
    found = (path for pattern in ("*.toml", "src/**/*.py", "*.py") for path in folder.glob(pattern))
    return sorted(path for path in found if path.name != "mine.toml")


def concepts(files: list[Path]) -> set[str]:
    """Return the concepts of these files; a word that no concept holds is one by itself."""
    words: set[str] = set()
    own: set[str] = set()
    for path in files:
        if path.suffix == ".toml":
            words |= {"entry-points"} & {*tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})}
            continue
        for node in ast.walk(tree(path)):
            words.update(_words(node))
            own.update(_own(node))
    concept_of = {word: concept for concept, found in CONCEPTS.items() for word in found}
    return {concept_of.get(word, word) for word in words - own - {*_KNOWN}}


def _own(node: ast.AST) -> list[str]:
    """Return the names that a class makes: its own, and those of its settings, and the keywords of its constructor."""
    if not isinstance(node, ast.ClassDef):
        return []
    made = (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    return [node.name, *settings(node), *(arg.arg for item in made for arg in item.args.kwonlyargs)]


def _words(node: ast.AST) -> list[str]:
    """Return the names that a node takes from elsewhere: imports, keywords, methods that an interface asks for."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.keyword):
        return [node.arg] if node.arg else []
    if isinstance(node, ast.FunctionDef):
        taken = [arg.arg for arg in node.args.kwonlyargs] if node.name == "build" else []
        return [node.name, *taken]
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("ports", "attrs"):
        return [node.attr]
    return []


_NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    """Return the number of lines with code on them."""
    lines = text.splitlines()
    spans, found = [], set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            spans.append(((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        at = (row, len(lines[row - 1][:column].encode()) if row <= len(lines) else column)  # ast counts bytes
        if token.type not in _NOT_CODE and not any(begin <= at < end for begin, end in spans):
            found.update(line for line in range(row, token.end[0] + 1) if lines[line - 1].strip())
    return len(found)


def code_of(package: Path) -> int:
    """Return the number of code lines of a package."""
    return sum(code_lines(path.read_text(encoding="utf-8")) for path in source_files(package))


_OURS = re.compile(r"(/packages/[^/]+/src|/site-packages)/armillary[^/]*/.*\.py$")


class _Found(BaseException):
    """Signal that the first step was reached."""


def functions_here(words: list[str]) -> set[tuple[str, str]] | None:
    """Run a command; return file and name of what it calls before the first step of an optimiser, None without a step."""
    seen: set[tuple[str, str]] = set()

    def profile(frame, event, arg):
        if event != "call":
            return
        code = frame.f_code
        if _OURS.search(code.co_filename):
            seen.add((code.co_filename, code.co_qualname))
        elif code.co_name == "step" and "/torch/optim/" in code.co_filename and "lr_scheduler" not in code.co_filename:
            sys.setprofile(None)
            raise _Found

    sys.setprofile(profile)
    try:
        from armillary.cli import main

        main(words)
    except _Found:
        return seen
    finally:
        sys.setprofile(None)
    return None


def functions() -> int:
    """Return the number of functions before the first step of the smoke recipe, in a process of its own, on data made for it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARMILLARY")}
    env = kept | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        data, run, place = (str(Path(folder) / name) for name in ("heads", "run", "count.json"))
        make = ("data", "make", "synthetic:heads", data, "--count", "24", "--size", "32", "--workers", "0")
        subprocess.run([sys.executable, "-m", "armillary", *make], env=env, check=True, capture_output=True)
        words = [*TRAIN, "--data", data, "--out", run]
        inside = [sys.executable, __file__, "--inside", place, json.dumps(words)]
        done = subprocess.run(inside, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(TRAIN)} ended before its first step:\n{done.stdout}\n{done.stderr}")
        return int(Path(place).read_text(encoding="utf-8"))


def rows(root: Path, *, fast: bool) -> list[Row]:
    """Return the table of a tree.

    Args:
        root: of the repository.
        fast: leave out what trains.
    """
    packages = sorted(path.parent for path in root.glob("packages/*/pyproject.toml"))
    named = [n for name in METHODS for n in mentions(root / f"packages/armillary-{name}").values()]
    files = tutorial_files(root / TUTORIAL)
    parsed = [path for package in packages for path in source_files(package)]
    code = {package.name: code_of(package) for package in packages}
    found = [Row("a setting's name in its package, median", 8, 2, statistics.median(named) if named else None)]
    for name, before in zip(METHODS, (377, 380, 708, 704, 1041), strict=True):
        lines = declaration_lines(root / f"packages/armillary-{name}")
        found.append(Row(f"declaration outside parts, {name}, lines", before, 15, lines))
    found += [
        Row("the tutorial's loss, lines", 99, 45, sum(len(path.read_text("utf-8").splitlines()) for path in files)),
        Row("the tutorial's loss, files", 5, 2, len(files)),
        Row("the tutorial's loss, concepts", 17, 7, len(concepts(files))),
        Row("circles between files", 4, 0, sum(len(circles(import_graph(package))) for package in packages)),
        Row("code of all packages, lines", 31492, 27500, sum(code.values())),
        Row("code of the core, lines", 17101, 13500, code.get("armillary", 0)),
        Row("functions before the first step", 830, 450, None if fast else functions()),
        Row("docstrings that open with a question", 126, 0, sum(len(questions(path)) for path in parsed)),
        Row("  of docstrings of modules and classes", 728, float("inf"), sum(len(docstrings(path)) for path in parsed)),
        Row("kernels without an example", 120, 0, sum(">>>" not in text for _, _, text in public_kernels(root))),
    ]
    return found


def table(found: list[Row]) -> str:
    """Return the rows as text."""
    lines = [f"{'':<44}{BEFORE:>10}{'today':>10}{'bar':>10}"]
    for row in found:
        today = "not run" if row.today is None else f"{row.today:,.10g}"
        bar = "" if row.bar == float("inf") else f"{row.bar:,.10g}"
        lines.append(
            f"{row.measure:<44}{row.before or 0:>10,.10g}{today:>10}{bar:>10}{'  missed' if row.missed else ''}"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table; return 1 if a bar is missed."""
    if sys.argv[1:2] == ["--inside"]:
        seen = functions_here(json.loads(sys.argv[3]))
        Path(sys.argv[2]).write_text(str(len(seen or ())), encoding="utf-8")
        return seen is None
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("tree", nargs="?", type=Path, default=ROOT)
    flags.add_argument("--fast", action="store_true", help="leave out what trains")
    given = flags.parse_args()
    found = rows(given.tree.resolve(), fast=given.fast or given.tree.resolve() != ROOT)
    print(table(found))
    return any(row.missed for row in found)


if __name__ == "__main__":
    sys.exit(main())
