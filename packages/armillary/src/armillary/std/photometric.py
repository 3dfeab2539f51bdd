"""Errors of a reconstructed picture over visible pixels: of the pixels themselves, and of features of VGG-16.

Images are in [0, 1]. A masked loss returns a sum and a count for each item of the batch, so that errors can be pooled over the
whole batch: the recipe weighs, the runner divides and reduces. Pixels outside the mask may have any value, nan included.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from attrs.validators import gt
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces.loss import Loss, StepCache
from armillary.interfaces.part import asset
from armillary.std.branches import CanonicalDepth
from armillary.std.features import VGGFeatures

_MID_GREY = 0.5
_PHOTOGEO = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_CODE = "elliottwu/unsup3d, unsup3d"

Pooled = tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]


def photometric_l1(
    reconstruction: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch channel height width"],
    *,
    valid: Bool[Tensor, "batch 1 height width"],
) -> Pooled:
    """Return the absolute error of the reconstruction, mean over channels.

    Returns:
        Sum over valid pixels, in image units, and the number of valid pixels.

    Raises:
        ValueError: a shape differs where broadcasting would hide it.

    Source: elliottwu/unsup3d, unsup3d/model.py, photometric_loss without confidence. Deviates: half of theirs, whose images
    lie in [-1, 1].
    """
    require_maps_of(image, reconstruction, valid)
    return pool(absolute_error(reconstruction, image, valid), valid)


def everywhere(image: Tensor, visible: Tensor | None) -> Bool[Tensor, "batch 1 height width"]:
    """Return the mask of visible pixels; all of them where there is none."""
    return torch.ones_like(image[:, :1], dtype=torch.bool) if visible is None else visible


def smoothness(depth: Float[Tensor, "batch 1 height width"], *, depth_range: float) -> Float[Tensor, " batch"]:
    """Return the mean absolute step of depth between neighbours, down plus across, in units of ``depth_range``.

    Source: elliottwu/unsup3d, unsup3d/model.py, loss_depth_sm.
    """
    down = (depth[..., 1:, :] - depth[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    across = (depth[..., :, 1:] - depth[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    return (down + across) / depth_range


def require_maps_of(image: Tensor, reconstruction: Tensor, *maps: Tensor) -> None:
    """Check that a reconstruction has the shape of the image, and each map one channel of its size.

    Raises:
        ValueError: a shape differs; the message has the required and the actual shapes.
    """
    one_channel = (image.shape[0], 1, *image.shape[2:])
    if reconstruction.shape != image.shape or any(map_.shape != one_channel for map_ in maps):
        shapes = ", ".join(str(tuple(map_.shape)) for map_ in maps)
        raise ValueError(
            f"reconstruction {tuple(reconstruction.shape)} must have the shape of the image {tuple(image.shape)}, "
            f"and sigma and mask {one_channel}, not {shapes}"
        )


def absolute_error(reconstruction: Tensor, image: Tensor, valid: Tensor) -> Float[Tensor, "batch 1 height width"]:
    """Return the absolute error, mean over channels; 0 outside the mask, for any value there."""
    return torch.where(valid, reconstruction - image, 0.0).abs().mean(dim=1, keepdim=True)


def pool(values: Tensor, valid: Tensor) -> Pooled:
    """Return the sum over valid pixels and their number, per item."""
    return torch.where(valid, values, 0.0).sum(dim=(1, 2, 3)), valid.sum(dim=(1, 2, 3)).to(values.dtype)


def weigh(values: Tensor, weight: Tensor) -> Pooled:
    """Return the weighted sum and the sum of the weights, per item."""
    return (values * weight).sum(dim=(1, 2, 3)), weight.sum(dim=(1, 2, 3))


class ComparedFeatures(nn.Module):
    """Layers of VGG-16 for reconstruction, image and mask; the image's are computed once per step.

    Args:
        weights: file of VGG-16 weights, or ``random:SEED``.
        layers: of VGG-16, as :data:`armillary.std.features.LAYERS` names them.
    """

    def __init__(self, weights: Path | str, *, layers: Sequence[str]) -> None:
        super().__init__()
        self.vgg = VGGFeatures(layers, weights=weights)
        self.layers = tuple(layers)
        self.key = ("vgg16", str(weights), self.layers, "image")

    def forward(
        self, reconstruction: Tensor, image: Tensor, visible: Tensor, cache: StepCache | None
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return per layer the features of both pictures and, at their size, the visible share of the picture."""

        def of_image() -> dict[str, Tensor]:
            with torch.no_grad():
                return self.vgg(image)

        targets = of_image() if cache is None else cache.once(self.key, of_image)
        found = self.vgg(torch.where(visible, reconstruction, _MID_GREY))
        return [
            (
                found[layer],
                targets[layer],
                functional.adaptive_avg_pool2d(visible.to(image.dtype), found[layer].shape[-2:]),
            )
            for layer in self.layers
        ]


