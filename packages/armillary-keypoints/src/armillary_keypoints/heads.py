"""Key points from the detector's features, and the graph that is drawn between them.

A key point is (x, y) in [-1, 1]; the corners are the centres of the corner cells of a map. The authors' order is (row, column).

Source: He, Wandt and Rhodin 2022, arXiv:2205.10636; xingzhehe/AutoLink, models/encoder.py and models/decoder.py.
"""

from typing import Annotated, TypedDict

import torch
from attrs.validators import ge, gt
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Head, Renderer, from_shape
from armillary.kernels.points import soft_argmax
from armillary.kernels.sampling import identity_grid
from armillary.ports import axis_length
from armillary_keypoints.kernels.edge_map import Distance, edge_map
from armillary_keypoints.networks import kaiming

_PAPER = "Wang, Cao, Bernard 2024"
_CODE = "xingzhehe/AutoLink"
_DECODER = f"{_CODE}, models/decoder.py"


class KeypointsOut(TypedDict):
    """Heat map of each point, and the points."""

    heatmap: Annotated[ports.Heatmap, "batch $points rows columns"]
    keypoints2d: Annotated[ports.Keypoints2d, "batch $points 2"]


class Drawn(TypedDict):
    """Graph as a picture, and the weight of each edge."""

    edge_map: ports.EdgeMap
    edge_weights: Annotated[ports.FeatureVector, "batch pairs"]


class KeypointsHead(
    Head,
    name="keypoints",
    source=f"{_PAPER}, Eq. 1; {_CODE}, models/encoder.py",
    summary="a heat map a point, and the mean position under it",
):
    r"""One 3 x 3 convolution to a map for each point, and the mean position under its softmax.

    .. math:: P_i = \sum_p \frac{H_i(p)}{\sum_{p'} H_i(p')} p

    Source: Wang, Cao and Bernard 2024, Eq. 1; models/encoder.py, Detector.
    """

    points: int = param(
        8, source=f"{_PAPER}, Tables 2 and 3: 8, 16, 24, 32", validator=ge(2), help="how many key points: K"
    )
    temperature: float = param(
        1.0,
        source=f"{_CODE}, models/encoder.py: none",
        validator=gt(0.0),
        help="by which the heat maps are divided before their softmax; below 1 they start as peaks",
    )
    features: int = from_shape("features", axis_length(1, of="features"))

    def setup(self) -> None:
        """Make the convolution."""
        self.conv = nn.Conv2d(self.features, self.points, 3, padding=1)
        kaiming(self)

    def forward(self, features: ports.FeatureMap) -> KeypointsOut:
        """Return ``heatmap``, each map of sum 1, and ``keypoints2d``. Half precision is computed in float32."""
        logits = self.conv(features)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / self.temperature
        heatmap = logits.flatten(-2).softmax(-1).view_as(logits)
        return {"heatmap": heatmap, "keypoints2d": soft_argmax(logits)}


class Edges(
    Renderer,
    name="edges",
    source=f"{_PAPER}, Eq. 2 and 3; {_DECODER}",
    summary="the graph of the points as a picture, with a weight an edge that all pictures share",
):
    r"""Graph of the key points as a picture, all edges at once, each with a weight of its own that is learnt.

    .. math:: S(p) = \max_{i < j} \omega_{ij} \exp(-d_{ij}(p)^2 / \sigma^2), \quad
              \omega_{ij} = \mathrm{softplus}(m s_{ij})

    with the thickness :math:`\sigma^2`, the multiplier m, and scalars s whose products with it start at the initial value.

    Source: Wang, Cao and Bernard 2024, Eq. 2 and 3; models/decoder.py, rasterize.
    """

    thickness: float = param(
        2.5e-3,
        unit="squared units of [-1, 1]",
        source=f"{_CODE}, README: thick of CelebA in the wild with 8 points; 1e-3 where none is given",
        validator=gt(0.0),
        help="sigma squared, of the exponential; depends on the objects more than anything else",
    )
    distance: Distance = param(
        "squared",
        source=f"{_DECODER}: draw_lines; both papers print the plain distance",
        help="squared: exp(-d^2 / thickness); plain: exp(-d / thickness)",
    )
    multiplier: float = param(
        512.0,
        source=f"{_CODE}, train.py: sklr",
        validator=gt(0.0),
        help="by which the scalars of the edges are multiplied, and so their steps",
    )
    initial: float = param(-4.0, source=_DECODER, help="mean of the multiplied scalars at the start, before softplus")
    spread: float = param(0.1, source=_DECODER, validator=ge(0.0), help="their standard deviation")
    points: int = from_shape("keypoints2d", axis_length(1, of="key points"))
    height: int = from_shape("edge_map", axis_length(-2, of="rows of the pictures"))
    width: int = from_shape("edge_map", axis_length(-1, of="columns of the pictures"))

    def setup(self) -> None:
        """Draw the scalars of the edges.

        Raises:
            ValueError: there are fewer than two points.
        """
        if self.points < 2:
            raise ValueError(f"a graph needs two points, not {self.points}")
        pairs = self.points * (self.points - 1) // 2
        self.scalars = nn.Parameter((self.spread * torch.randn(pairs) + self.initial) / self.multiplier)

    @property
    def weights(self) -> Float[Tensor, " pairs"]:
        """Weight of each edge, > 0, pairs i < j in the order of ``torch.triu_indices(K, K, 1)``."""
        return functional.softplus(self.multiplier * self.scalars)

    def forward(self, keypoints2d: ports.Keypoints2d) -> Drawn:
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


class Blobs(
    Renderer,
    name="blobs",
    source="ours: the points of Jakab et al. 2018, arXiv:1806.07823, Section 3.1, as one picture",
):
    r"""Key points as one picture of Gaussian blobs, without edges between them.

    .. math:: S(p) = \max_i \exp(-|p - P_i|^2 / \sigma^2)

    It has nothing to learn, and tells the decoder where points are and not which belong together.
    """

    thickness: float = param(
        2.5e-3,
        unit="squared units of [-1, 1]",
        source=f"ours: as the edges of {_CODE}",
        validator=gt(0.0),
        help="sigma squared, of the exponential",
    )
    pairs: int | None = from_shape("edge_weights", lambda shape: shape[1], default=None)
    height: int = from_shape("edge_map", axis_length(-2, of="rows of the pictures"))
    width: int = from_shape("edge_map", axis_length(-1, of="columns of the pictures"))

    def forward(self, keypoints2d: ports.Keypoints2d) -> Drawn:
        """Return ``edge_map``, and ``edge_weights`` of 0: no edge is drawn."""
        grid = identity_grid(self.height, self.width, dtype=keypoints2d.dtype, device=keypoints2d.device)
        squared = (keypoints2d[:, :, None, None] - grid).square().sum(dim=-1)
        drawn = torch.exp(-squared.amin(dim=1, keepdim=True) / self.thickness)
        points = keypoints2d.shape[1]
        pairs = points * (points - 1) // 2 if self.pairs is None else self.pairs
        return {"edge_map": drawn, "edge_weights": drawn.new_zeros(len(drawn), pairs)}
