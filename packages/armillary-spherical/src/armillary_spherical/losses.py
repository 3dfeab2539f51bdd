"""Losses of Esteves et al. 2019, arXiv:1812.02716, and of its regression baseline. One value per item."""

import functools
from typing import Literal

import torch
from attrs.validators import gt, in_
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import Loss
from armillary.kernels.rotations import geodesic_angle, log_map
from armillary.nn.spheres.grids import SphereGrid, cell_areas
from armillary_spherical.vocabulary import PAPER, SHORT, AnyRotation, Map, Picture, RotationVector

_POSE = "Mahendran, Ali, Vidal 2017, arXiv:1708.05628"


def huber_sphere(
    embedding: Float[Tensor, "*batch channel colatitude azimuth"],
    target: Float[Tensor, "*batch channel colatitude azimuth"],
    *,
    delta: float,
    grid_name: str = "soft",
) -> Float[Tensor, "*batch"]:
    r"""Huber error of a map of the sphere, each sample by the share of the sphere that it stands for.

    .. math:: L = \frac{1}{K} \sum_k \sum_{ij} w_i\, H_\delta(f_{kij} - t_{kij}), \quad \sum_{ij} w_i = 1, \qquad
              H_\delta(e) = \tfrac12 e^2 \text{ if } |e| < \delta, \text{ else } \delta (|e| - \tfrac12 \delta)

    Args:
        embedding: :math:`f`, as many azimuths as colatitudes.
        target: :math:`t`.
        delta: :math:`\delta` > 0, in the units of the features.
        grid_name: ``soft`` or ``driscoll_healy``: which samples these are.

    Returns:
        Mean over the sphere and over the :math:`K` channels.

    Raises:
        ValueError: the shapes differ, or are no grid of the sphere.

    Source: Eqs. 5 and 6. The text sums over the grid and aggregates over channels; the constant of :math:`w` is not given in
    it. Here everything is a mean, so that the value depends neither on the grid nor on the number of channels. Deviates from
    the authors' released snippet, which weighs prediction and target before Huber, so that :math:`\delta` shrinks towards
    the poles, and passes the prediction through a sigmoid, although targets are unbounded.
    """
    rows, columns = embedding.shape[-2:]
    if embedding.shape != target.shape or rows != columns or rows % 2:
        raise ValueError(
            f"embedding {embedding.shape} and target {target.shape} must be maps of one grid of the sphere"
        )
    error = nn.functional.huber_loss(embedding, target, reduction="none", delta=delta)
    weights = _weights(SphereGrid(grid_name, rows // 2), error.dtype, error.device)
    return (error.mean(dim=(-3, -1)) * weights).sum(dim=-1)


def cross_entropy(
    class_scores: Float[Tensor, "batch classes"], class_label: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Cross-entropy of the true class, in nats.

    Raises:
        ValueError: there are fewer scores than classes in the data (read only on the CPU).
    """
    if class_label.device.type == "cpu" and class_label.numel() and int(class_label.max()) >= class_scores.shape[-1]:
        raise ValueError(
            f"class {int(class_label.max())} has no score: the head has {class_scores.shape[-1]} classes; "
            "set slots.head.settings.classes to the number of categories in the data"
        )
    return nn.functional.cross_entropy(class_scores, class_label.long(), reduction="none")


class CrossEntropy(Loss, name="cross-entropy", source=f"{PAPER}, Appendix A.1"):
    """Cross-entropy of the true category."""

    def forward(self, class_scores: ports.ClassScores, class_label: ports.ClassLabel) -> ports.PerItem:
        """Return one value per item."""
        return cross_entropy(class_scores, class_label)


class HuberSphere(Loss, name="huber-sphere", source=f"{PAPER}, Eqs. 5 and 6"):
    """Area-weighted Huber error of a map of the sphere."""

    delta: float = param(1.0, source=f"{SHORT}, Section 3.2", help="where square becomes linear", validator=gt(0))

    def forward(self, embedding: Map, target_embedding: Map) -> ports.PerItem:
        """Return one value per item."""
        return huber_sphere(embedding, target_embedding, delta=self.delta)


class Pixel(Loss, name="pixel", source=f"{PAPER}, Appendix A.3"):
    """Absolute or squared error of the pixels."""

    norm: Literal["l1", "l2"] = param(
        "l2",
        source=f"{SHORT}, Appendix A.3, where the text at hand has lost which",
        help="l1: absolute; l2: squared",
        validator=in_(("l1", "l2")),
    )

    def forward(self, reconstruction: Picture, image: Picture) -> ports.PerItem:
        """Return one value per item."""
        if reconstruction.shape != image.shape:
            raise ValueError(f"reconstruction {reconstruction.shape} and image {image.shape} must agree")
        error = reconstruction - image
        return (error.abs() if self.norm == "l1" else error.square()).mean(dim=(-3, -2, -1))


class Geodesic(Loss, name="geodesic", source=f"{_POSE}, Eq. 3; {PAPER}, Appendix B.1"):
    """Angle between two rotations, in radians."""

    def forward(self, rotation: AnyRotation, true_rotation: AnyRotation) -> ports.PerItem:
        """Return one value per item."""
        return geodesic_angle(rotation, true_rotation)


class RotationVectorError(Loss, name="rotation-vector", source=f"{_POSE}, Section 4; {PAPER}, Appendix B.1"):
    """Root mean squared error of the rotation vector (axis times angle), in radians.

    The first phase of the baseline. The vector jumps at an angle of pi, where both signs of the axis are right; therefore the
    second phase uses the angle itself.
    """

    def forward(self, rotation_vector: RotationVector, true_rotation: AnyRotation) -> ports.PerItem:
        """Return one value per item."""
        squared = (rotation_vector - log_map(true_rotation)).square().mean(dim=-1)
        return squared.clamp_min(torch.finfo(squared.dtype).eps ** 2).sqrt()


@functools.lru_cache(maxsize=16)
def _weights(grid: SphereGrid, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        areas = cell_areas(grid, dtype=torch.float64)
        return (areas / areas.sum()).to(dtype=dtype, device=device)
