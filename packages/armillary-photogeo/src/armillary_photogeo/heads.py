"""Heads of Wu, Rupprecht and Vedaldi 2019: a feature vector in; depth, albedo, light or view out.

Signs are the core's: x right, y down, z forward; normals face the viewer (z < 0) and the light's direction points from the
surface to the light. Albedo lies in [0, 1]. The paper bounds every quantity by a tanh and a range (Table 6).
"""

import math
from typing import Annotated, TypedDict

import torch
from attrs.validators import and_, deep_iterable, ge, gt, min_len, optional
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces.network import Head
from armillary.interfaces.part import from_shape
from armillary.kernels.cameras import pose_about
from armillary.kernels.ranges import paraboloid, rescale
from armillary.kernels.rotations import exp_map
from armillary.ports import square_side
from armillary.rules import Holds
from armillary.std.branches import AlbedoHead, CanonicalDepth, LightOut, ViewHead
from armillary_photogeo.networks import DenseDecoder, MapDecoder

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_TABLE_4 = f"{_PAPER}, Table 4"
_TABLE_5 = f"{_PAPER}, Table 5"
_TABLE_6 = f"{_PAPER}, Table 6"

Viewpoint = Annotated[ports.FeatureVector, "batch 6"]


class DepthOut(TypedDict):
    """Output of the depth head."""

    depth: CanonicalDepth


class ViewOut(TypedDict):
    """The paper's w, and the pose that it makes."""

    viewpoint: Viewpoint
    pose: ports.Pose


def light_from_raw(raw: Float[Tensor, "*batch 4"], *, angle_range: float) -> Float[Tensor, "*batch 5"]:
    r"""Return ambient strength :math:`k_s`, diffuse strength :math:`k_d` and the unit direction to the light.

    .. math:: l = (\cos\beta \sin\alpha, \sin\beta, -\cos\beta \cos\alpha)

    with the angles :math:`\alpha` to the right and :math:`\beta` down of the viewing axis.

    Args:
        raw: any values; tanh bounds them.
        angle_range: of both angles, radians, either way.

    Source: Eq. 4 and Table 6. That the light is turned to the right first and down second is ours.
    """
    bounded = torch.tanh(raw)
    strengths = rescale(bounded[..., :2], 0.0, 1.0)
    right, down = (angle_range * bounded[..., 2:]).unbind(-1)
    direction = torch.stack((down.cos() * right.sin(), down.sin(), -down.cos() * right.cos()), dim=-1)
    return torch.cat((strengths, direction), dim=-1)


def pose_from_viewpoint(viewpoint: Float[Tensor, "*batch 6"], *, centre_depth: float) -> Float[Tensor, "*batch 3 4"]:
    r"""Return the pose :math:`x \mapsto R (x - c) + c + T` with :math:`R = \exp \hat w_{1:3}` and :math:`T = w_{4:6}`.

    Args:
        viewpoint: :math:`w`: a rotation vector in radians, then a translation in scene units.
        centre_depth: z of the centre of rotation c on the optical axis; 0 is the camera, as Eq. 3 has it.

    Source: Eq. 3.
    """
    centre = viewpoint.new_tensor([0.0, 0.0, centre_depth])
    return pose_about(exp_map(viewpoint[..., :3]), viewpoint[..., 3:], centre=centre)


