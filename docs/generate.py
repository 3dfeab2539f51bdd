"""Pages of reference that are written from what is installed, so that they cannot fall behind it. Needs no torch."""

import inspect
import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs
from cyclopts import App
from rich.console import Console

from armillary import hookspecs, ports
from armillary.cli.app import app
from armillary.host import KINDS, Host

_LINE = "<!-- Written by docs/generate.py; edit the plugin, not this page. -->\n"


def write(folder: Path) -> None:
    """Write every generated page into ``folder``, changing no file that is right already."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != _LINE + text:
            path.write_text(_LINE + text, encoding="utf-8")


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
        "recipes": recipes(host),
        "ports": port_kinds(),
        "hooks": hooks(),
    }


def commands() -> str:
    """Return the help of every verb."""
    text = "# Commands\n\nExit status: 0; 1 for a failure, told in words; 2 for a command that was typed wrongly; 128 + N after signal N.\n"
    text += "Data go to standard output, progress and messages to standard error.\n\n"
    return text + "\n".join(
        f"## armillary {' '.join(words)}\n\n```text\n{help_of(words)}\n```\n" for words in verbs(app, ())
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
    app.help_print(list(words), console=Console(file=stream, width=100, force_terminal=False))
    return "\n".join(line.rstrip() for line in stream.getvalue().strip().splitlines())


def components(host: Host) -> str:
    """Return one section a kind, one entry a component: ports, settings, source."""
    parts = ["# Components\n"]
    for kind in KINDS:
        specs = host.components(kind)
        if kind == "recipe" or not specs:
            continue
        parts.append(f"## {kind}\n")
        for id, spec in specs.items():
            parts.append(f"### {id}\n\n{_sentence(spec.summary)}\n")
            if spec.source:
                parts.append(f"Source: {spec.source}\n")
            if getattr(spec, "protocol", ""):
                parts.append(f"Protocol: {_sentence(spec.protocol)}\n")
            for word, side in (("Takes", spec.consumes), ("Gives", spec.produces)):
                if side:
                    parts.append(f"{word}\n: " + "\n: ".join(f"`{port}`" for port in side) + "\n")
            for slot, place in getattr(spec, "slots", {}).items():
                gives = ", ".join(port.name for port in place.produces)
                takes = ", ".join(port.name for port in place.consumes)
                parts.append(f"- slot `{slot}`: {place.kind}, {takes} to {gives}{' (optional)' * place.optional}")
            parts.append(settings(host.config(spec)))
    return "\n".join(parts)


def settings(config: type) -> str:
    """Return a table of a config class's fields, empty where it has none."""
    fields = attrs.fields(config)
    rows = [
        (f"`{field.name}`", _default(field), field.metadata.get("unit") or "", _words(field.metadata))
        for field in fields
    ]
    return _table(("setting", "default", "unit", "meaning and source"), rows) if rows else ""


def recipes(host: Host) -> str:
    """Return a table of all recipes."""
    rows = [
        (f"`{id}`", f"`{spec.extends}`" if spec.extends else "", spec.summary, spec.source)
        for id, spec in host.components("recipe").items()
    ]
    return "# Recipes\n\n" + _table(("recipe", "patch of", "what it is", "source"), rows)


def port_kinds() -> str:
    """Return the table of kinds of tensor."""
    rows = [
        (f"`{name}`", f"`{kind.shape}`" if kind.shape else "", kind.unit, kind.text)
        for name, kind in ports.KINDS.items()
    ]
    return "# Kinds of tensor\n\n" + _table(("kind", "shape", "unit", "convention"), rows)


def hooks() -> str:
    """Return the table of hooks."""
    parts = ["# Hooks\n"]
    for title, names in (
        ("What a plugin offers", hookspecs.COMPONENT_HOOKS),
        ("What an observer hears", hookspecs.OBSERVER_HOOKS),
    ):
        parts.append(f"## {title}\n")
        rows = [
            (f"`{name}{inspect.signature(getattr(hookspecs, name))}`", _doc(getattr(hookspecs, name))) for name in names
        ]
        parts.append(_table(("hook", "meaning"), [(row[0].replace("armillary.specs.", ""), row[1]) for row in rows]))
    return "\n".join(parts)


def _default(field: attrs.Attribute) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    return f"`{value!r}`"


def _words(metadata: Mapping[str, object]) -> str:
    return ". ".join(str(metadata[key]).rstrip(".") for key in ("help", "source") if metadata.get(key))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _doc(thing: object) -> str:
    return " ".join(textwrap.dedent(inspect.getdoc(thing) or "").split())


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [head, ["---"] * len(tuple(head)), *rows]
    return (
        "\n".join(
            "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
            for line in lines
        )
        + "\n"
    )
