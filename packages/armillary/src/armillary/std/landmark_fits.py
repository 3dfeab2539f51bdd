"""Fits of annotated points: linear maps from what a method gives, guesses, and oracles from a little of the truth.

Positions are (x, y), or (x, y, z), in [-1, 1] as in ports of kind grid. All is in float64 on the CPU.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.kernels.procrustes import aligned
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid


def least_squares(
    features: Float[Tensor, "rows feature"],
    targets: Float[Tensor, "rows annotated axis"],
    counts: Bool[Tensor, "rows annotated"],
    *,
    ridge: float = 0.0,
) -> Float[Tensor, "annotated feature axis"]:
    r"""Return linear maps without a constant, one per annotated point, over the rows in which it counts.

    .. math:: \beta_l = (X_l^\top X_l + n_l \rho I)^+ X_l^\top Y_l

    Args:
        ridge: :math:`\rho`, variance of the noise on each feature that the map allows for, in its unit squared.

    Returns:
        The smallest of the solutions where there are several; 0 for a point that never counts.

    Source: xingzhehe/AutoLink: the closed form, on CUB for each point over the pictures in which it is visible. Deviates: the
    pseudo-inverse in place of an identity that is added when there is no inverse.
    """
    weight = counts.to(features.dtype)
    values = torch.where(counts[..., None], targets, 0.0)
    gram = torch.einsum("rl,rf,rg->lfg", weight, features, features)
    if ridge:
        gram = gram + ridge * weight.sum(dim=0)[:, None, None] * torch.eye(features.shape[1], dtype=features.dtype)
    moment = torch.einsum("rf,rla->lfa", features, values)
    return torch.linalg.pinv(gram, hermitian=True) @ moment


def regression(
    features: Float[Tensor, "rows feature"],
    targets: Float[Tensor, "rows annotated axis"],
    counts: Bool[Tensor, "rows annotated"],
    asked: Float[Tensor, "asked feature"],
    *,
    ridge: float = 0.0,
) -> Float[Tensor, "asked annotated axis"]:
    """Return the points that a linear map with a constant has for other rows; it shrinks to the mean as ``ridge`` grows."""
    mean = mean_shape(targets, counts)
    weight = counts.to(features.dtype)
    centre = (weight.mT @ features) / weight.sum(dim=0).clamp_min(1.0)[
        :, None
    ]  # of the rows in which each point counts
    found = []
    for point, middle in enumerate(centre):
        one = slice(point, point + 1)
        beta = least_squares(features - middle, targets[:, one] - mean[one], counts[:, one], ridge=ridge)
        found.append(mean[point] + (asked - middle) @ beta[0])
    return torch.stack(found, dim=1)


def mean_shape(
    truth: Float[Tensor, "rows annotated axis"], counts: Bool[Tensor, "rows annotated"]
) -> Float[Tensor, "annotated axis"]:
    """Return the mean position of each point over the rows in which it counts; 0 where it never does."""
    total = torch.where(counts[..., None], truth, 0.0).sum(dim=0)
    return total / counts.sum(dim=0).clamp_min(1)[:, None]


def unit_square(points: Tensor) -> Tensor:
    """Return coordinates in [0, 1] of those in [-1, 1]."""
    return 0.5 + 0.5 * points


def centred_shape(
    mean: Float[Tensor, "annotated 2"], truth: Float[Tensor, "rows annotated 2"], counts: Bool[Tensor, "rows annotated"]
) -> Float[Tensor, "rows annotated 2"]:
    """Return the mean shape, moved in each row onto the centre of the points that count."""
    count = counts.sum(dim=1).clamp_min(1)[:, None]
    away = torch.where(counts[..., None], truth - mean, 0.0).sum(dim=1) / count
    return mean + away[:, None]


def aligned_shape(
    mean: Float[Tensor, "annotated 2"],
    truth: Float[Tensor, "rows annotated 2"],
    counts: Bool[Tensor, "rows annotated"],
    *,
    height: int,
    width: int,
) -> Float[Tensor, "rows annotated 2"]:
    """Return the mean shape, brought in each row onto the points that count by the best similarity in pixels."""
    shape, wanted = (grid_to_pixels(points, height=height, width=width) for points in (mean.expand_as(truth), truth))
    return pixels_to_grid(aligned(shape, wanted, valid=counts), height=height, width=width)


def yaw(pose: Float[Tensor, "rows 3 4"]) -> Float[Tensor, " rows"]:
    """Return the turn about the vertical of poses, in radians: the angle of the object's z axis in the plane of x and z."""
    return torch.atan2(pose[:, 0, 2], pose[:, 2, 2])


def yaw_shape(
    known: tuple[Float[Tensor, "rows annotated 2"], Bool[Tensor, "rows annotated"], Float[Tensor, " rows"]],
    asked: Float[Tensor, " asked"],
) -> Float[Tensor, "asked annotated 2"]:
    """Return points that are linear in the true yaw alone, by a fit on rows of truth, mask and yaw."""
    truth, counts, angles = known
    middle = torch.atan2(angles.sin().mean(), angles.cos().mean())

    def around(each: Tensor) -> Tensor:
        return torch.atan2((each - middle).sin(), (each - middle).cos())[:, None]

    return regression(around(angles), truth, counts, around(asked))
