"""The source of the packages, as data: files, rooms, imports, circles, docstrings. Imports nothing of it.

A room is a folder or a loose file of the core, right below ``armillary``.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = tuple(sorted(p.parent for p in ROOT.glob("packages/*/pyproject.toml")))

# From the ground floor up; the facade `armillary/__init__.py` imports `api` on demand.
FLOORS = (
    ("names", "ports", "config", "rules", "errors", "seeds", "signals", "jobs", "specs", "files", "version"),
    ("interfaces",),
    ("plugins",),
    ("recipes",),
    ("kernels",),
    ("nn",),
    ("data",),
    ("std",),
    ("drawing",),
    ("training",),
    ("inference",),
    ("pages",),
    ("comparison",),
    ("api",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
KERNELS = ("armillary/kernels", "armillary/nn", "armillary_keypoints/kernels", "armillary_labelling/kernels")
"""Folders of functions and layers that are worth importing alone."""

QUESTIONS = ("What", "Whether", "Who", "Whoever", "Which", "How", "Where", "From", "When")


def source_files(package: Path) -> list[Path]:
    """Return the Python files of a package, tests apart."""
    return sorted(package.glob("src/**/*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """Return the parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """Return the full name of a module of a package."""
    top = next((p for p in path.parents if p.name == "src"), path.parent)  # a test belongs to no package
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Return line and full module name of each import in a file, also inside functions; not those for type checkers."""
    return tuple(_imports(tree(path), module_name(path), path.name == "__init__.py"))


def _imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        nodes += node.orelse if typing else ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*parents, base] if base else parents)
            yield node.lineno, base
            # `from armillary import cli` imports a module, `from armillary.data import make` perhaps one.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def room(module: str) -> str | None:
    """Return the room of the core that a module is in, None outside the core."""
    parts = module.split(".")
    return parts[1] if parts[0] == "armillary" and len(parts) > 1 else None


def core_files(root: Path = ROOT) -> list[Path]:
    """Return the files of the core, its facade apart."""
    return [p for p in source_files(root / "packages/armillary") if module_name(p) != "armillary"]


def import_graph(package: Path) -> dict[str, set[str]]:
    """Return each module of a package with those of the package that it imports, also inside functions."""
    modules = {module_name(path): path for path in source_files(package)}
    graph = {}
    for name, path in modules.items():
        found = {(line, module) for line, module in imports(path) if module in modules}
        # `from armillary.data import make` imports the module, not the package that it is in.
        nested = {(line, module.rpartition(".")[0]) for line, module in found}
        graph[name] = {module for _, module in found - nested} - {name}
    return graph


def reached(graph: Mapping[str, Set[str]]) -> dict[str, set[str]]:
    """Return for each name those that it leads to, directly or through others."""
    found = {}
    for name in graph:
        seen, waiting = set(), [*graph[name]]
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += graph[one]
        found[name] = seen
    return found


def circles(graph: Mapping[str, Set[str]]) -> list[list[str]]:
    """Return the sets of modules that import each other, directly or through others."""
    ends = reached(graph)
    together = {name: frozenset(m for m in ends[name] if name in ends[m]) for name in graph}
    return sorted(sorted(circle) for circle in {*together.values()} if circle)


def docstrings(path: Path) -> list[tuple[int, str]]:
    """Return line and docstring of a module and of its classes; those without one are left out."""
    nodes = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Module | ast.ClassDef))
    found = ((getattr(node, "lineno", 1), ast.get_docstring(node)) for node in nodes)
    return [(line, text) for line, text in found if text]


def questions(path: Path) -> list[tuple[int, str]]:
    """Return line and first line of the docstrings of a module and its classes that open with a question or a preposition."""
    first = ((line, text.partition("\n")[0]) for line, text in docstrings(path))
    return [(line, text) for line, text in first if re.split(r"\W", text, maxsplit=1)[0] in QUESTIONS]


def public_kernels(root: Path = ROOT) -> list[tuple[str, str, str]]:
    """Return module, name and docstring of each public function and class that a kernel file defines."""
    found = []
    for path in sorted(root.glob("packages/*/src/**/*.py")):
        inside = path.relative_to(next(p for p in path.parents if p.name == "src")).as_posix()
        if inside.startswith(KERNELS):
            nodes = [node for node in tree(path).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            public = (node for node in nodes if not node.name.startswith("_"))
            found += [(module_name(path), node.name, ast.get_docstring(node) or "") for node in public]
    return found
