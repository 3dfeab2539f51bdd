"""Claims of ``losses.py``: values by hand, the share of the sphere, and what is refused."""

import math

import pytest
import torch

from armillary.kernels.rotations import exp_map, random_rotation
from armillary.nn.spheres.grids import cell_areas, soft
from armillary_spherical.losses import Geodesic, Pixel, RotationVectorError, cross_entropy, huber_sphere


def constant(value, *, channels=2, batch=3, size=8):
    return torch.full((batch, channels, size, size), value, dtype=torch.float64)


@pytest.mark.parametrize(("error", "value"), [(0.0, 0.0), (0.5, 0.125), (1.0, 0.5), (3.0, 2.5), (-3.0, 2.5)])
def test_huber_of_a_constant_error(error, value):
    """Golden, delta 1: e^2 / 2 up to 1, then |e| - 1 / 2; the weights sum to 1, so size and channels do not matter."""
    for size, channels in ((8, 2), (16, 1)):
        target = constant(0.0, size=size, channels=channels)
        found = huber_sphere(target + error, target, delta=1.0)
        torch.testing.assert_close(found, torch.full((3,), value, dtype=torch.float64))


def test_huber_weighs_a_sample_by_its_area():
    """Golden: one wrong sample in row i costs the share of the sphere that its cell has, here of Huber(2) = 1.5."""
    areas = cell_areas(soft(4), dtype=torch.float64) / (4 * math.pi)
    for row in range(8):
        embedding = constant(0.0, channels=1, batch=1)
        embedding[0, 0, row, 5] = 2.0
        found = huber_sphere(embedding, constant(0.0, channels=1, batch=1), delta=1.0)
        torch.testing.assert_close(found[0], 1.5 * areas[row])


def test_huber_changes_its_unit_with_delta():
    """Law: scaling errors and delta by c scales the value by c squared."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, 2, 8, 8, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        huber_sphere(3 * a, 3 * b, delta=1.5), 9 * huber_sphere(a, b, delta=0.5), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_huber_takes_any_batch_and_has_a_gradient(batch):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(*batch, 1, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.randn(*batch, 1, 4, 4, generator=generator, dtype=torch.float64)
    assert huber_sphere(a, b, delta=1.0).shape == batch
    assert torch.autograd.gradcheck(lambda x: huber_sphere(x, b, delta=1.0), (a,))


def test_huber_refuses_what_is_no_pair_of_maps():
    with pytest.raises(ValueError, match="one grid of the sphere"):
        huber_sphere(torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4), delta=1.0)
    with pytest.raises(ValueError, match="one grid of the sphere"):
        huber_sphere(torch.zeros(1, 2, 8, 6), torch.zeros(1, 2, 8, 6), delta=1.0)


def test_cross_entropy_of_even_scores_is_the_logarithm_of_their_number():
    torch.testing.assert_close(cross_entropy(torch.zeros(2, 5), torch.tensor([0, 4])), torch.full((2,), math.log(5)))


def test_a_class_without_a_score_is_refused():
    with pytest.raises(ValueError, match=r"slots\.head\.settings\.classes"):
        cross_entropy(torch.zeros(2, 5), torch.tensor([0, 5]))


def test_pixels():
    """Golden: an error of 1/2 everywhere is 1/2 in l1 and 1/4 in l2."""
    image = torch.rand(2, 1, 4, 4)
    torch.testing.assert_close(Pixel(norm="l1")(image + 0.5, image), torch.full((2,), 0.5))
    torch.testing.assert_close(Pixel(norm="l2")(image + 0.5, image), torch.full((2,), 0.25))
    with pytest.raises(ValueError, match="must agree"):
        Pixel(norm="l1")(image, image[:, :, :2])


def test_angles_of_rotations():
    """Golden: a turn by 0.3 about z is 0.3 away, and sqrt(0.3^2 / 3) in its rotation vector."""
    turn = exp_map(torch.tensor([[0.0, 0.0, 0.3]], dtype=torch.float64))
    nothing = torch.eye(3, dtype=torch.float64)[None]
    torch.testing.assert_close(Geodesic()(turn, nothing), torch.tensor([0.3], dtype=torch.float64))
    vector = torch.zeros(1, 3, dtype=torch.float64)
    found = RotationVectorError()(vector, turn)
    torch.testing.assert_close(found, torch.tensor([0.3 / math.sqrt(3)], dtype=torch.float64))


def test_errors_of_rotations_have_finite_gradients_at_the_truth():
    truth = random_rotation(4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimate = truth.clone().requires_grad_()
    Geodesic()(estimate, truth).sum().backward()
    vector = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    RotationVectorError()(vector, torch.eye(3, dtype=torch.float64).expand(4, 3, 3)).sum().backward()
    assert estimate.grad.isfinite().all()
    assert vector.grad.isfinite().all()
