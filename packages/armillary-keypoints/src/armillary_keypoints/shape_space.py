r"""The trainable 3D shape space of Wang, Cao and Bernard 2024, Sections 4.1 and 4.2.

A shape is a mean and a combination of a few directions, all of them shared by all pictures. It is turned, moved, scaled
and looked at along z: camera axes x right, y down, z forward (larger z is farther), as everywhere here.

.. math:: P_\mathrm{canonical} = \mathrm{mat}(M + \alpha B), \quad
          P_\mathrm{3D} = P_\mathrm{canonical} R^\top + \mathbf 1_K T, \quad
          P_\mathrm{2D} \approx P_\mathrm{3D} \Pi, \quad
          \Pi = \begin{bmatrix} s_1 & 0 \\ 0 & s_2 \\ 0 & 0 \end{bmatrix}

R acts on columns here, where the paper's acts on rows. A picture does not tell a shape from its mirror image in depth: with
:math:`S = \mathrm{diag}(1, 1, -1)`, the shape :math:`P_\mathrm{canonical} S` in the pose :math:`S R S, T S` has the same
projection. Nor does it tell :math:`T_z`. What is returned follows :func:`depth_sign`, and :math:`T_z` stays where it began, at 0.
"""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.network import Head
from armillary.kernels.rotations import exp_map
from armillary.ports import Shape
from armillary_keypoints.networks import kaiming

if TYPE_CHECKING:
    from armillary_keypoints.config import ShapeSpaceConfig

_SLOPE = 0.2  # of the leaky rectifier

Shapes = Mapping[str, Shape]


def depth_sign(points: Float[Tensor, "points 3"]) -> Float[Tensor, ""]:
    r"""Sign, 1 or -1, with which z is multiplied so that the middle of the points lies nearer than their rim.

    .. math:: \mathrm{sign} \sum_k (r_k^2 - \overline{r^2})\, z_k, \quad r_k^2 = (x_k - \bar x)^2 + (y_k - \bar y)^2

    What is seen of an object bulges towards the viewer: of a head the nose, not the ears. Mirrored points have the other
    sign, so a shape and its mirror image come out as one. 1 where the sum is 0 (points of one depth).

    Args:
        points: (x, y, z) before the camera, in one unit.

    Source: ours; the paper does not say how it tells the two apart.
    """
    centred = points - points.mean(dim=0)
    squared = centred[:, :2].square().sum(dim=-1)
    agreement = ((squared - squared.mean()) * centred[:, 2]).sum()
    return torch.where(agreement < 0, -1.0, 1.0).to(points.dtype)


class ShapeSpace(Head):
    """Key points of a picture to the 3D shape and pose that they are a picture of.

    Args:
        points: K.
        basis: n, directions in which the shape may change.
        hidden: channels of each hidden layer of the MLP.
        layers: hidden layers.
        mean_spread: standard deviation of the mean shape's coordinates at the start.
        basis_spread: the same of the directions.
        momentum: share of a batch in the average shape that decides the sign of depth.

    Source: Section 4.1 and 4.2. The MLP's sizes and all starts are ours: the paper does not give them.
    """

    average: Tensor

    def __init__(
        self,
        points: int,
        *,
        basis: int,
        hidden: int,
        layers: int,
        mean_spread: float,
        basis_spread: float,
        momentum: float,
    ) -> None:
        super().__init__()
        widths = (2 * points, *layers * (hidden,))
        trunk: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            trunk += [nn.Linear(before, after), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.trunk = nn.Sequential(*trunk)
        self.heads = nn.ModuleDict(
            {
                "coefficients": nn.Linear(hidden, basis),
                "translation": nn.Linear(hidden, 3),
                "rotation": nn.Linear(hidden, 3),
                "scale": nn.Linear(hidden, 2),
            }
        )
        kaiming(self.trunk)
        for head in self.heads.values():  # every picture begins as the mean shape, unturned
            assert isinstance(head, nn.Linear)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.mean = nn.Parameter(mean_spread * torch.randn(points, 3))
        self.basis = nn.Parameter(basis_spread * torch.randn(basis, points, 3))
        self.register_buffer("average", torch.zeros(points, 3))
        self.momentum = momentum

    @classmethod
    def build(cls, config: "ShapeSpaceConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the shape space of this number of points.

        Raises:
            ValueError: the number is not known.
        """
        points = inputs["keypoints2d"][1]
        if points is None:
            raise ValueError("the number of key points is not known")
        return cls(
            points,
            basis=config.basis,
            hidden=config.hidden,
            layers=config.layers,
            mean_spread=config.mean_spread,
            basis_spread=config.basis_spread,
            momentum=config.momentum,
        )

    def forward(self, keypoints2d: Float[Tensor, "batch points 2"]) -> dict[str, Tensor]:
        """Return the shape, its pose and its projection.

        Returns:
            ``canonical_keypoints3d``: before the pose, in units of its own. ``pose``: of that shape before the camera.
            ``scale``: of x and of y, > 0. ``keypoints3d``: the posed points times the mean scale (the root of both scales'
            product), in units of the picture's [-1, 1]. ``projected_keypoints2d``: the posed points' x and y, each times its
            own scale. ``shape_coefficients``: along the basis.
        """
        found = self.trunk(keypoints2d.flatten(1))
        coefficients, translation, rotation, log_scale = (head(found) for head in self.heads.values())
        scale = log_scale.exp()
        canonical = self.mean + torch.einsum("bn,nkc->bkc", coefficients, self.basis)
        turn = exp_map(rotation)
        posed = canonical @ turn.mT + translation[:, None]
        mean_scale = (0.5 * log_scale.sum(dim=-1)).exp()[:, None, None]
        if self.training:
            with torch.no_grad():
                self.average.lerp_((mean_scale * posed).mean(dim=0), self.momentum)
        flip = translation.new_ones(translation.shape[-1])
        flip[2] = depth_sign(self.average)
        return {
            "shape_coefficients": coefficients,
            "canonical_keypoints3d": canonical * flip,
            "pose": torch.cat((flip[:, None] * turn * flip, (translation * flip)[..., None]), dim=-1),
            "scale": scale,
            "keypoints3d": mean_scale * posed * flip,
            "projected_keypoints2d": posed[..., :2] * scale[:, None],
        }
