"""Heads of Wu, Rupprecht and Vedaldi 2020: a feature vector in; depth, albedo, light, view or confidence out.

Signs are the core's: x right, y down, z forward; normals face the viewer (z < 0) and the light's direction points from the
surface to the light. The authors have both the other way round, which gives the same shading. Images, albedo and
standard deviations of image errors are in units of [0, 1], where the authors' are in [-1, 1].
"""

import math
from typing import Annotated, TypedDict

import torch
from attrs.validators import and_, ge, gt
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces.network import Head
from armillary.interfaces.part import from_shape
from armillary.kernels.cameras import pose_about
from armillary.kernels.ranges import paraboloid, rescale
from armillary.kernels.rotations import rotation_from_euler_zyx
from armillary.ports import Of, square_side
from armillary.rules import Holds
from armillary.std.branches import AlbedoHead, CanonicalDepth, LightOut, PoseOut, ViewHead
from armillary_unsup3d.networks import ConfidenceDecoder, MapDecoder

_PAPER = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130"
_YML = "elliottwu/unsup3d, experiments/train_celeba.yml"
_NETWORKS = "elliottwu/unsup3d, unsup3d/networks.py"
_MODEL = "elliottwu/unsup3d, unsup3d/model.py"

FeatureSigma = Annotated[ports.Confidence, Of(shape="batch 1 height/4 width/4", unit="any")]


class DepthOut(TypedDict):
    """Output of the depth head."""

    depth: CanonicalDepth


class Sigmas(TypedDict):
    """Standard deviations of the error of image and features, of the picture as it is and of the mirrored object."""

    confidence: ports.Confidence
    confidence_flipped: ports.Confidence
    feature_confidence: FeatureSigma
    feature_confidence_flipped: FeatureSigma


def depth_from_raw(
    raw: Float[Tensor, "batch 1 height width"], *, depth_min: float, depth_max: float
) -> Float[Tensor, "batch 1 height width"]:
    """Return depth between ``depth_min`` and ``depth_max`` whose argument of tanh has mean zero over each map.

    The mean of the raw map carries nothing, so the object stays about the middle of the range.

    Source: unsup3d/model.py, forward.
    """
    centred = raw - raw.mean(dim=(-2, -1), keepdim=True)
    return rescale(torch.tanh(centred), depth_min, depth_max)


def light_from_raw(
    raw: Float[Tensor, "*batch 4"], *, ambient: tuple[float, float], diffuse: tuple[float, float]
) -> Float[Tensor, "*batch 5"]:
    r"""Return ambient and diffuse strength and the unit direction from the surface to the light.

    .. math:: l = -(l_x, l_y, 1) / \sqrt{l_x^2 + l_y^2 + 1}, \quad l_x, l_y \in [-1, 1]

    Args:
        raw: any values; tanh bounds them.
        ambient: least and largest strength.
        diffuse: the same.

    Source: unsup3d/model.py, forward. Deviates: the authors' direction has the opposite sign, as have their normals.
    """
    bounded = torch.tanh(raw)
    x, y = bounded[..., 2], bounded[..., 3]
    direction = -functional.normalize(torch.stack((x, y, torch.ones_like(x)), dim=-1), dim=-1)
    strengths = torch.stack((rescale(bounded[..., 0], *ambient), rescale(bounded[..., 1], *diffuse)), dim=-1)
    return torch.cat((strengths, direction), dim=-1)


def pose_from_motion(motion: Float[Tensor, "*batch 6"], *, centre_depth: float) -> Float[Tensor, "*batch 3 4"]:
    """Return the pose that turns the canonical object about a point of the optical axis and then moves it.

    Args:
        motion: three angles about x, y, z (R = Rz Ry Rx) in radians, then a translation in scene units.
        centre_depth: z of the centre of rotation, in scene units.

    Source: unsup3d/model.py, forward; unsup3d/utils.py, get_transform_matrices.
    """
    centre = motion.new_tensor([0.0, 0.0, centre_depth])
    return pose_about(rotation_from_euler_zyx(motion[..., :3]), motion[..., 3:], centre=centre)


