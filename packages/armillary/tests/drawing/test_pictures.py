"""Pictures by kind: golden values, orientation, and that no value breaks them."""

import numpy as np
import pytest
import torch

from armillary import ports
from armillary.drawing import picture_items, pictures
from armillary.drawing.colours import NOTHING
from armillary.drawing.sheets import PALE
from armillary.kernels.sampling import identity_grid

WITHOUT_PICTURE = {"camera", "visibility", "sphere_coefficients", "feature_vector", "class_scores", "mesh"}

SHAPES = {"batch": 1, "channel": 5, "height": 12, "width": 10, "points": 4, "colatitude": 8, "azimuth": 8}


def item_of(kind, fill):
    shape = [int(axis) if axis.isdigit() else SHAPES.get(axis, 6) for axis in ports.KINDS[kind].shape.split()[1:]]
    return (
        torch.full(shape, fill) if fill is not None else torch.rand(shape, generator=torch.Generator().manual_seed(0))
    )


def test_every_kind_has_a_picture_or_is_known_to_have_none():
    assert {kind for kind in ports.KINDS if pictures.picture(kind, item_of(kind, 0.5)) is None} == WITHOUT_PICTURE


DRAWN = sorted(set(ports.KINDS) - WITHOUT_PICTURE)


def assert_picture(shown):
    assert shown.dtype == np.uint8
    assert shown.ndim == 3
    assert shown.shape[2] == 3


@pytest.mark.parametrize("fill", [0.0, -1.0, 1e30, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", DRAWN)
def test_no_value_breaks_a_picture(kind, fill):
    assert_picture(pictures.picture(kind, item_of(kind, fill)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.bool])
@pytest.mark.parametrize("kind", DRAWN)
def test_any_type_of_number_is_drawn(kind, dtype):
    assert_picture(pictures.picture(kind, item_of(kind, None).to(dtype)))


def test_image_goldens():
    """0, 1/2 and 1 are 0, 128 and 255; one channel is grey; what is not finite is magenta."""
    image = torch.tensor([0.0, 0.5, 1.0, float("nan")]).reshape(1, 1, 4)
    expected = [[0, 0, 0], [128, 128, 128], [255, 255, 255], [255, 0, 255]]
    np.testing.assert_array_equal(picture_items.image_picture(image)[0], expected)


@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4), (1, 3, 4, 4)])
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="image needs the shape"):
        picture_items.image_picture(torch.zeros(shape))


def test_a_map_of_two_channels_is_refused():
    with pytest.raises(ValueError, match="map of one channel"):
        pictures.depth_picture(torch.ones(2, 4, 4))


def test_near_is_light():
    """By the luma of Rec. 709, which is what a grey print shows."""
    shown = pictures.depth_picture(torch.linspace(0.9, 1.1, 50).expand(1, 4, 50)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(shown[0]) <= 0).all()
    assert shown[0, 0] > shown[0, -1] + 150


def test_depth_that_does_not_count_is_grey_and_off_the_scale():
    depth = torch.tensor([0.9, 1.0, 1.1, 1e6, 0.0, float("nan")]).reshape(1, 1, 6)
    mask = torch.tensor([1, 1, 1, 0, 1, 1]).bool().reshape(1, 1, 6)
    shown = pictures.depth_picture(depth, mask=mask)
    assert [tuple(pixel) == NOTHING for pixel in shown[0]] == [False, False, False, True, True, True]
    np.testing.assert_array_equal(shown[:, :3], pictures.depth_picture(depth[..., :3]))


def test_flat_normals_are_the_usual_blue():
    """(0, 0, -1) faces the viewer: (128, 128, 255). Facing right is red, facing up (y < 0) is green."""
    normals = torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]]).T.reshape(3, 1, 4)
    shown = pictures.normals_picture(normals)
    np.testing.assert_array_equal(shown[0], [[128, 128, 255], [255, 128, 128], [128, 255, 128], NOTHING])


