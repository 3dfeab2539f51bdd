"""Rows per item, kept until the result of a measure: it does not depend on batches or shards, nor on their order."""

from typing import Any, Self

import torch
from torch import Tensor

from armillary.interfaces.evaluator import Evaluator


class Rows(Evaluator):
    """Base of measures that keep a row per item, by pass and id."""

    def setup(self) -> None:
        """Start without rows."""
        self.kept: dict[str, dict[str, tuple[Any, ...]]] = {"fit": {}, "score": {}}
        self.size = (0, 0)

    def keep(self, phase: str, ids: list[str], *columns: Any) -> None:
        """Add a row per item of a batch."""
        self.kept[phase].update(zip(ids, zip(*columns, strict=True), strict=True))

    def merge(self, other: Self) -> None:
        """Add the rows of another shard: items join by id."""
        for phase, rows in other.kept.items():
            self.kept[phase].update(rows)
        self.size = max(self.size, other.size)

    def stacked(self, phase: str) -> tuple[list[str], *tuple[Tensor, ...]]:
        """Return the ids in order, and each column as one tensor.

        Raises:
            ValueError: there are no rows.
        """
        rows = self.kept[phase]
        if not rows:
            missing = "no fit pass was run, so there is nothing to fit" if phase == "fit" else "no picture was scored"
            raise ValueError(f"{self.header['name']}: {missing}")
        ids = sorted(rows)
        return ids, *(torch.stack(column) for column in zip(*(rows[item] for item in ids), strict=True))
