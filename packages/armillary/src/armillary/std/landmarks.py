"""Errors of annotated points of the picture, found by key points or by label maps: one protocol for both.

The measures are fitted on the training split over the frozen method and scored on pictures that it has not seen. Positions are
(x, y) in [-1, 1] as in grid; in the regression without a constant they lie in [0, 1], as in the authors' code, since the origin
matters there. A method that gives key points and labels is measured by its key points.
"""

import abc
from collections.abc import Mapping
from typing import Annotated, Literal

import attrs
import torch
from attrs.validators import ge, gt, optional
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.evaluator import Evaluation, Figure
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid
from armillary.std.annotation import (
    MEAN_SHAPE,
    METHOD,
    NORMALISER,
    ErrorTable,
    chosen_points,
    compare,
    drawn,
    evaluation,
)
from armillary.std.annotation_config import (
    PER_CENT_OF,
    WHICH_POINTS,
    Groups,
    Normaliser,
    check_groups,
    check_normaliser,
)
from armillary.std.label_maps import label_points, lattice, map_stride, nearest_cells, read_labels
from armillary.std.landmark_fits import (
    aligned_shape,
    centred_shape,
    least_squares,
    mean_shape,
    regression,
    unit_square,
    yaw,
    yaw_shape,
)
from armillary.std.rows import Rows

AT_CENTRE, AT_SIMILARITY, OF_YAW = "mean shape, true centre", "mean shape, true similarity", "linear in true yaw"
ORACLES = (AT_CENTRE, AT_SIMILARITY, OF_YAW)

_ALL = 100.0
_LABELS = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_SECTION = "Thewlis, Bilen, Vedaldi 2017, Section 4.3"
_POINTS = "Wang, Cao, Bernard 2024"
_EYES = f"{_SECTION}: inter-ocular distance; jamt9000/DVE, model/metric.py, xingzhehe/AutoLink, datasets/celeba_wild.py: points 0 and 1 of five"

Annotated2d = Annotated[ports.Landmarks2d, "batch annotated 2"]
Visible = Annotated[ports.Visibility, "batch annotated"]

PER_CENT = (
    "in per cent of the normaliser that the settings name (the distance of two points, which is the inter-ocular distance of the "
    "published tables; of the centres of both eyes; the larger side of the box around the points; or the picture's larger side), "
    "of each picture itself; mean over all visible points inside the picture, spread over pictures."
)
TRIVIAL = "Baselines: the mean position of each annotated point in the training split, and the picture's centre."
KNOWN = (
    "Oracles: that mean shape moved to the true centre of each picture's points; brought onto them by the best similarity; and points "
    "linear in the true yaw alone, if the data has poses."
)
ERROR = f"the error is the distance in the picture, {PER_CENT} {TRIVIAL} {KNOWN}"


