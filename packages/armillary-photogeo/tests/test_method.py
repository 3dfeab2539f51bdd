"""Claims of ``method.py``: the composition, its symmetry by lot, its camera, its masks, and where gradients go."""

import math

import pytest
import torch

from armillary.interfaces.method import Branch
from armillary.kernels.cameras import back_project, intrinsics, invert_pose, project, transform_points
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.rotations import exp_map
from armillary.std.renderers import DepthMesh
from armillary_photogeo.heads import pose_from_viewpoint
from armillary_photogeo.method import Photogeo, SupervisedDepth, middle, mirrored, with_border

SIDE = 16
PORTS = {
    "reconstruction",
    "visible",
    "depth",
    "depth_mask",
    "wide_depth",
    "free_depth",
    "canonical_depth",
    "albedo",
    "canonical_image",
    "canonical_normals",
    "pose",
    "canonical_camera",
}
LIGHT = {"light", "shading"}
IMAGE = torch.full((2, 3, SIDE, SIDE), 0.5)


class Fixed(torch.nn.Module):
    """A part that returns what it was given, whatever it is asked."""

    def __init__(self, **outputs):
        super().__init__()
        for name, value in outputs.items():
            self.register_parameter(name, torch.nn.Parameter(value.clone()))
        self.names = tuple(outputs)

    def forward(self, **ports):
        return {name: getattr(self, name) for name in self.names}


def branch(**outputs):
    return Branch(Fixed(feature=torch.zeros(2, 4)), Fixed(**outputs))


def ball(items=2, side=SIDE):
    """A bump in the middle of the canonical view, on a map of twice its size, about half a metre away."""
    x = torch.linspace(-2, 2, 2 * side)
    return (0.52 - 0.06 * (1 - x.square() - x.square()[:, None]).clamp_min(0)).expand(items, 1, 2 * side, 2 * side)


def viewpoint(*, yaw=0.0, shift=0.0, items=2):
    w = torch.zeros(items, 6)
    w[:, 1], w[:, 3] = yaw, shift
    return w


