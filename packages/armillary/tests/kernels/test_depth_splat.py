"""Splatting of depth: planes by hand, agreement with the mesh, occlusion, slopes, refusals."""

import math

import pytest
import torch

from armillary.kernels.cameras import intrinsics, pose_about
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.depth_splat import splat_depth
from armillary.kernels.rotations import exp_map

SIDE = 16
CENTRE = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def camera(items=1, side=SIDE):
    found = intrinsics(math.radians(20), height=side, width=side, focal="corners", dtype=torch.float64)
    return found.expand(items, 3, 3)


def turned(yaw, *, shift=(0.0, 0.0, 0.0)):
    rotation = exp_map(torch.tensor([[0.0, yaw, 0.0]], dtype=torch.float64))
    return pose_about(rotation, torch.tensor([shift], dtype=torch.float64), centre=CENTRE)


def dome(side=SIDE):
    x = torch.linspace(-1, 1, side, dtype=torch.float64)
    return (1.05 - 0.1 * (1 - x.square() - x[:, None].square()).clamp_min(0)).expand(1, 1, side, side)


def test_the_identity_returns_the_map():
    found, seen = splat_depth(dome(), torch.eye(3, 4, dtype=torch.float64)[None], camera(), softness=1e-3, samples=1)
    assert seen.all()
    torch.testing.assert_close(found, dome(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("along", [-0.05, 0.0, 0.05])
def test_a_plane_that_faces_the_viewer_stays_one(along):
    """Moved towards the viewer it fills the picture without holes; away from it, it leaves a rim."""
    found, seen = splat_depth(torch.ones_like(dome()), turned(0.0, shift=(0, 0, along)), camera())
    assert seen[..., 2:-2, 2:-2].all()
    torch.testing.assert_close(found[seen], torch.full_like(found[seen], 1 + along))


@pytest.mark.parametrize("yaw", [-0.3, 0.1, 0.3])
def test_a_smooth_surface_looks_as_its_mesh_does(yaw):
    """Where both see it, away from the silhouette: within a fiftieth of its relief in the median: nearer
    points of a pixel count more."""
    found, seen = splat_depth(dome(32), turned(yaw), camera(side=32))
    mesh, there = render_depth(dome(32), turned(yaw), camera(side=32))
    both = seen & there
    assert both.double().mean() > 0.85 * there.double().mean()
    assert (found - mesh)[both].abs().median() < 2e-3


def test_the_nearer_of_two_surfaces_is_seen():
    """A step: turned, its near half hides a part of the far one."""
    depth = torch.full((1, 1, SIDE, SIDE), 1.1, dtype=torch.float64)
    depth[..., : SIDE // 2] = 0.9
    found, seen = splat_depth(depth, turned(0.0, shift=(0.04, 0.0, 0.0)), camera())
    middle = found[0, 0, SIDE // 2]
    assert seen[0, 0, SIDE // 2, 4:-2].all()
    assert (middle[4 : SIDE // 2] - 0.9).abs().max() < 1e-3


def test_slopes_are_right():
    depth = dome(6).clone().requires_grad_()
    pose = turned(0.13, shift=(0.003, 0.002, 0.0)).requires_grad_()
    seen = splat_depth(depth, pose, camera(side=6))[1]
    assert torch.autograd.gradcheck(
        lambda d, p: splat_depth(d, p, camera(side=6), softness=0.05)[0][seen], (depth, pose), eps=1e-7, atol=1e-4
    )


def test_what_lies_behind_the_camera_is_not_seen():
    found, seen = splat_depth(dome(), turned(0.0, shift=(0, 0, -3.0)), camera())
    assert not seen.any()
    assert (found == 0).all()


@pytest.mark.parametrize("wrong", [{"softness": 0.0}, {"samples": 0}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="softness must be above 0"):
        splat_depth(dome(), turned(0.0), camera(), **wrong)
