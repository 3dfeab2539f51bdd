"""Losses of Esteves et al. 2019, arXiv:1812.02716, and of its regression baseline. One value an item."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.interfaces.loss import Loss
from armillary.kernels.rotations import geodesic_angle, log_map
from armillary.nn.spheres.grids import SphereGrid, cell_areas
from armillary.ports import Shape

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_spherical.network_config import HuberSphereConfig, PixelConfig


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


class CrossEntropy(Loss):
    """:func:`cross_entropy` as a part of a recipe."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss; it takes any number of classes."""
        del config, inputs, assets
        return cls()

    def forward(self, class_scores: Tensor, class_label: Tensor) -> Tensor:
        """Return one value an item."""
        return cross_entropy(class_scores, class_label)


class HuberSphere(Loss):
    """:func:`huber_sphere` as a part of a recipe."""

    def __init__(self, *, delta: float) -> None:
        super().__init__()
        self.delta = delta

    @classmethod
    def build(cls, config: "HuberSphereConfig", *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss; it takes any grid."""
        del inputs, assets
        return cls(delta=config.delta)

    def forward(self, embedding: Tensor, target_embedding: Tensor) -> Tensor:
        """Return one value an item."""
        return huber_sphere(embedding, target_embedding, delta=self.delta)


class Pixel(Loss):
    """Mean error of a picture's pixels: absolute (``l1``) or squared (``l2``).

    Source: Appendix A.3; which of the two is not in the text at hand.
    """

    def __init__(self, *, norm: str) -> None:
        super().__init__()
        self.norm = norm

    @classmethod
    def build(cls, config: "PixelConfig", *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss; it takes any size."""
        del inputs, assets
        return cls(norm=config.norm)

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Return one value an item."""
        if reconstruction.shape != image.shape:
            raise ValueError(f"reconstruction {reconstruction.shape} and image {image.shape} must agree")
        error = reconstruction - image
        return (error.abs() if self.norm == "l1" else error.square()).mean(dim=(-3, -2, -1))


class Geodesic(Loss):
    """Angle between the estimated and the true rotation, in radians.

    Source: Mahendran, Ali and Vidal 2017, arXiv:1708.05628, Eq. 3.
    """

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss."""
        del config, inputs, assets
        return cls()

    def forward(self, rotation: Tensor, true_rotation: Tensor) -> Tensor:
        """Return one value an item."""
        return geodesic_angle(rotation, true_rotation)


class RotationVectorError(Loss):
    """Root of the mean squared error of the rotation vector (axis times angle), in radians.

    Source: the first phase of Mahendran, Ali and Vidal 2017, Section 4, as Appendix B.1 names it. The vector jumps at an angle
    of pi, where both signs of the axis are right: that is why the second phase uses the angle itself.
    """

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Mapping[str, Shape], assets: Mapping[str, Path]) -> Self:
        """Return the loss."""
        del config, inputs, assets
        return cls()

    def forward(self, rotation_vector: Tensor, true_rotation: Tensor) -> Tensor:
        """Return one value an item."""
        squared = (rotation_vector - log_map(true_rotation)).square().mean(dim=-1)
        return squared.clamp_min(torch.finfo(squared.dtype).eps ** 2).sqrt()


@functools.lru_cache(maxsize=16)
def _weights(grid: SphereGrid, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        areas = cell_areas(grid, dtype=torch.float64)
        return (areas / areas.sum()).to(dtype=dtype, device=device)
