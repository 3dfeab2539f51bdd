"""``matching/1``: errors by hand, who is matched with whom, and baselines."""

import math

import pytest
import torch

from armillary_labelling.matching import HALF_STRENGTH_PAIR, Matching, labels_at_cells
from armillary_labelling.transforms import TpsPair

SIZE, STRIDE = 20, 2
CELLS = SIZE // STRIDE


def at(cells):
    """Cells (x, y) as positions in [-1, 1]."""
    return 2.0 * STRIDE * torch.as_tensor(cells, dtype=torch.float64) / (SIZE - 1) - 1.0


def marks(cells):
    """A label map, zero but for a unit vector of its own at each of three cells (x, y)."""
    labels = torch.zeros(3, CELLS, CELLS)
    for axis, (x, y) in enumerate(cells):
        labels[axis, int(y), int(x)] = 1.0
    return labels


SOURCES = [[(1, 1), (5, 2), (4, 7)], [(2, 1), (6, 2), (4, 8)], [(3, 3), (7, 1), (2, 6)]]
TARGETS = [[(2, 1), (6, 3), (4, 6)], [(1, 2), (5, 5), (3, 8)], [(4, 4), (8, 1), (1, 7)]]


def view(items, *, labels=None, visible=None, source_off=0.0):
    sources, targets = [SOURCES[k] for k in items], [TARGETS[k] for k in items]
    ports = {
        "source": torch.zeros(len(items), 3, SIZE, SIZE),
        "target": torch.zeros(len(items), 3, SIZE, SIZE),
        "source_labels": torch.stack([marks(cells) for cells in sources]),
        "target_labels": torch.stack([marks(cells) for cells in targets]) if labels is None else labels,
        "source_landmarks2d": torch.stack([at(cells) for cells in sources]) + source_off,
        "target_landmarks2d": torch.stack([at(cells) for cells in targets]),
    }
    if visible is not None:
        ports |= {"source_visible": visible, "target_visible": torch.ones_like(visible)}
    return ports


def matched(items=(0, 1, 2), *, batch=2, **more):
    evaluator = Matching(frame=SIZE)
    for start in range(0, len(items), batch):
        part = items[start : start + batch]
        evaluator.update("score", ids=[f"{k:03d}" for k in part], ports=view(part, **more))
    return evaluator


def test_marks_are_matched_without_error():
    result = matched().result()
    assert result.figures["same"].value == pytest.approx(0.0, abs=1e-6)
    assert result.figures["different"].value == pytest.approx(0.0, abs=1e-6)
    assert result.figures["same"].count == 3


def test_the_error_by_hand():
    """All marks of the targets 3 cells to the right of their landmarks: 6 pixels, by the frame of 70: 21."""
    shifted = torch.stack([marks([(min(x + 3, CELLS - 1), y) for x, y in cells]) for cells in TARGETS[:2]])
    evaluator = Matching()
    evaluator.update("score", ids=["a", "b"], ports=view((0, 1), labels=shifted))
    for measure in ("same", "different"):
        assert evaluator.result().figures[measure].value == pytest.approx(6.0 * 70 / SIZE)
    assert evaluator.result().rows["a"]["same"] == pytest.approx(21.0)


def test_the_next_picture_is_the_next_id_and_the_last_ones_is_the_first():
    """Only the first target is wrong, by 2 pixels: its own match, and that of the last picture, not of the second."""
    labels = torch.stack([marks([(x, y + 1) for x, y in TARGETS[0]]), *(marks(cells) for cells in TARGETS[1:])])
    rows = matched(batch=3, labels=labels).result().rows
    assert {item: row["same"] for item, row in rows.items()} == pytest.approx({"000": 2.0, "001": 0.0, "002": 0.0})
    assert {item: row["different"] for item, row in rows.items()} == pytest.approx({"000": 0.0, "001": 0.0, "002": 2.0})


def test_baselines_by_hand():
    """stay: the distance between the two views' landmarks. any cell: the mean distance over all cells."""
    result = matched().result()
    apart = [math.dist(a, b) * STRIDE for s, t in zip(SOURCES, TARGETS, strict=True) for a, b in zip(s, t, strict=True)]
    assert result.baselines["stay"]["same"].value == pytest.approx(sum(apart) / 9)
    everywhere = [
        STRIDE * math.dist(point, (x, y))
        for cells in TARGETS
        for point in cells
        for x in range(CELLS)
        for y in range(CELLS)
    ]
    assert result.baselines["any cell"]["same"].value == pytest.approx(sum(everywhere) / len(everywhere))
    assert result.baselines["any cell"]["different"].value == pytest.approx(sum(everywhere) / len(everywhere))


def test_a_landmark_takes_the_label_of_the_nearest_cell():
    """0.4 of a cell off is rounded back; outside the map the last cell stands in."""
    labels = torch.arange(4.0).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    pixels = torch.tensor([[[0.8, 0.0], [1.2, 0.0], [0.0, 1.2], [9.0, 9.0], [-3.0, -3.0]]])
    assert labels_at_cells(labels, pixels, stride=2)[0, :, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 0.0]
    assert matched(source_off=0.4 * 2 * STRIDE / (SIZE - 1)).result().figures["same"].value == pytest.approx(
        0.0, abs=1e-6
    )


def test_what_is_not_visible_in_both_views_does_not_count():
    visible = torch.ones(3, 3, dtype=torch.bool)
    visible[1] = False
    evaluator = matched(batch=3, visible=visible)
    result = evaluator.result()
    assert result.figures["same"].count == 2
    assert result.rows["001"] == {}


def test_neither_batches_nor_shards_nor_order_matter():
    whole = matched(batch=3).result()
    one, two = matched((2,)), matched((1, 0), batch=1)
    one.merge(two)
    merged = one.result()
    assert (merged.figures, merged.baselines, merged.rows) == (whole.figures, whole.baselines, whole.rows)


def test_one_picture_has_no_next():
    result = matched((1,)).result()
    assert set(result.figures) == {"same"}
    assert "different was not measured" in result.notes[0]


def test_nothing_scored_is_an_error():
    with pytest.raises(ValueError, match="no picture with landmarks"):
        Matching().result()


def test_matching_is_measured_at_half_strength():
    """Half of what training draws with, the first warp as strong as the second, landmarks carried along."""
    settings = dict(HALF_STRENGTH_PAIR.settings)
    published = TpsPair.Config()
    for name in ("warp", "strong_warp", "translation", "scale", "rotation"):
        assert settings.pop(name) == pytest.approx(getattr(published, name) / 2)
    assert settings == {"first_warp": 1.0, "first_affine": 1.0, "landmarks": True}