class DepthMap(Head, name="depth-map", source=f"{_PAPER}, Section 3.5; {_NETWORKS}, second half of EDDeconv"):
    """Depth of the canonical view, between two bounds and about their middle."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the last stages", validator=gt(0))
    depth_min: float = param(0.9, unit="scene", source=_YML, help="smallest depth that comes out", validator=gt(0))
    depth_max: float = param(
        1.1,
        unit="scene",
        source=_YML,
        help="largest depth that comes out",
        validator=and_(gt(0), Holds("depth_min < depth_max")),
    )
    bulge: float = param(
        0.0,
        unit="scene",
        source="ours; 0 is the published run",
        help=(
            "how far the shape at which learning starts comes towards the viewer in its middle; light alone cannot tell "
            "a face from its hollow mould, so that short runs from a flat start end in either"
        ),
        validator=ge(0),
    )
    features: int = from_shape("feature")
    side: int = from_shape("depth", square_side)

    def setup(self) -> None:
        self.decoder = MapDecoder(self.side, features=self.features, width=self.width, channels=1)
        half_range = (self.depth_max - self.depth_min) / 2
        self.start = nn.Buffer(-self.bulge / half_range * paraboloid(self.side, self.side), persistent=False)

    def forward(self, feature: ports.FeatureVector) -> DepthOut:
        """Return ``depth`` in scene units."""
        raw = self.decoder(feature) + self.start
        return {"depth": depth_from_raw(raw, depth_min=self.depth_min, depth_max=self.depth_max)}


class AlbedoMap(AlbedoHead, name="albedo-map", source=f"{_PAPER}, Section 3.5; {_NETWORKS}, second half of EDDeconv"):
    """Albedo of the canonical view."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the last stages", validator=gt(0))

    def setup(self) -> None:
        self.decoder = MapDecoder(self.side, features=self.features, width=self.width, channels=3)


class Light(Head, name="light", source=f"{_PAPER}, Section 3.3; {_MODEL}, forward"):
    """Ambient light and one directional light."""

    ambient_min: float = param(0.0, source=_YML, help="smallest strength of the ambient light", validator=ge(0))
    ambient_max: float = param(
        1.0,
        source=_YML,
        help="largest strength of the ambient light",
        validator=and_(ge(0), Holds("ambient_min < ambient_max")),
    )
    diffuse_min: float = param(
        0.0, source=f"{_YML}; 0.5 in train_syncar.yml", help="smallest strength of the diffuse light", validator=ge(0)
    )
    diffuse_max: float = param(
        1.0,
        source=_YML,
        help="largest strength of the diffuse light",
        validator=and_(ge(0), Holds("diffuse_min < diffuse_max")),
    )
    features: int = from_shape("feature")

    def setup(self) -> None:
        self.last = nn.Linear(self.features, 4, bias=False)

    def forward(self, feature: ports.FeatureVector) -> LightOut:
        """Return ``light``: ambient, diffuse, unit direction from the surface to the light."""
        ambient, diffuse = (self.ambient_min, self.ambient_max), (self.diffuse_min, self.diffuse_max)
        return {"light": light_from_raw(self.last(feature), ambient=ambient, diffuse=diffuse)}


class View(ViewHead, name="view", source=f"{_PAPER}, Section 3.3; {_MODEL}, forward"):
    """Pose before the camera: three angles and a translation, each bounded."""

    rotation_range: float = param(
        math.radians(60.0),
        unit="radian",
        source=_YML,
        help="largest angle about each axis, either way",
        validator=gt(0),
    )
    translation_range: float = param(0.1, unit="scene", source=_YML, help="in x and y, either way", validator=ge(0))
    depth_translation_range: float = param(
        0.0, unit="scene", source=f"{_YML}; 0.1 in train_cat.yml", help="in z, either way", validator=ge(0)
    )
    centre_depth: float = param(
        1.0, unit="scene", source=f"{_YML}: rot_center_depth", help="z of the centre of rotation", validator=gt(0)
    )

    def setup(self) -> None:
        self.last = nn.Linear(self.features, 6, bias=False)

    def forward(self, feature: ports.FeatureVector) -> PoseOut:
        """Return ``pose``: x_camera = R x_object + t."""
        return {"pose": pose_from_motion(self.motion(feature), centre_depth=self.centre_depth)}


class Confidence(Head, name="confidence", source=f"{_PAPER}, Section 3.2; {_NETWORKS}, second half of ConfNet"):
    """Standard deviations of image and feature errors, as it is and mirrored."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the last stages", validator=gt(0))
    sigma_floor: float = param(
        0.5e-7,
        unit="image",
        source=f"{_MODEL}: EPS = 1e-7 for images in [-1, 1]",
        help=(
            "added to every standard deviation; a floor near the noise of the images (0.02) bounds the gradient, "
            "which grows like error / sigma squared and made replications of the published run diverge"
        ),
        validator=gt(0),
    )
    feature_sigma_floor: float = param(1e-7, source=f"{_MODEL}: EPS", help="the same for features", validator=gt(0))
    features: int = from_shape("feature")
    side: int = from_shape("confidence", square_side)

    def setup(self) -> None:
        self.decoder = ConfidenceDecoder(self.side, features=self.features, width=self.width)

    def forward(self, feature: ports.FeatureVector) -> Sigmas:
        """Return both standard deviations, those of features a quarter of the size, and both once more ``_flipped``."""
        pixels, features = self.decoder(feature)
        # Half, because the authors' softplus speaks of images in [-1, 1].
        image_sigma = functional.softplus(pixels) / 2 + self.sigma_floor
        feature_sigma = functional.softplus(features) + self.feature_sigma_floor
        return {
            "confidence": image_sigma[:, :1],
            "confidence_flipped": image_sigma[:, 1:],
            "feature_confidence": feature_sigma[:, :1],
            "feature_confidence_flipped": feature_sigma[:, 1:],
        }
