"""Correlation of depth at annotated points: values by hand, the published formula, signs, masks, shards, trivial baselines."""

import math

import numpy as np
import pytest
import torch

from armillary.std.keypoint_depth import KeypointDepthCorrelation, correlation

ITEMS, POINTS, SIDE = 12, 5, 9
IDS = [f"{i:03}" for i in range(ITEMS)]


def scene(seed=0):
    """Depth maps that slope by a different amount in every picture, and points that lie on them."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(ITEMS, POINTS, 2, generator=generator) * 1.6 - 0.8
    slope = 0.05 * torch.randn(ITEMS, 2, generator=generator)
    x = torch.linspace(-1, 1, SIDE)
    depth = 1 + slope[:, 0, None, None] * x + slope[:, 1, None, None] * x[:, None]
    z = 1 + (slope[:, None] * places).sum(-1)
    return {
        "depth": depth[:, None],
        "true_landmarks2d": places,
        "true_landmarks3d": torch.cat((places * z[..., None], z[..., None]), dim=-1),
    }


def evaluator(*, occluded=True):
    return KeypointDepthCorrelation(occluded=occluded)


def score(ports, **settings):
    measure = evaluator(**settings)
    measure.update("score", ids=IDS, ports=ports)
    return measure.result()


def value(found, name="sum"):
    return found.figures[name].value


def test_the_truth_scores_as_many_as_there_are_points():
    """A plane is read exactly between its pixels, so every point correlates fully."""
    found = score(scene())
    assert value(found) == pytest.approx(POINTS, abs=1e-4)
    assert value(found, "share") == pytest.approx(1, abs=1e-4)
    assert value(found, "signed_sum") == pytest.approx(POINTS, abs=1e-4)


def test_unit_and_offset_of_the_depth_do_not_count():
    ports = scene()
    assert value(score(ports | {"depth": 30 * ports["depth"] - 7})) == pytest.approx(POINTS, abs=1e-3)


def test_a_hollow_face_has_the_same_sum_and_the_opposite_sign():
    """Nearer found farther: the published figure cannot tell, the sum with signs can, and a note says so."""
    ports = scene()
    found = score(ports | {"depth": 2 - ports["depth"]})
    assert value(found) == pytest.approx(POINTS, abs=1e-4)
    assert value(found, "signed_sum") == pytest.approx(-POINTS, abs=1e-4)
    assert any("negatively" in note for note in found.notes)


def test_a_constant_depth_scores_nothing():
    ports = scene()
    found = score(ports | {"depth": torch.full_like(ports["depth"], 0.9)})
    assert value(found) == 0
    assert any("count 0" in note for note in found.notes)


def test_sum_is_the_published_formula():
    """DepthNets: the diagonal of the cross block of numpy's corrcoef of [pictures, points], absolute, summed."""
    generator = torch.Generator().manual_seed(3)
    found, truth = torch.randn(2, 40, 66, generator=generator, dtype=torch.float64)
    theirs = np.sum(np.diag(np.abs(np.corrcoef(found.numpy(), truth.numpy(), rowvar=0)[:66, 66:])))
    ours = correlation(found, truth, valid=torch.ones(40, 66, dtype=torch.bool)).abs().sum()
    assert ours.item() == pytest.approx(theirs)


def test_correlation_by_hand():
    """(1, 2, 3) with (1, 3, 2): covariance 1, both variances 2: a half. A point left out may hold anything."""
    one = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [9.0, math.nan]])
    other = torch.tensor([[1.0, 2.0], [3.0, 2.0], [2.0, 2.0], [9.0, 7.0]])
    valid = torch.tensor([[True, True]] * 3 + [[False, False]])
    found = correlation(one, other, valid=valid)
    assert found[0].item() == pytest.approx(0.5)
    assert found[1].isnan()


def test_two_pictures_are_too_few():
    two = torch.tensor([[1.0], [2.0]])
    assert correlation(two, two, valid=torch.ones(2, 1, dtype=torch.bool)).isnan().all()


