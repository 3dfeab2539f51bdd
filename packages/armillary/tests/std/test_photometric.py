"""Errors of a reconstruction: values by hand, the authors' formulas, masks, several layers, refusals."""

import pytest
import torch

from armillary.interfaces.loss import StepCache
from armillary.std.features import VGGFeatures
from armillary.std.photometric import PerceptualL2, PhotometricL1, Smoothness, photometric_l1, smoothness

LAYERS = ("relu1_2", "relu2_2")


def case(seed, *, dtype=torch.float64, items=2, channels=3, side=4):
    generator = torch.Generator().manual_seed(seed)
    image, reconstruction = torch.rand(2, items, channels, side, side, generator=generator, dtype=dtype)
    valid = torch.rand(items, 1, side, side, generator=generator, dtype=dtype) > 0.3
    return reconstruction, image, valid


def mean(pooled):
    total, count = pooled
    return total.sum() / count.sum()


def perceptual(layers=LAYERS):
    return PerceptualL2(weights="random:0", layers=layers)


def test_l1_is_half_the_authors():
    """Theirs: images in [-1, 1], a mean over channels and the pixels of the mask, of the whole batch."""
    a, b, v = case(5)
    mask = v.expand_as(a).to(a.dtype)
    theirs = (((2 * a - 1) - (2 * b - 1)).abs() * mask).sum() / mask.sum()
    torch.testing.assert_close(2 * mean(photometric_l1(a, b, valid=v)), theirs)
    loss = PhotometricL1()
    torch.testing.assert_close(loss(reconstruction=a, image=b, visible=v), photometric_l1(a, b, valid=v))


@pytest.mark.parametrize("loss", [PhotometricL1(), perceptual()])
def test_without_a_mask_every_pixel_counts(loss):
    a, b, _ = case(5, dtype=torch.float32, side=8)
    whole = loss(reconstruction=a, image=b, visible=torch.ones(2, 1, 8, 8, dtype=torch.bool))
    torch.testing.assert_close(loss(reconstruction=a, image=b), whole)


def test_l1_outside_may_be_nan():
    """Value and gradient do not see pixels outside the mask."""
    a, b, v = case(8)
    values, gradients = [], []
    for x in (a.clone().requires_grad_(), torch.where(v, a, torch.nan).requires_grad_()):
        values.append(mean(photometric_l1(x, b, valid=v)))
        gradients.append(torch.autograd.grad(values[-1], x)[0])
    torch.testing.assert_close(values[1], values[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_nothing_valid_counts_nothing():
    a, b, v = case(9)
    total, count = photometric_l1(a, b, valid=torch.zeros_like(v))
    assert total.tolist() == count.tolist() == [0.0, 0.0]


def test_smoothness_by_hand():
    """A ramp of 0.1 a column, range 0.2: half a unit across, none down."""
    depth = torch.arange(4.0).mul(0.1).expand(2, 1, 3, 4)
    torch.testing.assert_close(smoothness(depth, depth_range=0.2), torch.tensor([0.5, 0.5]))
    loss = Smoothness(depth_range=0.1)
    torch.testing.assert_close(loss(depth=depth), torch.tensor([1.0, 1.0]))


def test_smoothness_has_the_right_gradient():
    depth = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: smoothness(x, depth_range=0.2), [depth])


def test_layers_add_up_each_by_its_own_size():
    """The paper's formula where all is seen: 1 / (C H W) times the squared norm, of each layer, an item."""
    a, b, _ = case(13, dtype=torch.float32, side=16)
    vgg = VGGFeatures(LAYERS, weights="random:0")
    found, target = vgg(a), vgg(b)
    theirs = sum((found[k] - target[k]).square().sum(dim=(1, 2, 3)) / found[k][0].numel() for k in LAYERS)
    total, share = perceptual()(reconstruction=a, image=b, visible=torch.ones(2, 1, 16, 16, dtype=torch.bool))
    torch.testing.assert_close(total, theirs)
    assert share.tolist() == [1.0, 1.0]


def test_one_layer_is_the_weighted_mean_of_the_batch():
    """With one layer: sum of squares times the seen share, by the sum of shares, over the whole batch at once."""
    a, b, v = case(14, dtype=torch.float32, side=16)
    loss = perceptual(("relu3_3",))
    ((found, target, weight),) = loss.features(a, b, v, None)
    theirs = ((found - target) ** 2 * weight).sum() / weight.expand_as(found).sum()
    torch.testing.assert_close(mean(loss(reconstruction=a, image=b, visible=v)), theirs)


def test_perceptual_sees_only_the_visible():
    a, b, v = case(15, dtype=torch.float32, side=16)
    value = perceptual()(reconstruction=a, image=b, visible=v)
    torch.testing.assert_close(perceptual()(reconstruction=torch.where(v, a, torch.nan), image=b, visible=v), value)
    torch.testing.assert_close(value[1], v.float().mean(dim=(1, 2, 3)))


def test_perceptual_gradient_reaches_the_reconstruction_only():
    a, b, v = case(13, dtype=torch.float32, side=16)
    loss = perceptual()
    a.requires_grad_()
    b.requires_grad_()
    mean(loss(reconstruction=a, image=b, visible=v)).backward()
    assert a.grad is not None
    assert a.grad.abs().max() > 0
    assert b.grad is None
    assert not [p for p in loss.parameters() if p.requires_grad]


def test_other_features_are_not_taken_from_the_cache():
    """Two losses of one step share the picture's features where they ask for the same ones, and only there."""
    a, b, v = case(16, dtype=torch.float32, side=16)
    cache = StepCache()
    one, other = perceptual(), perceptual(("relu1_1",))
    with_cache = [loss(reconstruction=a, image=b, visible=v, cache=cache) for loss in (one, other)]
    alone = [loss(reconstruction=a, image=b, visible=v) for loss in (one, other)]
    torch.testing.assert_close(with_cache, alone)


def test_missing_weights_say_what_to_type():
    with pytest.raises(ValueError, match="--asset vgg16=FILE"):
        PerceptualL2()
    with pytest.raises(ValueError, match="random:SEED"):
        PerceptualL2(weights="random")


def test_shapes_that_broadcasting_would_hide_are_refused():
    a, b, v = case(11)
    with pytest.raises(ValueError, match="must have the shape"):
        photometric_l1(a, b, valid=v[:, :, :1])
    with pytest.raises(ValueError, match="must have the shape"):
        photometric_l1(a[:1], b, valid=v)