def method(*, yaw=0.0, shift=0.0, centre=0.5, light=True, depth=None, albedo=None, **settings):
    """The composition over parts that say the same of every picture, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    paint = torch.rand(2, 3, SIDE, SIDE, generator=generator) if albedo is None else albedo
    w = viewpoint(yaw=yaw, shift=shift)
    said = {
        "depth": {"depth": ball() if depth is None else depth},
        "albedo": {"albedo": paint},
        "view": {"viewpoint": w, "pose": pose_from_viewpoint(w, centre_depth=centre)},
    }
    if light:
        said["light"] = {"light": torch.tensor([[0.4, 0.5, -0.6, 0.0, -0.8]] * 2)}
    branches = {name: branch(**outputs) for name, outputs in said.items()}
    return Photogeo(**branches, renderer=DepthMesh(), **settings).eval()


@pytest.mark.parametrize("light", [True, False])
def test_outputs_come_and_go_with_the_light(light):
    outputs = method(light=light)(image=IMAGE)
    assert set(outputs) == PORTS | (LIGHT if light else set())
    assert all(value.shape[0] == 2 for value in outputs.values())
    assert all(value.isfinite().all() for value in outputs.values())


def test_camera_is_the_papers():
    """f = W / (2 tan 12.5 degrees) = 36.08 pixels at W = 16, where the later method has W - 1; the axis in the middle."""
    camera = method()(image=IMAGE)["canonical_camera"][0]
    assert camera[0, 0].item() == camera[1, 1].item() == pytest.approx(16 / (2 * math.tan(math.radians(12.5))))
    assert camera[:2, 2].tolist() == [7.5, 7.5]


def test_middle_of_the_wide_frame_is_the_picture():
    """A point projects to the same place of the middle as to the picture: the wide camera is the same camera."""
    whole = method()
    narrow, wide = (whole._camera(IMAGE, scale=scale)[0] for scale in (1, 2))
    point = torch.tensor([[0.02, -0.03, 0.5]])
    torch.testing.assert_close(project(point, wide)[0] - SIDE / 2, project(point, narrow)[0])
    assert middle(torch.arange(8.0).expand(1, 1, 8, 8))[0, 0].tolist() == [[2, 3, 4, 5]] * 4


def test_canonical_view_reproduces_the_canonical_image():
    """Reference: from the canonical viewpoint the picture is albedo times shading, pixel by pixel, border included."""
    outputs = method()(image=IMAGE)
    assert outputs["visible"].all()
    torch.testing.assert_close(outputs["depth"], outputs["canonical_depth"])
    product = outputs["albedo"] * outputs["shading"]
    torch.testing.assert_close(outputs["canonical_image"], product)
    torch.testing.assert_close(outputs["reconstruction"], product, atol=1e-4, rtol=0)


def test_nothing_is_mirrored_out_of_training():
    whole = method(yaw=0.2)
    torch.testing.assert_close(whole(image=IMAGE), whole(image=IMAGE))


def test_about_half_are_mirrored_in_training():
    whole = method().train()
    lots = torch.stack([whole._lot(1000, IMAGE.device) for _ in range(3)]).float()
    assert ((lots.mean(dim=1) - 0.5).abs() < 0.06).all()
    assert not torch.equal(lots[0], lots[1])


@pytest.mark.parametrize("lot", [(False, True), (True, False)])
def test_mirrored_items_show_the_mirrored_object_under_the_same_light(lot):
    """Where the lot falls, albedo and depth are swapped left and right; light, view and the other item are not."""
    slope = ball() + 0.01 * torch.linspace(-1, 1, 2 * SIDE)
    whole = method(yaw=0.1, depth=slope)
    plain = whole(image=IMAGE)["reconstruction"]
    by_hand = method(yaw=0.1, depth=slope.flip(-1), albedo=whole.albedo.head.albedo.data.flip(-1))
    other = by_hand(image=IMAGE)["reconstruction"]
    whole._lot = lambda items, device: torch.tensor(lot)
    found = whole(image=IMAGE)["reconstruction"]
    for item, swapped in enumerate(lot):
        torch.testing.assert_close(found[item], (other if swapped else plain)[item])
    assert (plain - other).abs().max() > 0.05


@pytest.mark.parametrize("training", [True, False])
def test_both_mirror_images_are_explained_in_each_step(training):
    """Reference: the same composition, once plain and once with every item mirrored by lot."""
    slope = ball() + 0.01 * torch.linspace(-1, 1, 2 * SIDE)
    once = method(yaw=0.1, depth=slope)
    plain = once(image=IMAGE)
    once._lot = lambda items, device: torch.ones(items, dtype=torch.bool)
    swapped = once(image=IMAGE)
    both = method(yaw=0.1, depth=slope, both_mirrors=True).train(training)(image=IMAGE)
    assert set(both) == PORTS | LIGHT | {"reconstruction_flipped"}
    seen = (plain["visible"] & swapped["visible"]).expand_as(IMAGE)
    assert torch.equal(both["visible"].expand_as(IMAGE), seen)
    for name, found in (("reconstruction", plain), ("reconstruction_flipped", swapped)):
        torch.testing.assert_close(both[name][seen], found["reconstruction"][seen])
    for name in ("depth", "canonical_normals", "shading", "canonical_camera"):
        torch.testing.assert_close(both[name], plain[name])


def test_what_comes_from_beyond_the_frame_has_its_colour():
    """Moved by half the frame, half of the picture is looked up beyond the canonical image."""
    half = 0.52 * math.tan(math.radians(12.5))
    for beyond in (0.0, 0.5):
        picture = method(shift=half, light=False, beyond=beyond)(image=IMAGE)["reconstruction"]
        assert (picture[..., : SIDE // 4] - beyond).abs().max() < 1e-5


def test_a_border_lies_behind_the_object():
    """Two columns of the middle and all beside them; what the network itself said is free of it."""
    outputs = method(border_depth=0.58)(image=IMAGE)
    depth = outputs["canonical_depth"]
    assert (depth[..., [0, 1, -2, -1]] == 0.58).all()
    torch.testing.assert_close(depth[..., 2:-2], outputs["free_depth"][..., 2:-2])
    torch.testing.assert_close(outputs["free_depth"], middle(ball()))
    rim = with_border(ball(), 0.58)
    assert (rim[..., : SIDE // 2 + 2] == 0.58).all()
    assert (rim[..., -SIDE // 2 - 2 :] == 0.58).all()


def test_symmetries_are_switches():
    """Without either mirror the lot changes nothing; with one it changes the reconstruction."""
    slope = ball() + 0.02 * torch.linspace(-1, 1, 2 * SIDE)
    found = {}
    for albedo in (True, False):
        for depth in (True, False):
            whole = method(yaw=0.1, depth=slope, albedo_symmetry=albedo, depth_symmetry=depth)
            whole._lot = lambda items, device: torch.ones(items, dtype=torch.bool)
            found[albedo, depth] = whole(image=IMAGE)["reconstruction"]
    torch.testing.assert_close(found[False, False], method(yaw=0.1, depth=slope)(image=IMAGE)["reconstruction"])
    for one in ((True, False), (False, True), (True, True)):
        assert (found[one] - found[False, False]).abs().max() > 0.02, one
    assert (found[True, False] - found[False, True]).abs().max() > 0.02


def test_what_is_predicted_is_given_unmirrored():
    """The regularisers and the pictures see what the networks said, not what the lot made of it."""
    slope = ball() + 0.02 * torch.linspace(-1, 1, 2 * SIDE)
    whole = method(depth=slope)
    plain = whole(image=IMAGE)
    whole._lot = lambda items, device: torch.ones(items, dtype=torch.bool)
    swapped = whole(image=IMAGE)
    for name in ("wide_depth", "canonical_depth", "albedo"):
        torch.testing.assert_close(swapped[name], plain[name])


def test_turned_object_moves_as_its_viewpoint_says():
    """A white spot on the tip of the bump is seen where the tip projects: a positive angle about y (down) takes it to -x."""
    spot = torch.zeros(2, 3, SIDE, SIDE)
    spot[..., SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1] = 1.0
    outputs = method(yaw=0.4, light=False, albedo=spot)(image=IMAGE)
    tip = torch.tensor([0.0, 0.0, outputs["canonical_depth"].min().item() - 0.5])
    turn = exp_map(torch.tensor([0.0, 0.4, 0.0]))
    seen = turn @ tip + torch.tensor([0.0, 0.0, 0.5])
    camera = intrinsics(math.radians(25), height=SIDE, width=SIDE, focal="edges")
    expected = ((camera @ seen)[0] / seen[2]).item()
    assert expected < SIDE / 2 - 1
    brightness = torch.where(outputs["visible"], outputs["reconstruction"], 0.0)[0, 0].sum(0)
    centroid = (brightness * torch.arange(SIDE)).sum() / brightness.sum()
    assert centroid.item() == pytest.approx(expected, abs=0.3)


def test_each_pixel_is_looked_up_where_its_surface_point_was():
    """Reference: a picture that holds its own columns, read at the point of the turned surface, by the kernels alone."""
    columns = torch.arange(SIDE).div(SIDE - 1).expand(2, 3, SIDE, SIDE)
    outputs = method(yaw=0.3, light=False, albedo=columns)(image=IMAGE)
    camera = outputs["canonical_camera"]
    there, _ = project(transform_points(invert_pose(outputs["pose"]), back_project(outputs["depth"], camera)), camera)
    within = there.clamp(0, SIDE - 1)
    assert (within != there).any()
    faded = (
        (1 - (there - within).abs()).clamp(min=0).prod(-1)
    )  # from the outermost centres to nothing, a pixel further out
    seen = outputs["visible"][:, 0]
    found, expected = outputs["reconstruction"][:, 0] * (SIDE - 1), within[..., 0] * faded
    torch.testing.assert_close(found[seen], expected[seen], atol=1e-3, rtol=0)


def test_depth_beyond_the_frame_comes_into_the_picture():
    """Why depth is twice as large: moved by half a frame, the picture is still full of surface, the narrow map's is not."""
    half = 0.52 * math.tan(math.radians(12.5))
    outputs = method(shift=half)(image=IMAGE)
    assert outputs["depth_mask"].all()
    narrow, seen = render_depth(outputs["canonical_depth"], outputs["pose"], outputs["canonical_camera"])
    assert seen.float().mean() < 0.6
    torch.testing.assert_close(outputs["depth"][seen], narrow[seen])


