"""Claims of ``method.py``: the composition, its symmetry, its masks, and where gradients go."""

import math

import pytest
import torch

from armillary.interfaces.method import Branch
from armillary.kernels.cameras import back_project, intrinsics, invert_pose, project, transform_points
from armillary.std.renderers import DepthMesh
from armillary_unsup3d.heads import pose_from_motion
from armillary_unsup3d.method import Unsup3d, set_border, twice, with_mirror

SIDE = 16
PORTS = {
    "reconstruction",
    "reconstruction_flipped",
    "visible",
    "depth",
    "depth_mask",
    "canonical_depth",
    "free_depth",
    "albedo",
    "canonical_image",
    "canonical_normals",
    "pose",
    "canonical_camera",
}
LIGHT = {"light", "shading"}
CONFIDENCE = {"confidence", "confidence_flipped", "feature_confidence", "feature_confidence_flipped"}


class Fixed(torch.nn.Module):
    """A part that returns what it was given, whatever it is asked."""

    def __init__(self, **outputs):
        super().__init__()
        for name, value in outputs.items():
            self.register_parameter(name, torch.nn.Parameter(value.clone()))
        self.names = tuple(outputs)

    def forward(self, **ports):
        return {name: getattr(self, name) for name in self.names}


def ball(items=2, side=SIDE):
    """A bump in the middle of the canonical view, symmetric."""
    x = torch.linspace(-1, 1, side)
    return (1.04 - 0.06 * (1 - x.square() - x.square()[:, None]).clamp_min(0)).expand(items, 1, side, side)


def pose(yaw=0.0, items=2):
    motion = torch.zeros(items, 6)
    motion[:, 1] = yaw
    return pose_from_motion(motion, centre_depth=1.0)


