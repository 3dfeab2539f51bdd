"""Error of annotated points of the picture that are regressed from key points.

A linear map without a constant leads from all key points to each annotated point; it is fitted on the training split over the
frozen method and scored on pictures that it has not seen. Positions are (x, y) in [-1, 1] as in grid; in the regression they
lie in [0, 1], as in the authors' code, since without a constant the origin matters.
"""

from typing import Annotated

import attrs
import torch
from attrs.validators import gt
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Evaluation
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
from armillary_keypoints.rows import Rows

_MOST = 100.0
_PAPER = "Wang, Cao, Bernard 2024"
_COLLECTION = "xingzhehe/AutoLink, datasets/celeba_wild.py"

Annotated2d = Annotated[ports.Landmarks2d, "batch annotated 2"]
Visible = Annotated[ports.Visibility, "batch annotated"]

REGRESSED = (
    "each annotated point is a linear function, without constant, of all coordinates of the key points in [0, 1], by closed-form "
    "least squares over the pictures of the training split in which that point is visible"
)
TOLD = (
    "in per cent of the normaliser that the settings name (the distance of two points, which is the inter-ocular distance of the "
    "published tables; of the centres of both eyes; the larger side of the box around the points; or the picture's larger side), "
    "of each picture itself; mean over all visible points inside the picture, spread over pictures."
)
TRIVIAL = "Baselines: the mean position of each annotated point in the training split, and the picture's centre."


class Regressed(Rows):
    """Base of measures on annotated points of the picture, regressed from the key points."""

    fit_outputs = True
    points: Groups
    normaliser: Normaliser

    def score(
        self,
        ids: list[str],
        image: ports.Image,
        keypoints2d: ports.Keypoints2d,
        true_landmarks2d: Annotated2d,
        true_visible: Visible | None = None,
        *,
        phase: str = "score",
    ) -> None:
        """Keep the points of a batch."""
        truth, counts = chosen_points(true_landmarks2d, true_visible, groups=self.points)
        self.keep(phase, ids, keypoints2d.detach().cpu().double(), truth, counts)
        self.size = (image.shape[-2], image.shape[-1])

    fit = score

    def regressed(self) -> tuple[Evaluation, ErrorTable]:
        """Return the errors of regressed points, in per cent of the normaliser, and their table.

        Raises:
            ValueError: nothing was fitted, or nothing scored.
        """
        _, points, truth, counts = self.stacked("fit")
        beta = least_squares(unit_square(points).flatten(1), unit_square(truth), counts)
        mean, seen = mean_shape(truth, counts), counts.sum(dim=0)
        ids, points, truth, counts = self.stacked("score")
        found = 2.0 * torch.einsum("rf,lfa->rla", unit_square(points).flatten(1), beta) - 1.0
        counts = counts & (seen > 0)
        table = ErrorTable()
        compare(
            table,
            ids,
            {METHOD: found, MEAN_SHAPE: mean.expand_as(found)},
            truth=truth,
            counts=counts,
            normaliser=self.normaliser,
            size=self.size,
        )
        shown = drawn(ids, found, truth, counts)
        return evaluation(self.header["name"], table, shown, seen=seen, size=self.size), table


