"""Scores per picture, and the figures that sum them up: what the measures of depth, surface, view and mask share.

A row holds the values of one picture, of the method or of a guess. A figure is the mean, the median or a share of one column, over
the pictures where the value is a number, with its bootstrap interval.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import attrs
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure

METHOD = "method"
LEVEL = 0.95
RESAMPLES = 1000
_DRAWS = 2_000_000  # at once

Values = np.ndarray
Reduce = Callable[[Values], Values]
"""Statistic over the last axis."""


def mean(values: Values) -> Values:
    """Return the mean over the last axis."""
    return values.mean(axis=-1)


def median(values: Values) -> Values:
    """Return the median over the last axis; of an even number of values the mean of the middle two."""
    return np.median(values, axis=-1)


def share_below(limit: float) -> Reduce:
    """Return a function that gives the share of the values below a limit, over the last axis."""
    return lambda values: (values < limit).mean(axis=-1)


def bootstrap_interval(values: Values, reduce: Reduce, *, seed: int = 0) -> tuple[float, float] | None:
    """Return the percentile interval of a statistic, at :data:`LEVEL`, over :data:`RESAMPLES` draws of the items with replacement.

    Args:
        values: one per item, without nan.
        reduce: the statistic, over the last axis.
        seed: of the draws.

    Returns:
        Both ends; None for fewer than two items.

    Source: Efron 1979, doi:10.1214/aos/1176344552; percentiles as in Efron and Tibshirani 1993, chapter 13.

    >>> bootstrap_interval(np.array([2.0, 2.0, 2.0]), mean)
    (2.0, 2.0)
    """
    count = len(values)
    if count < 2:
        return None
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWS // count)
    found = [
        reduce(values[generator.integers(count, size=(min(step, RESAMPLES - start), count))])
        for start in range(0, RESAMPLES, step)
    ]
    low, high = np.quantile(np.concatenate(found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@attrs.frozen(kw_only=True)
class Column:
    """One figure of a table of rows.

    Args:
        of: key of the rows.
        reduce: statistic over pictures.
        unit: of the figure.
        better: ``lower`` or ``higher``.
        spread: give the standard deviation over pictures too.
    """

    of: str
    reduce: Reduce = mean
    unit: str = ""
    better: str = "lower"
    spread: bool = True

    def figure(self, rows: Mapping[str, Mapping[str, float]]) -> Figure:
        """Return the figure over the rows whose value is a number; nan without any. The order of rows does not matter."""
        values = np.array([row[self.of] for _, row in sorted(rows.items())], dtype=np.float64)
        values = values[~np.isnan(values)]
        count = len(values)
        return Figure(
            value=float(self.reduce(values)) if count else float("nan"),
            unit=self.unit,
            spread=float(values.std(ddof=1)) if self.spread and count > 1 else None,
            interval=bootstrap_interval(values, self.reduce),
            count=count,
            better=self.better,
        )


def angle_columns(of: str) -> dict[str, Column]:
    """Return median, mean and the shares below 15 and 30 degrees of one angle per picture.

    Source: Esteves et al. 2019, arXiv:1812.02716, Section 4.1, as it is usual for poses.
    """
    shares = {
        f"acc@{limit}": Column(of=of, reduce=share_below(limit), better="higher", spread=False) for limit in (15, 30)
    }
    middle = {"median": Column(of=of, reduce=median, unit="degree", spread=False)}
    return {**middle, **shares, "mean": Column(of=of, unit="degree")}


class Scores(Evaluator):
    """Base of measures that keep one row for each picture, of the method and of each guess."""

    columns: ClassVar[Mapping[str, Column]]
    """Figure to its column."""

    def setup(self) -> None:
        """Start without rows."""
        self.rows: dict[str, dict[str, dict[str, float]]] = {}

    def keep(self, who: str, ids: list[str], **values: Tensor) -> None:
        """Add a row per picture: ``who`` is :data:`METHOD` or the name of a guess; values are ``[batch]``."""
        rows = self.rows.setdefault(who, {})
        for item, *numbers in zip(ids, *(value.tolist() for value in values.values()), strict=True):
            rows[item] = dict(zip(values, numbers, strict=True))

    def merge(self, other: Self) -> None:
        """Add the rows of another shard: pictures join by id."""
        for who, rows in other.rows.items():
            self.rows.setdefault(who, {}).update(rows)

    def result(self) -> Evaluation:
        """Return the figures of the method and of each guess."""
        return self.evaluation()

    def evaluation(self, *notes: str, why_left_out: str = "truth and prediction share no pixel") -> Evaluation:
        """Return the figures of all rows.

        Args:
            notes: what a reader must know.
            why_left_out: reason why a picture's value may not be a number.

        Raises:
            ValueError: nothing was scored.
        """
        if not self.rows.get(METHOD):
            raise ValueError(f"{self.header['name']}: no picture with its truth was scored")
        tables = {
            who: {name: column.figure(rows) for name, column in self.columns.items()} for who, rows in self.rows.items()
        }
        rows = self.rows[METHOD]
        first = next(iter(self.columns.values())).of
        skipped = sum(row[first] != row[first] for row in rows.values())
        left_out = (f"{skipped} pictures left out: {why_left_out}",) if skipped else ()
        return Evaluation(
            figures=tables.pop(METHOD), baselines=tables, notes=(*left_out, *notes), rows=dict(sorted(rows.items()))
        )


class AverageMap:
    """Running average of each pixel over the pictures where a mask holds; averages of several processes merge."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count: Tensor | None = None

    def update(
        self, truth: Float[Tensor, "batch channel height width"], mask: Bool[Tensor, "batch 1 height width"]
    ) -> None:
        """Add the pixels of a batch where the mask holds."""
        self._add(torch.where(mask, truth, 0.0).double().sum(dim=0), mask.double().sum(dim=0))

    def merge(self, other: "AverageMap") -> None:
        """Add the sums of another average."""
        if other.total is not None and other.count is not None:
            self._add(other.total, other.count)

    def map(self) -> Tensor | None:
        """Return the average ``[channel, height, width]``; None without data.

        A pixel without truth in all pictures has the mean of the other pixels, since a baseline needs a value everywhere.
        """
        if self.total is None or self.count is None:
            return None
        rest = self.total.sum(dim=(-2, -1), keepdim=True) / self.count.sum().clamp_min(1.0)
        return torch.where(self.count > 0, self.total / self.count.clamp_min(1.0), rest)

    def _add(self, total: Tensor, count: Tensor) -> None:
        self.total = total if self.total is None else self.total + total
        self.count = count if self.count is None else self.count + count


