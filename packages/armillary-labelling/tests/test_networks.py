"""Claims of ``networks.py``: sizes, fields of view, starting weights, and what is refused."""

import pytest
import torch
from torch import nn

from armillary.errors import DataError
from armillary_labelling.networks import Dilations, Hourglass, Simple, Standardise, Waist

TRUNKS = (Dilations, Simple, Hourglass)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("part", "parameters"), [(Dilations, 334_104), (Simple, 284_952), (Hourglass, 12_593_024)])
def test_parameters(part, parameters):
    """Without the last 1 x 1 convolution; with one to three channels (771 numbers) DILATIONS has the authors' 334.9k.

    DILATIONS: 3*20*25+20 + 20*48*25+48 + 48*64*25+64 + 64*80*9+80 + 80*256*9+256 + 2*(20+48+64+80+256) = 334104.
    """
    assert count(part()) == parameters


@pytest.mark.parametrize("part", TRUNKS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (46, 70), (136, 136)])
def test_features_have_half_the_size(part, height, width):
    network = part(features=64).eval()
    with torch.no_grad():
        features = network(image=torch.rand(2, 3, height, width))["features"]
    assert features.shape == (2, 64, height // 2, width // 2)


@pytest.mark.parametrize(("part", "field"), [(Dilations, 54), (Simple, 26)])
def test_field_of_view(part, field):
    """Golden: 5 + 1 (pooling), then 2 (k - 1) d for each layer: DILATIONS 8 + 16 + 16 + 8, SIMPLE 8 + 4 + 4 + 4."""
    network = part(features=4).eval()
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).requires_grad_()
    # The pooling passes on one pixel of four: several pictures show all that may count.
    seen = torch.zeros(96, 96, dtype=torch.bool)
    for seed in range(8):
        image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        (slope,) = torch.autograd.grad(network(image=image)["features"][0, :, 24, 24].abs().sum(), image)
        seen |= slope[0].abs().sum(0) > 0
    rows = seen.any(1).nonzero()
    assert rows.max() - rows.min() + 1 == field


@pytest.mark.parametrize("part", [Dilations, Simple])
def test_small_networks_start_by_xaviers_rule(part):
    """Standard deviation sqrt(2 / (fan in + fan out)), biases 0."""
    network = part()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            area = module.kernel_size[0] ** 2
            expected = (2 / (area * (module.in_channels + module.out_channels))) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.1)
            assert not module.bias.any()


def test_group_norm_does_not_look_at_other_pictures():
    """And batch normalisation does, in training."""
    image = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for norm, alike in (("group", True), ("batch", False)):
        network = Hourglass(features=64, norm=norm)
        alone, together = network(image=image[:2])["features"], network(image=image)["features"][:2]
        assert torch.allclose(alone, together, atol=1e-5) == alike


def test_an_hourglass_adds_its_small_way_to_the_skip():
    """What comes from below is the same for two pixels each way."""
    torch.manual_seed(0)
    waist = Waist(1, channels=64, norm="group")
    x = torch.rand(2, 64, 8, 6)
    with torch.no_grad():
        below = waist(x) - waist.skip(x)
    torch.testing.assert_close(below, below[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2))
    assert below.std() > 0


def test_colours_are_standardised_at_the_door():
    door = Standardise(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.5))
    image = torch.tensor([0.6, 0.8, 0.3]).view(1, 3, 1, 1)
    torch.testing.assert_close(door(image).flatten(), torch.tensor([1.0, 2.0, 0.0]))
    assert not door.state_dict()


@pytest.mark.parametrize("part", TRUNKS)
@pytest.mark.parametrize(("size", "would_do"), [(35, "34 or 36"), (6, "8"), (69, "68 or 70")])
def test_sizes_that_cannot_be_halved_are_refused(part, size, would_do):
    would_do = "32" if part is Hourglass and size < 32 else would_do
    with pytest.raises(ValueError, match=f"not {size}: {would_do} would do"):
        part.build(part.Config(), inputs={"image": (None, 3, size, size)})
    with pytest.raises(DataError, match=f"width must be even and at least .* not {size}: {would_do} would do"):
        part(features=64)(image=torch.rand(1, 3, 64, size))


def test_unknown_sizes_wait_for_the_picture():
    trunk = Dilations.build(Dilations.Config(), inputs={"image": (None, 3, None, None)})
    assert trunk(image=torch.rand(2, 3, 20, 22))["features"].shape[-2:] == (10, 11)


def test_group_norm_needs_channels_in_sixteens():
    with pytest.raises(ValueError, match="multiple of 64, not 96"):
        Hourglass(features=96)
