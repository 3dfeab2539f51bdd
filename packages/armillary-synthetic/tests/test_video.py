"""Clips, positions and means; and what every generator of moving things keeps: determinism, partners, exact flow."""

import json
import pickle
import sys

import numpy as np
import pytest

from armillary_synthetic.arm import Arm
from armillary_synthetic.globe import Globe
from armillary_synthetic.scene import sample_texture
from armillary_synthetic.video import inside, means, partner_of, positions

PORTS = {
    "image": ((3, "s", "s"), np.float32),
    "true_mask": ((1, "s", "s"), np.bool_),
    "true_coordinates": ((3, "s", "s"), np.float32),
    "true_landmarks2d": (("p", 2), np.float32),
    "true_visible": (("p",), np.bool_),
    "partner": ((), np.int64),
    "partner_grid": (("s", "s", 2), np.float32),
    "partner_valid": ((1, "s", "s"), np.bool_),
}
MORE = {"globe": {"true_pose": ((3, 4), np.float32)}}
UNDECLARED = {"partner"}  # the number of an item, not a tensor that parts are given
GENERATORS = {"arm": Arm, "globe": Globe}


@pytest.fixture(params=sorted(GENERATORS))
def name(request):
    """The name of a generator."""
    if request.param == "arm":
        request.getfixturevalue("engine")
    return request.param


@pytest.fixture
def make(name):
    """Return a function that builds a generator of settings, size and seed."""
    return lambda *, size=48, seed=0, **settings: GENERATORS[name](size=size, seed=seed, **settings)


@pytest.mark.parametrize("clip", [2, 3, 10])
def test_every_partner_is_another_item_of_the_clip(clip):
    for index in range(3 * clip):
        partner = partner_of(index, clip=clip)
        assert abs(partner - index) == 1
        assert partner // clip == index // clip


def test_positions_of_pixels_run_from_corner_to_corner():
    np.testing.assert_allclose(positions(5), [-1, -0.5, 0, 0.5, 1])


def test_samples_lie_evenly_about_their_pixel():
    """Three samples of a pixel of width 1/2 lie a sixth apart, the middle one on the pixel."""
    samples = positions(5, samples=3).reshape(5, 3)
    np.testing.assert_allclose(samples[:, 1], positions(5))
    np.testing.assert_allclose(np.diff(samples.ravel()), 1 / 6)


