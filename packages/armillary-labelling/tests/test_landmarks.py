"""Landmarks from labels: values by hand, the metrics, the normalisers, and a regressor that learns what can be learnt."""

import math

import pytest
import torch

from armillary.errors import DataError
from armillary_labelling.landmarks import LandmarksNearest, nearest_cells
from armillary_labelling.regression import LandmarksRegressed

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


def nearest(*, fit=None, score=None, visible=None, fit_visible=None, batch=3, **settings):
    evaluator = LandmarksNearest(**settings)
    show(evaluator, "fit", *(fit or faces(6)), visible=fit_visible, batch=batch)
    return show(evaluator, "score", *(score or faces(4, seed=1)), visible=visible, batch=batch)


def short(**settings):
    return LandmarksRegressed(**{"epochs": 30, "intermediate": 8, "lr": 0.03, **settings})


# --- the nearest label ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "direction", "product"])
def test_landmarks_with_labels_of_their_own_are_found(metric):
    """Unit labels that are the same in every picture: each of the metrics finds the very cell."""
    result = nearest(metric=metric).result()
    assert result.figures["error"].value == pytest.approx(0.0, abs=1e-6)
    assert result.figures["error"].count == 4
    assert result.baselines["mean shape"]["error"].value > 10.0
    assert set(result.rows) == {"000", "001", "002", "003"}


def test_metrics_by_hand():
    """z = (1, 0, 0); cells: the same with a little to the side, five times as long, and half as long."""
    labels = torch.tensor([[1.0, 0.1, 0], [5.0, 2.0, 0], [0.5, 0, 0]]).T[None, :, None, :]
    z = torch.tensor([[1.0, 0.0, 0.0]])
    assert nearest_cells(labels, z, metric="euclidean").item() == 0
    assert nearest_cells(labels, z, metric="product").item() == 1
    unit = torch.nn.functional.normalize(labels, dim=1)
    assert nearest_cells(unit, z, metric="direction").item() == 2


def test_labels_that_are_not_numbers_are_never_nearest():
    labels = torch.tensor([[math.nan, 0, 0], [9.0, 0, 0], [math.inf, 0, 0]]).T[None, :, None, :]
    for metric in ("euclidean", "product"):
        assert nearest_cells(labels, torch.tensor([[1.0, 0.0, 0.0]]), metric=metric).item() == 1


