"""Kernels of the sphere: time and peak memory beside what others do, on signals of the same size.

Peers: torch-harmonics (transform and zonal layer; ``pip install --no-deps torch-harmonics==0.9.3``, its columns are empty
without it), e3nn (transform up to B = 16, rotation), and, for the correlation, the steps of s2cnn (Cohen et al. 2018) on
a CPU in today's torch: complex spectra, one product with Wigner's d per degree, a complex FFT. s2cnn itself does not run
on it.

Times are minima over rounds in which both take turns, in one process. Memory is the growth of the resident set at its
highest over its value before the call, in a process of its own.

    python benchmarks/bench_spheres.py --cpu --threads 1
"""

import importlib.util
import math
import time
from collections.abc import Callable, Sequence

import torch
from measuring import begin, clock, growth, is_child, parser, peak
from torch import Tensor

from armillary.kernels.rotations import geodesic_angle, random_rotation
from armillary.nn.spheres import alignment, convolution, correlation, grids, harmonics, rotation, transforms

ROWS = [  # kernel, bandwidth, items or channels, peer
    ("transform", 16, 512, "torch-harmonics"),
    ("transform", 16, 512, "e3nn"),
    ("transform", 32, 512, "torch-harmonics"),
    ("transform", 64, 128, "torch-harmonics"),
    ("transform", 128, 32, "torch-harmonics"),
    ("zonal layer", 16, 64, "torch-harmonics"),
    ("zonal layer", 32, 32, "torch-harmonics"),
    ("correlation", 32, 32, "s2cnn's steps"),
    ("correlation", 8, 32, "s2cnn's steps"),
    ("rotation", 32, 32, "e3nn"),
    ("rotation", 8, 32, "e3nn"),
    ("alignment", 8, 16, ""),
    ("alignment", 32, 32, ""),
]
GRID = 32  # bandwidth of the grid of rotations
Work = Callable[[], object]


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def transform(bandwidth: int, items: int, peer: str) -> Work:
    """Forward, inverse, and the gradient of both."""
    samples, gradient = (
        draw(items, 2 * bandwidth, 2 * bandwidth).requires_grad_(),
        draw(items, 2 * bandwidth, 2 * bandwidth),
    )
    grid = grids.soft(bandwidth)
    if peer == "torch-harmonics":
        from torch_harmonics import InverseRealSHT, RealSHT  # pyright: ignore[reportMissingImports]

        settings = {
            "nlat": 2 * bandwidth,
            "nlon": 2 * bandwidth,
            "lmax": bandwidth,
            "mmax": bandwidth,
            "grid": "equiangular",
        }
        there, back = RealSHT(**settings), InverseRealSHT(**settings)
    elif peer == "e3nn":
        from e3nn import o3

        resolution = (2 * bandwidth, 2 * bandwidth)
        there = o3.FromS2Grid(resolution, bandwidth - 1)
        back = o3.ToS2Grid(bandwidth - 1, resolution)
    else:
        there = lambda x: transforms.coefficients_from_signal(x, grid=grid)
        back = lambda c: transforms.signal_from_coefficients(c, grid=grid)

    def call() -> None:
        samples.grad = None
        back(there(samples)).backward(gradient)

    return call


def zonal_layer(bandwidth: int, channels: int, peer: str) -> Work:
    """16 items, 32 channels in: samples, filters for each degree, samples; with gradients to both."""
    side = 2 * bandwidth
    samples, gradient = draw(16, 32, side, side).requires_grad_(), draw(16, channels, side, side)
    if peer == "torch-harmonics":
        from torch_harmonics import SpectralConvS2  # pyright: ignore[reportMissingImports]

        layer = SpectralConvS2((side, side), (side, side), 32, channels)
    else:
        grid = grids.soft(bandwidth)
        weight = draw(bandwidth, 32, channels).requires_grad_()

        def layer(x: Tensor) -> Tensor:
            mixed = convolution.zonal_convolution(transforms.coefficients_from_signal(x, grid=grid), weight)
            return transforms.signal_from_coefficients(mixed, grid=grid)

    def call() -> None:
        out = layer(samples)
        (out[0] if isinstance(out, tuple) else out).backward(gradient)

    return call


def correlation_cube(bandwidth: int, channels: int, peer: str) -> Work:
    """One pair, its cube of 64 x 64 x 64 rotations, and the highest cell."""
    f, h = draw(2, channels, bandwidth**2).unbind(0)
    if not peer:
        return lambda: correlation.correlate(f, h, bandwidth=GRID).argmax()
    tables = wigner_d(bandwidth)
    return lambda: complex_cube(f, h, tables).argmax()


