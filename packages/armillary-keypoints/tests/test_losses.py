"""Claims of ``losses.py``: values by hand, optima, slopes also where points coincide, and which of two norms."""

import math

import pytest
import torch
from torch.nn import functional

from armillary.interfaces.loss import StepCache
from armillary.std.features import VGGFeatures
from armillary_keypoints.losses import (
    FeatureDistance,
    Perceptual,
    Projection,
    Repulsion,
    distance,
    nearest_distances,
    projection,
    repulsion,
)


def points(items=3, count=5, seed=0, scale=1.0):
    draw = torch.Generator().manual_seed(seed)
    return scale * (2 * torch.rand(items, count, 2, generator=draw, dtype=torch.float64) - 1)


def test_projection_by_hand():
    """Two points missed by (3, 4) and (0, 12): the root of 25 + 144, not squared, one value a picture."""
    missed = torch.tensor([[[3.0, 4.0], [0.0, 12.0]], [[0.0, 0.0], [0.0, 2.0]]])
    assert projection(missed, torch.zeros_like(missed)).tolist() == [13.0, 2.0]


def test_projection_has_the_slope_0_where_nothing_is_missed():
    one = points().requires_grad_()
    projection(one, one.detach().clone()).sum().backward()
    assert not one.grad.any()
    assert torch.autograd.gradcheck(projection, (points().requires_grad_(), points(seed=1).requires_grad_()))


def test_projection_reaches_the_key_points_too():
    """As the paper means it: 3D geometry teaches the detector."""
    projected, found = points().requires_grad_(), points(seed=1).requires_grad_()
    Projection()(projected_keypoints2d=projected, keypoints2d=found).sum().backward()
    assert projected.grad is not None
    assert found.grad is not None
    torch.testing.assert_close(projected.grad + found.grad, torch.zeros_like(found))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="agree"):
        projection(points(count=5), points(count=4))
    with pytest.raises(ValueError, match="two points"):
        nearest_distances(points(count=1))


def test_repulsion_by_hand():
    """Points at 0, 1 and 3 on a line, h = 2: nearest distances 1, 1 and 2."""
    line = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]], dtype=torch.float64)
    assert nearest_distances(line).tolist() == [[1.0, 1.0, 2.0]]
    wanted = -(2 * math.exp(-0.5) + 2 * math.exp(-1.0))
    assert Repulsion(reach=2.0)(keypoints2d=line).item() == pytest.approx(wanted)


@pytest.mark.parametrize("reach", [0.05, 0.3])
def test_repulsion_is_least_at_its_reach(reach):
    """Two points: below h they part, above it they are drawn together, and more weakly."""

    def slope(apart):
        gap = torch.tensor(apart, dtype=torch.float64, requires_grad=True)
        pair = torch.stack((torch.zeros(2, dtype=torch.float64), torch.stack((gap, 0 * gap))))[None]
        repulsion(pair, reach=reach).sum().backward()
        return gap.grad.item()

    assert slope(reach) == pytest.approx(0.0, abs=1e-12)
    assert slope(0.5 * reach) < 0 < slope(2 * reach) < -slope(0.5 * reach)


@pytest.mark.parametrize("shift", [0.0, 1e-200, 1e-7])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_points_that_coincide_are_parted(count, shift):
    """A plain norm has the slope 0 or nan there, and they would stay together for ever."""
    heap = (0.3 + shift * points(items=2, count=count)).requires_grad_()
    before = repulsion(heap, reach=0.2)
    assert before.abs().max() < 1e-5
    before.sum().backward()
    assert heap.grad.isfinite().all()
    after = heap.detach() - 1e-3 * heap.grad
    assert torch.pdist(after[0]).min() > 0 or count > 3  # of many points some may take a second step
    for _ in range(3):
        after.requires_grad_()
        (grad,) = torch.autograd.grad(repulsion(after, reach=0.2).sum(), after)
        after = (after - 1e-3 * grad).detach()
    assert min(torch.pdist(item).min() for item in after) > 1e-4


