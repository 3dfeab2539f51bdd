"""Every format, every fault by its name, and laws of placing."""

import numpy as np
import pytest
import trimesh

from armillary.errors import DataError
from armillary.kernels.triangle_mesh import TriangleMesh, signed_volume
from armillary_spherical.meshes import SUFFIXES, PosedMesh, normalised, read_mesh, stretch_matrix

CUBE = trimesh.creation.box(extents=(1.0, 2.0, 3.0))


def off(vertices, faces, *, head="OFF\n{} {} 0\n"):
    lines = [" ".join(map(str, row)) for row in vertices] + [f"{len(row)} {' '.join(map(str, row))}" for row in faces]
    return head.format(len(vertices), len(faces)) + "\n".join(lines) + "\n"


def written(tmp_path, text, name="a.off"):
    path = tmp_path / name
    path.write_text(text)
    return path


def names(read):
    return [note.partition(":")[0] for note in read.notes]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format(tmp_path, suffix):
    path = tmp_path / f"cube{suffix}"
    CUBE.export(path)
    read = read_mesh(path)
    assert read.closed
    assert read.notes == ()
    assert (len(read.mesh.vertices), len(read.mesh.faces)) == (8, 12)
    assert signed_volume(read.mesh.vertices, read.mesh.faces) == pytest.approx(6, rel=1e-5)


def test_upper_case_endings(tmp_path):
    path = tmp_path / "CUBE.OFF"
    path.write_text(off(CUBE.vertices.tolist(), CUBE.faces.tolist()))
    assert len(read_mesh(path).mesh.faces) == 12


def test_a_header_that_runs_into_the_counts(tmp_path):
    """As in some files of ModelNet: OFF8 12 0."""
    read = read_mesh(written(tmp_path, off(CUBE.vertices.tolist(), CUBE.faces.tolist(), head="OFF{} {} 0\n")))
    assert len(read.mesh.faces) == 12


@pytest.mark.parametrize("suffix", [".off", ".obj", ".ply"])
def test_polygons_are_cut(tmp_path, suffix):
    square, quad = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], (0, 1, 2, 3)
    texts = {
        ".off": off(square, [quad]),
        ".obj": "".join(f"v {x} {y} {z}\n" for x, y, z in square) + "f 1 2 3 4\n",
        ".ply": "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        + "".join(f"{x} {y} {z}\n" for x, y, z in square)
        + "4 0 1 2 3\n",
    }
    read = read_mesh(written(tmp_path, texts[suffix], f"a{suffix}"))
    assert names(read) == ["polygons", "open"]
    assert len(read.mesh.faces) == 2


def test_degenerate_triangles_are_dropped(tmp_path):
    corners = [*CUBE.vertices.tolist(), (9, 9, 9)]
    faces = [*CUBE.faces.tolist(), (0, 0, 1), (2, 2, 2), (8, 8, 8)]
    read = read_mesh(written(tmp_path, off(corners, faces)))
    assert names(read) == ["degenerate"]
    assert "3 triangles" in read.notes[0]
    assert (len(read.mesh.vertices), len(read.mesh.faces), read.closed) == (8, 12, True)


def test_an_open_mesh_is_told_and_kept(tmp_path):
    read = read_mesh(written(tmp_path, off(CUBE.vertices.tolist(), CUBE.faces[:-1].tolist())))
    assert names(read) == ["open"]
    assert not read.closed


def test_a_mesh_inside_out_is_turned_over(tmp_path):
    read = read_mesh(written(tmp_path, off(CUBE.vertices.tolist(), CUBE.faces[:, ::-1].tolist())))
    assert names(read) == ["inside out"]
    assert read.closed
    assert signed_volume(read.mesh.vertices, read.mesh.faces) == pytest.approx(6)


def test_a_mesh_far_away_is_moved_to_the_origin(tmp_path):
    read = read_mesh(written(tmp_path, off(np.add(CUBE.vertices, (5000, 0, 0)).tolist(), CUBE.faces.tolist())))
    assert names(read) == ["far"]
    np.testing.assert_allclose(np.abs(read.mesh.vertices), np.tile([0.5, 1, 1.5], (8, 1)), atol=1e-9)