def test_the_error_by_hand():
    """One landmark lies 3 cells right of where its label is, the eyes 6 cells apart: 50 % for it, 10 % over the five."""
    labels, landmarks = faces(1, seed=1)
    moved = landmarks.clone()
    moved[0, 2, 0] += 3 * 2 * STRIDE / (SIZE - 1)
    result = nearest(score=(labels, moved)).result()
    assert result.figures["error"].value == pytest.approx(10.0)
    shown = result.points["000"]
    torch.testing.assert_close(shown.predicted, landmarks[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(shown.truth, moved[0])


@pytest.mark.parametrize(
    ("normaliser", "length"), [((0, 1), 6.0), ((3, 4), 4.0), ("box", 6.0), ("image", SIZE / STRIDE)]
)
def test_normalisers(normaliser, length):
    """Every landmark one cell too low: 100 % of one cell by the normaliser's cells."""
    labels, landmarks = faces(2, seed=1)
    low = landmarks + torch.tensor([0.0, 2 * STRIDE / (SIZE - 1)], dtype=torch.float64)
    result = nearest(score=(labels, low), normaliser=normaliser).result()
    assert result.figures["error"].value == pytest.approx(100.0 / length, rel=1e-5)


def test_baselines_by_hand():
    """The mean shape of two pictures lies between them; the centre is the middle of the picture."""
    labels, landmarks = faces(2)
    landmarks[1] = landmarks[0] + 0.25
    result = nearest(fit=(labels, landmarks), score=(labels[:1], landmarks[:1]), normaliser="image").result()
    half = 0.125 * (SIZE - 1) / 2 * math.sqrt(2)
    assert result.baselines["mean shape"]["error"].value == pytest.approx(100 * half / SIZE)
    centre = landmarks[0].norm(dim=-1).mean() * (SIZE - 1) / 2
    assert result.baselines["image centre"]["error"].value == pytest.approx(float(100 * centre / SIZE))


def test_groups_are_means_of_their_points():
    labels, landmarks = faces(3, seed=1)
    result = nearest(score=(labels, landmarks), points=((0, 1), (2,), (3, 4)), normaliser=(0, 2)).result()
    torch.testing.assert_close(result.points["000"].truth[0], landmarks[0, :2].mean(dim=0))
    assert len(result.points["000"].predicted) == 3


def test_a_group_counts_when_all_of_it_is_visible():
    labels, landmarks = faces(3, seed=1)
    visible = torch.ones(3, 5, dtype=torch.bool)
    visible[0, 1] = False
    result = nearest(score=(labels, landmarks), visible=visible, points=((0, 1), (2,)), normaliser="image").result()
    assert result.points["000"].visible.tolist() == [False, True]
    assert result.points["001"].visible.tolist() == [True, True]


def test_the_normaliser_is_told():
    """The eyes are 6 cells of 2 pixels apart: whoever names the wrong points sees it."""
    assert "the normaliser is 12.0 pixels in the mean, in pictures of 33 x 33" in nearest().result().notes


def test_the_five_of_68():
    """Eyes at the means of their six points, the tip of the nose, the corners of the mouth."""
    labels, _ = faces(2)
    landmarks = torch.rand(2, 68, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    result = nearest(fit=(labels, landmarks), score=(labels, landmarks), points="five-of-68").result()
    truth = result.points["000"].truth
    expected = [landmarks[0, 36:42].mean(0), landmarks[0, 42:48].mean(0), *landmarks[0, [30, 48, 54]]]
    torch.testing.assert_close(truth, torch.stack(expected))


def test_what_is_not_visible_does_not_count():
    """A hidden landmark may stand anywhere, nan included, in fitting and in scoring; a picture without any is said."""
    labels, landmarks = faces(4, seed=1)
    visible = torch.ones(4, 5, dtype=torch.bool)
    visible[0, 2], visible[3] = False, False
    clean = nearest(score=(labels, landmarks), visible=visible).result()
    for junk in (math.nan, 0.9, 5.0):
        dirty = landmarks.clone()
        dirty[0, 2], dirty[3] = junk, junk
        result = nearest(
            fit=(labels, dirty), fit_visible=visible, score=(labels, dirty), visible=visible, normaliser="image"
        ).result()
        assert result.figures["error"].value == pytest.approx(0.0, abs=1e-6)
        assert result.figures["error"].count == 3
    assert "1 pictures left out: no point that counts, or no normaliser" in clean.notes


def test_a_landmark_never_seen_in_training_is_left_out():
    visible = torch.ones(6, 5, dtype=torch.bool)
    visible[:, 4] = False
    result = nearest(fit_visible=visible).result()
    assert result.figures["error"].value == pytest.approx(0.0, abs=1e-6)
    assert "points 4 left out: not seen in the training split" in result.notes


def test_neither_batches_nor_shards_matter():
    labels, landmarks = faces(7, seed=3)
    labels = labels + 0.05 * torch.randn(labels.shape, generator=torch.Generator().manual_seed(2), dtype=labels.dtype)
    whole = nearest(fit=(labels, landmarks), score=(labels, landmarks), batch=7).result()
    one, two = (LandmarksNearest() for _ in range(2))
    show(one, "fit", labels[:2], landmarks[:2], batch=1)
    show(two, "fit", labels[2:], landmarks[2:], first=2)
    one.merge(two)
    two = LandmarksNearest()
    two.fitted = one.fitted
    show(two, "score", labels[5:], landmarks[5:], first=5)
    show(one, "score", labels[:5], landmarks[:5], batch=2)
    one.merge(two)
    merged = one.result()
    assert merged.figures["error"].value == pytest.approx(whole.figures["error"].value, rel=1e-12)
    assert {k: r["error"] for k, r in merged.rows.items()} == pytest.approx(
        {k: r["error"] for k, r in whole.rows.items()}
    )
    for name, figures in whole.baselines.items():
        assert merged.baselines[name]["error"].value == pytest.approx(figures["error"].value, rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": ((0,), (5,))}, "points name point 5, but 5 are annotated"),
        ({"points": "five-of-68"}, "points name point 54, but 5 are annotated"),
        ({"points": ((0,), (1,)), "normaliser": (0, 2)}, "normaliser names point 2, but 2 are chosen"),
    ],
)
def test_points_that_are_not_there_are_refused(settings, message):
    with pytest.raises(DataError, match=message):
        nearest(**settings)


def test_nothing_fitted_and_nothing_scored_are_errors():
    evaluator = LandmarksNearest()
    show(evaluator, "score", *faces(1))
    with pytest.raises(ValueError, match="no fit pass"):
        evaluator.result()
    evaluator = LandmarksNearest()
    show(evaluator, "fit", *faces(2))
    with pytest.raises(ValueError, match="no annotated point is visible"):
        evaluator.result()


# --- the regressor -------------------------------------------------------------------------------------------------


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
    assert result.notes[0] == "trained on 64 annotated pictures for 150 epochs"


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
    assert few.notes[0] == "trained on 3 annotated pictures for 4 epochs"
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
    with pytest.raises(ValueError, match="no picture with landmarks was scored"):
        evaluator.result()
