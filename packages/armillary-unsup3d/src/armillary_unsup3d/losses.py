"""Losses of Wu, Rupprecht and Vedaldi 2020, arXiv:1911.11130.

Images lie in [0, 1]. A masked loss returns a sum and a count for each item of the batch, because the authors pool over the
whole batch: the recipe weighs, the runner divides and reduces. Pixels outside the mask may hold anything, nan included.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.interfaces.loss import Loss, StepCache
from armillary.ports import Shape
from armillary.std.features import VGGFeatures

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_unsup3d.config import PerceptualConfig, PlainPerceptualConfig, SmoothnessConfig

_SQRT2 = math.sqrt(2.0)
_MID_GREY = 0.5

Pooled = tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]
Shapes = Mapping[str, Shape]
Assets = Mapping[str, Path]


def photometric_laplace(
    reconstruction: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch channel height width"],
    *,
    sigma: Float[Tensor, "batch 1 height width"],
    valid: Bool[Tensor, "batch 1 height width"],
) -> Pooled:
    r"""Negative log-likelihood of the image under a Laplacian around the reconstruction.

    .. math:: L = \sum_{uv \in \Omega}
              \frac{\sqrt 2\, |\hat I_{uv} - I_{uv}|}{\sigma_{uv}} + \ln(\sqrt 2\, \sigma_{uv})

    Args:
        reconstruction: :math:`\hat I`.
        image: :math:`I`.
        sigma: :math:`\sigma`, standard deviation of the error, in image units, > 0.
        valid: :math:`\Omega`.

    Returns:
        Sum over valid pixels of the mean over channels, in nats, unbounded below; and the number of valid pixels.

    Raises:
        ValueError: a shape differs where broadcasting would hide it.

    Source: Eq. 3. Deviates from the authors' code (unsup3d/model.py, photometric_loss): keeps the constant ln(sqrt 2)
    and, because images lie in [0, 1] and not in [-1, 1], is less by ln 2; adds nothing to sigma, which the head has done.
    """
    _check_shapes(reconstruction, image, sigma, valid)
    error = _absolute_error(reconstruction, image, valid)
    sigma = torch.where(valid, sigma, 1.0 / _SQRT2)  # the logarithm is 0 outside
    nats = _SQRT2 * error / sigma + torch.log(_SQRT2 * sigma)
    return _pool(nats, valid)


def photometric_l1(
    reconstruction: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch channel height width"],
    *,
    valid: Bool[Tensor, "batch 1 height width"],
) -> Pooled:
    """Absolute error of the reconstruction, mean over channels.

    Returns:
        Sum over valid pixels, in image units, and the number of valid pixels.

    Raises:
        ValueError: a shape differs where broadcasting would hide it.

    Source: unsup3d/model.py, photometric_loss without confidence. Deviates: half of theirs, whose images lie in [-1, 1].
    """
    _check_shapes(reconstruction, image, valid)
    return _pool(_absolute_error(reconstruction, image, valid), valid)


def feature_gaussian(
    reconstruction: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch channel height width"],
    *,
    sigma: Float[Tensor, "batch 1 height width"],
    weight: Float[Tensor, "batch 1 height width"],
    variance_floor: float,
) -> Pooled:
    r"""Negative log-likelihood of the image's features under a Gaussian around those of the reconstruction.

    .. math:: L = \sum_{uv} w_{uv} \left( \frac{|\hat e_{uv} - e_{uv}|^2}{2 \sigma_{uv}^2 + \epsilon}
              + \ln \sigma_{uv} \right)

    Args:
        reconstruction: :math:`\hat e`, features of the reconstruction.
        image: :math:`e`, features of the image.
        sigma: :math:`\sigma`, > 0, in units of a feature.
        weight: :math:`w`, how much of the picture under a feature is valid, in [0, 1].
        variance_floor: :math:`\epsilon`.

    Returns:
        Weighted sum over positions of the mean over channels, and the sum of the weights.

    Raises:
        ValueError: a shape differs where broadcasting would hide it.

    Source: Eq. 7; unsup3d/networks.py, PerceptualLoss. Without the constant ln(sqrt(2 pi)), as there.
    """
    _check_shapes(reconstruction, image, sigma, weight)
    error = (reconstruction - image).square().mean(dim=1, keepdim=True)
    nats = error / (2 * sigma.square() + variance_floor) + torch.log(sigma)
    return _weigh(nats, weight)


def smoothness(depth: Float[Tensor, "batch 1 height width"], *, depth_range: float) -> Float[Tensor, " batch"]:
    """Mean absolute step of depth between neighbours, down plus across, in units of ``depth_range``.

    Source: unsup3d/model.py, loss_depth_sm.
    """
    down = (depth[..., 1:, :] - depth[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    across = (depth[..., :, 1:] - depth[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    return (down + across) / depth_range


def _check_shapes(reconstruction: Tensor, image: Tensor, *maps: Tensor) -> None:
    one_channel = (image.shape[0], 1, *image.shape[2:])
    if reconstruction.shape != image.shape or any(map_.shape != one_channel for map_ in maps):
        shapes = ", ".join(str(tuple(map_.shape)) for map_ in maps)
        raise ValueError(
            f"reconstruction {tuple(reconstruction.shape)} must have the shape of the image {tuple(image.shape)}, "
            f"and sigma and mask {one_channel}, not {shapes}"
        )


def _absolute_error(reconstruction: Tensor, image: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, reconstruction - image, 0.0).abs().mean(dim=1, keepdim=True)


def _pool(nats: Tensor, valid: Tensor) -> Pooled:
    return torch.where(valid, nats, 0.0).sum(dim=(1, 2, 3)), valid.sum(dim=(1, 2, 3)).to(nats.dtype)


def _weigh(nats: Tensor, weight: Tensor) -> Pooled:
    return (nats * weight).sum(dim=(1, 2, 3)), weight.sum(dim=(1, 2, 3))


class PhotometricLaplace(nn.Module, Loss):
    """Image error under a predicted standard deviation."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(
        self,
        reconstruction: Float[Tensor, "batch channel height width"],
        image: Float[Tensor, "batch channel height width"],
        confidence: Float[Tensor, "batch 1 height width"],
        visible: Bool[Tensor, "batch 1 height width"],
    ) -> Pooled:
        """Return sum and count for each item."""
        return photometric_laplace(reconstruction, image, sigma=confidence, valid=visible)


