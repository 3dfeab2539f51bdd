"""Depth of a grid mesh from another viewpoint: time and peak memory beside what the CUDA renderer does, in torch.

The peer is the algorithm of the renderer that everybody uses for this (Kato et al. 2018): every pixel tests every face,
the nearest wins. Here each of its steps is one tensor operation over blocks of faces, so that it is fast for what it is.
It runs on one image, since it is slow; where a row has more, its time is that of one image times their number, marked ~.

Times are minima over rounds in which both take turns, in one process. Memory is the growth of the resident set at its
highest over its value before the call, in a process of its own. The reference figure of pytorch3d on a CPU, 192 ms
for one image of 64 x 64, is from another machine and is not comparable here.

    python benchmarks/bench_depth_mesh.py
"""

import math
from collections.abc import Callable

import torch
from measuring import begin, clock, growth, is_child, parser, peak
from torch import Tensor
from torch.nn import functional

from armillary.kernels import cameras, rotations, shading
from armillary.kernels.depth_mesh import render_depth

ROWS = [  # scene, batch, rows, columns, what is timed
    ("smooth", 1, 64, 64, "forward"),
    ("smooth", 1, 64, 64, "backward"),
    ("smooth", 64, 64, 64, "forward"),
    ("smooth", 64, 64, 64, "step"),
    ("straight", 64, 64, 64, "step"),
    ("wild", 64, 64, 64, "step"),
    ("smooth", 16, 128, 128, "step"),
    ("smooth", 8, 96, 160, "step"),
    ("smooth", 1, 256, 256, "forward"),
]
PEER_ROWS = 3  # the peer is timed on the first rows; its time does not depend on the scene


