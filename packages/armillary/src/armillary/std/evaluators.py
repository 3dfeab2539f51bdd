"""Evaluators that more than one method uses.

``side-mad/1`` compares depth in the picture's frame, over the pixels that both the truth and the prediction cover, each mask
first eroded. Figures are means, standard deviations and bootstrap intervals over pictures.
"""

from typing import Annotated, ClassVar, Self

import torch
from attrs.validators import ge, gt
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.evaluator import Evaluation
from armillary.kernels.cameras import intrinsics
from armillary.kernels.shading import normals_from_depth
from armillary.std.scores import AverageMap, Column, Scores, direction_angle, eroded

# The papers print SIDE times a hundred.
_SIDE_SCALE = 100.0
_SIDE_MAD = "elliottwu/unsup3d, unsup3d/model.py and utils.py: metrics of the paper's Table 2"

PictureDepth = Annotated[ports.Depth, ports.Of(frame="image")]


def scale_invariant_depth_error(
    depth: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    *,
    valid: Bool[Tensor, "batch 1 height width"],
) -> Float[Tensor, " batch"]:
    r"""Return the standard deviation of the log-depth error, which does not depend on a common factor.

    .. math:: E_\mathrm{SIDE} = \Big(\frac{1}{|\Omega|}\sum_\Omega \Delta^2 - \big(\frac{1}{|\Omega|}\sum_\Omega \Delta\big)^2
              \Big)^{1/2}, \quad \Delta = \log d - \log d^*

    Args:
        depth: :math:`d` > 0 where valid, in any unit.
        truth: :math:`d^*` > 0 where valid.
        valid: :math:`\Omega`; pixels outside may hold anything.

    Returns:
        One value per picture, nan where nothing is valid.

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
    """Return the mean angle between two fields of unit normals, in degrees; nan where nothing is valid.

    Source: Wu et al. 2020, Section 4.1. The angle is taken by ``atan2`` of the cross and inner products, which is exact near 0
    where the authors' clamped ``acos`` is not.
    """
    angle = torch.where(valid, direction_angle(normals, truth, dim=-3), 0.0)
    return angle.sum(dim=(-3, -2, -1)) / valid.sum(dim=(-3, -2, -1))


def hemisphere(
    height: int, width: int, *, dtype: torch.dtype, device: torch.device | None = None
) -> Float[Tensor, "height width"]:
    """Return the height of a half ball over the picture: 1 in the middle, 0 from the middle of each side on."""
    y = torch.linspace(-1, 1, height, dtype=dtype, device=device)[:, None]
    x = torch.linspace(-1, 1, width, dtype=dtype, device=device)
    return (1 - x.square() - y.square()).clamp_min(0.0).sqrt()


def known_depth(truth: Tensor, mask: Tensor | None) -> Bool[Tensor, "batch 1 height width"]:
    """Return the pixels with known true depth: those of the mask, or without a mask those with a positive number."""
    return (torch.isfinite(truth) & (truth > 0)) if mask is None else mask.bool()


class SideMad(Scores, name="side-mad/1", source="Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130, Section 4.1"):
    """Scale-invariant depth error and mean angle deviation.

    Beside the method: null depth, a blob and the average depth.
    """

    protocol = (
        "depth in the picture's frame over the pixels that truth and prediction both cover, each mask eroded by "
        "3 x 3; standard deviation of the log-depth difference (SIDE, times 100) and mean angle between normals "
        "from depth (MAD, degrees); mean and standard deviation over pictures. The average depth is fitted on "
        "the training split."
    )
    columns: ClassVar = {"side": Column(of="side", unit="1e-2"), "mad": Column(of="mad", unit="degree")}

    erosion: int = param(
        3, unit="pixel", source=_SIDE_MAD, validator=ge(1), help="side of the square that erodes both masks"
    )
    fov: float = param(
        0.17453292519943295,
        unit="radian",
        source="elliottwu/unsup3d, unsup3d/renderer: fov 10 degrees",
        validator=gt(0),
        help="horizontal field of view, used if neither the data nor the method has a camera",
    )
    null_depth: float = param(
        1.0, unit="scene", source=_SIDE_MAD, validator=gt(0), help="constant depth of the null baseline"
    )
    blob_relief: float = param(
        0.1, unit="scene", validator=gt(0), help="how far the blob baseline bulges towards the viewer at its centre"
    )

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.average = AverageMap()

    def fit(self, ids: list[str], true_depth: PictureDepth, true_mask: ports.Mask | None = None) -> None:
        """Add a batch to the average depth."""
        del ids
        self.average.update(true_depth, known_depth(true_depth, true_mask))

    def score(
        self,
        ids: list[str],
        depth: PictureDepth,
        true_depth: PictureDepth,
        visible: ports.Mask | None = None,
        true_mask: ports.Mask | None = None,
        camera: ports.Camera | None = None,
        canonical_camera: ports.Camera | None = None,
    ) -> None:
        """Measure a batch; the camera is that of the data, else that of the method."""
        camera = canonical_camera if camera is None else camera
        mask = known_depth(true_depth, true_mask)
        if camera is None:
            (height, width), as_truth = true_depth.shape[-2:], {"dtype": true_depth.dtype, "device": true_depth.device}
            camera = intrinsics(self.fov, height=height, width=width, **as_truth).expand(true_depth.shape[0], 3, 3)
        visible = torch.ones_like(mask) if visible is None else visible.bool()
        self._score("method", depth, visible, ids=ids, truth=true_depth, mask=mask, camera=camera)
        everywhere = torch.ones_like(mask)
        for name, constant in self._baselines(true_depth).items():
            self._score(
                name, constant.expand_as(depth), everywhere, ids=ids, truth=true_depth, mask=mask, camera=camera
            )

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        super().merge(other)
        self.average.merge(other.average)

    def result(self) -> Evaluation:
        """Return SIDE (times 100) and MAD (degrees) of the method and of each baseline."""
        if not self.rows:
            raise ValueError("side-mad/1: no picture with true depth was scored; does the data folder have depth/?")
        unfitted = self.average.map() is None
        return self.evaluation(*(("no average-depth baseline: no fit pass was run",) if unfitted else ()))

    def _baselines(self, truth: Tensor) -> dict[str, Tensor]:
        null = torch.full_like(truth[:1], self.null_depth)
        height, width = truth.shape[-2:]
        shape = hemisphere(height, width, dtype=truth.dtype, device=truth.device)
        baselines = {"null depth": null, "blob": null - self.blob_relief * shape}
        average = self.average.map()
        if average is not None:
            baselines["average depth"] = average.to(truth.dtype)[None]
        return baselines

    def _score(
        self, name: str, depth: Tensor, visible: Tensor, *, ids: list[str], truth: Tensor, mask: Tensor, camera: Tensor
    ) -> None:
        valid = eroded(mask, self.erosion) & eroded(visible, self.erosion)
        safe = torch.where(visible, depth, self.null_depth)
        true_safe = torch.where(mask, truth, self.null_depth)
        side = scale_invariant_depth_error(safe, true_safe, valid=valid)
        mad = mean_angle_deviation(normals_from_depth(safe, camera), normals_from_depth(true_safe, camera), valid=valid)
        self.keep(name, ids, side=_SIDE_SCALE * side, mad=mad)