class PhotometricL1(nn.Module, Loss):
    """Absolute image error."""

    @classmethod
    def build(cls, config: "NoConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss; it has no settings."""
        return cls()

    def forward(
        self,
        reconstruction: Float[Tensor, "batch channel height width"],
        image: Float[Tensor, "batch channel height width"],
        visible: Bool[Tensor, "batch 1 height width"],
    ) -> Pooled:
        """Return sum and count for each item."""
        return photometric_l1(reconstruction, image, valid=visible)


class _Features(nn.Module):
    """One layer of VGG-16 for reconstruction, image and mask; the image's is computed once a step."""

    def __init__(self, weights: Path | str, *, layer: str) -> None:
        super().__init__()
        self.vgg = VGGFeatures((layer,), weights=weights)
        self.layer = layer

    def forward(
        self, reconstruction: Tensor, image: Tensor, visible: Tensor, cache: StepCache | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return features of both and, at their size, how much of the picture is visible."""

        def of_image() -> Tensor:
            with torch.no_grad():
                return self.vgg(image)[self.layer]

        target = of_image() if cache is None else cache.once(("vgg16", self.layer, "image"), of_image)
        seen = self.vgg(torch.where(visible, reconstruction, _MID_GREY))[self.layer]
        return seen, target, functional.adaptive_avg_pool2d(visible.to(seen.dtype), seen.shape[-2:])


def _weights(weights: str, assets: Assets) -> Path | str:
    kind, _, seed = weights.partition(":")
    if kind == "random" and seed.isdecimal():
        return weights
    if weights != "file":
        raise ValueError(f'weights must be "file" or "random:SEED", not {weights!r}')
    if "vgg16" not in assets:
        raise ValueError(
            "the perceptual loss needs the weights of VGG-16 in torchvision's format: "
            "--asset vgg16=FILE, or untrained features with --set losses.NAME.settings.weights=random:0"
        )
    return assets["vgg16"]


class Perceptual(nn.Module, Loss):
    """Feature error under a predicted standard deviation.

    Args:
        weights: file of VGG-16 weights, or ``random:SEED``.
        layer: of VGG-16.
        variance_floor: added to twice the variance.
    """

    def __init__(self, weights: Path | str, *, layer: str, variance_floor: float) -> None:
        super().__init__()
        self.features = _Features(weights, layer=layer)
        self.variance_floor = variance_floor

    @classmethod
    def build(cls, config: "PerceptualConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss with the weights that the recipe names."""
        return cls(_weights(config.weights, assets), layer=config.layer, variance_floor=config.variance_floor)

    def forward(
        self,
        reconstruction: Float[Tensor, "batch 3 height width"],
        image: Float[Tensor, "batch 3 height width"],
        feature_confidence: Float[Tensor, "batch 1 height/4 width/4"],
        visible: Bool[Tensor, "batch 1 height width"],
        cache: StepCache | None = None,
    ) -> Pooled:
        """Return sum and count for each item."""
        seen, target, weight = self.features(reconstruction, image, visible, cache)
        return feature_gaussian(
            seen, target, sigma=feature_confidence, weight=weight, variance_floor=self.variance_floor
        )


class PlainPerceptual(nn.Module, Loss):
    """Squared feature error.

    Args:
        weights: file of VGG-16 weights, or ``random:SEED``.
        layer: of VGG-16.
    """

    def __init__(self, weights: Path | str, *, layer: str) -> None:
        super().__init__()
        self.features = _Features(weights, layer=layer)

    @classmethod
    def build(cls, config: "PlainPerceptualConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss with the weights that the recipe names."""
        return cls(_weights(config.weights, assets), layer=config.layer)

    def forward(
        self,
        reconstruction: Float[Tensor, "batch 3 height width"],
        image: Float[Tensor, "batch 3 height width"],
        visible: Bool[Tensor, "batch 1 height width"],
        cache: StepCache | None = None,
    ) -> Pooled:
        """Return sum and count for each item.

        Source: unsup3d/networks.py, PerceptualLoss without confidence.
        """
        seen, target, weight = self.features(reconstruction, image, visible, cache)
        return _weigh((seen - target).square().mean(dim=1, keepdim=True), weight)


class Smoothness(nn.Module, Loss):
    """Steps of depth between neighbours.

    Args:
        depth_range: unit of a step, in scene units.
    """

    def __init__(self, *, depth_range: float) -> None:
        super().__init__()
        self.depth_range = depth_range

    @classmethod
    def build(cls, config: "SmoothnessConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss."""
        return cls(depth_range=config.depth_range)

    def forward(self, depth: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, " batch"]:
        """Return one value for each item."""
        return smoothness(depth, depth_range=self.depth_range)
