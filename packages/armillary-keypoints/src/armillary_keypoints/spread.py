"""How far apart the key points of a picture are: by this the collapse shows that the repulsion prevents."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from armillary.config import NoConfig
from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure
from armillary.ports import Shape
from armillary_keypoints.losses import nearest_distances

_SIDE = 2.0  # of the picture, in units of [-1, 1]
_PER_CENT = 100.0
_DRAWS = 1000  # pictures of random points in the baseline
_SEED = 0


class Spread(Evaluator):
    """``spread/1``: mean distance of each key point to the nearest other one, in per cent of the picture's side.

    Source: ours; the paper shows the collapse in a picture, Figure 7, third row.
    """

    def __init__(self) -> None:
        self.nearest: dict[str, tuple[float, int]] = {}

    @classmethod
    def build(cls, config: NoConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator."""
        del config, inputs
        return cls()

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the mean nearest distance of each picture."""
        del phase
        points = ports["keypoints2d"].detach().double()
        found = nearest_distances(points).clamp_min(0.0).mean(dim=-1) * (_PER_CENT / _SIDE)
        self.nearest.update({id: (value, points.shape[1]) for id, value in zip(ids, found.tolist(), strict=True)})

    def merge(self, other: Self) -> None:
        """Take in another shard: pictures join by id."""
        self.nearest.update(other.nearest)

    def result(self) -> Evaluation:
        """Return the mean over pictures, beside that of points that are drawn at random.

        Raises:
            ValueError: nothing was scored.
        """
        if not self.nearest:
            raise ValueError("spread/1: nothing was scored")
        values = torch.tensor([value for value, _ in self.nearest.values()], dtype=torch.float64)
        counts = {count for _, count in self.nearest.values()}
        drawn = torch.Generator().manual_seed(_SEED)
        random = torch.rand(_DRAWS, max(counts), 2, generator=drawn, dtype=torch.float64)
        by_chance = nearest_distances(random).mean().item() * _PER_CENT  # these lie in a unit square
        return Evaluation(
            figures={
                "nearest": Figure(
                    value=values.mean().item(),
                    unit="% of the side",
                    spread=values.std(correction=0).item(),
                    count=len(values),
                    better="higher",
                )
            },
            baselines={
                "one place": {"nearest": Figure(value=0.0, unit="% of the side", better="higher")},
                "random points": {"nearest": Figure(value=by_chance, unit="% of the side", better="higher")},
            },
            rows={id: {"nearest": value} for id, (value, _) in self.nearest.items()},
        )
