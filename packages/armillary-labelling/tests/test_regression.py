"""Intermediate points: equal to the formula written out, value and gradient."""

import math

import pytest
import torch

from armillary_labelling.regression import LandmarksTrained, intermediate_points

DOUBLE = torch.float64
SIZE, STRIDE = 33, 2
CELLS = SIZE // STRIDE


def positions(cells):
    """Cells (x, y) as positions in [-1, 1]: cell j stands at pixel 2 j."""
    return 2.0 * STRIDE * torch.as_tensor(cells, dtype=torch.float64) / (SIZE - 1) - 1.0


def faces(count, *, seed=0):
    """Label maps whose label is the position relative to a moving centre, and five landmarks at fixed labels."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randint(6, 10, (count, 2), generator=generator).double()
    y, x = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    u = (x[None] - centre[:, 0, None, None]) / 8.0
    v = (y[None] - centre[:, 1, None, None]) / 8.0
    labels = torch.nn.functional.normalize(torch.stack((u, v, torch.full_like(u, 0.7)), dim=1), dim=1)
    points = torch.tensor([[-3.0, -2], [3, -2], [0, 1], [-2, 3], [2, 3]], dtype=torch.float64)
    return labels, positions(centre[:, None] + points)


def show(evaluator, phase, labels, landmarks, *, visible=None, batch=3, first=0):
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        ports = {
            "image": torch.zeros(len(labels[part]), 3, SIZE, SIZE),
            "labels": labels[part],
            "true_landmarks2d": landmarks[part],
        }
        if visible is not None:
            ports["true_visible"] = visible[part]
        evaluator.update(phase, ids=[f"{first + start + i:03d}" for i in range(len(labels[part]))], ports=ports)
    return evaluator


def short(**settings):
    return LandmarksTrained(**{"epochs": 30, "intermediate": 8, "lr": 0.03, **settings})


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
        measure = LandmarksTrained(epochs=6, intermediate=3, **settings)
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
    measure = LandmarksTrained(epochs=20, intermediate=3, lr=0.01, weight_decay=1.0, batch_size=8)
    half = torch.tensor([True] * 4 + [False] * 4)[:, None]
    found = [
        measure.regressor(labels, truth, counts, positions=positions)[0](labels)
        for counts in (torch.ones(8, 1, dtype=torch.bool), half)
    ]
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def regressed(evaluator, *, fit=None, score=None, visible=None, batch=3):
    show(evaluator, "fit", *(fit or faces(24)), visible=visible, batch=batch)
    return show(evaluator, "score", *(score or faces(8, seed=1)), batch=batch)


def test_the_regressor_beats_the_mean_shape_and_knows_parts_of_a_cell():
    """Landmarks midway between cells, which no cell can name."""
    labels, landmarks = faces(64)
    asked, truth = faces(8, seed=1)
    half = STRIDE / (SIZE - 1)
    result = regressed(short(epochs=150), fit=(labels, landmarks + half), score=(asked, truth + half)).result()
    assert result.figures["error"].value < 4.0
    assert result.baselines["mean shape"]["error"].value > 15.0
    assert result.notes[:2] == ("trained for 150 epochs", "fitted on 64 annotated pictures")


def test_the_regressor_depends_on_ids_alone():
    """Neither batches nor the order in which pictures and shards come change a digit."""
    labels, landmarks = faces(10)
    asked, truth = faces(4, seed=1)
    whole = regressed(short(epochs=3), fit=(labels, landmarks), score=(asked, truth), batch=10).result()
    one, two = (short(epochs=3) for _ in range(2))
    show(one, "fit", labels[6:], landmarks[6:], first=6, batch=1)
    show(two, "fit", labels[:6], landmarks[:6])
    show(two, "score", asked[:1], truth[:1])
    show(one, "score", asked[1:], truth[1:], first=1)
    one.merge(two)
    merged = one.result()
    assert merged.figures == whole.figures
    assert merged.rows == whole.rows


def test_few_annotated_pictures_are_drawn_with_the_seed():
    few = regressed(short(epochs=4, annotated=3)).result()
    other = regressed(short(epochs=4, annotated=3, seed=1)).result()
    again = regressed(short(epochs=4, annotated=3)).result()
    assert few.notes[1] == "fitted on 3 annotated pictures"
    assert few.figures == again.figures
    assert few.baselines["mean shape"] != other.baselines["mean shape"]


def test_hidden_landmarks_teach_nothing():
    """What stands at a landmark that is not visible changes no digit of the regressor."""
    labels, landmarks = faces(12)
    visible = torch.rand(12, 5, generator=torch.Generator().manual_seed(0)) > 0.3
    clean = regressed(short(epochs=3), fit=(labels, landmarks), visible=visible).result()
    junk = torch.where(visible[..., None], landmarks, math.nan)
    assert regressed(short(epochs=3), fit=(labels, junk), visible=visible).result().figures == clean.figures


def test_the_regressor_needs_both_passes():
    evaluator = short()
    with pytest.raises(ValueError, match="no fit pass"):
        evaluator.result()
    show(evaluator, "fit", *faces(2))
    with pytest.raises(ValueError, match="no picture was scored"):
        evaluator.result()