def method(*, yaw=0.0, light=True, confidence=True, depth=None, albedo=None, **settings):
    """The composition over parts that say the same of every picture."""
    generator = torch.Generator().manual_seed(0)
    sides = torch.rand(2, 3, SIDE, SIDE, generator=generator) if albedo is None else albedo
    sigma = torch.full((2, 1, SIDE, SIDE), 0.1)
    quarter = torch.full((2, 1, SIDE // 4, SIDE // 4), 0.1)
    said = {
        "depth": {"depth": ball() if depth is None else depth},
        "albedo": {"albedo": sides},
        "view": {"pose": pose(yaw)},
    }
    if light:
        said["light"] = {"light": torch.tensor([[0.4, 0.5, -0.6, 0.0, -0.8]] * 2)}
    if confidence:
        said["confidence"] = dict(zip(sorted(CONFIDENCE), (sigma, sigma, quarter, quarter), strict=True))
    branches = {name: Branch(Fixed(feature=torch.zeros(2, 4)), Fixed(**outputs)) for name, outputs in said.items()}
    return Unsup3d(**branches, renderer=DepthMesh(), **settings)


IMAGE = torch.full((2, 3, SIDE, SIDE), 0.5)


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("confidence", [True, False])
def test_outputs_come_and_go_with_optional_branches(light, confidence):
    outputs = method(light=light, confidence=confidence)(image=IMAGE)
    assert set(outputs) == PORTS | (LIGHT if light else set()) | (CONFIDENCE if confidence else set())
    assert all(value.shape[0] == 2 for value in outputs.values())
    assert all(value.isfinite().all() for value in outputs.values())


def test_canonical_pose_reproduces_the_canonical_image():
    """Reference: seen from the canonical pose the picture is albedo times shading, pixel by pixel."""
    outputs = method(depth=ball().clamp_max(1.04))(image=IMAGE)
    inside = outputs["visible"].expand_as(IMAGE)
    assert inside.float().mean() > 0.95
    torch.testing.assert_close(outputs["depth"], outputs["canonical_depth"])
    product = outputs["albedo"] * outputs["shading"]
    torch.testing.assert_close(outputs["canonical_image"], product)
    torch.testing.assert_close(outputs["reconstruction"][inside], product[inside], atol=1e-4, rtol=0)


def test_second_explanation_is_the_mirrored_object():
    """From the canonical pose with light from the front, mirrored depth and albedo give the mirrored picture."""
    whole = method(light=False)
    outputs = whole(image=IMAGE)
    inside = outputs["visible"].expand_as(IMAGE)
    mirrored = outputs["reconstruction"].flip(-1)
    torch.testing.assert_close(outputs["reconstruction_flipped"][inside], mirrored[inside], atol=1e-4, rtol=0)


def test_light_is_not_mirrored():
    """A light from the left stays at the left when the object is mirrored: shading of a symmetric bump is the same twice."""
    outputs = method(albedo=torch.ones(2, 3, SIDE, SIDE))(image=IMAGE)
    torch.testing.assert_close(outputs["reconstruction_flipped"], outputs["reconstruction"], atol=1e-5, rtol=0)
    left, right = outputs["shading"][0, 0].detach().split(SIDE // 2, dim=-1)
    assert left.mean() > right.mean() + 0.1


@pytest.mark.parametrize("switch", ["albedo_flip", "depth_flip"])
def test_flips_are_switches(switch):
    """Without either mirror both explanations are the same; with it they differ."""
    slope = ball() + 0.02 * torch.linspace(-1, 1, SIDE)
    both_off = method(depth=slope, albedo_flip=False, depth_flip=False)(image=IMAGE)
    torch.testing.assert_close(both_off["reconstruction"], both_off["reconstruction_flipped"])
    others = {"albedo_flip": False, "depth_flip": False} | {switch: True}
    one_on = method(depth=slope, **others)(image=IMAGE)
    assert (one_on["reconstruction"] - one_on["reconstruction_flipped"]).abs().max() > 0.05


def test_mask_is_where_both_explanations_are_seen():
    """A sloping object turned away: the mask is inside its own picture's, detached, and grey lies outside."""
    outputs = method(yaw=0.8, depth=ball() + 0.03 * torch.linspace(-1, 1, SIDE))(image=IMAGE)
    assert (outputs["visible"] <= outputs["depth_mask"]).all()
    assert (outputs["visible"] != outputs["depth_mask"]).any()
    assert 0.05 < outputs["visible"].float().mean() < 0.95
    outside = ~outputs["visible"].expand_as(IMAGE)
    assert (outputs["reconstruction"][outside] == 0.5).all()
    assert (outputs["depth"][~outputs["depth_mask"]] == torch.tensor(1.2)).all()


def test_turned_object_moves_as_its_pose_says():
    """A white spot on the tip of the bump is seen where the tip projects: a positive angle about y (down) takes it to -x."""
    spot = torch.zeros(2, 3, SIDE, SIDE)
    spot[..., SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1] = 1.0
    outputs = method(yaw=0.3, light=False, albedo=spot, depth=ball() - 0.08)(image=IMAGE)
    tip = torch.tensor([0.0, 0.0, outputs["canonical_depth"].min().item()])
    seen = pose(0.3)[0, :, :3] @ tip + pose(0.3)[0, :, 3]
    camera = intrinsics(math.radians(10), height=SIDE, width=SIDE)
    expected = ((camera @ seen)[0] / seen[2]).item()
    assert expected < SIDE / 2 - 2
    brightness = torch.where(outputs["visible"], outputs["reconstruction"], 0.0)[0, 0].sum(0)
    centroid = (brightness * torch.arange(SIDE)).sum() / brightness.sum()
    assert centroid.item() == pytest.approx(expected, abs=0.3)


def test_each_pixel_is_looked_up_where_its_surface_point_was():
    """Reference: a picture that holds its own columns, read at the point of the turned surface, by the kernels alone."""
    columns = torch.arange(SIDE).div(SIDE - 1).expand(2, 3, SIDE, SIDE)
    outputs = method(yaw=0.4, light=False, albedo=columns)(image=IMAGE)
    camera = outputs["canonical_camera"]
    points = back_project(outputs["depth"], camera)
    there, _ = project(transform_points(invert_pose(outputs["pose"]), points), camera)
    inside = outputs["visible"][:, 0] & (there > 0).all(-1) & (there < SIDE - 1).all(-1)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(
        outputs["reconstruction"][:, 0][inside] * (SIDE - 1), there[..., 0][inside], atol=1e-3, rtol=0
    )


def test_rendered_depth_keeps_to_its_range():
    """Nearer is clamped; what is as far as the farthest is not seen."""
    outputs = method(rendered_min=0.99, rendered_max=1.03)(image=IMAGE)
    assert outputs["canonical_depth"].min() < 0.985
    assert outputs["depth"].min().item() == pytest.approx(0.99)
    assert outputs["depth"].max().item() == pytest.approx(1.03)
    torch.testing.assert_close(outputs["depth_mask"], outputs["depth"] < 1.03)
    assert not outputs["depth_mask"].all()


def test_border_normals_are_flat():
    """As the authors have it, with our sign: the outermost pixels face the viewer."""
    normals = method()(image=IMAGE)["canonical_normals"]
    flat = torch.tensor([0.0, 0.0, -1.0])[:, None].expand(3, SIDE)
    for edge in (normals[0, :, 0], normals[0, :, -1], normals[0, :, :, 0], normals[0, :, :, -1]):
        torch.testing.assert_close(edge, flat)


def test_everything_learns():
    """Depth, albedo, light and view all get a finite gradient from the picture; the mask carries none."""
    whole = method(yaw=0.3)
    outputs = whole(image=IMAGE)
    assert not outputs["visible"].requires_grad
    (outputs["reconstruction"].square().mean() + outputs["reconstruction_flipped"].mean()).backward()
    for name in ("depth", "albedo", "light", "view"):
        gradients = [p.grad for p in getattr(whole, name).head.parameters()]
        assert all(g is not None and g.isfinite().all() and g.abs().max() > 0 for g in gradients), name


def test_border_by_hand():
    """Two columns left and right, neither top nor bottom."""
    depth = set_border(torch.ones(1, 1, 6, 6), 1.04, columns=2)
    assert depth[0, 0, 0].tolist() == pytest.approx([1.04, 1.04, 1, 1, 1.04, 1.04])
    assert set_border(depth, 7.0, columns=0) is depth


def test_mirror_and_twice_by_hand():
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert with_mirror(row, mirror=True).flatten().tolist() == [1, 2, 3, 3, 2, 1]
    assert with_mirror(row, mirror=False).flatten().tolist() == [1, 2, 3, 1, 2, 3]
    assert twice(row).flatten().tolist() == [1, 2, 3, 1, 2, 3]


def test_rendered_range_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match="rendered_min"):
        Unsup3d.Config(rendered_min=1.3)


def test_geometry_stays_exact_under_half_precision():
    """Under autocast the networks may speak bfloat16; depth, pose and grid must not be rounded to three digits."""
    exact = method(yaw=0.3)(image=torch.rand(2, 3, SIDE, SIDE))
    rough = method(yaw=0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = rough(image=torch.rand(2, 3, SIDE, SIDE).bfloat16())
    assert {name: value.dtype for name, value in found.items()} == {name: value.dtype for name, value in exact.items()}
    torch.testing.assert_close(found["depth"], exact["depth"])
