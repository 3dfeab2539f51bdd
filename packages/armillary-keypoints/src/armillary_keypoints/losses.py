"""Losses of AutoLink (He, Wandt and Rhodin 2022, arXiv:2205.10636) and of Wang, Cao and Bernard 2024, Section 4.3.

Images lie in [0, 1], points in [-1, 1]. Every loss returns one value an item.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.interfaces.loss import Loss, StepCache
from armillary.ports import Shape
from armillary.std.features import VGGFeatures
from armillary.std.photometric import vgg_weights

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_keypoints.config import FeatureDistanceConfig, PerceptualConfig, RepulsionConfig

Shapes = Mapping[str, Shape]
Assets = Mapping[str, Path]
Norm = Literal["l1", "l2"]


def projection(
    projected: Float[Tensor, "batch points 2"], points: Float[Tensor, "batch points 2"]
) -> Float[Tensor, " batch"]:
    r"""Frobenius norm, not squared, of how far the projected shape misses the key points.

    .. math:: L = \| P_\mathrm{3D} \Pi - P_\mathrm{2D} \|_F

    The slope is 0 where nothing is missed.

    Raises:
        ValueError: the shapes differ.

    Source: Eq. 8.
    """
    if projected.shape != points.shape:
        raise ValueError(f"projected {tuple(projected.shape)} and points {tuple(points.shape)} must agree")
    squared = (projected - points).square().sum(dim=(-2, -1))
    met = squared == 0
    return torch.where(met, 0.0, torch.where(met, 1.0, squared).sqrt())


def nearest_distances(points: Float[Tensor, "batch points 2"]) -> Float[Tensor, "batch points"]:
    """Distance of each point to the nearest other one, with a slope that parts points which coincide.

    Of points nearer than the square root of the smallest normal number the distance is 0 and its slope that of two points
    which lie apart along a direction of their own: point i of K is drawn towards the angle 2 pi i / K, so that a heap fans out.
    Of equally near points the first one counts.

    Raises:
        ValueError: there are fewer than two points.
    """
    count = points.shape[-2]
    if count < 2:
        raise ValueError(f"a nearest other point needs two points, got {count}")
    with torch.no_grad():
        between = (points[..., :, None, :] - points[..., None, :, :]).square().sum(dim=-1)
        between.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
        nearest = between.argmin(dim=-1)
        angles = torch.arange(count, dtype=points.dtype, device=points.device) * (2 * torch.pi / count)
        fan = torch.stack((angles.cos(), angles.sin()), dim=-1)
        apart = functional.normalize(fan - fan[nearest], dim=-1)
    difference = points - points.gather(-2, nearest[..., None].expand_as(points))
    squared = difference.square().sum(dim=-1)
    heap = squared < torch.finfo(points.dtype).tiny
    distance = torch.where(heap, 1.0, squared).sqrt()
    return torch.where(heap, (apart * difference).sum(dim=-1), distance)


def repulsion(points: Float[Tensor, "batch points 2"], *, reach: float) -> Float[Tensor, " batch"]:
    r"""How little each point keeps away from its nearest neighbour.

    .. math:: L = -\sum_i d_i \exp(-d_i / h), \quad d_i = \| p_i - \mathcal N(p_i) \|_2

    Least where every distance is h; farther points are drawn together again, ever more weakly. Points that coincide are
    parted (:func:`nearest_distances`), where a plain norm would have the slope 0 or nan.

    Args:
        reach: h, in units of [-1, 1].

    Source: Eq. 9.
    """
    distance = nearest_distances(points)
    return -(distance * (-distance / reach).exp()).sum(dim=-1)


def distance(one: Float[Tensor, "batch ..."], other: Float[Tensor, "batch ..."], *, norm: Norm) -> Tensor:
    """Mean absolute difference of each item (``l1``), or the root of its mean square (``l2``, slope 0 where it is 0)."""
    difference = (one - other).flatten(1)
    if norm == "l1":
        return difference.abs().mean(dim=1)
    squared = difference.square().mean(dim=1)
    same = squared == 0
    return torch.where(same, 0.0, torch.where(same, 1.0, squared).sqrt())


class Projection(Loss):
    """How far the projected 3D shape misses the key points; its gradient reaches both."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(
        self, projected_keypoints2d: Float[Tensor, "batch points 2"], keypoints2d: Float[Tensor, "batch points 2"]
    ) -> Float[Tensor, " batch"]:
        """Return one value for each item."""
        return projection(projected_keypoints2d, keypoints2d)


class Repulsion(Loss):
    """Key points keep apart.

    Args:
        reach: distance at which the force ends, in units of [-1, 1].
    """

    def __init__(self, *, reach: float) -> None:
        super().__init__()
        self.reach = reach

    @classmethod
    def build(cls, config: "RepulsionConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(reach=config.reach)

    def forward(self, keypoints2d: Float[Tensor, "batch points 2"]) -> Float[Tensor, " batch"]:
        """Return one value for each item."""
        return repulsion(keypoints2d, reach=self.reach)


class Perceptual(Loss):
    """Distance of VGG-16 features between the reconstruction and the picture, the sum over some layers.

    Args:
        weights: file of VGG-16 weights, or ``random:SEED``.
        layers: of VGG-16.
        size: side to which both are resized first; None leaves them as they are.
        norm: ``l1`` as in AutoLink's code, ``l2`` as in both papers.

    Source: Wang, Cao and Bernard 2024, Eq. 4; xingzhehe/AutoLink, utils_/loss.py.
    """

    def __init__(self, weights: Path | str, *, layers: tuple[str, ...], size: int | None, norm: Norm) -> None:
        super().__init__()
        self.vgg = VGGFeatures(layers, weights=weights)
        self.layers, self.size = layers, size
        self.norm: Norm = norm

    @classmethod
    def build(cls, config: "PerceptualConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss with the weights that the recipe names.

        Raises:
            ValueError: the weights are to come from a file and none was given.
        """
        weights = vgg_weights(config.weights, assets)
        return cls(weights, layers=config.layers, size=config.size or None, norm=config.norm)

    def forward(
        self,
        reconstruction: Float[Tensor, "batch 3 height width"],
        image: Float[Tensor, "batch 3 height width"],
        cache: StepCache | None = None,
    ) -> Float[Tensor, " batch"]:
        """Return one value for each item."""

        def of_image() -> dict[str, Tensor]:
            with torch.no_grad():
                return self._features(image)

        target = of_image() if cache is None else cache.once((id(self), "image"), of_image)
        found = self._features(reconstruction)
        terms = [distance(found[layer], target[layer], norm=self.norm) for layer in self.layers]
        return torch.stack(terms).sum(dim=0)

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        if self.size is not None:
            image = functional.interpolate(image, size=(self.size, self.size), mode="bilinear", align_corners=False)
        return self.vgg(image)


class FeatureDistance(Loss):
    """Distance of features of any network between the reconstruction and the picture.

    Args:
        norm: ``l1`` or ``l2``.

    Source: Wang, Cao and Bernard 2024, Eq. 4, with the features of another network than VGG.
    """

    def __init__(self, *, norm: Norm) -> None:
        super().__init__()
        self.norm: Norm = norm

    @classmethod
    def build(cls, config: "FeatureDistanceConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(norm=config.norm)

    def forward(
        self,
        reconstruction_features: Float[Tensor, "batch channel rows columns"],
        image_features: Float[Tensor, "batch channel rows columns"],
    ) -> Float[Tensor, " batch"]:
        """Return one value for each item; no gradient reaches the features of the picture."""
        return distance(reconstruction_features, image_features.detach(), norm=self.norm)
