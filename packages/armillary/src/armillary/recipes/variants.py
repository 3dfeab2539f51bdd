"""Variants of a recipe, named ``RECIPE+PATCH+PATCH``. Light.

A patch is one of these:

- another recipe, such as an ablation of the published run (``unsup3d:quick+no-confidence``; the plugin may be left out). Its
  changes of the recipe that both extend are applied to ``RECIPE``. Entries that ``RECIPE`` removed from that recipe stay removed,
  and entries that it added stay, so that an ablation of a published run is the same ablation of a small one;
- a TOML file, as for ``--recipe``;
- a setting, as for ``--set``: ``unsup3d:quick+losses.smoothness.weight=0``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from armillary.config import read_toml
from armillary.errors import RecipeError
from armillary.plugins.host import Host
from armillary.recipes.layers import Layer, Merger, chain
from armillary.recipes.stages import short

_PLUS = re.compile(r"\+(?=[A-Za-z_~./])")  # not the plus sign of 1e+3
_WORDS = ("summary", "source", "extends", "remove", "id")
_GONE = object()


def split(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the recipe and the patches of ``RECIPE+PATCH+PATCH``."""
    if name.endswith(".toml") and Path(name).is_file():
        return name, ()
    recipe, *patches = _PLUS.split(name)
    return recipe, tuple(patches)


def identity(name: str) -> str:
    """Return the name of a recipe without folders, as a run stores it."""
    recipe, patches = split(name)
    return "+".join(Path(word).name if word.endswith(".toml") else word for word in (recipe, *patches))


def layered(host: Host, name: str) -> Merger:
    """Merge the layers of a recipe and of its patches.

    Raises:
        UnknownNameError: no such recipe or patch.
        RecipeError: a patch is not a variant of the recipe, or does not change it.
    """
    recipe, patches = split(name)
    layers = [*chain(host, recipe)]
    merger = Merger(host).merge(layers)
    for patch in patches:
        if "=" in patch:
            merger.set(patch, f"+{patch}")
        elif patch.endswith(".toml") and "extends" not in read_toml(Path(patch)):
            merger.apply(patch, read_toml(Path(patch)), {})
        else:
            _vary(merger, recipe, layers, patch)
    if patches:
        words = [str(merger.table.get("summary", "")), *(f"with {identity(patch)}" for patch in patches)]
        merger.table["summary"] = ", ".join(word for word in words if word)
    return merger


def _vary(merger: Merger, recipe: str, layers: list[Layer], patch: str) -> None:
    if ":" not in patch and not patch.endswith(".toml"):
        patch = f"{recipe.partition(':')[0]}:{patch}"
    theirs = [*chain(merger.host, patch)]
    shared = 0
    while shared < min(len(layers), len(theirs)) and layers[shared][0] == theirs[shared][0]:
        shared += 1
    if not shared:
        raise RecipeError(
            [
                f"+{patch}: not a variant of {recipe}, since they extend no common recipe; type a recipe that extends {layers[0][0]}"
            ]
        )
    base, other = (Merger(merger.host).merge(some) for some in (layers[:shared], theirs))
    tables = ({key: value for key, value in each.table.items() if key not in _WORDS} for each in (base, other, merger))
    changed, removed = _difference(*tables)
    if not changed and not removed:
        raise RecipeError(
            [f"+{patch}: no effect: {recipe} does not have the entries that it changes; type {recipe} without +{patch}"]
        )
    sources = {short(path): source for path, source in other.sources.items() if _has(changed, path)}
    merger.apply(patch, {**changed, "remove": removed}, sources)


def _difference(base: Mapping[str, Any], other: Mapping[str, Any], mine: Mapping[str, Any]) -> tuple[dict, list[str]]:
    """Return the entries to set and to remove in ``mine`` so that it has the changes from ``base`` to ``other``."""
    changed: dict[str, Any] = {}
    removed: list[str] = []
    for key in [*other, *(key for key in base if key not in other)]:
        was, now, here = (table.get(key, _GONE) for table in (base, other, mine))
        if was == now or now == here or (was is not _GONE and here is _GONE):
            continue
        if now is _GONE:
            # A table of named entries, not one part or one stage: entries that only ``mine`` has must stay.
            names = isinstance(was, Mapping) and not {"use", "method"} & set(was)
            if names and isinstance(here, Mapping) and set(here) - set(was):
                removed += [f"{key}.{inner}" for inner in was if inner in here]
            else:
                removed.append(key)
        elif isinstance(was, Mapping) and isinstance(now, Mapping) and isinstance(here, Mapping):
            inner, gone = _difference(was, now, here)
            removed += [f"{key}.{path}" for path in gone]
            if inner:
                changed[key] = inner
        else:
            changed[key] = now
    return changed, removed


def _has(table: Mapping[str, Any], path: str) -> bool:
    node: Any = table
    rest = path
    while rest and isinstance(node, Mapping):
        keys = [key for key in node if rest == key or rest.startswith(f"{key}.")]
        if not keys:
            return False
        key = max(keys, key=len)
        node, rest = node[key], rest[len(key) :].lstrip(".")
    return not rest
