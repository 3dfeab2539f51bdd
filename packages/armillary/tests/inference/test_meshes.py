"""Meshes from depth maps: frame, orientation, normals, texture coordinates."""

import math

import numpy as np
import pytest
import torch

from armillary.inference.meshes import CAMERA_TO_MESH, mesh_from_depth, vertex_normals
from armillary.kernels.cameras import back_project, intrinsics, rays

PLANE = torch.ones(1, 2, 2)
UNIT = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])  # one pixel is one unit wide at z = 1


def test_a_plane_of_four_pixels():
    """Worked out by hand: the pixels (0, 0), (1, 0), (0, 1), (1, 1) lie at x, y = -1/2, 1/2 and z = 1; y turns over, the
    middle of the depth is the origin. Texel centres are at 1/4 and 3/4. Seen from +z each triangle runs counter-clockwise.
    """
    mesh = mesh_from_depth(PLANE, torch.rand(3, 2, 2), UNIT)
    np.testing.assert_array_equal(mesh.vertices, [[-0.5, 0.5, 0], [0.5, 0.5, 0], [-0.5, -0.5, 0], [0.5, -0.5, 0]])
    np.testing.assert_array_equal(mesh.uv, [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    np.testing.assert_array_equal(mesh.faces, [[0, 2, 1], [1, 2, 3]])
    np.testing.assert_array_equal(mesh.normals, [[0, 0, 1]] * 4)
    assert (mesh.vertices.dtype, mesh.faces.dtype, mesh.texture.dtype) == (np.float32, np.int32, np.uint8)


def sphere(size=96, radius=0.06, z=1.05):
    """Depth of the front of a sphere, by the ray's quadratic equation, and where the ray meets it."""
    camera = intrinsics(math.radians(10.0), height=size, width=size, dtype=torch.float64)
    ray = rays(camera, height=size, width=size)
    a, half_b, c = ray.square().sum(-1), ray[..., 2] * z, z * z - radius * radius
    root = half_b.square() - a * c
    hit = root > 0
    depth = (half_b - root.clamp_min(0.0).sqrt()) / a
    return torch.where(hit, depth, math.nan)[None], hit[None], camera


def test_a_sphere_stays_a_sphere_with_its_normals():
    radius = 0.06
    depth, _, camera = sphere(radius=radius)
    mesh = mesh_from_depth(depth, torch.zeros(3, 96, 96), camera, centre=(0.0, 0.0, 1.05))
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), radius, rtol=1e-6)
    front = mesh.vertices[:, 2] > 0.5 * radius
    cosine = (mesh.normals * mesh.vertices).sum(axis=1)[front] / radius
    assert cosine.min() > math.cos(math.radians(3.0))
    assert (mesh.normals[:, 2] > 0).all()


def test_vertices_project_to_their_texture_coordinates(head):
    """Back in the camera's frame each vertex is seen at the pixel that its (u, v) names."""
    centre = np.array([0.0, 0.0, 1.0])
    mesh = mesh_from_depth(head.depth, head.albedo, head.camera, centre=(0.0, 0.0, 1.0))
    seen = (mesh.vertices * CAMERA_TO_MESH + centre) @ head.camera.double().numpy().T
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], mesh.uv * head.size - 0.5, atol=2e-4)


def test_colours_at_the_vertices_are_the_pixels(head):
    mesh = mesh_from_depth(head.depth, head.albedo, head.camera, max_slope=None)
    expected = np.rint(head.albedo.numpy() * 255).astype(np.uint8).reshape(3, -1).T
    np.testing.assert_array_equal(mesh.vertex_colours(), expected)


def test_a_finer_texture_covers_the_same_picture():
    """A texture of twice the size has the same (u, v), and a vertex lies between four texels."""
    texture = torch.arange(16.0).reshape(1, 4, 4).expand(3, 4, 4) / 255.0
    mesh = mesh_from_depth(PLANE, texture, UNIT)
    np.testing.assert_array_equal(mesh.uv, mesh_from_depth(PLANE, torch.zeros(3, 2, 2), UNIT).uv)
    np.testing.assert_array_equal(mesh.vertex_colours()[:, 0], np.rint([2.5, 4.5, 10.5, 12.5]))


