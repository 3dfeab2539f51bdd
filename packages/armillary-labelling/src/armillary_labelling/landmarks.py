"""How well labels know annotated points: the nearest label, and a regressor on learnt points between.

Both fit on the training split over frozen labels and are scored on pictures that they have not seen. Positions are (x, y) in
[-1, 1] as in grid.
"""

from collections.abc import Mapping
from typing import Self

import attrs
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces import Evaluation, Evaluator, Points
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid
from armillary.ports import Shape
from armillary.std.annotation import MEAN_SHAPE, METHOD, ErrorTable, chosen_points, compare, drawn, evaluation
from armillary_labelling.annotation import map_stride, read_labels
from armillary_labelling.evaluator_config import LandmarksNearestConfig, LandmarksRegressedConfig
from armillary_labelling.kernels.matching import lattice
from armillary_labelling.regression import fit_regressor


class LandmarksNearest(Evaluator):
    r"""``landmarks-nearest/1``: a landmark stands at the cell whose label is nearest to its mean label :math:`z_k`.

    Source: Section 4.3, Error Nearest. Deviates: the paper does not say how :math:`z_k` is learnt; here it is the mean.
    """

    def __init__(self, config: LandmarksNearestConfig) -> None:
        self.config = config
        self.fitted = _Means()
        self.table = ErrorTable()
        self.points: dict[str, Points] = {}
        self.size = (0, 0)

    @classmethod
    def build(cls, config: LandmarksNearestConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Add to the mean labels (``fit``) or find the landmarks of a batch (``score``)."""
        height, width = ports["image"].shape[-2:]
        labels = ports["labels"].detach().cpu().double()
        truth, counts = chosen_points(ports["true_landmarks2d"], ports.get("true_visible"), groups=self.config.points)
        stride = map_stride(labels, height=height, width=width)
        if self.config.metric == "direction":
            labels = torch.nn.functional.normalize(labels, dim=1)
        if phase == "fit":
            pixels = grid_to_pixels(truth.nan_to_num(), height=height, width=width)
            self.fitted.add(read_labels(labels, pixels, stride=stride), truth, counts)
            return
        if self.fitted.vectors is None or self.fitted.positions is None or self.fitted.count is None:
            return  # result says so
        counts = counts & (self.fitted.count > 0)
        cells = nearest_cells(labels, self.fitted.mean(self.fitted.vectors), metric=self.config.metric)
        pixels = lattice(*labels.shape[-2:], stride=stride, height=height, width=width, dtype=truth.dtype)
        positions = pixels_to_grid(pixels, height=height, width=width)
        found = positions[cells]
        compare(
            self.table,
            ids,
            {METHOD: found, MEAN_SHAPE: self.fitted.mean(self.fitted.positions).expand_as(found)},
            truth=truth,
            counts=counts,
            normaliser=self.config.normaliser,
            size=(height, width),
        )
        self.size = (height, width)
        self.points.update(drawn(ids, found, truth, counts))

    def merge(self, other: Self) -> None:
        """Take in another shard: sums add, rows join by id."""
        self.fitted.merge(other.fitted)
        self.table.merge(other.table)
        self.points.update(other.points)
        self.size = max(self.size, other.size)

    def result(self) -> Evaluation:
        """Return the error of the method and of each baseline, in per cent of the normaliser."""
        if self.fitted.count is None:
            raise ValueError("landmarks-nearest/1: no fit pass was run, so no landmark has a vector")
        return evaluation("landmarks-nearest/1", self.table, self.points, seen=self.fitted.count, size=self.size)


class LandmarksRegressed(Evaluator):
    """``landmarks-regressed/1``: a landmark is linear in 50 points of its own, each the soft-argmax of a learnt label.

    Pictures are kept until ``result``, where the regressor is trained on them in the order of their ids: what comes out does
    not depend on batches, shards or their order.

    Source: Section 4.3, Error Regress; jamt9000/DVE, model/keypoint_prediction.py. Deviates from the authors' code: cells
    stand where they were in training, at pixel (s i, s j), not stretched to the picture's border; points that are not visible
    do not count.
    """

    def __init__(self, config: LandmarksRegressedConfig) -> None:
        self.config = config
        self.known: dict[str, _Kept] = {}
        self.asked: dict[str, _Kept] = {}
        self.size: tuple[int, int] | None = None
        self.device = torch.device("cpu")

    @classmethod
    def build(cls, config: LandmarksRegressedConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the label maps and points of a batch."""
        self.size = tuple(ports["image"].shape[-2:])  # type: ignore[assignment]
        self.device = ports["labels"].device
        labels = ports["labels"].detach().cpu().float()
        truth, counts = chosen_points(ports["true_landmarks2d"], ports.get("true_visible"), groups=self.config.points)
        kept = self.known if phase == "fit" else self.asked
        kept.update(zip(ids, zip(labels, truth, counts, strict=True), strict=True))

    def merge(self, other: Self) -> None:
        """Take in another shard: pictures join by id."""
        self.known.update(other.known)
        self.asked.update(other.asked)
        self.size = self.size or other.size

    def result(self) -> Evaluation:
        """Train the regressor, and return its error and that of each baseline, in per cent of the normaliser."""
        if not self.known:
            raise ValueError("landmarks-regressed/1: no fit pass was run, so there is nothing to train on")
        if not self.asked or self.size is None:
            raise ValueError("landmarks-regressed/1: no picture with landmarks was scored")
        height, width = self.size
        _, labels, truth, counts = _stacked(self.known)
        stride = map_stride(labels, height=height, width=width)
        pixels = lattice(*labels.shape[-2:], stride=stride, height=height, width=width)
        positions = pixels_to_grid(pixels, height=height, width=width)
        regressor, used = fit_regressor(
            labels, truth.float(), counts, positions=positions, config=self.config, device=self.device
        )
        shape = _Means()
        shape.add(truth.new_zeros(*truth.shape[:2], 1)[used], truth[used], counts[used])
        assert shape.positions is not None
        assert shape.count is not None
        ids, labels, truth, counts = _stacked(self.asked)
        found = regressor(labels).double()
        counts = counts & (shape.count > 0)
        table = ErrorTable()
        compare(
            table,
            ids,
            {METHOD: found, MEAN_SHAPE: shape.mean(shape.positions).expand_as(found)},
            truth=truth,
            counts=counts,
            normaliser=self.config.normaliser,
            size=self.size,
        )
        found_here = evaluation(
            "landmarks-regressed/1", table, drawn(ids, found, truth, counts), seen=shape.count, size=self.size
        )
        notes = (f"trained on {len(used)} annotated pictures for {self.config.epochs} epochs", *found_here.notes)
        return attrs.evolve(found_here, notes=notes)


def nearest_cells(
    labels: Float[Tensor, "batch channel rows columns"], vectors: Float[Tensor, "points channel"], *, metric: str
) -> Tensor:
    """Index of the cell whose label is nearest to each vector, row by row from the top, ``[batch points]``.

    Args:
        metric: ``product`` for the largest inner product; anything else for the smallest distance.
    """
    flat = labels.flatten(-2)
    score = 2.0 * torch.einsum("kc,bcn->bkn", vectors, flat)
    if metric != "product":
        score = score - flat.square().sum(dim=1, keepdim=True)
    return score.nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf).argmax(dim=-1)


