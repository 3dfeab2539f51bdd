"""What people build on, a line a name: Python, commands with their flags, hooks, kinds, components with ports and settings,
recipes. ``python integration_tests/surface.py`` writes one list a package into ``surface/``; the tests hold the tree to it.

What goes from a list breaks somebody's work: ``docs/versions.md`` says what such a change needs.
"""

import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

ROOT = Path(__file__).parent.parent
LISTS = Path(__file__).parent / "surface"
PACKAGES = tuple(sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")))
MODULES = (
    "armillary.specs",
    "armillary.ports",
    "armillary.config",
    "armillary.rules",
    "armillary.errors",
    "armillary.plugins.hookspecs",
)
"""Modules of the core, beside ``armillary``, its interfaces and its kernels, of which a plugin's author imports names."""


def surface(package: str) -> list[str]:
    """Return the lines of one package, sorted."""
    top = importlib.import_module(package.replace("-", "_"))
    lines = list(_exported(top))
    if package == "armillary":
        lines += _exported(importlib.import_module("armillary.interfaces"))
        for name in (*MODULES, *_modules("armillary.kernels")):
            lines += _defined(importlib.import_module(name))
        lines += [*_commands(), *_kinds(), *_offered("std")]
    project = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for id in project.get("entry-points", {}).get("armillary.plugins", {}):
        lines += _offered(id)
    return sorted(set(lines))


def recorded(package: str) -> list[str]:
    """Return the lines that are written down for a package."""
    return (LISTS / f"{package}.txt").read_text(encoding="utf-8").splitlines()


def _exported(module: ModuleType) -> Iterator[str]:
    for name in getattr(module, "__all__", ()):
        yield from _lines(f"{module.__name__}.{name}", getattr(module, name))


def _defined(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if not name.startswith("_") and (getattr(value, "__module__", "") == module.__name__ or name.isupper()):
            yield from _lines(f"{module.__name__}.{name}", value)


def _modules(package: str) -> Iterator[str]:
    found = importlib.import_module(package)
    for each in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not each.name.rpartition(".")[2].startswith("_"):
            yield each.name


def _lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{name}({_parameters(value.__init__) if value.__init__ is not object.__init__ else ''})"
        for each, member in vars(value).items():
            function = getattr(member, "__func__", member)
            if not each.startswith("_") and inspect.isfunction(function):
                yield f"{name}.{each}({_parameters(function)})"
            elif not each.startswith("_") and isinstance(member, property):
                yield f"{name}.{each}"
    elif inspect.isfunction(value):
        yield f"{name}({_parameters(value)})"
    else:
        yield name


def _parameters(function: Any) -> str:
    words, starred = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        words.append(f"{mark}{parameter.name}{'=' if parameter.default is not parameter.empty else ''}")
    return ", ".join(words)


def _commands() -> Iterator[str]:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate
    finally:
        sys.path.pop(0)
    for verb in generate.verbs(generate.app, ()):
        flags = sorted(set(re.findall(r"^  (--[a-z][a-z-]*)", generate.help_of(verb), flags=re.MULTILINE)))
        yield " ".join(["command", *verb, *flags])


def _kinds() -> Iterator[str]:
    from armillary.ports import KINDS

    for name, kind in KINDS.items():
        yield f"kind {name} [{kind.shape}] {kind.unit}"


def _offered(plugin: str) -> Iterator[str]:
    from armillary.plugins.host import Host

    host = Host()
    offer = host.load(plugin)
    yield from (f"observer {plugin}: {hook}" for hook in offer.observes)
    for kind, specs in offer.components.items():
        for name, spec in specs.items():
            if kind == "recipe":
                yield f"recipe {plugin}:{name}"
                continue
            sides = " -> ".join(", ".join(str(port) for port in side) for side in (spec.consumes, spec.produces))
            yield f"{kind} {plugin}:{name}: {sides}".rstrip()
            for field in attrs.fields(host.config(spec)):
                yield f"setting {plugin}:{name} {field.name}"
            for slot, wanted in getattr(spec, "slots", {}).items():
                sides = " -> ".join(", ".join(map(str, side)) for side in (wanted.consumes, wanted.produces))
                yield f"slot {plugin}:{name} {slot}: {sides}"


if __name__ == "__main__":
    LISTS.mkdir(exist_ok=True)
    for each in PACKAGES:
        (LISTS / f"{each}.txt").write_text("\n".join(surface(each)) + "\n", encoding="utf-8")
