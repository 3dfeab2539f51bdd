"""Two readings of an error in space: what each can see, and what neither can."""

import pytest
import torch

from armillary.errors import DataError
from armillary.kernels.rotations import exp_map, random_rotation
from armillary.std.landmarks_3d import (
    Landmarks3dRegressed,
    Landmarks3dSimilarity,
    mixture,
    picture_space,
    procrustes_mean,
)

SIZE = 9
MIXED = torch.tensor(
    [[0.5, 0.5, 0, 0, 0], [0, 0.2, 0.8, 0, 0], [0, 0, 0.3, 0.3, 0.4], [1.0, 0, 0, 0, 0]], dtype=torch.float64
)


def objects(count, *, seed=0, turn=0.6):
    """Key points of a rigid shape that is turned, and annotated points that are fixed mixtures of them: (x, y, z) each."""
    generator = torch.Generator().manual_seed(seed)
    shape = 0.5 * torch.randn(5, 3, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    vectors = turn * (2 * torch.rand(count, 3, generator=generator, dtype=torch.float64) - 1)
    moved = 0.6 * shape.expand(count, 5, 3) @ exp_map(vectors).mT
    moved = moved - moved.mean(dim=1, keepdim=True)
    return moved, MIXED @ moved


def ports(points, truth, *, scale=1.0, away=10.0, depth=True):
    """Truth in a camera's units: ``scale`` units to one of the picture, ``away`` units away."""
    given = {
        "image": torch.zeros(len(points), 3, SIZE, SIZE),
        "keypoints2d": points[..., :2],
        "true_landmarks2d": truth[..., :2],
        "true_landmarks3d": scale * truth + torch.tensor([0.0, 0.0, away]),
    }
    return {**given, "keypoints3d": points} if depth else given


def names(count, first=0):
    return [f"{index + first:03d}" for index in range(count)]


def measured(kind, fit, score, *, normaliser="image", **how):
    evaluator = kind(normaliser=normaliser)
    evaluator.update("fit", ids=names(len(fit[0])), ports=ports(*fit, **how))
    evaluator.update("score", ids=names(len(score[0]), 500), ports=ports(*score, **how))
    return evaluator.result()


KINDS = (Landmarks3dRegressed, Landmarks3dSimilarity)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_what_is_linear_in_space_is_found_whatever_the_unit_of_the_truth(kind, scale):
    result = measured(kind, objects(60), objects(20, seed=1), scale=scale, away=10 * scale)
    assert result.figures["error"].value < 1e-3
    assert result.baselines["without depth"]["error"].value > 0.5


def test_the_truth_at_the_picture_s_scale_by_hand():
    """A square of side 2 units is drawn with side 1: half a unit of the picture a unit. Depths 5 and 7 become -0.5 and 0.5."""
    deep = torch.tensor([[[-1.0, -1, 5], [1, -1, 5], [1, 1, 7], [-1, 1, 7]]])
    flat = torch.tensor([[[0.0, 0], [1, 0], [1, 1], [0, 1]]])
    found = picture_space(flat, deep, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(found[0, :, 2], torch.tensor([-0.5, -0.5, 0.5, 0.5]))
    torch.testing.assert_close(found[..., :2], flat)
    spoiled = deep.clone()
    spoiled[0, 3] = torch.nan
    some = picture_space(flat, spoiled, torch.tensor([[True, True, True, False]]))
    assert some[0, :3].isfinite().all()


def test_depth_from_the_plane_is_regression_not_shape():
    """Depth that follows from x: a map of all coordinates knows it without any depth; mixtures and turns do not."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(80, 5, 2, generator=generator, dtype=torch.float64) - 0.5
    points = torch.cat((flat, 2.0 * (flat - flat.roll(1, dims=1))[..., :1]), dim=-1)
    points[..., 2] -= points[..., 2].mean(dim=1, keepdim=True)
    truth = MIXED @ points
    truth[..., 2] -= truth[..., 2].mean(dim=1, keepdim=True)
    half = ((points[:60], truth[:60]), (points[60:], truth[60:]))
    assert measured(Landmarks3dRegressed, *half).baselines["without depth"]["error"].value < 1e-3
    assert measured(Landmarks3dSimilarity, *half).figures["error"].value < 1e-3
    assert measured(Landmarks3dSimilarity, *half).baselines["without depth"]["error"].value > 1.0


def test_a_mirrored_depth_is_seen_by_the_similarity_alone():
    """A bas-relief may come out hollow; a map of all coordinates does not mind."""

    def hollow(pair):
        return pair[0] * torch.tensor([1.0, 1.0, -1.0]), pair[1]

    fit, score = objects(60), objects(20, seed=1)
    wrong = measured(Landmarks3dSimilarity, hollow(fit), hollow(score))
    assert wrong.figures["error"].value > 0.3
    assert wrong.baselines["depth mirrored"]["error"].value < 1e-3
    assert measured(Landmarks3dRegressed, hollow(fit), hollow(score)).figures["error"].value < 1e-3


def test_pose_and_size_do_not_count_for_the_similarity():
    fit, (points, truth) = objects(60), objects(20, seed=1)
    turns = random_rotation(20, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    moved = 0.5 * points @ turns.mT
    assert measured(Landmarks3dSimilarity, fit, (moved, truth)).figures["error"].value < 1e-3
    assert measured(Landmarks3dRegressed, fit, (moved, truth)).figures["error"].value > 1.0


def test_mixtures_turn_with_the_points():
    points, truth = (value.double() for value in objects(40))
    weights = mixture(points, truth, torch.ones(40, 4, dtype=torch.bool))
    turn = random_rotation(generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    centred = points - points.mean(dim=1, keepdim=True)
    torch.testing.assert_close(weights @ (centred @ turn.T), (weights @ centred) @ turn.T)
    torch.testing.assert_close(weights @ centred, truth - truth.mean(dim=1, keepdim=True))


def test_the_mean_shape_of_a_rigid_object_is_the_object():
    """Turned every way its plain mean shrinks to nothing; aligned it stands."""
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    turned = shape @ random_rotation(50, generator=generator, dtype=torch.float64).mT
    mean = procrustes_mean(turned, torch.ones(50, 6, dtype=torch.bool))
    # The same up to a similarity: all distances have one ratio.
    ratio = torch.pdist(mean) / torch.pdist(shape)
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-3, atol=0)


def test_a_rigid_object_is_told_by_its_mean_shape():
    """The baseline that shows what alignment alone gives: on a rigid object, everything."""
    baselines = measured(Landmarks3dSimilarity, objects(60), objects(20, seed=1)).baselines
    assert baselines["mean shape"]["error"].value < 0.1
    assert baselines["one place"]["error"].value > 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_without_depth_lies_in_the_plane(kind):
    """The figure is that of the same points without depth, and the note says so."""
    fit, score = objects(60), objects(20, seed=1)
    flat = measured(kind, fit, score, depth=False)
    deep = measured(kind, fit, score)
    assert flat.figures["error"].value == pytest.approx(deep.baselines["without depth"]["error"].value, rel=1e-6)
    assert "without depth" not in flat.baselines
    assert flat.notes[-1].startswith("the method gives no depth")


@pytest.mark.parametrize("kind", KINDS)
def test_a_translation_along_z_does_not_count(kind):
    fit, score = objects(60), objects(20, seed=1)
    far = torch.tensor([0.0, 0.0, 7.0])
    moved = measured(kind, (fit[0] + far, fit[1]), (score[0] - far, score[1]))
    assert moved.figures["error"].value < 1e-3


def test_a_distance_of_points_is_taken_in_space():
    """Two annotated points one behind the other: no distance in the picture, 8 pixels in space."""
    points, truth = objects(30)
    truth = truth.clone()
    truth[..., :2] = torch.tensor([[0.5, 0], [0, 0.0], [-0.5, 0.0], [0.0, -0.5]], dtype=torch.float64)
    truth[:, 1:3, :2], truth[:, 1, 2], truth[:, 2, 2] = 0.0, 1.0, -1.0
    truth[:, [0, 3], 2] = 0.0
    result = measured(Landmarks3dRegressed, (points, truth), (points, truth), normaliser=(1, 2))
    assert "the normaliser is 8.0 pixels in the mean" in result.notes[0]


@pytest.mark.parametrize("kind", KINDS)
def test_neither_batches_nor_shards_matter(kind):
    points, truth = objects(20)
    whole = measured(kind, (points, truth), (points, truth))
    parts = []
    for rows in (slice(13, 20), slice(0, 13)):
        part = kind(normaliser="image")
        count = rows.stop - rows.start
        part.update("fit", ids=names(count, rows.start), ports=ports(points[rows], truth[rows]))
        part.update("score", ids=names(count, 500 + rows.start), ports=ports(points[rows], truth[rows]))
        parts.append(part)
    parts[0].merge(parts[1])
    assert parts[0].result().figures == whole.figures
    assert parts[0].result().baselines == whole.baselines


def test_oblong_pictures_are_refused():
    given = ports(*objects(2))
    given["image"] = torch.zeros(2, 3, SIZE, 2 * SIZE)
    with pytest.raises(DataError, match="needs square pictures, got 18 x 9"):
        Landmarks3dRegressed().update("fit", ids=names(2), ports=given)


@pytest.mark.parametrize(
    ("kind", "words"), [(Landmarks3dRegressed, "No further alignment"), (Landmarks3dSimilarity, "best scale")]
)
def test_protocols_say_how_the_two_readings_differ(kind, words):
    assert all(word in kind.protocol for word in (words, "Baselines", "training split"))
    with pytest.raises(ValueError, match=f"{kind.header['name']}: no fit pass was run"):
        kind().result()
