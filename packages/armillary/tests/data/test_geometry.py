"""The table of geometric changes: complete, and true to what a camera sees."""

import math

import pytest
import torch

from armillary.data.geometry import MOVES, Crop, Flip, Mover, Window, move
from armillary.errors import ArmillaryError
from armillary.kernels.cameras import back_project, intrinsics, pixel_coordinates, project
from armillary.kernels.rotations import exp_map
from armillary.kernels.sampling import grid_to_pixels, identity_grid, pixels_to_grid, sample
from armillary.kernels.shading import lambert, normals_from_depth
from armillary.ports import KINDS

HEIGHT, WIDTH = 6, 8
SHAPES = {
    "image": (3, HEIGHT, WIDTH), "albedo": (3, HEIGHT, WIDTH), "shading": (1, HEIGHT, WIDTH),
    "confidence": (1, HEIGHT, WIDTH), "edge_map": (1, HEIGHT, WIDTH), "feature_map": (5, HEIGHT, WIDTH),
    "label_map": (3, HEIGHT, WIDTH), "coordinate_map": (3, HEIGHT, WIDTH), "heatmap": (4, HEIGHT, WIDTH), "depth": (1, HEIGHT, WIDTH),
    "mask": (1, HEIGHT, WIDTH), "normals": (3, HEIGHT, WIDTH), "grid": (HEIGHT, WIDTH, 2), "camera": (3, 3),
    "pose": (3, 4), "rotation": (3, 3), "light": (5,), "keypoints2d": (4, 2), "landmarks2d": (4, 2),
    "keypoints3d": (4, 3), "landmarks3d": (4, 3), "visibility": (4,), "sphere_signal": (2, 4, 8),
    "sphere_coefficients": (2, 9), "feature_vector": (7,), "class_label": (), "class_scores": (3,), "scalar": (),
}  # fmt: skip
UNMOVED = {"sphere_signal", "sphere_coefficients", "feature_vector", "class_label", "class_scores", "scalar"}


def whole_sample(batch=()):
    generator = torch.Generator().manual_seed(0)
    sample = {
        kind: torch.rand((*batch, *shape), generator=generator, dtype=torch.float64) for kind, shape in SHAPES.items()
    }
    sample["mask"] = sample["mask"] > 0.5
    sample["visibility"] = sample["visibility"] > 0.5
    sample["camera"] = intrinsics(0.5, height=HEIGHT, width=WIDTH, dtype=torch.float64).expand(*batch, 3, 3)
    sample["rotation"] = exp_map(sample["keypoints3d"][..., 0, :])
    sample["pose"] = torch.cat((sample["rotation"], sample["keypoints3d"][..., 1, :, None]), dim=-1)
    return sample


KIND_OF_ITSELF = {kind: kind for kind in SHAPES}
MIRRORED_POINTS = (1, 0, 2, 3)


class Warp(Mover):
    """A mover as a plugin may write it: any change within the picture's plane, given by a grid."""

    loses = frozenset({"camera", "pose", "rotation", "light", "normals", "keypoints3d", "landmarks3d"})

    def __init__(self, *, grid, forward):
        self.grid, self.forward = grid, forward

    def raster(self, values, *, interpolation):
        grid = self.grid.to(values).expand(*values.shape[:-3], *self.grid.shape[-3:])
        return sample(values, grid, mode="bilinear" if interpolation == "linear" else "nearest")

    def positions(self, xy):
        return self.forward(xy)


def movers(batch=()):
    grid = identity_grid(HEIGHT, WIDTH, dtype=torch.float64).expand(*batch, HEIGHT, WIDTH, 2)
    return [
        Flip(width=WIDTH),
        Flip(width=WIDTH, mirror_points=MIRRORED_POINTS),
        Crop(left=2, top=1, width=4, height=3, source=(WIDTH, HEIGHT)),
        Warp(grid=grid, forward=lambda xy: xy),
    ]


def test_every_kind_of_the_vocabulary_is_in_the_table():
    assert set(MOVES) == set(KINDS)
    assert set(SHAPES) == set(KINDS) - {"mesh"}


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_every_kind_moves_or_leaves_under_every_mover(batch):
    sample = whole_sample(batch)
    for mover in movers(batch):
        moved = move({**sample, "id": "a"}, mover, kinds=KIND_OF_ITSELF)
        assert set(moved) == set(sample) - mover.loses | {"id"}
        for kind in UNMOVED:
            torch.testing.assert_close(moved[kind], sample[kind])
        for kind, value in moved.items():
            if kind != "id":
                assert value.dtype == sample[kind].dtype
                assert value.shape[: len(batch)] == batch


