"""Recipes: layers of plain tables, resolved into one. Light.

A recipe is data. It may extend another one (a patch), and a file, ``--set``, ``--use``, ``--weight`` and ``--without`` patch
it further; a later layer wins. Tables merge by key, lists and scalars replace, ``remove`` deletes. A resolved recipe resolves to
itself. A recipe always has stages; :mod:`armillary.recipes.stages` has the short form for one. :mod:`armillary.recipes.check`
checks that its parts fit.
"""

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from armillary.config import plain, read_toml, structure
from armillary.errors import ArmillaryError, ConfigError, RecipeError, did_you_mean
from armillary.plugins.host import Host
from armillary.recipes.layers import Merger, check_keys, pair, value_of
from armillary.recipes.settings import SECTIONS
from armillary.recipes.stages import BODY_KEYS, MAIN, full, named, prefix, short, staged, written
from armillary.recipes.transfer import add_source_runs, parse_take
from armillary.recipes.variants import identity, layered
from armillary.specs import MethodSpec

_KIND_OF = {
    "losses": "loss",
    "evaluators": "evaluator",
    "data": "dataset",
    "generator": "generator",
    "transforms": "transform",
}


@attrs.frozen(kw_only=True)
class Overrides:
    """Changes of a recipe by the command line or by Python.

    They are applied in the order files, uses, vias, sets, takes, weights, without, so that a setting is that of the part which a
    use adds, and a weight that of a loss which a file or a set adds.

    Args:
        files: TOML files with a patch each.
        uses: ``slot=plugin:part``; ``stage.slot`` if the recipe has several stages, for takes, weights and without too.
        vias: ``slot=plugin:adapter``, between a slot and its part, in order.
        keep_settings: a part that replaces another keeps the settings that both have; by default it starts from its own defaults.
        sets: ``path=value`` with a TOML value; a bare word is a string.
        weights: ``loss=number``.
        without: names of losses and evaluators to leave out; :func:`leave_out` has the forms.
        takes: ``slot=run:part``, a trained part of one of ``runs``.
        runs: source runs by name, from :func:`armillary.recipes.transfer.source_entry`.
    """

    files: tuple[Path, ...] = ()
    uses: tuple[str, ...] = ()
    vias: tuple[str, ...] = ()
    keep_settings: bool = False
    sets: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    runs: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    weights: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def _whole(table: Mapping[str, Any]) -> dict[str, Any]:
    return {"stages": {MAIN: {}}} | staged(table)


@attrs.frozen(kw_only=True)
class Recipe:
    """A resolved recipe.

    Args:
        id: name of the recipe as the user typed it, without folders.
        table: plain tables, without ``extends`` and ``remove``; a body at the root becomes the stage ``main``.
        origins: path of each value, in its short form, to the layer that set it.
        sources: path of each cited value, in its short form, to its source.
        notes: messages about the settings of replaced parts.
        added: stage, section and name of each loss and evaluator that the overrides added or bound anew.
        replaced: path of each slot whose part the overrides replaced, to the entry before.
    """

    id: str
    table: Mapping[str, Any] = attrs.field(converter=_whole)
    origins: Mapping[str, str] = attrs.field(factory=dict)
    sources: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    added: tuple[tuple[str, str, str], ...] = ()
    replaced: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)

    @property
    def seed(self) -> int:
        """Seed of weights, order of items and random draws."""
        return self.table.get("seed", 0)

    @property
    def bodies(self) -> dict[str, Mapping[str, Any]]:
        """Stage name to body, in order."""
        return self.table["stages"]

    @property
    def written(self) -> dict[str, Any]:
        """The tables as in files and pages: if ``main`` is the only stage, its body is at the root."""
        return written(self.table)

    @property
    def serves(self) -> str:
        """Stage that predict and evaluate use."""
        return self.table.get("serves") or list(self.bodies)[-1]

    def changed(self, stage: str, **entries: Any) -> "Recipe":
        """Return the recipe with other entries in the body of one stage."""
        stages = {**self.bodies, stage: {**self.bodies[stage], **entries}}
        return attrs.evolve(self, table={**self.table, "stages": stages})


