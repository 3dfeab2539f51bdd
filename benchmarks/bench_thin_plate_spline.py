"""Thin-plate-spline grids: time, peak memory and error beside a solve and an evaluation for each item.

The peer replaces kornia, which is not a dependency: the same algorithm is written out here. For every item it builds and
solves the system of the spline (``get_tps_transform``), forms the distances of all pixels from all control points, and
sums kernel times weights over the control points (``warp_points_tps``). kornia's own figure for the first row, 845 ms, is
from another machine and is not comparable here. Our kernel uses the lattice of the control points, and caches the
matrix that depends on it; the row ``weights`` starts from weights rather than from values at the control points.

Times are minima over rounds in which both take turns, in one process. Memory is the growth of the resident set at its
highest over its value before the call, in a process of its own; the kept matrix is not in it.

    python benchmarks/bench_thin_plate_spline.py
"""

from collections.abc import Callable

import torch
from measuring import begin, clock, growth, is_child, parser, peak
from torch import Tensor

from armillary.kernels import sampling
from armillary_labelling.kernels import thin_plate_spline

ROW = tuple[str, int, int, int]
ROWS: list[ROW] = [  # what, batch, rows and columns of the picture, rows and columns of control points
    ("values", 32, 100, 10),
    ("weights", 32, 100, 10),
    ("values", 32, 128, 4),
    ("values", 1, 100, 10),
]
SMALL: ROW = ("values", 1, 8, 4)


def values_of(row: ROW) -> Tensor:
    """Control points moved by a twentieth of the picture, in float64."""
    _, batch, _, side = row
    noise = torch.randn(batch, side * side, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return thin_plate_spline.control_points((side, side), dtype=torch.float64) + 0.05 * noise


def squares(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances by the square of a sum, as kornia forms them."""
    product = one @ other.transpose(-1, -2)
    return (one.square().sum(-1)[..., None] + other.square().sum(-1)[..., None, :] - 2 * product).clamp_min(0)


def kernel(squared: Tensor) -> Tensor:
    return 0.5 * squared * (squared + 1e-8).log()


def solve(centres: Tensor, values: Tensor) -> Tensor:
    """Weights of every item's spline; centres and values [batch controls 2]."""
    batch, count, _ = centres.shape
    affine = torch.cat((centres.new_ones(batch, count, 1), centres), dim=-1)
    system = centres.new_zeros(batch, count + 3, count + 3)
    system[:, :count, :count] = kernel(squares(centres, centres))
    system[:, :count, count:], system[:, count:, :count] = affine, affine.transpose(-1, -2)
    return torch.linalg.solve(system, torch.cat((values, values.new_zeros(batch, 3, 2)), dim=1))


def each_by_itself(centres: Tensor, values: Tensor, pixels: Tensor) -> Tensor:
    """Peer: grid of every item."""
    weights = solve(centres, values)
    bend = kernel(squares(pixels, centres))[..., None].mul(weights[:, None, :-3]).sum(-2)
    return bend + pixels[..., None].mul(weights[:, None, -2:]).sum(-2) + weights[:, None, -3]


def work(row: ROW, *, peer: bool = False) -> Callable[[], Tensor]:
    """Return the call that a row measures."""
    what, batch, size, side = row
    exact, control = values_of(row), (side, side)
    values = exact.float()
    shape = {"height": size, "width": size, "control": control}
    if peer:
        centres = thin_plate_spline.control_points(control).expand(batch, -1, 2)
        pixels = sampling.identity_grid(size, size).flatten(0, 1).expand(batch, -1, 2)
        return lambda: each_by_itself(centres, values, pixels)
    if what == "weights":
        weights = thin_plate_spline.spline_weights(exact, control=control).float()
        return lambda: thin_plate_spline.spline_grid(weights, **shape)
    return lambda: thin_plate_spline.interpolating_grid(values, **shape)


def peak_here(row: ROW, peer: bool) -> float:
    """Return the MiB that one call adds at its highest; matrices that are kept are there, and freed memory is given back, before."""
    call = work(row, peer=peer)
    work(SMALL, peer=True)() if peer else call()
    return growth(call, trim=True)


def errors() -> str:
    """Of the first row, from the spline that is solved for and evaluated in float64."""
    row = ROWS[0]
    _, batch, size, side = row
    centres = thin_plate_spline.control_points((side, side), dtype=torch.float64)
    pixels = sampling.identity_grid(size, size, dtype=torch.float64).flatten(0, 1)
    weights = thin_plate_spline.spline_weights(values_of(row), control=(side, side))
    squared = (pixels[:, None] - centres).square().sum(-1)
    exact = torch.xlogy(squared, squared) @ weights[:, :-3] + pixels @ weights[:, -2:] + weights[:, None, -3]
    ours, peer = (work(row, peer=which)().view(batch, -1, 2) for which in (False, True))
    return f"error of the grid: ours {(ours - exact).abs().max():.1e}, peer {(peer - exact).abs().max():.1e}"


def size_of(row: ROW) -> str:
    return f"{row[1]} x {row[2]}², {row[3]}² controls"


def main() -> None:
    flags = parser(__doc__)
    options = flags.parse_args()
    if is_child(options, peak_here):
        return
    now = begin(options)
    print(f"{errors()}\n")
    print(f"{'what':14}{'grids':>24}{'ours':>11}{'peer':>10}{'ratio':>8}{'ours':>13}{'peer':>12}")
    for row in ROWS:
        ours, peer = work(row), work(row, peer=True)
        times, peer_times = [], []
        ours()
        for _ in range(options.rounds):
            times.append(min(clock(ours, now=now) for _ in range(20)))
            peer_times.append(clock(peer, now=now))
        memory, peer_memory = (peak(row, which, threads=options.threads) for which in (False, True))
        print(
            f"{row[0]:14}{size_of(row):>24}{min(times) * 1e3:8.2f} ms{min(peer_times) * 1e3:7.0f} ms"
            f"{min(peer_times) / min(times):7.1f}x{memory:9.1f} MiB{peer_memory:8.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
