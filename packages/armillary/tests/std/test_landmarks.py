"""Landmarks from key points and from labels: exact where that can be, by hand where not, the same however they are read."""

import math

import pytest
import torch

from armillary.config import structure
from armillary.errors import ConfigError, DataError
from armillary.std.label_maps import label_points
from armillary.std.landmark_fits import least_squares
from armillary.std.landmarks import LandmarksNearest, LandmarksRegressed
from armillary.std.landmarks_3d import Landmarks3dRegressed, Landmarks3dSimilarity

SIZE = 9  # eight steps: 4 pixels a unit of [-1, 1]


def ports(points, truth, visible=None):
    given = {"image": torch.zeros(len(points), 3, SIZE, SIZE), "keypoints2d": points, "true_landmarks2d": truth}
    return given if visible is None else {**given, "true_visible": visible}


def names(count, first=0):
    return [f"{index + first:03d}" for index in range(count)]


def measured(fit, score, *, visible=None, **settings):
    evaluator = LandmarksRegressed(**{"normaliser": "image", **settings})
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
    evaluator = LandmarksRegressed(normaliser="image")
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
    evaluator = LandmarksRegressed(normaliser="image")
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
        part = LandmarksRegressed(normaliser="image")
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
    result = measured((points, truth), (points, moved), threshold=2 / 9 + 1e-9)
    assert result.figures["pck"].value == pytest.approx(75.0)
    assert result.figures["pck"].better == "higher"
    assert result.baselines["image centre"]["pck"].value == pytest.approx(75.0)
    assert result.rows["500"]["pck"] == pytest.approx(75.0)
    assert "within 22.22 % of the normaliser" in result.notes[0]


def test_nothing_scored_is_an_error():
    evaluator = LandmarksRegressed()
    evaluator.update("fit", ids=names(3), ports=ports(*linear(3)))
    with pytest.raises(ValueError, match="landmarks-regressed/1: no picture was scored"):
        evaluator.result()


@pytest.mark.parametrize("kind", [LandmarksRegressed, LandmarksNearest])
def test_protocols_name_their_baselines_and_the_fit_is_asked_for(kind):
    assert "Baselines" in kind.protocol
    assert "training split" in kind.protocol
    with pytest.raises(ValueError, match=f"{kind.header['name']}: no fit pass was run"):
        kind().result()


# --- settings ------------------------------------------------------------------------------------------------------

MEASURES = (LandmarksRegressed, LandmarksNearest, Landmarks3dRegressed, Landmarks3dSimilarity)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"normaliser": [1, 1]}, "normaliser needs two different points"),
        ({"normaliser": [-1, 1]}, "normaliser needs two different points"),
        ({"normaliser": "eyes"}, "normaliser"),
        ({"points": []}, "points needs all or five-of-68 or lists"),
        ({"points": [[0], []]}, "points needs all or five-of-68 or lists"),
        ({"points": [[-1]]}, "points needs all or five-of-68 or lists"),
        ({"points": [0, 1]}, "points"),
    ],
)
def test_settings_that_cannot_be_are_refused(measure, table, said):
    with pytest.raises(ConfigError, match=said):
        structure(table, measure.Config)


