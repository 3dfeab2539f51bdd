"""Bounded quantities: maps from [-1, 1] to an interval, and a first shape for depth maps."""

import torch
from jaxtyping import Float
from torch import Tensor


def rescale(unit: Float[Tensor, "*any"], low: float, high: float) -> Float[Tensor, "*any"]:
    """Map values of [-1, 1] to [low, high].

    >>> rescale(torch.tensor([-1.0, 0.0, 1.0]), 2.0, 4.0).tolist()
    [2.0, 3.0, 4.0]
    """
    return (1 + unit) / 2 * high + (1 - unit) / 2 * low


def paraboloid(height: int, width: int) -> Float[Tensor, "height width"]:
    """Return 1 - r^2, with r = 0 at the middle of the map and 1 at the middle of each side; 0 in the corners.

    >>> paraboloid(3, 3).tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    y, x = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    return (1 - x.square() - y.square()[:, None]).clamp_min(0)
