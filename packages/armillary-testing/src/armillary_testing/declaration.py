"""Checks of level 1: declarations, and behaviour at import. Light."""

import tomllib
import typing
from typing import Any

import attrs

from armillary.config import plain, structure, write_toml
from armillary.plugins.host import KINDS
from armillary.ports import Shapes
from armillary_testing.checks import PLUGIN, Check, Failure, Skip, Subject
from armillary_testing.settings import defaults

PARTS = tuple(kind for kind in KINDS if kind != "recipe")
_SHORTEST = 10
"""Letters that a summary has at least: fewer say nothing."""


def loads(subject: Subject) -> None:
    """The plugin is imported and its hooks answer, in a process of its own."""
    seen = subject.bench.import_report
    if not seen.survived:
        raise Failure(seen.ending or seen.loading)


def silent(subject: Subject) -> None:
    """Importing the plugin, or anything that it names, writes nothing to the screen."""
    _none(subject.bench.import_report.printed.splitlines()[:1], "when it is imported it writes")


def no_threads(subject: Subject) -> None:
    """Importing the plugin, or anything that it names, leaves no thread."""
    _none(subject.bench.import_report.threads, "when it is imported it leaves the threads")


def no_network(subject: Subject) -> None:
    """Importing the plugin, or anything that it names, asks nothing of the network."""
    _none(subject.bench.import_report.network, "when it is imported it asks the network:")


def no_warnings(subject: Subject) -> None:
    """Importing the plugin gives no warning."""
    _none(subject.bench.import_report.warned, "when it is imported it warns:")


def no_changes(subject: Subject) -> None:
    """Importing the plugin, or anything that it names, changes no global state."""
    _none(subject.bench.import_report.changed, "when it is imported it changes")


def offers(subject: Subject) -> None:
    """The plugin offers a component, or observes."""
    offer = subject.bench.offer
    if not offer.observes and not any(offer.components.values()):
        raise Failure("its hooks deliver nothing, and it observes nothing")


def complete(subject: Subject) -> None:
    """A part defines all that its interface asks for, under a name that can be imported."""
    problem = subject.bench.import_report.targets.get(f"{subject.kind} {subject.id}")
    if problem:
        raise Failure(problem)


def described(subject: Subject) -> None:
    """A component says in one line what it is, and where it comes from."""
    spec = subject.spec
    if len(spec.summary) < _SHORTEST or "\n" in spec.summary:
        raise Failure(f"its summary is {spec.summary!r}: one line that says what it is")
    if not spec.source and subject.bench.plugin != "std":
        raise Failure("it names no source: a paper and equation, a file of the authors' code, or ours")


def ports(subject: Subject) -> None:
    """Each ``$field`` in the shape of a port is a setting, and a whole number."""
    settings, shapes = defaults(_config(subject)), Shapes()
    for port in (*subject.spec.consumes, *subject.spec.produces):
        try:
            shapes.bind(port, subject.id, settings)
        except ValueError as error:
            raise Failure(str(error)) from None


def settings_flat(subject: Subject) -> None:
    """Each setting is of a type that a file can hold, not a class of its own."""
    config = _config(subject)
    fields = attrs.fields_dict(config)
    nested = [name for name, hint in typing.get_type_hints(config).items() if name in fields and _holds_class(hint)]
    if nested:
        raise Failure(f"{nested[0]} is a class of its own: settings are flat")


def defaults_allowed(subject: Subject) -> None:
    """The validators and ``check`` of a part accept its defaults."""
    try:
        _made(subject)
    except ValueError as error:
        raise Failure(f"its defaults are refused: {error}") from error


def settings_kept(subject: Subject) -> None:
    """Settings that are written to a file and read again are the same settings."""
    try:
        made = _made(subject)
    except ValueError:
        raise Skip("its defaults are refused") from None
    config = _config(subject)
    again = structure(tomllib.loads(write_toml(plain(made))), config)
    if again != made:
        lost = [name for name in attrs.fields_dict(config) if getattr(made, name) != getattr(again, name)]
        raise Failure(f"{lost[0]} was {getattr(made, lost[0])!r}, and is {getattr(again, lost[0])!r} from the file")


def settings_documented(subject: Subject) -> None:
    """Each setting says what it does and where its value comes from; a unit, where there is one, is a word."""
    config = _config(subject)
    fields = attrs.fields_dict(config)
    if not fields:
        raise Skip("it has no settings")
    lacking = [
        f"{name} has no {key}"
        for name, field in fields.items()
        for key in ("help", "source")
        if not isinstance(field.metadata.get(key), str) or not field.metadata[key].strip()
    ]
    units = {name: field.metadata.get("unit") for name, field in fields.items()}
    lacking += [
        f"the unit of {n} is {u!r}" for n, u in units.items() if u is not None and not (isinstance(u, str) and u)
    ]
    if lacking:
        raise Failure(f"{config.__name__}: {'; '.join(lacking)} (armillary.config.param)")


def _config(subject: Subject) -> Any:
    return subject.bench.host.config(subject.spec)


def _made(subject: Subject) -> Any:
    config = _config(subject)
    return structure(defaults(config), config)


def _holds_class(hint: Any) -> bool:
    return any(map(_holds_class, typing.get_args(hint))) or (isinstance(hint, type) and attrs.has(hint))


def _none(found: list[str], what: str) -> None:
    if found:
        raise Failure(f"{what} {'; '.join(found)}")


def _check(name: str, run: Any, kinds: tuple[str, ...]) -> Check:
    return Check(name=name, level=1, kinds=kinds, claim=run.__doc__, run=run)


LOADS = _check("loads", loads, (PLUGIN,))
CHECKS = (
    LOADS,
    _check("silent", silent, (PLUGIN,)),
    _check("no-threads", no_threads, (PLUGIN,)),
    _check("no-network", no_network, (PLUGIN,)),
    _check("no-warnings", no_warnings, (PLUGIN,)),
    _check("no-changes", no_changes, (PLUGIN,)),
    _check("offers", offers, (PLUGIN,)),
    _check("described", described, tuple(KINDS)),
    _check("complete", complete, PARTS),
    _check("ports", ports, PARTS),
    _check("settings-flat", settings_flat, PARTS),
    _check("defaults-allowed", defaults_allowed, PARTS),
    _check("settings-kept", settings_kept, PARTS),
    _check("settings-documented", settings_documented, PARTS),
)