def test_confidence_is_white_where_sigma_is_small():
    """1 / (1 + 0) = 1, 1 / (1 + 1) = 1/2."""
    shown = pictures.confidence_picture(torch.tensor([0.0, 1.0, 1e9]).reshape(1, 1, 3))
    assert shown[0, :, 0].tolist() == [255, 128, 0]


def test_shading_above_one_is_scaled_as_a_whole():
    shown = pictures.shading_picture(torch.tensor([0.0, 1.0, 2.0]).reshape(1, 1, 3))
    assert shown[0, :, 0].tolist() == [0, 128, 255]


def test_label_map_fades_with_certainty():
    """Direction (1, 0, 0) is (255, 128, 128) at lengths 1 and 3, half as strong at 1/2, grey at 0."""
    labels = torch.tensor([[1.0, 0, 0], [3.0, 0, 0], [0.5, 0, 0], [0.0, 0, 0]]).T.reshape(3, 1, 4)
    expected = [[255, 128, 128], [255, 128, 128], [191, 128, 128], [128, 128, 128]]
    np.testing.assert_array_equal(pictures.label_map_picture(labels)[0], expected)


def test_coordinates_are_colours_and_grey_beside_the_object():
    """(1, 0, -1) is (255, 128, 0) on the unit sphere; on an object of half the size (1/2, 0, -1/2) is. No object is grey."""
    one = torch.tensor([[1.0, 0, -1], [0.0, 0, 0], [0.5, 0.5, 0.5], [0.1, 0, 0]]).T.reshape(3, 1, 4)
    mask = torch.tensor([True, True, True, False]).reshape(1, 1, 4)
    expected = [[255, 128, 0], NOTHING, [191, 191, 191], NOTHING]
    np.testing.assert_array_equal(pictures.coordinate_map_picture(one, mask=mask)[0], expected)
    np.testing.assert_array_equal(pictures.coordinate_map_picture(0.5 * one, mask=mask)[0], expected)


def test_a_unit_vector_made_longer_by_rounding_keeps_the_colours():
    values = torch.tensor([[1.0000001, 0, 0], [0.5, 0, 0]]).T.reshape(3, 1, 2)
    np.testing.assert_array_equal(pictures.coordinate_map_picture(values)[0], [[255, 128, 128], [191, 128, 128]])


def test_preview_draws_true_coordinates_within_the_true_mask():
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    batch = {"image": torch.zeros(1, 3, 8, 8), "true_coordinates": torch.ones(1, 3, 8, 8), "true_mask": mask}
    outputs = {"coordinates": torch.ones(1, 3, 8, 8)}
    shown = pictures.preview(outputs, batch, {"image": "image", "coordinates": "coordinate_map"}, cell=8)
    assert shown.shape[1] == 3 * 8 + 4 * 4
    grey = [
        (shown[y : y + 8, 12 * column + 4 : 12 * column + 12] == NOTHING).all()
        for column in range(3)
        for y in range(40)
    ]
    assert [any(grey[40 * column : 40 * column + 40]) for column in range(3)] == [False, False, True]


def test_a_grid_shows_the_square_it_reads():
    """Unmoved: red grows to the right, green downwards; moved by more than the picture, nothing is left."""
    grid = identity_grid(32, 32)
    shown = pictures.grid_picture(grid).astype(int)
    assert (np.diff(shown[1, ::8, 0]) > 0).any()
    assert shown[2, 30, 0] > shown[2, 2, 0] + 100
    assert shown[30, 2, 1] > shown[2, 2, 1] + 100
    assert (np.abs(np.diff(shown[2, :, 2])) > 20).sum() == 7  # eight fields
    assert (pictures.grid_picture(grid + 2.1) == NOTHING).all()


