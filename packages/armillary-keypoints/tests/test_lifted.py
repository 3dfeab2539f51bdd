"""Lifting: depth in the units of the picture, by hand and by projection; both methods come from other runs."""

import math

import pytest
import torch
from torch import nn

from armillary.errors import RecipeError
from armillary.kernels.cameras import intrinsics
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.recipes.transfer import source_entry
from armillary_keypoints.lifted import Lifted, lift, resized


def test_depth_by_hand():
    """Nine pixels are 4 a unit. Focal length 40: at the mean depth of 10, one unit of the scene is 4 pixels, a unit here."""
    depth = torch.full((1, 1, 9, 9), 9.0)
    depth[..., 5:] = 11.0
    camera = torch.tensor([[[40.0, 0, 4], [0, 40.0, 4], [0, 0, 1]]])
    points = torch.tensor([[[-0.5, 0.0], [0.75, 0.25]]])
    wanted = torch.tensor([[[-0.5, 0.0, -1.0], [0.75, 0.25, 1.0]]])
    torch.testing.assert_close(lift(points, depth, camera), wanted)


def test_a_small_object_comes_out_with_its_shape():
    """Points of a relief that is small beside its distance: lifted, all distances between them have one ratio."""
    generator = torch.Generator().manual_seed(0)
    size = 65
    camera = intrinsics(math.radians(10), height=size, width=size, dtype=torch.float64)
    pixels = torch.randint(8, 57, (20, 2), generator=generator)
    z = 1.0 + 0.004 * torch.rand(20, generator=generator, dtype=torch.float64)
    depth = torch.ones(1, 1, size, size, dtype=torch.float64)
    pixels = pixels.double()
    depth[0, 0, pixels[:, 1].long(), pixels[:, 0].long()] = z
    space = torch.cat(((pixels - camera[:2, 2]) / camera[0, 0] * z[:, None], z[:, None]), dim=-1)
    found = lift((2.0 * pixels / (size - 1) - 1.0)[None], depth, camera)[0]
    ratio = torch.pdist(found) / torch.pdist(space)
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=0.01, atol=0)


@pytest.mark.parametrize("unit", [0.01, 30.0])
def test_the_unit_of_depth_does_not_count(unit):
    depth = 1.0 + torch.rand(3, 1, 9, 9, generator=torch.Generator().manual_seed(1))
    points = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(2)) - 0.5
    camera = intrinsics(math.radians(10), height=9, width=9)
    torch.testing.assert_close(lift(points, unit * depth, camera), lift(points, depth, camera))


class Points(nn.Module):
    def forward(self, image):
        return {"keypoints2d": image.new_tensor([[0.0, 0.0], [1.0, 0.0]]).expand(len(image), 2, 2)}


class Depth(nn.Module):
    def __init__(self, **more):
        super().__init__()
        self.more = more

    def forward(self, image):
        raise AssertionError("a whole method is asked for its prediction")

    def predict(self, image):
        ramp = torch.linspace(1.0, 2.0, image.shape[-1]).expand(len(image), 1, *image.shape[-2:])
        return {"depth": ramp, **self.more}


def test_the_camera_is_the_run_s_or_that_of_the_setting():
    image = torch.zeros(2, 3, 9, 9)
    wide = torch.tensor([[4.0, 0, 4], [0, 4.0, 4], [0, 0, 1]]).expand(2, 3, 3)
    sizes = {"points_size": 9, "depth_size": 9}
    plain = Lifted(points=Points(), depth=Depth(), fov=2 * math.atan(1.0), **sizes)(image=image)
    for name in ("camera", "canonical_camera"):
        given = Lifted(points=Points(), depth=Depth(**{name: wide}), fov=0.1, **sizes)(image=image)
        torch.testing.assert_close(given["keypoints3d"], plain["keypoints3d"])
    assert set(plain) == {"keypoints2d", "keypoints3d", "depth"}
    assert plain["keypoints3d"][0, 1, 2] > plain["keypoints3d"][0, 0, 2]  # farther to the right


def test_each_method_sees_pictures_of_its_own_size():
    """The same picture, small for the depth: one step across the smaller map is twice as far, and so is its focal length."""
    camera = {"camera": intrinsics(math.radians(10), height=9, width=9)}
    seen = {}

    class Watched(Depth):
        def predict(self, image):
            seen["depth"] = image
            return super().predict(image)

    image = torch.linspace(0, 1, 18).expand(1, 3, 18, 18)
    found = Lifted(points=Points(), depth=Watched(**camera), points_size=18, depth_size=9)(image=image)
    torch.testing.assert_close(
        seen["depth"][0, 0, 4, 1:-1], image[0, 0, 0].reshape(9, 2).mean(-1)[1:-1], atol=2e-3, rtol=0
    )
    assert found["depth"].shape == (1, 1, 9, 9)
    same = Lifted(points=Points(), depth=Depth(**camera), points_size=9, depth_size=9)(image=image[..., ::2, ::2])
    torch.testing.assert_close(found["keypoints3d"], same["keypoints3d"])


def test_small_pictures_are_averages_of_large_ones():
    """Every third column white: a picture a third as large is grey where single pixels read would all be white."""
    stripes = torch.zeros(1, 3, 27, 27)
    stripes[..., 1::3] = 1.0
    small = resized(stripes, 9)
    assert small.shape == (1, 3, 9, 9)
    assert ((small > 0.2) & (small < 0.5)).all()
    assert resized(stripes, 27) is stripes


def test_the_recipe_is_checked_without_the_runs_and_refuses_what_gives_no_points():
    """Of both runs only key points fit the one slot; a run of key points gives no depth for the other."""
    host = Host()
    plan = check(host, complete(host, resolve(host, "keypoints:lifted")))
    assert plan.missing == {"points": ("slots.points",), "depth": ("slots.depth",)}
    assert plan.stages["main"].body["budget"]["steps"] == 0
    done = complete(host, resolve(host, "keypoints:smoke"))
    run = source_entry(done.table, run="smoke", recipe=done.id)
    small = ("data.size=32", "settings.points_size=32")
    fits = resolve(host, "keypoints:lifted", Overrides(sets=small, runs={"points": run}))
    part = check(host, complete(host, fits)).stages["main"].slots["points"]
    assert part.id == "keypoints:keypoints"
    wrong = resolve(host, "keypoints:lifted", Overrides(sets=small, runs={"depth": run}))
    with pytest.raises(RecipeError, match=r"slots\.depth: .*the slot needs depth: depth"):
        check(host, complete(host, wrong))
    check(host, complete(host, resolve(host, "keypoints:lifted", Overrides(sets=small[1:], runs={"points": run}))))
    large = resolve(host, "keypoints:lifted", Overrides(runs={"points": run}))
    with pytest.raises(RecipeError, match=r"the slot gives image.*the part takes image.*32"):
        check(host, complete(host, large))
