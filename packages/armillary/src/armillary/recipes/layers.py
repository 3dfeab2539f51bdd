"""Layers of a recipe: plain tables, merged in order into one. Light.

Tables merge by key, lists and scalars replace, ``remove`` deletes. Paths are dotted; names in them may contain dots too.
"""

import contextlib
import copy
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from armillary.config import read_toml
from armillary.errors import ConfigError, RecipeError, UnknownNameError, did_you_mean
from armillary.names import NAME_RULE, is_name
from armillary.plugins.host import Host
from armillary.recipes.stages import BODY_KEYS, MAIN, full, short, staged
from armillary.recipes.transfer import RUN_KEYS, TAKE_KEYS

TOP_KEYS = (*BODY_KEYS, "stages", "serves", "seed", "observers", "runs", "extends", "remove", "id", "summary", "source")
ENTRY_KEYS = {
    "slots": ("use", "settings", "rename", "via", "take", "same_as"),
    "via": ("use", "settings", "rename"),
    "losses": ("use", "settings", "weight", "bind"),
    "evaluators": ("use", "settings", "bind", "rename"),
    "data": ("use", "settings", "rename"),
    "generator": ("use", "settings", "rename"),
    "transforms": ("use", "settings", "rename"),
}
_ENTRY_WORDS = frozenset(word for words in ENTRY_KEYS.values() for word in words)

Layer = tuple[str, dict[str, Any], dict[str, str]]
"""Name, table, and the source of each cited value by its path."""


def chain(host: Host, name: str, seen: tuple[str, ...] = ()) -> Iterator[Layer]:
    """Yield the layers of a recipe, from the innermost recipe that it extends to its own.

    Raises:
        UnknownNameError: no such recipe.
        RecipeError: recipes extend each other in a circle.
    """
    if name in seen:
        raise RecipeError([f"recipes extend each other in a circle: {' -> '.join((*seen, name))}"])
    sources: dict[str, str] = {}
    if name.endswith(".toml"):
        table = read_toml(Path(name))
    else:
        spec = host.component("recipe", name)
        table, sources = spec.table()
        plugin = name.partition(":")[0]
        if ":" not in table.get("extends", ":"):
            table["extends"] = f"{plugin}:{table['extends']}"
        table["summary"] = spec.summary
        if spec.source:
            table["source"] = spec.source
    if table.get("extends"):
        yield from chain(host, table["extends"], (*seen, name))
    yield name, table, sources


_MADE_WHERE_MISSING = (
    "settings", "bind", "rename", "optimiser", "schedule", "budget", "cadence", "losses", "evaluators",
)  # fmt: skip


