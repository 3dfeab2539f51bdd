"""Walks through the shape space: what each direction of the basis does to the shape."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from armillary_keypoints.shape_space import ShapeSpace, depth_sign


def shape_walks(
    shape: ShapeSpace, coefficients: Float[Tensor, "picture basis"], *, steps: Sequence[float]
) -> Float[Tensor, "basis step points 3"]:
    r"""Shapes along each direction of the basis, the other coefficients held at their means.

    .. math:: \mathrm{mat}(M + \bar\alpha B + t\, \sigma_k B_k)

    Args:
        coefficients: of some pictures: their mean and standard deviation are the middle and the unit of a step.
        steps: :math:`t`.

    Returns:
        In units of the canonical shape, its depth turned as everywhere (see :func:`depth_sign`).

    Source: the walks are those of the paper's figures of the shape space; their unit is ours.
    """
    with torch.no_grad():
        coefficients = coefficients.to(shape.basis)
        spread = coefficients.std(dim=0, unbiased=False)
        middle = shape.mean + torch.einsum("n,nkc->kc", coefficients.mean(dim=0), shape.basis)
        along = spread[:, None, None] * shape.basis
        walks = middle + torch.einsum("s,nkc->nskc", coefficients.new_tensor(steps), along)
        flip = torch.ones_like(middle[0])
        flip[2] = depth_sign(shape.average)
        return walks * flip
