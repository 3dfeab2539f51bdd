"""Claims of ``transforms.py``: the grid says where each pixel went, landmarks go with it exactly, and what is drawn."""

import math
from typing import Any

import pytest
import torch

from armillary.errors import DataError
from armillary.kernels.sampling import identity_grid, sample
from armillary_labelling.transforms import FlowPair, Photometric, Strengths, TpsPair, random_weights


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(height=40, width=48, seed=0):
    """A smooth random picture, so that reading between its pixels is exact enough."""
    coarse = torch.rand(1, 3, 6, 6, generator=draw(seed), dtype=torch.float64)
    size = (height, width)
    return torch.nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=True)[0].float()


def places(height=60, width=60):
    """A picture whose red and green are the position of each pixel."""
    grid = identity_grid(height, width).movedim(-1, 0)
    return torch.cat((grid, torch.ones(1, height, width)))


def tps(image, seed=0, points=None, visible=None, **settings):
    part = TpsPair.build(TpsPair.Config(**settings), inputs={"image": (None, *image.shape)})
    given = {"id": "a", "image": image}
    given |= {} if points is None else {"true_landmarks2d": points}
    given |= {} if visible is None else {"true_visible": visible}
    pair: Any = part(given, kinds={}, generator=draw(seed))
    return pair


STILL = {"warp": 0.0, "strong_warp": 0.0, "translation": 0.0, "scale": 0.0, "rotation": 0.0}


@pytest.mark.parametrize("margin", [0.0, 0.15])
@pytest.mark.parametrize("size", [(40, 48), (64, 64)])
@pytest.mark.parametrize("seed", range(3))
def test_source_is_the_target_read_at_the_grid(margin, size, seed):
    """Wherever the grid stays a pixel inside of what the margin leaves of the target."""
    pair = tps(picture(*size), seed=seed, margin=margin)
    cut = round(margin * min(size))
    rows, columns = size[0] - 2 * cut, size[1] - 2 * cut
    assert pair["source"].shape == pair["target"].shape == (3, rows, columns)
    assert pair["grid"].shape == (rows, columns, 2)
    inside = (pair["grid"].abs() <= 1).all(-1)
    assert inside.float().mean() > 0.5
    read = sample(pair["target"], pair["grid"])
    torch.testing.assert_close(read[:, inside], pair["source"][:, inside], atol=1e-5, rtol=0)


def test_without_strength_nothing_moves():
    image = picture()
    pair = tps(image, margin=0.1, **STILL)
    torch.testing.assert_close(pair["target"], image[:, 4:-4, 4:-4])
    torch.testing.assert_close(pair["source"], pair["target"])
    torch.testing.assert_close(pair["grid"], identity_grid(32, 40))


def test_the_source_is_warped_twice():
    """Golden: with no strength in the first warp the target is the picture, and the source is not."""
    image = picture()
    pair = tps(image, margin=0.0, first_warp=0.0, first_affine=0.0)
    torch.testing.assert_close(pair["target"], image)
    assert (pair["source"] - image).abs().mean() > 0.01


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_are_exact(seed):
    """The picture tells where each of its points lies, so a landmark's place can be read in both; the grid joins them."""
    points = 1.2 * torch.rand(30, 2, generator=draw(seed)) - 0.6
    pair = tps(places(), seed=seed, points=points, margin=0.1, landmarks=True)
    for name in ("source", "target"):
        seen = pair[f"{name}_visible"]
        assert seen.float().mean() > 0.5
        read = sample(pair[name], pair[f"{name}_landmarks2d"][None])[:2, 0].T
        torch.testing.assert_close(read[seen], points[seen], atol=2e-3, rtol=0)
    both = pair["source_visible"] & pair["target_visible"]
    grid = sample(pair["grid"].movedim(-1, 0), pair["source_landmarks2d"][None])[:, 0].T
    torch.testing.assert_close(grid[both], pair["target_landmarks2d"][both], atol=2e-3, rtol=0)


def test_landmarks_that_leave_are_not_visible():
    """And those that were not visible stay so. Golden: without strength the margin alone moves a position by 1 / 0.8."""
    pixel = 2 / 39
    points = torch.tensor([[0.0, 0.4], [-0.9, 0.0], [0.5, 0.5], [20 * pixel - 1, 0.0]])
    visible = torch.tensor([True, True, False, True])
    pair = tps(picture(40, 40), points=points, visible=visible, margin=0.1, landmarks=True, **STILL)
    for name in ("source", "target"):
        torch.testing.assert_close(pair[f"{name}_landmarks2d"], points * 39 / 31)
        assert pair[f"{name}_visible"].tolist() == [True, False, False, True]


