"""Soft-argmax: time and peak memory beside the broadcast form.

The peer takes the softmax of every map, multiplies each probability with its position, and sums: what key-point
detectors do. ``broadcast`` forms the products for x and y in one tensor, ``two sums`` one after the other.

Times are minima over rounds in which both take turns, in one process. Memory is the growth of the resident set at its
highest over its value before the call, in a process of its own.

    python benchmarks/bench_soft_argmax.py
"""

import argparse
import ctypes
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from armillary.kernels import points

ROW = tuple[str, str, int, int, int]
ROWS: list[ROW] = [  # peer, what is timed, batch, points, rows and columns
    ("broadcast", "forward", 64, 32, 64),
    ("broadcast", "backward", 64, 32, 64),
    ("two sums", "forward", 64, 32, 64),
    ("two sums", "backward", 64, 32, 64),
    ("broadcast", "backward", 64, 8, 32),
]
SMALL: ROW = ("broadcast", "backward", 1, 1, 8)


def broadcast(logits: Tensor) -> Tensor:
    p = torch.softmax(logits.flatten(-2), dim=-1)
    return (p[..., None] * points.coordinate_table(*logits.shape[-2:])).sum(-2)


def two_sums(logits: Tensor) -> Tensor:
    height, width = logits.shape[-2:]
    p = torch.softmax(logits.flatten(-2), dim=-1).view_as(logits)
    x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)[:, None]
    return torch.stack(((p * x).sum((-2, -1)), (p * y).sum((-2, -1))), dim=-1)


def work(row: ROW, *, peer: bool = False) -> Callable[[], Tensor]:
    """Return the call that a row measures."""
    name, what, batch, count, side = row
    function = {"broadcast": broadcast, "two sums": two_sums}[name] if peer else points.soft_argmax
    logits = 3 * torch.randn(batch, count, side, side, generator=torch.Generator().manual_seed(0))

    def forward() -> Tensor:
        with torch.no_grad():
            return function(logits)

    def backward() -> Tensor:
        x = logits.detach().requires_grad_()
        found = function(x)
        found.sum().backward()
        return found.detach()

    return forward if what == "forward" else backward


def clock(function: Callable[[], object], *, now: Callable[[], float]) -> float:
    start = now()
    function()
    return now() - start


def high_water() -> int:
    """Return the largest resident set so far, KiB; reset first if the system allows it."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def peak_here(row: ROW, *, peer: bool) -> float:
    """Return the MiB that one call adds at its highest; matrices that are kept are there, and freed memory is given back, before."""
    call = work(row, peer=peer)
    work(SMALL, peer=True)() if peer else call()
    refs = Path("/proc/self/clear_refs")
    if refs.exists():
        ctypes.CDLL(None).malloc_trim(0)
        refs.write_text("5")
    before = high_water()
    call()
    return (high_water() - before) / 1024


def peak(row: ROW, *, peer: bool, threads: int) -> float:
    """Return :func:`peak_here` of a process of its own."""
    command = [sys.executable, __file__, "--threads", str(threads), "--peak", json.dumps([row, peer])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def agreement() -> str:
    """Largest difference in the first row."""
    apart = (work(ROWS[0])() - work(ROWS[0], peer=True)()).abs().max()
    return f"points apart by {apart:.1e} at most"


def size_of(row: ROW) -> str:
    return f"{row[1]} {row[2]} x {row[3]} x {row[4]}²"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true", help="processor time of all threads, for a machine that is busy")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        row, peer = json.loads(options.peak)
        print(peak_here(tuple(row), peer=peer))
        return
    now = time.process_time if options.cpu else time.perf_counter
    kind = "processor time" if options.cpu else "wall time"
    print(f"torch {torch.__version__}, {options.threads} threads, {kind}, minimum of {options.rounds} rounds")
    print(f"{agreement()}\n")
    print(f"{'what':14}{'maps':>24}{'ours':>11}{'peer':>10}{'ratio':>8}{'ours':>13}{'peer':>12}")
    for row in ROWS:
        ours, peer = work(row), work(row, peer=True)
        times, peer_times = [], []
        ours()
        for _ in range(options.rounds):
            times.append(min(clock(ours, now=now) for _ in range(3)))
            peer_times.append(clock(peer, now=now))
        memory, peer_memory = (peak(row, peer=which, threads=options.threads) for which in (False, True))
        print(
            f"{row[0]:14}{size_of(row):>24}{min(times) * 1e3:8.2f} ms{min(peer_times) * 1e3:7.0f} ms"
            f"{min(peer_times) / min(times):7.1f}x{memory:9.1f} MiB{peer_memory:8.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
