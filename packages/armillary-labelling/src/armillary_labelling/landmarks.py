"""Annotated points found by labels: settings and protocol that the measures share, and the nearest label.

The measures fit on the training split over frozen labels and are scored on pictures that they have not seen. Positions are
(x, y) in [-1, 1] as in grid.
"""

from typing import Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Evaluation, Evaluator, Points
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid
from armillary.std.annotation import MEAN_SHAPE, METHOD, ErrorTable, chosen_points, compare, drawn, evaluation
from armillary.std.annotation_config import (
    PER_CENT_OF,
    WHICH_POINTS,
    Groups,
    Normaliser,
    check_groups,
    check_normaliser,
)
from armillary_labelling.annotation import map_stride, read_labels
from armillary_labelling.kernels.matching import lattice

_PAPER = "Thewlis, Bilen, Vedaldi 2017"
_SECTION = f"{_PAPER}, Section 4.3"

POINTS = param(
    "all",
    source=f"{_SECTION}: eyes, nose and mouth corners, the five annotated points of CelebA",
    validator=check_groups,
    help=WHICH_POINTS,
)
NORMALISER = param(
    (0, 1),
    source=f"{_SECTION}: inter-ocular distance; jamt9000/DVE, model/metric.py: points 0 and 1 of five",
    validator=check_normaliser,
    help=PER_CENT_OF,
)
ERROR = (
    "the error is the distance in the picture, in per cent of the normaliser that the settings name (the distance of two "
    "points, which is the inter-ocular distance of the published tables; the larger side of the box around the points; or "
    "the picture's larger side); mean over all visible landmarks inside the picture, spread over pictures. Baselines: the "
    "mean position of each landmark in the training split, and the picture's centre."
)


class LandmarksNearest(
    Evaluator,
    name="landmarks-nearest/1",
    source=f"{_PAPER}, arXiv:1706.02932, Section 4.3, Error Nearest of Table 3",
    summary="landmarks found as the cells with the nearest labels",
):
    r"""Error of landmarks found as the cell whose label is nearest to the landmark's mean label :math:`z_k`.

    Source: Section 4.3, Error Nearest. Deviates: the paper does not say how :math:`z_k` is learnt; here it is the mean.
    """

    fit_outputs = True
    protocol = (
        "each landmark's vector is the mean label at its position over the training split; a landmark is found at the "
        f"cell whose label is nearest to its vector, without interpolation between cells; {ERROR}"
    )

    points: Groups = POINTS
    normaliser: Normaliser = NORMALISER
    metric: Literal["euclidean", "direction", "product"] = param(
        "euclidean",
        source=f"{_SECTION}: 'find the nearest z'; the text does not say in which distance",
        help="euclidean: between the labels as they are; direction: between unit labels; product: largest inner product",
    )

    def setup(self) -> None:
        self.fitted = Means()
        self.table = ErrorTable()
        self.drawn: dict[str, Points] = {}
        self.size = (0, 0)

    def score(
        self,
        ids: list[str],
        image: ports.Image,
        labels: ports.LabelMap,
        true_landmarks2d: ports.Landmarks2d,
        true_visible: ports.Visibility | None = None,
        *,
        phase: str = "score",
    ) -> None:
        """Add to the mean labels (``fit``) or find the landmarks of a batch (``score``)."""
        height, width = image.shape[-2:]
        labels = labels.detach().cpu().double()
        truth, counts = chosen_points(true_landmarks2d, true_visible, groups=self.points)
        stride = map_stride(labels, height=height, width=width)
        if self.metric == "direction":
            labels = torch.nn.functional.normalize(labels, dim=1)
        if phase == "fit":
            pixels = grid_to_pixels(truth.nan_to_num(), height=height, width=width)
            self.fitted.add(read_labels(labels, pixels, stride=stride), truth, counts)
            return
        if self.fitted.vectors is None or self.fitted.positions is None or self.fitted.count is None:
            return  # result says so
        counts = counts & (self.fitted.count > 0)
        cells = nearest_cells(labels, self.fitted.mean(self.fitted.vectors), metric=self.metric)
        pixels = lattice(*labels.shape[-2:], stride=stride, height=height, width=width, dtype=truth.dtype)
        found = pixels_to_grid(pixels, height=height, width=width)[cells]
        shape = self.fitted.mean(self.fitted.positions).expand_as(found)
        self.size = (height, width)
        compare(
            self.table,
            ids,
            {METHOD: found, MEAN_SHAPE: shape},
            truth=truth,
            counts=counts,
            normaliser=self.normaliser,
            size=self.size,
        )
        self.drawn.update(drawn(ids, found, truth, counts))

    fit = score

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        self.fitted.merge(other.fitted)
        self.table.merge(other.table)
        self.drawn.update(other.drawn)
        self.size = max(self.size, other.size)

    def result(self) -> Evaluation:
        """Return the error of the method and of each baseline, in per cent of the normaliser."""
        if self.fitted.count is None:
            raise ValueError("landmarks-nearest/1: no fit pass was run, so no landmark has a vector")
        return evaluation("landmarks-nearest/1", self.table, self.drawn, seen=self.fitted.count, size=self.size)


def nearest_cells(
    labels: Float[Tensor, "batch channel rows columns"], vectors: Float[Tensor, "points channel"], *, metric: str
) -> Tensor:
    """Return the index of the cell whose label is nearest to each vector, row by row from the top, ``[batch points]``.

    Args:
        metric: ``product`` for the largest inner product; anything else for the smallest distance.
    """
    flat = labels.flatten(-2)
    score = 2.0 * torch.einsum("kc,bcn->bkn", vectors, flat)
    if metric != "product":
        score = score - flat.square().sum(dim=1, keepdim=True)
    return score.nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf).argmax(dim=-1)


class Means:
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
        """Add a batch."""

        def total(values: Tensor) -> Tensor:
            return torch.where(counts[..., None], values, 0.0).sum(dim=0)

        self._add(total(vectors), total(positions), counts.double().sum(dim=0)[:, None])

    def merge(self, other: "Means") -> None:
        """Add the sums of another shard."""
        if other.vectors is not None and other.positions is not None and other.count is not None:
            self._add(other.vectors, other.positions, other.count[:, None])

    def mean(self, total: Tensor) -> Tensor:
        """Return the mean at each landmark; 0 where it was never seen."""
        assert self.count is not None
        return total / self.count.clamp_min(1.0)[:, None]

    def _add(self, vectors: Tensor, positions: Tensor, count: Tensor) -> None:
        count = count[:, 0]
        self.vectors = vectors if self.vectors is None else self.vectors + vectors
        self.positions = positions if self.positions is None else self.positions + positions
        self.count = count if self.count is None else self.count + count
