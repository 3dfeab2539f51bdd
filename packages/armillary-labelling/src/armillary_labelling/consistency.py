"""Agreement of the labels of one object point in every picture, and their distance from those of another point.

A point is known by its true coordinates in the object's own frame; labels are read at cells, and cell (i, j) of a map of stride
s lies at pixel (s i, s j) of its picture. Angles are in degrees between directions of labels. Sums are in float64, over
pictures in the order of their ids.
"""

import math
from typing import Annotated

import attrs
import torch
from attrs.validators import and_, ge, gt, le
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Evaluation, Figure
from armillary.std.label_maps import map_stride
from armillary.std.rows import Rows

_METHOD = "method"
_CANDIDATES = 8192  # object points among which the anchors are spread
_BELTS, _SECTORS = 6, 8  # equal heights by equal longitudes: cells of equal area
_STEPS = 5  # of Gauss and Newton, on a bilinear patch: exact where the patch is a parallelogram after one

SphereLabels = Annotated[ports.LabelMap, "batch 3 rows columns"]
"""Points of the sphere, no descriptors."""


class LabelConsistency(
    Rows,
    name="label-consistency/1",
    source="ours: a number for what Figures 4 and 6 of Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932 show",
    summary="whether a point of the object has one label in every picture, and another point another",
):
    """Spread of one point's labels, distance between those of two points, and share of readings that lead back to their point.

    Pictures are kept until ``result``, where the points are chosen among all that is seen of the object.
    """

    protocol = (
        "points of the object, spread evenly over what is seen of it, are found in every picture by their true "
        "coordinates between four cells on the object, to a quarter of a cell, and the label is read there bilinearly; a "
        "point counts that is read in 5 pictures. spread: angle between a "
        "point's labels and their mean direction, mean over pictures, median over points. apart: mean angle between the "
        "mean directions of two points (90 for points uniform on the sphere). used: part of 48 equal cells of the sphere "
        "that hold a mean direction. pck: readings for which the point with the nearest mean label lies within 10 per "
        "cent of the object's extent of the true one, the reading itself left out of its point's mean. A constant "
        "labelling has spread 0, and a pck of chance. Baselines by the same readings: constant labels, the position in "
        "the picture as the label, and random labels."
    )

    anchors: int = param(256, unit="point", validator=ge(2), help="points of the object that are followed")
    pictures: int = param(5, unit="picture", validator=ge(2), help="a point counts that is read in so many at least")
    tolerance: float = param(
        0.25,
        unit="cell",
        validator=gt(0),
        help="largest distance on the object between a point and the place where it is read, in sides of a cell",
    )
    stretch: float = param(
        3.0,
        unit="median side of a cell on the object",
        validator=ge(1),
        help="nothing is read between cells that lie further apart on the object: there it folds, or is seen edge on",
    )
    near: float = param(
        0.1,
        unit="share of the object's extent",
        validator=and_(gt(0), le(1)),
        help="a reading is found again when the point of the nearest mean label lies so near on the object",
    )
    seed: int = param(0, validator=ge(0), help="of the points among which the anchors are chosen, and of random labels")

    def score(
        self,
        ids: list[str],
        image: ports.Image,
        labels: SphereLabels,
        true_coordinates: Annotated[ports.CoordinateMap, ports.Of(frame="object")],
        true_mask: ports.Mask,
    ) -> None:
        """Keep labels, coordinates and mask of a batch at the map's cells."""
        height, width = image.shape[-2:]
        labels = labels.detach().cpu().float()
        stride = map_stride(labels, height=height, width=width)
        rows, columns = (slice(0, stride * cells, stride) for cells in labels.shape[-2:])
        coordinates = true_coordinates.detach()[..., rows, columns].cpu().float()
        mask = true_mask.detach()[:, 0, rows, columns].cpu().bool() & coordinates.isfinite().all(dim=1)
        self.keep("score", ids, labels, coordinates, mask)

    def result(self) -> Evaluation:
        """Return spread, apart, used and pck of the method and of constant, picture-position and random labels."""
        ids = sorted(self.kept["score"])
        generator = torch.Generator().manual_seed(self.seed)
        anchors = spread_points(self._seen(ids, generator), count=self.anchors)
        values, place, read = (
            torch.stack(column) for column in zip(*(self._read(item, anchors) for item in ids), strict=True)
        )
        often = read.sum(dim=0) >= self.pictures
        if int(often.sum()) < 2:
            raise ValueError(
                f"label-consistency/1: no two points of the object are read in {self.pictures} pictures each; "
                "more pictures, or the setting pictures, may help"
            )
        anchors, values, place, read = anchors[often], values[:, often], place[:, often], read[:, often]
        labels = {
            _METHOD: values,
            "constant": torch.tensor((0.0, 0.0, 1.0), dtype=torch.float64).expand(*read.shape, 3),
            "picture position": _hemisphere(place),
            "random": torch.randn(*read.shape, 3, generator=generator, dtype=torch.float64),
        }
        measured = {name: measure(value, read, anchors=anchors, near=self.near) for name, value in labels.items()}
        own = measured[_METHOD]
        notes = [
            f"{len(anchors)} of {len(often)} points of the object are read in {self.pictures} pictures or more, "
            f"{int(read.sum())} readings in all"
        ]
        if own.undirected:
            notes.append(f"{own.undirected} readings have no direction: counted as 90 degrees off, and not found")
        figures = {name: _figures(value, read) for name, value in measured.items()}
        rows = _by_picture(ids, own, read)
        return Evaluation(figures=figures.pop(_METHOD), baselines=figures, notes=tuple(notes), rows=rows)

    def _seen(self, ids: list[str], generator: torch.Generator) -> Float[Tensor, "points 3"]:
        """Return coordinates of object cells, drawn from those of all pictures.

        Raises:
            ValueError: there are none.
        """
        parts = [coordinates[:, mask].T for _, coordinates, mask in map(self.kept["score"].__getitem__, ids)]
        if not any(len(part) for part in parts):
            raise ValueError("label-consistency/1: no picture with object coordinates was scored")
        seen = torch.cat(parts).double()
        return seen[torch.randperm(len(seen), generator=generator)[:_CANDIDATES]]

    def _read(self, item: str, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return labels at the anchors, their places in [-1, 1], and true where an anchor was found."""
        labels, coordinates, mask = self.kept["score"][item]
        cells, counts = locate(coordinates.double(), mask, anchors, tolerance=self.tolerance, stretch=self.stretch)
        values = _bilinear(labels.double(), cells)
        extent = torch.tensor([max(labels.shape[-1] - 1, 1), max(labels.shape[-2] - 1, 1)], dtype=cells.dtype)
        return values, 2.0 * cells / extent - 1.0, counts


def spread_points(points: Float[Tensor, "points 3"], *, count: int) -> Float[Tensor, "anchors 3"]:
    """Return points spread evenly: the one nearest to the mean, then always the one farthest from those chosen, no point twice."""
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
    """Find points of the object in a picture, in cells (x, y).

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
    """Return the place in each patch nearest to its anchor, (x, y) in [0, 1]; the distance left; longest and mean side of the patch."""
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
    """Return the median distance on the object between neighbouring cells."""
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
    """Return directions of positions in the square [-1, 1], without distortion of areas: its corners on the equator."""
    x, y = (place / math.sqrt(2.0)).unbind(-1)
    height = 1.0 - x.square() - y.square()
    across = (2.0 - x.square() - y.square()).clamp_min(0.0).sqrt()
    return torch.stack((x * across, y * across, height), dim=-1)


@attrs.frozen(kw_only=True, eq=False)
class Consistency:
    """Agreement of labels with points.

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
        read: true where there is a reading.
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
    """Return the angle between vectors; 90 where one has no direction, its mean over all directions."""
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


def _by_picture(ids: list[str], found: Consistency, read: Tensor) -> dict[str, dict[str, float]]:
    return {
        item: {"spread": float(angle[counts].mean()), "pck": 100.0 * float(right[counts].double().mean())}
        for item, angle, right, counts in zip(ids, found.angles, found.right, read, strict=True)
        if bool(counts.any())
    }


def _share_of_sphere(directions: Float[Tensor, "points 3"]) -> float:
    """Return the part of the sphere's equal cells that hold a direction."""
    belt = ((directions[:, 2] + 1.0) / 2.0 * _BELTS).long().clamp(0, _BELTS - 1)
    longitude = torch.atan2(directions[:, 1], directions[:, 0])
    sector = ((longitude / (2.0 * math.pi) + 0.5) * _SECTORS).long().clamp(0, _SECTORS - 1)
    return len((belt * _SECTORS + sector).unique()) / (_BELTS * _SECTORS)