class Merger:
    """The layers merged so far.

    Args:
        host: source of parts.

    A part that replaces another starts from its own defaults; with ``keep_settings`` it keeps the settings that both have.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.keep_settings = False
        self.table: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self.replaced: dict[str, dict[str, Any]] = {}

    def merge(self, layers: Iterable[Layer]) -> "Merger":
        """Apply the layers in order; return this merger."""
        for layer, table, sources in layers:
            self.apply(layer, table, sources)
        return self

    def apply(self, layer: str, table: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        """Apply one layer; its ``remove`` comes first, so that a patch can remove an entry and write it anew."""
        check_keys(table, layer)
        for path in table.get("remove", []):
            self.remove(path, layer)
        for key in table:
            self._need_main(key, layer, and_in=table.get("stages", {}))
        self._merge(self.table, staged(table), "", layer)
        self._list_adapters()
        # A source belongs to one value: if this layer set the value anew, only a source of this layer still holds.
        for path in [p for p in self.sources if self.origins.get(p) == layer]:
            del self.sources[path]
        self.sources.update({full(path): source for path, source in sources.items()})

    def remove(self, path: str, layer: str) -> None:
        """Delete the entry at a path."""
        parent, key, there = self.find(path, layer)
        if key not in parent:
            raise RecipeError([f"{layer}: remove {path!r}: no such entry;{did_you_mean(key, parent)}"])
        del parent[key]
        self._forget(there)

    def _forget(self, path: str) -> None:
        """Drop origin and source of the values at a path."""
        for known in [p for p in (*self.origins, *self.sources) if p == path or p.startswith(f"{path}.")]:
            self.origins.pop(known, None)
            self.sources.pop(known, None)

    def set(self, text: str, layer: str) -> None:
        """Set one value, written ``path=value``."""
        path, value = pair(text, layer, "path=value")
        parent, key, there = self.find(path, layer)
        if short(there) == key and key not in TOP_KEYS:
            body = self.table.get("stages", {}).get(MAIN, {})
            names = [*TOP_KEYS, *body.get("slots", {}), *body.get("losses", {})]
            raise RecipeError([f"{layer} {text}: a recipe has no {key!r};{did_you_mean(path, names)}"])
        new = value_of(value, parent.get(key))
        if key == "use" and "settings" in parent and new != parent["use"]:
            self._swap(parent, str(new), there.removesuffix(".use"))
        parent[key] = new
        self._list_adapters()
        self.origins[there] = layer
        self.sources.pop(there, None)

    def find(self, path: str, layer: str) -> tuple[dict[str, Any], str, str]:
        """Return the table that holds the last key of ``path``, that key, and the whole path from the root.

        Names may hold dots (``depth.encoder``), and ``settings`` may be left out.
        """
        node, rest = self.table, self._rooted(path, layer)
        keys: list[str] = []
        instances = False  # the node is a table of losses or evaluators: a path to ``use`` adds a new one
        while True:
            key = _longest_key(node, rest)
            keys.append(key)
            tail = rest[len(key) :].lstrip(".")
            if not tail:
                return node, key, ".".join(keys)
            known = node.get(key)
            if isinstance(known, list) and tail.split(".")[0].isdigit():
                index, _, tail = tail.partition(".")
                if int(index) == len(known) and tail == "use":
                    known.append({})
                if int(index) >= len(known) or not tail:
                    more = f"; {key}.{len(known)}.use=ID adds one" if tail else ""
                    raise RecipeError([f"{layer}: {path!r}: {key} has {len(known)} entries{more}"])
                known = known[int(index)]
                keys.append(index)
            if known is None and (key in _MADE_WHERE_MISSING or (instances and tail == "use")):
                known = node.setdefault(key, {})
            if not isinstance(known, dict):
                hint = did_you_mean(key, node) or f" there are: {', '.join(node)}"
                raise RecipeError([f"{layer}: {path!r}: no {key!r};{hint}"])
            first = tail.split(".")[0]
            if "use" in known and first not in _ENTRY_WORDS and key not in ("optimiser", "schedule"):
                known = known.setdefault("settings", {})
                keys.append("settings")
            node, rest, instances = known, tail, key in ("losses", "evaluators")

    def _rooted(self, path: str, layer: str) -> str:
        """Return ``path`` from the root: ``depth.head.width`` is short for ``slots.depth.head.width``."""
        first = path.split(".")[0]
        self._need_main(first, layer)
        stages = self.table.setdefault("stages", {})
        if first in BODY_KEYS and not stages:
            stages[MAIN] = {}
        if first in TOP_KEYS or MAIN not in stages:
            return full(path)
        for section in ("slots", "losses", "evaluators"):
            for name in stages[MAIN].get(section, {}):
                if path == name or path.startswith(f"{name}."):
                    return full(f"{section}.{path}")
        return f"stages.{MAIN}.{path}"  # unknown: find() raises with the existing names

    def _list_adapters(self) -> None:
        """Write the adapters of each slot as a list of tables, so that each has a path for its settings."""
        for body in self.table.get("stages", {}).values():
            for entry in body.get("slots", {}).values():
                if "via" in entry:
                    entry["via"] = _adapters(entry["via"])

    def _need_main(self, key: str, layer: str, *, and_in: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Refuse a body's key at the root of a recipe without the stage ``main``."""
        stages = {**self.table.get("stages", {}), **and_in}
        if key in BODY_KEYS and stages and MAIN not in stages:
            raise RecipeError(
                [f"{layer}: {key}: this recipe has several stages; type stages.NAME.{key}; stages: {', '.join(stages)}"]
            )

    def _merge(self, base: dict[str, Any], patch: Mapping[str, Any], path: str, layer: str) -> None:
        # Optimisers and schedules have no settings of a part: one config class for all their kinds.
        in_slot = "slots" in path.split(".")[:-1]
        if in_slot and any(key in patch and patch[key] != base.get(key) for key in ("use", "take", "same_as")):
            self.replaced.setdefault(path, copy.deepcopy(base))
        if "use" in patch and patch["use"] != base.get("use"):
            if in_slot:
                base.pop("via", None)
            if "settings" in base:
                self._swap(base, str(patch["use"]), path)
        # A slot has one of three sources: a part, a part of another stage or run, the module of another slot. A patch with one
        # of them replaces the other two; merging by key alone would leave a slot with two sources.
        for replaced, by in (("use", ("take", "same_as")), ("take", ("use", "same_as")), ("same_as", ("use", "take"))):
            if any(key in patch for key in by) and in_slot:
                base.pop(replaced, None)
                if "use" not in patch:  # settings and renamed ports belong to the part that was replaced
                    base.pop("settings", None)
                    base.pop("rename", None)
                    base.pop("via", None)
        for key, value in patch.items():
            if key in ("remove", "extends") and not path:
                continue
            here = f"{path}.{key}" if path else str(key)
            if isinstance(value, Mapping) and isinstance(base.get(key), dict):
                self._merge(base[key], value, here, layer)
            else:
                base[key] = copy.deepcopy(dict(value)) if isinstance(value, Mapping) else copy.deepcopy(value)
                self._record(value, here, layer)

    def _record(self, value: Any, path: str, layer: str) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self._record(inner, f"{path}.{key}", layer)
        else:
            self.origins[path] = layer
            self.sources.pop(path, None)

    def _swap(self, base: dict[str, Any], use: str, path: str) -> None:
        """Drop the settings of the part that is replaced, or keep those that the new part has too; note both."""
        old, settings, at = base.get("use", ""), base.pop("settings"), f"{path}.settings"
        fields = _fields(self.host, use)
        shared = {key: value for key, value in settings.items() if key in fields}
        kept = shared if self.keep_settings else {}
        for key in [key for key in settings if key not in kept]:
            self._forget(f"{at}.{key}")
        if kept:
            base["settings"] = kept
            self.notes.append(f"{short(path)}: {use} keeps {_values(kept)} of {old}")
        elif shared:
            words = f"{use} starts from its own defaults; --keep-settings would keep {_values(shared)} of {old}"
            self.notes.append(f"{short(path)}: {words}")
        if self.keep_settings and len(kept) < len(settings):
            gone = ", ".join(key for key in settings if key not in kept)
            self.notes.append(f"{short(path)}: {use} has no setting {gone}; dropped")


