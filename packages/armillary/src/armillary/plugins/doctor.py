"""Diagnosis of each plugin, in a process of its own: one that crashes, hangs or exits hurts only itself. Light.

The parent reads metadata and starts one child per plugin. The child imports the plugin's module and calls its hooks, whatever a
manifest lists; it writes what it is about to do and what it found to a file, one line each, so that after a crash the parent knows where.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import attrs

from armillary.errors import PluginError
from armillary.plugins.discovery import PluginRecord, discover
from armillary.plugins.host import Host

TIMEOUT = 120.0
"""Seconds that one plugin has: importing torch from a cold disk can take half a minute."""

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from armillary.plugins.doctor import probe; probe(*sys.argv[2:])"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong.

    Args:
        level: ``error``: it, or a part of it, cannot be used; ``warning``: it can, but it disturbs.
        text: one line, without the plugin's name.
    """

    level: Literal["error", "warning"]
    text: str


@attrs.frozen(kw_only=True)
class Diagnosis:
    """Findings about one plugin.

    Args:
        record: who, which version, where.
        findings: errors and warnings, in the order in which they were met.
        components: kind to the number of components, of the plugins that could be loaded.
        seconds: how long its module took to import and its hooks to answer; None where they did not.
    """

    record: PluginRecord
    findings: tuple[Finding, ...] = ()
    components: Mapping[str, int] = attrs.field(factory=dict)
    seconds: float | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing is an error. A plugin that is blocked on purpose is healthy."""
        return not any(finding.level == "error" for finding in self.findings)


def doctor(
    records: Iterable[PluginRecord] | None = None, *, timeout: float = TIMEOUT, workers: int | None = None
) -> tuple[Diagnosis, ...]:
    """Return a diagnosis for each plugin, in the order of the records.

    Args:
        records: what is installed; found by :func:`armillary.plugins.discovery.discover` where none is given.
        timeout: seconds that each plugin has.
        workers: processes at a time; as many as processors, up to four, where none is given.
    """
    records = tuple(discover() if records is None else records)
    workers = workers or min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        return tuple(pool.map(lambda record: examine(record, timeout=timeout), records))


def examine(record: PluginRecord, *, timeout: float = TIMEOUT) -> Diagnosis:
    """Return the diagnosis of one plugin; one that may not be loaded is not."""
    if record.state == "blocked":
        return Diagnosis(record=record)
    if record.state != "ok":
        return Diagnosis(record=record, findings=(Finding(level="error", text=record.reason),))
    with tempfile.TemporaryDirectory(prefix="armillary-doctor-") as folder:
        report, printed = Path(folder, "report.jsonl"), Path(folder, "stdout.txt")
        report.touch()
        ending = _run_child(record, report, printed, timeout=timeout)
        entries = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        output = printed.read_text(encoding="utf-8", errors="replace").strip()
    findings = list(dict.fromkeys(Finding(**entry["finding"]) for entry in entries if "finding" in entry))
    if record.id != "std" and not record.requires_core:
        text = "declares no range on the core: add for example armillary>=0.1,<0.2 to its dependencies"
        findings.insert(0, Finding(level="warning", text=text))
    if not any("done" in entry for entry in entries):
        doing = next((entry["doing"] for entry in reversed(entries) if "doing" in entry), "starting Python")
        findings.append(Finding(level="error", text=f"{ending} while {doing}"))
    if output:
        findings.append(Finding(level="warning", text=f"writes to standard output: {output.splitlines()[0]!r}"))
    measured = next((entry for entry in entries if "components" in entry), {})
    return Diagnosis(
        record=record,
        findings=tuple(findings),
        components=measured.get("components", {}),
        seconds=measured.get("seconds"),
    )


def _run_child(record: PluginRecord, report: Path, printed: Path, *, timeout: float) -> str:
    """Run :func:`probe` on ``record`` in a process; return how it ended, in words that fit an error."""
    arguments = [json.dumps(sys.path), json.dumps(attrs.asdict(record)), str(report)]
    with printed.open("wb") as output:  # files, not pipes: a grandchild that keeps a pipe open cannot hold us
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"did not finish in {timeout:g} s"
        finally:
            _kill(child)
    if status < 0:
        return f"died of {_signal_name(-status)}"
    return f"ended the process with status {status}"


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def probe(record_json: str, report: str) -> None:
    """Load one plugin, writing each step and each finding; the child's side of :func:`examine`."""
    record = PluginRecord(**json.loads(record_json))
    with open(report, "a", encoding="utf-8") as file:

        def write(**entry: Any) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        _probe(record, write)
        write(done=True)
    sys.stdout.flush()
    os._exit(0)  # threads that the plugin left must not keep the process


def _probe(record: PluginRecord, write: Callable[..., None]) -> None:
    host = Host([record], manifests=False)
    write(doing=f"importing {record.module} and calling its hooks")
    start = time.perf_counter()
    try:
        offer = host.load(record.id)
    except PluginError as error:
        write(finding=_error(record, error))
        return
    counts = {kind: len(specs) for kind, specs in offer.components.items()}
    write(components=counts, seconds=time.perf_counter() - start)
    if offer.printed:
        text = f"prints while it is loaded: {offer.printed.strip().partition(chr(10))[0]!r}"
        write(finding={"level": "warning", "text": text})
    for spec in (spec for kind, specs in offer.components.items() for spec in specs.values() if kind != "recipe"):
        try:
            host.resolve(spec)
        except PluginError as error:
            write(finding=_error(record, error))


def _error(record: PluginRecord, error: PluginError) -> dict[str, str]:
    return {"level": "error", "text": str(error).removeprefix(f"{record}: ")}
