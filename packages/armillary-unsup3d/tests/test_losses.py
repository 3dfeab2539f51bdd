"""Claims of ``losses.py``."""

import math

import pytest
import torch

from armillary.interfaces.loss import StepCache
from armillary_unsup3d.losses import Perceptual, PhotometricLaplace, feature_gaussian, photometric_laplace


def case(seed, *, dtype=torch.float64, items=2, channels=3, side=4):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=dtype)

    image, reconstruction = draw(items, channels, side, side), draw(items, channels, side, side)
    sigma = draw(items, 1, side, side) + 0.1
    valid = draw(items, 1, side, side) > 0.3
    return reconstruction, image, sigma, valid


def mean(pooled):
    total, count = pooled
    return total.sum() / count.sum()


def test_photometric_by_hand():
    """Error 1/2 and sigma sqrt(2)/2 give sqrt(2) / 2 / (sqrt(2)/2) = 1 nat, and ln(sqrt(2) sqrt(2)/2) = 0, at each of 16 pixels."""
    image = torch.zeros(1, 3, 4, 4)
    total, count = photometric_laplace(
        image + 0.5,
        image,
        sigma=torch.full((1, 1, 4, 4), math.sqrt(0.5)),
        valid=torch.ones(1, 1, 4, 4, dtype=torch.bool),
    )
    torch.testing.assert_close(total, torch.tensor([16.0]))
    assert count.tolist() == [16.0]


@pytest.mark.parametrize("c", [0.1, 3.0])
def test_unit_change_adds_log(c):
    """A unit change by c adds ln c: the value is a log-density."""
    a, b, s, v = case(2)
    before = mean(photometric_laplace(a, b, sigma=s, valid=v))
    after = mean(photometric_laplace(c * a, c * b, sigma=c * s, valid=v))
    torch.testing.assert_close(after, before + math.log(c))


def test_best_sigma_is_root_two_times_the_error():
    """Optimum: the derivative by sigma is zero at sqrt(2) |error|, for one channel."""
    a, b, _, v = case(3, channels=1)
    sigma = (math.sqrt(2.0) * (a - b).abs()).requires_grad_()
    total, _ = photometric_laplace(a, b, sigma=sigma, valid=v)
    (gradient,) = torch.autograd.grad(total.sum(), sigma)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)


def test_photometric_is_the_authors_formula():
    """Theirs: images in [-1, 1], elementwise over channels, sum over mask, no ln(sqrt 2). Ours is less by ln 2 - ln(2)/2."""
    a, b, s, v = case(4)
    mask = v.expand_as(a).to(a.dtype)
    theirs = math.sqrt(2.0) * (2 * a - 2 * b).abs() / (2 * s + 1e-7) + torch.log(2 * s + 1e-7)
    theirs = (theirs * mask).sum() / mask.sum()
    ours = mean(photometric_laplace(a, b, sigma=s + 0.5e-7, valid=v))
    torch.testing.assert_close(ours, theirs - math.log(2) + math.log(2) / 2)


def test_gaussian_is_the_authors_formula():
    a, b, s, v = case(6, channels=5)
    weight = v.to(a.dtype) * 0.7
    mask = weight.expand_as(a)
    theirs = ((a - b) ** 2 / (2 * s**2 + 1e-7) + torch.log(s)) * mask
    ours = mean(feature_gaussian(a, b, sigma=s, weight=weight, variance_floor=1e-7))
    torch.testing.assert_close(ours, theirs.sum() / mask.sum())


def test_items_pool_to_the_batch():
    """Sum and count an item: two batches of one pool to the batch of two."""
    a, b, s, v = case(7)
    whole = mean(photometric_laplace(a, b, sigma=s, valid=v))
    halves = [photometric_laplace(a[i, None], b[i, None], sigma=s[i, None], valid=v[i, None]) for i in range(2)]
    torch.testing.assert_close(sum(t.sum() for t, _ in halves) / sum(c.sum() for _, c in halves), whole)


def test_outside_may_be_nan():
    """Value and gradient do not see pixels outside the mask."""
    a, b, s, v = case(8)
    clean = a.clone().requires_grad_()
    dirty = torch.where(v, a, torch.nan).requires_grad_()
    values, gradients = [], []
    for x, sigma in ((clean, s), (dirty, torch.where(v, s, torch.nan))):
        pooled = photometric_laplace(x, b, sigma=sigma, valid=v)
        values.append(mean(pooled))
        gradients.append(torch.autograd.grad(mean(pooled), x)[0])
    torch.testing.assert_close(values[1], values[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_nothing_valid_counts_nothing():
    a, b, s, v = case(9)
    total, count = photometric_laplace(a, b, sigma=s, valid=torch.zeros_like(v))
    assert total.tolist() == [0.0, 0.0]
    assert count.tolist() == [0.0, 0.0]


def test_gradients():
    a, b, s, v = case(10, items=1, side=2)
    # Away from error 0, where the absolute value has a kink.
    a = torch.where((a - b).abs() < 0.05, b + 0.2, a)
    inputs = [x.clone().requires_grad_() for x in (a, b, s)]
    assert torch.autograd.gradcheck(lambda x, y, z: photometric_laplace(x, y, sigma=z, valid=v)[0], inputs)
    assert torch.autograd.gradcheck(
        lambda x, y, z: feature_gaussian(x, y, sigma=z, weight=v.to(x.dtype), variance_floor=1e-7)[0], inputs
    )


def test_shapes_that_would_broadcast_are_refused():
    a, b, s, v = case(11)
    with pytest.raises(ValueError, match="must have the shape"):
        photometric_laplace(a[:1], b, sigma=s, valid=v)
    with pytest.raises(ValueError, match="must have the shape"):
        feature_gaussian(a, b, sigma=s[..., :1], weight=v.to(a.dtype), variance_floor=0.0)


def test_class_calls_the_function():
    a, b, s, v = case(12)
    torch.testing.assert_close(
        PhotometricLaplace()(reconstruction=a, image=b, confidence=s, visible=v),
        photometric_laplace(a, b, sigma=s, valid=v),
    )


def perceptual_case():
    a, b, _, v = case(13, dtype=torch.float32, items=1, side=16)
    return a, b, torch.full((1, 1, 4, 4), 0.5), v


def test_perceptual_sees_only_the_visible():
    """What lies under the mask does not change the value, nan included."""
    a, b, s, v = perceptual_case()
    loss = Perceptual(weights="random:0")
    value = loss(reconstruction=a, image=b, feature_confidence=s, visible=v)
    hidden = loss(reconstruction=torch.where(v, a, torch.nan), image=b, feature_confidence=s, visible=v)
    torch.testing.assert_close(hidden, value)
    assert value[1].item() == pytest.approx(v.float().mean().item() * 16)


def test_features_of_the_image_are_computed_once():
    a, b, s, v = perceptual_case()
    loss = Perceptual(weights="random:0")
    cache = StepCache()
    calls = []
    loss.features.vgg.register_forward_hook(lambda *_: calls.append(1))
    first = loss(reconstruction=a, image=b, feature_confidence=s, visible=v, cache=cache)
    second = loss(reconstruction=a, image=b, feature_confidence=s, visible=v, cache=cache)
    torch.testing.assert_close(first, second)
    assert len(calls) == 3


def test_missing_weights_say_what_to_type():
    with pytest.raises(ValueError, match="--asset vgg16=FILE"):
        Perceptual()
    with pytest.raises(ValueError, match="random:SEED"):
        Perceptual(weights="random")
