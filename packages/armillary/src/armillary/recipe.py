"""Recipes: layers of plain tables, resolved into one. Light.

A recipe is data. It may extend another one (a patch), and a file, ``--set``, ``--use``, ``--weight`` and ``--drop`` patch it
further; a later layer wins. Tables merge by key, lists and scalars replace, ``remove`` deletes. A resolved recipe resolves to
itself. :mod:`armillary.check` says whether its parts fit.
"""

import copy
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from armillary.config import plain, read_toml, structure
from armillary.errors import ArmillaryError, ConfigError, RecipeError, UnknownNameError, did_you_mean
from armillary.host import Host
from armillary.settings import SECTIONS
from armillary.taking import RUN_KEYS, TAKE_KEYS, attach, from_words

BODY_KEYS = (
    "method",
    "slots",
    "data",
    "world",
    "transforms",
    "losses",
    "optimiser",
    "schedule",
    "budget",
    "cadence",
    "batch_size",
    "draws",
    "settings",
    "evaluators",
)
TOP_KEYS = (*BODY_KEYS, "stages", "serves", "seed", "observers", "runs", "extends", "remove", "id", "summary", "source")
ENTRY_KEYS = {
    "slots": ("use", "settings", "rename", "take", "same_as"),
    "losses": ("use", "settings", "weight", "bind"),
    "evaluators": ("use", "settings", "rename"),
    "data": ("use", "settings", "rename"),
    "world": ("use", "settings", "rename"),
    "transforms": ("use", "settings", "rename"),
}
_ENTRY_WORDS = frozenset(word for words in ENTRY_KEYS.values() for word in words)
MAIN = "main"
"""Name of the only stage of a recipe without stages."""

_KIND_OF = {"losses": "loss", "evaluators": "evaluator", "data": "dataset", "world": "world", "transforms": "transform"}


@attrs.frozen(kw_only=True)
class Overrides:
    """What the command line and Python put on top of a recipe, in this order.

    Args:
        files: TOML files, each a patch.
        sets: ``path=value`` with a TOML value; a bare word is a text.
        uses: ``slot=plugin:part``.
        weights: ``loss=number``.
        drops: names of losses.
        takes: ``slot=run:part``, a trained part of one of ``runs``.
        runs: other runs by name, as :func:`armillary.taking.kept` gives them.
    """

    files: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    runs: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    weights: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Recipe:
    """A resolved recipe.

    Args:
        id: what was asked for.
        table: plain tables, without ``extends`` and ``remove``.
        origins: path of each value to the layer that set it.
        sources: path of each cited value to its source.
        notes: what resolving changed silently otherwise: settings that a swapped part does not have.
    """

    id: str
    table: Mapping[str, Any]
    origins: Mapping[str, str] = attrs.field(factory=dict)
    sources: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """Seed of weights, order and draws."""
        return self.table.get("seed", 0)

    @property
    def bodies(self) -> dict[str, Mapping[str, Any]]:
        """Stage name to body, in order; a recipe without stages has one, :data:`MAIN`."""
        if "stages" in self.table:
            return dict(self.table["stages"])
        return {MAIN: {key: self.table[key] for key in BODY_KEYS if key in self.table}}

    @property
    def serves(self) -> str:
        """Stage that predict and evaluate use."""
        return self.table.get("serves") or list(self.bodies)[-1]


def resolve(host: Host, name: str, overrides: Overrides | None = None) -> Recipe:
    """Return recipe ``name`` (``plugin:recipe``, or a TOML file) with everything that it extends, patched.

    Raises:
        UnknownNameError: no such recipe; suggests the nearest, or the package to install.
        RecipeError: a circle of ``extends``; a path, section or entry that does not exist; another run that nothing is
            taken from.
        ConfigError: a file that is not TOML, or an override that is not ``path=value``.
    """
    layers = list(_chain(host, name))
    for path in (overrides or Overrides()).files:
        patch = read_toml(path)
        if "extends" in patch:
            raise RecipeError(
                [f"{path}: a file given with --recipe patches {name}; give it alone to use its own extends"]
            )
        layers.append((str(path), patch, {}))
    merger = _Merger(host)
    for layer, table, sources in layers:
        merger.apply(layer, table, sources)
    _apply_overrides(merger, overrides or Overrides())
    attach(merger.table, (overrides or Overrides()).runs)
    return Recipe(
        id=Path(name).name if name.endswith(".toml") else name,  # a run keeps no path
        table={key: merger.table[key] for key in merger.table if key not in ("extends", "remove", "id")},
        origins=merger.origins,
        sources=merger.sources,
        notes=tuple(merger.notes),
    )