@pytest.mark.parametrize("mirror_points", [None, MIRRORED_POINTS])
def test_flip_twice_is_nothing_and_once_is_something(mirror_points):
    sample = whole_sample((2,))
    flip = Flip(width=WIDTH, mirror_points=mirror_points)
    once = move(sample, flip, kinds=KIND_OF_ITSELF)
    twice = move(once, flip, kinds=KIND_OF_ITSELF)
    for kind, value in sample.items():
        torch.testing.assert_close(twice[kind], value, atol=1e-12, rtol=0)
        if kind not in UNMOVED | {"camera", "visibility"}:  # this camera looks at the picture's centre
            assert not torch.equal(once[kind], value), kind


def test_flip_by_hand():
    """Width 8: the pixel x = 1 goes to 7 - 1 = 6, cx = 2 to 5; a point at -0.5 to 0.5; light from the left from the right."""
    image = torch.zeros(1, 2, 8)
    image[..., 1] = 1
    camera = torch.tensor([[9.0, 0, 2], [0, 9, 1], [0, 0, 1]])
    sample = {
        "image": image, "camera": camera, "landmarks2d": torch.tensor([[-0.5, 0.25]]),
        "landmarks3d": torch.tensor([[1.0, 2, 3]]), "light": torch.tensor([0.4, 0.6, -0.6, 0, -0.8]),
    }  # fmt: skip
    moved = move(sample, Flip(width=8), kinds=KIND_OF_ITSELF)
    assert moved["image"][0, 0].tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    assert moved["camera"].tolist() == [[9, 0, 5], [0, 9, 1], [0, 0, 1]]
    assert moved["landmarks2d"].tolist() == [[0.5, 0.25]]
    assert moved["landmarks3d"].tolist() == [[-1, 2, 3]]
    torch.testing.assert_close(moved["light"], torch.tensor([0.4, 0.6, 0.6, 0, -0.8]))


def test_a_flip_keeps_rotations_rotations():
    moved = move(whole_sample(), Flip(width=WIDTH), kinds=KIND_OF_ITSELF)
    for rotation in (moved["rotation"], moved["pose"][:, :3]):
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=rotation.dtype))
        torch.testing.assert_close(torch.linalg.det(rotation), rotation.new_tensor(1.0))


def test_a_flipped_pose_carries_the_mirrored_object():
    """x' = R' S x_object + t' is the mirror image S (R x_object + t)."""
    sample = whole_sample()
    flipped = move(sample, Flip(width=WIDTH), kinds=KIND_OF_ITSELF)["pose"]
    mirror = torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64))
    x = torch.tensor([0.3, -0.4, 0.7], dtype=torch.float64)
    expected = mirror @ (sample["pose"][:, :3] @ x + sample["pose"][:, 3])
    torch.testing.assert_close(flipped[:, :3] @ mirror @ x + flipped[:, 3], expected)


def scene():
    """A bumpy depth map seen by a camera that does not look through the centre, with all that belongs to it."""
    height, width = 16, 24
    xy = pixel_coordinates(height, width, dtype=torch.float64)
    depth = 1 + 0.02 * torch.sin(0.5 * xy[..., 0] + 0.1 * xy[..., 1])[None]
    camera = intrinsics(0.4, height=height, width=width, dtype=torch.float64).clone()
    camera[0, 2] += 1.7
    camera[1, 2] -= 0.6
    normals = normals_from_depth(depth, camera)
    light = torch.tensor([0.3, 0.6, 0.48, -0.36, -0.8], dtype=torch.float64)
    points = back_project(depth, camera)[4:12:3, 5:20:4].reshape(-1, 3)
    pixels, _ = project(points, camera)
    return {
        "image": lambert(normals, light).expand(3, -1, -1), "depth": depth, "camera": camera, "normals": normals,
        "light": light, "landmarks3d": points, "landmarks2d": pixels_to_grid(pixels, height=height, width=width),
        "shading": lambert(normals, light),
    }  # fmt: skip


