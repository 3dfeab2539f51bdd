"""Claims of ``networks.py``: the authors' sizes, starts and ranges; what is refused."""

import math

import pytest
import torch
from torch import nn

from armillary.errors import DataError
from armillary_keypoints.heads import KeypointsHead
from armillary_keypoints.networks import Decoder, Detector, SmallDecoder
from armillary_keypoints.reported import PARAMETERS


def count(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def picture(items=2, size=64, seed=0):
    return torch.rand(items, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_the_detector_has_the_authors_size():
    """7.73 million with 8 points; the last convolution is the head's."""
    found = count(Detector(features=128), KeypointsHead(features=128))
    assert found == 7_727_048
    assert round(found / 1e4) == PARAMETERS["detector"] / 1e4


def test_the_decoder_has_the_authors_size():
    """17.97 million with alpha; the scalars of the edges are the graph's."""
    assert round(count(Decoder(width=64)) / 1e4) == PARAMETERS["decoder"] / 1e4


@pytest.mark.parametrize("network", [Detector(features=32), Decoder(width=16)])
def test_weights_start_by_he_for_a_slope_of_a_fifth_and_biases_at_0(network):
    torch.manual_seed(0)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for conv in convolutions:
        assert not conv.bias.any()
    largest = max(convolutions, key=lambda conv: conv.weight.numel())
    wanted = math.sqrt(2 / (1 + 0.2**2) / largest.weight[0].numel())
    assert largest.weight.std().item() == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_features_have_a_quarter_of_the_size(size):
    assert Detector(features=8)(image=picture(size=size))["features"].shape == (2, 8, size // 4, size // 4)


def test_resized_pictures_give_one_size_of_features():
    detector = Detector(features=8, size=64)
    assert {detector(image=picture(size=size))["features"].shape[-1] for size in (40, 64, 128)} == {16}


def test_the_reconstruction_has_the_pictures_size_and_no_clamp():
    decoder = Decoder(width=4)
    found = decoder(masked_image=picture(), edge_map=torch.rand(2, 1, 64, 64))["reconstruction"]
    assert found.shape == (2, 3, 64, 64)
    assert found.min() < 0 or found.max() > 1


def test_alpha_fades_the_masked_picture():
    """At alpha 0 the decoder sees the edge map alone."""
    decoder = Decoder(width=4).eval()
    edges = torch.rand(2, 1, 32, 32)
    one, other = picture(size=32), picture(size=32, seed=1)
    assert not torch.equal(*(decoder(masked_image=x, edge_map=edges)["reconstruction"] for x in (one, other)))
    nn.init.zeros_(decoder.alpha)
    torch.testing.assert_close(*(decoder(masked_image=x, edge_map=edges)["reconstruction"] for x in (one, other)))


def test_mid_grey_is_nothing():
    """A grey picture is 0 inside, whatever alpha is."""
    decoder = Decoder(width=4).eval()
    edges, grey = torch.rand(1, 1, 32, 32), torch.full((1, 3, 32, 32), 0.5)
    before = decoder(masked_image=grey, edge_map=edges)["reconstruction"]
    nn.init.constant_(decoder.alpha, 7.0)
    torch.testing.assert_close(decoder(masked_image=grey, edge_map=edges)["reconstruction"], before)


def test_the_edge_map_reaches_the_reconstruction_with_a_slope():
    edges = torch.rand(2, 1, 32, 32, requires_grad=True)
    Decoder(width=4)(masked_image=picture(size=32), edge_map=edges)["reconstruction"].sum().backward()
    assert edges.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [16, 40, 33])
def test_pictures_that_cannot_be_halved_are_refused(size):
    shape = (None, 3, size, size)
    with pytest.raises(ValueError, match="multiple of 16"):
        Detector.build(Detector.Config(features=8), inputs={"image": shape})
    with pytest.raises(ValueError, match="multiple of 16"):
        Decoder.build(Decoder.Config(width=4), inputs={"masked_image": shape})
    with pytest.raises(DataError, match="multiple of 16"):
        Detector(features=8)(image=picture(size=size))


def test_any_picture_fits_a_detector_that_resizes():
    detector = Detector.build(Detector.Config(features=8, size=64), inputs={"image": (None, 3, 50, 40)})
    assert detector(image=torch.rand(1, 3, 50, 40))["features"].shape == (1, 8, 16, 16)


def test_odd_features_are_refused():
    with pytest.raises(ValueError, match="multiple of 2"):
        Detector(features=7)


def test_the_small_decoder_sees_the_graph_and_the_picture():
    """Each side by its slope; a picture of any sides that are multiples of 4."""
    torch.manual_seed(0)
    decoder = SmallDecoder(width=4)
    picture, graph = torch.rand(2, 3, 12, 20, requires_grad=True), torch.rand(2, 1, 12, 20, requires_grad=True)
    found = decoder(masked_image=picture, edge_map=graph)["reconstruction"]
    assert found.shape == picture.shape
    found.square().sum().backward()
    assert min(picture.grad.abs().sum(), graph.grad.abs().sum()) > 0


def test_the_small_decoder_looks_around_by_some_pixels():
    """A pixel of its output depends on the input 6 pixels away, and not on that 24 away."""
    torch.manual_seed(0)
    decoder = SmallDecoder(width=4)
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    decoder(masked_image=picture, edge_map=torch.zeros(1, 1, 64, 64))["reconstruction"][0, :, 32, 32].sum().backward()
    reach = picture.grad[0].abs().sum(0)
    assert reach[32, 26] > 0
    assert reach[32, 8] == reach[32, 56] == 0


def test_sides_that_the_small_decoder_cannot_halve_are_refused():
    with pytest.raises(ValueError, match="multiples of 4, not 18 x 20"):
        SmallDecoder(sides=(18, 20))
