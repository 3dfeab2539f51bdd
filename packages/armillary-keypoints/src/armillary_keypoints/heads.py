"""From the detector's features to key points, and from key points to the drawn graph.

A key point is (x, y) in [-1, 1]; the corners are the centres of the corner cells of a map. The authors' order is (row, column).

Source: He, Wandt and Rhodin 2022, arXiv:2205.10636; xingzhehe/AutoLink, models/encoder.py and models/decoder.py.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.interfaces.network import Head, Renderer
from armillary.kernels.points import soft_argmax
from armillary.ports import Shape
from armillary_keypoints.kernels.edge_map import Distance, edge_map
from armillary_keypoints.networks import kaiming

if TYPE_CHECKING:
    from armillary_keypoints.config import EdgesConfig, KeypointsHeadConfig

Shapes = Mapping[str, Shape]


class KeypointsHead(Head):
    r"""One 3 x 3 convolution to a map for each point, and the mean position under its softmax.

    .. math:: P_i = \sum_p \frac{H_i(p)}{\sum_{p'} H_i(p')} p

    Args:
        features: channels that come in.
        points: K.
        temperature: by which the maps are divided before their softmax; below 1 they start as peaks.

    Source: Wang, Cao and Bernard 2024, Eq. 1; models/encoder.py, Detector.
    """

    def __init__(self, features: int, *, points: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.conv = nn.Conv2d(features, points, 3, padding=1)
        kaiming(self)

    @classmethod
    def build(cls, config: "KeypointsHeadConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the head for these features.

        Raises:
            ValueError: the number of features is not known.
        """
        features = inputs["features"][1]
        if features is None:
            raise ValueError("the number of features is not known")
        return cls(features, points=config.points, temperature=config.temperature)

    def forward(self, features: Float[Tensor, "batch feature rows columns"]) -> dict[str, Tensor]:
        """Return ``heatmap``, each map of sum 1, and ``keypoints2d``. Half precision is computed in float32."""
        logits = self.conv(features)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / self.temperature
        heatmap = logits.flatten(-2).softmax(-1).view_as(logits)
        return {"heatmap": heatmap, "keypoints2d": soft_argmax(logits)}


class Edges(Renderer):
    r"""The graph of the key points as a picture, all edges at once, each with a weight of its own that is learnt.

    .. math:: S(p) = \max_{i < j} \omega_{ij} \exp(-d_{ij}(p)^2 / \sigma^2), \quad
              \omega_{ij} = \mathrm{softplus}(m s_{ij})

    Args:
        points: K.
        height: of the picture.
        width: of the picture.
        thickness: :math:`\sigma^2`, in squared units of [-1, 1].
        distance: ``squared`` as in the authors' code; ``plain`` for :math:`\exp(-d / \sigma^2)`, as both papers print it.
        multiplier: m; the step of a weight is that of its scalar times this.
        initial: mean of :math:`m s_{ij}` at the start.
        spread: its standard deviation.

    Source: Wang, Cao and Bernard 2024, Eq. 2 and 3; models/decoder.py, rasterize.
    """

    def __init__(
        self,
        points: int,
        *,
        height: int,
        width: int,
        thickness: float,
        distance: Distance,
        multiplier: float,
        initial: float,
        spread: float,
    ) -> None:
        super().__init__()
        if points < 2:
            raise ValueError(f"a graph needs two points, not {points}")
        self.height, self.width = height, width
        self.thickness, self.multiplier = thickness, multiplier
        self.distance: Distance = distance
        pairs = points * (points - 1) // 2
        self.scalars = nn.Parameter((spread * torch.randn(pairs) + initial) / multiplier)

    @classmethod
    def build(cls, config: "EdgesConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the graph for this number of points and size of pictures.

        Raises:
            ValueError: the number of points or the size of the pictures is not known.
        """
        points = inputs["keypoints2d"][1]
        height, width = outputs["edge_map"][-2:]
        if points is None or height is None or width is None:
            raise ValueError("the number of key points or the size of the pictures is not known")
        return cls(
            points,
            height=height,
            width=width,
            thickness=config.thickness,
            distance=config.distance,
            multiplier=config.multiplier,
            initial=config.initial,
            spread=config.spread,
        )

    @property
    def weights(self) -> Float[Tensor, " pairs"]:
        """Weight of each edge, > 0, pairs i < j in the order of ``torch.triu_indices(K, K, 1)``."""
        return functional.softplus(self.multiplier * self.scalars)

    def forward(self, keypoints2d: Float[Tensor, "batch points 2"]) -> dict[str, Tensor]:
        """Return ``edge_map`` and ``edge_weights``, the same for every item: what is drawn."""
        weights = self.weights.to(keypoints2d.dtype)
        drawn = edge_map(
            keypoints2d,
            weights,
            height=self.height,
            width=self.width,
            thickness=self.thickness,
            distance=self.distance,
        )
        return {"edge_map": drawn, "edge_weights": weights.expand(len(keypoints2d), -1)}
