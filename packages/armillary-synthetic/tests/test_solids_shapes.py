"""Each kind is closed, varied, and stands in its frame so that no rotation but the identity takes it to itself."""

import itertools

import numpy as np
import pytest

from armillary.kernels.mesh_pictures import Studio, take_picture
from armillary.kernels.triangle_mesh import TriangleMesh, is_closed, signed_volume
from armillary_synthetic.solids_shapes import KINDS, Traits


def solid(kind, seed=0, variation=1.0):
    mesh = KINDS[kind](Traits(np.random.default_rng(seed), variation=variation))
    vertices = mesh.vertices - (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    return TriangleMesh(vertices / np.linalg.norm(vertices, axis=1).max(), mesh.faces)


def cube_rotations():
    """The 24 rotations of a cube."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                yield matrix


def outlines(mesh, matrix):
    """What is covered, seen from the front, from above and from a side: orthographic, [3, size, size]."""
    studio = Studio(size=40, fov=0.0, samples=1)
    views = (np.eye(3), np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    return np.stack([take_picture(mesh, studio, matrix=view @ matrix, closed=True).grey for view in views])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_closed_and_outwards(kind, seed):
    mesh = solid(kind, seed)
    assert is_closed(mesh.faces)
    assert signed_volume(mesh.vertices, mesh.faces) > 0
    assert 200 <= len(mesh.faces) <= 2000


@pytest.mark.parametrize("kind", KINDS)
def test_no_turn_takes_a_solid_to_itself(kind):
    """Its pictures after each of the other 23 turns of a cube differ by more than those of another solid of its kind."""
    mesh = solid(kind)
    upright = outlines(mesh, np.eye(3))
    turned = [np.abs(outlines(mesh, turn) - upright).mean() for turn in cube_rotations() if np.trace(turn) < 3]
    assert len(turned) == 23
    assert min(turned) > 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_solids_of_a_kind_stand_the_same_way(kind):
    """Of all 24 turns of the others of its kind none looks more like the first, on the mean, than the identity."""
    first, others = outlines(solid(kind, 0), np.eye(3)), [solid(kind, seed) for seed in range(1, 6)]
    errors = [
        (np.mean([np.abs(outlines(other, turn) - first).mean() for other in others]), np.trace(turn))
        for turn in cube_rotations()
    ]
    assert min(errors)[1] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_solids_of_a_kind_differ_and_without_variation_they_do_not(kind):
    pictures = [outlines(solid(kind, seed), np.eye(3)) for seed in range(4)]
    assert min(np.abs(a - b).mean() for a, b in itertools.combinations(pictures, 2)) > 0.002
    one, other = (solid(kind, seed, variation=0.0) for seed in (1, 2))
    np.testing.assert_array_equal(one.vertices, other.vertices)


def test_the_handle_of_a_mug_is_on_the_side_of_x():
    """At the end of +x there is a thin bow, at that of -x the wall, from top to bottom."""
    vertices = solid("mug").vertices
    ends = [vertices[vertices[:, 0] * side > 0.9 * (vertices[:, 0] * side).max()] for side in (1, -1)]
    assert np.ptp(ends[0][:, 2]) < 0.7 * np.ptp(ends[1][:, 2])


def test_the_nose_of_an_aeroplane_is_in_front_and_its_fin_behind_and_above():
    vertices = solid("aeroplane").vertices
    assert vertices[np.argmax(vertices[:, 2]), 1] > 0.5 * vertices[:, 1].max()


def test_a_trait_does_not_move_the_others():
    """The same draws whatever the variation: the generator stands at the same place afterwards."""
    ends = []
    for variation in (0.0, 1.0):
        generator = np.random.default_rng(0)
        KINDS["aeroplane"](Traits(generator, variation=variation))
        ends.append(generator.random())
    assert ends[0] == ends[1]
