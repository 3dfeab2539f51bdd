r"""Trainable 3D shape space of Wang, Cao and Bernard 2024, Sections 4.1 and 4.2.

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
from typing import TYPE_CHECKING, Annotated, TypedDict

import torch
from attrs.validators import and_, ge, gt, le
from jaxtyping import Float
from torch import Tensor, nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import Head, from_shape
from armillary.kernels.rotations import exp_map
from armillary.ports import Of, axis_length
from armillary_keypoints.networks import kaiming

_SLOPE = 0.2  # of the leaky rectifier
_NOT_SEARCHED = "ours: the paper leaves it to a supplement that is not public; not searched"
_SEARCH = "ours: on true 2D landmarks of synthetic:heads, in the package's README"

InSpace = Annotated[ports.Keypoints3d, Of(unit="normalised", frame="camera")]
"""Key points in units of the picture's [-1, 1]: larger z is farther."""
Canonical = Annotated[ports.Keypoints3d, Of(frame="canonical")]
Scales = Annotated[ports.FeatureVector, "batch 2"]


class Posed(TypedDict):
    """Shape before the camera, and the pose and scale by which it came there."""

    keypoints3d: InSpace
    projected_keypoints2d: ports.Keypoints2d
    canonical_keypoints3d: Canonical
    pose: ports.Pose
    scale: Scales


class ShapeOut(Posed):
    """Posed shape with its coefficients along the basis."""

    shape_coefficients: Annotated[ports.FeatureVector, "batch $basis"]


def depth_sign(points: Float[Tensor, "points 3"]) -> Float[Tensor, ""]:
    r"""Return the sign, 1 or -1, with which z is multiplied so that the middle of the points lies nearer than their rim.

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


class ShapeSpace(
    Head,
    name="shape-space",
    source="Wang, Cao, Bernard 2024, Sections 4.1 and 4.2",
    summary="the 3D shape and pose that the points are a picture of: a mean and a few directions, shared by all",
):
    """3D shape and pose of which the key points are a picture.

    The MLP's sizes and all starts are ours: the paper does not give them.
    """

    if TYPE_CHECKING:
        basis: Tensor
    else:  # the setting n makes way for the directions of that name in `setup`
        basis: int = param(
            5,
            source=f"{_SEARCH}: 1 and 5 are alike, 20 is worse",
            validator=ge(1),
            help="n, directions in which the shape may change",
        )
    hidden: int = param(128, source=_NOT_SEARCHED, validator=gt(0), help="channels of each hidden layer of the MLP")
    layers: int = param(2, source=_NOT_SEARCHED, validator=ge(1), help="hidden layers of the MLP")
    mean_spread: float = param(
        0.1,
        unit="normalised",
        source=f"{_SEARCH}: 0.3 does as well",
        validator=gt(0.0),
        help="standard deviation of the mean shape at the start; 0 would leave it flat for ever",
    )
    basis_spread: float = param(
        0.01,
        unit="normalised",
        source=f"{_SEARCH}: depth agrees with the truth to 0.93, and to 0.74 from a start ten times as large",
        validator=gt(0.0),
        help="standard deviation of the basis at the start; a small one lets shapes turn before they bend",
    )
    momentum: float = param(
        0.05,
        source="ours: the average over some 20 batches",
        validator=and_(gt(0.0), le(1.0)),
        help="share of a batch in the average shape, which decides the sign of depth",
    )
    points: int = from_shape("keypoints2d", axis_length(1, of="key points"))
    average: Tensor

    def setup(self) -> None:
        """Make the MLP, the mean and the basis."""
        points, basis = self.points, int(self.basis)
        trunk: list[nn.Module] = []
        for before, after in itertools.pairwise((2 * points, *self.layers * (self.hidden,))):
            trunk += [nn.Linear(before, after), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.trunk = nn.Sequential(*trunk)
        widths = {"coefficients": basis, "translation": 3, "rotation": 3, "scale": 2}
        heads = {name: nn.Linear(self.hidden, width) for name, width in widths.items()}
        self.heads = nn.ModuleDict(heads)
        kaiming(self.trunk)
        for head in heads.values():  # every picture begins as the mean shape, unturned
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.mean = nn.Parameter(self.mean_spread * torch.randn(points, 3))
        self.basis = nn.Parameter(self.basis_spread * torch.randn(basis, points, 3))
        self.register_buffer("average", torch.zeros(points, 3))

    def forward(self, keypoints2d: ports.Keypoints2d) -> ShapeOut:
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
