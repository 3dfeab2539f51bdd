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
from torch import Tensor

from armillary.interfaces.loss import Loss, StepCache
from armillary.ports import Shape
from armillary.std.photometric import ComparedFeatures, absolute_error, pool, require_maps_of, vgg_weights, weigh

if TYPE_CHECKING:
    from armillary.config import NoConfig
    from armillary_unsup3d.config import PerceptualConfig

_SQRT2 = math.sqrt(2.0)

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
    require_maps_of(image, reconstruction, sigma, valid)
    error = absolute_error(reconstruction, image, valid)
    sigma = torch.where(valid, sigma, 1.0 / _SQRT2)  # the logarithm is 0 outside
    nats = _SQRT2 * error / sigma + torch.log(_SQRT2 * sigma)
    return pool(nats, valid)


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
    require_maps_of(image, reconstruction, sigma, weight)
    error = (reconstruction - image).square().mean(dim=1, keepdim=True)
    nats = error / (2 * sigma.square() + variance_floor) + torch.log(sigma)
    return weigh(nats, weight)


class PhotometricLaplace(Loss):
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


class Perceptual(Loss):
    """Feature error under a predicted standard deviation.

    Args:
        weights: file of VGG-16 weights, or ``random:SEED``.
        layer: of VGG-16.
        variance_floor: added to twice the variance.
    """

    def __init__(self, weights: Path | str, *, layer: str, variance_floor: float) -> None:
        super().__init__()
        self.features = ComparedFeatures(weights, layers=(layer,))
        self.variance_floor = variance_floor

    @classmethod
    def build(cls, config: "PerceptualConfig", *, inputs: Shapes, assets: Assets) -> Self:
        """Return the loss with the weights that the recipe names."""
        return cls(vgg_weights(config.weights, assets), layer=config.layer, variance_floor=config.variance_floor)

    def forward(
        self,
        reconstruction: Float[Tensor, "batch 3 height width"],
        image: Float[Tensor, "batch 3 height width"],
        feature_confidence: Float[Tensor, "batch 1 height/4 width/4"],
        visible: Bool[Tensor, "batch 1 height width"],
        cache: StepCache | None = None,
    ) -> Pooled:
        """Return sum and count for each item."""
        ((seen, target, weight),) = self.features(reconstruction, image, visible, cache)
        return feature_gaussian(
            seen, target, sigma=feature_confidence, weight=weight, variance_floor=self.variance_floor
        )
