"""Landmarks from label maps: learnt intermediate points, and a linear map from them.

Landmark k has M vectors :math:`w_{km}`; its intermediate points are :math:`\\sum_v u_v p_{km}(v)` with
:math:`p_{km} = \\mathrm{softmax}_v\\, \\tau \\langle w_{km}, \\Phi_v \\rangle`, and it is a linear function of all of them,
without a constant.

Source: Thewlis et al. 2017, Section 4.3 (M = 50); jamt9000/DVE, model/keypoint_prediction.py for everything else.
"""

import math
from collections.abc import Callable
from typing import Any

import attrs
import torch
from attrs.validators import and_, deep_iterable, ge, gt, lt
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Evaluation
from armillary.kernels.sampling import pixels_to_grid
from armillary.rules import Rising
from armillary.std.annotation import chosen_points
from armillary.std.label_maps import lattice, map_stride
from armillary.std.landmarks import ERROR, Annotated2d, Landmarks, Visible

_PAPER = "Thewlis, Bilen, Vedaldi 2017"
_DVE = "jamt9000/DVE"
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
    """Return the expected position of each vector's matches, in the unit of ``positions``; gradients go to the vectors alone."""
    return _IntermediatePoints.apply(vectors, labels, _moments(labels, positions), multiplier)  # type: ignore[return-value]


def _moments(labels: Tensor, positions: Tensor) -> Tensor:
    """Return the values that are averaged over the cells of each picture: 1, u, the label, and their products."""
    cells = labels.mT
    where = positions.expand(*cells.shape[:-1], 2)
    products = (where[..., None] * cells[..., None, :]).flatten(-2)
    return torch.cat((torch.ones_like(where[..., :1]), where, cells, products), dim=-1)


