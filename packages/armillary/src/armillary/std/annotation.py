"""Measures on annotated points: scored points, the length that normalises errors, and the table of errors.

Positions are (x, y) in [-1, 1] as in ports of kind grid, or in pixels if a name has "pixel" in it. All sums are in float64 on the
CPU, so that a figure does not depend on the size of a batch.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.errors import DataError
from armillary.interfaces.evaluator import Evaluation, Figure, Points
from armillary.kernels.sampling import grid_to_pixels
from armillary.std.annotation_config import FIVE_OF_68, Groups, Normaliser

METHOD, MEAN_SHAPE, IMAGE_CENTRE, NORMALISER = "method", "mean shape", "image centre", "normaliser"
_RIGHT_EYE, _LEFT_EYE = FIVE_OF_68[:2]
_OF_68 = 68


def chosen_points(
    landmarks: Float[Tensor, "batch annotated axis"],
    visible: Bool[Tensor, "batch annotated"] | None,
    *,
    groups: Groups,
) -> tuple[Float[Tensor, "batch points axis"], Bool[Tensor, "batch points"]]:
    """Select points by groups: their positions, (x, y) or more, and a mask of the scored ones.

    Returns:
        The mean of each group's positions, in float64; and true if all points of the group are visible and the mean is inside
        the picture.

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
    return landmarks, seen & (landmarks[..., :2].abs() <= 1.0).all(dim=-1)


def normaliser_pixels(
    points: Float[Tensor, "batch points 2"], *, normaliser: Normaliser, height: int, width: int
) -> Float[Tensor, " batch"]:
    """Return the length in pixels that normalises errors; nan if it is 0 or a point that it needs has no position.

    Raises:
        DataError: the normaliser names a point that is not among the chosen ones.
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
        length = pair_distance(pixels, normaliser=normaliser)
    return torch.where(length.isfinite() & (length > 0), length, torch.nan)


def pair_distance(points: Float[Tensor, "batch points axis"], *, normaliser: Normaliser) -> Float[Tensor, " batch"]:
    """Return the distance of the normaliser's two points, or of the centres of the two eyes, in the unit of the points.

    Raises:
        DataError: it names a point that is not among the chosen ones, or eyes without 68 points.
    """
    count = points.shape[1]
    if normaliser == "eyes-of-68":
        if count != _OF_68:
            raise DataError(f"normaliser eyes-of-68 needs all 68 points of a face, but {count} are chosen")
        one, other = points[:, list(_RIGHT_EYE)].mean(dim=1), points[:, list(_LEFT_EYE)].mean(dim=1)
    else:
        assert not isinstance(normaliser, str)
        if max(normaliser) >= count:
            raise DataError(
                f"normaliser names point {max(normaliser)}, but {count} are chosen, counted from 0; "
                "type other indices, or box or image, which need none"
            )
        one, other = points[:, normaliser[0]], points[:, normaliser[1]]
    return torch.linalg.vector_norm(one - other, dim=-1)


def pixel_distance(
    found: Float[Tensor, "batch points 2"], truth: Float[Tensor, "batch points 2"], *, height: int, width: int
) -> Float[Tensor, "batch points"]:
    """Return the distance in pixels between positions in [-1, 1]."""
    apart = grid_to_pixels(found, height=height, width=width) - grid_to_pixels(truth, height=height, width=width)
    return torch.linalg.vector_norm(apart, dim=-1)


class ErrorTable:
    """Errors per point and picture, by the name of the method or baseline; nan for points that are not scored."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Tensor]] = {}

    def add(self, name: str, ids: list[str], errors: Float[Tensor, "batch points"]) -> None:
        """Add the errors of pictures."""
        self.rows.setdefault(name, {}).update(zip(ids, errors, strict=True))

    def merge(self, other: "ErrorTable") -> None:
        """Add another table; rows of one id are the same picture."""
        for name, rows in other.rows.items():
            self.rows.setdefault(name, {}).update(rows)

    def figure(self, name: str, *, unit: str) -> Figure:
        """Return the mean over all scored points, the spread of the pictures' means, and the number of scored pictures.

        Raises:
            ValueError: no point is scored in any picture.
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
        """Return the mean error of each picture with a scored point."""
        return {
            item: float(row.nanmean()) for item, row in self.rows.get(name, {}).items() if not bool(row.isnan().all())
        }

    def value(self, name: str) -> float:
        """Return the mean of all values of a name; nan without any."""
        rows = list(self.rows.get(name, {}).values())
        return float(torch.stack(rows).nanmean()) if rows else torch.nan

    def left_out(self, name: str) -> int:
        """Return the number of pictures without a scored point."""
        return sum(1 for row in self.rows.get(name, {}).values() if bool(row.isnan().all()))


def drawn(ids: list[str], found: Tensor, truth: Tensor, counts: Tensor) -> dict[str, Points]:
    """Return the points to draw over each picture, by id."""
    return {
        item: Points(predicted=a, truth=b, visible=c) for item, a, b, c in zip(ids, found, truth, counts, strict=True)
    }


def compare(
    table: ErrorTable,
    ids: list[str],
    found: Mapping[str, Tensor],
    *,
    truth: Tensor,
    counts: Tensor,
    normaliser: Normaliser,
    size: tuple[int, int],
) -> None:
    """Add errors in per cent of the normaliser to the table; nan for points that are not scored, or without a normaliser."""
    height, width = size
    length = normaliser_pixels(truth, normaliser=normaliser, height=height, width=width)[:, None]
    table.add(NORMALISER, ids, length)
    for name, value in {**found, IMAGE_CENTRE: torch.zeros_like(truth)}.items():
        error = 100.0 * pixel_distance(value, truth, height=height, width=width) / length
        table.add(name, ids, torch.where(counts, error, torch.nan))


def evaluation(
    name: str, table: ErrorTable, points: Mapping[str, Points], *, seen: Tensor, size: tuple[int, int]
) -> Evaluation:
    """Return the result of an evaluator from its table.

    Args:
        name: name of the evaluator.
        table: errors by the name of the method or baseline, with rows for :data:`METHOD` and :data:`NORMALISER`.
        points: points to draw.
        seen: number of training pictures in which each point was seen.
        size: height and width of the pictures.

    Raises:
        ValueError: no point is scored in any picture.
    """
    try:
        method = {"error": table.figure(METHOD, unit="%")}
        others = [who for who in table.rows if who not in (METHOD, NORMALISER)]
        baselines = {who: {"error": table.figure(who, unit="%")} for who in others}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    height, width = size
    notes = [
        f"the normaliser is {table.value(NORMALISER):.1f} pixels in the mean, in pictures of {width} x {height}",
    ]
    if table.left_out(METHOD):
        notes.append(f"{table.left_out(METHOD)} pictures left out: no point that counts, or no normaliser")
    missing = [str(k) for k in (seen == 0).nonzero()[:, 0].tolist()]
    if missing:
        notes.append(f"points {', '.join(missing)} left out: not seen in the training split")
    return Evaluation(
        figures=method,
        baselines=baselines,
        notes=tuple(notes),
        rows={item: {"error": value} for item, value in table.by_picture(METHOD).items()},
        points=dict(points),
    )
