"""``side-mad/1``: values by hand, blindness to scale, masks that hide anything, shards that equal the whole."""

import math

import pytest
import torch

from armillary.kernels.cameras import intrinsics
from armillary.std.evaluators import SideMad, mean_angle_deviation, scale_invariant_depth_error

SIZE = 16


def depths(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 1.0 + 0.05 * torch.rand(count, 1, SIZE, SIZE, generator=generator, dtype=torch.float64)


def full(count):
    return torch.ones(count, 1, SIZE, SIZE, dtype=torch.bool)


def scored(truth, depth, *, mask=None, visible=None, fit=None, batch=4):
    """Return the result of an evaluator that was shown everything in batches."""
    evaluator = SideMad()
    if fit is not None:
        evaluator.update("fit", ids=[], ports={"true_depth": fit, "true_mask": full(len(fit))})
    show(evaluator, truth, depth, mask=mask, visible=visible, batch=batch)
    return evaluator


def show(evaluator, truth, depth, *, mask=None, visible=None, first=0, batch=4):
    mask = full(len(truth)) if mask is None else mask
    visible = full(len(truth)) if visible is None else visible
    for start in range(0, len(truth), batch):
        part = slice(start, start + batch)
        ports = {"true_depth": truth[part], "depth": depth[part], "true_mask": mask[part], "visible": visible[part]}
        evaluator.update("score", ids=[str(first + start + i) for i in range(len(truth[part]))], ports=ports)


def test_side_by_hand():
    """Log errors ln 2 and 0 in equal shares have mean ln(2)/2 and standard deviation ln(2)/2."""
    truth = torch.ones(1, 1, 1, 2)
    depth = torch.tensor([[[[2.0, 1.0]]]])
    found = scale_invariant_depth_error(depth, truth, valid=torch.ones(1, 1, 1, 2, dtype=torch.bool))
    torch.testing.assert_close(found, torch.tensor([math.log(2.0) / 2.0]))


@pytest.mark.parametrize("angle", [0.0, 1e-4, 30.0, 90.0, 180.0])
def test_mad_of_a_known_angle(angle):
    """Every normal turned by the same angle about x; exact also where ``acos`` loses its digits."""
    turn = math.radians(angle)
    one = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)[None, :, None, None].expand(2, 3, 4, 4)
    other = torch.tensor([0.0, math.sin(turn), -math.cos(turn)], dtype=torch.float64)[None, :, None, None]
    found = mean_angle_deviation(one, other.expand(2, 3, 4, 4), valid=torch.ones(2, 1, 4, 4, dtype=torch.bool))
    torch.testing.assert_close(found, torch.full((2,), angle, dtype=torch.float64), atol=1e-9, rtol=1e-9)


def test_side_is_blind_to_scale_and_mad_is_not_fooled():
    truth = depths(3)
    figures = scored(truth, 2.5 * truth).result().figures
    assert figures["side"].value == pytest.approx(0.0, abs=1e-6)
    assert figures["mad"].value == pytest.approx(0.0, abs=1e-4)


def test_the_truth_scores_best():
    truth = depths(4)
    result = scored(truth, truth, fit=depths(4, seed=5)).result()
    for measure in ("side", "mad"):
        best = result.figures[measure].value
        assert best == pytest.approx(0.0, abs=1e-5)
        assert all(figures[measure].value > best + 0.01 for figures in result.baselines.values())


def test_hidden_pixels_may_hold_anything():
    """Nan, zero and infinity outside the masks change nothing."""
    truth, depth = depths(2), depths(2, seed=1)
    mask, visible = full(2), full(2)
    mask[..., :4], visible[..., -3:] = False, False
    clean = scored(truth, depth, mask=mask, visible=visible).result().figures
    for junk in (float("nan"), 0.0, float("inf"), -1.0):
        dirty = scored(
            torch.where(mask, truth, junk), torch.where(visible, depth, junk), mask=mask, visible=visible
        ).result()
        for measure in clean:
            assert dirty.figures[measure].value == pytest.approx(clean[measure].value, rel=1e-12)


