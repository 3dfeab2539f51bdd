"""Pages of reference that are written from what is installed, so that they cannot fall behind it. Needs no torch."""

import importlib
import importlib.util
import inspect
import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from cyclopts import App
from rich.console import Console

from armillary import ports
from armillary.cli.app import app
from armillary.plugins import hookspecs
from armillary.plugins.catalogue import FIRST_PARTY
from armillary.plugins.host import Host
from armillary.ports import Port
from armillary.specs import ComponentSpec, RecipeSpec

_LINE = "<!-- Written by docs/generate.py; edit the plugin, not this page. -->\n"
_WORDS_OF_KIND = {
    "generator": "Generators",
    "dataset": "Data sets",
    "transform": "Transforms",
    "encoder": "Encoders",
    "head": "Heads",
    "renderer": "Renderers",
    "adapter": "Adapters",
    "loss": "Losses",
    "evaluator": "Evaluators",
    "method": "Methods",
}


def write(folder: Path) -> None:
    """Write every generated page into ``folder``, changing no file that is right already, and leaving no other."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pages()
    for name, text in found.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != _LINE + text:
            path.write_text(_LINE + text, encoding="utf-8")
    for path in folder.glob("*.md"):
        if path.stem not in found:
            path.unlink()


def pages() -> dict[str, str]:
    """Return page name to text.

    Raises:
        RuntimeError: a plugin does not load: its components would be missing from the pages.
    """
    host = Host()
    if host.failures:
        raise RuntimeError("\n".join(host.failures.values()))
    return {
        "commands": commands(),
        "components": components(host),
        **{f"components-{kind}": components_of(host, kind) for kind in _WORDS_OF_KIND},
        "recipes": recipes(host),
        **{f"recipes-{plugin}": recipes_of(host, plugin) for plugin in _plugins(host.components("recipe"))},
        **{f"limits-{plugin}": limits_of(host, plugin) for plugin in _plugins(host.components("method"))},
        "reported": reported(),
        "ports": port_kinds(),
        "hooks": hooks(),
    }


# --- commands ------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Return the help of every verb, a table of all of them first."""
    found = {words: help_of(words) for words in verbs(app, ())}
    text = "# Commands\n\nExit status: 0; 1 for a failure, told in words; 2 for a command that was typed wrongly; 128 + N after signal N.\n"
    text += "Data go to standard output, progress and messages to standard error.\n\n"
    rows = [
        (f"[`{' '.join(words)}`](#{_anchor('armillary', *words)})", _first_sentence(told))
        for words, told in found.items()
    ]
    text += _table(("verb", "does"), rows) + "\n"
    return text + "\n".join(
        f"({_anchor('armillary', *words)})=\n## armillary {' '.join(words)}\n\n```text\n{told}\n```\n"
        for words, told in found.items()
    )