def test_training_does_not_carry_landmarks():
    points = torch.zeros(4, 2)
    assert not any("landmarks2d" in name for name in set(tps(picture(), points=points)) - {"true_landmarks2d"})


def test_the_mask_is_a_switch():
    """The paper has none: then every pixel counts. With it, exactly those whose point is in the target."""
    free, masked = (tps(picture(), seed=3, translation=0.4, mask_outside=switch) for switch in (False, True))
    assert free["valid"].all()
    torch.testing.assert_close(free["grid"], masked["grid"])
    inside = (masked["grid"].abs() <= 1).all(-1)
    assert 0.1 < inside.float().mean() < 0.95
    assert torch.equal(masked["valid"][0], inside)


def test_the_generator_is_the_only_source_of_chance():
    one, same, other = (tps(picture(), seed=seed)["source"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_strengths_are_standard_deviations():
    """Weights: half N(0, weak), half N(0, strong), so their variance is the mean of both; angle and scale in the affine map."""
    strengths = Strengths(warp=0.001, strong_warp=0.01, translation=0.1, scale=0.1, rotation=math.radians(5))
    generator = draw()
    weights = torch.stack([random_weights(100, strengths, generator=generator) for _ in range(600)])
    assert weights[:, :100].std().item() == pytest.approx(math.sqrt((0.001**2 + 0.01**2) / 2), rel=0.02)
    assert weights[:, 100].std().item() == pytest.approx(0.1, rel=0.06)
    linear = weights[:, 101:]
    # A similarity, whose matrix acts on rows: turned by the angle, and scaled alike each way.
    scale = torch.linalg.det(linear)[:, None, None]
    torch.testing.assert_close(linear @ linear.mT, scale * torch.eye(2).expand_as(linear))
    assert torch.linalg.det(linear).sqrt().std().item() == pytest.approx(0.1, rel=0.08)
    assert torch.atan2(linear[:, 1, 0], linear[:, 0, 0]).std().item() == pytest.approx(math.radians(5), rel=0.08)


def test_pairs_are_left_alone_where_asked():
    pair = tps(picture())
    part = TpsPair(unless_paired=True)
    assert part(pair, kinds={}, generator=draw()) is pair
    assert "source" in part({"id": "a", "image": picture()}, kinds={}, generator=draw())


def test_margins_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="leaves nothing of a picture of 10 x 10"):
        tps(picture(10, 10), margin=0.49)


# --- flow


def flowing(shift=2.0):
    """A picture and its partner, in which everything but the first two columns has moved to the right."""
    moved = identity_grid(8, 10)
    moved[:, 2:, 0] += shift * 2 / 9
    valid = torch.ones(1, 8, 10, dtype=torch.bool)
    valid[:, 0] = False
    valid[:, :, 8:] = False  # these have left the picture
    return {
        "id": "a",
        "image": picture(8, 10),
        "partner_image": picture(8, 10, seed=1),
        "partner_grid": moved,
        "partner_valid": valid,
    }


def test_flow_is_handed_on():
    given = flowing()
    pair = FlowPair()(given, kinds={}, generator=draw())
    for name, was in zip(("source", "target", "grid", "valid"), ("image", *list(given)[2:]), strict=True):
        assert torch.equal(pair[name], given[was])


@pytest.mark.parametrize(("minimum", "columns"), [(0.01, 6), (1.9, 6), (2.1, 0)])
def test_pixels_that_stand_still_are_left_out(minimum, columns):
    valid = FlowPair(minimum_flow=minimum)(flowing(), kinds={}, generator=draw())["valid"]
    assert valid.sum().item() == 7 * columns
    assert not valid[:, :, :2].any()


def test_what_a_crop_left_outside_does_not_count():
    """A crop moves the grid and cuts the mask, which then knows nothing of the new border."""
    given = flowing()
    cropped = given | {"partner_grid": given["partner_grid"] * 1.25}
    valid = FlowPair()(cropped, kinds={}, generator=draw())["valid"]
    inside = (cropped["partner_grid"].abs() <= 1).all(dim=-1)[None]
    assert torch.equal(valid, given["partner_valid"] & inside)
    assert not torch.equal(valid, given["partner_valid"])


def test_data_without_flow():
    """Refused, with what to do; or passed on, to be warped."""
    sample = {"id": "a", "image": picture()}
    with pytest.raises(DataError, match=r"a: pairs by flow need partner_image.*flow/ID.npy.*labelling:quick"):
        FlowPair()(sample, kinds={}, generator=draw())
    assert FlowPair(required=False)(sample, kinds={}, generator=draw()) is sample


# --- colours


PLAIN = {"jpeg": False, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "lighting": 0.0}


def two():
    return {"id": "a", "source": picture(), "target": picture(), "image": picture()}


def test_each_picture_changes_by_itself():
    sample = two()
    changed = Photometric()(sample, kinds={}, generator=draw())
    assert torch.equal(changed["image"], sample["image"])
    assert not torch.equal(changed["source"], changed["target"])
    for name in ("source", "target"):
        assert changed[name].shape == sample[name].shape
        assert changed[name].dtype == sample[name].dtype
        assert changed[name].min() >= 0
        assert changed[name].max() <= 1
        assert 0.005 < (changed[name] - sample[name]).abs().mean() < 0.4


def test_without_strength_only_levels_are_cut():
    """Golden: to one of 256 levels, downwards."""
    sample = two()
    changed = Photometric(**PLAIN)(sample, kinds={}, generator=draw())["source"]
    torch.testing.assert_close(changed, (sample["source"] * 255).floor() / 255)


@pytest.mark.parametrize("setting", ["brightness", "contrast", "saturation"])
def test_jitter_keeps_what_it_does_not_change(setting):
    """Brightness keeps black, contrast the mean grey, saturation every grey."""
    image = torch.rand(1, 12, 12, generator=draw()).expand(3, -1, -1).clone()
    image[:, 0] = 0.0
    changed = Photometric(**{**PLAIN, setting: 0.9})(
        {"id": "a", "source": image, "target": image}, kinds={}, generator=draw(5)
    )
    found, levels = changed["source"], 2 / 255
    if setting == "brightness":
        assert not found[:, 0].any()
        assert (found - image).abs().mean() > 0.05
    elif setting == "contrast":
        assert found.std().item() != pytest.approx(image.std().item(), rel=0.05)
    else:
        torch.testing.assert_close(found, image, atol=levels, rtol=0)


def test_light_shifts_whole_pictures():
    image = torch.full((3, 8, 8), 0.5)
    sample = {"id": "a", "source": image, "target": image}
    changed = Photometric(**{**PLAIN, "lighting": 1.0})(sample, kinds={}, generator=draw())["source"]
    shift = changed - 127 / 255
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift))
    assert shift.abs().max() > 0.01