def from_table(table: Mapping[str, Any], *, id: str) -> Recipe:
    """Return the recipe that a run folder holds: resolved already."""
    _check_keys(table, id)
    return Recipe(id=id, table=dict(table))


def complete(host: Host, recipe: Recipe) -> Recipe:
    """Return the recipe with every setting of every part and section written out, so that a later default cannot change it.

    A world whose plugin is not installed stays as it is: training needs pictures, wherever they come from.

    Raises:
        ConfigError: settings that do not fit; all at once, each with its path.
        UnknownNameError, PluginError: a part that is not there or cannot be loaded.
    """
    problems: list[str] = []
    table = copy.deepcopy(dict(recipe.table))
    staged = "stages" in table
    for stage, body in table["stages"].items() if staged else [("", table)]:
        at = f"stages.{stage}." if staged else ""
        for section, config in SECTIONS.items():
            try:
                body[section] = plain(structure(body.get(section, {}), config, path=f"{at}{section}"))
            except ConfigError as error:
                problems.extend(error.problems)
        if not _whole_number(body.get("batch_size", 1)):
            problems.append(f"{at}batch_size: needs an integer above 0, got {body['batch_size']!r}")
        if body.get("draws") is not None and not _whole_number(body["draws"]):
            problems.append(
                f"{at}draws: needs an integer above 0, got {body['draws']!r}; left out, each pass draws anew"
            )
        for path, kind, entry in entries(host, body):
            try:
                spec = host.component(kind, entry["use"])
                settings = structure(entry.get("settings", {}), host.config(spec), path=f"{at}{path}")
                entry["settings"] = plain(settings)
            except ConfigError as error:
                problems.extend(error.problems)
            except ArmillaryError as error:
                if kind != "world" or _loads(host, entry["use"]):  # a world is for demonstrations: nobody else needs it
                    problems.append(f"{at}{path}: {error}")
        try:
            method = host.component("method", body.get("method", ""))
            body["settings"] = plain(structure(body.get("settings", {}), host.config(method), path=f"{at}settings"))
        except ConfigError as error:
            problems.extend(error.problems)
    if not _whole_number(table.get("seed", 0) + 1 if isinstance(table.get("seed", 0), int) else None):
        problems.append(f"seed: needs an integer of at least 0, got {table['seed']!r}")
    if problems:
        raise ConfigError(problems)
    return attrs.evolve(recipe, table=table)


def entries(host: Host, body: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path, kind, table) of each part that a body names by ``use``; the kind of a slot is the method's to say."""
    method = host.component("method", body["method"]) if body.get("method") else None
    for name, entry in body.get("slots", {}).items():
        if "use" in entry and method is not None and name in method.slots:
            yield f"slots.{name}", method.slots[name].kind, entry
    for section in ("losses", "evaluators"):
        for name, entry in body.get(section, {}).items():
            if "use" in entry:
                yield f"{section}.{name}", _KIND_OF[section], entry
    for section in ("data", "world"):
        if "use" in body.get(section, {}):
            yield section, _KIND_OF[section], body[section]
    for index, entry in enumerate(body.get("transforms", [])):
        if "use" in entry:
            yield f"transforms.{index}", "transform", entry


def _loads(host: Host, id: str) -> bool:
    try:
        host.load(id.partition(":")[0])
    except ArmillaryError:
        return False
    return True


def _whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


# --- layers ----------------------------------------------------------------------------------------------------------


