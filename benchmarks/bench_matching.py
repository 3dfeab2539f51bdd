"""Matching two label maps: time and peak memory beside the whole table by plain autograd.

The peer forms the table of all cells by all cells: logits, softmax, and the distances without gradient, as the authors'
code does for one pair at a time. With a batch it would hold gigabytes, so there it runs one pair after the other, as
theirs does, its gradient formed at the end of each; its times are that of one pair times their number, marked ~, and its
memory is that of one pair.

Times are minima over rounds in which both take turns, in one process, forward and backward. Memory is the growth of the
resident set at its highest over its value before the call, in a process of its own. The error is that of the
gradients against the peer in float64.

    python benchmarks/bench_matching.py
"""

from collections.abc import Callable

import torch
from measuring import begin, clock, growth, is_child, parser, peak
from torch import Tensor

from armillary.std.label_maps import lattice
from armillary_labelling.kernels import matching

ROWS = [  # what, batch, rows and columns of the map, channels
    ("distance", 1, 70, 3),
    ("distance", 1, 100, 3),
    ("likelihood", 1, 70, 3),
    ("margin", 1, 70, 3),
    ("exchange", 1, 70, 3),
    ("exchange", 1, 70, 64),
    ("distance", 32, 35, 3),
    ("distance", 32, 70, 3),
    ("distance", 32, 100, 3),
]
FUNCTIONS = {
    "distance": (matching.expected_distance, matching.naive_expected_distance),
    "likelihood": (matching.match_log_likelihood, matching.naive_match_log_likelihood),
    "margin": (matching.matching_margin, matching.naive_matching_margin),
    "exchange": (matching.exchanged, matching.naive_exchanged),
}


def work(
    row: tuple[str, int, int, int], *, peer: bool = False, dtype: torch.dtype = torch.float32
) -> Callable[[], tuple[Tensor, Tensor]]:
    """Forward and backward of one row, ready to be called; what comes back are the gradients. The peer takes one pair."""
    what, batch, side, channels = row
    batch = 1 if peer else batch
    generator = torch.Generator().manual_seed(0)
    labels = [torch.randn(1, channels, side * side, generator=generator).repeat(batch, 1, 1) for _ in range(2)]
    positions = lattice(side, side, stride=1, height=side, width=side)
    noise = torch.randn(1, side * side, 2, generator=generator).repeat(batch, 1, 1)
    arguments = {
        "matches": positions * 0.9 + 3 + noise,
        "positions": positions,
        "weights": torch.full((batch, side * side), 1 / side**2),
    }
    settings = {
        "distance": {**arguments, "exponent": 0.5},
        "likelihood": {**arguments, "rows": side, "columns": side},
        "margin": {**arguments, "rows": side, "columns": side, "scale": 0.1, "exponent": 1},
        "exchange": {},
    }[what]
    function = FUNCTIONS[what][peer]
    labels = [x.to(dtype) for x in labels]
    settings = {name: x.to(dtype) if isinstance(x, Tensor) else x for name, x in settings.items()}

    def call() -> tuple[Tensor, Tensor]:
        source, target = (x.detach().clone().requires_grad_() for x in labels)
        function(source, target, **settings).sum().backward()
        assert source.grad is not None
        assert target.grad is not None
        return source.grad, target.grad

    return call


def peak_here(row: tuple[str, int, int, int], peer: bool) -> float:
    """Return the MiB that one call adds at its highest; a small call first loads what any call needs."""
    work((row[0], 1, 8, row[3]), peer=peer)()
    call = work(row, peer=peer)
    return growth(call)


def error(row: tuple[str, int, int, int]) -> float:
    """Of the gradients, against the peer in float64, by their largest entry; on one pair of maps, 70 x 70 at most."""
    what, _, side, channels = row
    row = (what, 1, min(side, 70), channels)
    pairs = zip(work(row)(), work(row, peer=True, dtype=torch.float64)(), strict=True)
    return max(((one - other).abs().max() / other.abs().max()).item() for one, other in pairs)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--only", type=int, help="of the rows, the one with this number")
    options = flags.parse_args()
    if is_child(options, peak_here):
        return
    now = begin(options)
    print()
    print(
        f"{'what':11}{'batch':>6}{'map':>9}{'channels':>10}{'ours':>12}{'peer':>13}{'ratio':>7}{'ours':>12}{'peer':>11}"
        f"  error"
    )
    for row in ROWS if options.only is None else ROWS[options.only : options.only + 1]:
        what, batch, side, channels = row
        ours, peer = work(row), work(row, peer=True)
        times, peer_times = [], []
        work((what, 1, side, channels))()
        for _ in range(options.rounds if batch * side**4 < 2e9 else 1):
            times.append(clock(ours, now=now))
            peer_times.append(clock(peer, now=now) * batch)
        memory, peer_memory = (peak(row, which, threads=options.threads) for which in (False, True))
        mark = "~" if batch > 1 else ""
        print(
            f"{what:11}{batch:6}{f'{side}x{side}':>9}{channels:10}{min(times) * 1e3:9.0f} ms"
            f"{f'{mark}{min(peer_times) * 1e3:.0f} ms':>13}{f'{min(peer_times) / min(times):.1f}x':>7}"
            f"{memory:8.1f} MiB{peer_memory:7.0f} MiB  {error(row):.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
