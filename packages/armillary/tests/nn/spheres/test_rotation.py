"""Rotation of coefficients: group laws, harmonics at turned points, e3nn's Wigner matrices, gradients."""

import math

import pytest
import torch
from e3nn import o3

from armillary.kernels.rotations import exp_map, random_rotation
from armillary.nn.spheres import grids, harmonics, interchange, rotation, transforms

BATCHES = [(), (5,), (2, 3)]
F64 = torch.float64


def draw(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def turns(*batch, seed=0):
    return random_rotation(*batch, generator=torch.Generator().manual_seed(seed), dtype=F64)


def about(axis, angle):
    return exp_map(torch.eye(3, dtype=F64)["xyz".index(axis)] * angle)


@pytest.fixture
def double_by_default():
    """e3nn builds its matrices in the default dtype, whatever it is given."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(F64)
    yield
    torch.set_default_dtype(before)


def assert_close(a, b, atol):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


def test_a_quarter_turn_about_z_by_hand():
    """x goes to y and y to -x: of l = 1, in the order (y, z, x), (0, 0, 1) becomes (1, 0, 0), (1, 0, 0) becomes (0, 0, -1)."""
    quarter = about("z", math.pi / 2)
    basis = torch.eye(4, dtype=F64)
    assert_close(rotation.rotate_coefficients(basis[3], quarter), basis[1], 1e-15)
    assert_close(rotation.rotate_coefficients(basis[1], quarter), -basis[3], 1e-15)
    assert_close(rotation.rotate_coefficients(basis[2], about("x", math.pi / 2)), -basis[1], 1e-15)  # z to -y


@pytest.mark.parametrize("bandwidth", [1, 2, 7, 32, 64])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_the_turned_signal_has_its_values_at_turned_points(bandwidth, dtype, error):
    r, v, c = turns(3), turns(40, seed=1)[..., 0], draw(2, bandwidth**2)
    turned = rotation.rotate_coefficients(c[:, None].to(dtype), r.to(dtype)).double()  # signal rotation coefficient
    found = torch.einsum("vk,srk->srv", harmonics.spherical_harmonics(v, bandwidth=bandwidth), turned)
    back = torch.einsum("rji,vj->rvi", r, v)  # R^-1 x
    expected = torch.einsum("rvk,sk->srv", harmonics.spherical_harmonics(back, bandwidth=bandwidth), c)
    assert ((found - expected).norm() / expected.norm()).item() < error


@pytest.mark.parametrize("grid", [grids.driscoll_healy, grids.soft])
def test_samples_turn_with_the_coefficients(grid):
    """A turn about z by whole cells shifts the columns."""
    c = draw(2, 64)
    turned = rotation.rotate_coefficients(c, about("z", 3 * math.pi / 8))
    before = transforms.signal_from_coefficients(c, grid=grid(8))
    assert_close(transforms.signal_from_coefficients(turned, grid=grid(8)), before.roll(3, dims=-1), 1e-13)


@pytest.mark.parametrize("batch", BATCHES)
def test_group_laws(batch):
    """Identity, composition, inverse, and the norm of every degree."""
    a, b, c = turns(*batch), turns(*batch, seed=1), draw(*batch, 100)
    assert_close(rotation.rotate_coefficients(c, torch.eye(3, dtype=F64)), c, 1e-14)
    twice = rotation.rotate_coefficients(rotation.rotate_coefficients(c, b), a)
    assert_close(rotation.rotate_coefficients(c, a @ b), twice, 1e-13)
    assert_close(rotation.rotate_coefficients(rotation.rotate_coefficients(c, a), a.mT), c, 1e-13)
    squares = [part.square().sum(-1) for part in c.split([2 * l + 1 for l in range(10)], dim=-1)]
    turned = [part.square().sum(-1) for part in twice.split([2 * l + 1 for l in range(10)], dim=-1)]
    assert_close(torch.stack(turned), torch.stack(squares), 1e-12)


@pytest.mark.parametrize("axis", "xyz")
@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-7, 1e-3, math.pi - 1e-7, math.pi, -math.pi])
def test_near_the_singular_points_of_the_angles(axis, angle):
    """Turns that nearly keep z or turn it over: the angles are not unique there, the turn is."""
    r = about(axis, angle) @ about("z", 0.7)
    angles = rotation.euler_zyz_from_rotation(r)
    assert_close(rotation.rotation_from_euler_zyz(angles), r, 1e-15)
    v, c = turns(20)[..., 0], draw(64)
    found = harmonics.spherical_harmonics(v, bandwidth=8) @ rotation.rotate_coefficients(c, r)
    assert_close(found, harmonics.spherical_harmonics(v @ r, bandwidth=8) @ c, 1e-12)


@pytest.mark.parametrize("batch", BATCHES)
def test_euler_round_trip(batch):
    r = turns(*batch)
    angles = rotation.euler_zyz_from_rotation(r)
    assert_close(rotation.rotation_from_euler_zyz(angles), r, 1e-14)
    z, y = torch.eye(3, dtype=F64)[2], torch.eye(3, dtype=F64)[1]
    a, b, c = (angle[..., None] for angle in angles.unbind(-1))
    assert_close(exp_map(a * z) @ exp_map(b * y) @ exp_map(c * z), r, 1e-14)
    assert ((angles[..., 1] >= 0) & (angles[..., 1] <= math.pi)).all()


def test_wigner_matrices_are_orthogonal_and_multiply():
    a, b = turns(4), turns(4, seed=1)
    ours = zip(*(rotation.wigner_matrices(r, bandwidth=9) for r in (a, b, a @ b)), strict=True)
    for l, (first, second, product) in enumerate(ours):
        assert_close(first @ second, product, 1e-13)
        assert_close(first @ first.mT, torch.eye(2 * l + 1, dtype=F64).expand_as(first), 1e-13)


@pytest.mark.usefixtures("double_by_default")
def test_wigner_matrices_are_e3nns_with_renamed_axes():
    """e3nn's (x, y, z) is our (y, z, x): its matrix of P^-1 R P is ours of R, P the rotation from its axes to ours."""
    r = turns(3)
    to_ours = torch.eye(3, dtype=F64).roll(1, dims=0)
    angles = o3.matrix_to_angles(to_ours.mT @ r @ to_ours)
    for l, ours in enumerate(rotation.wigner_matrices(r, bandwidth=12)):
        assert_close(ours, o3.wigner_D(l, *angles), 1e-11)


@pytest.mark.parametrize("normalization", interchange.E3NN_NORMALIZATIONS)
@pytest.mark.parametrize("batch", BATCHES)
def test_e3nns_coefficients_give_the_same_signal(batch, normalization):
    v, c = turns(30)[..., 0], draw(*batch, 64)
    theirs = interchange.e3nn_from_coefficients(c, normalization=normalization)
    basis = o3.spherical_harmonics(list(range(8)), v, normalize=True, normalization=normalization)
    assert_close(theirs @ basis.mT, c @ harmonics.spherical_harmonics(v, bandwidth=8).mT, 1e-12)
    assert_close(interchange.coefficients_from_e3nn(theirs, normalization=normalization), c, 1e-13)


@pytest.mark.usefixtures("double_by_default")
def test_e3nns_coefficients_turn_by_e3nns_matrices():
    r, c = turns(), draw(64)
    irreps = o3.Irreps([(1, (l, 1)) for l in range(8)])
    turned = interchange.e3nn_from_coefficients(rotation.rotate_coefficients(c, r))
    assert_close(turned, irreps.D_from_matrix(r) @ interchange.e3nn_from_coefficients(c), 1e-11)


def test_e3nns_first_degree_is_a_vector():
    """In the same frame: sqrt(4 pi / 3) times the coefficients of x are (1, 0, 0)."""
    x = grids.points(grids.soft(2), dtype=F64)[..., 0]
    c = transforms.coefficients_from_signal(x, grid=grids.soft(2))
    vector = interchange.e3nn_from_coefficients(c)[1:4] * math.sqrt(3 / 4 / math.pi)
    assert_close(vector, torch.tensor([1.0, 0, 0], dtype=F64), 1e-14)


def test_quarter_turn_values_by_hand():
    """d^1(pi/2): 1/2 in the corners, 0 in the middle, -1/sqrt 2 at (1, 0); d^2_20 = sqrt 6 / 4."""
    d = rotation.quarter_turn_wigner_d(3)
    s = math.sqrt(0.5)
    assert_close(d[1], torch.tensor([[0.5, s, 0.5], [-s, 0, s], [0.5, -s, 0.5]], dtype=F64), 1e-15)
    assert_close(d[2][4, 2], torch.tensor(math.sqrt(6) / 4, dtype=F64), 1e-15)


@pytest.mark.parametrize("l", [1, 63, 127])
def test_quarter_turn_stays_orthogonal_at_high_degree(l):
    d = rotation.quarter_turn_wigner_d(128)[l]
    assert_close(d @ d.mT, torch.eye(2 * l + 1, dtype=F64), 2e-14)


@pytest.mark.parametrize("batch", BATCHES)
def test_gradients(batch):
    c, angles = draw(*batch, 9).requires_grad_(), draw(*batch, 3, seed=1)
    turn = lambda c: rotation.rotate_coefficients_zyz(c, angles)
    assert torch.autograd.gradcheck(turn, (c,))
    assert torch.autograd.gradgradcheck(turn, (c,))
    assert torch.autograd.gradcheck(rotation.rotate_coefficients_zyz, (c, angles.requires_grad_()))
    assert torch.autograd.gradcheck(lambda r: rotation.rotate_coefficients(c.detach(), exp_map(r)), (angles,))


def test_gradient_reaches_broadcast_coefficients():
    c, r = draw(1, 3, 16).requires_grad_(), turns(4, 1)
    rotation.rotate_coefficients(c, r).square().sum().backward()
    assert_close(c.grad, 8 * c.detach(), 1e-12)  # the norm is kept, four times


def test_with_and_without_gradient_to_the_angles_is_the_same():
    c, angles = draw(2, 1, 49), draw(3, 3)
    expected = rotation.rotate_coefficients_zyz(c, angles)
    assert_close(rotation.rotate_coefficients_zyz(c, angles.requires_grad_()).detach(), expected, 1e-13)


def test_gradient_is_finite_where_the_angles_are_not_unique():
    r = torch.eye(3, dtype=F64).requires_grad_()
    rotation.rotate_coefficients(draw(16), r).sum().backward()
    assert r.grad.isfinite().all()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="not a square"):
        rotation.rotate_coefficients(torch.ones(5), torch.eye(3))
    with pytest.raises(ValueError, match="integral, component, norm"):
        interchange.e3nn_from_coefficients(torch.ones(4), normalization="unit")
