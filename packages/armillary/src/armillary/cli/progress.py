"""Progress on standard error: a bar on a terminal, a line now and then elsewhere; or as JSON on standard output."""

import json
import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

_EVERY = 10.0  # seconds between lines where there is no terminal


class Progress(Protocol):
    """Reporter of a training, and counter of items; a context manager."""

    def __enter__(self) -> Self:
        """Begin to draw."""
        ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop drawing."""

    def message(self, text: str) -> None:
        """Print a message."""

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Report the progress of a training."""

    def count(self, what: str, done: int, total: int) -> None:
        """Report the number of items done."""


def progress(*, lines: bool = False) -> Progress:
    """Return the reporter for the kind of standard error; only the first process of a training reports.

    Args:
        lines: report as JSON lines on standard output instead.
    """
    if not is_first():
        return NoProgress()
    if lines:
        return JsonProgress()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def is_first() -> bool:
    """Return whether this is the reporting process, of those started by Fabric, torchrun or SLURM."""
    ranks = (os.environ[name] for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if name in os.environ)
    return next(ranks, "0") == "0"


class NoProgress:
    """Reporter that prints nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""

    def message(self, text: str) -> None:
        """Print nothing."""

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Print nothing."""

    def count(self, what: str, done: int, total: int) -> None:
        """Print nothing."""


class JsonProgress:
    """JSON lines on standard output, for a parent process."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""

    def message(self, text: str) -> None:
        """Write the text."""
        self._write(message=text)

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Write step, steps and the numbers of the row."""
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
        self._write(stage=stage, step=step, steps=steps, row=numbers)

    def count(self, what: str, done: int, total: int) -> None:
        """Write the count."""
        self._write(count=what, done=done, total=total)

    def _write(self, **words: object) -> None:
        print(json.dumps(words), flush=True)


class LineProgress:
    """Plain lines, for files, pipes and logs."""

    def __init__(self) -> None:
        self._last = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        self._last = time.monotonic()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""

    def message(self, text: str) -> None:
        """Print the text."""
        print(text, file=sys.stderr, flush=True)

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Print step, loss and speed, at most every few seconds and at the end."""
        if self._due(step, steps):
            self.message(f"{_stage(stage)}step {step} of {steps}{_figures(row)}")

    def count(self, what: str, done: int, total: int) -> None:
        """Print the count, at most every few seconds and at the end."""
        if self._due(done, total):
            self.message(f"{what}: {done} of {total}")

    def _due(self, done: int, total: int) -> bool:
        now = time.monotonic()
        if done < total and now - self._last < _EVERY:
            return False
        self._last = now
        return True


class BarProgress:
    """Bar with the time that is left, for a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=2,
            transient=False,
        )
        self._tasks: dict[str, Any] = {}
        self._waiting: Any = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        self._waiting = self._bars.add_task("getting ready", total=None, figures="")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the bars as they are."""
        self._ready()
        self._bars.stop()

    def message(self, text: str) -> None:
        """Print the text above the bars."""
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Move the bar of the stage."""
        self._move(_stage(stage).strip() or "training", step, steps, _figures(row).removeprefix(", "))

    def count(self, what: str, done: int, total: int) -> None:
        """Move the bar of the counted items."""
        self._move(what, done, total, "")

    def _move(self, what: str, done: int, total: int, figures: str) -> None:
        if what not in self._tasks:
            began = self._ready()
            self._tasks[what] = self._bars.add_task(what, total=total, figures="")
            if began is not None:  # the first news comes late: count from the beginning
                self._bars.tasks[-1].start_time = began
        self._bars.update(self._tasks[what], completed=done, total=total, figures=figures)

    def _ready(self) -> float | None:
        """Remove the waiting bar; return its start, None if it is removed already."""
        if self._waiting is None:
            return None
        began = next(task.start_time for task in self._bars.tasks if task.id == self._waiting)
        self._bars.remove_task(self._waiting)
        self._waiting = None
        return began


def _stage(name: str) -> str:
    return "" if name == "main" else f"{name} "


def _figures(row: Mapping[str, object]) -> str:
    words = []
    if isinstance(row.get("loss"), float):
        words.append(f"loss {row['loss']:.4g}")
    if isinstance(row.get("seconds_a_step"), float):
        words.append(f"{row['seconds_a_step']:.3g} s per step")
    return "".join(f", {word}" for word in words)
