"""Commands of ``armillary`` as child processes, several at a time. Light.

A job is plain data: the words behind ``armillary``. A child writes JSON on its standard output, one object per line while it works
and a last one for its result, and the reason of a failure on its standard error.
"""

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

from armillary.signals import Signals

ONE_THREAD: Mapping[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Environment in which numerical libraries compute the same on any number of cores."""

_COMMAND = (sys.executable, "-P", "-m", "armillary")


@attrs.frozen(eq=False)
class Job:
    """One command.

    Args:
        arguments: the words behind ``armillary``.
        environment: added to that of this process.
        log: file to which standard error is added; a temporary one where it is None.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    log: Path | None = attrs.field(default=None, kw_only=True)

    @property
    def command(self) -> str:
        """The command, to be typed in a shell."""
        return shlex.join(("armillary", *self.arguments))


@attrs.frozen(kw_only=True)
class Outcome:
    """The end of a job.

    Args:
        job: that ended.
        status: of the process; below 0 where a signal ended it.
        output: its standard output, from the beginning of the last JSON object on.
        errors: its standard error.
        received: the signal that this process received and passed on meanwhile, 0 for none.
    """

    job: Job
    status: int
    output: str = ""
    errors: str = ""
    received: int = 0

    @property
    def result(self) -> dict[str, Any]:
        """The last JSON object of its output; empty where there is none."""
        try:
            return json.JSONDecoder().raw_decode(self.output)[0]
        except ValueError:
            return {}

    @property
    def reason(self) -> str:
        """The reason of its failure."""
        if self.status < 0:
            memory = "; the system does this where memory runs out" if self.status == -9 else ""
            return f"the process ended by {signal.Signals(-self.status).name}{memory}"
        words = f"the process ended with status {self.status}"
        return self.result.get("error") or (f"{words}; {self.job.log.name} has its words" if self.job.log else words)


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int,
    on_line: Callable[[Job, dict[str, Any]], None] | None = None,
    go_on: bool = False,
) -> list[Outcome]:
    """Run commands, at most ``workers`` at once; return the outcome of each that was started, in order.

    SIGINT and SIGTERM end the running ones by SIGTERM, a second signal by SIGKILL, and no other is started.

    Args:
        jobs: in the order in which they are started.
        workers: processes at once.
        on_line: called in this thread with each JSON object that a child writes on one line.
        go_on: start the others after one that failed, and let the running ones end.
    """
    waiting, running = list(jobs)[::-1], list[_Child]()
    started, outcomes = list[_Child](), list[Outcome]()
    news: queue.Queue[tuple[_Child, str | None]] = queue.Queue()

    def pass_on(first: bool) -> None:
        waiting.clear()
        for child in running:
            child.end(signal.SIGTERM if first else signal.SIGKILL)

    try:
        with Signals(pass_on) as signals:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.append(_Child(waiting.pop(), news))
                    started.append(running[-1])
                child, line = news.get()
                if line is not None:
                    child.keep(line, on_line)
                    continue
                running.remove(child)
                child.status = child.process.wait()
                if child.status and not go_on:
                    pass_on(True)
            outcomes += [child.outcome(signals.received) for child in started]
    finally:
        for child in running:
            child.end(signal.SIGKILL)
        for child in started:
            child.close()
    return outcomes


class _Child:
    """A running command."""

    def __init__(self, job: Job, news: "queue.Queue[tuple[_Child, str | None]]") -> None:
        self.job, self.status, self._last = job, 0, list[str]()
        self._errors: IO[bytes] = job.log.open("a+b") if job.log else tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._begin = self._errors.seek(0, os.SEEK_END)
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self.process = subprocess.Popen(
            [*_COMMAND, *job.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": paths, **job.environment},
            start_new_session=True,  # signals of the terminal reach this process, which passes them on
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(news,), daemon=True)
        self._reader.start()

    def _read(self, news: "queue.Queue[tuple[_Child, str | None]]") -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                news.put((self, line))
        news.put((self, None))

    def keep(self, line: str, on_line: Callable[[Job, dict[str, Any]], None] | None) -> None:
        """Keep the last JSON object, which may have several lines; report one that is whole."""
        if line.startswith("{"):
            self._last.clear()
        self._last.append(line)
        if on_line is not None and line.startswith("{") and line.endswith("}\n"):
            on_line(self.job, json.loads(line))

    def outcome(self, received: int) -> Outcome:
        """Return how the command ended."""
        self._errors.seek(self._begin)
        errors = self._errors.read().decode(errors="replace")
        return Outcome(job=self.job, status=self.status, output="".join(self._last), errors=errors, received=received)

    def end(self, number: int) -> None:
        """Send a signal to a process that has not ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def close(self) -> None:
        """Wait for the process and close its files."""
        self.process.wait()
        self._reader.join()
        self._errors.close()