def test_two_of_many_that_coincide_leave_the_others_alone():
    """The slope of the others is what it is without the pair's touching."""
    some = points(items=1, count=6)
    some[:, 1] = some[:, 0]
    some.requires_grad_()
    repulsion(some, reach=0.2).sum().backward()
    assert some.grad.isfinite().all()
    assert some.grad[0, :2].norm(dim=-1).min() > 0.1


def test_slopes_of_the_repulsion():
    assert torch.autograd.gradcheck(lambda p: repulsion(p, reach=0.3), points().requires_grad_())


@pytest.mark.parametrize("turn", [0.4, 2.0])
def test_repulsion_knows_distances_alone(turn):
    """Turned, moved and renumbered points score the same."""
    given = points()
    cos, sin = math.cos(turn), math.sin(turn)
    turned = given @ torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64) + 0.3
    torch.testing.assert_close(repulsion(turned, reach=0.2), repulsion(given, reach=0.2))
    torch.testing.assert_close(repulsion(given.flip(1), reach=0.2), repulsion(given, reach=0.2))


def test_two_norms_by_hand():
    one, other = torch.tensor([[[3.0, 0.0]], [[1.0, 1.0]]]), torch.tensor([[[0.0, 4.0]], [[1.0, 1.0]]])
    assert distance(one, other, norm="l1").tolist() == [3.5, 0.0]
    assert distance(one, other, norm="l2").tolist() == pytest.approx([math.sqrt(12.5), 0.0])


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_equal_features_have_a_finite_slope(norm):
    one = points().requires_grad_()
    distance(one, one.detach().clone(), norm=norm).sum().backward()
    assert not one.grad.any()


def test_features_of_the_picture_are_the_truth():
    """Nothing is gained by making the picture's features easy to reach."""
    one, other = points().requires_grad_(), points(seed=1).requires_grad_()
    FeatureDistance()(reconstruction_features=one, image_features=other).sum().backward()
    assert other.grad is None
    assert one.grad.abs().sum() > 0


def pictures(size=32):
    draw = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, size, size, generator=draw), torch.rand(2, 3, size, size, generator=draw)


def test_perceptual_is_the_authors_sum():
    """Mean absolute difference at each layer, pictures resized first: their four l1_loss, an item at a time."""
    layers = ("relu1_2", "relu2_2")
    loss = Perceptual(weights="random:0", layers=layers, size=48)
    vgg = VGGFeatures(layers, weights="random:0")
    one, other = pictures()
    found = loss(reconstruction=one, image=other)
    for item in range(2):
        a, b = (
            vgg(functional.interpolate(x[item : item + 1], size=(48, 48), mode="bilinear", align_corners=False))
            for x in (one, other)
        )
        wanted = sum(functional.l1_loss(a[layer], b[layer]) for layer in layers)
        torch.testing.assert_close(found[item], wanted)


def test_the_cache_holds_the_picture_and_not_the_reconstruction():
    loss = Perceptual(weights="random:0", layers=("relu1_2",), size=0)
    one, other = pictures()
    cache = StepCache()
    first = loss(reconstruction=one, image=other, cache=cache)
    torch.testing.assert_close(loss(reconstruction=one, image=torch.zeros_like(other), cache=cache), first)
    assert not torch.allclose(loss(reconstruction=other, image=other, cache=cache), first)


def test_vgg_is_fixed_and_passes_the_slope_on():
    loss = Perceptual(weights="random:0", layers=("relu1_2",), size=0, norm="l2")
    one, other = pictures()
    one.requires_grad_()
    loss(reconstruction=one, image=other).sum().backward()
    assert one.grad.abs().sum() > 0
    assert not [parameter for parameter in loss.parameters() if parameter.requires_grad]


def test_weights_that_were_not_given_are_asked_for():
    with pytest.raises(ValueError, match="--asset vgg16=FILE"):
        Perceptual()
