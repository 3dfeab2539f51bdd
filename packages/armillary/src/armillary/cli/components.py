"""Verbs ``armillary components``: parts and their ports."""

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import UsageError
from armillary.cli.flags import Json
from armillary.errors import UnknownNameError, did_you_mean
from armillary.plugins.host import KINDS, Host, kind_of


def list_(
    *,
    kind: Annotated[str | None, Parameter(metavar="KIND", help="Only these: encoder, loss, generator ...")] = None,
    fits: Annotated[
        str | None,
        Parameter(
            metavar="RECIPE.SLOT",
            help="Parts that fit this slot of a recipe, and the reasons against the others: unsup3d:paper.depth.head.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the installed parts of methods, with what they take and give."""
    host = Host()
    if fits is not None:
        if kind is not None:
            raise UsageError(f"--kind {kind}: the slot has a kind already; leave --kind out")
        _list_fits(host, fits, json=json)
    else:
        kinds = [kind_of(kind)] if kind else [each for each in KINDS if each != "recipe"]
        found = [(each, id, spec) for each in kinds for id, spec in host.components(each).items()]
        if json:
            show.as_json([_plain(each, id, spec) for each, id, spec in found])
        else:
            rows = [(each, id, _ports(spec.consumes), _ports(spec.produces), spec.summary) for each, id, spec in found]
            show.table(rows, columns=("kind", "id", "takes", "gives", "what it is"))
    for reason in host.failures.values():
        show.message(f"left out: {reason} (armillary plugins doctor)")


def show_(id: Annotated[str, Parameter(name="ID", help="plugin:component")], /, *, json: Json = False) -> None:
    """Print a part: its ports, its settings with defaults, units and sources."""
    host = Host()
    kind, spec = _find(host, id)
    if json:
        show.as_json(_plain(kind, id, spec) | {"settings": _settings(host, spec)})
        return
    owner = host.owner(spec)
    show.facts(
        {
            "id": id,
            "kind": kind,
            "what it is": spec.summary,
            "source": spec.source,
            "from": f"{owner.distribution} {owner.version}" if owner else "",
            "class": spec.target,
            "protocol": getattr(spec, "protocol", ""),
            "symmetry": getattr(spec, "symmetry", ""),
            "files": [f"{name}: armillary assets add {name} FILE" for name in spec.assets],
        }
    )
    ports = [*_named_ports(kind, spec)]
    if ports:
        show.data("")
        show.table(ports, columns=("port", "name", "kind", "shape", "unit", "frame", ""))
    for name, slot in getattr(spec, "slots", {}).items():
        words = "may stay empty" if slot.optional else ""
        show.data(f"\nslot {name} ({slot.kind}) {words}".rstrip())
        show.table([*_port_rows("takes", slot.consumes), *_port_rows("gives", slot.produces)])
    settings = _settings(host, spec)
    show.data("")
    if settings:
        rows = [tuple(setting.values()) for setting in settings]
        show.table(rows, columns=("setting", "type", "default", "unit", "what it does", "source"))
    else:
        show.data("no settings")


def _find(host: Host, id: str) -> tuple[str, Any]:
    plugin, colon, name = id.partition(":")
    if not colon:
        raise UnknownNameError(f"{id!r} is not a component: write it as plugin:component (armillary components list)")
    offer = host.load(plugin)
    for kind, specs in offer.components.items():
        if name in specs and kind != "recipe":
            return kind, specs[name]
    if name in offer.components.get("recipe", {}):
        raise UnknownNameError(f"{id} is a recipe: armillary recipes show {id}")
    names = [f"{plugin}:{each}" for kind, specs in offer.components.items() if kind != "recipe" for each in specs]
    hint = did_you_mean(id, names) or f" {plugin} has {', '.join(names) or 'none'}"
    raise UnknownNameError(f"unknown component {id!r}:{hint}")


def _list_fits(host: Host, text: str, *, json: bool) -> None:
    from armillary.recipes.swaps import fits, place

    asked = place(host, text)
    found = sorted(fits(host, asked), key=lambda fit: (bool(fit.reasons), not fit.own))
    if json:
        rows = [(fit, _plain(asked.wanted.kind, fit.id, fit.spec)) for fit in found]
        reasons = ({"fits": not fit.reasons, "own": fit.own, "why": [*fit.reasons]} for fit, _ in rows)
        show.as_json([row | more for (_, row), more in zip(rows, reasons, strict=True)])
        return
    fitting, others = ([fit for fit in found if bool(fit.reasons) is refused] for refused in (False, True))
    own = {True: " (the recipe's own)", False: ""}
    rows = [
        (fit.id, _ports(fit.spec.consumes), _ports(fit.spec.produces), f"{fit.spec.summary}{own[fit.own]}")
        for fit in fitting
    ]
    show.table(rows, columns=(asked.wanted.kind, "takes", "gives", "what it is"))
    if others:
        show.data("")
        rows = [(fit.id if k == 0 else "", line) for fit in others for k, line in enumerate(fit.reasons)]
        show.table(rows, columns=("does not fit", "why"))
    words = f"{show.count(len(fitting), 'part')} of {len(found)} installed"
    show.message(f"{words} fit: armillary train {asked.recipe} --use {asked.name}=ID")


def _named_ports(kind: str, spec: Any) -> Iterator[tuple[object, ...]]:
    if kind == "method":
        yield from _port_rows("trains on", spec.trains_on)
        yield from _port_rows("predicts from", spec.predicts_from)
    yield from _port_rows("takes", spec.consumes)
    yield from _port_rows("gives", spec.produces)


def _port_rows(way: str, ports: Any) -> Iterator[tuple[object, ...]]:
    for port in ports:
        yield way, port.name, port.kind, port.shape, port.unit, port.frame, "optional" if port.optional else ""


def _ports(ports: Any) -> str:
    return ", ".join(f"[{port.name}]" if port.optional else port.name for port in ports)


def _settings(host: Host, spec: Any) -> list[dict[str, object]]:
    config = host.config(spec)
    hints = typing.get_type_hints(config)
    return [_setting(field, hints) for field in attrs.fields(config)]


def _type(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(str(choice) for choice in typing.get_args(kind))
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return " | ".join(_type(each) for each in typing.get_args(kind) if each is not type(None))
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)


def _setting(field: Any, hints: Any) -> dict[str, object]:
    required = field.default is attrs.NOTHING
    kind = _type(hints[field.name])
    return {
        "name": field.name,
        "type": kind,
        "default": "required" if required else field.default if field.default is not None else "none",
        "unit": field.metadata.get("unit") or "",
        "help": field.metadata.get("help", ""),
        "source": field.metadata.get("source", ""),
    }


def _plain(kind: str, id: str, spec: Any) -> dict[str, Any]:
    return {
        "id": id,
        "kind": kind,
        "summary": spec.summary,
        "source": spec.source,
        "target": spec.target,
        "consumes": [attrs.asdict(port) for port in spec.consumes],
        "produces": [attrs.asdict(port) for port in spec.produces],
        "assets": [*spec.assets],
        **({"symmetry": spec.symmetry} if getattr(spec, "symmetry", "") else {}),
    }