def test_all_that_is_seen_counts():
    """Moved half out of the frame, the object still answers for the whole picture: else moving out would pay."""
    outputs = method(shift=0.06)(image=IMAGE)
    assert outputs["visible"].all()
    assert not outputs["visible"].requires_grad


def test_what_is_not_seen_is_grey_and_not_visible():
    outputs = method(yaw=0.35, centre=0.0)(image=IMAGE)
    hidden = ~outputs["visible"].expand_as(IMAGE)
    assert hidden.any()
    assert (outputs["reconstruction"][hidden] == 0.5).all()


def test_what_is_not_seen_has_the_farthest_depth():
    """Turned about the camera, as the paper writes it, the object leaves the wide frame: nothing is seen there."""
    outputs = method(yaw=0.35, centre=0.0)(image=IMAGE)
    assert not outputs["depth_mask"].all()
    for item in range(2):
        depth, seen = outputs["depth"][item], outputs["depth_mask"][item]
        assert (depth[~seen] == depth[seen].max()).all()


def test_everything_learns():
    """Depth, albedo, light and view all get a finite gradient from the picture."""
    whole = method(yaw=0.2)
    whole(image=IMAGE)["reconstruction"].square().mean().backward()
    for name in ("depth", "albedo", "light"):
        gradients = [p.grad for p in getattr(whole, name).head.parameters()]
        assert all(g is not None and g.isfinite().all() and g.abs().max() > 0 for g in gradients), name
    assert whole.view.head.pose.grad.isfinite().all()
    assert whole.view.head.pose.grad.abs().max() > 0


def test_supervised_depth_is_the_middle_of_the_same_network():
    found = SupervisedDepth(depth=branch(depth=ball()))(image=IMAGE)
    assert set(found) == {"depth"}
    torch.testing.assert_close(found["depth"], ball()[..., SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2])


def test_mirror_by_hand():
    rows = torch.tensor([[[[1.0, 2.0, 3.0]]], [[[4.0, 5.0, 6.0]]]])
    assert mirrored(rows, torch.tensor([True, False])).flatten().tolist() == [3, 2, 1, 4, 5, 6]


def test_geometry_stays_exact_under_half_precision():
    """Under autocast the networks may speak bfloat16; depth, pose and grid must not be rounded to three digits."""
    exact = method(yaw=0.3)(image=torch.rand(2, 3, SIDE, SIDE))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = method(yaw=0.3)(image=torch.rand(2, 3, SIDE, SIDE).bfloat16())
    assert {name: value.dtype for name, value in found.items()} == {name: value.dtype for name, value in exact.items()}
    torch.testing.assert_close(found["depth"], exact["depth"])