def test_the_rotation_centre_becomes_the_origin(head):
    """By default the middle of the depth; another centre moves every vertex by the same."""
    default = mesh_from_depth(head.depth, head.albedo, head.camera, mask=head.mask)
    given = mesh_from_depth(head.depth, head.albedo, head.camera, mask=head.mask, centre=(0.01, 0.02, 1.0))
    assert default.vertices[:, 2].min() == pytest.approx(-default.vertices[:, 2].max(), abs=1e-7)
    nearest = float(head.depth.min())
    assert given.vertices[:, 2].max() == pytest.approx(1.0 - nearest, abs=1e-6)
    moved = default.vertices - given.vertices
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-6)
    np.testing.assert_allclose(moved[0, :2], [0.01, -0.02], atol=1e-6)


def test_the_mask_and_what_is_not_finite_leave_holes():
    depth = torch.ones(1, 3, 3)
    depth[0, 0, 0] = math.nan
    mask = torch.ones(1, 3, 3, dtype=torch.bool)
    mask[0, 2, 2] = False
    camera = torch.tensor([[1.0, 0, 1], [0, 1, 1], [0, 0, 1]])
    mesh = mesh_from_depth(depth, torch.zeros(3, 3, 3), camera, mask=mask)
    assert len(mesh.faces) == 6  # of 8, each corner had one triangle of its own
    assert len(mesh.vertices) == 7
    assert np.isfinite(mesh.vertices).all()


def test_a_step_is_a_tear():
    """Two planes a step of 100 widths apart; without a limit the step is bridged."""
    depth = torch.ones(1, 2, 4)
    depth[..., 2:] = 101.0
    camera = torch.tensor([[1.0, 0, 1.5], [0, 1, 0.5], [0, 0, 1]])
    torn = mesh_from_depth(depth, torch.zeros(3, 2, 4), camera)
    whole = mesh_from_depth(depth, torch.zeros(3, 2, 4), camera, max_slope=None)
    assert (len(torn.faces), len(whole.faces)) == (4, 6)


@pytest.mark.parametrize("tangent", [1.0, 5.0])
def test_slope_is_the_tangent_to_the_line_of_sight(tangent):
    """A plane z = 1 + tangent x, seen along the axis from far away, has the slope that it says."""
    camera = torch.tensor([[1e5, 0, 1], [0, 1e5, 1], [0, 0, 1]], dtype=torch.float64)
    x = (torch.arange(3, dtype=torch.float64) - 1) / 1e5
    depth = (1.0 / (1.0 - tangent * x)).expand(1, 3, 3)
    kept = [mesh_from_depth(depth, torch.zeros(3, 3, 3), camera, max_slope=tangent * 1.01)]
    assert len(kept[0].faces) == 8
    with pytest.raises(ValueError, match="the mesh is empty"):
        mesh_from_depth(depth, torch.zeros(3, 3, 3), camera, max_slope=tangent * 0.99)


def test_normals_of_nothing_face_the_viewer():
    """A vertex in no triangle, and one whose triangles cancel."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]])
    np.testing.assert_array_equal(vertex_normals(vertices, np.array([[0, 1, 2], [0, 2, 1]])), [[0, 0, 1]] * 4)


@pytest.mark.parametrize(
    ("depth", "texture"),
    [((2, 4, 4), (3, 4, 4)), ((4, 4), (3, 4, 4)), ((1, 4, 4), (1, 4, 4)), ((1, 4, 4), (1, 3, 4, 4))],
)
def test_other_shapes_are_refused(depth, texture):
    with pytest.raises(ValueError, match="are needed"):
        mesh_from_depth(torch.ones(depth), torch.ones(texture), UNIT)


def test_nothing_left_is_refused():
    with pytest.raises(ValueError, match="the mesh is empty"):
        mesh_from_depth(PLANE, torch.zeros(3, 2, 2), UNIT, mask=torch.zeros(1, 2, 2))


def test_no_shape_is_lost_in_an_oblong_picture():
    depth = torch.ones(1, 4, 6)
    mesh = mesh_from_depth(depth, torch.zeros(3, 4, 6), UNIT)
    points = back_project(depth, UNIT).reshape(-1, 3).numpy() * CAMERA_TO_MESH
    np.testing.assert_allclose(mesh.vertices[:, :2], points[:, :2])
    assert len(mesh.faces) == 2 * 3 * 5
