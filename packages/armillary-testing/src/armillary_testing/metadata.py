"""Checks of level 0, on metadata; nothing is imported. Light."""

from importlib.metadata import entry_points

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from armillary.plugins.discovery import CORE, GROUP, STD
from armillary_testing.checks import PLUGIN, Check, Failure, Skip, Subject


def usable(subject: Subject) -> None:
    """Nothing in the metadata keeps the plugin from being loaded."""
    claims = [record for record in subject.bench.host.records if record.id == subject.id]
    if not any(record.state == "ok" for record in claims):
        raise Failure(f"{subject.bench.record} is {claims[0].state}: {claims[0].reason}")


def core_range(subject: Subject) -> None:
    """The plugin says with which versions of the core it works, at both ends."""
    _of_a_plugin(subject)
    text = subject.bench.record.requires_core
    ends = {specifier.operator for specifier in SpecifierSet(text)}
    if not ends & {">=", ">", "==", "~="}:
        raise Failure(f"its range on the core {text!r} has no lower end: write armillary>=0.1,<0.2")
    if not ends & {"<", "<=", "==", "~="}:
        raise Failure(f"its range on the core {text!r} has no upper end: write armillary>=0.1,<0.2")


def version(subject: Subject) -> None:
    """The distribution has a version that pip can order."""
    text = subject.bench.record.version
    try:
        found = Version(text)
    except InvalidVersion:
        raise Failure(f"its version {text!r} is none of PEP 440") from None
    if found == Version("0"):
        raise Failure("its version is 0.0.0: a run's plugins.json would not say what made it")


def one_id(subject: Subject) -> None:
    """The distribution brings one plugin, so that its version is the plugin's."""
    _of_a_plugin(subject)
    name = subject.bench.record.distribution
    ids = sorted({point.name for point in entry_points(group=GROUP) if point.dist and point.dist.name == name})
    if ids != [subject.id]:
        raise Failure(f"{name} brings {', '.join(ids) or 'nothing'} in the group {GROUP}: one entry point is wanted")


def _of_a_plugin(subject: Subject) -> None:
    if subject.id == STD:
        raise Skip(f"{STD} is a part of {CORE} itself")


CHECKS = (
    Check(name="usable", level=0, kinds=(PLUGIN,), claim=usable.__doc__ or "", run=usable),
    Check(name="core-range", level=0, kinds=(PLUGIN,), claim=core_range.__doc__ or "", run=core_range),
    Check(name="version", level=0, kinds=(PLUGIN,), claim=version.__doc__ or "", run=version),
    Check(name="one-id", level=0, kinds=(PLUGIN,), claim=one_id.__doc__ or "", run=one_id),
)
