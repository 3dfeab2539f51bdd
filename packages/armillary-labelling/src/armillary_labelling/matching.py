"""Error of points carried from one picture to another by their labels."""

import math

import torch
from attrs.validators import gt
from jaxtyping import Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Evaluation
from armillary.kernels.sampling import grid_to_pixels
from armillary.specs import Use
from armillary.std.annotation import ErrorTable, chosen_points
from armillary.std.annotation_config import WHICH_POINTS, Groups, check_groups
from armillary.std.label_maps import lattice, map_stride, nearest_cells
from armillary.std.rows import Rows

_METHOD, _STAY, _ANY = "method", "stay", "any cell"
_SAME, _DIFFERENT = "same", "different"
_SOURCE = "jamt9000/DVE, test_matching.py"

HALF_STRENGTH_PAIR = Use(
    "labelling:tps-pair",
    settings={
        "warp": 0.0005,
        "strong_warp": 0.005,
        "translation": 0.05,
        "scale": 0.05,
        "rotation": math.radians(2.5),
        "first_warp": 1.0,
        "first_affine": 1.0,
        "landmarks": True,
    },
)
"""Pairs of warped pictures at half strength: jamt9000/DVE, test_matching.py."""


class Matching(
    Rows, name="matching/1", source=_SOURCE, summary="landmarks matched between two pictures by their labels"
):
    """Error of landmarks of one view matched to another view of the same picture, and to one of the next picture.

    Views are kept until ``result``, where pictures are paired in the order of their ids.

    Source: jamt9000/DVE, test_matching.py. Deviates: every picture is paired with the next one, not every second; landmarks
    that are not visible in both views do not count.
    """

    transforms = (HALF_STRENGTH_PAIR,)
    calls = "forward"
    protocol = (
        "every picture is warped twice at half strength; the label at a landmark of the more warped view is matched to "
        "the cell of another view with the largest inner product, without interpolation: of the less warped view of the "
        "same picture (same), and of the next picture in the order of ids, the last one's next being the first "
        "(different). The error is in pixels of a picture of 70 pixels; mean over landmarks visible in both views. "
        "Baselines: the landmark's own position (stay), and the mean over all cells (any cell)."
    )

    points: Groups = param("all", source=_SOURCE, validator=check_groups, help=WHICH_POINTS)
    frame: float = param(
        70.0,
        unit="pixel",
        source=_SOURCE,
        validator=gt(0),
        help="side of the picture in which the error is told",
    )

    def score(
        self,
        ids: list[str],
        *,
        source: ports.Image,
        target: ports.Image,
        source_labels: ports.LabelMap,
        target_labels: ports.LabelMap,
        source_landmarks2d: ports.Landmarks2d,
        target_landmarks2d: ports.Landmarks2d,
        source_visible: ports.Visibility | None = None,
        target_visible: ports.Visibility | None = None,
    ) -> None:
        """Keep the labels at the source's landmarks, and all labels of the target."""
        del source
        height, width = target.shape[-2:]
        self.size = (height, width)
        labels = target_labels.detach().cpu()
        stride = map_stride(labels, height=height, width=width)
        start, seen = chosen_points(source_landmarks2d, source_visible, groups=self.points)
        end, found = chosen_points(target_landmarks2d, target_visible, groups=self.points)
        pixels = grid_to_pixels(start, height=height, width=width)
        queries = labels_at_cells(source_labels.detach().cpu(), pixels.nan_to_num(), stride=stride)
        self.keep("score", ids, queries, pixels, seen, labels, grid_to_pixels(end, height=height, width=width), found)

    def result(self) -> Evaluation:
        """Return the error of both matchings and of each baseline, in pixels of the frame."""
        ids = sorted(self.kept["score"])
        if not ids:
            raise ValueError("matching/1: no picture with landmarks was scored")
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
        """Return errors of one picture's landmarks in another's target, in pixels of the frame."""
        height, width = self.size
        queries, start, seen, *_ = self.kept["score"][item]
        *_, target, end, found = self.kept["score"][other]
        stride = map_stride(target, height=height, width=width)
        cells = lattice(*target.shape[-2:], stride=stride, height=height, width=width, dtype=end.dtype)
        matched = nearest_cells(target[None].double(), queries.double(), metric="product")[0]
        errors = {
            _METHOD: torch.linalg.vector_norm(cells[matched] - end, dim=-1),
            _STAY: torch.linalg.vector_norm(start - end, dim=-1),
            _ANY: torch.linalg.vector_norm(cells[:, None] - end, dim=-1).mean(dim=0),
        }
        scale = self.frame / max(height, width)
        return {name: torch.where(seen & found, scale * error, torch.nan) for name, error in errors.items()}


def labels_at_cells(
    labels: Float[Tensor, "batch channel rows columns"], pixels: Float[Tensor, "batch points 2"], *, stride: int
) -> Float[Tensor, "batch points channel"]:
    """Return the labels of the cells nearest to pixel coordinates; beyond the last cell that cell's."""
    rows, columns = labels.shape[-2:]
    cell = (pixels / stride).round().long()
    place = cell[..., 1].clamp(0, rows - 1) * columns + cell[..., 0].clamp(0, columns - 1)
    return labels.flatten(-2).mT.gather(1, place[..., None].expand(-1, -1, labels.shape[1]))
