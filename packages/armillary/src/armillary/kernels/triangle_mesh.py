"""Triangle meshes as plain arrays, shared by readers, generators, ray casting and pictures. numpy only.

Vertices are float64, in the object's own frame. Corners that run counter-clockwise seen from outside give outward normals;
downloaded meshes need not, so a function that relies on the winding documents it.
"""

import attrs
import numpy as np
from jaxtyping import Float, Int

_PLY_FACE = np.dtype([("count", "u1"), ("corners", "<i4", (3,))])


def _as_vertices(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64)


def _as_faces(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.int64)


@attrs.frozen(eq=False)
class TriangleMesh:
    """Vertices and triangles.

    Args:
        vertices: in the object's frame.
        faces: rows of ``vertices``.

    Raises:
        ValueError: a shape is not as declared, or a face refers to a missing vertex.

    >>> square = TriangleMesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    >>> square.moved(2 * np.eye(3)).vertices.max().item()
    2.0
    """

    vertices: Float[np.ndarray, "vertices 3"] = attrs.field(converter=_as_vertices)
    faces: Int[np.ndarray, "faces 3"] = attrs.field(converter=_as_faces)

    def __attrs_post_init__(self) -> None:
        for name, array in (("vertices", self.vertices), ("faces", self.faces)):
            if array.ndim != 2 or array.shape[1] != 3:
                raise ValueError(f"{name} need the shape [n, 3], have {list(array.shape)}")
        if self.faces.size and not (self.faces.min() >= 0 and self.faces.max() < len(self.vertices)):
            raise ValueError(
                f"faces name vertices {self.faces.min()} to {self.faces.max()}, but there are {len(self.vertices)}"
            )

    def moved(self, matrix: Float[np.ndarray, "3 3"]) -> "TriangleMesh":
        """Return the mesh with each vertex v at ``matrix @ v``."""
        return TriangleMesh(moved_points(np.asarray(matrix, dtype=np.float64), self.vertices), self.faces)

    def ply_bytes(self) -> bytes:
        """Return the mesh as a binary PLY file: float32 vertices, int32 faces."""
        header = (
            "ply\nformat binary_little_endian 1.0\n"
            f"element vertex {len(self.vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
            f"element face {len(self.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
        )
        rows = np.empty(len(self.faces), dtype=_PLY_FACE)
        rows["count"], rows["corners"] = 3, self.faces
        return header.encode() + self.vertices.astype("<f4").tobytes() + rows.tobytes()


def moved_points(
    matrix: Float[np.ndarray, "3 3"], points: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, "points 3"]:
    """Return ``matrix @ point`` of each point, the same bytes for any number of threads.

    >>> moved_points(np.diag([1.0, 2.0, 3.0]), np.array([[1.0, 1.0, 1.0]])).tolist()
    [[1.0, 2.0, 3.0]]
    """
    return points[:, :1] * matrix[:, 0] + points[:, 1:2] * matrix[:, 1] + points[:, 2:] * matrix[:, 2]


def face_vectors(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "faces 3"]:
    """Return (b - a) x (c - a) of each triangle: along its normal, with twice its area as length.

    >>> face_vectors(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])).tolist()
    [[0.0, 0.0, 1.0]]
    """
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
    return np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)


def vertex_vectors(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Return the sum of :func:`face_vectors` around each vertex; zero without faces, or where they cancel.

    >>> square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> vertex_vectors(square, np.array([[0, 1, 2], [0, 2, 3]]))[:, 2].tolist()  # two corners belong to both triangles
    [2.0, 1.0, 2.0, 1.0]
    """
    around = np.repeat(face_vectors(vertices, faces), 3, axis=0)
    corners = faces.ravel()
    return np.stack([np.bincount(corners, around[:, k], minlength=len(vertices)) for k in range(3)], axis=1)


def unit_rows(vectors: Float[np.ndarray, "rows 3"]) -> Float[np.ndarray, "rows 3"]:
    """Return the rows divided by their length; zero stays zero.

    >>> unit_rows(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]])).tolist()
    [[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]]
    """
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return vectors / np.where(length > 0, length, 1.0)[:, None]


def is_closed(faces: Int[np.ndarray, "faces 3"]) -> bool:
    """Return whether each edge occurs once in each direction: watertight, with one winding throughout.

    >>> tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> is_closed(tetrahedron), is_closed(tetrahedron[:3])
    (True, False)
    """
    if not len(faces):
        return False
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    count = int(faces.max()) + 1
    forth, back = np.sort(start * count + end), np.sort(end * count + start)
    return bool((np.diff(forth) > 0).all() and np.array_equal(forth, back))


def signed_volume(vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> float:
    """Return the volume inside a closed mesh; negative where its triangles face inwards.

    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> round(6 * signed_volume(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])), 12)
    1.0
    """
    a = vertices[faces[:, 0]]
    return float(np.einsum("ij,ij->", a, face_vectors(vertices, faces)) / 6)
