"""The error of regressed points: exact where a linear map exists, by hand where none does, the same however it is read."""

import math

import pytest
import torch

from armillary_keypoints.evaluators import NmeRegressed, Pck, least_squares

SIZE = 9  # eight steps: 4 pixels a unit of [-1, 1]


def ports(points, truth, visible=None):
    given = {"image": torch.zeros(len(points), 3, SIZE, SIZE), "keypoints2d": points, "true_landmarks2d": truth}
    return given if visible is None else {**given, "true_visible": visible}


def names(count, first=0):
    return [f"{index + first:03d}" for index in range(count)]


def measured(fit, score, *, kind=NmeRegressed, visible=None, **settings):
    evaluator = kind(**{"normaliser": "image", **settings})
    evaluator.update("fit", ids=names(len(fit[0])), ports=ports(*fit))
    evaluator.update("score", ids=names(len(score[0]), 500), ports=ports(*score, visible))
    return evaluator.result()


def linear(count, seed=0, points=3, annotated=4):
    """Points, and annotated ones that are mixtures of them whose weights sum to 1: linear without a constant, from any origin."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(annotated, points, generator=torch.Generator().manual_seed(9))
    weights = weights / weights.sum(dim=1, keepdim=True)
    found = 1.6 * torch.rand(count, points, 2, generator=generator) - 0.8
    return found, torch.einsum("lk,rka->rla", weights, found)


def test_a_linear_map_is_found_to_the_last_digit():
    error = measured(linear(30), linear(10, seed=1)).figures["error"]
    assert error.value < 1e-5
    assert error.count == 10


def test_the_error_by_hand():
    """One point that never moves: the map gives the mean. Two truths 1 apart: half a unit, 2 pixels of 9."""
    points = torch.zeros(2, 1, 2)
    truth = torch.tensor([[[-0.5, 0.0]], [[0.5, 0.0]]])
    result = measured((points, truth), (points[:1], truth[:1]))
    assert result.figures["error"].value == pytest.approx(100 * 2 / 9)
    assert result.baselines["mean shape"]["error"].value == pytest.approx(100 * 2 / 9)
    assert result.baselines["image centre"]["error"].value == pytest.approx(100 * 2 / 9)
    torch.testing.assert_close(result.points["500"].predicted, torch.zeros(1, 2, dtype=torch.float64))


def test_there_is_no_constant():
    """A point at the upper left corner is 0 in [0, 1]: it can say nothing, so all that is found is that corner."""
    points = torch.full((3, 1, 2), -1.0)
    truth = torch.full((3, 2, 2), 0.25)
    shown = measured((points, truth), (points, truth)).points["500"]
    torch.testing.assert_close(shown.predicted, torch.full((2, 2), -1.0, dtype=torch.float64))


@pytest.mark.parametrize(("normaliser", "length"), [((0, 1), 4.0), ("box", 5.0), ("image", 9.0)])
def test_each_picture_has_its_own_length(normaliser, length):
    """Annotated (0, 0), (1, 0), (0, 1.25) units of 4 pixels; every point one pixel off."""
    truth = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.75]]])
    points = torch.zeros(1, 1, 2)
    low = truth - torch.tensor([0.25, 0.0])
    result = measured((points, low), (points, truth), normaliser=normaliser)
    assert result.figures["error"].value == pytest.approx(100 / length)


def test_each_point_is_fitted_where_it_is_visible_and_scored_there():
    """Annotated point 0 is rubbish where it is hidden: neither map nor error know of it; the sum goes over what is visible."""
    found, truth = linear(40)
    visible = torch.ones(40, 4, dtype=torch.bool)
    visible[::3, 0] = False
    spoiled = truth.clone()
    spoiled[::3, 0] = 0.9
    evaluator = NmeRegressed(normaliser="image")
    evaluator.update("fit", ids=names(40), ports=ports(found, spoiled, visible))
    evaluator.update("score", ids=names(40), ports=ports(found, spoiled, visible))
    assert evaluator.result().figures["error"].value < 1e-5
    blind = measured((found, spoiled), (found, spoiled)).figures["error"].value
    assert blind > 1.0


def test_the_sum_goes_over_visible_points_not_over_pictures():
    """Errors of 2 pixels at one visible point of a picture, of 0 at three of another: 2 / 4."""
    truth = torch.zeros(2, 3, 2)
    truth[0, 0, 0] = 0.5
    points = torch.zeros(2, 1, 2)
    visible = torch.tensor([[True, False, False], [True, True, True]])
    result = measured((points, torch.zeros(2, 3, 2)), (points, truth), visible=visible)
    assert result.figures["error"].value == pytest.approx(100 * (2 / 4) / 9)


def test_a_point_never_seen_in_training_is_left_out_aloud():
    found, truth = linear(20)
    hidden = torch.ones(20, 4, dtype=torch.bool)
    hidden[:, 2] = False
    evaluator = NmeRegressed(normaliser="image")
    evaluator.update("fit", ids=names(20), ports=ports(found, truth, hidden))
    evaluator.update("score", ids=names(20), ports=ports(found, truth))
    result = evaluator.result()
    assert "points 2 left out: not seen in the training split" in result.notes
    assert not result.points["000"].visible[2]


def test_neither_batches_nor_shards_nor_their_order_matter():
    found, truth = linear(24)
    truth = truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    whole = measured((found, truth), (found, truth))
    parts = []
    for rows in (slice(12, 24), slice(0, 12)):
        part = NmeRegressed(normaliser="image")
        for start in range(rows.start, rows.stop, 5):
            some = slice(start, min(start + 5, rows.stop))
            some_names = names(some.stop - some.start, some.start)
            part.update("fit", ids=some_names, ports=ports(found[some], truth[some]))
            part.update("score", ids=[f"{500 + int(n):03d}" for n in some_names], ports=ports(found[some], truth[some]))
        parts.append(part)
    parts[0].merge(parts[1])
    assert parts[0].result().figures == whole.figures
    assert parts[0].result().baselines == whole.baselines


def test_the_closed_form_is_that_of_the_authors():
    """beta = (X^T X)^-1 X^T Y for all coordinates at once, where everything is visible."""
    found, truth = linear(30)
    truth = truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    x, y = (0.5 + 0.5 * value.double() for value in (found, truth))
    ours = least_squares(x.flatten(1), y, torch.ones(30, 4, dtype=torch.bool))
    x, y = x.flatten(1), y.flatten(1)
    theirs = torch.linalg.inv(x.T @ x) @ x.T @ y
    torch.testing.assert_close(ours.permute(1, 0, 2).flatten(1), theirs, rtol=1e-6, atol=1e-8)


def test_points_in_one_place_still_have_an_answer():
    """Collapsed points have no inverse: the smallest solution, and finite."""
    points = torch.zeros(10, 5, 2) + 0.3 * torch.rand(10, 1, 2, generator=torch.Generator().manual_seed(0))
    truth = linear(10)[1]
    assert math.isfinite(measured((points, truth), (points, truth)).figures["error"].value)


def test_pck_by_hand():
    """Points 0, 1, 2 and 3 pixels off, threshold 2 of 9 pixels: three of four, and the one at the limit counts."""
    points = torch.zeros(1, 1, 2)
    truth = torch.zeros(1, 4, 2)
    moved = truth.clone()
    moved[0, :, 0] = 0.25 * torch.arange(4)
    result = measured((points, truth), (points, moved), kind=Pck, threshold=2 / 9 + 1e-9)
    assert result.figures["pck"].value == pytest.approx(75.0)
    assert result.figures["pck"].better == "higher"
    assert result.baselines["image centre"]["pck"].value == pytest.approx(75.0)
    assert result.rows["500"]["pck"] == pytest.approx(75.0)
    assert "within 22.22 % of the normaliser" in result.notes[0]


def test_nothing_scored_is_an_error():
    evaluator = NmeRegressed()
    evaluator.update("fit", ids=names(3), ports=ports(*linear(3)))
    with pytest.raises(ValueError, match="nme-regressed/1: no picture was scored"):
        evaluator.result()


@pytest.mark.parametrize("kind", [NmeRegressed, Pck])
def test_protocols_name_their_baselines_and_the_fit_is_asked_for(kind):
    assert "Baselines" in kind.protocol
    assert "training split" in kind.protocol
    with pytest.raises(ValueError, match=f"{kind.header['name']}: no fit pass was run"):
        kind().result()


def test_the_published_threshold_is_six_pixels_of_255():
    assert Pck().threshold * 255 == pytest.approx(6.0)
