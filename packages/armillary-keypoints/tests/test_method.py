"""Claims of ``method.py``: what the decoder sees, what is optional, what never learns."""

import pytest
import torch
from torch import nn

from armillary_keypoints.heads import Edges, KeypointsHead
from armillary_keypoints.method import Keypoints
from armillary_keypoints.networks import Decoder, Detector
from armillary_keypoints.shape_space import ShapeSpace

SIZE = 32


class Trunk(nn.Module):
    """Features that depend on the batch where they are in training mode."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, image):
        return {"features": self.norm(self.conv(image))}


def method(*, shape=False, features=False):
    torch.manual_seed(0)
    parts = {
        "encoder": Detector(features=8),
        "head": KeypointsHead(features=8, points=5),
        "edges": Edges(points=5, height=SIZE, width=SIZE, thickness=1e-2, multiplier=1.0, initial=0.0),
        "decoder": Decoder(width=4),
    }
    if shape:
        parts["shape"] = ShapeSpace(points=5, basis=2, hidden=8, layers=1, basis_spread=0.1, momentum=0.1)
    if features:
        parts["features"] = Trunk()
    return Keypoints(**parts)


def batch(items=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(items, 3, SIZE, SIZE, generator=draw)
    return {"image": image, "kept": torch.rand(items, 1, SIZE, SIZE, generator=draw) > 0.8}


def test_what_is_masked_is_mid_grey():
    given = batch()
    found = method()(**given)
    kept = given["kept"].expand(-1, 3, -1, -1)
    assert torch.equal(found["masked_image"][kept], given["image"][kept])
    assert (found["masked_image"][~kept] == 0.5).all()


def test_the_decoder_sees_nothing_of_the_picture_but_what_is_kept_and_the_points():
    """With everything masked, two pictures of the same points have one reconstruction."""
    model = method().eval()
    nn.init.zeros_(model.head.conv.weight)
    one, other = (batch(seed=seed)["image"] for seed in (0, 1))
    kept = torch.zeros(3, 1, SIZE, SIZE, dtype=torch.bool)
    first, second = (model(image=image, kept=kept)["reconstruction"] for image in (one, other))
    torch.testing.assert_close(first, second)


def test_the_reconstruction_teaches_the_detector():
    model, given = method(), batch()
    (model(**given)["reconstruction"] - given["image"]).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.head.conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [False, True])
@pytest.mark.parametrize("features", [False, True])
def test_outputs_come_and_go_with_their_slots(shape, features):
    found = set(method(shape=shape, features=features)(**batch()))
    assert ("keypoints3d" in found, "projected_keypoints2d" in found) == (shape, shape)
    assert ("image_features" in found, "reconstruction_features" in found) == (features, features)
    assert found >= {"keypoints2d", "edge_weights", "edge_map", "masked_image", "reconstruction"}


def test_features_are_a_fixed_measure():
    """No statistics, no weights of theirs change, and only the reconstruction's side has a slope."""
    model = method(features=True).train()
    assert model.training
    assert not model.features.training
    found = model(**batch())
    assert not found["image_features"].requires_grad
    found["reconstruction_features"].sum().backward()
    assert all(parameter.grad is None for parameter in model.features.parameters())
    assert model.decoder.last.weight.grad.abs().sum() > 0
    assert model.features.norm.num_batches_tracked == 0


def test_prediction_repeats_itself_and_keeps_a_fifth():
    model = method(shape=True).eval()
    image = batch()["image"]
    one, other = model.predict(image=image), model.predict(image=image)
    assert all(torch.equal(one[name], other[name]) for name in one)
    kept = (one["masked_image"] != 0.5).any(dim=1).float().mean().item()
    assert kept == pytest.approx(0.2, abs=0.01)


def test_a_picture_is_predicted_by_itself():
    model = method(shape=True).eval()
    image = batch()["image"]
    together, alone = model.predict(image=image), model.predict(image=image[1:2])
    for name in together:
        torch.testing.assert_close(together[name][1:2], alone[name], atol=1e-5, rtol=1e-4, msg=name)