@pytest.mark.parametrize(
    "mover", [Flip(width=24), Crop(left=3, top=2, width=17, height=11, source=(24, 16))], ids=["flip", "crop"]
)
def test_a_moved_sample_is_a_true_picture_of_a_scene(mover):
    """Normals, shading and landmarks computed anew from what was moved are those that were moved."""
    moved = move(scene(), mover, kinds=KIND_OF_ITSELF)
    height, width = moved["depth"].shape[-2:]
    inner = (..., slice(1, -1), slice(1, -1))  # the border has one-sided differences
    normals = normals_from_depth(moved["depth"], moved["camera"])
    torch.testing.assert_close(normals[inner], moved["normals"][inner])
    torch.testing.assert_close(lambert(normals, moved["light"])[inner], moved["shading"][inner])
    pixels, depth = project(moved["landmarks3d"], moved["camera"])
    torch.testing.assert_close(pixels_to_grid(pixels, height=height, width=width), moved["landmarks2d"])
    inside = (pixels.round() >= 0).all(-1) & (pixels.round() < pixels.new_tensor((width, height))).all(-1)
    assert inside.any()
    x, y = pixels[inside].round().long().unbind(-1)
    torch.testing.assert_close(moved["depth"][0, y, x], depth[inside])


def test_a_flip_that_forgot_the_light_would_be_seen():
    """The check above has teeth: with the light unmoved the shading is another one."""
    moved = move(scene(), Flip(width=24), kinds=KIND_OF_ITSELF)
    wrong = lambert(normals_from_depth(moved["depth"], moved["camera"]), scene()["light"])
    assert (wrong - moved["shading"])[..., 1:-1, 1:-1].abs().max() > 0.01


def test_a_grid_of_correspondences_follows_both_pictures():
    """Source and target flipped: what was at pixel (x, y) and led to g is now at W - 1 - x and leads to (-g_x, g_y)."""
    grid = torch.rand(4, 5, 2, dtype=torch.float64)
    moved = move({"grid": grid}, Flip(width=5), kinds={"grid": "grid"})["grid"]
    torch.testing.assert_close(moved[2, 1], grid[2, 3] * torch.tensor([-1.0, 1.0], dtype=torch.float64))


def test_coordinates_of_the_object_are_never_blended():
    """A pixel shows one point of the object: after any change every value is one that was there, and the mirror keeps it."""
    values = whole_sample()["coordinate_map"]
    half_a_pixel = torch.tensor([1 / (WIDTH - 1), 0.0], dtype=torch.float64)
    grid = identity_grid(HEIGHT, WIDTH, dtype=torch.float64) * 0.7 + half_a_pixel
    warped = move({"x": values}, Warp(grid=grid, forward=lambda xy: xy), kinds={"x": "coordinate_map"})["x"]
    there = {tuple(point) for point in values.flatten(1).T.tolist()}
    assert {tuple(point) for point in warped.flatten(1).T.tolist()} <= there
    flipped = move({"x": values}, Flip(width=WIDTH), kinds={"x": "coordinate_map"})["x"]
    assert torch.equal(flipped, values.flip(-1))


def test_mirror_partners_change_places_everywhere():
    sample = whole_sample()
    plain = move(sample, Flip(width=WIDTH), kinds=KIND_OF_ITSELF)
    swapped = move(sample, Flip(width=WIDTH, mirror_points=MIRRORED_POINTS), kinds=KIND_OF_ITSELF)
    for kind in ("keypoints2d", "landmarks2d", "keypoints3d", "landmarks3d", "visibility", "heatmap"):
        torch.testing.assert_close(swapped[kind], plain[kind][list(MIRRORED_POINTS)])