def resolve(host: Host, name: str, overrides: Overrides | None = None) -> Recipe:
    """Merge a recipe (``plugin:recipe``, or a TOML file), all recipes that it extends and the overrides into one recipe.

    A name may be ``RECIPE+PATCH+PATCH``; see :mod:`armillary.recipes.variants`.

    Raises:
        UnknownNameError: no such recipe; the message suggests the nearest name, or the package to install.
        RecipeError: recipes extend each other in a circle; a path, section or entry is unknown; no part of a source run is used.
        ConfigError: a file is not TOML, or an override is not ``path=value``.
    """
    overrides = overrides or Overrides()
    merger = layered(host, name)
    before, groups = _measures(merger.table), _groups(merger.table)
    merger.replaced.clear()
    merger.keep_settings = overrides.keep_settings
    for path in overrides.files:
        patch = read_toml(path)
        if "extends" in patch:
            raise RecipeError(
                [f"--recipe {path}: a patch of {name} cannot have extends; type the file alone: armillary train {path}"]
            )
        merger.apply(str(path), patch, {})
    merger.table.setdefault("stages", {})
    _apply_overrides(merger, overrides)
    _drop_groups(merger, groups)
    add_source_runs(merger.table, overrides.runs)
    return Recipe(
        id=identity(name),
        table={key: merger.table[key] for key in merger.table if key not in ("extends", "remove", "id")},
        origins={short(path): layer for path, layer in merger.origins.items()},
        sources={short(path): source for path, source in merger.sources.items()},
        notes=(*merger.notes, *_branches_added(merger)),
        added=tuple(place for place, entry in _measures(merger.table).items() if entry != before.get(place)),
        replaced=merger.replaced,
    )


def _measures(table: Mapping[str, Any]) -> dict[tuple[str, str, str], list[Any]]:
    """Return part and wiring of each loss and evaluator, by stage, section and name."""
    return {
        (stage, section, name): [copy.deepcopy(entry.get(key)) for key in ("use", "bind", "rename")]
        for stage, body in table.get("stages", {}).items()
        for section in ("losses", "evaluators")
        for name, entry in body.get(section, {}).items()
    }


def with_part(host: Host, recipe: Recipe, part: str, *, stage: str, slot: str) -> Recipe:
    """Return a resolved recipe with ``part`` in a slot, as ``--use`` puts it there.

    The part that the recipe had there before its overrides has its settings again.
    """
    merger = Merger(host)
    merger.table = copy.deepcopy(dict(recipe.table))
    before = recipe.replaced.get(f"stages.{stage}.slots.{slot}", {})
    if before.get("use") == part:
        merger.table["stages"][stage]["slots"][slot] = copy.deepcopy(dict(before))
    else:
        groups = _groups(merger.table)
        merger.apply("--use", {"stages": {stage: {"slots": {slot: {"use": part}}}}}, {})
        _drop_groups(merger, groups)
    return attrs.evolve(recipe, table=merger.table)


def from_table(table: Mapping[str, Any], *, id: str) -> Recipe:
    """Return the resolved recipe of a run folder."""
    check_keys(table, id)
    if MAIN not in table.get("stages", {MAIN}):
        # Files of older runs may have a body at the root beside other stages; it has no effect.
        table = {key: value for key, value in table.items() if key not in BODY_KEYS}
    return Recipe(id=id, table=table)


def complete(host: Host, recipe: Recipe) -> Recipe:
    """Return the recipe with every setting of every part and section, so that a later default cannot change it.

    The entry of a generator whose plugin is missing is unchanged, since training needs pictures only.

    Raises:
        ConfigError: settings that do not fit; all at once, each with its path.
        UnknownNameError, PluginError: a part is missing or cannot be loaded.
    """
    table = copy.deepcopy(dict(recipe.table))
    problems = [line for stage, body in table["stages"].items() for line in _complete(host, body, prefix(stage))]
    if not _whole_number(table.get("seed", 0) + 1 if isinstance(table.get("seed", 0), int) else None):
        problems.append(f"seed: needs an integer of at least 0, got {table['seed']!r}")
    if problems:
        raise ConfigError(problems)
    return attrs.evolve(recipe, table=table)


