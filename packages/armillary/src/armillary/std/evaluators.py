"""Evaluators that more than one method uses.

``side-mad/1`` compares depth in the picture's frame, over the pixels that both the truth and the prediction cover, each mask
first eroded. Figures are means and standard deviations over pictures.
"""

from collections.abc import Mapping
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure
from armillary.kernels.cameras import intrinsics
from armillary.kernels.shading import normals_from_depth
from armillary.ports import Shape
from armillary.std.config import SideMadConfig

# The papers print SIDE times a hundred.
_SIDE_SCALE = 100.0


def scale_invariant_depth_error(
    depth: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    *,
    valid: Bool[Tensor, "batch 1 height width"],
) -> Float[Tensor, " batch"]:
    r"""Standard deviation of the log-depth error: blind to a common factor.

    .. math:: E_\mathrm{SIDE} = \Big(\frac{1}{|\Omega|}\sum_\Omega \Delta^2 - \big(\frac{1}{|\Omega|}\sum_\Omega \Delta\big)^2
              \Big)^{1/2}, \quad \Delta = \log d - \log d^*

    Args:
        depth: :math:`d` > 0 where valid, in any unit.
        truth: :math:`d^*` > 0 where valid.
        valid: :math:`\Omega`; pixels outside may hold anything.

    Returns:
        One value a picture, nan where nothing is valid.

    Source: Wu et al. 2020, Section 4.1; computed as the root of the mean square about the mean, as the authors' code does.
    """
    delta = torch.where(valid, depth, 1.0).log() - torch.where(valid, truth, 1.0).log()
    weight = valid.to(delta.dtype)
    count = weight.sum(dim=(-3, -2, -1))
    mean = (delta * weight).sum(dim=(-3, -2, -1)) / count
    square = ((delta - mean[:, None, None, None]).square() * weight).sum(dim=(-3, -2, -1)) / count
    return square.sqrt()


def mean_angle_deviation(
    normals: Float[Tensor, "batch 3 height width"],
    truth: Float[Tensor, "batch 3 height width"],
    *,
    valid: Bool[Tensor, "batch 1 height width"],
) -> Float[Tensor, " batch"]:
    """Mean angle between two fields of unit normals, in degrees; nan where nothing is valid.

    Source: Wu et al. 2020, Section 4.1. The angle is taken by ``atan2`` of the cross and inner products, which is exact near 0
    where the authors' clamped ``acos`` is not.
    """
    cross = torch.linalg.cross(normals, truth, dim=-3).norm(dim=-3, keepdim=True)
    inner = (normals * truth).sum(dim=-3, keepdim=True)
    angle = torch.where(valid, torch.rad2deg(torch.atan2(cross, inner)), 0.0)
    return angle.sum(dim=(-3, -2, -1)) / valid.sum(dim=(-3, -2, -1))


def hemisphere(
    height: int, width: int, *, dtype: torch.dtype, device: torch.device | None = None
) -> Float[Tensor, "height width"]:
    """Return the height of a half ball over the picture: 1 in the middle, 0 from the middle of each side on."""
    y = torch.linspace(-1, 1, height, dtype=dtype, device=device)[:, None]
    x = torch.linspace(-1, 1, width, dtype=dtype, device=device)
    return (1 - x.square() - y.square()).clamp_min(0.0).sqrt()


