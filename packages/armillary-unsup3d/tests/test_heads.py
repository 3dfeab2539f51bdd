"""Claims of ``heads.py``: ranges, signs and gauges of what the networks predict."""

import math

import pytest
import torch

from armillary_unsup3d.heads import Confidence, DepthMap, Light, View, depth_from_raw, light_from_raw, pose_from_motion


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_depth_lies_in_its_range_and_has_no_offset():
    """The mean of the raw map carries nothing, so that the middle of the range is the gauge."""
    raw = 5 * draw(2, 1, 8, 8)
    depth = depth_from_raw(raw, depth_min=0.9, depth_max=1.1)
    assert depth.min() >= 0.9
    assert depth.max() <= 1.1
    torch.testing.assert_close(depth_from_raw(raw + 3.0, depth_min=0.9, depth_max=1.1), depth)
    flat = depth_from_raw(torch.full((1, 1, 4, 4), 7.0), depth_min=0.9, depth_max=1.1)
    torch.testing.assert_close(flat, torch.ones_like(flat))


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_light_points_from_the_surface_to_a_light_at_the_viewers_side(batch):
    light = light_from_raw(3 * draw(*batch, 4), ambient=(0.0, 1.0), diffuse=(0.5, 1.0))
    assert light.shape == (*batch, 5)
    assert (light[..., 0] >= 0).all()
    assert (light[..., 1] >= 0.5).all()
    torch.testing.assert_close(light[..., 2:].norm(dim=-1), torch.ones(batch, dtype=light.dtype))
    # Never more than 45 degrees in x and in y off the viewing axis.
    assert (light[..., 4] <= -1 / math.sqrt(3) + 1e-12).all()


def test_light_by_hand():
    """Raw 0 is half strength from the viewer; the authors' (1, 0, 1) is our (-1, 0, -1) / sqrt(2)."""
    light = light_from_raw(torch.tensor([[0.0, 0, 0, 0], [0, 0, 50, 0]]), ambient=(0.0, 1.0), diffuse=(0.0, 1.0))
    root = math.sqrt(0.5)
    torch.testing.assert_close(light, torch.tensor([[0.5, 0.5, 0, 0, -1], [0.5, 0.5, -root, 0, -root]]))


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_pose_is_rigid_and_turns_about_its_centre(batch):
    motion = draw(*batch, 6)
    pose = pose_from_motion(motion, centre_depth=1.0)
    rotation, translation = pose[..., :3], pose[..., 3]
    eye = torch.eye(3, dtype=pose.dtype).expand(*batch, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, eye)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(batch, dtype=pose.dtype))
    centre = torch.tensor([0.0, 0.0, 1.0], dtype=pose.dtype)
    moved = (rotation @ centre[:, None])[..., 0] + translation - centre
    torch.testing.assert_close(moved, motion[..., 3:])


def test_no_motion_is_the_canonical_view():
    torch.testing.assert_close(pose_from_motion(torch.zeros(1, 6), centre_depth=1.0), torch.eye(3, 4)[None])


def test_rotation_is_the_authors_zyx():
    """R = Rz Ry Rx of the three angles, acting on columns, as get_transform_matrices composes them."""
    motion = draw(6)
    x, y, z = motion[:3].tolist()
    (cx, sx), (cy, sy), (cz, sz) = ((math.cos(a), math.sin(a)) for a in (x, y, z))
    rx = torch.tensor([[1, 0, 0], [0, cx, -sx], [0, sx, cx]], dtype=motion.dtype)
    ry = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]], dtype=motion.dtype)
    rz = torch.tensor([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]], dtype=motion.dtype)
    torch.testing.assert_close(pose_from_motion(motion, centre_depth=1.0)[:, :3], rz @ ry @ rx)


def test_view_is_the_pose_of_its_bounded_motion():
    """Angles up to 60 degrees, about a point 2 ahead: the centre moves by the bounded translation."""
    head = View(features=6, depth_translation_range=0.05, centre_depth=2.0).double()
    with torch.no_grad():
        head.last.weight.copy_(torch.eye(6))
    raw = draw(3, 6)
    bounded = torch.tanh(raw) * torch.tensor([math.pi / 3] * 3 + [0.1] * 2 + [0.05])
    torch.testing.assert_close(head(feature=raw)["pose"], pose_from_motion(bounded, centre_depth=2.0))


def test_sigma_stays_above_its_floor():
    """softplus underflows to 0 in float32 from about -104 on; the floor is what is left."""
    head = Confidence(side=16, features=8, width=4, sigma_floor=0.02)
    head.decoder.forward = lambda feature: (torch.full((1, 2, 16, 16), -1e4), torch.full((1, 2, 4, 4), -1e4))
    out = head(feature=torch.zeros(1, 8))
    assert out["confidence"].min().item() == pytest.approx(0.02)
    assert out["confidence_flipped"].min().item() == pytest.approx(0.02)
    assert out["feature_confidence"].min().item() == pytest.approx(1e-7)


def test_sigma_is_half_the_authors():
    """Images in [0, 1] halve the unit: softplus(0) / 2 = ln(2) / 2; features keep theirs."""
    head = Confidence(side=16, features=8, width=4, sigma_floor=1e-9, feature_sigma_floor=1e-9)
    raw = torch.tensor([0.0, 50.0])[None, :, None, None]
    head.decoder.forward = lambda feature: (raw.expand(1, 2, 16, 16), raw.expand(1, 2, 4, 4))
    out = {name: value.mean().item() for name, value in head(feature=torch.zeros(1, 8)).items()}
    assert out["confidence"] == pytest.approx(math.log(2) / 2)
    assert out["feature_confidence"] == pytest.approx(math.log(2))
    # The second channel is the mirrored object's.
    assert out["confidence_flipped"] == pytest.approx(25.0)
    assert out["feature_confidence_flipped"] == pytest.approx(50.0)


def test_bulge_by_hand():
    """Raw 0 with a bulge of 0.05: the middle lies about 0.05 nearer than the corners, tanh being nearly straight there."""
    head = DepthMap(side=16, features=8, width=4, bulge=0.05)
    depth = head(feature=torch.zeros(1, 8))["depth"][0, 0]
    assert (depth[0, 0] - depth[8, 8]).item() == pytest.approx(0.05, rel=0.1)
    assert depth.argmin().item() in {16 * 7 + 7, 16 * 7 + 8, 16 * 8 + 7, 16 * 8 + 8}
    torch.testing.assert_close(depth, depth.flip(-1))


def test_no_bulge_is_a_flat_start():
    """The published run: raw 0 is the middle of the range, and the buffer is not stored."""
    head = DepthMap(side=16, features=8)
    depth = head(feature=torch.zeros(1, 8))["depth"]
    torch.testing.assert_close(depth, torch.ones_like(depth))
    assert "start" not in head.state_dict()


def test_unknown_feature_length_is_refused():
    with pytest.raises(ValueError, match="length of the feature"):
        DepthMap.build(DepthMap.Config(), inputs={"feature": (None, None)}, outputs={"depth": (None, 1, 64, 64)})


def test_ranges_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="needs depth_min < depth_max"):
        DepthMap.Config(depth_min=1.2)
    with pytest.raises(ValueError, match="diffuse_min"):
        Light.Config(diffuse_min=1.0)
