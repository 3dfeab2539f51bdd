"""The depth mesh against hand, against planes and spheres, against a slow loop over its faces, and against itself."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from armillary.kernels import cameras, depth_mesh, rotations, sampling
from armillary.kernels.depth_mesh import inverse_warp_grid, render_depth

BATCHES = [(), (5,), (2, 3)]
SIZES = [(16, 16), (12, 20), (21, 9)]
EYE = torch.eye(3, 4, dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def camera_of(height, width, *, fov=0.17453, dtype=torch.float64):
    return cameras.intrinsics(fov, height=height, width=width, dtype=dtype)


def smooth_depth(*batch, size, seed=0):
    coarse = torch.rand(math.prod(batch), 1, 4, 4, generator=generator(seed), dtype=torch.float64)
    fine = functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
    return 0.97 + 0.06 * fine.reshape(*batch, 1, *size)


def wild_depth(*batch, size, seed=0):
    return 0.9 + 0.2 * torch.rand(*batch, 1, *size, generator=generator(seed), dtype=torch.float64)


def draw_pose(*batch, seed=0, reach=0.5):
    angles = (torch.rand(*batch, 3, generator=generator(seed), dtype=torch.float64) * 2 - 1) * reach
    shift = (torch.rand(*batch, 3, generator=generator(seed + 1), dtype=torch.float64) * 2 - 1) * 0.01
    return about_object(angles, shift)


def about_object(angles, shift=(0.0, 0.0, 0.0)):
    angles, shift = (torch.as_tensor(x, dtype=torch.float64) for x in (angles, shift))
    centre = torch.tensor([0.0, 0, 1], dtype=torch.float64)
    return cameras.pose_about(rotations.rotation_from_euler_zyx(angles), shift, centre=centre)


def faces_of(height, width):
    """Pixels of the three vertices of each face, in the order that the module promises."""
    cells = [(i, j) for i in range(height - 1) for j in range(width - 1)]
    first = [((i, j), (i + 1, j), (i, j + 1)) for i, j in cells]
    second = [((i, j + 1), (i + 1, j), (i + 1, j + 1)) for i, j in cells]
    return first + second


def slow_render(depth, pose, camera, *, size=None, edge=1e-9):
    """One image by a loop over the faces: solve for the barycentrics of every pixel in the picture's plane."""
    rows, columns = size or depth.shape[-2:]
    points = cameras.transform_points(pose, cameras.back_project(depth, camera)).numpy()
    homogeneous = points @ camera.numpy().T
    y, x = np.mgrid[:rows, :columns]
    nearest = np.full((rows, columns), np.inf)
    for face in faces_of(*depth.shape[-2:]):
        corner = np.stack([homogeneous[v] for v in face])
        if (corner[:, 2] <= 0).any():
            continue
        matrix = np.vstack(((corner[:, :2] / corner[:, 2:]).T, np.ones(3)))
        if abs(np.linalg.det(matrix)) < 1e-12:
            continue
        weights = np.linalg.solve(matrix, np.stack((x, y, np.ones_like(x))).reshape(3, -1))
        z = 1 / (weights / corner[:, 2:]).sum(0)
        inside = (weights >= -edge).all(0)
        nearest = np.minimum(nearest, np.where(inside, z, np.inf).reshape(rows, columns))
    seen = np.isfinite(nearest)
    return torch.from_numpy(np.where(seen, nearest, 0.0))[None], torch.from_numpy(seen)[None]


def plane_depth(normal, distance, camera, size):
    rays = cameras.rays(camera, height=size[0], width=size[1])
    return (distance / (rays * normal).sum(-1))[None]


# --- golden -----------------------------------------------------------------------------------------------------------


def test_two_triangles_by_hand():
    """f = 1, c = 0. Depth [[1, 3], [1, 3]] moved by z - 0.5.

    Left vertices: X = 0, z = 0.5; right ones: X = 3, z = 2.5, all on the plane z = 0.5 + 2 X / 3. The ray through
    column 1 has X = z, so z = 1.5; through column 0, z = 0.5. Linear in the picture it would be 2.17 instead of 1.5.
    """
    depth = torch.tensor([[[1.0, 3.0], [1.0, 3.0]]], dtype=torch.float64)
    pose = EYE.clone()
    pose[2, 3] = -0.5
    found, seen = render_depth(depth, pose, torch.eye(3, dtype=torch.float64))
    expected = torch.tensor([[[0.5, 1.5], [0.5, 1.5]]], dtype=torch.float64)
    assert seen.all()
    torch.testing.assert_close(found, expected, atol=1e-15, rtol=0)