_Kept = tuple[Tensor, Tensor, Tensor]


def _stacked(kept: Mapping[str, _Kept]) -> tuple[list[str], Tensor, Tensor, Tensor]:
    ids = sorted(kept)
    labels, truth, counts = (torch.stack(list(values)) for values in zip(*(kept[item] for item in ids), strict=True))
    return ids, labels, truth, counts


class _Means:
    """Sums of labels and positions at each landmark, over the pictures where it is seen."""

    def __init__(self) -> None:
        self.vectors: Tensor | None = None
        self.positions: Tensor | None = None
        self.count: Tensor | None = None

    def add(
        self,
        vectors: Float[Tensor, "batch points channel"],
        positions: Float[Tensor, "batch points 2"],
        counts: Bool[Tensor, "batch points"],
    ) -> None:
        def total(values: Tensor) -> Tensor:
            return torch.where(counts[..., None], values, 0.0).sum(dim=0)

        self._add(total(vectors), total(positions), counts.double().sum(dim=0)[:, None])

    def merge(self, other: "_Means") -> None:
        if other.vectors is not None and other.positions is not None and other.count is not None:
            self._add(other.vectors, other.positions, other.count[:, None])

    def mean(self, total: Tensor) -> Tensor:
        """Mean at each landmark; 0 where it was never seen."""
        assert self.count is not None
        return total / self.count.clamp_min(1.0)[:, None]

    def _add(self, vectors: Tensor, positions: Tensor, count: Tensor) -> None:
        count = count[:, 0]
        self.vectors = vectors if self.vectors is None else self.vectors + vectors
        self.positions = positions if self.positions is None else self.positions + positions
        self.count = count if self.count is None else self.count + count
