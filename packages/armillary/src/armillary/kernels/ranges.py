"""Bounded quantities: from what a network says to an interval, and shapes that a depth map begins with."""

import torch
from jaxtyping import Float
from torch import Tensor


def rescale(unit: Float[Tensor, "*any"], low: float, high: float) -> Float[Tensor, "*any"]:
    """Values of [-1, 1] as values of [low, high]."""
    return (1 + unit) / 2 * high + (1 - unit) / 2 * low


def paraboloid(height: int, width: int) -> Float[Tensor, "height width"]:
    """1 - r squared, where r is 0 at the middle of the map and 1 at the middle of each side; 0 in the corners."""
    y, x = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    return (1 - x.square() - y.square()[:, None]).clamp_min(0)
