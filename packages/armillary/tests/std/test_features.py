"""VGG-16: its layers, weights from a file in torchvision's format, and random ones only when asked for."""

import pytest
import torch
from safetensors.torch import save_file

from armillary.std.features import LAYERS, VGGFeatures

# Indices of the convolutions in torchvision's vgg16().features, read off its published state dict.
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def torchvision_state(count=7, seed=0):
    """Weights as ``torchvision.models.vgg16().state_dict()`` names and shapes them, the classifier among them."""
    generator = torch.Generator().manual_seed(seed)
    state, channels = {"classifier.0.bias": torch.zeros(5)}, 3
    for index, width in zip(TORCHVISION[:count], WIDTHS[:count], strict=True):
        state[f"features.{index}.weight"] = 0.05 * torch.randn(width, channels, 3, 3, generator=generator)
        state[f"features.{index}.bias"] = 0.1 * torch.randn(width, generator=generator)
        channels = width
    return state


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file_are_used(tmp_path, suffix):
    """relu2_1 by hand: convolution, relu, convolution, relu, pool, convolution, relu of the normalised picture."""
    state, file = torchvision_state(3), tmp_path / f"vgg16{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    image = torch.rand(2, 3, 16, 16)
    found = VGGFeatures(("relu2_1",), weights=file)(image)["relu2_1"]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean[:, None, None]) / std[:, None, None]
    for index, pool in ((0, False), (2, True), (5, False)):
        x = torch.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1).relu()
        x = torch.nn.functional.max_pool2d(x, 2) if pool else x
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)


def test_layers_have_the_published_widths_and_strides():
    """Configuration D of Table 1: five blocks, halved between them."""
    features = VGGFeatures(LAYERS, weights="random:0")(torch.rand(1, 3, 32, 32))
    shapes = [tuple(features[layer].shape[1:]) for layer in LAYERS]
    sides = [32] * 2 + [16] * 2 + [8] * 3 + [4] * 3 + [2] * 3
    assert shapes == [(width, side, side) for width, side in zip(WIDTHS, sides, strict=True)]


def test_nothing_deeper_than_asked_is_computed():
    assert list(VGGFeatures(("relu1_2",), weights="random:0").convolutions) == ["relu1_1", "relu1_2"]


def test_random_weights_depend_on_their_seed_alone():
    torch.manual_seed(1)
    one = VGGFeatures(("relu1_2",), weights="random:7").state_dict()
    torch.manual_seed(2)
    same, other = (VGGFeatures(("relu1_2",), weights=f"random:{seed}").state_dict() for seed in (7, 8))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["convolutions.relu1_1.weight"], other["convolutions.relu1_1.weight"])


def test_it_stays_frozen():
    network = VGGFeatures(("relu1_1",), weights="random:0").train()
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_gradient_reaches_the_picture():
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    VGGFeatures(("relu2_2",), weights="random:0")(image)["relu2_2"].sum().backward()
    assert image.grad.abs().max() > 0


@pytest.mark.parametrize("layers", [("relu6_1",), ()])
def test_an_unknown_layer_is_refused(layers):
    with pytest.raises(ValueError, match="it has relu1_1"):
        VGGFeatures(layers, weights="random:0")


def test_a_file_of_something_else_is_refused(tmp_path):
    state = torchvision_state(3)
    state["features.2.weight"] = torch.zeros(64, 3, 3, 3)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"features.2.weight should be \(64, 64, 3, 3\), found \(64, 3, 3, 3\)"):
        VGGFeatures(("relu1_2",), weights=tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ValueError, match="not a file of weights that can be read safely"):
        VGGFeatures(("relu1_2",), weights=tmp_path / "text.pth")


def test_a_pickle_that_runs_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    torch.save({"features.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="not a file of weights that can be read safely"):
        VGGFeatures(("relu1_1",), weights=tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()
