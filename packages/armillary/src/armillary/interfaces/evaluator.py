"""Measures with a protocol."""

import abc
from collections.abc import Mapping
from typing import Any, Self

import attrs
from torch import Tensor

from armillary.ports import Shape


@attrs.frozen(kw_only=True)
class Figure:
    """One number of a table.

    Args:
        value: mean, median or whatever the protocol says.
        unit: ``"degree"``, ``"1e-2"``, ...
        spread: standard deviation over items, where there is one.
        count: items that it rests on.
        better: ``lower`` or ``higher``.
    """

    value: float
    unit: str = ""
    spread: float | None = None
    count: int | None = None
    better: str = "lower"


@attrs.frozen(kw_only=True, eq=False)
class Points:
    """Points of one picture, found and annotated: (x, y) in [-1, 1] as in grid, a row a point.

    Args:
        predicted: ``[points, 2]``.
        truth: ``[points, 2]``.
        visible: ``[points]``, which of them count.
    """

    predicted: Tensor
    truth: Tensor
    visible: Tensor


@attrs.frozen(kw_only=True)
class Evaluation:
    """What an evaluator found.

    Args:
        figures: measure to figure, of the method.
        baselines: trivial baseline to its figures, by the same protocol on the same items.
        notes: what a reader must know to compare.
        rows: per-item values by id, where the evaluator keeps them.
        points: by id, where the evaluator finds points; those of a few pictures are drawn.
    """

    figures: Mapping[str, Figure]
    baselines: Mapping[str, Mapping[str, Figure]] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)
    points: Mapping[str, Points] = attrs.field(factory=dict)


class Evaluator(abc.ABC):
    """A measure: accumulates sums and counts, or rows by item; merging shards equals the whole."""

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator."""

    @abc.abstractmethod
    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Take one batch in.

        Args:
            phase: ``fit``, ``score`` or another, as the spec's passes name them.
            ids: names of the items.
            ports: what the spec consumes, from the outputs and from the batch. In ``fit`` the outputs are missing, unless
                the spec asks for them.
        """

    @abc.abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what another instance has seen of the same phase."""

    @abc.abstractmethod
    def result(self) -> Evaluation:
        """Return the figures.

        Raises:
            ValueError: nothing was scored.
        """
