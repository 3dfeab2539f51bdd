"""Means that can be pooled: sums and counts in float64, never means of means."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def masked_mean(
    value: Float[Tensor, "*#batch"],
    mask: Bool[Tensor, "*#batch"],
    *,
    dim: int | tuple[int, ...] | None = None,
) -> Float[Tensor, "..."]:
    """Mean of the values where the mask holds.

    Args:
        value: outside of the mask it may hold anything, nan included; neither value nor gradient is touched by it.
        mask: broadcasts against ``value``.
        dim: axes to average over; all of them when None.

    Returns:
        In the unit of the value; 0 where the mask is empty.

    Raises:
        ValueError: the mask is not boolean.
    """
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean, got {mask.dtype}")
    mask = mask.expand(torch.broadcast_shapes(mask.shape, value.shape))
    axes = tuple(range(mask.ndim)) if dim is None else dim
    total = torch.where(mask, value, 0.0).sum(dim=axes)
    return total / mask.sum(dim=axes).clamp_min(1)


class SumCount:
    """A weighted mean that grows by batches and merges with others.

    Holds plain numbers, so it can be pickled, sent and added in any order; the mean of merged shards is the mean of the
    whole up to rounding in float64.
    """

    def __init__(self, total: float = 0.0, count: float = 0.0) -> None:
        self.total = total
        self.count = count

    def update(self, total: Tensor | float | int, count: Tensor | float | int) -> None:
        """Add a sum, or a tensor of sums, and the count or counts behind them."""
        self.total += _added(total)
        self.count += _added(count)

    def merge(self, other: "SumCount") -> None:
        """Add what another one has seen."""
        self.total += other.total
        self.count += other.count

    @property
    def mean(self) -> float:
        """Sum by count; nan when nothing was counted."""
        return self.total / self.count if self.count else math.nan


class MeanStd:
    """Count, mean and standard deviation of numbers that come by batches.

    Source: the pairwise update of Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115, which does not
    lose a small spread about a large mean.
    """

    def __init__(self, count: int = 0, mean: float = 0.0, squares: float = 0.0) -> None:
        self.count = count
        self._mean = mean
        self._squares = squares

    def update(self, values: Float[Tensor, "*values"]) -> None:
        """Add every number of a tensor."""
        values = values.detach().to(torch.float64).flatten()
        if values.numel() == 0:
            return
        mean = values.mean()
        self._add(values.numel(), float(mean), float((values - mean).square().sum()))

    def merge(self, other: "MeanStd") -> None:
        """Add what another one has seen."""
        self._add(other.count, other._mean, other._squares)

    @property
    def mean(self) -> float:
        """Mean; nan when there is nothing."""
        return self._mean if self.count else math.nan

    @property
    def std(self) -> float:
        """Standard deviation with n - 1 below; nan for fewer than two numbers."""
        return math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else math.nan

    @property
    def std_of_population(self) -> float:
        """Standard deviation with n below; nan when there is nothing."""
        return math.sqrt(self._squares / self.count) if self.count else math.nan

    def _add(self, count: int, mean: float, squares: float) -> None:
        if count == 0:
            return
        total = self.count + count
        apart = mean - self._mean
        self._squares += squares + apart * apart * self.count * count / total
        self._mean += apart * count / total
        self.count = total


def _added(value: Tensor | float | int) -> float:
    if isinstance(value, Tensor):
        return float(value.detach().to(torch.float64).sum())
    return float(value)
