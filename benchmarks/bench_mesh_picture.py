"""A mesh as a flat-shaded grey picture: time beside rays of Embree and, where it is installed, of Open3D.

The peers cast one ray per sample through a camera and shade by the normal of the triangle that it meets; each builds its tree
for every picture, since each picture is of another mesh, and ``again`` is without building it. ``closed`` draws front sides
only, which a watertight mesh may. Milliseconds of processor time, the minimum over rounds in which all take turns, one
thread each. The last column is the share of samples whose triangle differs from Embree's: samples on an edge.

    OMP_NUM_THREADS=1 python benchmarks/bench_mesh_picture.py
"""

import argparse
import importlib
import math
from collections.abc import Callable

import numpy as np
import trimesh
from measuring import milliseconds

from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, Studio, rotation_of_view, take_picture
from armillary.kernels.raster import visible_faces
from armillary.kernels.triangle_mesh import TriangleMesh, face_vectors, unit_rows

ROWS = [(1_280, 128, 2), (5_120, 128, 2), (20_480, 128, 2), (20_480, 256, 1), (81_920, 256, 1)]  # faces, size, samples
DISTANCE = 1 / math.sin(Studio().fov / 2)


def noisy_ball(faces: int) -> TriangleMesh:
    mesh = trimesh.creation.icosphere(subdivisions=round(math.log(faces / 20, 4)))
    noise = 1 + 0.1 * np.sin(7 * mesh.vertices[:, :1]) * np.cos(5 * mesh.vertices[:, 1:2])
    vertices = mesh.vertices * noise
    turned = rotation_of_view(0.7, 0.4) @ (vertices / np.linalg.norm(vertices, axis=1).max()).T
    return TriangleMesh(turned.T, mesh.faces)


def camera_rays(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions in the camera's frame, one per sample."""
    focal = (size - 1) / 2 / math.tan(Studio().fov / 2)
    row, column = np.divmod(np.arange(size * size), size)
    ways = np.stack([(column - (size - 1) / 2) / focal, (row - (size - 1) / 2) / focal, np.ones(size * size)], axis=1)
    return np.zeros_like(ways, dtype=np.float32), ways.astype(np.float32)


def shaded(face: np.ndarray, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    normals = unit_rows(face_vectors(points, faces))
    return np.where(face >= 0, 0.2 + 0.8 * np.abs(normals[face, 2]), 0.0).astype(np.float32)


def embree_scene(points: np.ndarray, faces: np.ndarray) -> object:
    from embreex.mesh_construction import TriangleMesh as EmbreeMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene()
    EmbreeMesh(scene, points.astype(np.float32), faces.astype(np.int32))
    return scene


def open3d_picture(points: np.ndarray, faces: np.ndarray, size: int) -> Callable[[], object] | None:
    try:
        open3d = importlib.import_module("open3d")
    except ImportError:
        return None
    core, six = open3d.core, np.concatenate(camera_rays(size), axis=1)

    def picture() -> object:
        scene = open3d.t.geometry.RaycastingScene(nthreads=1)
        scene.add_triangles(core.Tensor(points.astype(np.float32)), core.Tensor(faces.astype(np.uint32)))
        normals = scene.cast_rays(core.Tensor(six), nthreads=1)["primitive_normals"].numpy()
        return 0.2 + 0.8 * np.abs(normals[:, 2])

    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    columns = ("ours", "ours, closed", "embree", "embree again", "open3d")
    print(f"{'faces':>8}{'size':>6}{'samples':>9}" + "".join(f"{name:>14}" for name in columns) + f"{'differ':>10}")
    for count, size, samples in ROWS:
        mesh, studio, side = noisy_ball(count), Studio(size=size, samples=samples), size * samples
        points = mesh.vertices @ CAMERA_FROM_WORLD.T + (0, 0, DISTANCE)
        origins, ways = camera_rays(side)
        kept = embree_scene(points, mesh.faces)

        def rays(scene, points=points, mesh=mesh, origins=origins, ways=ways):
            return shaded(scene.run(origins, ways, query="INTERSECT"), points, mesh.faces)

        runs: dict[str, Callable[[], object]] = {
            "ours": lambda mesh=mesh, studio=studio: take_picture(mesh, studio),
            "ours, closed": lambda mesh=mesh, studio=studio: take_picture(mesh, studio, closed=True),
            "embree": lambda points=points, mesh=mesh: rays(embree_scene(points, mesh.faces)),
            "embree again": lambda kept=kept: rays(kept),
        }
        peer = open3d_picture(points, mesh.faces, side)
        if peer is not None:
            runs["open3d"] = peer
        focal = (side - 1) / 2 / math.tan(studio.fov / 2)
        screen = points[:, :2] / points[:, 2:] * focal + (side - 1) / 2
        ours = visible_faces(screen, 1 / points[:, 2], mesh.faces, height=side, width=side).ravel()
        differ = float((ours != kept.run(origins, ways, query="INTERSECT")).mean())  # type: ignore[attr-defined]
        best = milliseconds(runs, rounds=options.rounds)
        cells = "".join(f"{best[name]:>14.2f}" if name in best else f"{'-':>14}" for name in columns)
        print(f"{len(mesh.faces):>8}{size:>6}{samples:>9}{cells}{differ:>10.1e}")


if __name__ == "__main__":
    main()
