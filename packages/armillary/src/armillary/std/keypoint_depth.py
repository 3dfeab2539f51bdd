"""``keypoint-depth-correlation/1``: predicted depth at annotated points, compared with their true depth.

The measure of a point is the correlation, over pictures, of the predicted depth at the point's true position with its true z. The
published figure is the sum over points of the absolute values: K for the truth with K points. Both depths increase away from the
viewer, so a correct depth correlates positively. The absolute value is the same for a face and its hollow mould, so the sum with
signs is a figure too.
"""

from typing import Annotated, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure
from armillary.kernels.sampling import sample
from armillary.std.evaluators import PictureDepth, hemisphere, known_depth
from armillary.std.scores import AverageMap

CameraLandmarks3d = Annotated[ports.Landmarks3d, ports.Of(frame="camera")]

_CHANCE = "other pictures' truth"
_FEWEST = 3  # pictures: two always correlate fully


def correlation(
    one: Float[Tensor, "items points"], other: Float[Tensor, "items points"], *, valid: Bool[Tensor, "items points"]
) -> Float[Tensor, " points"]:
    """Return Pearson's correlation over items, separately per point.

    Args:
        one: values in any unit; entries that are not valid may be anything.
        other: the same.
        valid: the items that are used for each point.

    Returns:
        In [-1, 1]; nan for fewer than three items, or where either does not vary.
    """
    count = valid.sum(dim=0).clamp_min(1)

    def centred(values: Tensor) -> Tensor:
        values = torch.where(valid, values, 0.0).double()
        return torch.where(valid, values - values.sum(dim=0) / count, 0.0)

    a, b = centred(one), centred(other)
    squares = a.square().sum(dim=0), b.square().sum(dim=0)
    # A constant in float32 may vary by rounding; that is not a variation.
    scale = torch.where(valid, one, 0.0).abs().amax(dim=0).double() * torch.finfo(torch.float32).eps
    varies = (squares[0] > count * scale.square()) & (squares[1] > 0) & (valid.sum(dim=0) >= _FEWEST)
    product = (a * b).sum(dim=0) / torch.where(varies, squares[0] * squares[1], 1.0).sqrt()
    return torch.where(varies, product, torch.nan)


