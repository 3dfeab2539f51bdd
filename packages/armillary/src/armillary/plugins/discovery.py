"""Discovery of installed plugins by metadata alone; imports no plugin. Light.

A plugin is an entry point in the group ``armillary.plugins``. One record comes out for each claim on an id, with a state:

======================  ================================================================================
ok                      may be loaded
blocked                 ``ARMILLARY_BLOCK`` names it, or ``ARMILLARY_ONLY`` does not
incompatible            its ``Requires-Dist`` on the core leaves out the core that is installed
conflict                two different distributions claim the id; neither is loaded
broken                  the metadata cannot be used: reserved or invalid id, no module, unreadable requirement
======================  ================================================================================

The same distribution on two paths is no conflict: the one that comes first on ``sys.path`` is what Python would import.
"""

import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Iterable, Mapping
from email.message import Message
from pathlib import Path
from typing import Literal, cast
from urllib.parse import unquote, urlparse

import attrs

from armillary.version import __version__

GROUP = "armillary.plugins"
CORE = "armillary"
STD = "std"
RESERVED = ("std", "core")
BLOCK_VARIABLE = "ARMILLARY_BLOCK"
ONLY_VARIABLE = "ARMILLARY_ONLY"
FILES_VARIABLE = "ARMILLARY_PLUGINS"
FILE = "file"
"""Distribution of a plugin that is a single Python file, named by ``--plugin FILE`` or in ``ARMILLARY_PLUGINS``."""

State = Literal["ok", "blocked", "incompatible", "conflict", "broken"]

_ID = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@attrs.frozen(kw_only=True)
class PluginRecord:
    """One claim on a plugin id, as the metadata states it.

    Args:
        id: name of the entry point, prefix of every component.
        distribution: what pip installed.
        version: of that distribution; ``"unknown"`` where its metadata has none.
        module: dotted name of the light module that is imported when a component is asked for.
        location: folder of the distribution, or of its sources where it is installed editable.
        requires_core: range on the core, ``"<0.2,>=0.1"``; empty where none is declared.
        state: see the module.
        reason: one line that says why the state is not ok; empty otherwise.
    """

    id: str
    distribution: str
    version: str
    module: str
    location: str
    requires_core: str = ""
    state: State = "ok"
    reason: str = ""

    def __str__(self) -> str:
        """Return what every message about a plugin begins with: who, which version, where."""
        return f"plugin {self.id!r} ({self.distribution} {self.version}, {self.location})"


def discover(
    *,
    path: Iterable[str] | None = None,
    environ: Mapping[str, str] | None = None,
    core: str | None = None,
) -> tuple[PluginRecord, ...]:
    """Return a record for each claim on a plugin id, the built-in ``std`` first, then by id.

    Args:
        path: folders to search in place of ``sys.path``.
        environ: in place of ``os.environ``; the two switches are read, and ``ARMILLARY_PLUGINS``: Python files, each a plugin.
        core: version of the core to hold requirements against, in place of the one that is running.
    """
    core = __version__ if core is None else core
    environ = os.environ if environ is None else environ
    claims = [claim for found in _distributions(path) for claim in _claims(found, core=core)]
    claims += [file_record(Path(file)) for file in environ.get(FILES_VARIABLE, "").split(os.pathsep) if file]
    claims.sort(key=lambda record: (record.id, record.distribution.lower()))
    records = [_standard(core), *_conflicts(claims)]
    return tuple(_switched(record, environ) for record in records)


def file_record(path: Path) -> PluginRecord:
    """Return the record of a Python file that is a plugin of its own; its id is its name, ``my_loss.py`` is ``my-loss``.

    The version is the beginning of the file's SHA-256, so that a run records which file it used.
    """
    path = path.resolve()
    id, reason = file_id(path), ""
    if path.suffix != ".py" or not path.is_file():
        reason = "there is no such Python file; name one with part classes"
    elif refused := _refused(id, "file", distribution=path.name):
        reason = f"{refused}; rename the file"
    version = hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "unknown"
    state: State = "broken" if reason else "ok"
    return PluginRecord(
        id=id, distribution=FILE, version=version, module=str(path), location=str(path), state=state, reason=reason
    )


def file_id(path: Path) -> str:
    """Return the plugin id of a file."""
    return path.stem.lower().replace("_", "-").strip("-")


def switches(environ: Mapping[str, str] | None = None) -> tuple[frozenset[str], frozenset[str] | None]:
    """Return the ids that are blocked, and the only ids that are allowed (None where all are)."""
    environ = os.environ if environ is None else environ
    only = _names(environ.get(ONLY_VARIABLE, ""))
    return _names(environ.get(BLOCK_VARIABLE, "")), only or None


