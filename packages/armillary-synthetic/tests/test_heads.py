"""Procedural heads: symmetric but for what is asked for."""

from typing import Any

import numpy as np
import pytest

from armillary_synthetic.anatomy import POINTS
from armillary_synthetic.heads import Heads
from armillary_synthetic.scene import View, draw_background, rotation_zyx, take_picture

EVEN = {"parting": 0.0, "marks": 0.0, "expression": 0.0, "blotches": 0.0}
MIRROR = np.diag([-1.0, 1.0, 1.0])
SIZE = 48


def view(yaw=0.0, light=(0.0, 0.0, -1.0)):
    rotation = rotation_zyx(0.1, yaw, 0.0)
    centre = np.array([0, 0, 1.0])
    pose = np.concatenate([rotation, (centre - rotation @ centre)[:, None]], axis=1)
    return View(pose=pose, light=np.array([0.4, 0.6, *light]))


def heads(**settings):
    return Heads(size=SIZE, seed=0, **(EVEN | settings))


def shoot(index, at, **settings) -> dict[str, Any]:
    generator = heads(**settings)
    return dict(take_picture(generator.surface(index), at, np.full((SIZE, SIZE, 3), 0.5), generator))


def mirrored(at):
    """Return the view in a mirror: M [R | t] M, and the light's direction M d."""
    pose = np.concatenate([MIRROR @ at.pose[:, :3] @ MIRROR, (MIRROR @ at.pose[:, 3])[:, None]], axis=1)
    return View(pose=pose, light=at.light * (1, 1, -1, 1, 1))


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("at", [view(), view(0.5, light=(0.48, 0.0, -0.8771))], ids=["front", "turned"])
def test_without_asymmetry_a_head_is_its_mirror_image(index, at):
    """The flip of a picture is the picture of the mirrored view: image, depth, mask, albedo; normals change their x."""
    there, back = shoot(index, at), shoot(index, mirrored(at))
    assert (there["true_mask"] != back["true_mask"][..., ::-1]).sum() <= 2  # a sample on the outline itself
    both = there["true_mask"] & back["true_mask"][..., ::-1]
    for name in ("true_depth", "true_albedo", "image", "true_normals"):
        flipped = back[name][..., ::-1] * (np.array([-1, 1, 1])[:, None, None] if name == "true_normals" else 1)
        # A sample on an edge between triangles may fall to either: nearly all pixels agree to rounding.
        off = np.abs(there[name] - flipped).max(axis=0, keepdims=True)[both]
        assert np.quantile(off, 0.98) < 1e-4, name


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ({"parting": 1.0}, "true_albedo"),
        ({"marks": 10.0}, "true_albedo"),
        ({"expression": 1.0}, "true_depth"),
        ({"expression": 1.0}, "true_albedo"),
        ({"blotches": 2.0}, "true_albedo"),
    ],
)
def test_each_asymmetry_breaks_the_mirror(setting, what):
    """States the limit of the claim above: a head with one of them is not its mirror image."""
    differences = []
    for index in range(6):
        item = shoot(index, view(), **setting)
        inside = item["true_mask"] & item["true_mask"][..., ::-1]
        differences.append((np.abs(item[what] - item[what][..., ::-1]) * inside).max())
    assert max(differences) > (0.0005 if what == "true_depth" else 0.03)


def test_without_variation_there_is_one_shape():
    generator = heads(variation=0.0)
    points = generator.surface(0).landmarks
    np.testing.assert_array_equal(points, generator.surface(1).landmarks)


def test_identities_differ():
    generator = heads()
    spread = np.std([generator.surface(i).landmarks for i in range(20)], axis=0)
    assert spread.max() > 0.002


def test_named_points_are_where_their_names_say():
    """Left is the subject's left, which is on the right of the picture; the tip of the nose is nearest to the eye."""
    points = dict(zip(POINTS, heads().surface(0).landmarks, strict=True))
    x, y, z = ({name: p[k] for name, p in points.items()} for k in range(3))
    for name in ("eye", "mouth", "ear", "brow", "cheek", "jaw", "nostril"):
        assert x[f"{name}-left"] > 0 > x[f"{name}-right"]
        np.testing.assert_allclose(points[f"{name}-left"] * (-1, 1, 1), points[f"{name}-right"], atol=1e-12)
    assert y["forehead"] < y["brow-left"] < y["eye-left"] < y["nose-tip"] < y["upper-lip"] < y["lower-lip"] < y["chin"]
    assert min(z, key=z.__getitem__) == "nose-tip"
    assert z["ear-left"] - z["nose-tip"] > 0.08
    assert x["eye-left-inner"] < x["eye-left"] < x["eye-left-outer"]


def test_a_head_has_human_proportions():
    """In the middle of 50 heads: 0.13 to 0.15 wide at the ears, nose 1.5 to 3 cm before the upper lip's plane."""
    generator = heads()
    surfaces = [generator.surface(i) for i in range(50)]
    width = np.median([np.ptp(s.points[np.abs(s.points[:, 1]) < 0.02, 0]) for s in surfaces])
    assert 0.13 < width < 0.16
    lip, tip = (np.array([s.landmarks[POINTS.index(n)] for s in surfaces]) for n in ("upper-lip", "nose-tip"))
    assert 0.008 < np.median(lip[:, 2] - tip[:, 2]) < 0.03


def test_backgrounds_do_not_follow_the_head():
    one = draw_background(Heads(size=8, seed=0), 0)
    assert not np.array_equal(one, one[:, ::-1])