def test_compression_loses_more_at_lower_quality():
    """And at a smaller size."""
    smooth = picture() + 0.1 * torch.rand(3, 40, 48, generator=draw())  # noise of colours is lost at any quality
    sample = {"id": "a", "source": smooth.clamp(0, 1), "target": picture()}
    plain = {**PLAIN, "jpeg": True, "jpeg_scale": 0.0, "jpeg_smallest": 1.0}

    def loss(**settings):
        changed = Photometric(**plain | settings)(sample, kinds={}, generator=draw())["source"]
        return (changed - sample["source"]).abs().mean().item()

    assert loss(jpeg_quality=(98, 98)) < 0.9 * loss(jpeg_quality=(10, 10))
    assert loss(jpeg_quality=(98, 98), jpeg_smallest=3.0) < loss(jpeg_quality=(98, 98))


def test_ports_are_a_setting():
    sample = two()
    changed = Photometric(ports=("image",))(sample, kinds={}, generator=draw())
    assert not torch.equal(changed["image"], sample["image"])
    assert torch.equal(changed["source"], sample["source"])
    with pytest.raises(DataError, match="there is no source, target whose colours could change"):
        Photometric()({"id": "a", "image": picture()}, kinds={}, generator=draw())


def test_colours_are_drawn_from_the_generator_alone():
    one, same, other = (Photometric()(two(), kinds={}, generator=draw(seed))["source"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_qualities_must_be_in_order():
    with pytest.raises(ValueError, match="jpeg_quality must rise"):
        Photometric(jpeg_quality=(90, 30))
