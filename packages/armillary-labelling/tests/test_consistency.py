"""``label-consistency/1``: labels that are the truth, labels that say nothing, and the finding of points between cells."""

import math

import pytest
import torch

from armillary_labelling.consistency import LabelConsistency, locate, measure, spread_points

SIZE, STRIDE = 32, 2


def globe(turn, *, size=SIZE, radius=0.9):
    """Coordinates [3 H W] and mask of a unit sphere seen from the front, turned about the vertical by ``turn`` radians."""
    axis = torch.linspace(-1, 1, size, dtype=torch.float64) / radius
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    mask = x.square() + y.square() < 0.98
    z = -(1 - x.square() - y.square()).clamp_min(0).sqrt()
    c, s = math.cos(turn), math.sin(turn)
    seen = torch.stack((c * x + s * z, y, -s * x + c * z))
    return torch.where(mask, seen, 0.0), mask[None]


def pictures(turns):
    coordinates, masks = zip(*(globe(turn) for turn in turns), strict=True)
    return torch.stack(coordinates), torch.stack(masks)


TURNS = [0.12 * k for k in range(8)]


def shown(labels, *, turns=TURNS, batch=3, first=0):
    coordinates, mask = pictures(turns)
    evaluator = LabelConsistency(anchors=60)
    for start in range(0, len(turns), batch):
        part = slice(start, start + batch)
        ports = {
            "image": torch.zeros(len(mask[part]), 3, SIZE, SIZE),
            "labels": labels[part],
            "true_coordinates": coordinates[part],
            "true_mask": mask[part],
        }
        evaluator.update("score", ids=[f"{first + start + i:03d}" for i in range(len(mask[part]))], ports=ports)
    return evaluator


def truth_as_labels(turns=TURNS):
    return pictures(turns)[0][..., ::STRIDE, ::STRIDE]


def test_the_truth_as_labels_is_consistent_and_apart():
    """Labels that are the object's points: one direction a point, up to the chord of a cell; all points told apart."""
    figures = shown(3.0 * truth_as_labels()).result().figures
    assert figures["spread"].value < 0.5
    assert figures["pck"].value == 100.0
    assert figures["used"].value > 30.0  # a half of the sphere is seen


def test_apart_is_the_mean_angle_between_the_points():
    """The labels are the points: their directions are as far apart as the points, seen from the middle of the sphere."""
    evaluator = shown(truth_as_labels())
    result = evaluator.result()
    generator = torch.Generator().manual_seed(0)
    anchors = spread_points(evaluator._seen(sorted(evaluator.kept["score"]), generator), count=60)
    read = torch.stack([evaluator._read(item, anchors)[2] for item in sorted(evaluator.kept["score"])]).sum(0) >= 5
    cosine = anchors[read] @ anchors[read].T
    expected = torch.rad2deg(cosine.clamp(-1, 1).acos())[~torch.eye(int(read.sum()), dtype=torch.bool)].mean()
    assert result.figures["apart"].value == pytest.approx(float(expected), abs=0.5)
    assert result.figures["spread"].count == int(read.sum()) > 20


def test_a_constant_labelling_scores_badly():
    """Nothing spreads, but nothing is apart, one cell of 48 is used, and a point is found by chance alone."""
    figures = shown(torch.ones(len(TURNS), 3, SIZE // STRIDE, SIZE // STRIDE)).result().figures
    assert figures["spread"].value == pytest.approx(0.0, abs=1e-9)
    assert figures["apart"].value == pytest.approx(0.0, abs=1e-9)
    assert figures["used"].value == pytest.approx(100 / 48)
    assert figures["pck"].value < 15.0


def test_labels_of_the_picture_spread_as_the_object_moves():
    """The position in the picture as the label says what the baseline of that name says."""
    half = SIZE // STRIDE
    y, x = torch.meshgrid(STRIDE * torch.arange(half), STRIDE * torch.arange(half), indexing="ij")
    extent = STRIDE * (half - 1)
    x, y = 2 * x / extent - 1, 2 * y / extent - 1
    across = (2 - (x.square() + y.square()) / 2).clamp_min(0).sqrt() / math.sqrt(2)
    labels = torch.stack((x * across, y * across, 1 - (x.square() + y.square()) / 2))
    result = shown(labels.expand(len(TURNS), -1, -1, -1)).result()
    baseline = result.baselines["picture position"]
    for name, figure in result.figures.items():
        assert figure.value == pytest.approx(baseline[name].value, rel=0.02, abs=0.3)
    assert result.figures["spread"].value > 5.0


def test_random_labels_are_found_by_chance():
    """Directions without a pattern: 90 degrees apart in the mean, and no reading helps to find itself."""
    result = shown(truth_as_labels()).result()
    random = result.baselines["random"]
    assert random["apart"].value == pytest.approx(90.0, abs=3.0)
    assert random["spread"].value > 45.0
    assert random["pck"].value < 15.0


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5, 0.99])
def test_a_point_is_found_between_cells(shift):
    """On a slanted plane the map from cells to the object is linear, so that the cell comes out exactly."""
    y, x = torch.meshgrid(torch.arange(9.0).double(), torch.arange(11.0).double(), indexing="ij")
    plane = torch.stack((0.3 * x + 0.1 * y, 0.2 * y - 0.1 * x, 0.05 * x + 0.04 * y))
    cells = torch.tensor(
        [[3 + shift, 5.0], [0.0, 4 + shift], [7.0, 7 + shift], [9 + shift, shift]], dtype=torch.float64
    )
    x, y = cells.T
    anchors = torch.stack((0.3 * x + 0.1 * y, 0.2 * y - 0.1 * x, 0.05 * x + 0.04 * y), dim=-1)
    found, counts = locate(plane, torch.ones(9, 11, dtype=torch.bool), anchors, tolerance=0.25, stretch=3.0)
    assert bool(counts.all())
    torch.testing.assert_close(found, cells, atol=1e-9, rtol=0)


