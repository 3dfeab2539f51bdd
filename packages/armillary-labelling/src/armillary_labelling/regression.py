"""Landmarks from label maps: learnt intermediate points, and a linear map from them.

Landmark k has M vectors :math:`w_{km}`; its intermediate points are :math:`\\sum_v u_v p_{km}(v)` with
:math:`p_{km} = \\mathrm{softmax}_v\\, \\tau \\langle w_{km}, \\Phi_v \\rangle`, and it stands at a linear function of all of them,
without a constant.

Source: Thewlis et al. 2017, Section 4.3 (M = 50); jamt9000/DVE, model/keypoint_prediction.py for everything else.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from armillary_labelling.evaluator_config import LandmarksRegressedConfig

_BLOCK = 1 << 18  # heat values at a time: what stays in the cache of a core
_FALL = 0.1


class _IntermediatePoints(torch.autograd.Function):
    r"""Expected positions under the softmax of products, with the gradient to the vectors alone.

    With :math:`\bar u = E[u]`, :math:`\partial \bar u / \partial w = \tau\, (E[u \Phi^\top] - E[u] E[\Phi]^\top)`: the
    moments come out of the same product as the positions, so no heat map is kept.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, labels: Tensor, moments: Tensor, multiplier: float) -> Tensor:
        pictures, channels, cells = labels.shape
        scaled = multiplier * vectors
        sums = labels.new_empty(pictures, len(vectors), moments.shape[-1])
        step = max(1, _BLOCK // (len(vectors) * cells))
        for start in range(0, pictures, step):
            part = slice(start, start + step)
            heat = scaled @ labels[part]
            # Far below the precision of the sum, and above the subnormal numbers, which are ten times as slow.
            floor = math.log(torch.finfo(heat.dtype).tiny) / 2
            heat.sub_(heat.amax(dim=-1, keepdim=True)).clamp_(min=floor).exp_()
            torch.matmul(heat, moments[part], out=sums[part])
        means = sums[..., 1:] / sums[..., :1]
        where, label, product = means.split((2, channels, 2 * channels), dim=-1)
        product = product.unflatten(-1, (2, channels))
        ctx.save_for_backward(multiplier * (product - where[..., None] * label[..., None, :]))
        return where

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return torch.einsum("bqi,bqic->qc", gradients[0], slope), None, None, None


def intermediate_points(
    vectors: Float[Tensor, "points channel"],
    labels: Float[Tensor, "batch channel cells"],
    *,
    positions: Float[Tensor, "cells 2"],
    multiplier: float,
) -> Float[Tensor, "batch points 2"]:
    """Expected position of each vector's matches, in the unit of ``positions``; gradients go to the vectors alone."""
    return _IntermediatePoints.apply(vectors, labels, _moments(labels, positions), multiplier)  # type: ignore[return-value]


def _moments(labels: Tensor, positions: Tensor) -> Tensor:
    """What is averaged over the cells of each picture: 1, u, the label, and their products."""
    cells = labels.mT
    where = positions.expand(*cells.shape[:-1], 2)
    products = (where[..., None] * cells[..., None, :]).flatten(-2)
    return torch.cat((torch.ones_like(where[..., :1]), where, cells, products), dim=-1)


def fit_regressor(
    labels: Float[Tensor, "pictures channel rows columns"],
    truth: Float[Tensor, "pictures landmarks 2"],
    counts: Bool[Tensor, "pictures landmarks"],
    *,
    positions: Float[Tensor, "cells 2"],
    config: LandmarksRegressedConfig,
    device: torch.device | None = None,
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A function from label maps to landmarks in [-1, 1], and the indices of the pictures that it was trained on.

    Args:
        labels: of the training pictures, in an order that does not depend on how they were read.
        truth: in [-1, 1]; may hold anything where it does not count.
        counts: which landmarks count.
        positions: of the cells, row by row, in [-1, 1].
        config: numbers of the regressor.
        device: where to train.
    """
    device = device or torch.device("cpu")
    generator = torch.Generator().manual_seed(config.seed)
    pictures, channels = labels.shape[:2]
    landmarks = truth.shape[1]
    used = torch.arange(pictures)
    if config.annotated is not None and config.annotated < pictures:
        used = torch.randperm(pictures, generator=generator)[: config.annotated].sort().values
    vectors = torch.randn(landmarks * config.intermediate, channels, generator=generator)
    bound = (2 * config.intermediate) ** -0.5  # torch's default for a linear map of so many inputs
    weight = (2.0 * torch.rand(landmarks, 2, 2 * config.intermediate, generator=generator) - 1.0) * bound
    vectors, weight = (value.to(device).requires_grad_() for value in (vectors, weight))
    positions = positions.to(device)

    def landmarks_of(maps: Tensor) -> Tensor:
        points = intermediate_points(vectors, maps, positions=positions, multiplier=config.multiplier)
        return torch.einsum("kin,bkn->bki", weight, points.reshape(len(maps), landmarks, -1))

    maps = labels.flatten(-2).to(device).nan_to_num()
    truth = torch.where(counts[..., None], truth, 0.0).to(device)
    share = counts.float()[..., None].to(device)
    optimiser = torch.optim.Adam([vectors, weight], lr=config.lr, weight_decay=config.weight_decay, amsgrad=True)
    falls = [round(part * config.epochs) for part in config.milestones]
    # An epoch of few annotated pictures is as long as one of all of them.
    order = used.repeat(pictures // len(used))
    size = min(config.batch_size, len(order))
    for epoch in range(config.epochs):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * _FALL ** sum(epoch >= fall for fall in falls)
        shuffled = order[torch.randperm(len(order), generator=generator)]
        for start in range(0, len(order) - size + 1, size):
            batch = shuffled[start : start + size].to(device)
            found = landmarks_of(maps[batch])
            error = functional.smooth_l1_loss(config.scale * found, config.scale * truth[batch], reduction="none")
            loss = (error * share[batch]).sum() / (2.0 * share[batch].sum()).clamp_min(1.0)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    @torch.no_grad()
    def predict(asked: Tensor) -> Tensor:
        flat = asked.flatten(-2).float().nan_to_num()
        return torch.cat([landmarks_of(part.to(device)).cpu() for part in flat.split(config.batch_size)])

    return predict, used