def test_window_moves_points_with_their_pixels():
    """(x + 1/2) s + o - 1/2: the centre of pixel 3 of 8 becomes 3.5 * 2 - 0.5 = 6.5 of 16."""
    window = Window((2.0, 2.0), (0.0, 0.0), (8, 8), (16, 16))
    torch.testing.assert_close(window.pixels(torch.tensor([3.0, 0.0])), torch.tensor([6.5, 0.5]))
    corner = window.positions(torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(grid_to_pixels(corner, height=16, width=16), torch.tensor([0.5, 14.5]))


def test_the_inverse_of_a_window_leads_back():
    window = Window((0.5, 0.8), (-1.0, 2.0), (10, 9), (5, 12))
    points = torch.rand(7, 2, dtype=torch.float64)
    torch.testing.assert_close(window.inverse().pixels(window.pixels(points)), points)
    torch.testing.assert_close(window.inverse().positions(window.positions(points)), points)


def test_window_moves_the_camera_with_its_pixels():
    camera = intrinsics(0.5, height=10, width=10, dtype=torch.float64)
    window = Window((0.5, 0.8), (-1.0, 2.0), (10, 10), (5, 12))
    points = torch.rand(7, 3, dtype=torch.float64) + torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    before, _ = project(points, camera)
    after, _ = project(points, window.camera(camera))
    torch.testing.assert_close(after, window.pixels(before))


def test_warp_takes_pixels_and_points_the_same_way():
    """A warp by a rotation of the plane: a spot of light and the point on it stay together."""
    side, angle = 33, math.radians(30)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    grid = identity_grid(side, side, dtype=torch.float64) @ turn  # the new pixel p shows the old turn^T p
    point = torch.tensor([[0.4, -0.2]], dtype=torch.float64)
    xy = identity_grid(side, side, dtype=torch.float64)
    spot = torch.exp(-((xy - point) ** 2).sum(-1) / 0.01)[None]
    mover = Warp(grid=grid, forward=lambda xy: xy @ turn.T)
    moved = move({"image": spot, "keypoints2d": point}, mover, kinds={"image": "image", "keypoints2d": "keypoints2d"})
    weight = moved["image"][0] / moved["image"].sum()
    centre = (weight[..., None] * xy).sum((0, 1))
    torch.testing.assert_close(centre, moved["keypoints2d"][0], atol=2e-3, rtol=0)


def test_warp_drops_what_needs_a_camera():
    warp = Warp(grid=identity_grid(HEIGHT, WIDTH), forward=lambda xy: xy)
    moved = move(whole_sample(), warp, kinds=KIND_OF_ITSELF)
    assert not {"camera", "pose", "light", "normals", "landmarks3d"} & set(moved)
    assert {"image", "mask", "landmarks2d"} <= set(moved)


def test_the_sample_given_is_left_as_it_is():
    sample = whole_sample()
    copy = {key: value.clone() for key, value in sample.items()}
    for mover in movers():
        move(sample, mover, kinds=KIND_OF_ITSELF)
    for key, value in copy.items():
        assert torch.equal(sample[key], value)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_port_without_a_kind_is_refused():
    with pytest.raises(ArmillaryError, match="port 'x' cannot be moved by Flip: its kind is unknown"):
        move({"x": torch.zeros(3)}, Flip(width=2), kinds={})


def test_a_kind_outside_the_table_is_refused():
    with pytest.raises(ArmillaryError, match=r"kind 'x.mine.thing' is not in the table"):
        move({"x": torch.zeros(3)}, Flip(width=2), kinds={"x": "x.mine.thing"})


def test_a_mover_that_says_too_little_cannot_be_made():
    class Half(Mover):
        def raster(self, values, *, interpolation):
            return values

    with pytest.raises(TypeError, match="positions"):
        Half()  # pyright: ignore[reportAbstractUsage]


def test_wrong_number_of_mirror_partners_is_refused():
    with pytest.raises(ArmillaryError, match="mirror_points names 2 points, but the sample has 4"):
        move(whole_sample(), Flip(width=WIDTH, mirror_points=(1, 0)), kinds=KIND_OF_ITSELF)


@pytest.mark.parametrize("place", [{"left": -1, "top": 0}, {"left": 6, "top": 0}, {"left": 0, "top": 4}])
def test_a_crop_outside_the_picture_is_refused(place):
    with pytest.raises(ValueError, match="is not inside 8 x 6"):
        Crop(**place, width=3, height=3, source=(8, 6))


def test_a_crop_of_a_raster_of_another_stride_is_refused():
    crop = Crop(left=0, top=0, width=2, height=2, source=(8, 6))
    with pytest.raises(ValueError, match="not of the picture's size"):
        move({"f": torch.zeros(1, 3, 4)}, crop, kinds={"f": "feature_map"})