class Landmarks(Rows):
    """Base of measures on annotated points of the picture: settings, rows, guesses, oracles and the table of errors."""

    fit_outputs = True

    points: Groups = param(
        "all",
        source=f"{_SECTION}: eyes, nose and mouth corners, the five annotated points of CelebA",
        validator=check_groups,
        help=WHICH_POINTS,
    )
    normaliser: Normaliser = param((0, 1), source=_EYES, validator=check_normaliser, help=PER_CENT_OF)
    threshold: float | None = param(
        None,
        unit="share of the normaliser",
        validator=optional(gt(0.0)),
        help="give the per cent of points with at most this error too: 6 / 255 of the image is published for DeepFashion",
    )
    annotated: int | None = param(
        None,
        unit="picture",
        validator=optional(ge(1)),
        help="fit on so many pictures of the training split, drawn with the seed; published are 1, 5, 10 and 20; without it all",
    )
    seed: int = param(0, validator=ge(0), help="of the pictures of annotated and of all other random numbers")

    def keep_points(
        self,
        phase: str,
        ids: list[str],
        found: Tensor,
        *,
        image: Tensor,
        truth: Tensor,
        counts: Tensor,
        pose: Tensor | None,
    ) -> None:
        """Keep what was found in a batch beside its truth, and the true yaw; nan without poses."""
        self.size = (image.shape[-2], image.shape[-1])
        angle = truth.new_full(truth.shape[:1], torch.nan) if pose is None else yaw(pose.detach().cpu().double())
        self.keep(phase, ids, found, truth, counts, angle)

    def fitted(self) -> tuple[Tensor, ...]:
        """Return the rows of the fit pass that are used: what was found, truth, mask and yaw.

        Raises:
            ValueError: nothing was fitted.
        """
        ids, *columns = self.stacked("fit")
        if self.annotated is None or self.annotated >= len(ids):
            return tuple(columns)
        generator = torch.Generator().manual_seed(self.seed)
        used = torch.randperm(len(ids), generator=generator)[: self.annotated].sort().values
        return tuple(column[used] for column in columns)

    def evaluated(
        self,
        found: Float[Tensor, "rows annotated 2"],
        known: tuple[Tensor, Tensor, Tensor],
        asked: tuple[list[str], Tensor, Tensor, Tensor],
    ) -> Evaluation:
        """Return the errors of found points, of the guesses and of the oracles.

        Args:
            found: in the order of the scored rows.
            known: truth, mask and yaw of the fitted rows.
            asked: ids, truth, mask and yaw of the scored rows.

        Raises:
            ValueError: no point is scored in any picture.
        """
        height, width = self.size
        truth, counts, angles = known
        ids, wanted, scored, turned = asked
        seen = counts.sum(dim=0)
        scored = scored & (seen > 0)
        mean = mean_shape(truth, counts)
        named = {METHOD: found, MEAN_SHAPE: mean.expand_as(wanted), AT_CENTRE: centred_shape(mean, wanted, scored)}
        named[AT_SIMILARITY] = aligned_shape(mean, wanted, scored, height=height, width=width)
        if bool(angles.isfinite().all()) and bool(turned.isfinite().all()):
            named[OF_YAW] = yaw_shape(known, turned)
        table = ErrorTable()
        compare(table, ids, named, truth=wanted, counts=scored, normaliser=self.normaliser, size=self.size)
        shown = drawn(ids, found, wanted, scored)
        result = evaluation(self.header["name"], table, shown, seen=seen, size=self.size)
        notes = (f"fitted on {len(truth)} annotated pictures", *result.notes)
        result = attrs.evolve(result, notes=notes)
        result = result if self.threshold is None else _with_pck(result, table, threshold=self.threshold)
        return _with_oracles(result)


class FoundLandmarks(Landmarks):
    """Base of measures on key points or label maps, whichever the method gives."""

    either = ("keypoints2d", "labels")

    def score(
        self,
        ids: list[str],
        *,
        image: ports.Image,
        true_landmarks2d: Annotated2d,
        keypoints2d: ports.Keypoints2d | None = None,
        labels: ports.LabelMap | None = None,
        true_visible: Visible | None = None,
        true_pose: ports.Pose | None = None,
        phase: str = "score",
    ) -> None:
        """Keep what is found in a batch.

        Raises:
            ValueError: neither key points nor labels.
        """
        truth, counts = chosen_points(true_landmarks2d, true_visible, groups=self.points)
        if keypoints2d is not None:
            found = self.of_points(keypoints2d.detach().cpu().double(), truth, phase=phase)
        elif labels is not None:
            height, width = image.shape[-2:]
            found = self.of_labels(labels.detach(), truth, phase=phase, height=height, width=width)
        else:
            raise ValueError(f"{self.header['name']}: needs keypoints2d or labels")
        self.keep_points(phase, ids, found, image=image, truth=truth, counts=counts, pose=true_pose)

    fit = score

    @abc.abstractmethod
    def of_points(self, points: Tensor, truth: Tensor, *, phase: str) -> Tensor:
        """Return what a pass keeps of key points."""

    @abc.abstractmethod
    def of_labels(self, labels: Tensor, truth: Tensor, *, phase: str, height: int, width: int) -> Tensor:
        """Return what a pass keeps of label maps."""


