"""Error of annotated points in space: two readings of an error that the paper does not explain.

Coordinates are the picture's: x and y in [-1, 1] as in grid, z in the same unit and growing away from the viewer, relative to
the mean of the points. A picture says nothing of a translation along z, so that none counts.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Self

import attrs
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.errors import DataError
from armillary.interfaces.evaluator import Evaluation
from armillary.kernels.procrustes import aligned
from armillary.ports import Of
from armillary.std.annotation import (
    IMAGE_CENTRE,
    MEAN_SHAPE,
    METHOD,
    NORMALISER,
    ErrorTable,
    chosen_points,
    drawn,
    evaluation,
    normaliser_pixels,
    pair_distance,
)
from armillary.std.annotation_config import (
    PER_CENT_OF,
    WHICH_POINTS,
    Groups,
    Normaliser,
    check_groups,
    check_normaliser,
)
from armillary.std.landmark_fits import least_squares, mean_shape
from armillary.std.landmarks import PER_CENT, TRIVIAL, Annotated2d, Visible
from armillary.std.rows import Rows

_PAPER = "Wang, Cao, Bernard 2024"
_FLAT, _MIRRORED, _ONE_PLACE = "without depth", "depth mirrored", "one place"
_ROUNDS = 8  # of the mean shape: it is constant to six digits after four
_NO_DEPTH = "the method gives no depth: its points were taken to lie in the picture's plane"
_SPACE = (
    "the truth is (x, y) in the picture and z the depth relative to the mean of the annotated points, at the scale that the points "
    "have in the picture; larger z is farther. Of the key points too only depth relative to their mean counts; a method without "
    "depth has z = 0"
)

_REGRESSED = (
    "each annotated point is a linear function, without constant, of all coordinates of the key points in [0, 1], by closed-form "
    "least squares over the pictures of the training split in which that point is visible"
)

InSpace = Annotated[ports.Keypoints3d, Of(unit="normalised", frame="camera")]
"""Key points in units of the picture's [-1, 1]: larger z is farther."""
Annotated3d = Annotated[ports.Landmarks3d, Of(shape="batch annotated 3", frame="camera")]