def _fields(host: Host, use: str) -> set[str]:
    """Return the settings of a part; none for an unknown one, which the check refuses."""
    for kind in ("encoder", "head", "renderer", "loss", "evaluator", "dataset", "transform", "generator", "adapter"):
        with contextlib.suppress(UnknownNameError):
            return set(attrs.fields_dict(host.config(host.component(kind, use))))
    return set()


def _values(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())


def _adapters(via: Any) -> list[Any]:
    """Return the adapters of a slot as tables; a recipe may write one id, one table, or a list of both."""
    return [{"use": each} if isinstance(each, str) else each for each in (via if isinstance(via, list) else [via])]


def _longest_key(node: Mapping[str, Any], rest: str) -> str:
    keys = [key for key in node if rest == key or rest.startswith(f"{key}.")]
    return max(keys, key=len) if keys else rest.split(".")[0]


def pair(text: str, flag: str, form: str) -> tuple[str, str]:
    """Return both sides of ``left=right``.

    Raises:
        ConfigError: a side is missing.
    """
    left, equals, right = text.partition("=")
    if not equals or not left.strip() or not right.strip():
        raise ConfigError([f"{flag} {text!r}: write it as {form}"])
    return left.strip(), right.strip()


def value_of(text: str, known: Any) -> Any:
    """Return ``text`` as a TOML value, or unchanged if it is not one.

    A number in place of a string stays a string, since names may look like numbers; a list in its place is a list.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if isinstance(known, str) and not isinstance(value, list | dict):
        return text.strip("\"'")
    return value


def check_keys(table: Mapping[str, Any], layer: str) -> None:
    """Raise RecipeError with all unknown keys and invalid names of a layer."""
    problems: list[str] = []

    def unknown(node: Any, allowed: tuple[str, ...], path: str) -> None:
        if not isinstance(node, Mapping):
            problems.append(f"{layer}: {path}: needs a table, got {node!r}")
            return
        for key in node:
            if key not in allowed:
                hint = did_you_mean(str(key), allowed) or f" there are: {', '.join(allowed)}"
                problems.append(f"{layer}: {path + '.' if path else ''}{key}: unknown;{hint}")

    def named_well(name: object, path: str) -> None:
        if not is_name(name):
            problems.append(f"{layer}: {path}: {name!r}: {NAME_RULE}")

    def body(node: Mapping[str, Any], path: str) -> None:
        for section in ("slots", "losses", "evaluators"):
            named = node.get(section, {})
            if not isinstance(named, Mapping):
                problems.append(f"{layer}: {path}{section}: needs a table, got {named!r}")
                continue
            for name, entry in named.items():
                named_well(name, f"{path}{section}")
                unknown(entry, ENTRY_KEYS[section], f"{path}{section}.{name}")
                for index, each in enumerate(_adapters(entry.get("via", [])) if isinstance(entry, Mapping) else ()):
                    unknown(each, ENTRY_KEYS["via"], f"{path}{section}.{name}.via.{index}")
                if isinstance(entry, Mapping) and "take" in entry:
                    unknown(entry["take"], TAKE_KEYS, f"{path}{section}.{name}.take")
        for section in ("data", "generator"):
            if section in node:
                unknown(node[section], ENTRY_KEYS[section], f"{path}{section}")
        transforms = node.get("transforms", [])
        if not isinstance(transforms, list):
            problems.append(f"{layer}: {path}transforms: needs a list of tables, got {transforms!r}")
        else:
            for index, entry in enumerate(transforms):
                unknown(entry, ENTRY_KEYS["transforms"], f"{path}transforms.{index}")

    unknown(table, TOP_KEYS, "")
    body(table, "")
    for name, run in table.get("runs", {}).items():
        named_well(name, "runs")
        unknown(run, RUN_KEYS, f"runs.{name}")
    for name, stage in table.get("stages", {}).items():
        named_well(name, "stages")
        unknown(stage, BODY_KEYS, f"stages.{name}")
        if isinstance(stage, Mapping):
            body(stage, f"stages.{name}.")
    if problems:
        raise RecipeError(problems)
