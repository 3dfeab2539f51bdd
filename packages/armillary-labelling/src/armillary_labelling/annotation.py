"""What the measures on annotated points share: which points count, their labels, the normaliser, and the table of errors.

Positions are (x, y) in [-1, 1] as in grid, or in pixels where a name says so. Cell (i, j) of a label map of stride s stands at
pixel (s i, s j) of its picture. All sums are in float64 on the CPU, so that a figure does not depend on the size of a batch.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.errors import DataError
from armillary.interfaces import Figure
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid, sample
from armillary_labelling.evaluator_config import FIVE_OF_68, Groups, Normaliser


def map_stride(labels: Float[Tensor, "*batch channel rows columns"], *, height: int, width: int) -> int:
    """Pixels from one cell to the next.

    Raises:
        DataError: the map has another stride along x than along y.
    """
    rows, columns = labels.shape[-2:]
    if rows < 1 or columns < 1 or height // rows != width // columns or height // rows < 1:
        raise DataError(f"a label map of {rows} x {columns} cells has no one stride in a picture of {height} x {width}")
    return height // rows


def read_labels(
    labels: Float[Tensor, "batch channel rows columns"], pixels: Float[Tensor, "batch points 2"], *, stride: int
) -> Float[Tensor, "batch points channel"]:
    """Labels at pixel coordinates, bilinear between cells; beyond the last cell that cell's."""
    grid = pixels_to_grid(pixels / stride, height=labels.shape[-2], width=labels.shape[-1])
    return sample(labels, grid[:, None], padding="border")[:, :, 0].mT


def chosen_points(
    landmarks: Float[Tensor, "batch annotated 2"],
    visible: Bool[Tensor, "batch annotated"] | None,
    *,
    groups: Groups,
) -> tuple[Float[Tensor, "batch points 2"], Bool[Tensor, "batch points"]]:
    """Positions of the chosen points, and which of them count.

    Returns:
        The mean of each group's positions, in float64; and true where all of the group are visible and the mean lies in the
        picture.

    Raises:
        DataError: a group names a point that is not annotated.
    """
    landmarks = landmarks.detach().cpu().double()
    known = landmarks.isfinite().all(dim=-1)
    seen = known if visible is None else known & visible.detach().cpu().bool()
    if groups != "all":
        groups = FIVE_OF_68 if groups == "five-of-68" else groups
        annotated = landmarks.shape[1]
        if max(map(max, groups)) >= annotated:
            raise DataError(f"points name point {max(map(max, groups))}, but {annotated} are annotated, counted from 0")
        members = [torch.tensor(group) for group in groups]
        landmarks = torch.stack([landmarks[:, group].mean(dim=1) for group in members], dim=1)
        seen = torch.stack([seen[:, group].all(dim=1) for group in members], dim=1)
    return landmarks, seen & (landmarks.abs() <= 1.0).all(dim=-1)


def normaliser_pixels(
    points: Float[Tensor, "batch points 2"], *, normaliser: Normaliser, height: int, width: int
) -> Float[Tensor, " batch"]:
    """The length in pixels that errors are a part of; nan where it is 0 or a point that it needs has no position.

    Raises:
        DataError: it names a point that is not among those chosen.
    """
    if normaliser == "image":
        return points.new_full(points.shape[:1], float(max(height, width)))
    pixels = grid_to_pixels(points, height=height, width=width)
    if normaliser == "box":
        known = pixels.isfinite().all(dim=-1, keepdim=True)
        low = torch.where(known, pixels, torch.inf).amin(dim=1)
        high = torch.where(known, pixels, -torch.inf).amax(dim=1)
        length = (high - low).amax(dim=-1)
    else:
        if max(normaliser) >= points.shape[1]:
            raise DataError(
                f"normaliser names point {max(normaliser)}, but {points.shape[1]} are chosen, counted from 0; "
                "box and image need no names"
            )
        length = torch.linalg.vector_norm(pixels[:, normaliser[0]] - pixels[:, normaliser[1]], dim=-1)
    return torch.where(length.isfinite() & (length > 0), length, torch.nan)


def pixel_distance(
    found: Float[Tensor, "batch points 2"], truth: Float[Tensor, "batch points 2"], *, height: int, width: int
) -> Float[Tensor, "batch points"]:
    """Distance in the picture, in pixels, of positions in [-1, 1]."""
    apart = grid_to_pixels(found, height=height, width=width) - grid_to_pixels(truth, height=height, width=width)
    return torch.linalg.vector_norm(apart, dim=-1)


class ErrorTable:
    """Errors of each point of each picture, by who found it; nan where a point does not count."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Tensor]] = {}

    def add(self, name: str, ids: list[str], errors: Float[Tensor, "batch points"]) -> None:
        """Take in the errors of pictures."""
        self.rows.setdefault(name, {}).update(zip(ids, errors, strict=True))

    def merge(self, other: "ErrorTable") -> None:
        """Take in another table; rows of one id are the same picture."""
        for name, rows in other.rows.items():
            self.rows.setdefault(name, {}).update(rows)

    def figure(self, name: str, *, unit: str) -> Figure:
        """Mean over all points that count, spread over the pictures' means, number of pictures with a point that counts.

        Raises:
            ValueError: no point counts in any picture.
        """
        rows = self.rows.get(name, {})
        errors = torch.stack([rows[item] for item in sorted(rows)]) if rows else torch.empty(0, 1)
        counts = ~errors.isnan()
        pictures = counts.any(dim=1)
        if not bool(pictures.any()):
            raise ValueError("no annotated point is visible in any picture that was scored")
        means = errors[pictures].nanmean(dim=1)
        return Figure(
            value=float(errors.nansum() / counts.sum()),
            spread=float(means.std()) if len(means) > 1 else None,
            unit=unit,
            count=len(means),
        )

    def by_picture(self, name: str) -> Mapping[str, float]:
        """Mean error of each picture with a point that counts."""
        return {
            item: float(row.nanmean()) for item, row in self.rows.get(name, {}).items() if not bool(row.isnan().all())
        }

    def value(self, name: str) -> float:
        """Mean over the numbers of a name; nan without any."""
        rows = list(self.rows.get(name, {}).values())
        return float(torch.stack(rows).nanmean()) if rows else torch.nan

    def left_out(self, name: str) -> int:
        """Number of pictures without a point that counts."""
        return sum(1 for row in self.rows.get(name, {}).values() if bool(row.isnan().all()))