class DepthMap(
    Head,
    name="depth-map",
    source=f"{_PAPER}, Section 6.1 and Table 6; ours: the decoder, which Table 4 has lost",
):
    """Depth between two bounds, on a map of twice the picture's size.

    The bulge lies about the middle of the depth, so that an object that turns about a point there has a front and a back.
    """

    width: int = param(
        64, source=f"ours: as the encoder's, {_TABLE_4}", help="channels of the last stages", validator=gt(0)
    )
    depth_min: float = param(
        0.4, unit="scene", source=f"{_TABLE_6}; 28.5 for cars", help="smallest depth that comes out", validator=gt(0)
    )
    depth_max: float = param(
        0.6,
        unit="scene",
        source=f"{_TABLE_6}; 31.5 for cars",
        help="largest depth that comes out",
        validator=and_(gt(0), Holds("depth_min < depth_max")),
    )
    bulge: float = param(
        0.0,
        unit="scene",
        source="ours; 0 is the published run",
        help=(
            "how far the shape at which learning starts comes towards the viewer in the middle of the picture; light alone "
            "cannot tell a face from its hollow mould, so that short runs from a flat start end in either"
        ),
        validator=ge(0),
    )
    centred: bool = param(
        False,
        source="ours; False is the published run, True the authors' later code",
        help=(
            "take the mean off each map before it is bounded, so that the object stays about the middle of the range; where it "
            "turns about a point there, it would otherwise drift before that point, and swing aside instead of turning"
        ),
    )
    last_scale: float = param(
        1.0,
        source="ours; 1 is torch's own start",
        help=(
            "factor of the last layer's weights at the start: a transposed convolution to one channel starts with noise of a third "
            "of the range between neighbours, another for each picture, and the first steps only teach the network to ignore it"
        ),
        validator=gt(0),
    )
    features: int = from_shape("feature")
    side: int = from_shape("depth", square_side)

    def setup(self) -> None:
        picture, self.margin = self.side // 2, self.side // 4
        self.decoder = MapDecoder(picture, features=self.features, width=self.width, channels=1)
        self.decoder.scale_last(self.last_scale)
        shape = paraboloid(picture, picture)
        shape = functional.pad(shape, [self.margin] * 4) - shape.mean()
        self.start = nn.Buffer(-2 * self.bulge / (self.depth_max - self.depth_min) * shape, persistent=False)

    def forward(self, feature: ports.FeatureVector) -> DepthOut:
        """Return ``depth`` in scene units."""
        raw = self.decoder(feature) + self.start
        if self.centred:
            inside = slice(self.margin, -self.margin)
            raw = raw - raw[..., inside, inside].mean(dim=(-2, -1), keepdim=True)
        return {"depth": rescale(torch.tanh(raw), self.depth_min, self.depth_max)}


class AlbedoMap(AlbedoHead, name="albedo-map", source=_TABLE_5):
    """Albedo of the canonical view, by dense blocks."""

    width: int = param(64, source=_TABLE_5, help="channels of the last stages", validator=gt(0))
    convolutions: tuple[int, ...] = param(
        (16, 24, 12, 6),
        source=_TABLE_5,
        help="of each block, from the smallest map to the largest",
        validator=and_(min_len(1), deep_iterable(ge(1))),
    )

    def setup(self) -> None:
        self.decoder = DenseDecoder(
            self.side, features=self.features, width=self.width, channels=3, convolutions=self.convolutions
        )


class Light(Head, name="light", source=f"{_PAPER}, Eq. 4 and Table 6"):
    """Ambient light and one directional light, by angles."""

    angle_range: float = param(
        math.radians(60.0),
        unit="radian",
        source=f"{_TABLE_6}: light direction x/y",
        help="largest angle to the side and up or down, either way",
        validator=gt(0),
    )
    features: int = from_shape("feature")

    def setup(self) -> None:
        self.last = nn.Linear(self.features, 4)

    def forward(self, feature: ports.FeatureVector) -> LightOut:
        """Return ``light``: ambient, diffuse, unit direction from the surface to the light."""
        return {"light": light_from_raw(self.last(feature), angle_range=self.angle_range)}


class View(ViewHead, name="view", source=f"{_PAPER}, Eq. 3 and Table 6"):
    """Viewpoint: a rotation vector and a translation, each bounded, about a point on the optical axis."""

    rotation_range: float = param(
        math.radians(60.0),
        unit="radian",
        source=_TABLE_6,
        help="largest component of the rotation vector, either way",
        validator=gt(0),
    )
    translation_range: float = param(
        0.1, unit="scene", source=_TABLE_6, help="largest component of the translation, either way", validator=ge(0)
    )
    depth_translation_range: float | None = param(
        None,
        unit="scene",
        source=f"{_TABLE_6}: as the others",
        validator=optional(ge(0)),
        help="largest translation along z, either way; not given: translation_range",
    )
    centre_depth: float = param(
        0.5,
        unit="scene",
        source=f"elliottwu/unsup3d, the authors' later code: the middle of the depth; 0 is Eq. 3 of {_PAPER} to the letter",
        help=(
            "z of the centre of rotation; about the camera itself, at 0, a turn moves the object out of the picture, which a "
            "translation within its range makes good up to 12 degrees only"
        ),
        validator=ge(0),
    )

    def setup(self) -> None:
        self.last = nn.Linear(self.features, 6)

    def forward(self, feature: ports.FeatureVector) -> ViewOut:
        """Return ``viewpoint``, the paper's w, and ``pose``: x_camera = R x_canonical + t."""
        viewpoint = self.motion(feature)
        return {"viewpoint": viewpoint, "pose": pose_from_viewpoint(viewpoint, centre_depth=self.centre_depth)}
