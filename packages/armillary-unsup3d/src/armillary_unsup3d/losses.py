"""Losses of Wu, Rupprecht and Vedaldi 2020, arXiv:1911.11130.

Images lie in [0, 1]. A masked loss returns a sum and a count per item of the batch, because the authors pool over the
whole batch: the recipe weighs, the runner divides and reduces. Pixels outside the mask may hold anything, nan included.
"""

import math
from pathlib import Path

import torch
from attrs.validators import gt
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.loss import Loss, StepCache
from armillary.interfaces.part import asset
from armillary.std.photometric import (
    ComparedFeatures,
    absolute_error,
    everywhere,
    pool,
    require_maps_of,
    vgg_weights,
    weigh,
)
from armillary_unsup3d.heads import FeatureSigma

_PAPER = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130"
_NETWORKS = "elliottwu/unsup3d, unsup3d/networks.py"
_MODEL = "elliottwu/unsup3d, unsup3d/model.py"
_SQRT2 = math.sqrt(2.0)


def photometric_laplace(
    reconstruction: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch channel height width"],
    *,
    sigma: Float[Tensor, "batch 1 height width"],
    valid: Bool[Tensor, "batch 1 height width"],
) -> ports.Pooled:
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
) -> ports.Pooled:
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


class PhotometricLaplace(Loss, name="photometric", source=f"{_PAPER}, Eq. 3"):
    """Image error weighted by a predicted confidence."""

    def forward(
        self,
        reconstruction: ports.Image,
        image: ports.Image,
        confidence: ports.Confidence,
        visible: ports.Mask | None = None,
    ) -> ports.Pooled:
        """Return sum and count per item; without ``visible`` every pixel counts."""
        return photometric_laplace(reconstruction, image, sigma=confidence, valid=everywhere(image, visible))


class Perceptual(Loss, name="perceptual", source=f"{_PAPER}, Eq. 7"):
    """Error of VGG-16 features weighted by a predicted confidence."""

    weights: str = param(
        "file",
        source="torchvision's VGG-16, trained on ImageNet",
        help='"file" for the asset vgg16, "random:SEED" for untrained features',
    )
    layer: str = param("relu3_3", source=_NETWORKS, help="of VGG-16, whose features are compared")
    variance_floor: float = param(
        1e-7, source=f"{_MODEL}: EPS", help="added to twice the variance that divides a squared error", validator=gt(0)
    )
    vgg16: Path | None = asset("vgg16")

    def setup(self) -> None:
        weights = vgg_weights(self.weights, self.vgg16)
        self.features = ComparedFeatures(weights, layers=(self.layer,))

    def forward(
        self,
        reconstruction: ports.Image,
        image: ports.Image,
        feature_confidence: FeatureSigma,
        visible: ports.Mask,
        cache: StepCache | None = None,
    ) -> ports.Pooled:
        """Return sum and count per item."""
        ((seen, target, weight),) = self.features(reconstruction, image, visible, cache)
        return feature_gaussian(
            seen, target, sigma=feature_confidence, weight=weight, variance_floor=self.variance_floor
        )
