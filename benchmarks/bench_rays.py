"""A mesh on the sphere: building and casting 64 x 64 rays, beside Embree and, where it is installed, Open3D.

Three meshes, each at four sizes: a ball of noise, a plane of long thin triangles through the middle, and the union of parts
of a solid (a quadruped). ``exact`` is the rasterisation on the sphere in numpy, ``embree`` what the package does with
``embreex``, ``embree alone`` building its tree and casting without the radii in float64; ``again`` is a second cast at the
same mesh, turned, for which Embree keeps its tree. Milliseconds of processor time, the minimum over rounds in which all take
turns, one thread each.

The last two columns are the largest difference of a radius between the engines, and the rays that only one of them meets.

    OMP_NUM_THREADS=1 python benchmarks/bench_rays.py
"""

import argparse
import importlib
from collections.abc import Callable

import numpy as np
import torch
import trimesh
from measuring import milliseconds

from armillary.kernels.triangle_mesh import TriangleMesh
from armillary.nn.spheres.grids import SphereGrid, points
from armillary_spherical.rays import Caster, _scene
from armillary_synthetic.solids_shapes import KINDS, Traits

SIZES = (1_000, 5_000, 20_000, 80_000)


def ball() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    noise = 1 + 0.2 * np.random.default_rng(0).standard_normal(len(mesh.vertices))[:, None]
    return trimesh.Trimesh(mesh.vertices * noise, mesh.faces, process=False)


def wings() -> trimesh.Trimesh:
    """Two crossed slabs and a rod: triangles that are long, thin and near the middle."""
    parts = [trimesh.creation.box(extents=e) for e in ((2, 0.3, 0.05), (0.05, 0.4, 1.2), (0.1, 1.8, 0.1))]
    return trimesh.util.concatenate(parts)  # type: ignore[return-value]


def quadruped() -> trimesh.Trimesh:
    mesh = KINDS["quadruped"](Traits(np.random.default_rng(0), variation=1.0))
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def sized(mesh: trimesh.Trimesh, faces: int) -> TriangleMesh:
    while len(mesh.faces) < faces / 2:
        mesh = mesh.subdivide()
    if len(mesh.faces) > 2 * faces:
        mesh = trimesh.Trimesh(mesh.vertices, mesh.faces[:faces], process=False)
    vertices = mesh.vertices - (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))  # no edge lies along the grid
    return TriangleMesh(vertices @ turn.T / np.linalg.norm(vertices, axis=1).max(), mesh.faces)


def open3d_cast(mesh: TriangleMesh, rays: np.ndarray) -> Callable[[], object] | None:
    try:
        open3d = importlib.import_module("open3d")
    except ImportError:
        return None
    core, vertices, faces = open3d.core, mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32)
    six = np.concatenate([2 * rays, -rays], axis=1).astype(np.float32)

    def cast() -> object:
        scene = open3d.t.geometry.RaycastingScene(nthreads=1)
        scene.add_triangles(core.Tensor(vertices), core.Tensor(faces))
        return scene.cast_rays(core.Tensor(six), nthreads=1)

    return cast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rays = points(SphereGrid("driscoll_healy", options.size // 2), dtype=torch.float64).reshape(-1, 3).numpy()
    origins, inward = (1.1 * rays).astype(np.float32), (-rays).astype(np.float32)
    columns = ("exact", "embree", "embree alone", "open3d", "exact again", "embree again")
    print(
        f"{'mesh':<12}{'faces':>8}"
        + "".join(f"{name:>14}" for name in columns)
        + f"{'x embree':>10}{'error':>10}{'hits':>6}"
    )
    for make in (ball, wings, quadruped):
        for size in SIZES:
            mesh = sized(make(), size)
            kept = {engine: Caster(mesh, engine=engine) for engine in ("exact", "embree")}
            turn = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))[0]
            runs: dict[str, Callable[[], object]] = {
                "exact": lambda m=mesh: Caster(m, engine="exact").first_hits(rays, through=False),
                "embree": lambda m=mesh: Caster(m, engine="embree").first_hits(rays, through=False),
                "embree alone": lambda m=mesh: _scene(m).run(origins, inward, query="INTERSECT", output=True),
                "exact again": lambda k=kept: k["exact"].first_hits(rays, matrix=turn, through=False),
                "embree again": lambda k=kept: k["embree"].first_hits(rays, matrix=turn, through=False),
            }
            peer = open3d_cast(mesh, rays)
            if peer is not None:
                runs["open3d"] = peer
            hits = [kept[engine].first_hits(rays) for engine in ("exact", "embree")]
            both = (hits[0].face >= 0) & (hits[1].face >= 0)
            error = float(np.abs(hits[0].radius[both] - hits[1].radius[both]).max())
            differ = int(((hits[0].face >= 0) != (hits[1].face >= 0)).sum())
            best = milliseconds(runs, rounds=options.rounds)
            cells = "".join(f"{best[name]:>14.2f}" if name in best else f"{'-':>14}" for name in columns)
            ratio = best["embree alone"] / best["exact"]
            print(f"{make.__name__:<12}{len(mesh.faces):>8}{cells}{ratio:>10.2f}{error:>10.1e}{differ:>6}")


if __name__ == "__main__":
    main()
