"""Alignment of one set of points with another whose points correspond.

A similarity is ``target = scale * R @ source + t`` with a rotation R, of determinant +1.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def similarity(
    source: Float[Tensor, "*batch points axis"],
    target: Float[Tensor, "*batch points axis"],
    *,
    valid: Bool[Tensor, "*batch points"] | None = None,
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch axis axis"], Float[Tensor, "*batch axis"]]:
    r"""Return scale, rotation and translation that bring the source nearest to the target.

    .. math:: \min_{s, R, t} \sum_i \lVert y_i - s R x_i - t \rVert^2

    Args:
        source: :math:`x`, in any unit; invalid entries may be anything.
        target: :math:`y`, likewise.
        valid: pairs that count. Default: all.

    Returns:
        The scale is 0 where the source is one point, or no pair counts; the translation is then the target's mean.

    Raises:
        ValueError: the shapes differ.

    Undefined: the rotation, where the points lie on a line (in the plane, where they are one point).

    Source: Umeyama 1991, doi:10.1109/34.88573, Eq. 34 to 42.

    >>> source = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> scale, _, translation = similarity(source, 2 * source + 3)
    >>> round(scale.item(), 4), torch.allclose(translation, torch.full((2,), 3.0))
    (2.0, True)
    """
    if source.shape != target.shape:
        raise ValueError(f"source {tuple(source.shape)} and target {tuple(target.shape)} must agree")
    weight = torch.ones_like(source[..., 0]) if valid is None else valid.to(source.dtype)
    weight = weight[..., None]
    count = weight.sum(dim=-2).clamp_min(1.0)
    x, y = (torch.where(weight > 0, points, 0.0) for points in (source, target))
    x_mean, y_mean = x.sum(dim=-2) / count, y.sum(dim=-2) / count
    x, y = weight * (x - x_mean[..., None, :]), weight * (y - y_mean[..., None, :])
    u, values, vh = torch.linalg.svd(y.mT @ x)
    sign = torch.where(torch.linalg.det(u @ vh) < 0, -1.0, 1.0).to(source.dtype)
    signs = torch.ones_like(values)
    signs[..., -1] = sign
    rotation = u @ (signs[..., None] * vh)
    spread = x.square().sum(dim=(-2, -1))
    scale = torch.where(spread > 0, (signs * values).sum(dim=-1) / torch.where(spread > 0, spread, 1.0), 0.0)
    return scale, rotation, y_mean - scale[..., None] * (rotation @ x_mean[..., None])[..., 0]


def transformed(
    points: Float[Tensor, "*batch points axis"],
    scale: Float[Tensor, "*batch"],
    rotation: Float[Tensor, "*batch axis axis"],
    translation: Float[Tensor, "*batch axis"],
) -> Float[Tensor, "*batch points axis"]:
    """Apply a similarity to points.

    >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> transformed(torch.tensor([[1.0, 0.0]]), torch.tensor(2.0), quarter, torch.tensor([0.0, 5.0])).tolist()
    [[0.0, 7.0]]
    """
    return scale[..., None, None] * (points @ rotation.mT) + translation[..., None, :]


def aligned(
    source: Float[Tensor, "*batch points axis"],
    target: Float[Tensor, "*batch points axis"],
    *,
    valid: Bool[Tensor, "*batch points"] | None = None,
) -> Float[Tensor, "*batch points axis"]:
    """Return the source after the similarity that brings it nearest to the target; see :func:`similarity`.

    >>> source = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> target = torch.stack((5 - 2 * source[:, 1], 2 * source[:, 0]), dim=-1)  # turned, scaled and shifted
    >>> torch.allclose(aligned(source, target), target, atol=1e-5)
    True
    """
    return transformed(source, *similarity(source, target, valid=valid))