def direction_angle(
    a: Float[Tensor, "*#batch 3"], b: Float[Tensor, "*#batch 3"], *, dim: int = -1
) -> Float[Tensor, "*#batch 1"]:
    """Return the angle between two vectors along ``dim``, which stays with length 1, in degrees.

    By ``atan2`` of the cross and inner products, which is exact near 0 where ``acos`` is not. A vector of length zero has no
    direction and counts as 90 degrees, as a direction drawn at random does in the mean.

    >>> direction_angle(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([2.0, 2.0, 0.0])).item()
    45.0
    """
    a, b = torch.broadcast_tensors(a, b)
    cross = torch.linalg.cross(a, b, dim=dim).norm(dim=dim, keepdim=True)
    inner = (a * b).sum(dim=dim, keepdim=True)
    return torch.where((cross == 0) & (inner == 0), 90.0, torch.rad2deg(torch.atan2(cross, inner)))


def eroded(mask: Bool[Tensor, "batch 1 height width"], side: int) -> Bool[Tensor, "batch 1 height width"]:
    """Return the pixels whose whole window of ``side`` pixels lies in the mask and in the picture."""
    share = torch.nn.functional.avg_pool2d(mask.float(), side, stride=1, padding=side // 2)
    # The threshold of Wu et al. 2020, 0.99: every pixel of the window.
    return share[..., : mask.shape[-2], : mask.shape[-1]] > 0.99