def test_vertices_that_no_face_names_do_not_count(tmp_path):
    """Not even where they are not numbers, or would move the middle."""
    corners = [*CUBE.vertices.tolist(), (1e9, 0, 0), (float("nan"),) * 3]
    read = read_mesh(written(tmp_path, off(corners, CUBE.faces.tolist())))
    assert read.notes == ()
    assert len(read.mesh.vertices) == 8


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (off([(0, 0, 0), (1, 0, 0), (0, 1, 0)], []), "empty"),
        (off([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [(0, 1, 2)]), "empty"),
        (off([(0, 0, 0), (1, 0, 0), ("nan", 1, 0)], [(0, 1, 2)]), "nan"),
        (off([(0, 0, 0), (1, 0, 0), ("inf", 1, 0)], [(0, 1, 2)]), "nan"),
        (off([(1e9, 0, 0), (1e9 + 1, 0, 0), (1e9, 1, 0)], [(0, 1, 2)]), "lost"),
        (off([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 7)]), "unreadable|nan"),
        ("solid nothing here\n", "unreadable|empty"),
        ("", "unreadable|empty"),
    ],
)
def test_what_cannot_be_mended_is_refused_by_name(tmp_path, text, word):
    with pytest.raises(DataError, match=word) as caught:
        read_mesh(written(tmp_path, text))
    assert "a.off" in str(caught.value)


def test_what_is_not_a_mesh_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_mesh(tmp_path / "none.off")
    with pytest.raises(DataError, match=r"\.off \.obj \.ply \.stl"):
        read_mesh(written(tmp_path, "x", "a.txt"))


def blob(seed=0):
    vertices = np.random.default_rng(seed).uniform(-1, 3, (30, 3))
    return TriangleMesh(vertices, np.arange(30).reshape(-1, 3))


@pytest.mark.parametrize("centre", ["box", "centroid", "none"])
@pytest.mark.parametrize("radius", [1.0, 0.5])
def test_the_farthest_vertex_has_the_radius(centre, radius):
    placed = normalised(blob(), centre=centre, radius=radius)
    assert np.linalg.norm(placed.vertices, axis=1).max() == pytest.approx(radius)


@pytest.mark.parametrize("centre", ["box", "centroid"])
def test_shift_and_scale_of_the_file_do_not_matter(centre):
    mesh = blob()
    other = TriangleMesh(mesh.vertices * 7 + (3, -2, 9), mesh.faces)
    one, two = (normalised(each, centre=centre).vertices for each in (mesh, other))
    np.testing.assert_allclose(one, two, atol=1e-12)


def test_the_middle_of_the_box_comes_to_the_origin():
    vertices = normalised(blob(), centre="box").vertices
    np.testing.assert_allclose(vertices.min(axis=0), -vertices.max(axis=0), atol=1e-12)


def test_the_centroid_is_that_of_the_surface_not_of_the_vertices():
    """A large and a small triangle, middles 3 and 0, areas 8 and 2: the centroid is at (8 * 3 + 2 * 0) / 10 = 2.4."""
    vertices = np.array([(1, -1, 0), (1, -1, 0), (7, 2, 0), (-1, -1, 0), (0, 2, 0), (1, -1, 0)], dtype=np.float64)
    vertices[:3] = [(1, -1, 0), (4, 3, 0), (4, -7 / 3, 0)]
    faces = np.arange(6).reshape(2, 3)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    middle = (areas[:, None] * vertices[faces].mean(axis=1)).sum(axis=0) / areas.sum()
    placed = normalised(TriangleMesh(vertices, faces), centre="centroid")
    moved = vertices - middle
    np.testing.assert_allclose(placed.vertices, moved / np.linalg.norm(moved, axis=1).max(), atol=1e-12)


def test_y_up_becomes_z_up_with_the_front_at_minus_y():
    """In a file with y up the front is at +z: it comes to the side where the camera stands."""
    axes = TriangleMesh(np.eye(3), np.array([(0, 1, 2)]))
    assert normalised(axes, centre="none", up="y").vertices.tolist() == [[1, 0, 0], [0, 0, 1], [0, -1, 0]]


def test_a_stretch_keeps_the_radius_and_the_middle():
    mesh = normalised(blob(), centre="box")
    matrix = stretch_matrix(mesh, np.array([1.3, 0.8, 1.0]))
    stretched = mesh.moved(matrix).vertices
    assert np.linalg.norm(stretched, axis=1).max() == pytest.approx(1)
    np.testing.assert_allclose(stretched.min(axis=0), -stretched.max(axis=0), atol=1e-12)
    assert np.diag(matrix)[0] / np.diag(matrix)[1] == pytest.approx(1.3 / 0.8)
    np.testing.assert_allclose(stretch_matrix(mesh, np.full(3, 1.7)), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("factors", [(1, 1, 0), (1, -1, 1), (1, 1)])
def test_a_stretch_by_nothing_is_refused(factors):
    with pytest.raises(ValueError, match="above 0"):
        stretch_matrix(blob(), np.array(factors))


def test_moves_stand_one_before_the_other():
    first, second = np.diag([1.0, 2, 3]), np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    posed = PosedMesh(blob()).moved(first).moved(second)
    np.testing.assert_array_equal(posed.matrix, second @ first)