def wigner_d(bandwidth: int) -> list[Tensor]:
    """Wigner's d of every degree [beta order order] at the grid's colatitudes."""
    beta = grids.colatitudes(grids.soft(GRID), dtype=torch.float64)
    tables = []
    for l, quarter in enumerate(rotation.quarter_turn_wigner_d(bandwidth)):
        order = torch.arange(-l, l + 1)
        phases = torch.exp(-1j * beta[:, None] * order)
        product = torch.einsum("km,jk,kn->jmn", quarter.to(phases.dtype), phases, quarter.to(phases.dtype))
        tables.append((product * 1j ** (order[:, None] - order)).real.float())
    return tables


def complex_cube(first: Tensor, second: Tensor, tables: list[Tensor]) -> Tensor:
    """Peer: complex spectra, summed over channels degree by degree, then one complex FFT; [beta alpha gamma]."""
    middle = len(tables) - 1
    spectrum = torch.zeros(2 * GRID, 2 * middle + 1, 2 * middle + 1, dtype=torch.complex64)
    for l, table in enumerate(tables):
        f, h = (complex_coefficients(x[:, l * l : (l + 1) ** 2]) for x in (first, second))
        here = slice(middle - l, middle + l + 1)
        spectrum[:, here, here] += table * (f.mT @ h.conj())
    low, high = GRID - middle, GRID - 1 - middle
    whole = torch.nn.functional.pad(torch.view_as_real(spectrum), (0, 0, low, high, low, high))
    whole = torch.fft.ifftshift(torch.view_as_complex(whole), dim=(1, 2))
    return torch.fft.ifft2(whole, norm="forward").real


def complex_coefficients(real: Tensor) -> Tensor:
    """Of one degree, with the Condon-Shortley sign."""
    l = real.shape[-1] // 2
    cosine, sine = real[..., l + 1 :], real[..., :l].flip(-1)
    sign = 1 - 2 * (torch.arange(1, l + 1) % 2)
    up = sign * torch.complex(cosine, -sine) / math.sqrt(2)
    return torch.cat(((sign * up.conj()).flip(-1), real[..., l : l + 1].to(up.dtype), up), dim=-1)


def rotate(bandwidth: int, channels: int, peer: str) -> Work:
    """The channels of one signal turned by 16 rotations."""
    f, turns = draw(channels, bandwidth**2), random_rotation(16, generator=torch.Generator().manual_seed(0))
    if not peer:
        return lambda: rotation.rotate_coefficients(f, turns[:, None])
    from e3nn import o3

    def call() -> Tensor:
        angles = o3.matrix_to_angles(turns)
        parts = f.split([2 * l + 1 for l in range(bandwidth)], dim=-1)
        return torch.cat([part @ o3.wigner_D(l, *angles).mT for l, part in enumerate(parts)], dim=-1)

    return call


def align(bandwidth: int, channels: int, peer: str) -> Work:
    """One pair: cube, four peaks, five Newton steps each, the two best."""
    f, h = draw(2, channels, bandwidth**2).unbind(0)
    return lambda: alignment.align(f, h, bandwidth=GRID)


KERNELS = {
    "transform": transform,
    "zonal layer": zonal_layer,
    "correlation": correlation_cube,
    "rotation": rotate,
    "alignment": align,
}


def work(row: Sequence, *, peer: bool) -> Work:
    kernel, bandwidth, items, name = row
    return KERNELS[kernel](bandwidth, items, name if peer else "")


def peak_here(row: tuple, peer: bool) -> float:
    """Return the MiB that one call adds at its highest; a small call first loads what any call needs. Tables are part of it."""
    work((row[0], 8, 2, row[3]), peer=peer)()
    call = work(row, peer=peer)
    return growth(call)


