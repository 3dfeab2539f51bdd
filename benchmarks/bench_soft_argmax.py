"""Soft-argmax: time and peak memory beside the broadcast form.

The peer takes the softmax of every map, multiplies each probability with its position, and sums: what key-point
detectors do. ``broadcast`` forms the products for x and y in one tensor, ``two sums`` one after the other.

Times are minima over rounds in which both take turns, in one process. Memory is the growth of the resident set at its
highest over its value before the call, in a process of its own.

    python benchmarks/bench_soft_argmax.py
"""

from collections.abc import Callable

import torch
from measuring import begin, clock, growth, is_child, parser, peak
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


def peak_here(row: ROW, peer: bool) -> float:
    """Return the MiB that one call adds at its highest; matrices that are kept are there, and freed memory is given back, before."""
    call = work(row, peer=peer)
    work(SMALL, peer=True)() if peer else call()
    return growth(call, trim=True)


def agreement() -> str:
    """Largest difference in the first row."""
    apart = (work(ROWS[0])() - work(ROWS[0], peer=True)()).abs().max()
    return f"points apart by {apart:.1e} at most"


def size_of(row: ROW) -> str:
    return f"{row[1]} {row[2]} x {row[3]} x {row[4]}²"


def main() -> None:
    flags = parser(__doc__)
    options = flags.parse_args()
    if is_child(options, peak_here):
        return
    now = begin(options)
    print(f"{agreement()}\n")
    print(f"{'what':14}{'maps':>24}{'ours':>11}{'peer':>10}{'ratio':>8}{'ours':>13}{'peer':>12}")
    for row in ROWS:
        ours, peer = work(row), work(row, peer=True)
        times, peer_times = [], []
        ours()
        for _ in range(options.rounds):
            times.append(min(clock(ours, now=now) for _ in range(3)))
            peer_times.append(clock(peer, now=now))
        memory, peer_memory = (peak(row, which, threads=options.threads) for which in (False, True))
        print(
            f"{row[0]:14}{size_of(row):>24}{min(times) * 1e3:8.2f} ms{min(peer_times) * 1e3:7.0f} ms"
            f"{min(peer_times) / min(times):7.1f}x{memory:9.1f} MiB{peer_memory:8.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
