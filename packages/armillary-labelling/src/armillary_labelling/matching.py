"""How well labels carry points from one picture to another."""

from collections.abc import Mapping
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.interfaces import Evaluation, Evaluator
from armillary.kernels.sampling import grid_to_pixels
from armillary.ports import Shape
from armillary.std.annotation import ErrorTable, chosen_points
from armillary_labelling.annotation import map_stride
from armillary_labelling.evaluator_config import MatchingConfig
from armillary_labelling.kernels.matching import lattice
from armillary_labelling.landmarks import nearest_cells

_METHOD, _STAY, _ANY = "method", "stay", "any cell"
_SAME, _DIFFERENT = "same", "different"


class Matching(Evaluator):
    """``matching/1``: landmarks of one view matched to another view of the same picture, and to one of the next picture.

    Views are kept until ``result``, where pictures are paired in the order of their ids.

    Source: jamt9000/DVE, test_matching.py. Deviates: every picture is paired with the next one, not every second; landmarks
    that are not visible in both views do not count.
    """

    def __init__(self, config: MatchingConfig) -> None:
        self.config = config
        self.views: dict[str, tuple[Tensor, ...]] = {}
        self.size: tuple[int, int] | None = None

    @classmethod
    def build(cls, config: MatchingConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the labels at the source's landmarks, and all labels of the target."""
        del phase
        height, width = ports["target"].shape[-2:]
        self.size = (height, width)
        source, target = ports["source_labels"].detach().cpu(), ports["target_labels"].detach().cpu()
        stride = map_stride(target, height=height, width=width)
        start, seen = chosen_points(ports["source_landmarks2d"], ports.get("source_visible"), groups=self.config.points)
        end, found = chosen_points(ports["target_landmarks2d"], ports.get("target_visible"), groups=self.config.points)
        pixels = grid_to_pixels(start, height=height, width=width)
        queries = labels_at_cells(source, pixels.nan_to_num(), stride=stride)
        pixel_ends = grid_to_pixels(end, height=height, width=width)
        kept = zip(queries, pixels, seen, target, pixel_ends, found, strict=True)
        self.views.update(zip(ids, kept, strict=True))

    def merge(self, other: Self) -> None:
        """Take in another shard: pictures join by id."""
        self.views.update(other.views)
        self.size = self.size or other.size

    def result(self) -> Evaluation:
        """Return the error of both matchings and of each baseline, in pixels of the frame."""
        if not self.views or self.size is None:
            raise ValueError("matching/1: no picture with landmarks was scored")
        ids = sorted(self.views)
        tables = {_SAME: ErrorTable()}
        if len(ids) > 1:
            tables[_DIFFERENT] = ErrorTable()
        for index, item in enumerate(ids):
            for measure, table in tables.items():
                other = item if measure == _SAME else ids[(index + 1) % len(ids)]
                for name, errors in self._errors(item, other).items():
                    table.add(name, [item], errors[None])
        try:
            figures = {
                name: {measure: table.figure(name, unit="pixel") for measure, table in tables.items()}
                for name in (_METHOD, _STAY, _ANY)
            }
        except ValueError as error:
            raise ValueError(f"matching/1: {error}") from error
        rows = {item: {} for item in ids}
        for measure, table in tables.items():
            for item, value in table.by_picture(_METHOD).items():
                rows[item][measure] = value
        notes = () if len(ids) > 1 else ("one picture has no next one: different was not measured",)
        return Evaluation(figures=figures.pop(_METHOD), baselines=figures, notes=notes, rows=rows)

    def _errors(self, item: str, other: str) -> dict[str, Tensor]:
        """Errors of one picture's landmarks in another's target, in pixels of the frame."""
        assert self.size is not None
        height, width = self.size
        queries, start, seen, *_ = self.views[item]
        *_, target, end, found = self.views[other]
        stride = map_stride(target, height=height, width=width)
        cells = lattice(*target.shape[-2:], stride=stride, height=height, width=width, dtype=end.dtype)
        matched = nearest_cells(target[None].double(), queries.double(), metric="product")[0]
        errors = {
            _METHOD: torch.linalg.vector_norm(cells[matched] - end, dim=-1),
            _STAY: torch.linalg.vector_norm(start - end, dim=-1),
            _ANY: torch.linalg.vector_norm(cells[:, None] - end, dim=-1).mean(dim=0),
        }
        scale = self.config.frame / max(height, width)
        return {name: torch.where(seen & found, scale * error, torch.nan) for name, error in errors.items()}


def labels_at_cells(
    labels: Float[Tensor, "batch channel rows columns"], pixels: Float[Tensor, "batch points 2"], *, stride: int
) -> Float[Tensor, "batch points channel"]:
    """Labels of the cells nearest to pixel coordinates; beyond the last cell that cell's."""
    rows, columns = labels.shape[-2:]
    cell = (pixels / stride).round().long()
    place = cell[..., 1].clamp(0, rows - 1) * columns + cell[..., 0].clamp(0, columns - 1)
    return labels.flatten(-2).mT.gather(1, place[..., None].expand(-1, -1, labels.shape[1]))