def on_sphere(longitude, latitude):
    """Unit labels of angles in degrees, as [3 ...]."""
    longitude, latitude = torch.deg2rad(torch.as_tensor(longitude)), torch.deg2rad(torch.as_tensor(latitude))
    level = latitude.cos()
    return torch.stack((longitude.cos() * level, longitude.sin() * level, latitude.sin()))


@pytest.mark.parametrize(
    ("longitude", "latitude", "place"),
    [
        (0.0, 0.0, (32, 64)),
        (90.0, 0.0, (32, 96)),
        (-90.0, 45.0, (16, 32)),
        (0.0, -80.0, (60, 64)),
        (30.0, 89.9, (0, 74)),
    ],
)
def test_unwrapped_puts_a_pixel_where_its_label_points(longitude, latitude, place):
    """All of a red picture with one label: longitude 0 in the middle, 90 degrees a quarter to the right, north on top."""
    labels = on_sphere(longitude, latitude)[:, None, None].expand(3, 4, 4)
    shown = pictures.unwrapped_picture(torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 8, 8), labels, size=64)
    assert shown.shape == (64, 128, 3)
    y, x = np.nonzero((shown == (255, 0, 0)).all(axis=-1))
    assert (y.mean(), x.mean()) == pytest.approx(place, abs=1.0)
    assert len(y) <= 4
    assert tuple(shown[place[0], (place[1] + 40) % 128]) == PALE


def test_unwrapped_goes_round_the_back():
    """A label at 180 degrees lies at both ends."""
    labels = on_sphere(180.0, 0.0)[:, None, None].expand(3, 4, 4)
    shown = pictures.unwrapped_picture(torch.zeros(3, 8, 8), labels, size=32)
    assert sorted(set(np.nonzero((shown == 0).all(axis=-1))[1].tolist())) == [0, 63]


def test_unwrapped_weighs_by_the_length_of_the_label():
    """Red three times as certain as blue, all at one place: three parts of red."""
    image, labels = torch.zeros(3, 64, 128), on_sphere(5.625, 5.625)[:, None, None].repeat(1, 64, 128)
    image[0, :, :64], image[2, :, 64:] = 1.0, 1.0
    labels[..., :64] *= 3.0
    assert pictures.unwrapped_picture(image, labels, size=16)[7, 16].tolist() == [191, 0, 64]


def test_unwrapped_leaves_no_holes_in_a_small_picture():
    """Eight pixels over 90 degrees each way, which are 32 places each way: none of those inside is pale."""
    y, x = torch.meshgrid(torch.linspace(45.0, -45.0, 8), torch.linspace(-45.0, 45.0, 8), indexing="ij")
    shown = pictures.unwrapped_picture(torch.zeros(3, 8, 8), 0.1 * on_sphere(x, y), size=64)
    assert (shown[18:46, 50:78] == 0).all()


def test_unwrapped_is_the_same_however_the_picture_is_turned():
    """What the method is for: pixels that carry their labels along fall where they fell."""
    generator = torch.Generator().manual_seed(0)
    image, labels = torch.rand(3, 12, 12, generator=generator), torch.randn(3, 12, 12, generator=generator)
    turned = pictures.unwrapped_picture(image.rot90(dims=(1, 2)), labels.rot90(dims=(1, 2)))
    np.testing.assert_allclose(turned.astype(int), pictures.unwrapped_picture(image, labels).astype(int), atol=1)


def test_unwrapped_reads_labels_between_cells():
    """Cell j of a map of stride 2 stands at pixel 2 j: pixel 1 lies midway between cells 0 and 1, pixel 3 at the last."""
    found = pictures._at_pixels(np.array([0.0, 4.0]).reshape(1, 1, 2).repeat(2, axis=1), 4, 4)
    np.testing.assert_array_equal(found[0], [[0.0, 2.0, 4.0, 4.0]] * 4)


