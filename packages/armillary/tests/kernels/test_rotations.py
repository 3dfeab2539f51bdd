"""Group laws, values by hand, gradients at the singular points, references from torch and scipy."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from armillary.kernels import rotations

BATCHES = [(), (5,), (2, 3)]
LENGTHS = [0.0, 1e-9, 1e-7, 1e-3, 0.1, 1.0, math.pi - 1e-3, math.pi - 1e-7]


def draw(*batch, seed=0, dtype=torch.float64):
    return rotations.random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def direction(*batch, seed=0):
    vector = torch.randn(*batch, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return vector / vector.norm(dim=-1, keepdim=True)


def is_rotation(r, atol=1e-14):
    eye = torch.eye(3, dtype=r.dtype).expand(r.shape)
    torch.testing.assert_close(r @ r.mT, eye, atol=atol, rtol=0)
    torch.testing.assert_close(torch.linalg.det(r), torch.ones(r.shape[:-2], dtype=r.dtype), atol=atol, rtol=0)


def test_quarter_turn_about_z_takes_x_to_y():
    """R = Rz(pi/2): the first column, where x goes, is (0, 1, 0)."""
    r = rotations.exp_map(torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64))
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(r, expected, atol=1e-15, rtol=0)
    euler = rotations.rotation_from_euler_zyx(torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64))
    torch.testing.assert_close(euler, expected, atol=1e-15, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("length", LENGTHS)
def test_exp_map_is_a_rotation_and_the_matrix_exponential(batch, length):
    vector = direction(*batch) * length
    r = rotations.exp_map(vector)
    is_rotation(r)
    torch.testing.assert_close(r, torch.linalg.matrix_exp(rotations.skew(vector)), atol=1e-14, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("length", LENGTHS)
def test_log_map_inverts_exp_map(batch, length):
    vector = direction(*batch) * length
    torch.testing.assert_close(rotations.log_map(rotations.exp_map(vector)), vector, atol=1e-14, rtol=1e-12)


def test_exp_map_inverts_log_map():
    r = draw(1000)
    torch.testing.assert_close(rotations.exp_map(rotations.log_map(r)), r, atol=1e-14, rtol=0)


def test_series_and_formula_meet():
    """Both sides of the switch between series and formula, in float32 and float64."""
    for dtype in (torch.float32, torch.float64):
        edge = torch.finfo(dtype).eps ** 0.125
        for length in (edge * 0.999, edge * 1.001):
            vector = (direction(4) * length).to(dtype)
            exact = torch.linalg.matrix_exp(rotations.skew(vector.double()))
            error = 4 * torch.finfo(dtype).eps
            torch.testing.assert_close(rotations.exp_map(vector).double(), exact, atol=error, rtol=0)
            half_angle_edge = (direction(4) * 2 * math.asin(length)).to(dtype)
            back = rotations.log_map(rotations.exp_map(half_angle_edge.double()).to(dtype))
            torch.testing.assert_close(back, half_angle_edge, atol=error, rtol=0)


def test_log_map_at_pi_returns_one_of_both_axes():
    axis = direction(20)
    half_turn = 2 * axis[:, :, None] * axis[:, None, :] - torch.eye(3, dtype=torch.float64)
    vector = rotations.log_map(half_turn)
    torch.testing.assert_close(vector.norm(dim=-1), torch.full((20,), math.pi, dtype=torch.float64))
    torch.testing.assert_close(rotations.exp_map(vector), half_turn, atol=1e-12, rtol=0)


@pytest.mark.parametrize("length", [0.0, 1e-7, 1e-2, 1.0, 3.0])
def test_gradients_of_exp_and_log(length):
    vector = (direction(2) * length).requires_grad_()
    assert torch.autograd.gradcheck(rotations.exp_map, (vector,), atol=1e-6)
    jacobian = torch.autograd.functional.jacobian(lambda v: rotations.log_map(rotations.exp_map(v)), vector[0].detach())
    torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_euler_round_trip_and_order(batch):
    generator = torch.Generator().manual_seed(1)
    angles = (torch.rand(*batch, 3, generator=generator, dtype=torch.float64) * 2 - 1) * 1.5
    r = rotations.rotation_from_euler_zyx(angles)
    is_rotation(r)
    x, y, z = (rotations.exp_map(angles[..., i, None] * torch.eye(3, dtype=torch.float64)[i]) for i in range(3))
    torch.testing.assert_close(r, z @ y @ x, atol=1e-14, rtol=0)
    torch.testing.assert_close(rotations.euler_zyx_from_rotation(r), angles, atol=1e-13, rtol=0)


def test_euler_agrees_with_scipy():
    r = draw(100)
    expected = Rotation.from_matrix(r.numpy()).as_euler("ZYX")[:, ::-1].copy()
    torch.testing.assert_close(rotations.euler_zyx_from_rotation(r), torch.from_numpy(expected), atol=1e-12, rtol=0)


@pytest.mark.parametrize("pitch", [math.pi / 2, -math.pi / 2])
def test_euler_at_gimbal_lock_gives_the_rotation_back_and_a_finite_gradient(pitch):
    angles = torch.tensor([0.3, pitch, -0.8], dtype=torch.float64)
    r = rotations.rotation_from_euler_zyx(angles)
    r[0, 0] = r[1, 0] = 0.0
    r.requires_grad_()
    found = rotations.euler_zyx_from_rotation(r)
    torch.testing.assert_close(rotations.rotation_from_euler_zyx(found), r, atol=1e-14, rtol=0)
    assert found[0] == 0
    found.sum().backward()
    assert r.grad.isfinite().all()


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("length", LENGTHS)
def test_geodesic_angle_is_the_length_of_the_turn(batch, length):
    a = draw(*batch)
    b = a @ rotations.exp_map(direction(*batch, seed=3) * length)
    expected = torch.full(batch, length, dtype=torch.float64)
    torch.testing.assert_close(rotations.geodesic_angle(a, b), expected, atol=2e-15, rtol=0)
    torch.testing.assert_close(rotations.geodesic_angle(b, a), expected, atol=2e-15, rtol=0)


def test_geodesic_angle_gradient_is_finite_at_zero_and_right_elsewhere():
    eye = torch.eye(3, dtype=torch.float64, requires_grad=True)
    rotations.geodesic_angle(eye, torch.eye(3, dtype=torch.float64)).backward()
    assert eye.grad.isfinite().all()
    assert torch.autograd.gradcheck(rotations.geodesic_angle, (draw(3).requires_grad_(), draw(3, seed=1)))


def test_random_rotations_are_rotations_and_uniform():
    """Haar measure: every entry has mean 0 and second moment 1/3; the angle has density (1 - cos) / pi."""
    r = draw(20000)
    is_rotation(r)
    assert r.mean(0).abs().max() < 0.02
    assert (r.square().mean(0) - 1 / 3).abs().max() < 0.01
    angle = rotations.geodesic_angle(r, torch.eye(3, dtype=torch.float64))
    grid = torch.linspace(0, math.pi, 50, dtype=torch.float64)
    measured = (angle[:, None] <= grid).double().mean(0)
    torch.testing.assert_close(measured, (grid - grid.sin()) / math.pi, atol=0.02, rtol=0)


def test_random_rotations_follow_their_generator():
    torch.testing.assert_close(draw(4, seed=5), draw(4, seed=5), atol=0, rtol=0)
    assert (draw(4, seed=5) - draw(4, seed=6)).abs().max() > 0.1
    assert draw(2, dtype=torch.float32).dtype == torch.float32
    assert draw().shape == (3, 3)


@pytest.mark.parametrize("batch", BATCHES)
def test_gram_schmidt_turns_with_its_vectors(batch):
    a, b, q = direction(*batch, seed=1), direction(*batch, seed=2), draw(*batch, seed=4)
    frame = rotations.gram_schmidt(a, b)
    is_rotation(frame)
    torch.testing.assert_close(frame[..., 0], a, atol=1e-14, rtol=0)
    turned = rotations.gram_schmidt((q @ a[..., None])[..., 0], (q @ b[..., None])[..., 0])
    torch.testing.assert_close(turned, q @ frame, atol=1e-12, rtol=0)


def test_gram_schmidt_stays_finite_where_undefined():
    a = torch.tensor([[0.0, 0, 0], [1, 0, 0]], requires_grad=True)
    frame = rotations.gram_schmidt(a, torch.tensor([[0.0, 1, 0], [2, 0, 0]]))
    frame.sum().backward()
    assert frame.isfinite().all()
    assert a.grad.isfinite().all()


@pytest.mark.parametrize("batch", BATCHES)
def test_quaternion_round_trip(batch):
    r = draw(*batch)
    quaternion = rotations.unit_quaternion_wxyz_from_rotation(r)
    torch.testing.assert_close(rotations.rotation_from_unit_quaternion_wxyz(quaternion), r, atol=1e-14, rtol=0)
    scipy = torch.from_numpy(Rotation.from_matrix(r.reshape(-1, 3, 3).numpy()).as_quat()).reshape(*batch, 4)
    sign = (scipy[..., 3] * quaternion[..., 0]).sign()[..., None]
    torch.testing.assert_close(quaternion, sign * scipy.roll(1, -1), atol=1e-14, rtol=0)