def _complete(host: Host, body: dict[str, Any], at: str) -> Iterator[str]:
    """Add the defaults of all settings of one stage, in place; yield one line per setting that does not fit."""

    def settings(table: Mapping[str, Any], config: type, path: str) -> Any:
        return plain(structure(table, config, path=f"{at}{path}"))

    for section, config in SECTIONS.items():
        try:
            body[section] = settings(body.get(section, {}), config, section)
        except ConfigError as error:
            yield from error.problems
    if not _whole_number(body.get("batch_size", 1)):
        yield f"{at}batch_size: needs an integer above 0, got {body['batch_size']!r}"
    if body.get("draws") is not None and not _whole_number(body["draws"]):
        yield f"{at}draws: needs an integer above 0, got {body['draws']!r}; without it each epoch draws anew"
    for path, kind, entry in entries(host, body):
        try:
            spec = host.component(kind, entry["use"])
            entry["settings"] = settings(entry.get("settings", {}), host.config(spec), path)
        except ConfigError as error:
            yield from error.problems
        except ArmillaryError as error:
            # A generator serves demonstrations only: training does not need its plugin.
            if kind != "generator" or _loads(host, entry["use"]):
                yield f"{at}{path}: {error}"
    try:
        method = host.component("method", body.get("method", ""))
        body["settings"] = settings(body.get("settings", {}), host.config(method), "settings")
    except ConfigError as error:
        yield from error.problems


def entries(host: Host, body: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path, kind, table) of each part with ``use``; the kind of a slot comes from the method."""
    method = host.component("method", body["method"]) if body.get("method") else None
    slots = body.get("slots", {})
    kinds = slot_kinds(method, slots)
    for name, entry in slots.items():
        if "use" in entry and name in kinds:
            yield f"slots.{name}", kinds[name], entry
            yield from ((f"slots.{name}.via.{i}", "adapter", each) for i, each in enumerate(entry.get("via", [])))
    for section in ("losses", "evaluators"):
        for name, entry in body.get(section, {}).items():
            if "use" in entry:
                yield f"{section}.{name}", _KIND_OF[section], entry
    for section in ("data", "generator"):
        if "use" in body.get(section, {}):
            yield section, _KIND_OF[section], body[section]
    for index, entry in enumerate(body.get("transforms", [])):
        if "use" in entry:
            yield f"transforms.{index}", "transform", entry


def slot_kinds(method: MethodSpec | None, slots: Iterable[str]) -> dict[str, str]:
    """Return the kind of each slot of a method, and of each that a recipe adds to it; empty without a method."""
    if method is None:
        return {}
    own = {name: slot.kind for name, slot in method.slots.items()}
    return own | {half: half.rpartition(".")[2] for half in added_slots(method, slots)}


def added_slots(method: MethodSpec, slots: Iterable[str]) -> tuple[str, ...]:
    """Return the slots of the branches that a recipe adds to a method: pairs NAME.encoder and NAME.head of a name that is free."""
    own, filled = {name.partition(".")[0] for name in method.slots}, set(slots)
    return tuple(name for name in slots if name.partition(".")[0] not in own and _half(name) in filled)


def default_sources(host: Host, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the path of each setting of a recipe, and the source of its default."""
    for stage, body in recipe.bodies.items():
        at = prefix(stage)
        configs = {f"{at}{section}": config for section, config in SECTIONS.items()}
        for path, kind, entry in entries(host, body):
            with contextlib.suppress(ArmillaryError):  # a generator that is not installed
                configs[f"{at}{path}.settings"] = host.config(host.component(kind, entry["use"]))
        if body.get("method"):
            configs[f"{at}settings"] = host.config(host.component("method", body["method"]))
        for path, config in configs.items():
            for field in attrs.fields(config):
                yield f"{path}.{field.name}", field.metadata.get("source", "")