def unknown_switches(records: Iterable[PluginRecord], environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return a line for each id in the two switches that no record has: a misspelt switch does nothing."""
    environ = os.environ if environ is None else environ
    known = {record.id for record in records}
    return tuple(
        f"{variable}: no plugin {name!r} is installed"
        for variable in (BLOCK_VARIABLE, ONLY_VARIABLE)
        for name in sorted(_names(environ.get(variable, "")) - known)
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _standard(core: str) -> PluginRecord:
    location = str(Path(__file__).resolve().parent.parent)
    return PluginRecord(id=STD, distribution=CORE, version=core, module="armillary.std.plugin", location=location)


def _distributions(path: Iterable[str] | None) -> list[importlib.metadata.Distribution]:
    """Return each distribution that has entry points of ours, the first on the path where there are several."""
    metadata = importlib.metadata
    installed = metadata.distributions() if path is None else metadata.distributions(path=list(path))
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in installed:
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, UnicodeDecodeError):
            continue  # not readable by anyone, so it cannot be said to be ours
        if GROUP in text:
            found.setdefault(_normalised(_name(distribution)), distribution)
    return list(found.values())


def _metadata(distribution: importlib.metadata.Distribution) -> Message:
    try:
        found = cast(Message | None, distribution.metadata)
    except Exception:  # where METADATA is missing, Pythons differ: an empty message, None, an error
        found = None
    return Message() if found is None else found


def _name(distribution: importlib.metadata.Distribution) -> str:
    name = _metadata(distribution).get("Name")
    if name:
        return name
    folder = getattr(distribution, "_path", None)
    return Path(str(folder)).name.partition("-")[0] if folder is not None else "unknown"


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _claims(distribution: importlib.metadata.Distribution, *, core: str) -> list[PluginRecord]:
    """Return what one distribution claims: a record for each entry point in the group."""
    name = _name(distribution)
    version = _metadata(distribution).get("Version") or "unknown"
    location = _location(distribution)
    try:
        points = [(point.name, point.value) for point in distribution.entry_points if point.group == GROUP]
    except Exception:  # a line without "=": nothing in the file can be trusted, but its owner is known
        points = [(_normalised(name).removeprefix(f"{CORE}-"), "")]
    requires, unreadable, fits = _core_requirement(distribution, core)
    records = []
    for id, module in points:
        reason = _refused(id, module, distribution=name) or unreadable
        state: State = "broken" if reason else "ok"
        if not reason and not fits:
            state = "incompatible"
            reason = f"needs {CORE}{requires}, but {CORE} {core} is installed: install a {name} made for {CORE} {core}"
        record = PluginRecord(
            id=id,
            distribution=name,
            version=version,
            module=module,
            location=location,
            requires_core=requires,
            state=state,
            reason=reason,
        )
        records.append(record)
    return records


def _refused(id: str, module: str, *, distribution: str) -> str:
    if id in RESERVED:
        return f"the id {id!r} is reserved for the core: {distribution} must choose another one"
    if not _ID.fullmatch(id):
        return f"{id!r} is no plugin id: lower-case letters and digits, joined by - or _"
    if not module:
        return "entry_points.txt cannot be read"
    if not _MODULE.fullmatch(module):
        return f"the entry point {id} = {module!r} must name a module, such as armillary_{id}.plugin"
    return ""


def _core_requirement(distribution: importlib.metadata.Distribution, core: str) -> tuple[str, str, bool]:
    """Return the declared range on the core, what is wrong with it, and whether the core fits."""
    lines = _metadata(distribution).get_all("Requires-Dist") or ()
    ours = [line for line in lines if _normalised(re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0]) == CORE]
    if not ours:
        return "", "", True
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    wanted = SpecifierSet()
    for line in ours:
        try:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted &= requirement.specifier
        except InvalidRequirement:
            return "", f"Requires-Dist: {line} cannot be read", False
    try:
        fits = wanted.contains(Version(core), prereleases=True)
    except InvalidVersion:
        fits = True  # the core runs from its sources, uninstalled: there is nothing to compare with
    return str(wanted), "", fits


def _location(distribution: importlib.metadata.Distribution) -> str:
    try:
        direct = json.loads(distribution.read_text("direct_url.json") or "{}")
        if direct.get("dir_info", {}).get("editable"):
            return unquote(urlparse(direct["url"]).path)
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # only where it lies is at stake: fall back to the folder of the metadata
    return str(Path(str(distribution.locate_file(""))).resolve())


def _conflicts(claims: list[PluginRecord]) -> list[PluginRecord]:
    """Return the claims, in conflict where two distributions claim one id."""
    by_id: dict[str, list[PluginRecord]] = {}
    for claim in claims:
        by_id.setdefault(claim.id, []).append(claim)
    result = []
    for id, rivals in by_id.items():
        if id in RESERVED:
            result.extend(rivals)  # refused already, each by itself
            continue
        if len({_normalised(rival.distribution) for rival in rivals}) == 1:
            modules = sorted({rival.module for rival in rivals})
            twice = f"{rivals[0].distribution} declares the id {id!r} twice: {' and '.join(modules)}"
            result.append(rivals[0] if len(modules) == 1 else attrs.evolve(rivals[0], state="broken", reason=twice))
            continue
        who = " and ".join(f"{rival.distribution} {rival.version} ({rival.location})" for rival in rivals)
        reason = f"the id {id!r} is claimed by {who}: uninstall one of them"
        result.extend(attrs.evolve(rival, state="conflict", reason=reason) for rival in rivals)
    return result


def _switched(record: PluginRecord, environ: Mapping[str, str]) -> PluginRecord:
    blocked, only = switches(environ)
    if record.id in blocked:
        return attrs.evolve(record, state="blocked", reason=f"{BLOCK_VARIABLE} names it")
    if (
        only is not None and record.id not in only and record.distribution != FILE and record.id != STD
    ):  # every recipe needs std
        return attrs.evolve(record, state="blocked", reason=f"{ONLY_VARIABLE} does not name it")
    return record