def test_masks_are_eroded():
    """A pixel beside the border of a mask does not count: its normal sees the other side."""
    truth = depths(1)
    depth = truth.clone()
    depth[..., 8, 8] = 3.0
    visible = full(1)
    visible[..., 8, 9] = False
    assert scored(truth, depth, visible=visible).result().figures["side"].value == pytest.approx(0.0, abs=1e-6)
    assert scored(truth, depth).result().figures["side"].value > 1.0


def test_merging_shards_equals_the_whole():
    truth, depth, fit = depths(10), depths(10, seed=1), depths(6, seed=2)
    whole = scored(truth, depth, fit=fit, batch=3).result()
    one, two = (SideMad() for _ in range(2))
    one.update("fit", ids=[], ports={"true_depth": fit[:2], "true_mask": full(2)})
    two.update("fit", ids=[], ports={"true_depth": fit[2:], "true_mask": full(4)})
    one.merge(two)
    two.average.total, two.average.count = one.average.total, one.average.count
    show(one, truth[:4], depth[:4])
    show(two, truth[4:], depth[4:], first=4, batch=5)
    fresh = SideMad()
    fresh.rows = two.rows
    one.merge(fresh)
    merged = one.result()
    assert merged.figures["side"].count == 10
    for measure in ("side", "mad"):
        assert merged.figures[measure].value == pytest.approx(whole.figures[measure].value, rel=1e-12)
        assert merged.figures[measure].spread == pytest.approx(whole.figures[measure].spread, rel=1e-9)
        for name, figures in whole.baselines.items():
            assert merged.baselines[name][measure].value == pytest.approx(figures[measure].value, rel=1e-12)


def test_the_null_baseline_by_hand():
    """Constant depth against a plane z = 1 + a (x - c) / f ... only the spread of the log is left, and the plane's tilt."""
    camera = intrinsics(math.radians(10.0), height=SIZE, width=SIZE, dtype=torch.float64)
    slope = 0.5
    x = (torch.arange(SIZE, dtype=torch.float64) - camera[0, 2]) / camera[0, 0]
    plane = (1.0 / (1.0 - slope * x)).expand(1, 1, SIZE, SIZE)
    result = scored(plane, plane).result().baselines["null depth"]
    log = plane.log()[..., 1:-1, 1:-1]
    assert result["side"].value == pytest.approx(100 * float(log.std(correction=0)), rel=1e-9)
    assert result["mad"].value == pytest.approx(math.degrees(math.atan(slope)), abs=0.2)


def test_the_average_depth_is_the_mean_where_it_is_known():
    fit = torch.stack((torch.full((1, SIZE, SIZE), 0.9), torch.full((1, SIZE, SIZE), 1.1))).double()
    mask = full(2)
    mask[1, ..., :8] = False
    evaluator = SideMad()
    evaluator.update("fit", ids=[], ports={"true_depth": fit, "true_mask": mask})
    average = evaluator._baselines(fit)["average depth"]
    torch.testing.assert_close(average[..., :8], torch.full((1, 1, SIZE, 8), 0.9, dtype=torch.float64))
    torch.testing.assert_close(average[..., 8:], torch.full((1, 1, SIZE, 8), 1.0, dtype=torch.float64))


def test_without_a_fit_pass_the_result_says_so():
    truth = depths(2)
    result = scored(truth, truth).result()
    assert "average depth" not in result.baselines
    assert "no average-depth baseline: no fit pass was run" in result.notes


def test_pictures_without_a_common_pixel_are_counted():
    truth, mask = depths(3), full(3)
    mask[1] = False
    result = scored(truth, truth, mask=mask).result()
    assert result.figures["side"].count == 2
    assert "1 pictures left out" in result.notes[0]


def test_nothing_scored_is_an_error():
    with pytest.raises(ValueError, match="does the data folder have depth/"):
        SideMad().result()
