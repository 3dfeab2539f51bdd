"""Intermediate points: equal to the formula written out, value and gradient."""

import pytest
import torch

from armillary_labelling.regression import LandmarksRegressed, intermediate_points

DOUBLE = torch.float64


def case(*, cells=12, dtype=DOUBLE):
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(5, 3, generator=generator, dtype=dtype)
    labels = torch.randn(4, 3, cells, generator=generator, dtype=dtype)
    positions = 2 * torch.rand(cells, 2, generator=generator, dtype=dtype) - 1
    return vectors, labels, positions


def written_out(vectors, labels, positions, multiplier):
    return torch.softmax(multiplier * torch.einsum("qc,bcn->bqn", vectors, labels), dim=-1) @ positions


@pytest.mark.parametrize("multiplier", [0.1, 1.0, 100.0])
def test_points_equal_the_softmax_written_out(multiplier):
    vectors, labels, positions = case()
    found = intermediate_points(vectors, labels, positions=positions, multiplier=multiplier)
    torch.testing.assert_close(found, written_out(vectors, labels, positions, multiplier))


@pytest.mark.parametrize("multiplier", [0.1, 1.0, 5.0])
def test_the_gradient_equals_that_of_the_softmax_written_out(multiplier):
    vectors, labels, positions = case()
    weight = torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    slopes = []
    for points in (
        lambda v: intermediate_points(v, labels, positions=positions, multiplier=multiplier),
        lambda v: written_out(v, labels, positions, multiplier),
    ):
        leaf = vectors.clone().requires_grad_()
        (points(leaf) * weight).sum().backward()
        slopes.append(leaf.grad)
    torch.testing.assert_close(*slopes)


def test_gradcheck():
    vectors, labels, positions = case()
    vectors.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v: intermediate_points(v, labels, positions=positions, multiplier=2.0), (vectors,)
    )


def test_a_vector_that_names_one_cell_gives_its_position():
    """The softmax with multiplier 100 of products 1 and at most 0 is the cell itself; the gradient stays finite."""
    labels = torch.eye(3)[None]
    positions = torch.tensor([[-1.0, 0.5], [0.0, 0.0], [1.0, -0.25]])
    vectors = torch.eye(3).requires_grad_()
    found = intermediate_points(vectors, labels, positions=positions, multiplier=100.0)
    torch.testing.assert_close(found[0], positions)
    found.sum().backward()
    assert vectors.grad is not None
    assert bool(vectors.grad.isfinite().all())


def test_labels_of_any_length_stay_finite():
    vectors, labels, positions = case(dtype=torch.float32)
    vectors.requires_grad_()
    found = intermediate_points(vectors, 1e4 * labels, positions=positions, multiplier=100.0)
    found.sum().backward()
    assert bool(found.isfinite().all())
    assert vectors.grad is not None
    assert bool(vectors.grad.isfinite().all())


def test_blocks_change_nothing(monkeypatch):
    vectors, labels, positions = case()
    whole = intermediate_points(vectors, labels, positions=positions, multiplier=3.0)
    monkeypatch.setattr("armillary_labelling.regression._BLOCK", 1)
    torch.testing.assert_close(
        intermediate_points(vectors, labels, positions=positions, multiplier=3.0), whole, atol=1e-14, rtol=0
    )


@pytest.mark.parametrize(("milestones", "lr"), [((0.01,), 0.005), ((0.01, 0.05), 0.0005)])
def test_the_learning_rate_falls_to_a_tenth_at_each_milestone(milestones, lr):
    """Milestones that fall on the first epoch are the smaller rate from the start, digit for digit; one in the middle is not."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randn(4, 3, 3, 4, generator=generator)
    truth = torch.rand(4, 2, 2, generator=generator)
    positions = 2 * torch.rand(12, 2, generator=generator) - 1

    def after(**settings):
        measure = LandmarksRegressed(epochs=6, intermediate=3, **settings)
        counts = torch.ones(4, 2, dtype=torch.bool)
        return measure.regressor(labels, truth, counts, positions=positions)[0](labels)

    low = after(lr=lr, milestones=())
    torch.testing.assert_close(after(lr=0.05, milestones=milestones), low, atol=1e-6, rtol=0)
    middle, high = after(lr=0.05, milestones=(0.5,)), after(lr=0.05, milestones=())
    assert (middle - low).abs().max() > 1e-3
    assert (middle - high).abs().max() > 1e-3


def test_a_picture_is_worth_its_share_of_the_landmarks_that_count():
    """The loss is a mean over what counts: beside the weight decay, hiding one of two equal landmarks changes nothing."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randn(4, 3, 3, 4, generator=generator)
    truth = torch.rand(4, 1, 2, generator=generator).repeat(2, 1, 1)
    labels = labels.repeat(2, 1, 1, 1)
    positions = 2 * torch.rand(12, 2, generator=generator) - 1
    measure = LandmarksRegressed(epochs=20, intermediate=3, lr=0.01, weight_decay=1.0, batch_size=8)
    half = torch.tensor([True] * 4 + [False] * 4)[:, None]
    found = [
        measure.regressor(labels, truth, counts, positions=positions)[0](labels)
        for counts in (torch.ones(8, 1, dtype=torch.bool), half)
    ]
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)