def test_unwrapped_leaves_out_what_the_mask_leaves_out_and_what_has_no_label():
    labels = on_sphere(0.0, 0.0)[:, None, None].expand(3, 4, 4).clone()
    assert (pictures.unwrapped_picture(torch.zeros(3, 8, 8), labels, mask=torch.zeros(1, 8, 8)) == PALE).all()
    assert (pictures.unwrapped_picture(torch.zeros(3, 8, 8), 0 * labels) == PALE).all()


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e30, 0.0])
def test_no_value_breaks_an_unwrapped_picture(junk):
    assert_picture(pictures.unwrapped_picture(torch.full((3, 8, 8), junk), torch.full((3, 4, 4), junk)))


def test_unwrapped_refuses_a_map_that_is_larger_than_its_picture():
    with pytest.raises(ValueError, match=r"labels \(3, rows, columns\) of it are needed"):
        pictures.unwrapped_picture(torch.zeros(3, 4, 4), torch.zeros(3, 8, 8))


def test_preview_shows_a_label_map_with_its_own_picture_laid_onto_the_sphere(head):
    """Labels of the target go with the target, whatever image comes first; without a fitting image there is one column."""
    red, labels = torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 64, 64), torch.randn(3, 32, 32)
    outputs, batch = {"target_labels": labels[None]}, {"source": head.image[None], "target": red[None]}
    kinds = {"source": "image", "target": "image", "target_labels": "label_map"}
    shown = pictures.preview(outputs, batch, kinds, count=1, cell=64)
    assert shown.shape[1] == 3 * 64 + 128 + 5 * 4
    np.testing.assert_array_equal(shown[-68:-4, -132:-4], pictures.unwrapped_picture(red, labels))
    small = {"source": head.image[None, :, :16, :16]}
    assert pictures.preview(outputs, small, kinds, count=1, cell=64).shape[1] == 2 * 64 + 3 * 4


def test_preview_lays_the_object_alone_onto_the_sphere_where_a_true_mask_is_given(head):
    labels = torch.randn(3, 32, 32)
    outputs, batch = {"labels": labels[None]}, {"image": head.image[None], "true_mask": head.mask[None]}
    shown = pictures.preview(outputs, batch, {"image": "image", "labels": "label_map"}, count=1, cell=64)
    np.testing.assert_array_equal(
        shown[-68:-4, -132:-4], pictures.unwrapped_picture(head.image, labels, mask=head.mask)
    )


def test_extra_pictures_are_of_label_maps():
    image, labels = torch.rand(3, 8, 8), torch.randn(3, 4, 4)
    (word, shown), *more = pictures.extra_pictures("label_map", labels, image).items()
    assert (word, more) == ("unwrapped", [])
    np.testing.assert_array_equal(shown, pictures.unwrapped_picture(image, labels))
    assert pictures.extra_pictures("depth", torch.ones(1, 8, 8), image) == {}
    assert pictures.extra_pictures("label_map", torch.randn(3, 16, 16), image) == {}


def test_light_from_the_upper_left_lights_the_upper_left():
    shown = pictures.light_picture(torch.tensor([0.1, 0.9, -0.6, -0.6, -0.53]), size=64).astype(int)[..., 0]
    assert shown[20, 20] > shown[44, 44] + 100


def test_relief_is_lit_from_the_upper_left(head):
    for camera in (None, head.camera):
        shown = pictures.relief_picture(head.depth, camera=camera, mask=head.mask).astype(int)[..., 0]
        assert shown[20, 20] > shown[50, 42] + 40


def test_pose_points_red_right_and_green_down():
    shown = pictures.pose_picture(torch.eye(4)[:3], size=100).astype(int)
    red, green = shown[40, 75], shown[65, 50]
    assert red[0] > red[1] + 100
    assert green[1] > green[0] + 60


def test_turning_the_object_turns_its_axes():
    """A quarter turn about z takes the x axis, red, to y, which points down."""
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    red = pictures.pose_picture(quarter, size=100).astype(int)[65, 50]
    assert red[0] > red[1] + 100


