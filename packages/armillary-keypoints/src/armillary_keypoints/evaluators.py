"""How well key points know annotated points of the picture.

A linear map without a constant leads from all key points to each annotated point; it is fitted on the training split over the
frozen method and scored on pictures that it has not seen. Positions are (x, y) in [-1, 1] as in grid; in the regression they
lie in [0, 1], as in the authors' code, since without a constant the origin matters.
"""

from collections.abc import Mapping
from typing import Self

import attrs
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces.evaluator import Evaluation, Evaluator, Points
from armillary.ports import Shape
from armillary.std.annotation import (
    MEAN_SHAPE,
    METHOD,
    NORMALISER,
    ErrorTable,
    chosen_points,
    compare,
    drawn,
    evaluation,
)
from armillary_keypoints.evaluator_config import NmeRegressedConfig, PckConfig

_MOST = 100.0


class NmeRegressed(Evaluator):
    """``nme-regressed/1``: mean distance of regressed points from the annotated ones, as a part of a length of each picture.

    Source: Wang, Cao, Bernard 2024, Tables 2 and 3; xingzhehe/AutoLink. Deviates from the authors' code: where the normal
    equations have no inverse the smallest solution is taken instead of adding the identity; points outside the picture do
    not count; a point that is not visible counts neither in the fit nor in the score, for every collection.
    """

    def __init__(self, config: NmeRegressedConfig) -> None:
        self.config = config
        self.rows = Rows()

    @classmethod
    def build(cls, config: NmeRegressedConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the points of a batch."""
        self.rows.add(phase, ids, ports, groups=self.config.points)

    def merge(self, other: Self) -> None:
        """Take in another shard: pictures join by id."""
        self.rows.merge(other.rows)

    def result(self) -> Evaluation:
        """Fit, and return the error of the method and of each baseline in per cent of the normaliser."""
        return regressed("nme-regressed/1", self.rows, self.config)[0]


class Pck(Evaluator):
    """``pck/1``: share of the regressed points whose error is at most a part of a length of each picture."""

    def __init__(self, config: PckConfig) -> None:
        self.config = config
        self.rows = Rows()

    @classmethod
    def build(cls, config: PckConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the points of a batch."""
        self.rows.add(phase, ids, ports, groups=self.config.points)

    def merge(self, other: Self) -> None:
        """Take in another shard: pictures join by id."""
        self.rows.merge(other.rows)

    def result(self) -> Evaluation:
        """Fit, and return the per cent found by the method and by each baseline."""
        found, errors = regressed("pck/1", self.rows, self.config)
        hits, limit = ErrorTable(), _MOST * self.config.threshold
        for name in errors.rows:
            if name != NORMALISER:
                for item, row in errors.rows[name].items():
                    hits.add(name, [item], torch.where(row.isnan(), torch.nan, _MOST * (row <= limit).double())[None])
        figures = {name: {"pck": attrs.evolve(hits.figure(name, unit="%"), better="higher")} for name in hits.rows}
        rows = {item: {"pck": value} for item, value in hits.by_picture(METHOD).items()}
        notes = (f"a point is found within {limit:.2f} % of the normaliser", *found.notes)
        return attrs.evolve(found, figures=figures.pop(METHOD), baselines=figures, rows=rows, notes=notes)


class Rows:
    """Key points and annotated points of pictures by phase and id; what comes of them does not depend on batches or shards."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, tuple[Tensor, Tensor, Tensor]]] = {"fit": {}, "score": {}}
        self.size: tuple[int, int] = (0, 0)

    def add(self, phase: str, ids: list[str], ports: Mapping[str, Tensor], *, groups: object) -> None:
        """Take in the (x, y) of a batch."""
        truth, counts = chosen_points(ports["true_landmarks2d"], ports.get("true_visible"), groups=groups)  # type: ignore[arg-type]
        self.keep(phase, ids, ports["keypoints2d"].detach().cpu().double(), truth, counts)
        self.size = tuple(ports["image"].shape[-2:])  # type: ignore[assignment]

    def keep(
        self,
        phase: str,
        ids: list[str],
        points: Float[Tensor, "batch points axis"],
        truth: Float[Tensor, "batch annotated axis"],
        counts: Bool[Tensor, "batch annotated"],
    ) -> None:
        """Take in a batch."""
        self.kept[phase].update(zip(ids, zip(points, truth, counts, strict=True), strict=True))

    def merge(self, other: "Rows") -> None:
        """Take in the pictures of another shard."""
        for phase, rows in other.kept.items():
            self.kept[phase].update(rows)
        self.size = max(self.size, other.size)

    def stacked(self, phase: str, *, name: str) -> tuple[list[str], Tensor, Tensor, Tensor]:
        """Ids in order, key points, annotated points, and which count.

        Raises:
            ValueError: there are none.
        """
        rows = self.kept[phase]
        if not rows:
            what = "no fit pass was run, so there is nothing to fit" if phase == "fit" else "no picture was scored"
            raise ValueError(f"{name}: {what}")
        ids = sorted(rows)
        points, truth, counts = (
            torch.stack(list(values)) for values in zip(*(rows[item] for item in ids), strict=True)
        )
        return ids, points, truth, counts


def least_squares(
    features: Float[Tensor, "rows feature"],
    targets: Float[Tensor, "rows annotated axis"],
    counts: Bool[Tensor, "rows annotated"],
) -> Float[Tensor, "annotated feature axis"]:
    r"""Linear maps without a constant, one an annotated point, over the rows in which it counts.

    .. math:: \beta_l = (X_l^\top X_l)^+ X_l^\top Y_l

    Returns:
        The smallest of the solutions where there are several; 0 for a point that never counts.

    Source: xingzhehe/AutoLink: the closed form, on CUB for each point over the pictures in which it is visible. Deviates: the
    pseudo-inverse in place of an identity that is added when there is no inverse.
    """
    weight = counts.to(features.dtype)
    values = torch.where(counts[..., None], targets, 0.0)
    gram = torch.einsum("rl,rf,rg->lfg", weight, features, features)
    moment = torch.einsum("rf,rla->lfa", features, values)
    return torch.linalg.pinv(gram, hermitian=True) @ moment


def mean_shape(
    truth: Float[Tensor, "rows annotated axis"], counts: Bool[Tensor, "rows annotated"]
) -> Float[Tensor, "annotated axis"]:
    """Mean position of each point over the rows in which it counts; 0 where it never does."""
    total = torch.where(counts[..., None], truth, 0.0).sum(dim=0)
    return total / counts.sum(dim=0).clamp_min(1)[:, None]


def unit_square(points: Tensor) -> Tensor:
    """Coordinates in [0, 1] of those in [-1, 1]."""
    return 0.5 + 0.5 * points


def regressed(name: str, rows: Rows, config: NmeRegressedConfig | PckConfig) -> tuple[Evaluation, ErrorTable]:
    """The errors of regressed points, in per cent of the normaliser, and their table.

    Raises:
        ValueError: nothing was fitted, or nothing scored.
    """
    _, points, truth, counts = rows.stacked("fit", name=name)
    beta = least_squares(unit_square(points).flatten(1), unit_square(truth), counts)
    mean, seen = mean_shape(truth, counts), counts.sum(dim=0)
    ids, points, truth, counts = rows.stacked("score", name=name)
    found = 2.0 * torch.einsum("rf,lfa->rla", unit_square(points).flatten(1), beta) - 1.0
    counts = counts & (seen > 0)
    table = ErrorTable()
    compare(
        table,
        ids,
        {METHOD: found, MEAN_SHAPE: mean.expand_as(found)},
        truth=truth,
        counts=counts,
        normaliser=config.normaliser,
        size=rows.size,
    )
    shown: dict[str, Points] = drawn(ids, found, truth, counts)
    return evaluation(name, table, shown, seen=seen, size=rows.size), table