class KeypointDepthCorrelation(
    Evaluator,
    name="keypoint-depth-correlation/1",
    source=(
        "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568, Table 2; joelmoniz/DepthNets, depthnet-pytorch/util.py, "
        "compute_covar"
    ),
):
    """Correlation over pictures of the depth found at annotated points with their true depth.

    Beside the method: two blobs, the average depth and the truth of other pictures.
    """

    protocol = (
        "depth in the picture's frame, read at the true 2D place of each annotated point, against the point's true "
        "z; for each point the correlation over pictures, no alignment; the sum over points of its absolute value, "
        "that sum by the number of points, and the sum with signs. Points outside of the picture are left out, "
        "occluded ones are not. The average depth, where the data have depth, is fitted on the training split."
    )
    occluded: bool = param(
        True,
        source="joelmoniz/DepthNets, depthnet-pytorch/util.py: every point of every picture",
        help="count occluded points too; the depth predicted there is that of the occluding surface",
    )

    def setup(self) -> None:
        """Start without rows."""
        self.average = AverageMap()
        # id to [points]: the depth of each row, the true z, and the mask of scored points
        self.found: dict[str, dict[str, Tensor]] = {}
        self.truth: dict[str, Tensor] = {}
        self.valid: dict[str, Tensor] = {}

    def fit(self, ids: list[str], true_depth: PictureDepth | None = None, true_mask: ports.Mask | None = None) -> None:
        """Add a batch to the average depth, if the data has depth."""
        del ids
        if true_depth is not None:
            self.average.update(true_depth, known_depth(true_depth, true_mask))

    def score(
        self,
        ids: list[str],
        depth: PictureDepth,
        true_landmarks2d: ports.Landmarks2d,
        true_landmarks3d: CameraLandmarks3d,
        true_visible: ports.Visibility | None = None,
    ) -> None:
        """Read the depth of a batch at its points."""
        z = true_landmarks3d[..., 2]
        valid = (true_landmarks2d.abs() <= 1).all(-1) & (z > 0)  # z is 0 if the table has none
        if not self.occluded and true_visible is not None:
            valid = valid & true_visible.bool()
        for name, values in self._rows(depth, true_landmarks2d, valid).items():
            self.found.setdefault(name, {}).update(zip(ids, values.cpu(), strict=True))
        self.truth.update(zip(ids, z.cpu(), strict=True))
        self.valid.update(zip(ids, valid.cpu(), strict=True))

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        self.average.merge(other.average)
        for name, rows in other.found.items():
            self.found.setdefault(name, {}).update(rows)
        self.truth.update(other.truth)
        self.valid.update(other.valid)

    def result(self) -> Evaluation:
        """Return the sum of absolute correlations, by the number of points, and with signs; of each baseline too."""
        if not self.truth:
            raise ValueError(
                "keypoint-depth-correlation/1: no picture with 3D points was scored; does landmarks.csv have z, and the "
                "folder a camera?"
            )
        ids = sorted(self.truth)
        truth, valid = (torch.stack([table[i] for i in ids]) for table in (self.truth, self.valid))
        rows = {name: torch.stack([found[i] for i in ids]) for name, found in self.found.items()}
        others = torch.randperm(len(ids), generator=torch.Generator().manual_seed(0))
        valid_of = dict.fromkeys(rows, valid) | {_CHANCE: valid & valid[others]}
        rows[_CHANCE] = truth[others]
        by_point = {name: correlation(row, truth, valid=valid_of[name]) for name, row in rows.items()}
        figures = {name: _figures(each, items=len(ids)) for name, each in by_point.items()}
        return Evaluation(
            figures=figures.pop("method"), baselines=figures, notes=self._notes(by_point["method"], valid)
        )

    def _rows(self, depth: Tensor, places: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Return the depths of the method and of each trivial baseline at the points."""
        height, width = depth.shape[-2:]
        blob = -hemisphere(height, width, dtype=depth.dtype, device=depth.device).expand_as(depth)
        rows = {"method": _read(depth, places), "blob": _read(blob, places)}
        rows["blob on the points"] = -_dome(places, valid)
        average = self.average.map()
        if average is not None:
            rows["average depth"] = _read(average.to(depth).expand_as(depth), places)
        return rows

    def _notes(self, by_point: Tensor, valid: Tensor) -> tuple[str, ...]:
        notes = [f"{by_point.numel()} points: the truth has the sum {by_point.numel()}"]
        against = int((by_point < 0).sum())
        if against:
            notes.append(f"{against} points correlate negatively: what is nearer was found farther")
        undefined = int(by_point.isnan().sum())
        if undefined:
            notes.append(f"{undefined} points count 0: too few pictures, or a depth that does not vary")
        left_out = int((~valid).sum())
        if left_out:
            notes.append(f"{left_out} of {valid.numel()} points left out: outside of the picture, or without depth")
        return tuple(notes)


def _read(depth: Tensor, places: Tensor) -> Float[Tensor, "batch points"]:
    return sample(depth, places[:, None], padding="border")[:, 0, 0]


def _dome(
    places: Float[Tensor, "batch points 2"], valid: Bool[Tensor, "batch points"]
) -> Float[Tensor, "batch points"]:
    """Return the height of half an ellipsoid over the box of each picture's points."""
    inside = valid[..., None]
    low = torch.where(inside, places, torch.inf).amin(dim=1, keepdim=True)
    high = torch.where(inside, places, -torch.inf).amax(dim=1, keepdim=True)
    unit = torch.where(inside, (2 * places - low - high) / (high - low).clamp_min(torch.finfo(places.dtype).eps), 0.0)
    return (1 - unit.square().sum(-1)).clamp_min(0).sqrt()


def _figures(by_point: Float[Tensor, " points"], *, items: int) -> dict[str, Figure]:
    signed = by_point.nan_to_num(0.0)
    total = float(signed.abs().sum())
    return {
        "sum": Figure(value=total, count=items, better="higher"),
        "share": Figure(value=total / signed.numel(), count=items, better="higher"),
        "signed_sum": Figure(value=float(signed.sum()), count=items, better="higher"),
    }
