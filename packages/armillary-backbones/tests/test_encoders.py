"""Claims of ``encoders.py``: shapes, what is trained, and where the weights begin."""

import pytest
import torch

from armillary.errors import DataError
from armillary_backbones.efficientnet import EfficientNetLite0, load_imagenet
from armillary_backbones.encoders import EfficientNetMap, EfficientNetVector

ENCODERS = [EfficientNetMap, EfficientNetVector]


def picture(*, height=32, width=32, seed=0):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def found(encoder, image):
    (value,) = encoder(image=image).values()
    return value


@pytest.mark.parametrize("enlarge", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (38, 64)])
def test_a_map_has_half_the_size_of_the_picture(height, width, enlarge):
    encoder = EfficientNetMap(features=5, enlarge=enlarge)
    assert found(encoder, picture(height=height, width=width)).shape == (2, 5, height // 2, width // 2)


@pytest.mark.parametrize("cells", [1, 4])
def test_a_vector_has_the_length_that_was_asked_for(cells):
    assert found(EfficientNetVector(features=7, cells=cells), picture(height=30, width=41)).shape == (2, 7)


@pytest.mark.parametrize("cls", ENCODERS)
def test_the_trunk_begins_with_the_weights_of_imagenet(cls):
    whole = EfficientNetLite0()
    load_imagenet(whole)
    own = cls().trunk.state_dict()
    torch.testing.assert_close(dict(own), {name: whole.state_dict()[name] for name in own}, rtol=0, atol=0)


@pytest.mark.parametrize("cls", ENCODERS)
def test_random_weights_are_others_and_normalise_by_the_batch(cls):
    encoder = cls(weights="random").train()
    assert not torch.equal(encoder.trunk._conv_stem.weight, cls().trunk._conv_stem.weight)
    assert encoder.trunk._bn0.training
    with pytest.raises(ValueError, match="weights"):
        cls(weights="elsewhere")


@pytest.mark.parametrize("cls", ENCODERS)
def test_training_leaves_the_statistics_of_imagenet(cls):
    encoder = cls().train()
    before = {name: value.clone() for name, value in encoder.trunk.named_buffers()}
    found(encoder, picture())
    torch.testing.assert_close(dict(encoder.trunk.named_buffers()), before, rtol=0, atol=0)
    assert encoder.training


@pytest.mark.parametrize("cls", ENCODERS)
@pytest.mark.parametrize("trained", [True, False])
def test_every_weight_learns_but_those_of_a_frozen_trunk(cls, trained):
    encoder = cls(trained=trained)
    found(encoder, picture()).square().sum().backward()
    still = {name for name, value in encoder.named_parameters() if value.grad is None or not value.grad.any()}
    assert still == (set() if trained else {f"trunk.{name}" for name, _ in encoder.trunk.named_parameters()})


@pytest.mark.parametrize("cls", ENCODERS)
def test_pictures_do_not_see_each_other_in_evaluation(cls):
    encoder, image = cls().eval(), picture()
    with torch.no_grad():
        torch.testing.assert_close(found(encoder, image)[:1], found(encoder, image[:1]), rtol=1e-4, atol=1e-4)


def test_an_odd_side_is_refused():
    with pytest.raises(ValueError, match="height must be even, not 33"):
        EfficientNetMap(picture=(None, 3, 33, 32))
    with pytest.raises(DataError, match="width must be even, not 33"):
        EfficientNetMap()(image=picture(width=33))


@pytest.mark.parametrize("channels", [1, 2])
def test_other_channels_are_seen_by_their_mean(channels):
    encoder, image = EfficientNetVector(), picture()[:, :channels]
    grey = image.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(found(encoder, image), found(encoder, grey))
