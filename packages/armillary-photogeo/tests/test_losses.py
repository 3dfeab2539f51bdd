"""Claims of ``losses.py``: the regularisers in closed form, and the supervised errors."""

import itertools

import pytest
import torch

from armillary_photogeo.losses import (
    DepthL1,
    DepthL2,
    DepthVariance,
    MeanViewpoint,
    depth_variance,
    mean_viewpoint,
)


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("items", [2, 3, 7])
def test_variance_is_the_papers_sum_over_pairs(items):
    """Eq. 6: 1/B sum_i 2 / (B - 1) sum_(j > i) |d_i - d_j|^2, pair by pair."""
    depth = draw(items, 1, 5, 6)
    pairs = sum((depth[i] - depth[j]).square().sum() for i, j in itertools.combinations(range(items), 2))
    torch.testing.assert_close(depth_variance(depth), 2 / (items * (items - 1)) * pairs)


def test_variance_by_hand():
    """Two maps of 4 pixels that differ by 0.1: |d_1 - d_2|^2 = 0.04, once; as a mean over pixels 0.01."""
    depth = torch.stack((torch.zeros(1, 2, 2), torch.full((1, 2, 2), 0.1)))
    torch.testing.assert_close(depth_variance(depth), torch.tensor(0.04))
    torch.testing.assert_close(DepthVariance()(depth=depth), torch.tensor(0.04))
    mean = DepthVariance(pixels="mean")
    torch.testing.assert_close(mean(depth=depth), torch.tensor(0.01))


def test_variance_of_one_item_is_zero_and_does_not_see_a_common_shape():
    depth = draw(4, 1, 3, 3)
    assert depth_variance(depth[:1]) == 0
    torch.testing.assert_close(depth_variance(depth + draw(1, 1, 3, 3, seed=1)), depth_variance(depth))


def test_mean_viewpoint_by_hand():
    """Means (0.1, 0, ..., 0.2): 0.01 + 0.04. Opposite viewpoints cost nothing."""
    w = torch.zeros(2, 6)
    w[:, 0], w[:, 5] = torch.tensor([0.0, 0.2]), torch.tensor([0.3, 0.1])
    torch.testing.assert_close(mean_viewpoint(w), torch.tensor(0.05))
    assert mean_viewpoint(torch.cat((w, -w))).item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(MeanViewpoint()(viewpoint=w), mean_viewpoint(w))


def test_regularisers_have_the_right_gradient():
    assert torch.autograd.gradcheck(depth_variance, [draw(3, 1, 2, 2).requires_grad_()])
    assert torch.autograd.gradcheck(mean_viewpoint, [draw(3, 6).requires_grad_()])


@pytest.mark.parametrize(("kind", "power"), [(DepthL1, 1), (DepthL2, 2)])
def test_supervised_errors_by_hand(kind, power):
    """Errors of 0.1 and 0.3 where the truth is known: their powers added, over two pixels; elsewhere anything."""
    truth = torch.tensor([[[[1.0, 2.0, torch.nan]]]])
    depth = torch.tensor([[[[1.1, 1.7, 5.0]]]], requires_grad=True)
    total, count = kind()(depth=depth, true_depth=truth)
    assert total.item() == pytest.approx(0.1**power + 0.3**power, rel=1e-5)
    assert count.item() == 2
    total.sum().backward()
    assert depth.grad.isfinite().all()
    only = kind()(depth=depth, true_depth=truth, true_mask=torch.tensor([[[[True, False, False]]]]))
    assert only[0].item() == pytest.approx(0.1**power, rel=1e-5)


def test_shapes_that_broadcasting_would_hide_are_refused():
    with pytest.raises(ValueError, match="must agree"):
        DepthL1()(depth=torch.ones(2, 1, 4, 4), true_depth=torch.ones(1, 1, 4, 4))
