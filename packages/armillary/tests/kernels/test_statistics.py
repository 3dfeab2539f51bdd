"""Pooling laws, masks that hide nan, empty cases."""

import math

import pytest
import torch

from armillary.kernels.statistics import MeanStd, SumCount, masked_mean


def test_masked_mean_by_hand():
    """Mean of 1 and 3."""
    value = torch.tensor([1.0, 2.0, 3.0])
    assert masked_mean(value, torch.tensor([True, False, True])) == 2


def test_masked_pixels_may_be_nan_in_value_and_gradient():
    value = torch.tensor([1.0, math.nan, math.inf], requires_grad=True)
    mean = masked_mean(value, torch.tensor([True, False, False]))
    mean.backward()
    assert mean == 1
    assert value.grad.tolist() == [1, 0, 0]


def test_empty_mask_gives_zero():
    value = torch.ones(2, 3, requires_grad=True)
    mean = masked_mean(value, torch.zeros(2, 3, dtype=torch.bool), dim=-1)
    mean.sum().backward()
    assert mean.tolist() == [0, 0]
    assert value.grad.abs().max() == 0


def test_mask_broadcasts_over_channels():
    """One mask for three channels: the count is of numbers, not of pixels."""
    value = torch.arange(12.0).reshape(3, 2, 2)
    mask = torch.tensor([[[True, False], [False, True]]])
    expected = value[:, [0, 1], [0, 1]].mean()
    assert masked_mean(value, mask) == expected
    torch.testing.assert_close(masked_mean(value, mask, dim=(-2, -1)), value[:, [0, 1], [0, 1]].mean(-1))


def test_a_mask_that_is_not_boolean_is_refused():
    with pytest.raises(ValueError, match="boolean"):
        masked_mean(torch.ones(2), torch.ones(2))


def test_merged_shards_equal_the_whole():
    values = torch.randn(97, generator=torch.Generator().manual_seed(0))
    whole, shards = (SumCount(), MeanStd()), [(SumCount(), MeanStd()) for _ in range(3)]
    whole[0].update(values, torch.ones(97))
    whole[1].update(values)
    for i, (mean, spread) in enumerate(shards):
        mean.update(values[i::3].double().sum(), len(values[i::3]))
        spread.update(values[i::3])
    for mean, spread in reversed(shards[1:]):
        shards[0][0].merge(mean)
        shards[0][1].merge(spread)
    assert shards[0][0].mean == pytest.approx(whole[0].mean, rel=1e-14)
    assert shards[0][1].std == pytest.approx(values.double().std().item(), rel=1e-14)
    assert shards[0][1].mean == pytest.approx(values.double().mean().item(), rel=1e-13)
    population = values.double().std(correction=0).item()
    assert whole[1].std_of_population == pytest.approx(population, rel=1e-14)


def test_weighted_mean_is_not_the_mean_of_means():
    """10 over one item and 0 over nine: 1, not 5."""
    pooled = SumCount()
    pooled.update(10.0, 1)
    pooled.update(torch.zeros(9), torch.ones(9))
    assert pooled.mean == 1


def test_small_spread_about_a_large_mean():
    spread = MeanStd()
    for value in (1e9, 1e9 + 1, 1e9 + 2):
        spread.update(torch.tensor([value], dtype=torch.float64))
    assert spread.std == pytest.approx(1, rel=1e-9)


def test_nothing_counted_is_nan():
    spread = MeanStd()
    spread.update(torch.empty(0))
    spread.merge(MeanStd())
    assert math.isnan(SumCount().mean)
    assert math.isnan(spread.mean)
    assert math.isnan(spread.std)
    assert math.isnan(spread.std_of_population)
    spread.update(torch.ones(1))
    assert math.isnan(spread.std)
    assert spread.std_of_population == 0
