"""Verbs ``armillary plugins``: installed plugins."""

import importlib
import importlib.util
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import FAILED, OK, UsageError
from armillary.cli.flags import Json
from armillary.errors import ArmillaryError

_KIT = "armillary_testing"  # a package of its own, which the core finds but does not need


def list_(*, json: Json = False) -> None:
    """List what is installed, from metadata alone: no plugin is imported."""
    from armillary.plugins.discovery import discover, unknown_switches

    records = discover()
    if json:
        show.as_json([attrs.asdict(record) for record in records])
        return
    rows = [(each.id, each.distribution, each.version, each.state, each.reason or each.location) for each in records]
    show.table(rows, columns=("id", "distribution", "version", "state", "where, or why not"))
    for line in (*_not_installed({record.id for record in records}), *unknown_switches(records)):
        show.message(line)


def _not_installed(ids: Container[str]) -> list[str]:
    from armillary.plugins.catalogue import FIRST_PARTY, install_hint

    return [
        f"not installed: {id}, {known.summary}: {install_hint(id)}"
        for id, known in FIRST_PARTY.items()
        if id not in ids
    ]


def show_(id: Annotated[str, Parameter(name="ID", help="Id of the plugin.")], /, *, json: Json = False) -> None:
    """Print what a plugin offers: its components by kind, each with what it does."""
    from armillary.plugins.host import Host

    offer = Host().load(id)
    parts = {
        kind: {f"{id}:{name}": spec.summary for name, spec in specs.items()}
        for kind, specs in offer.components.items()
        if specs
    }
    if json:
        show.as_json({**attrs.asdict(offer.record), "components": parts, "observes": offer.observes})
        return
    record = offer.record
    show.facts(
        {
            "id": record.id,
            "distribution": f"{record.distribution} {record.version}",
            "needs": f"armillary{record.requires_core}" if record.requires_core else "",
            "where": record.location,
            "observes": offer.observes,
        }
    )
    show.data("")
    show.table(
        [(kind, name, text) for kind, found in parts.items() for name, text in found.items()],
        columns=("kind", "component", "what it is"),
    )


def freeze(
    ids: Annotated[
        tuple[str, ...], Parameter(name="ID", help="Ids of the plugins. Default: all in a package that can be written.")
    ] = (),
    /,
    *,
    check: Annotated[
        bool, Parameter(negative=(), help="Write nothing; exit with status 1 if a manifest is missing or old.")
    ] = False,
) -> int:
    """Write the manifest of a plugin into its package, so that its components are listed without importing it."""
    from armillary.plugins import manifest
    from armillary.plugins.host import Host
    from armillary.plugins.manifest import path_of

    host, status = Host(), OK
    for id in ids or [record.id for record in host.records if record.state == "ok" and path_of(record.module)]:
        path = manifest.path_of(host.record(id).module)
        if path is None:
            raise UsageError(
                f"{id}: its module is not in a package, so it has no place for a manifest; it is imported instead"
            )
        text = manifest.freeze(path.parent, host.classes(id), observes=host.load(id).observes)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            show.message(f"{path}: missing or old: type armillary plugins freeze {id}")
            status = FAILED
        else:
            path.write_text(text, encoding="utf-8")
            show.data(str(path))
    return status


def doctor(
    *,
    timeout: Annotated[float | None, Parameter(metavar="S", help="Time limit per plugin, in seconds.")] = None,
    json: Json = False,
) -> int:
    """Load each plugin in a process of its own, import its components, and print errors.

    The status is 1 where a plugin, or a part of one, cannot be used.
    """
    from armillary.plugins.discovery import discover, unknown_switches
    from armillary.plugins.doctor import TIMEOUT
    from armillary.plugins.doctor import doctor as examine

    records = discover()
    if not json:
        show.message(f"looking at {show.count(len(records), 'plugin')}")
    found = examine(records, timeout=timeout or TIMEOUT)
    switches = unknown_switches(records)
    healthy = all(diagnosis.healthy for diagnosis in found)
    if json:
        show.as_json(
            {"healthy": healthy, "switches": switches, "plugins": [attrs.asdict(diagnosis) for diagnosis in found]}
        )
        return OK if healthy else FAILED
    for diagnosis in found:
        for line in _diagnosis(diagnosis):
            show.data(line)
    for line in switches:
        show.data(f"warning  {line}")
    broken = [diagnosis.record.id for diagnosis in found if not diagnosis.healthy]
    summary = f"broken: {', '.join(dict.fromkeys(broken))}" if broken else "nothing is broken"
    show.message(f"{show.count(len(found), 'plugin')}, {summary}")
    return OK if healthy else FAILED


def verify(
    id: Annotated[str, Parameter(name="NAME", help="Id of the plugin.")],
    /,
    *,
    level: Annotated[int | None, Parameter(metavar="N", help="Highest level to check. Default: all.")] = None,
    known: Annotated[
        Path | None, Parameter(metavar="FILE", help='TOML file of known failures: "CHECK ID" = "reason".')
    ] = None,
    json: Json = False,
) -> int:
    """Check a plugin against its declarations; the status is 1 if a check fails."""
    if importlib.util.find_spec(_KIT) is None:
        raise ArmillaryError("the conformance kit is not installed: pip install armillary-testing")
    from armillary.config import read_toml

    kit = importlib.import_module(_KIT)
    levels = {} if level is None else {"level": level}
    try:
        report = kit.verify(id, known=read_toml(known) if known else None, progress=show.message, **levels)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if json:
        show.as_json(report.plain())
        return OK if report.ok else FAILED
    for line in report.lines():
        show.data(line)
    counts = report.counts()
    show.table(
        [(each, *row.values()) for each, row in counts.items()],
        columns=("level", *next(iter(counts.values()))),
    )
    show.message(f"{id} is what it declares" if report.ok else f"{id} is not what it declares")
    return OK if report.ok else FAILED


def _diagnosis(diagnosis: Any) -> Any:
    record = diagnosis.record
    findings = [f"{finding.level:<7}  {finding.text}" for finding in diagnosis.findings]
    mark = "ok" if diagnosis.healthy else "broken"
    if record.state == "blocked":
        mark = "blocked"
    counts = Counter(diagnosis.components)
    offers = ", ".join(show.count(number, kind, _plural(kind)) for kind, number in counts.items() if number)
    seconds = f" in {diagnosis.seconds:.2f} s" if diagnosis.seconds is not None else ""
    yield f"{mark:<7}  {record}" + (f": {offers}{seconds}" if offers else "")
    for line in findings:
        yield f"    {line}"


def _plural(kind: str) -> str:
    return "losses" if kind == "loss" else f"{kind}s"