@pytest.mark.parametrize(
    ("measure", "setting"),
    [
        (LandmarksRegressed, {"threshold": 0.0}),
        (LandmarksNearest, {"annotated": 0}),
        (LandmarksRegressed, {"ridge": -1.0}),
        (LandmarksNearest, {"metric": "cosine"}),
    ],
)
def test_numbers_that_cannot_be_are_refused(measure, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        structure(setting, measure.Config)


@pytest.mark.parametrize("measure", MEASURES)
def test_points_and_normalisers_are_read(measure):
    assert structure({"points": [[36, 39], [30]], "normaliser": [1, 0]}, measure.Config).points == ((36, 39), (30,))
    for name in ("box", "image", "eyes-of-68"):
        assert structure({"normaliser": name}, measure.Config).normaliser == name


# --- labels ------------------------------------------------------------------------------------------


WIDE, STRIDE = 33, 2
CELLS = WIDE // STRIDE


def positions(cells):
    """Cells (x, y) as positions in [-1, 1]: cell j stands at pixel 2 j."""
    return 2.0 * STRIDE * torch.as_tensor(cells, dtype=torch.float64) / (WIDE - 1) - 1.0


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
            "image": torch.zeros(len(labels[part]), 3, WIDE, WIDE),
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


@pytest.mark.parametrize("metric", ["euclidean", "direction", "product"])
def test_landmarks_with_labels_of_their_own_are_found(metric):
    """Unit labels that are the same in every picture: each of the metrics finds the very cell."""
    result = nearest(metric=metric).result()
    assert result.figures["error"].value == pytest.approx(0.0, abs=1e-6)
    assert result.figures["error"].count == 4
    assert result.baselines["mean shape"]["error"].value > 10.0
    assert set(result.rows) == {"000", "001", "002", "003"}


def test_the_error_of_the_nearest_label_by_hand():
    """One landmark lies 3 cells right of where its label is, the eyes 6 cells apart: 50 % for it, 10 % over the five."""
    labels, landmarks = faces(1, seed=1)
    moved = landmarks.clone()
    moved[0, 2, 0] += 3 * 2 * STRIDE / (WIDE - 1)
    result = nearest(score=(labels, moved)).result()
    assert result.figures["error"].value == pytest.approx(10.0)
    shown = result.points["000"]
    torch.testing.assert_close(shown.predicted, landmarks[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(shown.truth, moved[0])


@pytest.mark.parametrize(
    ("normaliser", "length"), [((0, 1), 6.0), ((3, 4), 4.0), ("box", 6.0), ("image", WIDE / STRIDE)]
)
def test_normalisers(normaliser, length):
    """Every landmark one cell too low: 100 % of one cell by the normaliser's cells."""
    labels, landmarks = faces(2, seed=1)
    low = landmarks + torch.tensor([0.0, 2 * STRIDE / (WIDE - 1)], dtype=torch.float64)
    result = nearest(score=(labels, low), normaliser=normaliser).result()
    assert result.figures["error"].value == pytest.approx(100.0 / length, rel=1e-5)


def test_baselines_by_hand():
    """The mean shape of two pictures lies between them; the centre is the middle of the picture."""
    labels, landmarks = faces(2)
    landmarks[1] = landmarks[0] + 0.25
    result = nearest(fit=(labels, landmarks), score=(labels[:1], landmarks[:1]), normaliser="image").result()
    half = 0.125 * (WIDE - 1) / 2 * math.sqrt(2)
    assert result.baselines["mean shape"]["error"].value == pytest.approx(100 * half / WIDE)
    centre = landmarks[0].norm(dim=-1).mean() * (WIDE - 1) / 2
    assert result.baselines["image centre"]["error"].value == pytest.approx(float(100 * centre / WIDE))


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
    two.kept["fit"] = one.kept["fit"]
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
        nearest(**settings).result()


def test_nothing_fitted_and_nothing_scored_are_errors():
    evaluator = LandmarksNearest()
    show(evaluator, "score", *faces(1))
    with pytest.raises(ValueError, match="no fit pass"):
        evaluator.result()
    evaluator = LandmarksNearest()
    show(evaluator, "fit", *faces(2))
    with pytest.raises(ValueError, match="no picture was scored"):
        evaluator.result()


# --- both ----------------------------------------------------------------------------------------------------------


def test_labels_are_regressed_as_their_soft_points_are():
    """One measure on two outputs: a label map gives the figures of the key points that are its soft-argmax."""
    how = {"normaliser": "image", "ridge": 1e-3, "constant": True}
    by_labels, by_points = LandmarksRegressed(**how), LandmarksRegressed(**how)
    for phase, count, seed in (("fit", 24, 0), ("score", 8, 1)):
        labels, landmarks = faces(count, seed=seed)
        show(by_labels, phase, labels, landmarks)
        points = label_points(labels, count=50, multiplier=100.0, seed=0, height=WIDE, width=WIDE)
        given = {"image": torch.zeros(count, 3, WIDE, WIDE), "keypoints2d": points, "true_landmarks2d": landmarks}
        by_points.update(phase, ids=names(count), ports=given)
    one, other = by_labels.result(), by_points.result()
    assert one.figures["error"].value == pytest.approx(other.figures["error"].value)
    assert one.baselines == other.baselines
    assert one.oracles == other.oracles
    assert one.figures["error"].value < 0.5 * one.baselines["mean shape"]["error"].value


def test_neither_key_points_nor_labels_is_refused():
    given = ports(*linear(3))
    del given["keypoints2d"]
    with pytest.raises(ValueError, match="landmarks-regressed/1: needs keypoints2d or labels"):
        LandmarksRegressed().update("fit", ids=names(3), ports=given)
    assert LandmarksRegressed.spec().either == ("keypoints2d", "labels")


def test_a_constant_leads_ridge_regression_to_the_mean_shape():
    found, truth = linear(30)
    asked, wanted = linear(10, seed=1)
    strong = measured((found, truth), (asked, wanted), ridge=1e6, constant=True)
    assert strong.figures["error"].value == pytest.approx(strong.baselines["mean shape"]["error"].value, rel=1e-4)
    plain = measured((found, truth), (asked, wanted), constant=True)
    assert plain.figures["error"].value < 1e-5


def test_the_ridge_by_hand():
    """Features 1 and 2, targets 2 and 4, noise of variance 1 on each of two rows: (2 + 8) / (1 + 4 + 2 * 1)."""
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[[2.0]], [[4.0]]])
    assert least_squares(x, y, torch.ones(2, 1, dtype=torch.bool), ridge=1.0).item() == pytest.approx(10 / 7)


@pytest.mark.parametrize("annotated", [1, 5, 10, 20, None])
def test_few_annotated_pictures_are_drawn_with_the_seed(annotated):
    found, truth = linear(30)
    truth = truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    few = measured((found, truth), linear(10, seed=1), annotated=annotated, ridge=1e-3, constant=True)
    assert few.notes[0] == f"fitted on {annotated or 30} annotated pictures"
    again = measured((found, truth), linear(10, seed=1), annotated=annotated, ridge=1e-3, constant=True)
    assert few.figures == again.figures
    other = measured((found, truth), linear(10, seed=1), annotated=annotated, ridge=1e-3, constant=True, seed=1)
    assert (few.baselines == other.baselines) == (annotated is None)


def test_the_nearest_key_point_by_hand():
    """Point 1 lies nearest to the only landmark in the fit, and 1 unit from it in the score: 4 pixels of 9."""
    truth = torch.zeros(1, 1, 2)
    evaluator = LandmarksNearest(normaliser="image")
    near, far = torch.tensor([[[0.9, 0.0], [0.1, 0.0]]]), torch.tensor([[[0.1, 0.0], [1.0, 0.0]]])
    evaluator.update("fit", ids=["a"], ports=ports(near, truth))
    evaluator.update("score", ids=["b"], ports=ports(far, truth))
    assert evaluator.result().figures["error"].value == pytest.approx(100 * 4 / 9)


# --- oracles -------------------------------------------------------------------------------------------------------


def test_the_true_centre_and_similarity_know_what_they_are_told():
    """Shapes that are moved are found by the centre; shapes that are turned and scaled too by the similarity alone."""
    shape = torch.tensor([[-0.3, -0.2], [0.3, -0.2], [0.0, 0.25]], dtype=torch.float64)
    away = 0.4 * torch.rand(6, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.2
    points = torch.zeros(6, 1, 2)
    moved = measured((points, shape + away), (points, shape + away)).oracles
    assert moved["mean shape, true centre"]["error"].value < 1e-6
    turn = torch.tensor([[0.0, 1.2], [-1.2, 0.0]], dtype=torch.float64)
    turned = measured((points, shape + away), (points, shape @ turn + away)).oracles
    assert turned["mean shape, true centre"]["error"].value > 5.0
    assert turned["mean shape, true similarity"]["error"].value < 1e-6


def test_the_true_yaw_knows_what_is_linear_in_it():
    """Landmarks that move by half a unit per radian, about yaws on both sides of pi; without poses there is no such oracle."""
    angles = math.pi + 0.8 * torch.rand(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.4
    pose = torch.zeros(20, 3, 4, dtype=torch.float64)
    pose[:, 0, 0], pose[:, 0, 2], pose[:, 2, 0], pose[:, 2, 2] = angles.cos(), angles.sin(), -angles.sin(), angles.cos()
    truth = torch.stack((0.5 * (angles - math.pi), torch.full_like(angles, 0.1)), dim=-1)[:, None]
    evaluator = LandmarksRegressed(normaliser="image")
    for phase in ("fit", "score"):
        evaluator.update(phase, ids=names(20), ports={**ports(torch.zeros(20, 1, 2), truth), "true_pose": pose})
    found = evaluator.result()
    assert found.oracles["linear in true yaw"]["error"].value < 1e-6
    assert found.baselines["mean shape"]["error"].value > 1.0
    assert "linear in true yaw" not in measured(linear(9), linear(3)).oracles