def print_errors() -> None:
    """What the kernels are held to, relative to float64 or to the truth."""
    print("round trip, largest of both grids (float32, float64):")
    for bandwidth in (16, 32, 64, 128):
        errors = []
        for dtype in (torch.float32, torch.float64):
            c = draw(3, bandwidth**2).to(dtype)
            for grid in (grids.soft(bandwidth), grids.driscoll_healy(bandwidth)):
                back = transforms.coefficients_from_signal(transforms.signal_from_coefficients(c, grid=grid), grid=grid)
                errors.append(((back - c).norm() / c.norm()).item())
        print(f"  B={bandwidth:<4} {max(errors[:2]):.1e} {max(errors[2:]):.1e}")
    f, h = draw(2, 32, GRID**2).double().unbind(0)
    exact, single = correlation.correlate(f, h), correlation.correlate(f.float(), h.float())
    other = complex_cube(f.float(), h.float(), wigner_d(GRID)).permute(1, 0, 2)
    print(f"correlation cube, float32: {((single - exact).norm() / exact.norm()).item():.1e}", end="")
    print(f" (s2cnn's steps {((other - exact).norm() / exact.norm()).item():.1e})")
    r = random_rotation(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = rotation.rotate_coefficients(h[None], r[:, None])
    low = rotation.rotate_coefficients(h[None].float(), r[:, None])
    directions = random_rotation(50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)[..., 0]
    values = turned @ harmonics.spherical_harmonics(directions, bandwidth=GRID).mT
    back = torch.einsum("rba,vb->rva", r, directions)
    truth = torch.einsum("ck,rvk->rcv", h, harmonics.spherical_harmonics(back, bandwidth=GRID))
    print(f"rotated coefficients, B=32: {((low - turned).norm() / turned.norm()).item():.1e} in float32,", end="")
    print(f" {((values - truth).norm() / truth.norm()).item():.1e} in float64 against values at turned points")
    found = alignment.align(turned, h.expand_as(turned), bandwidth=GRID)
    error = torch.rad2deg(geodesic_angle(found.rotations[:, 0], r)).max().item()
    print(f"alignment of a turned copy, largest of 8: {error:.1e} degrees\n")


def print_round_trips() -> None:
    """Coefficients to samples and back, relative error: ours beside e3nn's grids, whose tables a large degree makes slow."""
    from e3nn import o3

    print("round trip by largest degree, relative error (ours: the larger of both grids):")
    print(f"{'lmax':>6}{'ours float32':>14}{'float64':>10}{'e3nn float32':>14}{'float64':>10}{'its tables':>12}")
    for lmax in (7, 11, 15, 23):
        b, errors, start, seconds = lmax + 1, [], 0.0, 0.0
        for dtype in (torch.float32, torch.float64):
            c = draw(3, b * b).to(dtype)
            trips = [
                transforms.coefficients_from_signal(transforms.signal_from_coefficients(c, grid=grid), grid=grid)
                for grid in (grids.soft(b), grids.driscoll_healy(b))
            ]
            errors.append(max(((back - c).norm() / c.norm()).item() for back in trips))
        for dtype in (torch.float32, torch.float64):
            c, before = draw(3, b * b).to(dtype), torch.get_default_dtype()
            torch.set_default_dtype(dtype)  # its quadrature weights have the default's, whatever dtype= says
            start = time.process_time() if dtype == torch.float32 else start
            to_grid, from_grid = o3.ToS2Grid(lmax, (2 * b, 2 * b)), o3.FromS2Grid((2 * b, 2 * b), lmax)
            seconds = time.process_time() - start
            torch.set_default_dtype(before)
            errors.append(((from_grid(to_grid(c)) - c).norm() / c.norm()).item())
        ours, ours_double, peer, peer_double = errors
        print(
            f"{lmax:6}{ours:14.1e}{ours_double:10.1e}{peer:14.1e}{peer_double:10.1e}{seconds / 2:10.1f} s", flush=True
        )


def main() -> None:
    flags = parser(__doc__, rounds=5)
    flags.add_argument("--only", choices=list(KERNELS), help="rows of one kernel")
    flags.add_argument("--times-only", action="store_true", help="measure no memory")
    flags.add_argument("--round-trips", action="store_true", help="errors of ours and of e3nn's, and nothing else")
    options = flags.parse_args()
    if is_child(options, peak_here):
        return
    if options.round_trips:
        print_round_trips()
        return
    now = begin(options)
    print_errors()
    print(f"{'kernel':12}{'B':>5}{'items':>7}{'ours':>12}  {'peer':16}{'':>10}{'ratio':>8}{'ours':>12}{'peer':>12}")
    for row in map(list, ROWS):
        kernel, bandwidth, items, name = row
        if options.only not in (None, kernel):
            continue
        there = bool(name) and (name != "torch-harmonics" or importlib.util.find_spec("torch_harmonics") is not None)
        ours, peer = work(row, peer=False), work(row, peer=True) if there else None
        times, peer_times = [], []
        for function in (ours, peer):
            if function:
                function()
        for _ in range(options.rounds):
            times.append(min(clock(ours, now=now) for _ in range(5)))
            if peer:
                peer_times.append(min(clock(peer, now=now) for _ in range(2)))
        line = f"{kernel:12}{bandwidth:5}{items:7}{min(times) * 1e3:9.2f} ms  {name:16}"
        memory = "" if options.times_only else f"{peak(row, False, threads=options.threads):8.1f} MiB"
        if not peer:
            missing = "not there" if name else ""
            print(f"{line}{missing:>10}{'':8}{memory}", flush=True)
            continue
        slow = min(peer_times)
        if not options.times_only:
            memory += f"{peak(row, True, threads=options.threads):8.1f} MiB"
        print(f"{line}{slow * 1e3:7.2f} ms{slow / min(times):7.1f}x{memory}", flush=True)


if __name__ == "__main__":
    main()