class LandmarksTrained(
    Landmarks,
    name="landmarks-trained/1",
    source=f"{_PAPER}, arXiv:1706.02932, Section 4.3, Error Regress of Table 3; {_DVE}, model/keypoint_prediction.py",
    summary="landmarks regressed from 50 trained points each of a label map",
):
    """Error of landmarks that are linear in 50 points of their own, each the soft-argmax of a learnt label.

    Pictures are kept until ``result``, where the regressor is trained on them in the order of their ids: the figures do
    not depend on batches, shards or their order.

    Source: Section 4.3, Error Regress; jamt9000/DVE, model/keypoint_prediction.py. Deviates from the authors' code: cells
    stay where they were in training, at pixel (s i, s j), not stretched to the picture's border; points that are not visible
    do not count.
    """

    protocol = (
        "each landmark is a linear function, without constant, of 50 points of its own: the soft-argmax of the labels' "
        "products with 50 learnt vectors; trained with a fixed seed on the annotated pictures of the training split "
        f"over frozen labels, without augmentation; {ERROR}"
    )

    intermediate: int = param(
        50,
        unit="point",
        source=f"{_PAPER}, Section 4.3: M = 50",
        validator=ge(1),
        help="intermediate points of each landmark",
    )
    multiplier: float = param(
        100.0,
        source=f"{_DVE}, model/keypoint_prediction.py",
        validator=gt(0),
        help="of the products before the softmax",
    )
    epochs: int = param(
        300, unit="epoch", source=f"{_DVE}, configs of the regressors", validator=ge(1), help="passes over the pictures"
    )
    batch_size: int = param(
        32,
        unit="picture",
        source=f"{_DVE}, configs of the regressors",
        help="of the regressor's training",
        validator=ge(1),
    )
    lr: float = param(1e-3, source=f"{_DVE}, configs: Adam with amsgrad", validator=gt(0), help="learning rate")
    weight_decay: float = param(
        5e-4, source=f"{_DVE}, configs of the regressors", help="of Adam, on all weights", validator=ge(0)
    )
    milestones: tuple[float, ...] = param(
        (100 / 300, 250 / 300),
        unit="share of the epochs",
        source=f"{_DVE}, configs: epochs 100 and 250 of 300",
        validator=and_(deep_iterable(and_(gt(0), lt(1))), Rising()),
        help="when the learning rate falls to a tenth",
    )
    scale: float = param(
        10.0,
        source=f"{_DVE}, model/loss.py: regression_loss",
        validator=gt(0),
        help="of positions inside the smooth L1",
    )

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.device = torch.device("cpu")

    def score(
        self,
        ids: list[str],
        image: ports.Image,
        labels: ports.LabelMap,
        true_landmarks2d: Annotated2d,
        true_visible: Visible | None = None,
        true_pose: ports.Pose | None = None,
        *,
        phase: str = "score",
    ) -> None:
        """Keep the label maps and points of a batch."""
        self.device = labels.device
        truth, counts = chosen_points(true_landmarks2d, true_visible, groups=self.points)
        maps = labels.detach().cpu().float()
        self.keep_points(phase, ids, maps, image=image, truth=truth, counts=counts, pose=true_pose)

    fit = score

    def result(self) -> Evaluation:
        """Train the regressor, and return its error and that of each guess and oracle, in per cent of the normaliser."""
        _, labels, truth, counts, angles = self.stacked("fit")
        ids, asked, *rest = self.stacked("score")
        height, width = self.size
        stride = map_stride(labels, height=height, width=width)
        pixels = lattice(*labels.shape[-2:], stride=stride, height=height, width=width)
        positions = pixels_to_grid(pixels, height=height, width=width)
        regressor, used = self.regressor(labels, truth.float(), counts, positions=positions)
        known = (truth[used], counts[used], angles[used])
        found = self.evaluated(regressor(asked).double(), known, (ids, rest[0], rest[1], rest[2]))
        return attrs.evolve(found, notes=(f"trained for {self.epochs} epochs", *found.notes))

    def regressor(
        self,
        labels: Float[Tensor, "pictures channel rows columns"],
        truth: Float[Tensor, "pictures landmarks 2"],
        counts: Bool[Tensor, "pictures landmarks"],
        *,
        positions: Float[Tensor, "cells 2"],
    ) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """Return a function from label maps to landmarks in [-1, 1], and the indices of the pictures of its training.

        Args:
            labels: of the training pictures, in an order that does not depend on how they were read.
            truth: in [-1, 1]; may hold anything where it does not count.
            counts: true where a landmark counts.
            positions: of the cells, row by row, in [-1, 1].
        """
        generator = torch.Generator().manual_seed(self.seed)
        used = torch.arange(len(labels))
        if self.annotated is not None and self.annotated < len(labels):
            used = torch.randperm(len(labels), generator=generator)[: self.annotated].sort().values
        landmarks, count = truth.shape[1], self.intermediate
        vectors = torch.randn(landmarks * count, labels.shape[1], generator=generator)
        bound = (2 * count) ** -0.5  # torch's default for a linear map of so many inputs
        weight = (2.0 * torch.rand(landmarks, 2, 2 * count, generator=generator) - 1.0) * bound
        vectors, weight = (value.to(self.device).requires_grad_() for value in (vectors, weight))
        positions = positions.to(self.device)

        def landmarks_of(maps: Tensor) -> Tensor:
            points = intermediate_points(vectors, maps, positions=positions, multiplier=self.multiplier)
            return torch.einsum("kin,bkn->bki", weight, points.reshape(len(maps), landmarks, -1))

        @torch.no_grad()
        def predict(asked: Tensor) -> Tensor:
            flat = asked.flatten(-2).float().nan_to_num()
            return torch.cat([landmarks_of(part.to(self.device)).cpu() for part in flat.split(self.batch_size)])

        # An epoch of few annotated pictures is as long as one of all of them.
        order = used.repeat(len(labels) // len(used))
        error = self._error(landmarks_of, labels, truth, counts)
        self._train(error, [vectors, weight], order=order, generator=generator)
        return predict, used

    def _error(
        self, landmarks_of: Callable[[Tensor], Tensor], labels: Tensor, truth: Tensor, counts: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """Return a function from the indices of pictures to their mean error over the landmarks that count."""
        maps = labels.flatten(-2).to(self.device).nan_to_num()
        truth = torch.where(counts[..., None], truth, 0.0).to(self.device)
        share = counts.float()[..., None].to(self.device)

        def error(batch: Tensor) -> Tensor:
            found = landmarks_of(maps[batch])
            each = functional.smooth_l1_loss(self.scale * found, self.scale * truth[batch], reduction="none")
            return (each * share[batch]).sum() / (2.0 * share[batch].sum()).clamp_min(1.0)

        return error

    def _train(
        self, error: Callable[[Tensor], Tensor], weights: list[Tensor], *, order: Tensor, generator: torch.Generator
    ) -> None:
        """Make the error of batches small."""
        optimiser = torch.optim.Adam(weights, lr=self.lr, weight_decay=self.weight_decay, amsgrad=True)
        falls = [round(part * self.epochs) for part in self.milestones]
        size = min(self.batch_size, len(order))
        for epoch in range(self.epochs):
            for group in optimiser.param_groups:
                group["lr"] = self.lr * _FALL ** sum(epoch >= fall for fall in falls)
            shuffled = order[torch.randperm(len(order), generator=generator)]
            for start in range(0, len(order) - size + 1, size):
                loss = error(shuffled[start : start + size].to(self.device))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