def verbs(parent: App, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of each verb, groups left out."""
    for name in parent:
        if not name.startswith("-"):
            children = list(verbs(parent[name], (*words, name)))
            yield from children or [(*words, name)]


def help_of(words: tuple[str, ...]) -> str:
    """Return what a verb's ``--help`` prints."""
    stream = io.StringIO()
    app.help_print(list(words), console=Console(file=stream, width=86, force_terminal=False))
    return "\n".join(line.rstrip() for line in stream.getvalue().strip().splitlines())


def _first_sentence(told: str) -> str:
    paragraph = told.split("\n\n")[1].replace("\n", " ")
    return re.split(r"(?<=\.) ", paragraph)[0]


# --- components ----------------------------------------------------------------------------------------------------


def components(host: Host) -> str:
    """Return a table of all components, kind by kind, each with the way to its entry."""
    parts = [
        "# Components\n",
        "Whatever can be put into a recipe. `armillary components list` prints the same of what *you* have installed.\n",
    ]
    for kind, title in _WORDS_OF_KIND.items():
        specs = host.components(kind)
        rows = [(f"[`{id}`](#{_anchor(kind, id)})", _sentence(spec.summary)) for id, spec in specs.items()]
        parts.append(f"## {title}\n\n{_table((kind, 'what it is'), rows)}")
    listed = "\n".join(f"components-{kind}" for kind in _WORDS_OF_KIND)
    return "\n".join(parts) + f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def components_of(host: Host, kind: str) -> str:
    """Return one entry a component of a kind: what it is, whence, its ports, slots and settings."""
    entries = [entry(id, spec, settings(host.config(spec))) for id, spec in host.components(kind).items()]
    return "\n".join([f"# {_WORDS_OF_KIND[kind]}\n", *entries])


def entry(id: str, spec: ComponentSpec, settings_table: str) -> str:
    """Return the entry of one component."""
    parts = [f"({_anchor(spec.KIND, id)})=\n## {id}\n\n{_sentence(spec.summary)}\n"]
    words = {
        "Source": spec.source,
        "Protocol": getattr(spec, "protocol", ""),
        "Passes": ", then ".join(f"{name} on {split}" for name, split in getattr(spec, "passes", ())),
        "Works on": {"item": "each item", "batch": "the whole batch"}.get(getattr(spec, "per", ""), ""),
        "Equivariant under": f"`{group}`" if (group := getattr(spec, "symmetry", "")) else "",
        "Needs files": ", ".join(f"`{name}`" for name in spec.assets),
        "Reads": ", ".join(f"`{ending}`" for ending in getattr(spec, "endings", ())),
        "Class": f"`{spec.target}`",
    }
    parts.append("\n".join(f"- {word}: {text}" for word, text in words.items() if text) + "\n")
    sides = {
        "takes": spec.consumes,
        "trains on": getattr(spec, "trains_on", ()),
        "predicts from": getattr(spec, "predicts_from", ()),
        "gives": spec.produces,
        "predicts": getattr(spec, "predicts", ()),
    }
    rows = [(word, *_port(port)) for word, side in sides.items() for port in side]
    if rows:
        parts.append(_table(("", "port", "kind", "shape", "unit", "frame"), rows))
    places = [
        (
            f"`{name}`{' (optional)' * slot.optional}",
            slot.kind,
            ", ".join(f"`{port.name}`" for port in slot.consumes),
            ", ".join(f"`{port.name}`" for port in slot.produces),
        )
        for name, slot in getattr(spec, "slots", {}).items()
    ]
    if places:
        parts.append(_table(("slot", "is filled by a", "which takes", "and gives"), places))
    if limits := getattr(spec, "limits", ()):
        parts.append("What it is not good for:\n\n" + "".join(f"- {limit}\n" for limit in limits))
    return "\n".join([*parts, settings_table])


def _port(port: Port) -> tuple[str, ...]:
    plain = [f"`{port.name}`{' (optional)' * port.optional}", port.kind, f"`{port.shape}`" if port.shape else ""]
    return (*plain, port.unit, "" if port.frame == "any" else port.frame)


def settings(config: type) -> str:
    """Return a table of a config class's fields, empty where it has none."""
    rows = [
        (
            f"`{field.name}`",
            _default(field),
            field.metadata.get("unit") or "",
            field.metadata.get("help") or "",
            field.metadata.get("source") or "",
        )
        for field in attrs.fields(config)
    ]
    return _table(("setting", "default", "unit", "meaning", "source"), rows) if rows else ""


def _default(field: attrs.Attribute) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    return _value(value)


def limits_of(host: Host, plugin: str) -> str:
    """Return what the methods of a plugin declare that they are not good for, each sentence once, with whose it is."""
    specs = {id: spec for id, spec in host.components("method").items() if id.split(":")[0] == plugin}
    owners: dict[str, list[str]] = {}
    for id, spec in specs.items():
        for limit in getattr(spec, "limits", ()):
            owners.setdefault(limit, []).append(f"`{id}`")
    whose = {limit: f" ({', '.join(ids)})" if len(ids) < len(specs) else "" for limit, ids in owners.items()}
    return "".join(f"- {limit}{ids}\n" for limit, ids in whose.items())


# --- recipes -------------------------------------------------------------------------------------------------------


def recipes(host: Host) -> str:
    """Return a table of all recipes, plugin by plugin."""
    found = host.components("recipe")
    parts = [
        "# Recipes\n",
        "A recipe is a run as data: its method, what fills the slots, and every number with its source. `armillary recipes explain` prints\n"
        "all values of one, and where each comes from.\n",
    ]
    for plugin in _plugins(found):
        rows = [
            (
                f"[`{id}`](#{_anchor('recipe', id)})",
                f"`{spec.extends}`" if spec.extends else "",
                _sentence(spec.summary),
            )
            for id, spec in _recipes(found, plugin)
        ]
        parts.append(f"## {plugin}\n\n{_table(('recipe', 'patch of', 'what it is'), rows)}")
    listed = "\n".join(f"recipes-{plugin}" for plugin in _plugins(found))
    return "\n".join(parts) + f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def recipes_of(host: Host, plugin: str) -> str:
    """Return one entry a recipe of a plugin: what it sets by itself, each value with its source."""
    parts = [f"# Recipes of {plugin}\n"]
    for id, spec in _recipes(host.components("recipe"), plugin):
        table, sources = spec.table()
        extended = table.pop("extends", "")
        removed = table.pop("remove", [])
        parts.append(f"({_anchor('recipe', id)})=\n## {id}\n\n{_sentence(spec.summary)}\n")
        words = [f"- Source: {spec.source}"] if spec.source else []
        words += [f"- A patch of [`{extended}`](#{_anchor('recipe', extended)}): what follows is what differs."] * bool(
            extended
        )
        words += [f"- Leaves out: {', '.join(f'`{path}`' for path in removed)}"] * bool(removed)
        parts.append("\n".join(words) + "\n")
        rows = [(f"`{path}`", _value(value), sources.get(path, "")) for path, value in leaves(table)]
        if rows:
            parts.append(_table(("setting", "value", "source"), rows))
    return "\n".join(parts)


def leaves(table: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of each plain value; an empty table is one."""
    if isinstance(table, Mapping) and table:
        for key, value in table.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(table, list) and any(isinstance(value, Mapping) for value in table):
        for index, value in enumerate(table):
            yield from leaves(value, f"{path}[{index}]")
    else:
        yield path, table


def _plugins(found: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(id.split(":")[0] for id in found))


def _recipes(found: Mapping[str, Any], plugin: str) -> list[tuple[str, RecipeSpec]]:
    return [(id, spec) for id, spec in found.items() if id.split(":")[0] == plugin]


# --- what papers claim ---------------------------------------------------------------------------------------------


def reported() -> str:
    """Return every figure that the packages carry from their papers, with row, protocol and source."""
    parts = [
        "# What the papers report\n",
        "Claims of others, to measure oneself by. What was measured here is on the pages of the methods.\n",
    ]
    for plugin, entry in FIRST_PARTY.items():
        name = f"{entry.distribution.replace('-', '_')}.reported"
        if importlib.util.find_spec(name.split(".")[0]) and importlib.util.find_spec(name):
            module = importlib.import_module(name)
            parts.append(f"## {plugin}\n\n{inspect.getdoc(module)}\n")
            for title, rows in records(module).items():
                parts.append(f"`{name}.{title}`\n\n{_records(rows)}")
    return "\n".join(parts)


def records(module: object) -> dict[str, tuple[Any, ...]]:
    """Return the tables of a module of reported figures: name to records of one class."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, tuple)
        and value
        and all(attrs.has(type(row)) for row in value)
    }


def _records(rows: tuple[Any, ...]) -> str:
    """A table; above it, once, what all its rows have in common."""
    names = [field.name for field in attrs.fields(type(rows[0]))]
    values = {name: [getattr(row, name) for row in rows] for name in names}
    told = {name: column for name, column in values.items() if any(value not in (None, "", ()) for value in column)}
    common = {name: column[0] for name, column in told.items() if len(rows) > 1 and len(set(column)) == 1}
    kept = {name: column for name, column in told.items() if name not in common}
    above = "".join(f"- {name.replace('_', ' ')}: {value}\n" for name, value in common.items())
    lines = [["" if value is None else value for value in line] for line in zip(*kept.values(), strict=True)]
    return f"{above}\n{_table([name.replace('_', ' ') for name in kept], lines)}"


# --- ports and hooks -----------------------------------------------------------------------------------------------


def port_kinds() -> str:
    """Return the table of kinds of tensor."""
    rows = [
        (f"`{name}`", f"`{kind.shape}`" if kind.shape else "", kind.unit, kind.text)
        for name, kind in ports.KINDS.items()
    ]
    text = "# Kinds of tensor\n\n" + _table(("kind", "shape", "unit", "convention"), rows)
    units = ", ".join(f"`{unit}`" for unit in sorted(ports.UNITS) if unit)
    frames = ", ".join(f"`{frame}`" for frame in sorted(ports.FRAMES))
    return f"{text}\nUnits: {units}. Frames: {frames}.\n"


def hooks() -> str:
    """Return the table of hooks."""
    parts = ["# Hooks\n"]
    for title, names in (
        ("What a plugin offers", (hookspecs.COMPONENTS,)),
        ("What an observer hears", hookspecs.OBSERVER_HOOKS),
    ):
        parts.append(f"## {title}\n")
        rows = [
            (f"`{name}{inspect.signature(getattr(hookspecs, name))}`", _doc(getattr(hookspecs, name))) for name in names
        ]
        parts.append(_table(("hook", "meaning"), [(row[0].replace("armillary.specs.", ""), row[1]) for row in rows]))
    return "\n".join(parts)


# --- words ---------------------------------------------------------------------------------------------------------


def _anchor(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def _value(value: Any) -> str:
    """A value as code, long numbers cut to six digits."""
    if isinstance(value, float) and len(repr(value)) > 10:
        return f"`{value:.6g}`"
    return f"`{value!r}`"


def _sentence(text: str) -> str:
    """With a capital, but for a letter of a formula, and a full stop."""
    symbol = len(text.split(",")[0].split()[0]) == 1 and text[0] != "a" if text else True
    return (text if symbol else text[:1].upper() + text[1:]).rstrip(".") + "." if text else ""


def _doc(thing: object) -> str:
    return " ".join(textwrap.dedent(inspect.getdoc(thing) or "").split())


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return (
        "\n".join(
            "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
            for line in lines
        )
        + "\n"
    )