def scene(kind: str, batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Depth about 1, poses up to 0.6 rad aside, the camera of Unsup3D, lights. ``wild`` is noise from 0.9 to 1.1."""
    generator = torch.Generator().manual_seed(0)
    coarse = (height, width) if kind == "wild" else (6, 6)
    depth = 0.9 + 0.2 * torch.rand(batch, 1, *coarse, generator=generator)
    depth = functional.interpolate(depth, size=(height, width), mode="bicubic", align_corners=True)
    reach = 0.0 if kind == "straight" else 1.0
    angles = (torch.rand(batch, 3, generator=generator) * 2 - 1) * torch.tensor([0.3, 0.6, 0.2]) * reach
    shift = (torch.rand(batch, 3, generator=generator) * 2 - 1) * 0.01 * reach
    pose = cameras.pose_about(rotations.rotation_from_euler_zyx(angles), shift, centre=torch.tensor([0.0, 0, 1]))
    light = torch.tensor([0.3, 0.7, 0.3, 0.1, -0.9]).expand(batch, 5)
    return depth, pose, cameras.intrinsics(math.radians(10), height=height, width=width), light


def every_face_at_every_pixel(depth: Tensor, pose: Tensor, camera: Tensor, *, block: int = 128) -> Tensor:
    """Peer: depth of one image [1 1 height width]; the nearest of all faces whose barycentrics are positive."""
    height, width = depth.shape[-2:]
    points = cameras.transform_points(pose, cameras.back_project(depth, camera))[0]
    pixels, z = cameras.project(points, camera)
    picture = torch.cat((pixels, z[..., None].reciprocal()), dim=-1)
    a, b, c, d = picture[:-1, :-1], picture[1:, :-1], picture[:-1, 1:], picture[1:, 1:]
    first, second = torch.stack((a, b, c), dim=-2).flatten(0, 1), torch.stack((c, b, d), dim=-2).flatten(0, 1)
    faces = torch.cat((first, second))  # face vertex (u v 1/z)
    x, y = cameras.pixel_coordinates(height, width).flatten(0, 1).unbind(-1)

    def weights(corner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (u0, v0), (u1, v1), (u2, v2) = (corner[..., k, :2].unbind(-1) for k in range(3))
        area = (u1 - u0) * (v2 - v0) - (v1 - v0) * (u2 - u0)
        w1 = ((x - u0) * (v2 - v0) - (y - v0) * (u2 - u0)) / area
        w2 = ((u1 - u0) * (y - v0) - (v1 - v0) * (x - u0)) / area
        return 1 - w1 - w2, w1, w2

    with torch.no_grad():
        nearest, winner = torch.zeros(height * width), torch.zeros(height * width, dtype=torch.int64)
        for start in range(0, len(faces), block):
            corner = faces[start : start + block, None]
            w0, w1, w2 = weights(corner)
            inverse = w0 * corner[..., 0, 2] + w1 * corner[..., 1, 2] + w2 * corner[..., 2, 2]
            inside = torch.minimum(torch.minimum(w0, w1), w2) >= -1e-4
            best, which = torch.where(inside, inverse, 0.0).max(dim=0)
            winner = torch.where(best > nearest, which + start, winner)
            nearest = torch.maximum(nearest, best)
    corner = faces.index_select(0, winner)
    inverse = sum(w * corner[..., k, 2] for k, w in enumerate(weights(corner)))
    return torch.where(nearest > 0, 1 / inverse, 0.0).reshape(1, 1, height, width)


def work(row: tuple[str, int, int, int, str], *, peer: bool = False) -> Callable[[], Tensor]:
    """Return the call that a row measures."""
    kind, batch, height, width, what = row
    depth, pose, camera, light = scene(kind, batch, height, width)
    if peer:
        depth, pose, light = depth[:1], pose[:1], light[:1]
    render = every_face_at_every_pixel if peer else (lambda d, p, k: render_depth(d, p, k)[0])

    def forward() -> Tensor:
        with torch.no_grad():
            return render(depth, pose, camera)

    def backward() -> Tensor:
        d, p = depth.clone().requires_grad_(), pose.clone().requires_grad_()
        found = render(d, p, camera)
        total = found.sum()
        if what == "step":
            total = total + shading.lambert(shading.normals_from_depth(d, camera), light).sum()
        total.backward()
        return found.detach()

    return forward if what == "forward" else backward


def peak_here(row: tuple[str, int, int, int, str], peer: bool) -> float:
    """Return the MiB that one call adds at its highest; a small call first loads what any call needs."""
    work((row[0], 1, 8, 8, row[4]), peer=peer)()
    call = work(row, peer=peer)
    return growth(call)


def agreement() -> float:
    """Largest difference of the two on one image; a pixel at an edge may see the one face or the other."""
    row = ("smooth", 1, 64, 64, "forward")
    ours, theirs = work(row)(), work(row, peer=True)()
    both = (ours > 0) & (theirs > 0)
    return (ours - theirs)[both].abs().quantile(0.999).item()


def main() -> None:
    flags = parser(__doc__)
    options = flags.parse_args()
    if is_child(options, peak_here):
        return
    now = begin(options)
    print(f"both agree to {agreement():.1e} at 99.9 % of the pixels\n")
    print(
        f"{'scene':9}{'batch':>6}{'size':>10}  {'what':9}{'ours':>10}{'peer':>12}{'ratio':>8}{'ours':>11}{'peer':>10}"
    )
    for number, row in enumerate(ROWS):
        kind, batch, height, width, what = row
        ours, peer = work(row), work(row, peer=True) if number < PEER_ROWS else None
        times, peer_times = [], []
        ours()
        for _ in range(options.rounds):
            times.append(min(clock(ours, now=now) for _ in range(3 if batch > 1 else 30)))
            if peer is not None:
                peer_times.append(clock(peer, now=now) * batch)
        line = f"{kind:9}{batch:6}{f'{height}x{width}':>10}  {what:9}{min(times) * 1e3:7.2f} ms"
        memory = peak(row, False, threads=options.threads)
        if peer is None:
            print(f"{line}{'':20}{memory:7.1f} MiB", flush=True)
            continue
        mark = "~" if batch > 1 else ""
        slow, peer_memory = min(peer_times), peak(row, True, threads=options.threads)
        print(
            f"{line}{f'{mark}{slow * 1e3:.0f} ms':>12}{f'{slow / min(times):.0f}x':>8}"
            f"{memory:7.1f} MiB{peer_memory:6.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
