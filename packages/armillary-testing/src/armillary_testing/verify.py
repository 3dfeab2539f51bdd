"""All checks of one plugin, level by level. Light: a module that needs torch is imported when its level is reached."""

import importlib
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from armillary.errors import ArmillaryError
from armillary.plugins.host import Host, first_line
from armillary_testing import declaration
from armillary_testing.bench import Bench
from armillary_testing.checks import PLUGIN, Check, Failure, Skip, Subject
from armillary_testing.report import Outcome, Report

DEFAULT_LEVEL = 3
TIMEOUT = 300.0
"""Seconds that the process has which imports the plugin: torch from a cold disk takes half a minute, on a busy machine minutes."""

_MODULES: Mapping[int, tuple[str, ...]] = {
    0: ("metadata",),
    1: ("declaration",),
    2: ("generators", "behaviour", "slopes", "losses", "rendering", "evaluators", "transforms", "datasets", "symmetry"),
    3: ("composition",),
}


def checks(level: int) -> tuple[Check, ...]:
    """Return the checks of a level."""
    modules = (importlib.import_module(f"armillary_testing.{name}") for name in _MODULES[level])
    return tuple(check for module in modules for check in module.CHECKS)


def verify(
    plugin: str,
    *,
    level: int = DEFAULT_LEVEL,
    levels: Collection[int] | None = None,
    known: Mapping[str, str] | None = None,
    host: Host | None = None,
    timeout: float = TIMEOUT,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check an installed plugin and return the report.

    Args:
        plugin: its id.
        level: the highest that is looked at.
        levels: these alone, in place of all up to ``level``.
        known: failures that are known, ``check plugin:component`` to the reason; one that passes is a failure.
        host: where the plugin comes from.
        timeout: seconds that the process which imports the plugin has.
        progress: called with a line at the beginning of each level.

    Raises:
        UnknownNameError: nothing installed has this id; says what to install where it is one of ours.
        ValueError: a level that there is not, or a known failure without a reason.
    """
    host = host or Host()
    wanted = tuple(sorted(levels if levels is not None else range(level + 1)))
    known = dict(known or {})
    _refuse(wanted, known)
    if plugin not in host.ids:
        host.record(plugin)  # raises, and says what to install
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="armillary-verify-") as folder:
        bench = Bench(host, plugin, folder=Path(folder), timeout=timeout)
        subjects = [bench.whole()]
        if 0 in wanted:
            outcomes += _level(0, subjects, known, progress)
        usable = any(record.id == plugin and record.state == "ok" for record in host.records)
        if usable and max(wanted, default=0) > 0:
            loaded = run(declaration.LOADS, bench.whole(), known)
            if loaded.state == "passed":
                subjects += bench.components()
                for each in wanted:
                    outcomes += _level(each, subjects, known, progress) if each else []
            else:
                outcomes.append(loaded)
        named = {outcome.name for outcome in outcomes}
        return Report(
            plugin=plugin,
            levels=wanted,
            outcomes=tuple(outcomes),
            stale=tuple(sorted(set(known) - named)),
        )


def conformance(
    plugin: str, *, level: int = DEFAULT_LEVEL, known: Mapping[str, str] | None = None
) -> Callable[[], None]:
    """Return a test for pytest: ``test_conformance = conformance("mine")``.

    Args:
        plugin: its id.
        level: the highest that is looked at.
        known: failures that are known, ``check plugin:component`` to the reason.
    """

    def test() -> None:
        report = verify(plugin, level=level, known=known)
        if not report.ok:
            bad = [line for line in report.lines() if not line.startswith(("skipped", "known"))]
            raise AssertionError("\n".join((f"{plugin} is not what it declares:", *bad)))

    return test


def run(check: Check, subject: Subject, known: Mapping[str, str]) -> Outcome:
    """Run one check on one subject and return the outcome."""
    start = time.perf_counter()
    state, reason = "passed", ""
    try:
        check.run(subject)
    except Skip as skip:
        state, reason = "skipped", str(skip)
    except Failure as failure:
        state, reason = "failed", str(failure)
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        state, reason = "failed", str(error) if isinstance(error, ArmillaryError) else first_line(error)
    expected = known.get(f"{check.name} {subject.id}")
    if expected is not None and state == "failed":
        state, reason = "known", f"{expected} ({reason})"
    elif expected is not None and state == "passed":
        state, reason = "unexpected", f"it passes, but is listed as known to fail: {expected}"
    return Outcome(
        check=check.name,
        level=check.level,
        subject=subject.id,
        kind=subject.kind,
        state=state,  # type: ignore[arg-type]
        reason=reason,
        seconds=time.perf_counter() - start,
    )


def _level(
    level: int, subjects: Iterable[Subject], known: Mapping[str, str], progress: Callable[[str], None] | None
) -> list[Outcome]:
    found = checks(level)
    pairs = [(check, subject) for subject in subjects for check in found if subject.kind in check.kinds]
    if progress is not None:
        progress(f"level {level}: {len(pairs)} checks")
    return [run(check, subject, known) for check, subject in pairs]


def _refuse(levels: tuple[int, ...], known: Mapping[str, str]) -> None:
    unknown = [level for level in levels if level not in _MODULES]
    if unknown or not levels:
        raise ValueError(f"level {unknown[0] if unknown else 'of none'}: there are {', '.join(map(str, _MODULES))}")
    silent = [name for name, reason in known.items() if not isinstance(reason, str) or not reason.strip()]
    if silent:
        raise ValueError(f"known failure {silent[0]!r} has no reason")


__all__ = ["PLUGIN", "checks", "conformance", "run", "verify"]