def test_twice_as_far_covers_half_as_much():
    """f = 1, c = 0. Vertices at 0, 1, 2 move from z = 1 to z = 2: pixels 0 and 1 are covered, 2 is not."""
    pose = EYE.clone()
    pose[2, 3] = 1.0
    found, seen = render_depth(torch.ones(1, 3, 3, dtype=torch.float64), pose, torch.eye(3, dtype=torch.float64))
    expected = torch.tensor([[2.0, 2, 0], [2, 2, 0], [0, 0, 0]], dtype=torch.float64)[None]
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    torch.testing.assert_close(seen, expected > 0)


def test_near_plate_hides_what_lies_behind_it():
    """A plate at z = 1 in front of a wall at z = 2; a step aside by 1 moves the plate by two pixels, the wall by one.

    f = 2, c = 0, so a shift of the camera by x = 1 is 2 / z pixels. In the row of the plate (columns 3 to 4 at first)
    it covers columns 5 to 6; column 7 is the wall again.
    """
    depth = torch.full((1, 5, 9), 2.0, dtype=torch.float64)
    depth[:, 1:4, 3:5] = 1.0
    camera = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 0, 1]], dtype=torch.float64)
    pose = EYE.clone()
    pose[0, 3] = 1.0
    found, seen = render_depth(depth, pose, camera)
    assert found[0, 2, 5:7].tolist() == [1, 1]
    assert found[0, 2, 7].item() == 2
    assert found[0, 2, 1].item() == 2
    assert seen[0, 2].tolist() == [False] + [True] * 8


def test_equally_near_faces_give_way_to_the_lower_number():
    """On a wall seen straight on every pixel is a vertex that up to six faces share; numbers by hand on 3 x 3."""
    depth = torch.ones(1, 3, 3)
    camera = camera_of(3, 3, dtype=torch.float32)
    points = cameras.back_project(depth, camera).movedim(-1, 0)[None]
    sound = torch.ones(1, 3, 3, dtype=torch.bool)
    found = depth_mesh._visible_faces(points, sound, camera[None], size=(3, 3))
    faces = faces_of(3, 3)
    expected = [min(k for k, face in enumerate(faces) if (i, j) in face) for i in range(3) for j in range(3)]
    assert found[0].tolist() == expected == [0, 0, 1, 0, 1, 3, 2, 3, 7]


# --- analytic scenes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (24, 40), (41, 17)])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 5e-7), (torch.float64, 1e-14)])
@pytest.mark.parametrize("seed", range(4))
def test_tilted_plane(size, dtype, error, seed):
    """A plane's mesh is the plane: n . x = c moves to (R n) . x = c + (R n) . t, everywhere in the picture.

    A pixel that an edge misses by a rounding takes the depth of the edge, which is exact to 1e-6 only; that is one in
    a hundred at most.
    """
    camera = camera_of(*size, fov=0.5)
    normal = torch.tensor([0.3, -0.4, 1.0], dtype=torch.float64)
    pose = draw_pose(seed=seed)
    depth = plane_depth(normal, 1.0, camera, size)
    moved = pose[:, :3] @ normal
    expected = plane_depth(moved, 1.0 + moved @ pose[:, 3], camera, size)
    found, seen = render_depth(depth.to(dtype), pose.to(dtype), camera.to(dtype))
    assert seen.double().mean() > 0.5
    errors = (found.double() - expected)[seen].abs()
    assert errors.max() <= 1e-6
    assert (errors <= error).double().mean() >= 0.99


