"""Measures of a found mask: overlap with the true one."""

from typing import ClassVar, Self

import torch
from attrs.validators import gt, lt
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.evaluator import Evaluation
from armillary.std.scores import METHOD, AverageMap, Column, Scores

_EVERINGHAM = "Everingham et al. 2010, doi:10.1007/s11263-009-0275-4, Section 4.3"
_HALF = 0.5
_LEVELS = torch.logspace(-3.0, 1.0, 81)  # thresholds of a standard deviation, in image units

Where = Bool[Tensor, "batch 1 height width"]


def overlap(found: Bool[Tensor, "*#batch 1 height width"], truth: Bool[Tensor, "*#batch 1 height width"]) -> Tensor:
    """Return intersection over union per mask; nan where both are empty."""
    both, either = (found & truth).sum(dim=(-3, -2, -1)), (found | truth).sum(dim=(-3, -2, -1))
    return both / either


class _MaskScores(Scores):
    """Base of the measures of masks."""

    columns: ClassVar = {"iou": Column(of="iou", better="higher")}

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.average = AverageMap()

    def keep_masks(self, found: Where, truth: Where, *, ids: list[str]) -> None:
        """Measure a batch of masks and the guesses."""
        everyone = {METHOD: found, "everything": torch.ones_like(truth)}
        average = self.average.map()
        if average is not None:
            everyone["average mask"] = (average > _HALF).to(truth.device).expand_as(truth)
        for who, mask in everyone.items():
            self.keep(who, ids, iou=overlap(mask, truth).double())

    def average_in(self, truth: Where) -> None:
        """Add a batch of true masks to the average."""
        self.average.update(truth.double(), torch.ones_like(truth))

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        super().merge(other)
        self.average.merge(other.average)

    def result(self) -> Evaluation:
        """Return the figures of the method and of each guess."""
        notes = () if self.average.map() is not None else ("no guess average mask: no fit pass was run",)
        return self.evaluation(*notes, *self.more_notes(), why_left_out="both masks are empty")

    def more_notes(self) -> tuple[str, ...]:
        """Return further notes."""
        return ()


class MaskOverlap(_MaskScores, name="mask-overlap/1", source=_EVERINGHAM):
    """Overlap of a found mask with the true one."""

    protocol = (
        "intersection over union of the found mask (true, or above the threshold) and the true one; mean and standard "
        "deviation over pictures. Guesses: every pixel, and the pixels that more than half of the training masks hold."
    )
    threshold: float = param(0.5, validator=[gt(0), lt(1)], source="ours", help="of a mask that is no boolean")

    def fit(self, ids: list[str], true_mask: ports.Mask) -> None:
        """Add a batch to the average mask."""
        del ids
        self.average_in(true_mask.bool())

    def score(self, ids: list[str], mask: ports.Mask, true_mask: ports.Mask) -> None:
        """Measure a batch."""
        found = mask if mask.dtype == torch.bool else mask > self.threshold
        self.keep_masks(found, true_mask.bool(), ids=ids)


class ConfidenceOverlap(_MaskScores, name="confidence-overlap/1", source=_EVERINGHAM):
    """Overlap with the true mask of the pixels of which a method is confident."""

    protocol = (
        "intersection over union of the true mask and the pixels whose standard deviation is below, or above, one threshold; side "
        "and threshold are those with the largest mean overlap on the training split; mean and standard deviation over pictures. "
        "Guesses: every pixel, and the pixels that more than half of the training masks hold."
    )
    fit_outputs = True

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.total = torch.zeros(2, len(_LEVELS), dtype=torch.float64)

    def fit(self, ids: list[str], confidence: ports.Confidence, true_mask: ports.Mask) -> None:
        """Add a batch to the overlap of each threshold."""
        del ids
        truth = true_mask.bool()
        self.average_in(truth)
        found = torch.stack([_split(confidence, place) for place in range(2 * len(_LEVELS))])
        self.total += overlap(found, truth).double().nan_to_num().sum(dim=1).reshape(2, -1).cpu()

    def score(self, ids: list[str], confidence: ports.Confidence, true_mask: ports.Mask) -> None:
        """Measure a batch; without a fit pass every pixel is found."""
        found = _split(confidence, int(self.total.argmax())) if self.total.any() else torch.ones_like(confidence) > 0
        self.keep_masks(found, true_mask.bool(), ids=ids)

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        super().merge(other)
        self.total += other.total

    def more_notes(self) -> tuple[str, ...]:
        """Return the side and the threshold."""
        if not self.total.any():
            return ("no threshold: no fit pass was run, every pixel was taken",)
        side, place = divmod(int(self.total.argmax()), len(_LEVELS))
        return (f"pixels with a standard deviation {('below', 'above')[side]} {float(_LEVELS[place]):.3g} were taken",)


def _split(confidence: Float[Tensor, "batch 1 height width"], place: int) -> Where:
    side, level = divmod(place, len(_LEVELS))
    below = confidence < _LEVELS[level].to(confidence)
    return ~below if side else below