def _loads(host: Host, id: str) -> bool:
    try:
        host.load(id.partition(":")[0])
    except ArmillaryError:
        return False
    return True


def _whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _apply_overrides(merger: Merger, overrides: Overrides) -> None:
    used = {pair(text, "--use", "slot=plugin:part")[0] for text in overrides.uses}
    for text in overrides.uses:
        name, use = pair(text, "--use", "slot=plugin:part")
        stage, own = _addressed(merger, name)
        if own in ("data", "generator") and own not in _body(merger, stage).get("slots", {}):
            merger.apply("--use", _within(stage, {own: {"use": use}}), {})
        else:
            _fill(merger, name, {"use": use}, flag="--use", text=text, added=_half(name) in used)
    chains: dict[str, list[str]] = {}
    for text in overrides.vias:
        name, adapter = pair(text, "--via", "slot=plugin:adapter")
        chains.setdefault(name, []).append(adapter)
    for name, adapters in chains.items():
        _fill(merger, name, {"via": adapters}, flag="--via", text=f"{name}={adapters[0]}")
    for text in overrides.sets:
        merger.set(text, "--set")
    for text in overrides.takes:
        name, part = pair(text, "--take", "slot=run:part")
        _fill(merger, name, {"take": parse_take(part, text)}, flag="--take", text=text)
    for text in overrides.weights:
        name, value = pair(text, "--weight", "loss=number")
        entry, path = _loss(merger, name, f"--weight {text}")
        entry["weight"] = value_of(value, 1.0)
        merger.origins[full(f"{path}.weight")] = "--weight"
        merger.sources.pop(full(f"{path}.weight"), None)
    for name in overrides.without:
        leave_out(merger, name)


