"""Values by hand on a tetrahedron and a cube, files read back, refusals."""

import io

import numpy as np
import pytest
import trimesh

from armillary.kernels import triangle_mesh
from armillary.kernels.triangle_mesh import TriangleMesh

CORNERS = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], dtype=np.float64)
OUTWARD = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])


def test_vectors_of_faces_by_hand():
    """The face in the plane z = 0 looks down, and (b - a) x (c - a) is twice its area, 1 / 2, long."""
    vectors = triangle_mesh.face_vectors(CORNERS, OUTWARD)
    assert vectors.tolist() == [[0, 0, -1], [0, -1, 0], [-1, 0, 0], [1, 1, 1]]


def test_vectors_of_a_closed_mesh_sum_to_zero():
    assert triangle_mesh.face_vectors(CORNERS, OUTWARD).sum(axis=0).tolist() == [0, 0, 0]


def test_vectors_at_a_vertex_sum_its_faces():
    """At the origin the three faces in the coordinate planes meet."""
    assert triangle_mesh.vertex_vectors(CORNERS, OUTWARD)[0].tolist() == [-1, -1, -1]


def test_volume_of_a_tetrahedron():
    assert triangle_mesh.signed_volume(CORNERS, OUTWARD) == pytest.approx(1 / 6, abs=1e-15)
    assert triangle_mesh.signed_volume(CORNERS + 7, OUTWARD[:, ::-1]) == pytest.approx(-1 / 6, abs=1e-12)


def test_closed_needs_each_edge_once_each_way():
    assert triangle_mesh.is_closed(OUTWARD)
    assert triangle_mesh.is_closed(OUTWARD[:, ::-1])
    assert not triangle_mesh.is_closed(OUTWARD[:3])
    turned = OUTWARD.copy()
    turned[0] = turned[0, ::-1]
    assert not triangle_mesh.is_closed(turned)
    assert not triangle_mesh.is_closed(np.concatenate([OUTWARD, OUTWARD]))
    assert not triangle_mesh.is_closed(OUTWARD[:0])


def test_moving_is_a_product_of_matrices():
    matrix = np.random.default_rng(0).standard_normal((3, 3))
    moved = TriangleMesh(CORNERS, OUTWARD).moved(matrix)
    np.testing.assert_allclose(moved.vertices, (matrix @ CORNERS.T).T, atol=1e-15)
    assert moved.faces is not None


def test_rows_of_length_zero_stay_zero():
    assert triangle_mesh.unit_rows(np.array([(0.0, 0, 0), (0, 3, 4)])).tolist() == [[0, 0, 0], [0, 0.6, 0.8]]


def test_a_ply_file_reads_back():
    data = TriangleMesh(CORNERS / 3, OUTWARD).ply_bytes()
    read = trimesh.load_mesh(io.BytesIO(data), file_type="ply", process=False)
    np.testing.assert_array_equal(read.vertices, (CORNERS / 3).astype(np.float32))
    np.testing.assert_array_equal(read.faces, OUTWARD)


@pytest.mark.parametrize(
    ("vertices", "faces", "word"),
    [
        (np.zeros((4, 2)), OUTWARD, "vertices"),
        (CORNERS, np.zeros((1, 4), dtype=int), "faces"),
        (CORNERS, np.array([(0, 1, 4)]), "there are 4"),
        (CORNERS, np.array([(0, 1, -1)]), "-1"),
    ],
)
def test_wrong_arrays_are_refused(vertices, faces, word):
    with pytest.raises(ValueError, match=word):
        TriangleMesh(vertices, faces)
