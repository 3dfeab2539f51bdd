"""Mesh files: read, checked, mended, centred and scaled.

What is wrong with a mesh has a name. Refused, with :class:`~armillary.errors.DataError`: ``unreadable``; ``empty`` (no
triangle with an area is left); ``nan`` (a face names a vertex that is not finite); ``lost`` (so far from the origin that the
file's float32 cannot hold the shape). Mended, and told: ``polygons`` (cut into triangles), ``degenerate`` (triangles
without area are dropped), ``inside out`` (a closed mesh whose triangles face inwards is turned over), ``far`` (moved to
the origin). Told and kept: ``open`` (not watertight, or not wound one way): rays and pictures count both sides of a triangle.

Frames: a file's frame has z or y up; the object's frame, and the world's, has z up.
"""

import re
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from jaxtyping import Float

from armillary.errors import DataError
from armillary.kernels.triangle_mesh import TriangleMesh, face_vectors, is_closed, signed_volume

SUFFIXES = (".off", ".obj", ".ply", ".stl")
"""Endings of the files that can be read."""

Centre = Literal["box", "centroid", "none"]
Up = Literal["z", "y"]

_FAR = 100.0  # of its own radius
_LOST = 1e5  # of its own radius: float32 then keeps two digits of the shape
_THIN = 1e-12  # of the squared extent: a triangle of less area is none
_Z_FROM_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@attrs.frozen(eq=False)
class ReadMesh:
    """A mesh as it was read and mended.

    Args:
        mesh: in the file's frame.
        closed: watertight and wound outwards throughout, so that only front sides can be seen.
        notes: what was mended or is worth knowing, each beginning with its name.
    """

    mesh: TriangleMesh
    closed: bool
    notes: tuple[str, ...]


@attrs.frozen(eq=False)
class PosedMesh:
    """A mesh and where it stands: what an item of a folder of meshes carries until it becomes tensors.

    Args:
        mesh: in the object's frame, about the origin.
        matrix: world from object, x_world = matrix @ x_object: a rotation, after a stretch along the object's axes.
        closed: as in :class:`ReadMesh`.
    """

    mesh: TriangleMesh
    matrix: Float[np.ndarray, "3 3"] = attrs.field(factory=lambda: np.eye(3))
    closed: bool = False

    def moved(self, matrix: Float[np.ndarray, "3 3"]) -> "PosedMesh":
        """Return the same mesh with ``matrix`` applied in the world, after what was applied before."""
        return attrs.evolve(self, matrix=np.asarray(matrix, dtype=np.float64) @ self.matrix)


def read_mesh(path: Path) -> ReadMesh:
    """Return the triangles of a file.

    Raises:
        DataError: the mesh is refused, for one of the reasons that the module names.
    """
    path = Path(path)
    vertices, faces, declared = _loaded(path)
    notes = []
    if declared is not None and len(faces) > declared:
        notes.append(f"polygons: {declared} faces cut into {len(faces)} triangles")
    if not len(faces):
        raise DataError(f"{path}: empty: a mesh needs triangles, this has {len(vertices)} points and no face")
    if not np.isfinite(vertices[faces]).all():
        raise DataError(f"{path}: nan: a face has a corner that is not a finite number")
    vertices, faces = _merged(vertices, faces)
    vertices, faces, lost = _without_degenerate(vertices, faces)
    if lost:
        notes.append(f"degenerate: {lost} triangles without area dropped")
    if not len(faces):
        raise DataError(f"{path}: empty: none of its {lost} triangles has an area")
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    away = float(np.linalg.norm(middle) / np.linalg.norm(vertices - middle, axis=1).max())
    if away > _LOST:
        raise DataError(
            f"{path}: lost: {away:.0f} times its radius from the origin, where float32 cannot hold its shape"
        )
    if away > _FAR:
        notes.append(f"far: {away:.0f} times its radius from the origin, moved there")
        vertices = vertices - middle
    closed = is_closed(faces)
    if closed and signed_volume(vertices - vertices.mean(axis=0), faces) < 0:
        faces = faces[:, ::-1]
        notes.append("inside out: its triangles faced inwards, turned over")
    if not closed:
        notes.append("open: not watertight, or not wound one way")
    return ReadMesh(TriangleMesh(vertices, faces), closed, tuple(notes))