def _groups(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the optimiser's groups of each stage."""
    return {
        stage: copy.deepcopy(body.get("optimiser", {}).get("groups", {}))
        for stage, body in table.get("stages", {}).items()
    }


def _drop_groups(merger: Merger, before: Mapping[str, Mapping[str, Any]]) -> None:
    """Drop the recipe's optimiser groups of parts that were replaced, with a message: they name the parameters of those."""
    for path in () if merger.keep_settings else merger.replaced:
        _, stage, _, slot = path.split(".", 3)
        groups = merger.table["stages"][stage].get("optimiser", {}).get("groups", {})
        use = merger.table["stages"][stage].get("slots", {}).get(slot, {}).get("use", "another part")
        for name in [name for name in groups if name.startswith(f"{slot}.")]:
            if groups[name] == before.get(stage, {}).get(name):
                del groups[name]
                place = f"{prefix(stage)}optimiser.groups.{name}"
                merger.notes.append(f"{place}: of the part that {use} replaces; dropped")


def _branches_added(merger: Merger) -> Iterator[str]:
    """Yield a message for each branch that is not the method's, so that a misspelt name is seen."""
    for stage, body in merger.table["stages"].items():
        if "method" not in body:
            continue
        with contextlib.suppress(ArmillaryError):  # an unknown method is refused later, with all else
            method = merger.host.component("method", body["method"])
            for slot in added_slots(method, body.get("slots", {})):
                if slot.endswith(".head"):
                    place = f"{prefix(stage)}slots.{slot.removesuffix('.head')}"
                    yield f"{place}: a branch that {body['method']} does not have; losses read it as {slot}.PORT"


def _addressed(merger: Merger, name: str) -> tuple[str, str]:
    """Return the stage of ``slot`` or ``stage.slot``, and the slot's name."""
    stage, dot, rest = name.partition(".")
    return (stage, rest) if dot and stage in merger.table["stages"] else (MAIN, name)


def _body(merger: Merger, stage: str) -> Mapping[str, Any]:
    return merger.table["stages"].get(stage, {})


def _within(stage: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a patch of one stage in its short form."""
    return body if stage == MAIN else {"stages": {stage: body}}


def _fill(merger: Merger, name: str, entry: Mapping[str, Any], *, flag: str, text: str, added: bool = False) -> None:
    """Patch a slot of the recipe; a new one is ``added``, as half of a branch of the recipe's own."""
    stage, slot = _addressed(merger, name)
    if slot not in _slots_of(merger, _body(merger, stage)) and not added:
        known = [named(of, each) for of, body in merger.table["stages"].items() for each in _slots_of(merger, body)]
        hint = did_you_mean(name, known) or f" slots: {', '.join(known)}"
        more = f"; {slot.rpartition('.')[0]}.encoder and .head together add a branch" if _half(slot) else ""
        raise RecipeError([f"{flag} {text}: the recipe has no slot {name!r};{hint}{more}"])
    merger.apply(flag, _within(stage, {"slots": {slot: entry}}), {})


def _half(slot: str) -> str:
    """Return the other half of a branch, empty for a slot that is no half."""
    branch, _, half = slot.rpartition(".")
    return {"encoder": f"{branch}.head", "head": f"{branch}.encoder"}.get(half, "") if branch else ""


def _slots_of(merger: Merger, body: Mapping[str, Any]) -> list[str]:
    """Return the filled slots of a body, then the other slots of its method."""
    method = merger.host.component("method", body["method"]) if "method" in body else None
    return list(dict.fromkeys([*body.get("slots", {}), *(method.slots if method else ())]))


def _loss(merger: Merger, name: str, flag: str) -> tuple[dict[str, Any], str]:
    """Return the table of a loss, named ``loss`` or ``stage.loss``, and its path in the short form."""
    stage, loss = _addressed(merger, name)
    losses = _body(merger, stage).get("losses", {})
    if loss not in losses:
        known = [named(of, each) for of, body in merger.table["stages"].items() for each in body.get("losses", {})]
        hint = did_you_mean(name, known) or f" losses: {', '.join(known)}"
        raise RecipeError([f"{flag}: the recipe has no loss {name!r};{hint}"])
    return losses[loss], f"{prefix(stage)}losses.{loss}"


def leave_out(merger: Merger, name: str) -> None:
    """Remove the loss or the evaluator ``name`` or ``stage.name``, or with ``evaluators`` all evaluators of all stages.

    ``losses.name`` and ``evaluators.name`` are for a name that both have.

    Raises:
        RecipeError: no entry has the name, or a loss and an evaluator have it.
    """
    found = without_paths(merger.table["stages"], name)
    if len(found) > 1 and name != "evaluators":
        forms = " or ".join(f"--without {path.removeprefix('stages.')}" for path in found)
        raise RecipeError([f"--without {name}: a loss and an evaluator have this name; type {forms}"])
    if not found:
        bodies = merger.table["stages"].items()
        known = {
            section: [named(of, each) for of, body in bodies for each in body.get(section, {})]
            for section in ("losses", "evaluators")
        }
        listed = "; ".join(f"{section}: {', '.join(names) or 'none'}" for section, names in known.items())
        hint = did_you_mean(name, [each for names in known.values() for each in names]) or f" {listed}"
        raise RecipeError([f"--without {name}: the recipe has no loss or evaluator {name!r};{hint}"])
    for path in found:
        merger.remove(path, "--without")


def without_paths(stages: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """Return the paths of the losses and evaluators that ``--without NAME`` removes."""
    every = name == "evaluators"
    return [
        f"{prefix(stage)}{section}.{entry}"
        for stage, body in stages.items()
        for section in ("losses", "evaluators")
        for entry in body.get(section, {})
        if (every and section == "evaluators") or name in _short_names(stage, section, entry)
    ]


def without_flag(stages: Mapping[str, Mapping[str, Any]], stage: str, name: str, *, section: str = "evaluators") -> str:
    """Return the shortest ``--without NAME`` that removes one evaluator, or one loss, alone."""
    path = f"{prefix(stage)}{section}.{name}"
    names = _short_names(stage, section, name)
    return f"--without {next((name for name in names if without_paths(stages, name) == [path]), names[-1])}"


def _short_names(stage: str, section: str, entry: str) -> tuple[str, str]:
    return named(stage, entry), named(stage, f"{section}.{entry}")