def test_means_are_over_the_samples_of_a_pixel():
    values = np.arange(2 * 4 * 4.0).reshape(2, 4, 4)
    expected = [[values[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(2)] for c, i in ((0, 0), (0, 1))]
    np.testing.assert_allclose(means(values, samples=2)[0], expected)
    assert means(values, samples=2).shape == (2, 2, 2)


def test_the_corners_are_inside():
    x, y = np.array([-1.0, 1, 1.01, 0]), np.array([1.0, 1, 0, -1.01])
    np.testing.assert_array_equal(inside(x, y), [True, True, False, False])


def same(a, b):
    return all(a[name].tobytes() == b[name].tobytes() for name in a)


def read(planes, grid):
    """Return planes [C, S, S] at positions [..., 2], bilinearly: [C, ...]."""
    side = planes.shape[-1]
    x, y = np.moveaxis((grid.reshape(-1, 2).astype(np.float64) + 1) / 2 * (side - 1), -1, 0)
    return sample_texture(planes.astype(np.float64), y, x).reshape(len(planes), *grid.shape[:-1])


def wholly(mask, grid):
    """Return which positions [..., 2] have all four neighbours in a mask [1, S, S]."""
    return read(mask.astype(np.float64), grid)[0] > 1 - 1e-6


def test_items_are_the_declared_ports(name, make):
    size = 24
    generator = make(size=size)
    item, points, ports = generator.item(0), len(generator.describe()["points"]), {**PORTS, **MORE.get(name, {})}
    assert {port.name for port in generator.spec().produces} | UNDECLARED == set(ports) == set(item)
    for port, (shape, dtype) in ports.items():
        assert item[port].shape == tuple({"s": size, "p": points}.get(d, d) for d in shape), port
        assert item[port].dtype == dtype, port
        assert np.isfinite(item[port]).all(), port


def test_an_item_depends_on_its_index_not_on_what_came_before(make):
    first, second = make(clip=3), make(clip=3)
    order = (5, 0, 7, 1, 4, 3, 6, 2)
    mixed = {index: first.item(index) for index in order}
    assert all(same(mixed[index], second.item(index)) for index in range(8))


def test_items_and_seeds_differ(make):
    generator = make(clip=2)
    pictures = [generator.item(i)["image"] for i in range(4)] + [make(clip=2, seed=1).item(0)["image"]]
    assert len({picture.tobytes() for picture in pictures}) == 5


def test_a_generator_survives_a_trip_to_another_process(make):
    generator = make()
    generator.item(3)
    assert same(pickle.loads(pickle.dumps(generator)).item(7), generator.item(7))


def test_partners_are_neighbours_of_the_same_clip(make):
    generator = make(clip=3, size=16)
    assert [int(generator.item(i)["partner"]) for i in range(7)] == [1, 2, 1, 4, 5, 4, 7]


def test_the_mask_is_where_there_are_coordinates(make):
    for index in range(4):
        item = make().item(index)
        np.testing.assert_array_equal(np.abs(item["true_coordinates"]).max(axis=0) > 0, item["true_mask"][0])
        assert 0.02 < item["true_mask"].mean() < 0.9


def test_a_pixel_is_found_again_where_the_partner_shows_the_same_point(make):
    """Coordinates of the partner, read at the grid, are the pixel's own; and no seen pixel leads off the object."""
    generator, errors = make(size=96), []
    for index in range(6):
        item = generator.item(index)
        there = generator.item(int(item["partner"]))
        seen = item["partner_valid"][0] & item["true_mask"][0]
        assert read(there["true_mask"], item["partner_grid"])[0][seen].min() > 0
        sure = seen & wholly(there["true_mask"], item["partner_grid"])
        assert sure.sum() > 0.6 * seen.sum()
        found = read(there["true_coordinates"], item["partner_grid"])
        errors.append(np.abs(found - item["true_coordinates"]).max(axis=0)[sure])
    errors = np.concatenate(errors)
    assert np.median(errors) < 1e-3
    assert np.quantile(errors, 0.95) < 0.01


def test_seen_pixels_keep_their_colour(make):
    """The partner, read at the grid, is the picture, up to what sampling twice does to edges; unseen pixels differ more."""
    generator, close, chance = make(size=96), [], []
    for index in range(6):
        item = generator.item(index)
        there = generator.item(int(item["partner"]))
        error = np.abs(read(there["image"], item["partner_grid"]) - item["image"]).mean(axis=0)
        seen = item["partner_valid"][0] & item["true_mask"][0]
        close.append(error[seen])
        chance.append(np.abs(there["image"] - item["image"]).mean(axis=0)[seen])
    close, chance = np.concatenate(close), np.concatenate(chance)
    assert np.median(close) < 0.02
    assert close.mean() < 0.25 * chance.mean()


@pytest.mark.parametrize("background", ["plain", "texture"])
def test_the_background_stands_still(make, background):
    """It is found again at the same place, unless the partner shows the object there; and it has the same colours."""
    generator = make(background=background, size=32)
    item = generator.item(1)
    there = generator.item(int(item["partner"]))
    behind = ~item["true_mask"][0]
    axis = np.linspace(-1, 1, 32)
    own = np.stack(np.broadcast_arrays(axis[None], axis[:, None]), axis=-1)
    np.testing.assert_allclose(item["partner_grid"][behind], own[behind], atol=1e-6)
    np.testing.assert_array_equal(item["partner_valid"][0][behind], ~there["true_mask"][0][behind])
    corner = np.s_[:, 0, -1]
    np.testing.assert_array_equal(item["image"][corner], there["image"][corner])


def test_textured_backgrounds_differ_between_clips(make):
    generator = make(background="texture", clip=2)
    corner = [generator.item(i)["image"][:, 0, -1] for i in (0, 1, 2)]
    np.testing.assert_array_equal(corner[0], corner[1])
    assert np.abs(corner[0] - corner[2]).max() > 0.01


def test_a_grid_leads_into_the_picture_where_it_is_seen(make):
    for index in range(4):
        item = make().item(index)
        assert np.abs(item["partner_grid"][item["partner_valid"][0]]).max() <= 1


def test_truth_is_the_same_in_pictures_of_any_size(make):
    small, large = make(size=24).item(5), make(size=96).item(5)
    for port in ("true_landmarks2d", "true_visible", "partner"):
        np.testing.assert_array_equal(small[port], large[port])
    assert small["true_mask"].mean() == pytest.approx(large["true_mask"].mean(), abs=0.05)
    few, many = make(size=33).item(5), make(size=65).item(5)  # every second pixel of the larger is one of the smaller
    np.testing.assert_allclose(few["partner_grid"], many["partner_grid"][::2, ::2], atol=1e-5)
    np.testing.assert_array_equal(few["partner_valid"], many["partner_valid"][:, ::2, ::2])


def test_supersampling_moves_no_truth(make):
    one, four = make(supersampling=1).item(2), make(supersampling=4).item(2)
    for port in set(one) - {"image"}:
        np.testing.assert_array_equal(one[port], four[port])
    assert 0.001 < np.abs(one["image"] - four["image"]).mean() < 0.1


def test_pictures_are_in_range(make):
    for index in range(4):
        image = make(background="texture").item(index)["image"]
        assert 0 <= image.min() <= image.max() <= 1


def test_a_generator_says_what_its_numbers_mean(make):
    generator = make()
    described = json.loads(json.dumps(generator.describe()))
    assert described["clip"] == generator.clip
    assert len(set(described["points"])) == len(described["points"]) == len(generator.item(0)["true_visible"])


@pytest.mark.parametrize(("size", "seed", "said"), [(4, 0, "size"), (32, -1, "seed")])
def test_numbers_that_cannot_be_are_refused(make, size, seed, said):
    with pytest.raises(ValueError, match=said):
        make(size=size, seed=seed)


def test_items_are_counted_from_zero(make):
    with pytest.raises(IndexError, match="from 0"):
        make().item(-1)


def test_the_arm_says_what_to_install_where_there_is_no_engine(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymunk", None)
    with pytest.raises(ValueError, match=r"pymunk .*: pip install 'armillary-synthetic\[arm\]'"):
        Arm(size=32, seed=0)
