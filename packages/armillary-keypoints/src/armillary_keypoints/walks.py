"""Walks through the shape space: the effect of each direction of the basis on the shape, and its picture."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.drawing.point_pictures import Edge, points_of_pairs, strong_edges, structure_picture
from armillary.drawing.sheets import Picture, contact_sheet
from armillary_keypoints.shape_space import ShapeSpace, depth_sign

STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Standard deviations."""

_CELL = 112  # pixels
_SIDES = ("front", "from the right")


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


def walk_picture(
    shapes: Float[Tensor, "direction step points 3"], *, edges: Sequence[Edge] | None = None, cell: int = _CELL
) -> Picture:
    """Draw a row for each direction, a column for each of :data:`STEPS`: points and edges from the front and from the right.

    All in one scale.
    """
    values = shapes.detach().cpu().double()
    known = values[values.isfinite().all(dim=-1)]
    middle = (known.amin(dim=0) + known.amax(dim=0)) / 2.0 if len(known) else values.new_zeros(3)
    reach = float((known - middle).abs().amax()) if len(known) else 0.0
    view = partial(structure_picture, edges=edges, middle=middle.numpy(), reach=reach, sides=_SIDES, size=cell)
    rows = [[view(shape) for shape in direction] for direction in values]
    headers = ["middle" if step == 0 else f"{step:+g} s.d." for step in STEPS]
    return contact_sheet(rows, headers, cell=cell, captions=[str(k + 1) for k in range(len(rows))])


def edges_between(
    shapes: Float[Tensor, "direction step points 3"], weights: Float[Tensor, "picture pair"] | None
) -> list[Edge] | None:
    """Return the strong edges of the graph, which all pictures share; None without weights for these points."""
    if weights is None or points_of_pairs(weights.shape[-1]) != shapes.shape[-2]:
        return None
    return strong_edges(weights[0])