def vgg_weights(weights: str, file: Path | None) -> Path | str:
    """Return the weights of VGG-16 from a setting and the asset ``vgg16``: a file, or ``random:SEED``.

    Raises:
        ValueError: the file is missing, or the setting is neither ``file`` nor ``random:SEED``.
    """
    kind, _, seed = weights.partition(":")
    if kind == "random" and seed.isdecimal():
        return weights
    if weights != "file":
        raise ValueError(f'weights must be "file" or "random:SEED", not {weights!r}')
    if file is None:
        raise ValueError(
            "the perceptual loss needs the weights of VGG-16 in torchvision's format: "
            "--asset vgg16=FILE, or untrained features with --set losses.NAME.settings.weights=random:0"
        )
    return file


class PhotometricL1(
    Loss,
    name="photometric-l1",
    source=f"{_PHOTOGEO}, Eq. 5; {_CODE}/model.py, photometric_loss without confidence",
):
    """Absolute image error."""

    def forward(
        self, reconstruction: ports.Image, image: ports.Image, visible: ports.Mask | None = None
    ) -> ports.Pooled:
        """Return sum and count per item; without ``visible`` every pixel counts."""
        return photometric_l1(reconstruction, image, valid=everywhere(image, visible))


class PerceptualL2(
    Loss,
    name="perceptual-l2",
    source=f"{_PHOTOGEO}, Section 3.3; {_CODE}/networks.py, PerceptualLoss without confidence",
):
    r"""Squared error of VGG-16 features, of one layer or of several.

    .. math:: L = \sum_k \frac{1}{C_k H_k W_k} \|e_k(\hat I) - e_k(I)\|_F^2

    Each layer is a mean over its channels and positions, and layers are summed. A feature is weighted by the visible share of the
    picture at its position.
    """

    weights: str = param(
        "file",
        source="torchvision's VGG-16, trained on ImageNet",
        help='"file" for the asset vgg16, "random:SEED" for untrained features',
    )
    layers: tuple[str, ...] = param(
        ("relu3_3",), source=f"{_CODE}/networks.py", help="layers of VGG-16, whose errors are summed"
    )
    vgg16: Path | None = asset("vgg16")

    def setup(self) -> None:
        """Read the features' weights."""
        self.features = ComparedFeatures(vgg_weights(self.weights, self.vgg16), layers=self.layers)

    def forward(
        self,
        reconstruction: ports.Image,
        image: ports.Image,
        visible: ports.Mask | None = None,
        cache: StepCache | None = None,
    ) -> ports.Pooled:
        """Return per item the sum over layers, as a share of the picture, and the visible share of the picture."""
        visible = everywhere(image, visible)
        total, share = image.new_zeros(image.shape[0]), image.new_zeros(image.shape[0])
        for found, target, weight in self.features(reconstruction, image, visible, cache):
            positions = weight.shape[-2] * weight.shape[-1]
            layer, seen = weigh((found - target).square().mean(dim=1, keepdim=True), weight)
            total, share = total + layer / positions, seen / positions  # every layer sees the same share
        return total, share


class Smoothness(Loss, name="smoothness", source=f"{_CODE}/model.py, loss_depth_sm; used for cars"):
    """Steps of canonical depth between neighbours."""

    depth_range: float = param(
        0.2,
        unit="scene",
        source=f"{_CODE}/model.py: max_depth - min_depth",
        help="largest depth less the smallest",
        validator=gt(0),
    )

    def forward(self, depth: CanonicalDepth) -> ports.PerItem:
        """Return one value per item."""
        return smoothness(depth, depth_range=self.depth_range)