def test_points_outside_or_without_depth_are_left_out():
    ports = scene()
    ports["true_landmarks2d"][0, 0] = 1.2
    ports["true_landmarks3d"][1, 1] = 0.0
    found = score(ports)
    assert value(found) == pytest.approx(POINTS, abs=1e-4)
    assert any(note.startswith(f"2 of {ITEMS * POINTS} points left out") for note in found.notes)


def test_occluded_points_count_unless_they_shall_not():
    ports = scene()
    ports["true_visible"] = torch.ones(ITEMS, POINTS, dtype=torch.bool)
    ports["true_visible"][:4, 0] = False
    ports["true_landmarks3d"][:4, 0, 2] = 3.0
    assert value(score(ports)) < POINTS - 0.1
    assert value(score(ports, occluded=False)) == pytest.approx(POINTS, abs=1e-4)


def test_merging_shards_equals_the_whole():
    ports = scene() | {"true_depth": scene()["depth"]}
    halves = [evaluator(), evaluator()]
    for half, part in zip(halves, (slice(0, 5), slice(5, None)), strict=True):
        cut = {name: tensor[part] for name, tensor in ports.items()}
        half.update("fit", ids=IDS[part], ports=cut)
    halves[0].merge(halves[1])
    halves[1].average.total, halves[1].average.count = halves[0].average.total, halves[0].average.count
    for half, part in zip(halves, (slice(0, 5), slice(5, None)), strict=True):
        half.update("score", ids=IDS[part], ports={name: tensor[part] for name, tensor in ports.items()})
    shard = evaluator()
    shard.found, shard.truth, shard.valid = halves[1].found, halves[1].truth, halves[1].valid
    halves[0].merge(shard)
    whole = evaluator()
    whole.update("fit", ids=IDS, ports=ports)
    whole.update("score", ids=IDS, ports=ports)
    assert halves[0].result() == whole.result()


def test_baselines_know_nothing_of_the_picture():
    """A ball over the frame, one over the points, the average depth where it is known, and other pictures' truth."""
    plain = score(scene())
    assert set(plain.baselines) == {"blob", "blob on the points", "other pictures' truth"}
    assert all(0 <= figures["sum"].value < POINTS for figures in plain.baselines.values())
    measure = evaluator()
    ports = scene() | {"true_depth": scene()["depth"]}
    measure.update("fit", ids=IDS, ports=ports)
    measure.update("score", ids=IDS, ports=ports)
    assert "average depth" in measure.result().baselines


def test_the_average_depth_is_not_asked_for():
    """Photographs have no depth: the fit pass finds nothing, and nothing breaks."""
    measure = evaluator()
    measure.update("fit", ids=IDS, ports={"true_landmarks2d": scene()["true_landmarks2d"]})
    measure.update("score", ids=IDS, ports=scene())
    assert "average depth" not in measure.result().baselines


def test_blob_on_the_points_bulges_towards_the_viewer():
    """Points in the middle of the others vary with how central they are; nearer, so of smaller depth, in the middle."""
    places = torch.tensor([[-0.6, 0.0], [0.6, 0.0], [0.0, -0.5], [0.0, 0.5], [0.0, 0.0]]).repeat(ITEMS, 1, 1)
    places[:, 4, 0] = torch.linspace(0.0, 0.5, ITEMS)
    z = 1 - (1 - (places / torch.tensor([0.6, 0.5])).square().sum(-1)).clamp_min(0).sqrt() * 0.1
    ports = {
        "depth": scene()["depth"],
        "true_landmarks2d": places,
        "true_landmarks3d": torch.cat((places, z[..., None]), dim=-1),
    }
    figures = score(ports).baselines["blob on the points"]
    assert figures["sum"].value == figures["signed_sum"].value == pytest.approx(1, abs=1e-4)


def test_nothing_scored_is_refused():
    with pytest.raises(ValueError, match=r"landmarks\.csv have z"):
        evaluator().result()