def test_a_point_is_found_only_where_four_cells_show_the_object():
    y, x = torch.meshgrid(torch.arange(6.0).double(), torch.arange(6.0).double(), indexing="ij")
    plane, mask = torch.stack((x, y, 0 * x)), torch.ones(6, 6, dtype=torch.bool)
    mask[:, 3:] = False
    plane[:, ~mask] = math.nan
    anchors = torch.tensor(
        [[1.5, 1.5, 0.0], [2.5, 1.5, 0.0], [4.5, 1.5, 0.0], [1.5, 1.5, 0.2], [1.5, 1.5, 0.3]]
    ).double()
    _, counts = locate(plane, mask, anchors, tolerance=0.25, stretch=3.0)
    assert counts.tolist() == [True, False, False, True, False]


def test_nothing_is_read_across_a_fold():
    """Two parts of an object side by side in the picture: the patch between them is no surface."""
    y, x = torch.meshgrid(torch.arange(6.0).double(), torch.arange(8.0).double(), indexing="ij")
    plane = torch.stack((torch.where(x > 3, x + 9, x), y, 0 * x))
    anchors = torch.tensor([[8.0, 2.5, 0.0], [2.5, 2.5, 0.0]], dtype=torch.float64)
    _, counts = locate(plane, torch.ones(6, 8, dtype=torch.bool), anchors, tolerance=0.25, stretch=3.0)
    assert counts.tolist() == [False, True]


def test_a_picture_without_the_object_is_passed_over():
    turns = [*TURNS, 0.0]
    evaluator = shown(truth_as_labels(turns), turns=turns)
    labels, coordinates, mask = evaluator.kept["score"]["008"]
    evaluator.kept["score"]["008"] = (labels, coordinates * math.nan, torch.zeros_like(mask))
    result = evaluator.result()
    assert "008" not in result.rows
    assert len(result.rows) == len(TURNS)


def test_spread_by_hand():
    """Two labels at 10 degrees on either side of the mean: each 10 away from it; lengths do not count."""
    turn = math.radians(10.0)
    one = torch.tensor([[math.cos(turn), math.sin(turn), 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    other = torch.tensor([[5 * math.cos(turn), -5 * math.sin(turn), 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
    anchors = torch.tensor([[0.0, 0, 0], [1.0, 0, 0]], dtype=torch.float64)
    found = measure(torch.stack((one, other)), torch.ones(2, 2, dtype=torch.bool), anchors=anchors, near=0.1)
    torch.testing.assert_close(found.angles[:, 0], torch.full((2,), 10.0, dtype=torch.float64))
    torch.testing.assert_close(found.angles[:, 1], torch.zeros(2, dtype=torch.float64))
    assert bool(found.right.all())


def test_a_reading_does_not_help_to_find_itself():
    """Two readings at opposite points: each alone is nearest to its own mean, but the other one leads away."""
    labels = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]], [[-1.0, 0, 0], [0, 1.0, 0]]], dtype=torch.float64)
    anchors = torch.tensor([[0.0, 0, 0], [1.0, 0, 0]], dtype=torch.float64)
    found = measure(labels, torch.ones(2, 2, dtype=torch.bool), anchors=anchors, near=0.1)
    assert found.right.tolist() == [[False, True], [False, True]]


def test_labels_without_a_direction_count_against():
    """Zero and nan have no direction: 90 degrees off, not found, and said so."""
    labels = truth_as_labels()
    labels[0], labels[1] = 0.0, math.nan
    result = shown(labels).result()
    assert result.rows["000"] == {"spread": 90.0, "pck": 0.0}
    assert result.rows["001"] == {"spread": 90.0, "pck": 0.0}
    assert result.figures["pck"].value < 90.0
    assert any("no direction" in note for note in result.notes)


def test_points_are_spread_and_differ():
    """A line of points: the middle, the two ends, then the quarters; and no more points than there are places."""
    line = torch.linspace(0, 8, 9, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0, 0], dtype=torch.float64)
    assert spread_points(line, count=5)[:, 0].tolist() == [4.0, 0.0, 8.0, 2.0, 6.0]
    assert len(spread_points(line[:3].repeat(4, 1), count=9)) == 3


def test_neither_batches_nor_shards_nor_order_matter():
    labels = truth_as_labels() + 0.1 * torch.randn(len(TURNS), 3, 16, 16, generator=torch.Generator().manual_seed(1))
    whole = shown(labels, batch=len(TURNS)).result()
    one, two = shown(labels[:3], turns=TURNS[:3]), shown(labels[3:], turns=TURNS[3:], batch=1, first=3)
    two.merge(one)
    merged = two.result()
    assert merged.figures == whole.figures
    assert merged.baselines == whole.baselines
    assert merged.rows == whole.rows


def test_too_little_is_an_error_that_says_what_to_do():
    empty = LabelConsistency()
    with pytest.raises(ValueError, match="no picture with object coordinates"):
        empty.result()
    with pytest.raises(ValueError, match="the setting pictures"):
        shown(truth_as_labels(TURNS[:3]), turns=TURNS[:3]).result()