def normalised(mesh: TriangleMesh, *, centre: Centre = "box", up: Up = "z", radius: float = 1.0) -> TriangleMesh:
    """Return the mesh about the origin, z up, inside a sphere.

    Args:
        mesh: in its file's frame.
        centre: what comes to the origin: the middle of the bounding box, the centroid of the surface, or the origin itself.
        up: axis of the file's frame that points up; y up becomes z up by a quarter turn about x, (x, y, z) -> (x, -z, y).
        radius: of the farthest vertex afterwards.
    """
    vertices = mesh.vertices
    if centre == "box":
        vertices = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    elif centre == "centroid":
        vertices = vertices - _centroid(mesh)
    if up == "y":
        vertices = vertices @ _Z_FROM_Y_UP.T
    return TriangleMesh(vertices * (radius / _radius(vertices)), mesh.faces)


def stretch_matrix(mesh: TriangleMesh, factors: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Return the matrix that stretches a mesh along its own axes and scales it back to the radius that it had.

    Args:
        mesh: about the origin; a middle of the box and a centroid of the vertices at the origin stay there.
        factors: along x, y, z, > 0.

    Raises:
        ValueError: a factor is not above 0.
    """
    factors = np.asarray(factors, dtype=np.float64)
    if factors.shape != (3,) or not (factors > 0).all():
        raise ValueError(f"needs three factors above 0, got {factors}")
    return np.diag(factors * (_radius(mesh.vertices) / _radius(mesh.vertices * factors)))


def _radius(vertices: np.ndarray) -> float:
    return float(np.sqrt((vertices**2).sum(axis=1).max()))


def _centroid(mesh: TriangleMesh) -> np.ndarray:
    """Return the mean over the surface."""
    area = np.linalg.norm(face_vectors(mesh.vertices, mesh.faces), axis=1)
    return area @ mesh.vertices[mesh.faces].mean(axis=1) / area.sum()


def _loaded(path: Path) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Return vertices, triangles, and how many faces the file says that it has; None where it does not say."""
    import trimesh

    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise DataError(f"{path}: not a mesh file; they end in {' '.join(SUFFIXES)}")
    options: dict[str, Any] = {"skip_materials": True} if kind == ".obj" else {}
    try:
        with path.open("rb") as file:
            loaded = trimesh.load_mesh(file, file_type=kind[1:], process=False, **options)
        if isinstance(loaded, trimesh.Scene):
            loaded = loaded.to_mesh()
        declared = _declared_faces(path, kind)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except Exception as error:  # a reader of foreign files may raise anything
        raise DataError(f"{path}: unreadable: {type(error).__name__}: {error}") from error
    vertices, faces = getattr(loaded, "vertices", ()), getattr(loaded, "faces", ())
    vertices = np.asarray(vertices, dtype=np.float64).reshape(-1, 3)
    return vertices, np.asarray(faces, dtype=np.int64).reshape(-1, 3), declared


def _declared_faces(path: Path, kind: str) -> int | None:
    if kind == ".obj":
        return len(re.findall(rb"^f\s", path.read_bytes(), flags=re.MULTILINE))
    if kind == ".ply":
        with path.open("rb") as file:
            found = re.search(rb"element face (\d+)", file.read(1 << 16))
        return int(found[1]) if found else None
    if kind == ".off":
        with path.open("rb") as file:
            head = re.sub(rb"#.*", b"", file.read(1 << 12))
        found = re.search(rb"OFF\s*(\d+)\s+(\d+)", head)
        return int(found[2]) if found else None
    return None


def _merged(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mesh with equal vertices made one, in their order; those that no face names are left out."""
    used = np.unique(faces)
    lookup = np.empty(len(vertices), dtype=np.int64)
    kept = vertices[used] + 0.0  # -0 is 0
    _, first, same = np.unique(kept, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    lookup[used] = rank[same.ravel()]
    return kept[first[order]], lookup[faces]


def _without_degenerate(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the mesh without triangles that have no area, and how many there were."""
    extent = float(np.ptp(vertices, axis=0).max())
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    areas = np.linalg.norm(face_vectors(vertices - middle, faces), axis=1)
    good = areas > _THIN * extent**2
    lost = int((~good).sum())
    if not lost:
        return vertices, faces, 0
    faces = faces[good]
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used], faces.reshape(-1, 3), lost