class LandmarksRegressed(
    FoundLandmarks,
    name="landmarks-regressed/1",
    source=(
        f"{_POINTS}, Tables 2 and 3; xingzhehe/AutoLink, utils_/evaluation.py, also of pck on DeepFashion; of labels: {_LABELS}, "
        "Section 4.3, 50 intermediate points"
    ),
    summary="annotated points regressed from key points or labels, in closed form",
):
    """Mean distance of regressed points from the annotated ones, as a part of a length of each picture.

    Source: Wang, Cao, Bernard 2024, Tables 2 and 3; xingzhehe/AutoLink. Deviates from the authors' code: where the normal
    equations have no inverse the smallest solution is taken instead of adding the identity; points outside the picture do
    not count; a point that is not visible counts neither in the fit nor in the score, for every collection. Of labels the
    intermediate points are those of fixed directions, the same for all annotated points; ``labelling:landmarks-trained/1``
    learns them.
    """

    protocol = (
        "each annotated point is a linear function of all coordinates in [0, 1] of the key points, or of intermediate points of the "
        "label map: the soft-argmax of its products with directions drawn uniformly. By closed-form least squares, plain or ridge, "
        "without or with a constant as the settings say, over the pictures of the training split in which that point is visible; "
        f"{ERROR}"
    )

    ridge: float = param(
        0.0,
        unit="squared side of the picture",
        source=f"{_POINTS}: plain least squares",
        validator=ge(0.0),
        help="variance of the noise on each coordinate that the map allows for: ridge regression; 0: plain least squares",
    )
    constant: bool = param(
        False,
        source=f"{_POINTS}; {_SECTION}: linear, without a bias",
        help="add a constant, so that ridge regression leads to the mean shape, not to the picture's corner",
    )
    intermediate: int = param(
        50, unit="point", source=f"{_SECTION}: M = 50", validator=ge(1), help="intermediate points of a label map"
    )
    multiplier: float = param(
        100.0,
        source="jamt9000/DVE, model/keypoint_prediction.py",
        validator=gt(0),
        help="of the products with labels before the softmax",
    )

    def of_points(self, points: Tensor, truth: Tensor, *, phase: str) -> Tensor:
        """Return the key points."""
        del truth, phase
        return points

    def of_labels(self, labels: Tensor, truth: Tensor, *, phase: str, height: int, width: int) -> Tensor:
        """Return the intermediate points."""
        del truth, phase
        how = {"count": self.intermediate, "multiplier": self.multiplier, "seed": self.seed}
        return label_points(labels, **how, height=height, width=width).cpu().double()

    def result(self) -> Evaluation:
        """Fit, and return the error of the method, of each guess and of each oracle in per cent of the normaliser."""
        points, truth, counts, angles = self.fitted()
        ids, asked, *rest = self.stacked("score")
        features, asked = (unit_square(each).flatten(1) for each in (points, asked))
        if self.constant:
            found = regression(features, truth, counts, asked, ridge=self.ridge)
        else:
            beta = least_squares(features, unit_square(truth), counts, ridge=self.ridge)
            found = 2.0 * torch.einsum("rf,lfa->rla", asked, beta) - 1.0
        return self.evaluated(found, (truth, counts, angles), (ids, rest[0], rest[1], rest[2]))