class PointsInSpace(Rows):
    """Base of measures on annotated points in space."""

    fit_outputs = True

    points: Groups = param("all", source=f"{_PAPER}: 68 points", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param(
        (0, 1),
        source=f"{_PAPER}: ocular distance; ours: taken in space",
        validator=check_normaliser,
        help=f"{PER_CENT_OF}; a distance of points is taken in space, which a turned head does not shorten",
    )

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.has_depth = False

    def score(
        self,
        ids: list[str],
        *,
        image: ports.Image,
        keypoints2d: ports.Keypoints2d,
        keypoints3d: InSpace | None = None,
        true_landmarks2d: Annotated2d,
        true_landmarks3d: Annotated3d,
        true_visible: Visible | None = None,
        phase: str = "score",
    ) -> None:
        """Keep the points of a batch.

        Raises:
            DataError: the pictures are not square.
        """
        height, width = image.shape[-2:]
        if height != width:
            raise DataError(f"a depth at the picture's scale needs square pictures, got {width} x {height}")
        truth2d, counts = chosen_points(true_landmarks2d, true_visible, groups=self.points)
        truth3d, _ = chosen_points(true_landmarks3d, true_visible, groups=self.points)
        truth = picture_space(truth2d, truth3d, counts)
        counts = counts & truth.isfinite().all(dim=-1)
        if keypoints3d is None:
            points = torch.nn.functional.pad(keypoints2d.detach().cpu().double(), (0, 1))
        else:
            self.has_depth = True
            points = keypoints3d.detach().cpu().double()
            points = torch.cat((points[..., :2], points[..., 2:] - points[..., 2:].mean(dim=1, keepdim=True)), dim=-1)
        self.keep(phase, ids, points, truth, counts)
        self.size = (height, width)

    fit = score

    def merge(self, other: Self) -> None:
        """Add the rows of another shard: pictures join by id."""
        super().merge(other)
        self.has_depth = self.has_depth or other.has_depth

    def evaluated(
        self, ids: list[str], found: Mapping[str, Tensor], *, truth: Tensor, counts: Tensor, seen: Tensor
    ) -> Evaluation:
        """Return the errors of points by name, in per cent of the normaliser."""
        side = self.size[0]
        to_pixels = (side - 1) / 2
        if self.normaliser in ("box", "image"):
            length = normaliser_pixels(truth[..., :2], normaliser=self.normaliser, height=side, width=side)
        else:
            length = to_pixels * pair_distance(truth, normaliser=self.normaliser)
            length = torch.where(length.isfinite() & (length > 0), length, torch.nan)
        table = ErrorTable()
        table.add(NORMALISER, ids, length[:, None])
        for who, points in found.items():
            error = 100.0 * to_pixels * torch.linalg.vector_norm(points - truth, dim=-1) / length[:, None]
            table.add(who, ids, torch.where(counts, error, torch.nan))
        shown = drawn(ids, found[METHOD][..., :2], truth[..., :2], counts)
        result = evaluation(self.header["name"], table, shown, seen=seen, size=self.size)
        return result if self.has_depth else attrs.evolve(result, notes=(*result.notes, _NO_DEPTH))


class Landmarks3dRegressed(
    PointsInSpace,
    name="landmarks3d-regressed/1",
    source=f"{_PAPER}, Table 4: one reading of 'aligned to ground truth', which the paper does not explain",
    summary="annotated points in space regressed from the key points",
):
    """Error of points in space regressed from all coordinates of the key points."""

    protocol = (
        f"{_REGRESSED}, depth among them; {_SPACE}. No further alignment. It asks what the key points know of the shape in "
        f"space, in whatever form: points of the plane may predict depth too. The error is the distance in space, {PER_CENT} "
        f"{TRIVIAL} Beside them the same key points without their depth."
    )

    def result(self) -> Evaluation:
        """Fit, and return the error of the method and of each baseline in per cent of the normaliser."""
        _, points, truth, counts = self.stacked("fit")
        ids, asked, wanted, asked_counts = self.stacked("score")
        variants = {METHOD: _as_it_is} | ({_FLAT: _flat} if self.has_depth else {})
        found = {}
        for who, change in variants.items():
            beta = least_squares(_corner(change(points)).flatten(1), _corner(truth), counts)
            found[who] = _from_corner(torch.einsum("rf,lfa->rla", _corner(change(asked)).flatten(1), beta))
        found[MEAN_SHAPE] = mean_shape(truth, counts).expand_as(wanted)
        found[IMAGE_CENTRE] = torch.zeros_like(wanted)
        seen = counts.sum(dim=0)
        return self.evaluated(ids, found, truth=wanted, counts=asked_counts & (seen > 0), seen=seen)


class Landmarks3dSimilarity(
    PointsInSpace,
    name="landmarks3d-similarity/1",
    source=f"{_PAPER}, Table 4: another reading of 'aligned to ground truth'; Umeyama 1991, doi:10.1109/34.88573",
    summary="key points in space mixed to annotated points, and aligned picture by picture",
):
    """Error of points in space as fixed mixtures of the key points, each picture aligned with its truth.

    Undefined: where some points of a picture do not count, what is centred is the mean of those that do, which biases the
    weights a little.
    """

    protocol = (
        "each annotated point is a mixture of the key points with fixed weights, the same for x, y and z, by least squares over "
        "the training split after both are centred; then each picture's points are brought onto its truth by the best scale, "
        f"rotation (no mirror) and translation; {_SPACE}. It asks whether the key points have the right shape in space: depth "
        "that is not there cannot be regressed, and neither pose nor size of the object counts. The error is the distance in "
        f"space, {PER_CENT} Baselines, aligned the same way: the mean shape of the training split (generalised Procrustes), all "
        "points in one place, the same key points without their depth, and with their depth mirrored."
    )

    def result(self) -> Evaluation:
        """Fit, align, and return the error of the method and of each baseline in per cent of the normaliser."""
        _, points, truth, counts = self.stacked("fit")
        ids, asked, wanted, asked_counts = self.stacked("score")
        seen = counts.sum(dim=0)
        asked_counts = asked_counts & (seen > 0)
        variants: dict[str, Callable[[Tensor], Tensor]] = {METHOD: _as_it_is}
        if self.has_depth:
            variants |= {_FLAT: _flat, _MIRRORED: _mirrored}
        shapes = {}
        for who, change in variants.items():
            weights = mixture(change(points), truth, counts)
            shapes[who] = torch.einsum("lk,rka->rla", weights, _centred(change(asked)))
        shapes[MEAN_SHAPE] = procrustes_mean(truth, counts).expand_as(wanted)
        shapes[_ONE_PLACE] = torch.zeros_like(wanted)
        found = {who: aligned(shape, wanted, valid=asked_counts) for who, shape in shapes.items()}
        return self.evaluated(ids, found, truth=wanted, counts=asked_counts, seen=seen)


def picture_space(
    landmarks2d: Float[Tensor, "batch annotated 2"],
    landmarks3d: Float[Tensor, "batch annotated 3"],
    counts: Bool[Tensor, "batch annotated"],
) -> Float[Tensor, "batch annotated 3"]:
    r"""Return annotated points at the scale of the picture: (x, y) as in it, z relative to their mean.

    .. math:: z_i = s\, (Z_i - \bar Z), \quad
              s = \frac{\sum_i (p_i - \bar p)^\top (P_i - \bar P)_{xy}}{\sum_i \lVert (P_i - \bar P)_{xy} \rVert^2}

    Args:
        landmarks2d: p, in [-1, 1].
        landmarks3d: P, in the camera's frame, in any unit.
        counts: the points over which means and sums go.

    Returns:
        nan where the points that count lie in one place.
    """
    weight = counts[..., None].to(landmarks3d.dtype)
    count = weight.sum(dim=1, keepdim=True).clamp_min(1.0)

    def relative(points: Tensor) -> Tensor:
        return points - (torch.where(counts[..., None], points, 0.0).sum(dim=1, keepdim=True) / count)

    p, deep = relative(landmarks2d), relative(landmarks3d)
    across = torch.where(counts[..., None], deep[..., :2], 0.0)
    inner = (torch.where(counts[..., None], p, 0.0) * across).sum(dim=(1, 2))
    scale = inner / across.square().sum(dim=(1, 2))
    return torch.cat((landmarks2d, scale[:, None, None] * deep[..., 2:]), dim=-1)


def mixture(
    points: Float[Tensor, "rows points 3"],
    truth: Float[Tensor, "rows annotated 3"],
    counts: Bool[Tensor, "rows annotated"],
) -> Float[Tensor, "annotated points"]:
    r"""Return the weights that make annotated points of key points, the same for x, y and z.

    .. math:: \min_W \sum \lVert W (p - \bar p) - (y - \bar y) \rVert^2

    So a turn of the key points in space turns what is made of them.
    """
    centre = torch.where(counts[..., None], truth, 0.0).sum(dim=1) / counts.sum(dim=1).clamp_min(1)[:, None]
    features = _centred(points).mT.flatten(0, 1)  # a row each axis
    targets = (truth - centre[:, None]).mT.flatten(0, 1)[..., None]
    return least_squares(features, targets, counts.repeat_interleave(3, dim=0))[..., 0]


def procrustes_mean(
    shapes: Float[Tensor, "rows annotated 3"], counts: Bool[Tensor, "rows annotated"]
) -> Float[Tensor, "annotated 3"]:
    """Return the mean of shapes once each is turned, scaled and moved onto it: what they share, whatever their pose.

    Source: generalised Procrustes analysis, Gower 1975, doi:10.1007/BF02291478.
    """
    mean = mean_shape(shapes, counts)
    size = mean.square().sum().sqrt()
    for _ in range(_ROUNDS):
        mean = mean - mean.mean(dim=0)
        mean = mean * size / mean.square().sum().sqrt().clamp_min(torch.finfo(mean.dtype).tiny)  # else it shrinks
        # Points that do not count are not moved with the rest by nan: their place is taken by the mean's.
        known = torch.where(counts[..., None], shapes, mean)
        mean = mean_shape(aligned(known, mean.expand_as(known), valid=counts), counts)
    return mean


def _corner(points: Tensor) -> Tensor:
    """Return coordinates whose origin is the picture's corner, half as large: [0, 1] along x and y."""
    return 0.5 * points + _shift(points)


def _from_corner(points: Tensor) -> Tensor:
    return 2.0 * (points - _shift(points))


def _shift(points: Tensor) -> Tensor:
    return points.new_tensor([0.5, 0.5, 0.0])


def _centred(points: Tensor) -> Tensor:
    return points - points.mean(dim=1, keepdim=True)


def _as_it_is(points: Tensor) -> Tensor:
    return points


def _flat(points: Tensor) -> Tensor:
    return points * points.new_tensor([1.0, 1.0, 0.0])


def _mirrored(points: Tensor) -> Tensor:
    return points * points.new_tensor([1.0, 1.0, -1.0])