def test_edges_are_drawn_by_the_strongest():
    """Values of 0, 0.01 and 0.02 are black, middle grey and white; nothing at all is black."""
    shown = pictures.edge_map_picture(torch.tensor([[[0.0, 0.01, 0.02]]]))
    assert shown[0, :, 0].tolist() == [0, 128, 255]
    assert pictures.edge_map_picture(torch.zeros(1, 2, 2)).max() == 0


def test_features_do_not_depend_on_the_order_of_channels():
    features = torch.randn(6, 9, 9, generator=torch.Generator().manual_seed(1))
    one, other = pictures.feature_map_picture(features), pictures.feature_map_picture(features[[3, 1, 5, 0, 2, 4]])
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def batch_and_outputs(head, items=3):
    def many(value):
        return value[None].repeat(items, *[1] * value.ndim)

    batch = {"image": many(head.image), "true_depth": many(head.depth), "true_mask": many(head.mask)}
    batch |= {"camera": many(head.camera), "id": ["a"] * items}
    outputs = {"depth": many(head.depth), "albedo": many(head.albedo), "light": many(head.light)}
    kinds = {"image": "image", "depth": "depth", "albedo": "albedo", "light": "light", "camera": "camera"}
    return outputs, batch, kinds


def test_preview_draws_what_it_knows(head):
    """Columns: image, depth and its relief, true depth and its relief, albedo, light; rows: at most ``count``."""
    outputs, batch, kinds = batch_and_outputs(head)
    shown = pictures.preview(outputs, batch, kinds, count=2, cell=50)
    assert shown.shape[1] == 7 * 50 + 8 * 4
    assert 2 * 50 < shown.shape[0] < 3 * 50 + 40


def test_preview_leaves_out_what_it_does_not_know(head):
    outputs, batch, kinds = batch_and_outputs(head)
    outputs |= {"code": torch.zeros(3, 7), "extra": torch.zeros(3, 3, 4, 4), "own": torch.zeros(3, 2)}
    kinds |= {"code": "feature_vector", "own": "x.mine.thing"}
    assert pictures.preview(outputs, batch, kinds, cell=50).shape[1] == 7 * 50 + 8 * 4


def test_preview_goes_on_below_with_the_image_again(head):
    outputs, batch, kinds = batch_and_outputs(head)
    """Seven columns in two bands, or in three of three columns; none wider, each headed by the image."""
    first = picture_items.image_picture(head.image)
    for across, bands in ((5, 2), (4, 2), (3, 3)):
        shown = pictures.preview(outputs, batch, kinds, count=1, cell=64, across=across)
        assert shown.shape[1] <= across * 64 + (across + 1) * 4
        assert sum((shown[y : y + 64, 4:68] == first).all() for y in range(len(shown) - 63)) == bands


def test_preview_has_outputs_of_one_kind_together(head):
    """Whatever the order in which a method names them: the two depths, then the albedo, then the light."""
    outputs, batch, kinds = batch_and_outputs(head)
    outputs = {
        "light": outputs["light"],
        "far": outputs["depth"] + 1.0,
        "albedo": outputs["albedo"],
        "depth": outputs["depth"],
    }
    batch = {"image": batch["image"]}
    ordered = {name: outputs[name] for name in ("far", "depth", "albedo", "light")}
    kinds |= {"far": "depth"}
    np.testing.assert_array_equal(pictures.preview(outputs, batch, kinds), pictures.preview(ordered, batch, kinds))


def test_preview_of_nothing_is_refused(head):
    with pytest.raises(ValueError, match="none of the ports code has a picture"):
        pictures.preview({"code": torch.zeros(2, 7)}, {}, {"code": "feature_vector"})


def test_preview_keeps_no_graph_and_changes_nothing(head):
    outputs, batch, kinds = batch_and_outputs(head)
    depth = outputs["depth"].requires_grad_()
    before = depth.detach().clone()
    pictures.preview(outputs, batch, kinds)
    torch.testing.assert_close(depth.detach(), before)
