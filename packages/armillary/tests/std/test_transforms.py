"""Transforms of a sample: what they draw, and that everything in it follows."""

import pytest
import torch

from armillary.config import structure
from armillary.errors import ConfigError, DataError
from armillary.std.transforms import CentreCrop, HorizontalFlip, flip_horizontal, picture_shape

KINDS = {"image": "image", "true_landmarks2d": "landmarks2d", "true_mask": "mask"}


def sample(height=6, width=8):
    image = torch.arange(float(height * width)).reshape(1, height, width).expand(3, -1, -1) / (height * width)
    return {"id": "a", "image": image, "true_landmarks2d": torch.tensor([[-1.0, 0.5]]), "true_mask": image[:1] > 0.5}


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def flip(probability, **settings):
    return HorizontalFlip(probability=probability, **settings)


def crop(**settings):
    return CentreCrop(whole=(6, 8), **settings)


@pytest.mark.parametrize(("probability", "flipped"), [(0.0, False), (1.0, True)])
def test_certain_flips(probability, flipped):
    result = flip(probability)(sample(), kinds=KINDS, generator=drawn())
    assert torch.equal(result["image"], sample()["image"].flip(-1) if flipped else sample()["image"])
    assert result["true_landmarks2d"][0, 0] == (1 if flipped else -1)
    assert result["id"] == "a"


def test_half_of_the_samples_flip_and_the_generator_decides():
    generator = drawn()
    turned = [flip(0.5)(sample(), kinds=KINDS, generator=generator)["true_landmarks2d"][0, 0] > 0 for _ in range(400)]
    assert 160 < sum(turned) < 240  # four standard deviations
    generator = drawn()
    again = [flip(0.5)(sample(), kinds=KINDS, generator=generator)["true_landmarks2d"][0, 0] > 0 for _ in range(400)]
    assert turned == again


def test_flip_draws_once_whatever_the_probability():
    states = []
    for probability in (0.0, 0.5, 1.0):
        generator = drawn()
        flip(probability)(sample(), kinds=KINDS, generator=generator)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_flip_horizontal_is_the_flip_that_is_certain():
    one = flip_horizontal(sample(), kinds=KINDS)
    other = flip(1.0)(sample(), kinds=KINDS, generator=drawn())
    assert all(torch.equal(one[port], other[port]) for port in KINDS)


def test_centre_crop_takes_the_middle():
    """4 of 6 rows and 8 columns begin at 1 and 2."""
    result = crop(size=4)(sample(), kinds=KINDS, generator=drawn())
    assert torch.equal(result["image"], sample()["image"][:, 1:5, 2:6])
    assert torch.equal(result["true_mask"], sample()["true_mask"][:, 1:5, 2:6])
    # x = 0 of 8 is -2 of 4: -2 / 1.5 - 1; y = 0.5 is row 3.75 of 6, 2.75 of 4: 2.75 / 1.5 - 1.
    torch.testing.assert_close(result["true_landmarks2d"], torch.tensor([[-2 / 1.5 - 1, 2.75 / 1.5 - 1]]))


def test_jitter_reaches_every_place_and_never_leaves_the_picture():
    generator, seen = drawn(), set()
    for _ in range(300):
        result = crop(size=4, jitter=5)(sample(), kinds=KINDS, generator=generator)
        assert result["image"].shape == (3, 4, 4)
        seen.add(round(float(result["image"][0, 0, 0]) * 48))
    assert seen == {row * 8 + column for row in range(3) for column in range(5)}


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_crop_larger_than_the_picture_is_refused_when_built():
    with pytest.raises(DataError, match=r"a crop of 7 pixels does not fit a picture of 6 x 8.*data.size=7"):
        crop(size=7)


def test_a_crop_larger_than_the_picture_is_refused_when_called():
    unknown = CentreCrop(size=7)
    with pytest.raises(DataError, match="does not fit"):
        unknown(sample(), kinds=KINDS, generator=drawn())


def test_a_sample_without_a_picture_is_refused():
    with pytest.raises(DataError, match="no picture: true_mask"):
        picture_shape({"true_mask": torch.zeros(1, 2, 2)}, KINDS)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(DataError, match="pictures of 2 sizes"):
        picture_shape({"a": torch.zeros(3, 2, 2), "b": torch.zeros(3, 4, 4)}, {"a": "image", "b": "image"})


@pytest.mark.parametrize("table", [{"probability": 1.5}, {"probability": -0.1}, {"mirror_points": [1, 2, 0]}])
def test_settings_of_the_flip_that_cannot_be(table):
    with pytest.raises(ConfigError):
        structure(table, HorizontalFlip.Config)


@pytest.mark.parametrize("table", [{}, {"size": 1}, {"size": 8, "jitter": -1}])
def test_settings_of_the_crop_that_cannot_be(table):
    with pytest.raises(ConfigError):
        structure(table, CentreCrop.Config)