class AverageDepth:
    """The average true depth of each pixel, which grows by batches and merges with others."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count: Tensor | None = None

    def update(self, truth: Float[Tensor, "batch 1 height width"], mask: Bool[Tensor, "batch 1 height width"]) -> None:
        """Add the pixels of a batch where the mask holds."""
        self._add(torch.where(mask, truth, 0.0).double().sum(dim=0), mask.double().sum(dim=0))

    def merge(self, other: "AverageDepth") -> None:
        """Add what another one has seen."""
        if other.total is not None and other.count is not None:
            self._add(other.total, other.count)

    def map(self) -> Tensor | None:
        """Return the average ``[1, height, width]``, None where nothing was seen.

        Where no picture has depth, the mean of the rest: a value is needed, none is known.
        """
        if self.total is None or self.count is None:
            return None
        rest = self.total.sum() / self.count.sum().clamp_min(1.0)
        return torch.where(self.count > 0, self.total / self.count.clamp_min(1.0), rest)

    def _add(self, total: Tensor, count: Tensor) -> None:
        self.total = total if self.total is None else self.total + total
        self.count = count if self.count is None else self.count + count


def known_depth(truth: Tensor, mask: Tensor | None) -> Bool[Tensor, "batch 1 height width"]:
    """Return where the true depth counts: inside the mask, or where it is a positive number if there is none."""
    return (torch.isfinite(truth) & (truth > 0)) if mask is None else mask.bool()


class SideMad(Evaluator):
    """``side-mad/1``: scale-invariant depth error and mean angle deviation, beside null depth, a blob and the average depth."""

    def __init__(self, config: SideMadConfig) -> None:
        self.config = config
        self.rows: dict[str, dict[str, dict[str, float]]] = {}
        self.average = AverageDepth()

    @classmethod
    def build(cls, config: SideMadConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Add to the average depth (``fit``) or measure a batch (``score``)."""
        truth = ports["true_depth"]
        mask = known_depth(truth, ports.get("true_mask"))
        if phase == "fit":
            self.average.update(truth, mask)
            return
        camera = ports.get("camera")
        if camera is None:
            height, width = truth.shape[-2:]
            camera = intrinsics(self.config.fov, height=height, width=width, dtype=truth.dtype, device=truth.device)
            camera = camera.expand(truth.shape[0], 3, 3)
        visible = ports.get("visible")
        depth = ports["depth"]
        visible = torch.ones_like(mask) if visible is None else visible.bool()
        self._score("method", depth, visible, ids=ids, truth=truth, mask=mask, camera=camera)
        everywhere = torch.ones_like(mask)
        for name, constant in self._baselines(truth).items():
            self._score(name, constant.expand_as(truth), everywhere, ids=ids, truth=truth, mask=mask, camera=camera)

    def merge(self, other: Self) -> None:
        """Take in another shard: sums add, rows join by id."""
        self.average.merge(other.average)
        for name, rows in other.rows.items():
            self.rows.setdefault(name, {}).update(rows)

    def result(self) -> Evaluation:
        """Return SIDE (times 100) and MAD (degrees) of the method and of each baseline."""
        if not self.rows.get("method"):
            raise ValueError("side-mad/1: no picture with true depth was scored; does the data folder have depth/?")
        figures = {name: _summary(rows) for name, rows in self.rows.items()}
        skipped = sum(1 for row in self.rows["method"].values() if row["side"] != row["side"])
        notes = () if not skipped else (f"{skipped} pictures left out: truth and prediction share no pixel",)
        if self.average.map() is None:
            notes = (*notes, "no average-depth baseline: no fit pass was run")
        return Evaluation(figures=figures.pop("method"), baselines=figures, notes=notes, rows=dict(self.rows["method"]))

    def _baselines(self, truth: Tensor) -> dict[str, Tensor]:
        config = self.config
        null = torch.full_like(truth[:1], config.null_depth)
        height, width = truth.shape[-2:]
        shape = hemisphere(height, width, dtype=truth.dtype, device=truth.device)
        baselines = {"null depth": null, "blob": null - config.blob_relief * shape}
        average = self.average.map()
        if average is not None:
            baselines["average depth"] = average.to(truth.dtype)[None]
        return baselines

    def _score(
        self, name: str, depth: Tensor, visible: Tensor, *, ids: list[str], truth: Tensor, mask: Tensor, camera: Tensor
    ) -> None:
        valid = _erode(mask, self.config.erosion) & _erode(visible, self.config.erosion)
        safe = torch.where(visible, depth, self.config.null_depth)
        true_safe = torch.where(mask, truth, self.config.null_depth)
        side = scale_invariant_depth_error(safe, true_safe, valid=valid)
        mad = mean_angle_deviation(normals_from_depth(safe, camera), normals_from_depth(true_safe, camera), valid=valid)
        rows = self.rows.setdefault(name, {})
        for item, a, b in zip(ids, side.tolist(), mad.tolist(), strict=True):
            rows[item] = {"side": _SIDE_SCALE * a, "mad": b}


def _erode(mask: Tensor, side: int) -> Tensor:
    share = torch.nn.functional.avg_pool2d(mask.float(), side, stride=1, padding=side // 2)
    # The authors' threshold, 0.99: every pixel of the window.
    return share[..., : mask.shape[-2], : mask.shape[-1]] > 0.99


def _summary(rows: Mapping[str, Mapping[str, float]]) -> dict[str, Figure]:
    figures = {}
    for measure, unit in (("side", "1e-2"), ("mad", "degree")):
        values = torch.tensor([row[measure] for row in rows.values()], dtype=torch.float64)
        values = values[~values.isnan()]
        figures[measure] = Figure(
            value=float(values.mean()),
            spread=float(values.std()) if len(values) > 1 else None,
            unit=unit,
            count=len(values),
        )
    return figures