def sphere_errors(size, pose):
    """Of a ball of radius 0.08 about z = 1, turned about its centre: it looks the same afterwards."""
    camera = camera_of(size, size)
    rays = cameras.rays(camera, height=size, width=size)
    centre, radius = torch.tensor([0.0, 0, 1], dtype=torch.float64), 0.08
    b, a = rays @ centre, rays.square().sum(-1)
    root = b.square() - a * (1 - radius**2)
    ball = root > 0
    depth = torch.where(ball, (b - root.clamp_min(0).sqrt()) / a, math.nan)[None]
    found, seen = render_depth(depth, pose, camera)
    grid = inverse_warp_grid(found, pose, camera)
    middle = seen & (rays[..., :2].norm(dim=-1) < 0.04) & (grid.norm(dim=-1) < 0.7)
    return (found - depth)[middle].abs().max().item(), middle.sum().item()


def test_sphere_converges_with_the_square_of_the_step():
    pose = about_object([0.2, 0.3, 0.4])
    errors, counts = zip(*(sphere_errors(size, pose) for size in (33, 65, 129)), strict=True)
    assert min(counts) > 100
    assert errors[2] < 2e-5
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.35)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.35)


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(2, 2), (2, 7), (3, 2), (64, 64), (33, 48), (5, 300)])
@pytest.mark.parametrize("scene", [smooth_depth, wild_depth])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identity_returns_the_depth_border_included(size, scene, dtype):
    depth = scene(3, size=size).to(dtype)
    found, seen = render_depth(depth, EYE.to(dtype), camera_of(*size, dtype=dtype))
    assert seen.all()
    torch.testing.assert_close(found, depth, atol=1e-6, rtol=0)


