"""Values by hand, round trips, group laws of poses, refusals."""

import math

import pytest
import torch

from armillary.kernels import cameras, rotations

BATCHES = [(), (5,), (2, 3)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def skewed_camera(*batch):
    camera = torch.tensor([[50.0, 1.5, 14.0], [0.0, 40.0, 9.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return camera.expand(*batch, 3, 3)


def draw_pose(*batch, seed=0):
    r = rotations.random_rotation(*batch, generator=generator(seed), dtype=torch.float64)
    t = torch.randn(*batch, 3, 1, generator=generator(seed + 1), dtype=torch.float64)
    return torch.cat((r, t), dim=-1)


def test_focal_lengths_of_the_papers():
    """Unsup3D: 63 / 2 / tan 5 degrees = 360.0466; Photo-geometric: 64 / 2 / tan 12.5 degrees = 144.3427."""
    corners = cameras.intrinsics(math.radians(10), height=64, width=64, dtype=torch.float64)
    edges = cameras.intrinsics(math.radians(25), height=64, width=64, focal="edges", dtype=torch.float64)
    assert corners[0, 0].item() == pytest.approx(360.0466, abs=5e-5)
    assert edges[0, 0].item() == pytest.approx(144.3427, abs=5e-5)
    assert corners[0, 2] == corners[1, 2] == 31.5


def test_corner_pixel_sees_half_the_angle():
    camera = cameras.intrinsics(0.5, height=9, width=17, dtype=torch.float64)
    ray = cameras.rays(camera, height=9, width=17)
    assert ray[4, 0].tolist() == pytest.approx([-math.tan(0.25), 0, 1])
    assert ray[4, 16].tolist() == pytest.approx([math.tan(0.25), 0, 1])


def test_principal_point_of_a_wide_image_is_its_centre():
    camera = cameras.intrinsics(0.5, height=4, width=7)
    assert camera[0, 2] == 3
    assert camera[1, 2] == 1.5
    assert camera[0, 0] == camera[1, 1]


def test_pixel_coordinates_are_x_then_y():
    grid = cameras.pixel_coordinates(2, 3)
    assert grid[1, 2].tolist() == [2, 1]
    assert grid.shape == (2, 3, 2)


def test_back_projection_by_hand():
    """f = 2, c = (1, 0): pixel (3, 4) at depth 5 is x = (3 - 1) / 2 * 5 = 5, y = 4 / 2 * 5 = 10."""
    camera = torch.tensor([[2.0, 0, 1], [0, 2, 0], [0, 0, 1]])
    points = cameras.back_project(torch.full((1, 5, 4), 5.0), camera)
    assert points[4, 3].tolist() == [5, 10, 5]


@pytest.mark.parametrize("batch", BATCHES)
def test_projection_inverts_back_projection(batch):
    depth = 1 + torch.rand(*batch, 1, 6, 8, generator=generator(), dtype=torch.float64)
    camera = skewed_camera(*batch)
    pixels, z = cameras.project(cameras.back_project(depth, camera), camera)
    expected = cameras.pixel_coordinates(6, 8, dtype=torch.float64).expand(*batch, 6, 8, 2)
    torch.testing.assert_close(pixels, expected, atol=1e-13, rtol=0)
    torch.testing.assert_close(z, depth[..., 0, :, :], atol=0, rtol=0)


def test_inverse_intrinsics_are_the_inverse():
    camera = skewed_camera(3)
    torch.testing.assert_close(cameras.invert_intrinsics(camera), torch.linalg.inv(camera), atol=1e-15, rtol=0)


def test_one_camera_serves_a_batch():
    depth = 1 + torch.rand(4, 1, 6, 8, generator=generator(), dtype=torch.float64)
    one, many = skewed_camera(), skewed_camera(4)
    torch.testing.assert_close(cameras.back_project(depth, one), cameras.back_project(depth, many), atol=0, rtol=0)


@pytest.mark.parametrize("z", [0.0, -1.0])
def test_points_behind_the_camera_have_finite_pixels_and_gradients(z):
    points = torch.tensor([[0.3, 0.2, z]], dtype=torch.float64, requires_grad=True)
    pixels, depth = cameras.project(points, skewed_camera())
    pixels.sum().backward()
    assert depth.item() == z
    assert pixels.isfinite().all()
    assert points.grad.isfinite().all()
    assert points.grad[0, 2] == 0


@pytest.mark.parametrize("batch", BATCHES)
def test_poses_form_a_group(batch):
    a, b, c = (draw_pose(*batch, seed=s) for s in (0, 10, 20))
    eye = torch.eye(3, 4, dtype=torch.float64).expand(*batch, 3, 4)
    close = {"atol": 1e-14, "rtol": 0}
    torch.testing.assert_close(cameras.compose_poses(a, cameras.invert_pose(a)), eye, **close)
    torch.testing.assert_close(cameras.compose_poses(cameras.invert_pose(a), a), eye, **close)
    torch.testing.assert_close(cameras.compose_poses(eye, a), a, **close)
    left = cameras.compose_poses(cameras.compose_poses(a, b), c)
    torch.testing.assert_close(left, cameras.compose_poses(a, cameras.compose_poses(b, c)), **close)


@pytest.mark.parametrize("batch", BATCHES)
def test_composition_acts_from_the_right(batch):
    a, b = draw_pose(*batch), draw_pose(*batch, seed=7)
    points = torch.randn(*batch, 3, 4, 3, generator=generator(), dtype=torch.float64)
    both = cameras.transform_points(cameras.compose_poses(a, b), points)
    one_by_one = cameras.transform_points(a, cameras.transform_points(b, points))
    torch.testing.assert_close(both, one_by_one, atol=1e-13, rtol=0)


def test_transform_acts_on_columns():
    pose, point = draw_pose(), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(cameras.transform_points(pose, point), pose[:, :3] @ point + pose[:, 3])


def test_a_turn_about_a_centre_keeps_the_centre():
    r = rotations.random_rotation(5, generator=generator(), dtype=torch.float64)
    centre = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    shift = torch.tensor([0.3, 0.0, -0.2], dtype=torch.float64)
    pose = cameras.pose_about(r, shift, centre=centre)
    moved = cameras.transform_points(pose, centre.expand(5, 1, 3))
    torch.testing.assert_close(moved, (centre + shift).expand(5, 1, 3), atol=1e-15, rtol=0)
    torch.testing.assert_close(pose[:, :, :3], r, atol=0, rtol=0)


def test_gradients():
    depth = (1 + torch.rand(2, 1, 3, 4, generator=generator(), dtype=torch.float64)).requires_grad_()
    camera = skewed_camera(2).clone().requires_grad_()
    pose = draw_pose(2).requires_grad_()

    def chain(depth, camera, pose):
        points = cameras.transform_points(pose, cameras.back_project(depth, camera))
        return cameras.project(points + torch.tensor([0, 0, 9.0], dtype=torch.float64), camera)[0]

    assert torch.autograd.gradcheck(chain, (depth, camera, pose))


@pytest.mark.parametrize(
    "call",
    [
        lambda: cameras.intrinsics(0.0, height=4, width=4),
        lambda: cameras.intrinsics(math.pi, height=4, width=4),
        lambda: cameras.intrinsics(1.0, height=4, width=4, focal="centre"),
        lambda: cameras.back_project(torch.ones(2, 4, 4), torch.eye(3)),
        lambda: cameras.back_project(torch.ones(1, 4, 4), torch.eye(4)),
        lambda: cameras.project(torch.ones(5, 2), torch.eye(3)),
        lambda: cameras.transform_points(torch.eye(4), torch.ones(5, 3)),
        lambda: cameras.transform_points(torch.eye(3, 4), torch.ones(5, 4)),
        lambda: cameras.invert_pose(torch.eye(4)),
        lambda: cameras.compose_poses(torch.eye(3, 4), torch.eye(3)),
    ],
)
def test_refuses(call):
    with pytest.raises(ValueError, match="must"):
        call()
