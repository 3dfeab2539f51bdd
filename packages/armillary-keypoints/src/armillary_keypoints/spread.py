"""Distance between the key points of a picture: it shows the collapse that the repulsion prevents."""

import torch

from armillary import ports
from armillary.interfaces import Evaluation, Figure
from armillary.std.rows import Rows
from armillary_keypoints.losses import nearest_distances

_SIDE = 2.0  # of the picture, in units of [-1, 1]
_PER_CENT = 100.0
_DRAWS = 1000  # pictures of random points in the baseline
_SEED = 0


class Spread(
    Rows,
    name="spread/1",
    source="ours; Wang, Cao, Bernard 2024, Figure 7, shows it in pictures",
    summary="how far apart the key points are: 0 where they have collapsed",
):
    """Mean distance of each key point to the nearest other one, in per cent of the picture's side.

    Source: ours; the paper shows the collapse in a picture, Figure 7, third row.
    """

    protocol = (
        "distance of each key point to the nearest other one, mean over points and pictures, in per cent of the "
        "picture's side. Baselines: all points in one place; as many points drawn uniformly over the picture."
    )

    def score(self, ids: list[str], keypoints2d: ports.Keypoints2d) -> None:
        """Keep the mean nearest distance of each picture."""
        points = keypoints2d.detach().double()
        found = nearest_distances(points).clamp_min(0.0).mean(dim=-1) * (_PER_CENT / _SIDE)
        self.keep("score", ids, found.tolist(), [points.shape[1]] * len(ids))

    def result(self) -> Evaluation:
        """Return the mean over pictures, beside that of points that are drawn at random.

        Raises:
            ValueError: nothing was scored.
        """
        rows = self.kept["score"]
        if not rows:
            raise ValueError("spread/1: nothing was scored")
        values = torch.tensor([value for value, _ in rows.values()], dtype=torch.float64)
        drawn = torch.Generator().manual_seed(_SEED)
        most = max(count for _, count in rows.values())
        random = torch.rand(_DRAWS, most, 2, generator=drawn, dtype=torch.float64)
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
            rows={id: {"nearest": value} for id, (value, _) in rows.items()},
        )
