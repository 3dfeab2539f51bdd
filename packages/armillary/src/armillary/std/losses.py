"""Losses that more than one method uses. Images lie in [0, 1]; a loss returns (sum, count) per item."""

import torch
from attrs.validators import ge
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.loss import Loss


def multiscale_gradient(
    rendered: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch channel height width"],
    *,
    visible: Bool[Tensor, "batch 1 height width"] | None = None,
    scales: int,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    r"""Return the absolute difference of image gradients over a pyramid, a perceptual loss without network weights.

    .. math:: L = \sum_s \frac{1}{|\Omega_s|} \sum_{\Omega_s} |\nabla \hat I_s - \nabla I_s|_1

    Level s + 1 is the 2 x 2 average of level s over visible pixels; a difference counts where both its pixels are visible
    (a coarse pixel is visible where all four below it are).

    Args:
        rendered: the reconstruction; pixels that are not visible may be anything, also nan.
        image: the picture.
        visible: pixels that count; all by default.
        scales: number of levels; a level under 2 pixels is left out.

    Returns:
        (sum, count) per item, where sum / count is the mean over levels of the mean absolute difference per pixel, channel
        and direction; (0, 0) where nothing is visible.

    Raises:
        ValueError: the shapes of the two pictures differ.

    Source: ours, in place of VGG features if their weights are not available.
    """
    if rendered.shape != image.shape:
        raise ValueError(f"rendered {tuple(rendered.shape)} and image {tuple(image.shape)} must agree")
    if visible is None:
        visible = torch.ones_like(image[:, :1], dtype=torch.bool)
    mask = visible.to(image.dtype)
    error = torch.where(visible, rendered - image, 0.0)
    total = image.new_zeros(image.shape[0])
    count = image.new_zeros(image.shape[0])
    for _ in range(scales):
        if min(error.shape[-2:]) < 2:
            break
        level_sum = image.new_zeros(image.shape[0])
        level_count = image.new_zeros(image.shape[0])
        for axis in (-1, -2):
            length = error.shape[axis] - 1
            both = mask.narrow(axis, 0, length) * mask.narrow(axis, 1, length)
            step = (error.narrow(axis, 1, length) - error.narrow(axis, 0, length)).abs() * both
            level_sum = level_sum + step.sum(dim=(-3, -2, -1))
            level_count = level_count + both.sum(dim=(-3, -2, -1)) * error.shape[-3]
        total = total + level_sum / level_count.clamp_min(1.0)
        count = count + (level_count > 0).to(image.dtype)
        if min(error.shape[-2:]) < 4:
            break
        error = torch.nn.functional.avg_pool2d(error, 2)
        mask = (torch.nn.functional.avg_pool2d(mask, 2) >= 1.0).to(image.dtype)
    return total, count


class MultiscaleGradient(Loss, name="multiscale-gradient", source="ours"):
    """Difference of image gradients over a pyramid, without the weights of a network."""

    scales: int = param(4, unit="level", validator=ge(1), help="levels of the pyramid, each half the size of the last")

    def forward(
        self, reconstruction: ports.Image, image: ports.Image, visible: ports.Mask | None = None
    ) -> ports.Pooled:
        """Return sum and count per item."""
        return multiscale_gradient(reconstruction, image, visible=visible, scales=self.scales)
