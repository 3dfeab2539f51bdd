"""Whether one point of the object has one label in every picture, and another point another.

A point is known by its true coordinates in the object's own frame; labels are read at cells, and cell (i, j) of a map of stride
s stands at pixel (s i, s j) of its picture. Angles are in degrees between directions of labels. Sums are in float64, over
pictures in the order of their ids.
"""

import math
from collections.abc import Mapping
from typing import Self

import attrs
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces import Evaluation, Evaluator, Figure
from armillary.ports import Shape
from armillary_labelling.annotation import map_stride
from armillary_labelling.evaluator_config import LabelConsistencyConfig

_METHOD = "method"
_CANDIDATES = 8192  # object points among which the anchors are spread
_BELTS, _SECTORS = 6, 8  # equal heights by equal longitudes: cells of equal area
_STEPS = 5  # of Gauss and Newton, on a bilinear patch: exact where the patch is a parallelogram after one


class LabelConsistency(Evaluator):
    """``label-consistency/1``: spread of one point's labels, distance between those of two, and whether they tell them apart.

    Pictures are kept until ``result``, where the points are chosen among all that is seen of the object.
    """

    def __init__(self, config: LabelConsistencyConfig) -> None:
        self.config = config
        self.pictures: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    @classmethod
    def build(cls, config: LabelConsistencyConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep labels, coordinates and mask of a batch at the map's cells."""
        del phase
        height, width = ports["image"].shape[-2:]
        labels = ports["labels"].detach().cpu().float()
        stride = map_stride(labels, height=height, width=width)
        rows, columns = (slice(0, stride * cells, stride) for cells in labels.shape[-2:])
        coordinates = ports["true_coordinates"].detach()[..., rows, columns].cpu().float()
        mask = ports["true_mask"].detach()[:, 0, rows, columns].cpu().bool() & coordinates.isfinite().all(dim=1)
        self.pictures.update(zip(ids, zip(labels, coordinates, mask, strict=True), strict=True))

    def merge(self, other: Self) -> None:
        """Take in another shard: pictures join by id."""
        self.pictures.update(other.pictures)

    def result(self) -> Evaluation:
        """Return spread, apart, used and pck of the method and of constant, picture-position and random labels."""
        ids = sorted(self.pictures)
        if not any(bool(self.pictures[item][2].any()) for item in ids):
            raise ValueError("label-consistency/1: no picture with object coordinates was scored")
        config = self.config
        generator = torch.Generator().manual_seed(config.seed)
        anchors = spread_points(self._seen(ids, generator), count=config.anchors)
        found = [self._read(item, anchors) for item in ids]
        read = torch.stack([counts for _, _, counts in found])
        often = read.sum(dim=0) >= config.pictures
        if int(often.sum()) < 2:
            raise ValueError(
                f"label-consistency/1: no two points of the object are read in {config.pictures} pictures each; "
                "more pictures, or the setting pictures, may help"
            )
        anchors, read = anchors[often], read[:, often]
        place = torch.stack([where for _, where, _ in found])[:, often]
        labels = {
            _METHOD: torch.stack([values for values, _, _ in found])[:, often],
            "constant": torch.tensor((0.0, 0.0, 1.0), dtype=torch.float64).expand(*read.shape, 3),
            "picture position": _hemisphere(place),
            "random": torch.randn(*read.shape, 3, generator=generator, dtype=torch.float64),
        }
        measured = {name: measure(value, read, anchors=anchors, near=config.near) for name, value in labels.items()}
        own = measured[_METHOD]
        notes = [
            f"{len(anchors)} of {len(often)} points of the object are read in {config.pictures} pictures or more, "
            f"{int(read.sum())} readings in all"
        ]
        if own.undirected:
            notes.append(f"{own.undirected} readings have no direction: counted as 90 degrees off, and not found")
        rows = {
            item: {"spread": float(angle[counts].mean()), "pck": 100.0 * float(right[counts].double().mean())}
            for item, angle, right, counts in zip(ids, own.angles, own.right, read, strict=True)
            if bool(counts.any())
        }
        figures = {name: _figures(value, read) for name, value in measured.items()}
        return Evaluation(figures=figures.pop(_METHOD), baselines=figures, notes=tuple(notes), rows=rows)

    def _seen(self, ids: list[str], generator: torch.Generator) -> Float[Tensor, "points 3"]:
        """Coordinates of object cells, drawn from those of all pictures."""
        seen = torch.cat([self.pictures[item][1][:, self.pictures[item][2]].T for item in ids]).double()
        return seen[torch.randperm(len(seen), generator=generator)[:_CANDIDATES]]

    def _read(self, item: str, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Labels at the anchors, where they stand in [-1, 1], and which of them were found."""
        labels, coordinates, mask = self.pictures[item]
        cells, counts = locate(
            coordinates.double(), mask, anchors, tolerance=self.config.tolerance, stretch=self.config.stretch
        )
        values = _bilinear(labels.double(), cells)
        extent = torch.tensor([max(labels.shape[-1] - 1, 1), max(labels.shape[-2] - 1, 1)], dtype=cells.dtype)
        return values, 2.0 * cells / extent - 1.0, counts


def spread_points(points: Float[Tensor, "points 3"], *, count: int) -> Float[Tensor, "anchors 3"]:
    """Points spread evenly: the one nearest to the mean, then always the one farthest from those chosen, no point twice."""
    chosen = [int((points - points.mean(dim=0)).square().sum(dim=-1).argmin())]
    distance = torch.full((len(points),), torch.inf, dtype=points.dtype)
    while len(chosen) < count:
        distance = torch.minimum(distance, (points - points[chosen[-1]]).square().sum(dim=-1))
        farthest = int(distance.argmax())
        if distance[farthest] == 0:
            break
        chosen.append(farthest)
    return points[chosen]


def locate(
    coordinates: Float[Tensor, "3 rows columns"],
    mask: Bool[Tensor, "rows columns"],
    anchors: Float[Tensor, "anchors 3"],
    *,
    tolerance: float,
    stretch: float,
) -> tuple[Float[Tensor, "anchors 2"], Bool[Tensor, " anchors"]]:
    """Where a picture shows points of the object, in cells (x, y), and which of them it shows.

    Beside the cell that shows the nearest point, the four patches of four cells are inverted: each maps its unit square to the
    object bilinearly. The patch that comes nearest to the point wins.

    Args:
        coordinates: of the object's point at each cell; may hold anything outside the mask.
        mask: cells on the object. A patch counts when all of its cells are.
        anchors: the points.
        tolerance: largest distance between the point and the place that was found, in sides of the patch.
        stretch: a patch does not count when a side is longer than so many median sides: across a fold it is no surface.

    Returns:
        Cells, 0 where nothing was found, and true where something was.
    """
    rows, columns = mask.shape
    cells = torch.zeros(len(anchors), 2, dtype=anchors.dtype)
    side = _median_side(coordinates, mask)
    if rows < 2 or columns < 2 or side is None:
        return cells, torch.zeros(len(anchors), dtype=torch.bool)
    inside = mask.flatten().nonzero()[:, 0]
    surface = torch.where(mask, coordinates, 0.0).flatten(1).T
    nearest = inside[torch.cdist(anchors, surface[inside]).argmin(dim=1)]
    y, x = nearest // columns, nearest % columns
    # The corner at the upper left of each of the four patches around the nearest cell.
    top = (y[:, None] + torch.tensor([-1, -1, 0, 0])).clamp(0, rows - 2)
    left = (x[:, None] + torch.tensor([-1, 0, -1, 0])).clamp(0, columns - 2)
    index = (top * columns + left)[..., None] + torch.tensor([0, 1, columns, columns + 1])
    corners = surface[index]  # anchors, patches, corners, 3
    at, residual, longest, mean = _invert(corners, anchors)
    fits = mask.flatten()[index].all(dim=-1) & (longest <= stretch * side) & (residual <= tolerance * mean)
    best = torch.where(fits, residual, torch.inf).argmin(dim=1, keepdim=True)
    found = fits.gather(1, best)[:, 0]
    cells = torch.stack((left, top), dim=-1) + at
    cells = cells.gather(1, best[..., None].expand(-1, -1, 2))[:, 0]
    return torch.where(found[:, None], cells, 0.0), found


def _invert(corners: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place in each patch nearest to its anchor, (x, y) in [0, 1]; the distance left; longest and mean side of the patch."""
    origin = corners[..., 0, :]
    along_x, along_y = corners[..., 1, :] - origin, corners[..., 2, :] - origin
    twist = corners[..., 3, :] - corners[..., 2, :] - along_x
    target = anchors[:, None] - origin
    at = torch.full((*corners.shape[:2], 2), 0.5, dtype=corners.dtype)
    for _ in range(_STEPS):
        x, y = at[..., :1], at[..., 1:]
        error = target - (x * along_x + y * along_y + x * y * twist)
        slope_x, slope_y = along_x + y * twist, along_y + x * twist
        xx, xy, yy = (slope_x**2).sum(-1), (slope_x * slope_y).sum(-1), (slope_y**2).sum(-1)
        ex, ey = (slope_x * error).sum(-1), (slope_y * error).sum(-1)
        determinant = xx * yy - xy * xy
        flat = determinant <= torch.finfo(at.dtype).eps * (xx * yy)
        determinant = torch.where(flat, torch.inf, determinant)
        step = torch.stack((yy * ex - xy * ey, xx * ey - xy * ex), dim=-1) / determinant[..., None]
        at = (at + step).clamp(-1.0, 2.0)
    at = at.clamp(0.0, 1.0)
    x, y = at[..., :1], at[..., 1:]
    residual = torch.linalg.vector_norm(target - (x * along_x + y * along_y + x * y * twist), dim=-1)
    sides = torch.stack((along_x, along_y, along_x + twist, along_y + twist), dim=-2)
    lengths = torch.linalg.vector_norm(sides, dim=-1)
    return at, residual, lengths.amax(dim=-1), lengths.mean(dim=-1)


def _median_side(coordinates: Tensor, mask: Tensor) -> Tensor | None:
    """Median distance on the object between neighbouring cells."""
    steps = []
    for axis in (0, 1):
        both = mask.narrow(axis, 1, mask.shape[axis] - 1) & mask.narrow(axis, 0, mask.shape[axis] - 1)
        difference = torch.diff(torch.where(mask, coordinates, 0.0), dim=axis + 1)
        steps.append(torch.linalg.vector_norm(difference, dim=0)[both])
    lengths = torch.cat(steps)
    return lengths.median() if len(lengths) else None


def _bilinear(values: Float[Tensor, "channel rows columns"], cells: Float[Tensor, "points 2"]) -> Tensor:
    rows, columns = values.shape[-2:]
    flat = values.flatten(1).T
    low = cells.floor().long()
    x0, y0 = low[:, 0].clamp(0, columns - 1), low[:, 1].clamp(0, rows - 1)
    x1, y1 = (x0 + 1).clamp_max(columns - 1), (y0 + 1).clamp_max(rows - 1)
    x, y = (cells - torch.stack((x0, y0), dim=-1)).split(1, dim=-1)
    top = flat[y0 * columns + x0] * (1 - x) + flat[y0 * columns + x1] * x
    bottom = flat[y1 * columns + x0] * (1 - x) + flat[y1 * columns + x1] * x
    return top * (1 - y) + bottom * y


def _hemisphere(place: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    """Directions of positions in the square [-1, 1], without distortion of areas: its corners on the equator."""
    x, y = (place / math.sqrt(2.0)).unbind(-1)
    height = 1.0 - x.square() - y.square()
    across = (2.0 - x.square() - y.square()).clamp_min(0.0).sqrt()
    return torch.stack((x * across, y * across, height), dim=-1)


@attrs.frozen(kw_only=True, eq=False)
class Consistency:
    """What labels say of points.

    Args:
        angles: of each reading to its point's mean direction, degrees, ``[pictures anchors]``; 0 where nothing was read.
        right: readings that lead back to their point.
        means: mean direction of each point, unit length.
        undirected: readings without a direction.
    """

    angles: Tensor
    right: Tensor
    means: Tensor
    undirected: int


def measure(
    labels: Float[Tensor, "pictures anchors 3"],
    read: Bool[Tensor, "pictures anchors"],
    *,
    anchors: Float[Tensor, "anchors 3"],
    near: float,
) -> Consistency:
    """Compare every reading with its point's mean direction, and with those of all points.

    Args:
        labels: of any length; may hold anything where nothing was read.
        read: which readings there are.
        anchors: the points, on the object.
        near: a reading is right when the point with the nearest mean lies so near to its own, in the largest distance of two
            points. The reading itself is left out of its own point's mean.
    """
    labels = torch.where(read[..., None], labels, 0.0)
    length = torch.linalg.vector_norm(labels, dim=-1, keepdim=True)
    directed = (length[..., 0] > 0) & length[..., 0].isfinite()
    unit = torch.where(directed[..., None], labels / torch.where(directed[..., None], length, 1.0), 0.0)
    total = unit.sum(dim=0)
    means = _unit(total)
    angles = _degrees(unit, means)
    apart = torch.cdist(anchors, anchors)
    close = apart <= near * apart.max()
    right = torch.zeros_like(read)
    each = torch.arange(len(anchors))
    for index, row in enumerate(unit):
        likeness = row @ means.T
        likeness[each, each] = (row * _unit(total - row)).sum(dim=-1)
        right[index] = close[each, likeness.argmax(dim=1)] & directed[index]
    return Consistency(
        angles=torch.where(read, angles, 0.0), right=right, means=means, undirected=int((read & ~directed).sum())
    )


def _unit(vectors: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return torch.where(length > 0, vectors / torch.where(length > 0, length, 1.0), 0.0)


def _degrees(a: Tensor, b: Tensor) -> Tensor:
    """Angle between vectors; 90 where one has no direction, its mean over all directions."""
    a, b = torch.broadcast_tensors(a, b)
    cross = torch.linalg.vector_norm(torch.linalg.cross(a, b, dim=-1), dim=-1)
    inner = (a * b).sum(dim=-1)
    return torch.where((cross == 0) & (inner == 0), 90.0, torch.rad2deg(torch.atan2(cross, inner)))


def _figures(found: Consistency, read: Tensor) -> dict[str, Figure]:
    per_anchor = found.angles.sum(dim=0) / read.sum(dim=0)
    one, other = torch.triu_indices(len(found.means), len(found.means), offset=1)
    between = _degrees(found.means[one], found.means[other])
    return {
        "spread": Figure(
            value=float(per_anchor.quantile(0.5)), spread=float(per_anchor.std()), unit="degree", count=len(per_anchor)
        ),
        "apart": Figure(
            value=float(between.mean()), spread=float(between.std()), unit="degree", count=len(between), better="higher"
        ),
        "used": Figure(value=100.0 * _share_of_sphere(found.means), unit="%", count=len(per_anchor), better="higher"),
        "pck": Figure(
            value=100.0 * float(found.right[read].double().mean()), unit="%", count=int(read.sum()), better="higher"
        ),
    }


def _share_of_sphere(directions: Float[Tensor, "points 3"]) -> float:
    """Part of the sphere's equal cells that hold a direction."""
    belt = ((directions[:, 2] + 1.0) / 2.0 * _BELTS).long().clamp(0, _BELTS - 1)
    longitude = torch.atan2(directions[:, 1], directions[:, 0])
    sector = ((longitude / (2.0 * math.pi) + 0.5) * _SECTORS).long().clamp(0, _SECTORS - 1)
    return len((belt * _SECTORS + sector).unique()) / (_BELTS * _SECTORS)
