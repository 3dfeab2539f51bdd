"""Claims of ``heads.py``: ranges, signs and gauges of what the networks predict."""

import math

import pytest
import torch

from armillary.kernels.rotations import exp_map
from armillary.kernels.shading import lambert
from armillary_photogeo.heads import DepthMap, Light, View, light_from_raw, pose_from_viewpoint

SIXTY = math.radians(60.0)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_light_points_to_the_viewers_side(batch):
    light = light_from_raw(3 * draw(*batch, 4), angle_range=SIXTY)
    assert light.shape == (*batch, 5)
    assert ((light[..., :2] >= 0) & (light[..., :2] <= 1)).all()
    torch.testing.assert_close(light[..., 2:].norm(dim=-1), torch.ones(batch, dtype=light.dtype))
    # Both angles at their largest: cos 60 cos 60 = 1/4 is left along the axis.
    assert (light[..., 4] <= -0.25 + 1e-12).all()


def test_light_by_hand():
    """Raw 0 is half strength from the viewer; 60 degrees to the right is (sqrt(3)/2, 0, -1/2), 60 down (0, sqrt(3)/2, -1/2)."""
    raw = torch.tensor([[0.0, 0, 0, 0], [50, -50, 50, 0], [0, 0, 0, 50]])
    root = math.sqrt(0.75)
    expected = torch.tensor([[0.5, 0.5, 0, 0, -1], [1, 0, root, 0, -0.5], [0.5, 0.5, 0, root, -0.5]])
    torch.testing.assert_close(light_from_raw(raw, angle_range=SIXTY), expected)


def test_light_from_the_right_brightens_what_faces_right():
    """A surface turned to the right (normal with x > 0) is brighter under positive than under negative angles."""
    normals = torch.tensor([0.6, 0.0, -0.8])[:, None, None]
    bright, dark = (
        lambert(normals, light_from_raw(torch.tensor([0.0, 0.0, a, 0.0]), angle_range=SIXTY)).item() for a in (1, -1)
    )
    assert bright > dark + 0.2


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_pose_is_the_exponential_map_about_the_camera(batch):
    """Eq. 3: x -> R x + T, with R = exp of the first three numbers and T the last three."""
    w = draw(*batch, 6)
    pose = pose_from_viewpoint(w, centre_depth=0.0)
    torch.testing.assert_close(pose[..., :3], exp_map(w[..., :3]))
    torch.testing.assert_close(pose[..., 3], w[..., 3:])


def test_about_the_camera_a_turned_object_leaves_its_place():
    """By hand: 90 degrees about y take a point half a metre ahead to half a metre on the right; about itself it stays."""
    w = torch.tensor([0.0, math.pi / 2, 0.0, 0.0, 0.0, 0.0])
    ahead = torch.tensor([0.0, 0.0, 0.5, 1.0])
    torch.testing.assert_close(pose_from_viewpoint(w, centre_depth=0.0) @ ahead, torch.tensor([0.5, 0.0, 0.0]))
    torch.testing.assert_close(pose_from_viewpoint(w, centre_depth=0.5) @ ahead, ahead[:3])


@pytest.mark.parametrize(("along", "z"), [(None, 0.1), (0.02, 0.02), (0.0, 0.0)])
def test_view_keeps_to_its_ranges(along, z):
    head = View(features=4, depth_translation_range=along)
    with torch.no_grad():
        head.last.weight.normal_(0, 100, generator=torch.Generator().manual_seed(0))
    outputs = head(feature=torch.randn(50, 4, generator=torch.Generator().manual_seed(1)))
    largest = outputs["viewpoint"].abs().amax(0)
    assert largest.tolist() == pytest.approx([SIXTY] * 3 + [0.1] * 2 + [z], rel=1e-3)
    torch.testing.assert_close(outputs["pose"], pose_from_viewpoint(outputs["viewpoint"], centre_depth=0.5))


def test_depth_is_twice_the_picture_and_in_its_range():
    head = DepthMap(side=32, features=8, width=4).eval()
    depth = head(feature=100 * torch.randn(3, 8))["depth"]
    assert depth.shape == (3, 1, 32, 32)
    assert depth.min() >= 0.4
    assert depth.max() <= 0.6


def test_a_scaled_last_layer_starts_near_the_bulge():
    """A twentieth of the weights, a twentieth of what the first maps differ from their start by."""
    feature, spread = torch.randn(8, 8, generator=torch.Generator().manual_seed(1)), {}
    for scale in (1.0, 0.05):
        torch.manual_seed(0)
        head = DepthMap(side=32, features=8, width=4, last_scale=scale)
        spread[scale] = head.decoder(feature).std().item()
    assert spread[0.05] == pytest.approx(0.05 * spread[1.0], rel=1e-4)


def test_bulge_by_hand():
    """Raw 0 with a bulge of 0.02: the middle lies about 0.02 nearer than all that is outside of the picture's frame."""
    head = DepthMap(side=32, features=8, width=4, bulge=0.02)
    head.decoder.forward = lambda feature: torch.zeros(1, 1, 32, 32)
    depth = head(feature=torch.zeros(1, 8))["depth"][0, 0]
    assert (depth[0, 0] - depth[16, 16]).item() == pytest.approx(0.02, rel=0.05)
    torch.testing.assert_close(depth, depth.flip(-1))
    assert (depth[:8] == depth[0, 0]).all()
    assert depth[8:24, 8:24].mean().item() == pytest.approx(0.5, abs=1e-3)  # the middle of the range
    assert "start" not in head.state_dict()


def test_a_centred_map_stays_about_the_middle_of_its_range():
    """Whatever is added to the whole map, the picture's frame is the same, and its tanh's argument has mean 0."""
    torch.manual_seed(0)
    head = DepthMap(side=32, features=8, width=4, bulge=0.05, centred=True).eval()
    feature = torch.randn(3, 8)
    before = head(feature)["depth"]
    argument = torch.atanh((before[..., 8:24, 8:24] - 0.5) / 0.1)
    torch.testing.assert_close(argument.mean(dim=(-2, -1)), torch.zeros(3, 1), atol=1e-5, rtol=0)
    decode = head.decoder.forward
    head.decoder.forward = lambda feature: decode(feature) + 0.3
    torch.testing.assert_close(head(feature)["depth"], before)
    head.centred = False
    assert (head(feature)["depth"] > before).all()


def test_flat_start_is_the_published_run():
    head = DepthMap(side=32, features=8)
    assert head.start.abs().max() == 0


def test_light_head_calls_the_function():
    head = Light(features=6)
    feature = torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(head(feature=feature)["light"], light_from_raw(head.last(feature), angle_range=SIXTY))


def test_unknown_feature_length_is_refused():
    with pytest.raises(ValueError, match="length of the feature"):
        DepthMap.build(DepthMap.Config(), inputs={"feature": (None, None)}, outputs={"depth": (None, 1, 64, 64)})


def test_ranges_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="needs depth_min < depth_max"):
        DepthMap.Config(depth_min=0.7)
