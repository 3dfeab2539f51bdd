"""Adapters: values worked out by hand, and what they refuse."""

import math

import pytest
import torch

from armillary.kernels.rotations import random_rotation
from armillary.std import adapters


def test_pool_is_the_mean_over_positions():
    features = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 4.0]]]])
    assert adapters.Pool()(features=features)["feature"].tolist() == [[3.0, 1.0]]


def test_spread_tells_positions_apart():
    """Two vectors to maps of the asked size; no two cells of one map are equal."""
    torch.manual_seed(0)
    adapter = adapters.Spread(length=3, size=(2, 4), channels=5)
    found = adapter(feature=torch.rand(2, 3))["features"]
    assert found.shape == (2, 5, 2, 4)
    cells = found[0].flatten(1).T
    assert torch.cdist(cells, cells).fill_diagonal_(1).min() > 0


@pytest.mark.parametrize("adapter", [adapters.Spread, adapters.Upsample])
def test_a_size_that_is_not_known_is_refused(adapter):
    more = {"length": 3} if adapter is adapters.Spread else {}
    with pytest.raises(ValueError, match="needs the size of the map"):
        adapter(size=(None, 4), **more)


def test_upsample_keeps_a_constant():
    found = adapters.Upsample(size=(6, 8))(features=torch.full((1, 2, 3, 4), 0.5))["features"]
    assert found.shape == (1, 2, 6, 8)
    assert found.unique().tolist() == [0.5]


def test_a_rotation_becomes_a_pose_about_the_centre_and_back():
    """Half a turn about the optical axis leaves the centre, and mirrors a point beside it."""
    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))[None]
    pose = adapters.RotationToPose(centre_depth=2.0)(rotation=half)["pose"][0]
    centre, beside = torch.tensor([0.0, 0.0, 2.0, 1.0]), torch.tensor([1.0, 0.0, 2.0, 1.0])
    assert (pose @ centre).tolist() == [0.0, 0.0, 2.0]
    assert (pose @ beside).tolist() == [-1.0, 0.0, 2.0]
    rotation = random_rotation(4, generator=torch.Generator().manual_seed(0))
    there = adapters.RotationToPose()(rotation=rotation)["pose"]
    torch.testing.assert_close(adapters.PoseToRotation()(pose=there)["rotation"], rotation)


def test_soft_argmax_is_the_mean_position_and_a_factor_does_not_matter():
    """Three quarters at x = 1, one quarter at x = -1: 0.5."""
    heat = torch.zeros(1, 1, 3, 3)
    heat[0, 0, 1, 0], heat[0, 0, 1, 2] = 0.25, 0.75
    for factor in (1.0, 8.0):
        found = adapters.SoftArgmax()(heatmap=factor * heat)["keypoints2d"]
        torch.testing.assert_close(found, torch.tensor([[[0.5, 0.0]]]))


def test_grey_weighs_the_colours_as_luma():
    found = adapters.GreyPicture()(image=torch.eye(3)[:, :, None, None])["image"]
    assert found.shape == (3, 1, 1, 1)
    assert math.isclose(float(found.sum()), 1.0, rel_tol=1e-6)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.299, 0.587, 0.114]))


def test_each_channel_of_a_label_map_is_a_point():
    """ln 3 above the others in one of three cells of a row: (3 - 1) / 5 to its side; a constant channel lies in the middle."""
    labels = torch.zeros(1, 2, 1, 3)
    labels[0, 0, 0, 2] = math.log(3.0)
    found = adapters.LabelsToPoints()(labels=labels)["keypoints2d"]
    torch.testing.assert_close(found, torch.tensor([[[0.4, 0.0], [0.0, 0.0]]]))
    cold = adapters.LabelsToPoints(temperature=0.5)(labels=labels)["keypoints2d"]
    torch.testing.assert_close(cold[0, 0, 0], torch.tensor((9.0 - 1) / 11))