class LandmarksNearest(
    FoundLandmarks,
    name="landmarks-nearest/1",
    source=f"{_LABELS}, Section 4.3, Error Nearest of Table 3; of key points ours",
    summary="annotated points found as the cells with the nearest labels, or as one key point each",
):
    r"""Error of landmarks found without a map: by label as the cell nearest to the landmark's mean label :math:`z_k`.

    Source: Section 4.3, Error Nearest. Deviates: the paper does not say how :math:`z_k` is learnt; here it is the mean.
    """

    protocol = (
        "each landmark's vector is the mean label at its position over the training split; a landmark is found at the "
        "cell whose label is nearest to its vector, without interpolation between cells. Of key points, each landmark is found "
        f"at the one that lies nearest to it in the mean over the training split; {ERROR}"
    )

    metric: Literal["euclidean", "direction", "product"] = param(
        "euclidean",
        source=f"{_SECTION}: 'find the nearest z'; the text does not say in which distance",
        help="euclidean: between the labels as they are; direction: between unit labels; product: largest inner product",
    )

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.used: tuple[int, tuple[Tensor, ...]] = (0, ())

    def of_points(self, points: Tensor, truth: Tensor, *, phase: str) -> Tensor:
        """Return the key points in the fit, and those of the landmarks in the score."""
        if phase == "fit" or not self.kept["fit"]:
            return points
        return points[:, _nearest_points(*self._known()[:3])]

    def of_labels(self, labels: Tensor, truth: Tensor, *, phase: str, height: int, width: int) -> Tensor:
        """Return the labels at the truth in the fit, and the positions of the nearest cells in the score."""
        labels = labels.cpu().double()
        stride = map_stride(labels, height=height, width=width)
        if self.metric == "direction":
            labels = torch.nn.functional.normalize(labels, dim=1)
        if phase == "fit":
            return read_labels(labels, grid_to_pixels(truth.nan_to_num(), height=height, width=width), stride=stride)
        if not self.kept["fit"]:
            return torch.full_like(truth, torch.nan)  # the result refuses
        vectors, _, counts, _ = self._known()
        cells = nearest_cells(labels, mean_shape(vectors, counts), metric=self.metric)
        pixels = lattice(*labels.shape[-2:], stride=stride, height=height, width=width, dtype=truth.dtype)
        return pixels_to_grid(pixels, height=height, width=width)[cells]

    def result(self) -> Evaluation:
        """Return the error of the method, of each guess and of each oracle in per cent of the normaliser."""
        _, *known = self.fitted()
        ids, found, *rest = self.stacked("score")
        return self.evaluated(found, (known[0], known[1], known[2]), (ids, rest[0], rest[1], rest[2]))

    def _known(self) -> tuple[Tensor, ...]:
        """Return the fitted rows, stacked once as long as their number stays."""
        count = len(self.kept["fit"])
        if self.used[0] != count:
            self.used = (count, self.fitted())
        return self.used[1]


def _nearest_points(
    points: Float[Tensor, "rows points 2"],
    truth: Float[Tensor, "rows annotated 2"],
    counts: Bool[Tensor, "rows annotated"],
) -> Tensor:
    """Return the index of the key point with the smallest mean distance from each annotated point."""
    truth = torch.where(counts[..., None], truth, 0.0)
    return (torch.cdist(truth, points) * counts[..., None]).sum(dim=0).argmin(dim=-1)


def _with_pck(found: Evaluation, errors: ErrorTable, *, threshold: float) -> Evaluation:
    """Return the evaluation with the per cent of points whose error is at most a part of the normaliser."""
    hits, limit = ErrorTable(), _ALL * threshold
    for name in errors.rows:
        if name != NORMALISER:
            for item, row in errors.rows[name].items():
                hits.add(name, [item], torch.where(row.isnan(), torch.nan, _ALL * (row <= limit).double())[None])

    def figure(name: str) -> dict[str, Figure]:
        return {"pck": attrs.evolve(hits.figure(name, unit="%"), better="higher")}

    rows = hits.by_picture(METHOD)
    return attrs.evolve(
        found,
        figures={**found.figures, **figure(METHOD)},
        baselines={name: {**table, **figure(name)} for name, table in found.baselines.items()},
        rows={item: {**row, "pck": rows[item]} for item, row in found.rows.items()},
        notes=(f"a point counts as found within {limit:.2f} % of the normaliser", *found.notes),
    )


def _with_oracles(found: Evaluation) -> Evaluation:
    """Return the evaluation with the oracles apart from the baselines."""

    def some(oracle: bool) -> Mapping[str, Mapping[str, Figure]]:
        return {name: table for name, table in found.baselines.items() if (name in ORACLES) == oracle}

    return attrs.evolve(found, baselines=some(False), oracles=some(True))
