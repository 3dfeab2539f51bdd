"""Time and peak memory of a call: what the benchmarks share.

Times are of the wall or of the processor. Memory is the growth of the resident set at its highest over its size before the call,
in a process of its own: the benchmark starts itself again with ``--peak``.
"""

import argparse
import ctypes
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

Clock = Callable[[], float]


def parser(text: str | None, *, rounds: int = 3) -> argparse.ArgumentParser:
    """Return the flags of a benchmark whose docstring is ``text``."""
    flags = argparse.ArgumentParser(description=(text or "").partition("\n")[0])
    flags.add_argument("--threads", type=int, default=torch.get_num_threads())
    flags.add_argument("--rounds", type=int, default=rounds)
    flags.add_argument("--cpu", action="store_true", help="processor time of all threads, for a machine that is busy")
    flags.add_argument("--peak", help=argparse.SUPPRESS)
    return flags


def is_child(options: argparse.Namespace, peak_here: Callable[..., float]) -> bool:
    """Set the number of threads; in the process that :func:`peak` started, print the memory of its row and return True."""
    torch.set_num_threads(options.threads)
    if options.peak:
        row, who = json.loads(options.peak)
        print(peak_here(tuple(row), who))
    return bool(options.peak)


def begin(options: argparse.Namespace) -> Clock:
    """Print what is measured how, and return the clock."""
    kind = "processor time" if options.cpu else "wall time"
    print(f"torch {torch.__version__}, {options.threads} threads, {kind}, minimum of {options.rounds} rounds")
    return time.process_time if options.cpu else time.perf_counter


def clock(function: Callable[[], object], *, now: Clock) -> float:
    """Return the seconds of one call."""
    start = now()
    function()
    return now() - start


def milliseconds(runs: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Return the processor time of each call: the minimum over rounds in which all take turns."""
    best = dict.fromkeys(runs, math.inf)
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], 1000 * clock(run, now=time.process_time))
    return best


def peak(row: Sequence[Any], who: object, *, threads: int) -> float:
    """Return what the ``peak_here`` of this benchmark finds in a process of its own, in MiB."""
    command = [sys.executable, sys.argv[0], "--threads", str(threads), "--peak", json.dumps([row, who])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def growth(call: Callable[[], object], *, trim: bool = False) -> float:
    """Return the MiB that one call adds at its highest.

    Args:
        call: what is measured.
        trim: give freed memory back to the system first.
    """
    refs = Path("/proc/self/clear_refs")
    if refs.exists():
        if trim:
            ctypes.CDLL(None).malloc_trim(0)
        refs.write_text("5")
    before = _high_water()
    call()
    return (_high_water() - before) / 1024


def _high_water() -> int:
    """Return the largest resident set so far, in KiB; forgotten first where the system allows it."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