def _chain(host: Host, name: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
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
        yield from _chain(host, table["extends"], (*seen, name))
    yield name, table, sources


_MADE_WHERE_MISSING = (
    "settings", "bind", "rename", "optimiser", "schedule", "budget", "cadence", "losses", "evaluators",
)  # fmt: skip


class _Merger:
    """The layers merged so far."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.table: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []

    def apply(self, layer: str, table: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        _check_keys(table, layer)
        for path in table.get("remove", []):
            self.remove(path, layer)
        self._merge(self.table, table, "", layer)
        for path in [p for p in self.sources if self.origins.get(p) == layer]:
            del self.sources[path]
        self.sources.update(sources)

    def remove(self, path: str, layer: str) -> None:
        parent, key = self.find(path, layer)
        if key not in parent:
            raise RecipeError([f"{layer}: remove {path!r}: there is no such entry;{did_you_mean(key, parent)}"])
        del parent[key]
        for known in [p for p in (*self.origins, *self.sources) if p == path or p.startswith(f"{path}.")]:
            self.origins.pop(known, None)
            self.sources.pop(known, None)

    def find(self, path: str, layer: str) -> tuple[dict[str, Any], str]:
        """Return the table that holds the last key of ``path``, and that key; names may hold dots (``depth.encoder``)."""
        node, rest = self.table, self._rooted(path)
        instances = False  # is the node a table of losses or evaluators, to which one may be added by its ``use``?
        while True:
            key = _longest_key(node, rest)
            tail = rest[len(key) :].lstrip(".")
            if not tail:
                return node, key
            known = node.get(key)
            if isinstance(known, list) and tail.split(".")[0].isdigit():
                index, _, tail = tail.partition(".")
                if int(index) >= len(known) or not tail:
                    raise RecipeError([f"{layer}: {path!r}: {key} has {len(known)} entries"])
                known = known[int(index)]
            if known is None and (key in _MADE_WHERE_MISSING or (instances and tail == "use")):
                known = node.setdefault(key, {})
            if not isinstance(known, dict):
                hint = did_you_mean(key, node) or f" there are: {', '.join(node)}"
                raise RecipeError([f"{layer}: {path!r}: there is no {key!r};{hint}"])
            first = tail.split(".")[0]
            if "use" in known and first not in _ENTRY_WORDS and key not in ("optimiser", "schedule"):
                known = known.setdefault("settings", {})
            node, rest, instances = known, tail, key in ("losses", "evaluators")

    def _rooted(self, path: str) -> str:
        """Return ``path`` from the top: ``depth.head.width`` is short for ``slots.depth.head.width``."""
        if path.split(".")[0] in TOP_KEYS:
            return path
        for section in ("slots", "losses", "evaluators"):
            for name in self.table.get(section, {}):
                if path == name or path.startswith(f"{name}."):
                    return f"{section}.{path}"
        return path

    def _merge(self, base: dict[str, Any], patch: Mapping[str, Any], path: str, layer: str) -> None:
        swapped = "use" in patch and "use" in base and patch["use"] != base["use"]
        if swapped and not path.endswith(("optimiser", "schedule")):
            self._swap(base, str(patch["use"]), path)
        for replaced, by in (("use", ("take", "same_as")), ("take", ("use", "same_as")), ("same_as", ("use", "take"))):
            if any(key in patch for key in by) and "slots" in path.split(".")[:-1]:
                base.pop(replaced, None)
                if "use" not in patch:  # settings and renamed ports were of the part that is gone
                    base.pop("settings", None)
                    base.pop("rename", None)
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
        """Keep the settings that the new part has too, and say which are dropped."""
        if not base.get("settings"):
            return
        has: set[str] = set()
        for kind in ("encoder", "head", "renderer", "loss", "evaluator", "dataset", "transform", "world"):
            try:
                has = set(attrs.fields_dict(self.host.config(self.host.component(kind, use))))
                break
            except UnknownNameError:
                continue
        else:
            return  # no such part: the check says so
        dropped = [key for key in base["settings"] if key not in has]
        for key in dropped:
            del base["settings"][key]
        if dropped:
            self.notes.append(f"{path}: {use} has no {', '.join(dropped)}; left out")


def _longest_key(node: Mapping[str, Any], rest: str) -> str:
    keys = [key for key in node if rest == key or rest.startswith(f"{key}.")]
    return max(keys, key=len) if keys else rest.split(".")[0]


def _apply_overrides(merger: _Merger, overrides: Overrides) -> None:
    for text in overrides.sets:
        path, value = _pair(text, "--set", "path=value")
        parent, key = merger.find(path, "--set")
        if parent is merger.table and key not in TOP_KEYS:
            names = [*TOP_KEYS, *merger.table.get("slots", {}), *merger.table.get("losses", {})]
            raise RecipeError([f"--set {text}: a recipe has no {key!r};{did_you_mean(path, names)}"])
        known = parent.get(key)
        parent[key] = _value(value, known)
        merger.origins[path] = "--set"
        merger.sources.pop(path, None)
    for text in overrides.uses:
        name, use = _pair(text, "--use", "slot=plugin:part")
        if name in ("data", "world") and name not in merger.table.get("slots", {}):
            merger.apply("--use", {name: {"use": use}}, {})
        else:
            _fill(merger, name, {"use": use}, flag="--use", text=text)
    for text in overrides.takes:
        name, taken = _pair(text, "--take", "slot=run:part")
        _fill(merger, name, {"take": from_words(taken, text)}, flag="--take", text=text)
    for text in overrides.weights:
        name, value = _pair(text, "--weight", "loss=number")
        _loss(merger, name, f"--weight {text}")["weight"] = _value(value, 1.0)
        merger.origins[f"losses.{name}.weight"] = "--weight"
    for name in overrides.drops:
        _loss(merger, name, f"--drop {name}")
        merger.remove(f"losses.{name}", "--drop")


def _fill(merger: _Merger, slot: str, entry: Mapping[str, Any], *, flag: str, text: str) -> None:
    slots = list(merger.table.get("slots", {}))
    if slot not in slots:
        method = merger.host.component("method", merger.table["method"]) if "method" in merger.table else None
        if method is None or slot not in method.slots:
            known = [*slots, *(method.slots if method else ())]
            hint = did_you_mean(slot, known) or f" slots: {', '.join(dict.fromkeys(known))}"
            raise RecipeError([f"{flag} {text}: there is no slot {slot!r};{hint}"])
    merger.apply(flag, {"slots": {slot: entry}}, {})


def _loss(merger: _Merger, name: str, flag: str) -> dict[str, Any]:
    losses = merger.table.get("losses", {})
    if name not in losses:
        hint = did_you_mean(name, losses) or f" losses: {', '.join(losses)}"
        raise RecipeError([f"{flag}: the recipe has no loss {name!r};{hint}"])
    return losses[name]


def _pair(text: str, flag: str, form: str) -> tuple[str, str]:
    left, equals, right = text.partition("=")
    if not equals or not left.strip() or not right.strip():
        raise ConfigError([f"{flag} {text!r}: write it as {form}"])
    return left.strip(), right.strip()


def _value(text: str, known: Any) -> Any:
    """Return the TOML value that ``text`` is; a word that is none is a text."""
    if isinstance(known, str):
        return text.strip("\"'")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check_keys(table: Mapping[str, Any], layer: str) -> None:
    problems: list[str] = []

    def unknown(node: Any, allowed: tuple[str, ...], path: str) -> None:
        if not isinstance(node, Mapping):
            problems.append(f"{layer}: {path}: needs a table, got {node!r}")
            return
        for key in node:
            if key not in allowed:
                hint = did_you_mean(str(key), allowed) or f" there are: {', '.join(allowed)}"
                problems.append(f"{layer}: {path + '.' if path else ''}{key}: unknown;{hint}")

    def body(node: Mapping[str, Any], path: str) -> None:
        for section in ("slots", "losses", "evaluators"):
            named = node.get(section, {})
            if not isinstance(named, Mapping):
                problems.append(f"{layer}: {path}{section}: needs a table, got {named!r}")
                continue
            for name, entry in named.items():
                unknown(entry, ENTRY_KEYS[section], f"{path}{section}.{name}")
                if isinstance(entry, Mapping) and "take" in entry:
                    unknown(entry["take"], TAKE_KEYS, f"{path}{section}.{name}.take")
        for section in ("data", "world"):
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
        unknown(run, RUN_KEYS, f"runs.{name}")
    for name, stage in table.get("stages", {}).items():
        unknown(stage, BODY_KEYS, f"stages.{name}")
        if isinstance(stage, Mapping):
            body(stage, f"stages.{name}.")
    if problems:
        raise RecipeError(problems)