@pytest.mark.parametrize("fov", [0.02, 0.5, 2.5])
def test_identity_covers_every_pixel_for_narrow_and_wide_lenses(fov):
    depth = smooth_depth(2, size=(48, 64)).float()
    pose = cameras.compose_poses(draw_pose(seed=3), cameras.invert_pose(draw_pose(seed=3))).float()
    found, seen = render_depth(depth, pose, camera_of(48, 64, fov=fov, dtype=torch.float32))
    assert seen.all()
    torch.testing.assert_close(found, depth, atol=2e-6, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_each_item_of_a_batch_is_rendered_as_alone(batch):
    depth, pose = smooth_depth(*batch, size=(10, 13)), draw_pose(*batch)
    camera = camera_of(10, 13)
    found, seen = render_depth(depth, pose, camera)
    assert found.shape == seen.shape == (*batch, 1, 10, 13)
    for index in np.ndindex(*batch):
        alone, alone_seen = render_depth(depth[index], pose[index], camera)
        torch.testing.assert_close(found[index], alone, atol=1e-15, rtol=0)
        assert (seen[index] == alone_seen).all()


@pytest.mark.parametrize("scene", [smooth_depth, wild_depth])
def test_permuting_the_batch_permutes_value_and_gradient_bit_for_bit(scene):
    depth, pose, camera = scene(7, size=(14, 17)).float(), draw_pose(7).float(), camera_of(14, 17, dtype=torch.float32)
    weight = torch.randn(7, 1, 14, 17, generator=generator(5))
    order = torch.tensor([3, 6, 0, 5, 1, 4, 2])
    results = []
    for pick in (torch.arange(7), order):
        d, p = depth[pick].clone().requires_grad_(), pose[pick].clone().requires_grad_()
        found, seen = render_depth(d, p, camera)
        (found * weight[pick]).sum().backward()
        results.append((found.detach(), seen, d.grad, p.grad))
    for straight, permuted in zip(*results, strict=True):
        assert torch.equal(straight[order], permuted)


def test_two_runs_are_equal_bit_for_bit():
    """No addition whose order the threads decide."""
    depth, pose, camera = wild_depth(8, size=(40, 40)).float(), draw_pose(8).float(), camera_of(40, 40).float()
    results = []
    for _ in range(3):
        d = depth.clone().requires_grad_()
        found, _ = render_depth(d, pose, camera)
        found.square().sum().backward()
        results.append((found, d.grad))
    for found, gradient in results[1:]:
        assert torch.equal(found, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_blocks_change_nothing(monkeypatch):
    depth, pose, camera = wild_depth(3, size=(12, 12)).float(), draw_pose(3).float(), camera_of(12, 12).float()
    whole = render_depth(depth, pose, camera)
    monkeypatch.setitem(depth_mesh._CANDIDATES_PER_BLOCK, "cpu", 7)
    torch.testing.assert_close(render_depth(depth, pose, camera), whole, atol=0, rtol=0)


def test_change_of_unit_changes_the_unit_of_the_depth():
    depth, pose, camera = smooth_depth(2, size=(12, 15)), draw_pose(2), camera_of(12, 15)
    scaled = torch.cat((pose[..., :3], 8 * pose[..., 3:]), dim=-1)
    found, seen = render_depth(depth, pose, camera)
    found_scaled, seen_scaled = render_depth(8 * depth, scaled, camera)
    assert torch.equal(seen, seen_scaled)
    torch.testing.assert_close(8 * found, found_scaled, atol=1e-13, rtol=0)


def test_batches_broadcast():
    depth, pose, camera = smooth_depth(size=(8, 9)), draw_pose(4), camera_of(8, 9)
    found, _ = render_depth(depth, pose, camera)
    each, _ = render_depth(depth.expand(4, 1, 8, 9), pose, camera.expand(4, 3, 3))
    torch.testing.assert_close(found, each, atol=0, rtol=0)


# --- reference --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_smooth_scenes_equal_the_slow_loop(size, seed):
    depth, pose, camera = smooth_depth(size=size, seed=seed), draw_pose(seed=seed), camera_of(*size)
    expected, expected_seen = slow_render(depth, pose, camera)
    for dtype, error in ((torch.float64, 1e-13), (torch.float32, 1e-6)):
        found, seen = render_depth(depth.to(dtype), pose.to(dtype), camera.to(dtype))
        assert torch.equal(seen, expected_seen)
        assert (found.double() - expected).abs().max() <= error


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_wild_scenes_equal_the_slow_loop(size, seed):
    """Folded many times over: the nearest wins. Faces are steep enough to lift a rounding of the ray above 1e-6."""
    depth, pose, camera = wild_depth(size=size, seed=seed), draw_pose(seed=seed), camera_of(*size)
    expected, expected_seen = slow_render(depth, pose, camera)
    for dtype, error in ((torch.float64, 1e-5), (torch.float32, 2e-5)):
        found, seen = render_depth(depth.to(dtype), pose.to(dtype), camera.to(dtype))
        assert torch.equal(seen, expected_seen)
        errors = (found.double() - expected).abs()
        assert errors.max() <= error
        assert (errors > error / 10).double().mean() < 0.01


@pytest.mark.parametrize("size", [(9, 25), (30, 8)])
def test_another_size_than_the_mesh(size):
    depth, pose, camera = smooth_depth(size=(12, 14)), draw_pose(), camera_of(12, 14)
    found, seen = render_depth(depth, pose, camera, size=size)
    expected, expected_seen = slow_render(depth, pose, camera, size=size)
    assert torch.equal(seen, expected_seen)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)


def test_lens_with_skew_and_unequal_focal_lengths():
    camera = torch.tensor([[150.0, 9.0, 7.0], [0, 110.0, 4.0], [0, 0, 1]], dtype=torch.float64)
    depth, pose = smooth_depth(size=(12, 14)), draw_pose()
    found, seen = render_depth(depth, pose, camera)
    expected, expected_seen = slow_render(depth, pose, camera)
    assert torch.equal(seen, expected_seen)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_faces_behind_the_camera_are_dropped(seed):
    """Half of the mesh behind the camera: what is left equals the slow loop, which drops those faces too."""
    depth, camera = 1 + wild_depth(size=(12, 14), seed=seed), camera_of(12, 14, fov=1.5)
    pose = about_object([0.0, 1.2 + 0.2 * seed, 0.0], [0.0, 0.0, -1.5])
    z = cameras.transform_points(pose, cameras.back_project(depth, camera))[..., 2]
    assert (z < 0).any()
    assert (z > 0).any()
    found, seen = render_depth(depth, pose, camera)
    expected, expected_seen = slow_render(depth, pose, camera)
    assert torch.equal(seen, expected_seen)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


# --- gradient ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(6, 8), (9, 5)])
def test_gradient_equals_finite_differences_for_depth_pose_and_camera(size):
    depth = smooth_depth(2, size=size).requires_grad_()
    pose = draw_pose(2).requires_grad_()
    camera = camera_of(*size).repeat(2, 1, 1).requires_grad_()
    render = lambda d, p, k: render_depth(d, p, k)[0]
    assert torch.autograd.gradcheck(render, (depth, pose, camera), eps=1e-8, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scene", [smooth_depth, wild_depth])
def test_float32_equals_float64_in_depth_and_gradient(scene):
    """Turned by up to 0.6 rad about a point a unit away: depth to 1e-6 (1e-5 where neighbours differ by 0.2)."""
    size, results = (64, 64), []
    weight = torch.randn(4, 1, *size, generator=generator(8), dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        depth = scene(4, size=size).float().to(dtype).requires_grad_()
        pose = draw_pose(4, reach=0.6).float().to(dtype).requires_grad_()
        found, seen = render_depth(depth, pose, camera_of(*size).float().to(dtype))
        (found * weight.to(dtype)).sum().backward()
        results.append((found.detach().double(), seen, depth.grad.double(), pose.grad.double()))
    (found, seen, *gradients), (expected, expected_seen, *expected_gradients) = results
    assert torch.equal(seen, expected_seen)
    assert (found - expected).abs().max() <= (1e-6 if scene is smooth_depth else 1e-5)
    for single, double in zip(gradients, expected_gradients, strict=True):
        assert (single - double).abs().max() <= 1e-4 * double.abs().max()


def test_gradient_of_a_plane_to_its_distance():
    """Moved along z by t, a wall at d is seen at d + t: dz/dt = 1 at every pixel, and the weights of a face add to 1."""
    depth = torch.ones(1, 6, 7, dtype=torch.float64, requires_grad=True)
    pose = EYE.clone().requires_grad_()
    found, seen = render_depth(depth, pose, camera_of(6, 7))
    found.sum().backward()
    assert seen.all()
    assert pose.grad[2, 3].item() == pytest.approx(42)
    torch.testing.assert_close(depth.grad, torch.ones_like(depth), atol=1e-9, rtol=0)


def gradients_are_finite(depth, pose, camera):
    depth, pose = depth.clone().requires_grad_(), pose.clone().requires_grad_()
    camera = camera.clone().requires_grad_()
    found, seen = render_depth(depth, pose, camera)
    found.sum().backward()
    assert found.isfinite().all()
    assert (found[~seen] == 0).all()
    for gradient in (depth.grad, pose.grad, camera.grad):
        assert gradient.isfinite().all()
    return seen


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("turn", [math.pi / 2, math.pi / 2 - 1e-6, math.pi / 2 - 1e-3, math.pi, 2.0])
def test_faces_seen_edge_on_and_from_behind(turn, dtype):
    depth, camera = torch.ones(1, 9, 9, dtype=dtype), camera_of(9, 9, dtype=dtype)
    seen = gradients_are_finite(depth, about_object([0.0, turn, 0.0]).to(dtype), camera)
    assert seen.any() == (abs(turn - math.pi / 2) > 1e-5)  # a strip thinner than a rounding is not drawn
    gradients_are_finite(wild_depth(4, size=(9, 9)).to(dtype), about_object([turn, 0.1, turn]).to(dtype), camera)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slivers_stay_between_their_vertices(dtype):
    """Nearly edge-on meshes: whatever is drawn lies within the mesh's own range of depth."""
    for seed in range(20):
        pose = about_object([0.0, math.pi / 2 - 10.0 ** (-seed / 4), 0.0])
        depth = smooth_depth(size=(20, 20), seed=seed)
        z = cameras.transform_points(pose, cameras.back_project(depth, camera_of(20, 20)))[..., 2]
        found, seen = render_depth(depth.to(dtype), pose.to(dtype), camera_of(20, 20, dtype=dtype))
        assert seen.any()
        assert found[seen].min() >= z.min() - 1e-6
        assert found[seen].max() <= z.max() + 1e-6


def sliver():
    """A face a few roundings thin, and the pixel (0, 0) half a rounding outside of it; u, v, z of its vertices.

    Its long edge has depth 1 and its third vertex 2, so that its plane has depth 0.92 at the pixel.
    """
    width = depth_mesh._ROUNDINGS * torch.finfo(torch.float32).eps  # focal length and picture of one pixel
    return [-0.25, width / 2, 1.0], [-0.25, 3.5 * width, 2.0], [0.75, width / 2, 1.0]


def test_a_sliver_shows_its_edge_and_not_its_plane_beyond():
    """The picture stretched by (1, s) and shifted, s the height of the sliver, puts one face of four vertices there."""
    (left, top, _), (_, bottom, _), _ = sliver()
    depth = torch.tensor([[[1.0, 1.0], [2.0, 2.0]]], dtype=torch.float64)
    stretch = [[1.0, 0.0, left, 0.0], [0.0, bottom - top, top, 0.0], [0.0, 0.0, 1.0, 0.0]]
    stretch = torch.tensor(stretch, dtype=torch.float64).requires_grad_()
    found, seen = render_depth(depth, stretch, torch.eye(3, dtype=torch.float64), size=(1, 1))
    found.sum().backward()
    assert seen.all()
    assert found.item() == pytest.approx(1, abs=1e-12)
    assert stretch.grad.isfinite().all()


def test_a_sliver_hides_nothing_beside_it():
    """Rows of vertices (a, b), (c, d), (e, f): the sliver a c b, and d e f at depth 0.95 behind its plane but not it."""
    a, c, b = sliver()
    picture = torch.tensor([a, b, c, [-1.0, -1.0, 0.95], [1.0, -1.0, 0.95], [0.0, 2.0, 0.95]])
    points = torch.cat((picture[:, :2] * picture[:, 2:], picture[:, 2:]), dim=1).T.reshape(1, 3, 3, 2)
    sound = torch.ones(1, 3, 2, dtype=torch.bool)
    assert depth_mesh._visible_faces(points, sound, torch.eye(3)[None], size=(1, 1)).item() == 3
    points[0, 2, 1:, 1] = points[0, 2, 2, 0] = -1.0  # d, e and f behind the camera: the sliver is seen
    assert depth_mesh._visible_faces(points, sound, torch.eye(3)[None], size=(1, 1)).item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vertex_on_the_optical_axis(dtype):
    """Odd sizes: the middle pixel looks along the axis, x = y = 0 exactly."""
    camera = camera_of(9, 9, dtype=dtype)
    assert gradients_are_finite(wild_depth(3, size=(9, 9)).to(dtype), EYE.to(dtype), camera).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [-1.0, -0.95, -3.0])
def test_vertices_at_and_behind_the_camera(shift, dtype):
    pose = EYE.clone()
    pose[2, 3] = shift
    camera = camera_of(9, 9, dtype=dtype)
    depth = wild_depth(3, size=(9, 9)).to(dtype)
    depth[0, :, 4, 4] = -shift  # in the camera's centre
    seen = gradients_are_finite(depth, pose.to(dtype), camera)
    assert shift > -3 or not seen.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
def test_depths_of_any_magnitude(seed, dtype):
    """From a millionth to a million, neighbours alike or not: what is drawn lies within the mesh's range of depth."""
    exponent = torch.rand(1, 10, 10, generator=generator(seed), dtype=torch.float64) * 12 - 6
    depth, pose = (10**exponent).to(dtype), draw_pose(seed=seed).to(dtype)
    camera = camera_of(10, 10, fov=1.0, dtype=dtype)
    z = cameras.transform_points(pose, cameras.back_project(depth, camera))[..., 2]
    found, seen = render_depth(depth, pose, camera)
    gradients_are_finite(depth, pose, camera)
    assert seen.any()
    assert (found[seen] >= z[z > 0].min() * 0.999).all()
    assert (found[seen] <= z.max() * 1.001).all()


def test_a_vertex_almost_in_the_camera_hides_nothing():
    """Its pixel overflows; no key of such a face may look nearer than a real one."""
    depth = torch.ones(1, 9, 9)
    depth[0, 4, 4] = 1e-38
    found, seen = render_depth(depth, EYE.float(), camera_of(9, 9, dtype=torch.float32))
    outside = torch.ones(1, 9, 9, dtype=torch.bool)
    outside[0, 3:6, 3:6] = False
    assert seen[outside].all()
    assert (found[outside] == 1).all()
    assert found.isfinite().all()
    aside = torch.cat((EYE[:, :3], torch.tensor([[1e-3], [0.0], [0.0]])), dim=-1).float()
    found, _ = render_depth(depth, aside, camera_of(9, 9, dtype=torch.float32))
    assert found.isfinite().all()
    assert found.min() >= 0


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_face_too_large_for_float32_hides_nothing(side):
    """The square of its coordinates overflows and its depth is nan, of either sign: the face behind it is seen."""
    huge = 1e25
    a, c, b = [-huge, -side * huge, 1 / huge], [huge, -side * huge, 1 / huge], [0.0, side * huge, 1 / huge]
    picture = torch.tensor([a, b, c, [-1.0, -1.0, 0.95], [1.0, -1.0, 0.95], [0.0, 2.0, 0.95]])
    points = torch.cat((picture[:, :2] * picture[:, 2:], picture[:, 2:]), dim=1).T.reshape(1, 3, 3, 2)
    sound = torch.ones(1, 3, 2, dtype=torch.bool)
    assert depth_mesh._visible_faces(points, sound, torch.eye(3)[None], size=(1, 1)).item() == 3


def test_an_empty_batch_is_an_empty_picture():
    found, seen = render_depth(torch.ones(0, 1, 4, 5), torch.eye(3, 4), torch.eye(3))
    assert found.shape == seen.shape == (0, 1, 4, 5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_pixel_that_is_not_finite_takes_its_faces_only(bad):
    depth = smooth_depth(size=(7, 7))
    depth[0, 3, 3] = bad
    seen = gradients_are_finite(depth, EYE, camera_of(7, 7))
    expected = torch.ones(1, 7, 7, dtype=torch.bool)
    expected[0, 3, 3] = False
    assert torch.equal(seen, expected)


def test_what_is_not_seen_has_no_gradient():
    depth = smooth_depth(size=(8, 8)).requires_grad_()
    pose = EYE.clone()
    pose[0, 3] = 5.0
    found, seen = render_depth(depth, pose, camera_of(8, 8))
    found.sum().backward()
    assert not seen.any()
    assert (depth.grad == 0).all()


# --- inverse warp -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("size", [(8, 8), (6, 11)])
def test_identity_warps_to_the_identity_grid(batch, size):
    depth = smooth_depth(*batch, size=size)
    grid = inverse_warp_grid(depth, EYE.expand(*batch, 3, 4), camera_of(*size))
    expected = sampling.identity_grid(*size, dtype=torch.float64).expand(*batch, *size, 2)
    torch.testing.assert_close(grid, expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_warp_is_back_projection_inverse_pose_and_projection(batch):
    pose, camera = draw_pose(*batch), camera_of(9, 12)
    depth, seen = render_depth(smooth_depth(*batch, size=(9, 12)), pose, camera)
    points = cameras.transform_points(cameras.invert_pose(pose), cameras.back_project(depth, camera))
    expected = sampling.pixels_to_grid(cameras.project(points, camera)[0], height=9, width=12)
    expected = torch.where(seen.squeeze(-3)[..., None], expected, -2.0)
    torch.testing.assert_close(inverse_warp_grid(depth, pose, camera), expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_painted_on_a_plane_is_found_again(seed):
    """The canonical position of a point of the plane, read through the grid, is where the grid says."""
    size = (24, 31)
    camera, pose = camera_of(*size, fov=0.4), draw_pose(seed=seed, reach=0.3)
    normal = torch.tensor([0.2, -0.3, 1.0], dtype=torch.float64)
    depth, seen = render_depth(plane_depth(normal, 1.0, camera, size), pose, camera)
    grid = inverse_warp_grid(depth, pose, camera)
    # 1/z is affine over the picture of a plane, so that bilinear reading is exact.
    inverse_depth = sampling.sample(1 / plane_depth(normal, 1.0, camera, size), grid)
    points = cameras.transform_points(cameras.invert_pose(pose), cameras.back_project(depth, camera))
    torch.testing.assert_close(inverse_depth[seen], 1 / points[..., 2][seen[0]], atol=1e-11, rtol=0)


def test_warp_to_a_picture_of_another_size():
    """A canonical view of 5 x 7 drawn on 9 x 9: pixel (2, 3) is its centre."""
    grid = inverse_warp_grid(torch.ones(1, 9, 9, dtype=torch.float64), EYE, camera_of(5, 7), size=(5, 7))
    torch.testing.assert_close(grid[2, 3], torch.zeros(2, dtype=torch.float64), atol=1e-14, rtol=0)
    torch.testing.assert_close(grid[4, 6], torch.ones(2, dtype=torch.float64), atol=1e-14, rtol=0)


def test_what_is_not_seen_reads_zero_without_gradient():
    depth = torch.ones(1, 4, 4, dtype=torch.float64)
    depth[0, 1, 1], depth[0, 2, 2] = 0.0, 5.0
    depth.requires_grad_()
    pose = EYE.clone()
    pose[2, 3] = 2.0  # what is nearer than 2 was behind the canonical camera
    grid = inverse_warp_grid(depth, pose, camera_of(4, 4))
    picture = sampling.sample(torch.ones(1, 4, 4, dtype=torch.float64), grid)
    grid.square().sum().backward()
    seen = torch.zeros(4, 4, dtype=torch.bool)
    seen[2, 2] = True
    assert (grid[~seen] == -2).all()
    assert (picture[0][~seen] == 0).all()
    assert depth.grad.isfinite().all()
    assert (depth.grad[0][~seen] == 0).all()


def test_gradient_of_the_warp():
    depth = smooth_depth(2, size=(5, 6)).requires_grad_()
    pose, camera = draw_pose(2).requires_grad_(), camera_of(5, 6).repeat(2, 1, 1).requires_grad_()
    assert torch.autograd.gradcheck(inverse_warp_grid, (depth, pose, camera), atol=1e-4)


# --- refusal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [render_depth, inverse_warp_grid])
@pytest.mark.parametrize(
    ("depth", "pose", "camera", "message"),
    [
        (torch.ones(4, 4), torch.eye(3, 4), torch.eye(3), "depth must be"),
        (torch.ones(2, 4, 4), torch.eye(3, 4), torch.eye(3), "depth must be"),
        (torch.ones(1, 4, 4), torch.eye(4), torch.eye(3), "pose must be"),
        (torch.ones(1, 4, 4), torch.eye(3, 4), torch.eye(4), "camera must be"),
        (torch.ones(1, 4, 4), torch.eye(3, 4), torch.eye(3).double(), "float32 or all float64"),
        (torch.ones(1, 4, 4).half(), torch.eye(3, 4).half(), torch.eye(3).half(), "float32 or all float64"),
    ],
)
def test_refuses(call, depth, pose, camera, message):
    with pytest.raises(ValueError, match=message):
        call(depth, pose, camera)


@pytest.mark.parametrize("size", [(1, 5), (5, 1)])
def test_a_mesh_without_cells_is_refused(size):
    with pytest.raises(ValueError, match="two rows and two columns"):
        render_depth(torch.ones(1, *size), torch.eye(3, 4), torch.eye(3))


# --- device -----------------------------------------------------------------------------------------------------------


@pytest.mark.cuda
def test_cuda_equals_the_cpu():
    depth, pose, camera = smooth_depth(4, size=(32, 32)).float(), draw_pose(4).float(), camera_of(32, 32).float()
    results = []
    for device in ("cpu", "cuda"):
        d, p = depth.detach().to(device).requires_grad_(), pose.detach().to(device).requires_grad_()
        found, seen = render_depth(d, p, camera.to(device))
        found.square().sum().backward()
        results.append([x.detach().cpu() for x in (found, seen.float(), d.grad, p.grad)])
    for cpu, cuda in zip(*results, strict=True):
        torch.testing.assert_close(cuda, cpu, atol=1e-4 * cpu.abs().max().item(), rtol=0)