class NmeRegressed(
    Regressed,
    name="nme-regressed/1",
    source=f"{_PAPER}, Table 2 and 3; xingzhehe/AutoLink, utils_/evaluation.py",
    summary="annotated points regressed from the key points",
):
    """Mean distance of regressed points from the annotated ones, as a part of a length of each picture.

    Source: Wang, Cao, Bernard 2024, Tables 2 and 3; xingzhehe/AutoLink. Deviates from the authors' code: where the normal
    equations have no inverse the smallest solution is taken instead of adding the identity; points outside the picture do
    not count; a point that is not visible counts neither in the fit nor in the score, for every collection.
    """

    protocol = f"{REGRESSED}; the error is the distance in the picture, {TOLD} {TRIVIAL}"

    points: Groups = param("all", source=f"{_COLLECTION}: five points", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param(
        (0, 1),
        source=f"{_COLLECTION}: points 0 and 1 of five; {_PAPER}: inter-ocular distance",
        validator=check_normaliser,
        help=PER_CENT_OF,
    )

    def result(self) -> Evaluation:
        """Fit, and return the error of the method and of each baseline in per cent of the normaliser."""
        return self.regressed()[0]


class Pck(
    Regressed,
    name="pck/1",
    source=f"{_PAPER}; He, Wandt, Rhodin 2022, arXiv:2205.10636, on DeepFashion",
    summary="per cent of annotated points that are found near enough",
):
    """Share of the regressed points whose error is at most a part of a length of each picture."""

    protocol = (
        f"{REGRESSED}; a point is found where its distance in the picture is at most the threshold, a part of the normaliser "
        f"that the settings name; per cent of all visible points inside the picture, spread over pictures. {TRIVIAL}"
    )

    points: Groups = param("all", validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param(
        "image",
        source=f"{_PAPER}: pixels of a picture of 255",
        validator=check_normaliser,
        help=f"{PER_CENT_OF}; the threshold is a part of the same length",
    )
    threshold: float = param(
        6 / 255,
        unit="share of the normaliser",
        source="AutoLink, He, Wandt, Rhodin 2022: 6 pixels of 255 on DeepFashion",
        validator=gt(0.0),
        help="largest error that counts as found",
    )

    def result(self) -> Evaluation:
        """Fit, and return the per cent found by the method and by each baseline."""
        found, errors = self.regressed()
        hits, limit = ErrorTable(), _MOST * self.threshold
        for name in errors.rows:
            if name != NORMALISER:
                for item, row in errors.rows[name].items():
                    hits.add(name, [item], torch.where(row.isnan(), torch.nan, _MOST * (row <= limit).double())[None])
        figures = {name: {"pck": attrs.evolve(hits.figure(name, unit="%"), better="higher")} for name in hits.rows}
        rows = {item: {"pck": value} for item, value in hits.by_picture(METHOD).items()}
        notes = (f"a point is found within {limit:.2f} % of the normaliser", *found.notes)
        return attrs.evolve(found, figures=figures.pop(METHOD), baselines=figures, rows=rows, notes=notes)


def least_squares(
    features: Float[Tensor, "rows feature"],
    targets: Float[Tensor, "rows annotated axis"],
    counts: Bool[Tensor, "rows annotated"],
) -> Float[Tensor, "annotated feature axis"]:
    r"""Return linear maps without a constant, one per annotated point, over the rows in which it counts.

    .. math:: \beta_l = (X_l^\top X_l)^+ X_l^\top Y_l

    Returns:
        The smallest of the solutions where there are several; 0 for a point that never counts.

    Source: xingzhehe/AutoLink: the closed form, on CUB for each point over the pictures in which it is visible. Deviates: the
    pseudo-inverse in place of an identity that is added when there is no inverse.
    """
    weight = counts.to(features.dtype)
    values = torch.where(counts[..., None], targets, 0.0)
    gram = torch.einsum("rl,rf,rg->lfg", weight, features, features)
    moment = torch.einsum("rf,rla->lfa", features, values)
    return torch.linalg.pinv(gram, hermitian=True) @ moment


def mean_shape(
    truth: Float[Tensor, "rows annotated axis"], counts: Bool[Tensor, "rows annotated"]
) -> Float[Tensor, "annotated axis"]:
    """Return the mean position of each point over the rows in which it counts; 0 where it never does."""
    total = torch.where(counts[..., None], truth, 0.0).sum(dim=0)
    return total / counts.sum(dim=0).clamp_min(1)[:, None]


def unit_square(points: Tensor) -> Tensor:
    """Return coordinates in [0, 1] of those in [-1, 1]."""
    return 0.5 + 0.5 * points
