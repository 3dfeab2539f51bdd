"""Losses of AutoLink (He, Wandt and Rhodin 2022, arXiv:2205.10636) and of Wang, Cao and Bernard 2024, Section 4.3.

Images lie in [0, 1], points in [-1, 1]. Every loss returns one value per item.
"""

from pathlib import Path
from typing import Annotated, Literal

import torch
from attrs.validators import ge, gt, min_len
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Loss, StepCache, asset
from armillary.std.features import VGGFeatures
from armillary.std.photometric import vgg_weights

_PAPER = "Wang, Cao, Bernard 2024"
_LOSS = "xingzhehe/AutoLink, utils_/loss.py"

Norm = Literal["l1", "l2"]
NORM = param(
    "l1",
    source=f"{_LOSS}: l1_loss; {_PAPER}, Eq. 4 prints the Euclidean norm",
    help="l1: mean absolute difference; l2: root of the mean square",
)

Compared = Annotated[ports.FeatureMap, "batch feature_channels feature_rows feature_columns"]
"""Features of the slot ``features``."""


def projection(
    projected: Float[Tensor, "batch points 2"], points: Float[Tensor, "batch points 2"]
) -> Float[Tensor, " batch"]:
    r"""Return the Frobenius norm, not squared, of the distance of the projected shape from the key points.

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
    """Return the distance of each point to the nearest other one, with a slope that parts points which coincide.

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
    r"""Return the energy of points that repel their nearest neighbours.

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
    """Return the mean absolute difference of each item (``l1``), or the root of its mean square (``l2``, slope 0 where it is 0)."""
    difference = (one - other).flatten(1)
    if norm == "l1":
        return difference.abs().mean(dim=1)
    squared = difference.square().mean(dim=1)
    same = squared == 0
    return torch.where(same, 0.0, torch.where(same, 1.0, squared).sqrt())


class Projection(
    Loss,
    name="projection",
    source=f"{_PAPER}, Eq. 8",
    summary="how far the projected 3D shape misses the key points",
):
    """Distance of the projected 3D shape from the key points; its gradient reaches both."""

    def forward(self, projected_keypoints2d: ports.Keypoints2d, keypoints2d: ports.Keypoints2d) -> ports.PerItem:
        """Return one value per item."""
        return projection(projected_keypoints2d, keypoints2d)


class Repulsion(
    Loss,
    name="repulsion",
    source=f"{_PAPER}, Eq. 9",
    summary="how little each key point keeps away from its nearest neighbour",
):
    """Force that keeps key points apart."""

    reach: float = param(
        0.2,
        unit="normalised",
        source="ours: the paper leaves it to a supplement that is not public; not searched",
        validator=gt(0.0),
        help="h, the distance to which neighbours are driven",
    )

    def forward(self, keypoints2d: ports.Keypoints2d) -> ports.PerItem:
        """Return one value per item."""
        return repulsion(keypoints2d, reach=self.reach)


class Perceptual(
    Loss,
    name="perceptual",
    source=f"{_PAPER}, Eq. 4; {_LOSS}",
    summary="distance of VGG-16 features, the sum over some layers",
):
    """Distance of VGG-16 features between the reconstruction and the picture, the sum over some layers."""

    weights: str = param("file", source=f"{_LOSS}: ImageNet", help='"file", the asset vgg16; or "random:SEED"')
    layers: tuple[str, ...] = param(
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), source=_LOSS, validator=min_len(1), help="that are compared"
    )
    size: int = param(
        224, unit="pixel", source=_LOSS, validator=ge(0), help="side to which both pictures are resized; 0: as they are"
    )
    norm: Norm = NORM
    vgg16: Path | None = asset("vgg16")

    def setup(self) -> None:
        """Make the network of features.

        Raises:
            ValueError: the weights are to come from a file that is missing.
        """
        weights = vgg_weights(self.weights, self.vgg16)
        self.vgg = VGGFeatures(self.layers, weights=weights)

    def forward(
        self,
        reconstruction: Annotated[ports.Image, ports.Of(unit="any")],
        image: ports.Image,
        cache: StepCache | None = None,
    ) -> ports.PerItem:
        """Return one value per item."""

        def of_image() -> dict[str, Tensor]:
            with torch.no_grad():
                return self._features(image)

        target = of_image() if cache is None else cache.once((id(self), "image"), of_image)
        found = self._features(reconstruction)
        terms = [distance(found[layer], target[layer], norm=self.norm) for layer in self.layers]
        return torch.stack(terms).sum(dim=0)

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        if self.size:
            image = functional.interpolate(image, size=(self.size, self.size), mode="bilinear", align_corners=False)
        return self.vgg(image)


class FeatureDistance(
    Loss,
    name="feature-distance",
    source=f"{_PAPER}, Eq. 4, with another network than VGG",
    summary="distance of the features of whatever network fills the slot features",
):
    """Distance of features of any network between the reconstruction and the picture."""

    norm: Norm = NORM

    def forward(self, reconstruction_features: Compared, image_features: Compared) -> ports.PerItem:
        """Return one value per item; no gradient reaches the features of the picture."""
        return distance(reconstruction_features, image_features.detach(), norm=self.norm)
