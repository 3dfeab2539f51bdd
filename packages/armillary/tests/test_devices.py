"""Kernels and layers on the sphere return the same on every device: values and gradients, for inputs away from singular points."""

import math

import pytest
import torch

from armillary.kernels import cameras, points, procrustes, rotations, sampling, shading
from armillary.kernels.depth_mesh import inverse_warp_grid, render_depth
from armillary.nn.spheres import (
    alignment,
    convolution,
    correlation,
    grids,
    harmonics,
    interchange,
    rotation,
    transforms,
)


def draw(*shape, low=-1.0, high=1.0, seed=0):
    return low + (high - low) * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bowl(batch, size):
    """A smooth surface at a depth of 1, another one for each item: no pixel is near the edge of a face of another depth."""
    y, x = torch.meshgrid(*(2 * [torch.linspace(-1, 1, size, dtype=torch.float64)]), indexing="ij")
    return 1 + 0.05 * (x.square() + y.square()) * draw(batch, 1, 1, 1, low=0.5)


VECTORS = normal(5, 3)
TURNS = rotations.exp_map(VECTORS)
CAMERA = cameras.intrinsics(0.5, height=8, width=8, dtype=torch.float64)
POSE = cameras.pose_about(rotations.exp_map(0.1 * VECTORS[:2]), 0.01 * VECTORS[2:4], centre=torch.tensor([0.0, 0, 1]))
GRID = grids.soft(4)
TWO = (normal(2, 3, 16), normal(2, 3, 16, seed=1))

KERNELS = {
    "rays": (lambda k: cameras.rays(k, height=4, width=5), CAMERA),
    "back_project": (cameras.back_project, bowl(2, 8), CAMERA),
    "project": (cameras.project, VECTORS + torch.tensor([0.0, 0, 4]), CAMERA),
    "transform_points": (cameras.transform_points, POSE, normal(2, 7, 3)),
    "compose_poses": (lambda a: cameras.compose_poses(cameras.invert_pose(a), a[:1]), POSE),
    "render_depth": (render_depth, bowl(2, 8), POSE, CAMERA),
    "inverse_warp_grid": (inverse_warp_grid, bowl(2, 8), POSE, CAMERA),
    "soft_argmax": (points.soft_argmax, normal(2, 3, 6, 7)),
    "argmax_positions": (points.argmax_positions, normal(2, 3, 6, 7)),
    "values_at": (points.values_at, normal(2, 3, 6, 7), draw(2, 4, 2, low=-0.9, high=0.9)),
    "similarity": (procrustes.similarity, normal(2, 9, 3), normal(2, 9, 3, seed=1)),
    "aligned": (procrustes.aligned, normal(2, 9, 3), normal(2, 9, 3, seed=1)),
    "exp_map": (rotations.exp_map, VECTORS),
    "log_map": (rotations.log_map, TURNS),
    "rotation_from_euler_zyx": (rotations.rotation_from_euler_zyx, VECTORS),
    "euler_zyx_from_rotation": (rotations.euler_zyx_from_rotation, TURNS),
    "geodesic_angle": (rotations.geodesic_angle, TURNS, TURNS.flip(0)[:1]),
    "gram_schmidt": (rotations.gram_schmidt, VECTORS, VECTORS.roll(1, -1)),
    "quaternions": (
        lambda r: rotations.rotation_from_unit_quaternion_wxyz(rotations.unit_quaternion_wxyz_from_rotation(r)),
        TURNS,
    ),
    "sample": (sampling.sample, normal(2, 3, 6, 7), draw(2, 4, 5, 2, low=-0.9, high=0.9)),
    "normals_from_depth": (shading.normals_from_depth, bowl(2, 8), CAMERA),
    "lambert": (shading.lambert, normal(2, 3, 4, 4), torch.tensor([0.3, 0.7, 0.36, 0.48, -0.8])),
}
SPHERES = {
    "quadrature": (lambda x: grids.integrate(x, grid=GRID), normal(2, 8, 8)),
    "harmonics": (
        lambda x: harmonics.spherical_harmonics(torch.nn.functional.normalize(x, dim=-1), bandwidth=4),
        VECTORS,
    ),
    "analysis": (lambda x: transforms.coefficients_from_signal(x, grid=GRID), normal(2, 8, 8)),
    "synthesis": (lambda c: transforms.signal_from_coefficients(c, grid=GRID), normal(2, 16)),
    "mix_degrees": (convolution.mix_degrees, TWO[0], normal(4, 3, 2)),
    "zonal_convolution": (
        lambda c, a: convolution.zonal_convolution(c, convolution.interpolate_filters(a, bandwidth=4)),
        TWO[0],
        normal(3, 3, 2),
    ),
    "area_pool": (lambda x: convolution.area_pool(x, grid=GRID), normal(2, 8, 8)),
    "area_mean": (lambda x: convolution.area_mean(x, grid=GRID), normal(2, 8, 8)),
    "rotate_coefficients": (rotation.rotate_coefficients, normal(5, 16), TURNS),
    "rotate_coefficients_zyz": (rotation.rotate_coefficients_zyz, normal(5, 16), VECTORS),
    "infinitesimal_turns": (rotation.infinitesimal_turns, normal(2, 16)),
    "wigner_matrices": (lambda r: rotation.wigner_matrices(r, bandwidth=3), TURNS),
    "euler_zyz": (lambda a: rotation.euler_zyz_from_rotation(rotation.rotation_from_euler_zyz(a)), VECTORS),
    "correlate": (correlation.correlate, *TWO),
    "correlation_at": (correlation.correlation_at, *TWO),
    "e3nn": (lambda c: interchange.coefficients_from_e3nn(interchange.e3nn_from_coefficients(c)), normal(2, 16)),
    "align": (lambda a, b: alignment.align(a, b).rotations[:, 0], *TWO),
}


@pytest.mark.parametrize("name", [*KERNELS, *SPHERES])
def test_same_on_every_device(right_on, name):
    function, *tensors = (KERNELS | SPHERES)[name]
    right_on(function, *tensors)


def test_random_rotations_are_drawn_on_the_device(device):
    drawn = rotations.random_rotation(2, generator=torch.Generator(device).manual_seed(0), device=device)
    assert drawn.device.type == device
    torch.testing.assert_close(torch.linalg.det(drawn).cpu(), torch.ones(2))


def test_tables_are_made_on_the_device(device):
    """Of what has a device of its own to be told."""
    made = (
        cameras.pixel_coordinates(3, 4, device=device),
        cameras.intrinsics(math.pi / 3, height=3, width=4, device=device),
        points.coordinate_table(3, 4, device=device),
        sampling.identity_grid(3, 4, device=device),
        grids.points(GRID, dtype=torch.float32, device=device),
        grids.quadrature_weights(GRID, dtype=torch.float32, device=device),
        grids.cell_areas(GRID, dtype=torch.float32, device=device),
    )
    assert {table.device.type for table in made} == {device}
