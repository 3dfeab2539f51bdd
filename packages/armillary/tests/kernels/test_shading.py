"""Analytic normals of planes and spheres, the cross product as reference, Lambert by hand, refusals."""

import math

import pytest
import torch

from armillary.kernels import cameras, shading

BATCHES = [(), (5,), (2, 3)]


def camera_of(height, width, dtype=torch.float64, fov=0.6, skew=0.0):
    camera = cameras.intrinsics(fov, height=height, width=width, dtype=dtype)
    camera[0, 1] = skew
    return camera


def plane(normal, distance, camera, height, width):
    """Depth of the points x with n . x = distance."""
    rays = cameras.rays(camera, height=height, width=width)
    return (distance / (rays * normal).sum(-1))[None]


def random_depth(*batch, height=7, width=9, seed=0):
    return 1 + 0.1 * torch.rand(
        *batch, 1, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def test_a_wall_faces_the_viewer():
    normals = shading.normals_from_depth(torch.full((1, 4, 5), 2.0), camera_of(4, 5, torch.float32))
    torch.testing.assert_close(normals, torch.tensor([0.0, 0, -1])[:, None, None].expand(3, 4, 5), atol=0, rtol=0)


@pytest.mark.parametrize("skew", [0.0, 2.0])
def test_normals_of_a_plane_are_exact_border_included(skew):
    camera = camera_of(6, 8, skew=skew)
    normal = torch.tensor([0.4, -0.3, 1.0], dtype=torch.float64)
    normal = normal / normal.norm()
    found = shading.normals_from_depth(plane(normal, 1.3, camera, 6, 8), camera)
    torch.testing.assert_close(found, -normal[:, None, None].expand(3, 6, 8), atol=1e-14, rtol=0)


def test_a_floor_that_falls_away_has_a_normal_up():
    """y down: a floor below the camera, n . x = y = 1, has its normal up, (0, -1, 0)."""
    camera = camera_of(4, 4)
    camera[1, 2] = -3.0  # looks at rows below the horizon only
    depth = plane(torch.tensor([0.0, 1, 0], dtype=torch.float64), 1.0, camera, 4, 4)
    found = shading.normals_from_depth(depth, camera)
    torch.testing.assert_close(found[:, 1, 1], torch.tensor([0.0, -1, 0], dtype=torch.float64), atol=1e-13, rtol=0)


def sphere_error(size):
    camera = camera_of(size, size, fov=0.2)
    rays = cameras.rays(camera, height=size, width=size)
    centre, radius = torch.tensor([0.0, 0, 2.0], dtype=torch.float64), 0.5
    b, a = (rays * centre).sum(-1), rays.square().sum(-1)
    depth = (b - (b.square() - a * (centre.square().sum() - radius**2)).sqrt()) / a
    exact = ((depth[..., None] * rays - centre) / radius).movedim(-1, 0)
    found = shading.normals_from_depth(depth[None], camera)
    return (found - exact)[:, 1:-1, 1:-1].norm(dim=0).max().item()


def test_normals_of_a_sphere_converge_with_the_square_of_the_step():
    errors = [sphere_error(size) for size in (16, 31, 61)]
    assert errors[-1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("skew", [0.0, 2.0])
def test_normals_are_the_cross_product_of_central_differences(batch, skew):
    depth, camera = random_depth(*batch), camera_of(7, 9, skew=skew)
    points = cameras.back_project(depth, camera)
    right = points[..., 1:-1, 2:, :] - points[..., 1:-1, :-2, :]
    down = points[..., 2:, 1:-1, :] - points[..., :-2, 1:-1, :]
    expected = torch.nn.functional.normalize(torch.linalg.cross(down, right), dim=-1).movedim(-1, -3)
    found = shading.normals_from_depth(depth, camera)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected, atol=1e-13, rtol=0)
    torch.testing.assert_close(found.norm(dim=-3), torch.ones_like(found[..., 0, :, :]), atol=1e-14, rtol=0)


def test_normals_face_the_viewer():
    depth, camera = random_depth(4), camera_of(7, 9)
    rays = cameras.rays(camera, height=7, width=9).movedim(-1, 0)
    assert ((shading.normals_from_depth(depth, camera) * rays).sum(-3) < 0).all()


def test_change_of_unit_changes_no_normal():
    depth, camera = random_depth(2), camera_of(7, 9)
    torch.testing.assert_close(
        shading.normals_from_depth(depth, camera), shading.normals_from_depth(depth * 3, camera), atol=1e-14, rtol=0
    )


def test_flat_border_touches_the_border_only():
    depth, camera = random_depth(2), camera_of(7, 9)
    flat = shading.normals_from_depth(depth, camera, flat_border=True)
    free = shading.normals_from_depth(depth, camera)
    torch.testing.assert_close(flat[..., 1:-1, 1:-1], free[..., 1:-1, 1:-1], atol=0, rtol=0)
    for edge in (flat[..., 0, :], flat[..., -1, :], flat[..., 0], flat[..., -1]):
        assert (edge[:, 2] == -1).all()
        assert (edge[:, :2] == 0).all()


def test_lambert_by_hand():
    """Normal (0, 0, -1), light at 60 degrees from it: 0.2 + 0.5 * cos 60 = 0.45; light from behind: ambient only."""
    normals = torch.tensor([0.0, 0, -1])[:, None, None].expand(3, 2, 2)
    slanted = torch.tensor([0.2, 0.5, math.sin(math.pi / 3), 0.0, -0.5])
    torch.testing.assert_close(shading.lambert(normals, slanted), torch.full((1, 2, 2), 0.45))
    behind = torch.tensor([0.2, 0.5, 0.0, 0.0, 1.0])
    torch.testing.assert_close(shading.lambert(normals, behind), torch.full((1, 2, 2), 0.2))


@pytest.mark.parametrize("batch", BATCHES)
def test_lambert_is_linear_in_both_strengths(batch):
    normals = shading.normals_from_depth(random_depth(*batch), camera_of(7, 9))
    light = torch.rand(*batch, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 0.5
    doubled = torch.cat((2 * light[..., :2], light[..., 2:]), dim=-1)
    torch.testing.assert_close(shading.lambert(normals, doubled), 2 * shading.lambert(normals, light))


def test_gradients():
    depth = random_depth(2, height=4, width=5).requires_grad_()
    camera = camera_of(4, 5, skew=1.0).expand(2, 3, 3).clone().requires_grad_()
    light = torch.tensor(
        [[0.3, 0.6, 0.1, 0.2, -0.9], [0.2, 0.5, -0.3, 0.1, -0.9]], dtype=torch.float64
    ).requires_grad_()
    shade = lambda d, k, l: shading.lambert(shading.normals_from_depth(d, k), l)
    assert torch.autograd.gradcheck(shade, (depth, camera, light))


@pytest.mark.parametrize(
    "call",
    [
        lambda: shading.normals_from_depth(torch.ones(3, 4, 4), torch.eye(3)),
        lambda: shading.normals_from_depth(torch.ones(1, 1, 4), torch.eye(3)),
        lambda: shading.normals_from_depth(torch.ones(1, 4, 4), torch.eye(2)),
        lambda: shading.lambert(torch.ones(2, 4, 4), torch.ones(5)),
        lambda: shading.lambert(torch.ones(3, 4, 4), torch.ones(4)),
    ],
)
def test_refuses(call):
    with pytest.raises(ValueError, match=r"must|need"):
        call()
