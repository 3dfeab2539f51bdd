"""The edge map: time and peak memory beside the maps of all edges.

The peer forms the map of every edge of every picture and takes the maximum, as detectors of linked key points do:
squared distances from the start, from the end and from the line, each multiplied with where it holds. ``naive`` is the
short form of the same that the tests compare with. Where a batch would hold gigabytes the peer runs one picture after the
other; its times are that of one picture times their number, marked ~, and its memory is that of one picture. Ours is per
picture too: that of the batch by its size.

The points are spread over the picture; ``together`` has them all within a hundredth of it, as before training, where no
edge can be left out. Times are minima over rounds in which all take turns, in one process, forward and backward. Memory
is the growth of the resident set at its highest over its value before the call, in a process of its own. Errors are
those of the value, and of the gradients by their largest entry, against the naive form in float64.

    python benchmarks/bench_edge_map.py
"""

from collections.abc import Callable

import torch
from measuring import begin, clock, growth, is_child, parser, peak
from torch import Tensor

from armillary_keypoints.kernels.edge_map import edge_map, naive_edge_map

ROW = tuple[str, int, int, int, float]
ROWS: list[ROW] = [  # where the points are, batch, points, rows and columns, thickness
    ("spread", 4, 32, 128, 7.5e-4),
    ("together", 4, 32, 128, 7.5e-4),
    ("spread", 64, 32, 128, 7.5e-4),
    ("spread", 4, 8, 128, 2.5e-3),
    ("spread", 16, 16, 64, 2.5e-3),
]
MOST = 4  # pictures whose maps the peer may hold at once


def by_cases(points: Tensor, weights: Tensor, *, height: int, width: int, thickness: float) -> Tensor:
    """All maps, the distance by cases."""
    count = points.shape[1]
    start, end = (points[:, ends, None] for ends in torch.triu_indices(count, count, 1))
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    place = torch.stack((x, y), dim=-1).view(-1, 2).to(points.dtype)
    along = end - start
    t = ((place - start) * along).sum(-1) / (along.square().sum(-1) + 1e-8)
    before = (t <= 0) * (place - start).square().sum(-1)
    after = (t >= 1) * (place - end).square().sum(-1)
    between = ((t > 0) & (t < 1)) * (place - (start + t[..., None] * along)).square().sum(-1)
    maps = weights[:, None] * torch.exp(-(before + after + between) / thickness)
    return maps.max(1).values.view(-1, 1, height, width)


FUNCTIONS = {"ours": edge_map, "peer": by_cases, "naive": naive_edge_map}


def work(row: ROW, name: str, *, dtype: torch.dtype = torch.float32) -> Callable[[], tuple[Tensor, Tensor, Tensor]]:
    """Forward and backward of one row, ready to be called: the map, and both gradients."""
    where, batch, count, side, thickness = row
    generator = torch.Generator().manual_seed(0)
    batch = batch if name == "ours" or batch <= MOST else 1
    points = 0.8 * (2 * torch.rand(batch, count, 2, generator=generator) - 1) * (1 if where == "spread" else 0.01)
    weights = torch.nn.functional.softplus(torch.randn(count * (count - 1) // 2, generator=generator))
    pull = torch.randn(batch, 1, side, side, generator=generator).to(dtype)

    def call() -> tuple[Tensor, Tensor, Tensor]:
        a, b = (x.detach().to(dtype).clone().requires_grad_() for x in (points, weights))
        found = FUNCTIONS[name](a, b, height=side, width=side, thickness=thickness)
        (found * pull).sum().backward()
        assert a.grad is not None
        assert b.grad is not None
        return found.detach(), a.grad, b.grad

    return call


def peak_here(row: ROW, name: str) -> float:
    """Return the MiB that one call adds at its highest; a small call first loads what any call needs, freed memory is given back."""
    work((row[0], 1, 4, 8, row[4]), name)()
    call = work(row, name)
    return growth(call, trim=True)


def peak_per_picture(row: ROW, name: str, *, threads: int) -> float:
    """Return MiB per picture, measured in a process of its own."""
    return peak(row, name, threads=threads) / (row[1] if name == "ours" or row[1] <= MOST else 1)


def errors(row: ROW) -> str:
    """Of the map, and of the gradients by their largest entry, on one picture."""
    row = (row[0], 1, *row[2:])
    ours, exact = work(row, "ours")(), work(row, "naive", dtype=torch.float64)()
    value = (ours[0] - exact[0]).abs().max().item()
    slopes = max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours[1:], exact[1:], strict=True))
    return f"{value:8.1e}{slopes:9.1e}"


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--only", type=int, help="of the rows, the one with this number")
    options = flags.parse_args()
    if is_child(options, peak_here):
        return
    now = begin(options)
    print()
    print(
        f"{'points':10}{'batch':>6}{'size':>12}{'ours':>11}{'peer':>12}{'naive':>12}{'ratio':>8}"
        f"{'ours':>13}{'peer':>15}{'value':>9}{'gradient':>10}"
    )
    for row in ROWS if options.only is None else ROWS[options.only : options.only + 1]:
        where, batch, count, side, _ = row
        calls, times = {name: work(row, name) for name in FUNCTIONS}, {name: [] for name in FUNCTIONS}
        calls["ours"]()
        for _ in range(options.rounds):
            for name, call in calls.items():
                parts = 1 if name == "ours" or batch <= MOST else batch
                times[name].append(clock(call, now=now) * parts)
            times["ours"].append(clock(calls["ours"], now=now))
        ours, peer, naive = (1e3 * min(times[name]) for name in FUNCTIONS)
        memory, peer_memory = (peak_per_picture(row, name, threads=options.threads) for name in ("ours", "peer"))
        mark = "~" if batch > MOST else ""
        print(
            f"{where:10}{batch:6}{f'{count} x {side}²':>12}{ours:8.1f} ms{f'{mark}{peer:.0f} ms':>12}"
            f"{f'{mark}{naive:.0f} ms':>12}{f'{peer / ours:.0f}x':>8}{memory:9.1f} MiB{peer_memory:11.0f} MiB {errors(row)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
