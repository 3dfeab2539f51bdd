"""Heads of Wu, Rupprecht and Vedaldi 2019: a feature vector in; depth, albedo, light or view out.

Signs are the core's: x right, y down, z forward; normals face the viewer (z < 0) and the light's direction points from the
surface to the light. Albedo lies in [0, 1]. The paper bounds every quantity by a tanh and a range (Table 6).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.interfaces.network import Head
from armillary.kernels.cameras import pose_about
from armillary.kernels.ranges import paraboloid, rescale
from armillary.kernels.rotations import exp_map
from armillary.ports import Shape, square_side, vector_length
from armillary_photogeo.networks import DenseDecoder, MapDecoder

if TYPE_CHECKING:
    from armillary_photogeo.config import AlbedoMapConfig, DepthMapConfig, LightConfig, ViewConfig

Shapes = Mapping[str, Shape]


def light_from_raw(raw: Float[Tensor, "*batch 4"], *, angle_range: float) -> Float[Tensor, "*batch 5"]:
    r"""Ambient strength :math:`k_s`, diffuse strength :math:`k_d` and the unit direction to the light.

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
    r"""Pose :math:`x \mapsto R (x - c) + c + T` with :math:`R = \exp \hat w_{1:3}` and :math:`T = w_{4:6}`.

    Args:
        viewpoint: :math:`w`: a rotation vector in radians, then a translation in scene units.
        centre_depth: z of the centre of rotation c on the optical axis; 0 is the camera, as Eq. 3 has it.

    Source: Eq. 3.
    """
    centre = viewpoint.new_tensor([0.0, 0.0, centre_depth])
    return pose_about(exp_map(viewpoint[..., :3]), viewpoint[..., 3:], centre=centre)


class DepthMap(Head):
    """Depth of the canonical view, twice as large as the picture.

    Args:
        size: side of the square picture, in pixels.
        features: length of the feature vector.
        width: channels of the last stages of the decoder.
        depth_min: least depth, in scene units.
        depth_max: largest depth.
        bulge: how far the shape at which learning starts comes towards the viewer in the middle of the picture; about the
            middle of the depth, so that what is to turn about a point there has a front and a back.
        centred: take the mean over the picture's frame off each map before it is bounded.
    """

    start: Tensor

    def __init__(
        self,
        size: int,
        *,
        features: int,
        width: int,
        depth_min: float,
        depth_max: float,
        bulge: float = 0.0,
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.decoder = MapDecoder(size, features=features, width=width, channels=1)
        self.depth_min = depth_min
        self.depth_max = depth_max
        self.centred = centred
        self.margin = margin = size // 2
        shape = paraboloid(size, size)
        shape = functional.pad(shape, (margin, margin, margin, margin)) - shape.mean()
        self.register_buffer("start", -2 * bulge / (depth_max - depth_min) * shape, persistent=False)

    @classmethod
    def build(cls, config: "DepthMapConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector and the map that the method asks for."""
        return cls(
            square_side(outputs["depth"]) // 2,
            features=vector_length(inputs["feature"]),
            width=config.width,
            depth_min=config.depth_min,
            depth_max=config.depth_max,
            bulge=config.bulge,
            centred=config.centred,
        )

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch 1 height width"]]:
        """Return ``depth`` in scene units."""
        raw = self.decoder(feature) + self.start
        if self.centred:
            inside = slice(self.margin, -self.margin)
            raw = raw - raw[..., inside, inside].mean(dim=(-2, -1), keepdim=True)
        return {"depth": rescale(torch.tanh(raw), self.depth_min, self.depth_max)}


class AlbedoMap(Head):
    """Albedo of the canonical view.

    Args:
        size: side of the square map, in pixels.
        features: length of the feature vector.
        width: channels of the last stages of the decoder.
        channels: of the image.
        convolutions: of each dense block, from the smallest map to the largest.
    """

    def __init__(self, size: int, *, features: int, width: int, channels: int, convolutions: Sequence[int]) -> None:
        super().__init__()
        self.decoder = DenseDecoder(size, features=features, width=width, channels=channels, convolutions=convolutions)

    @classmethod
    def build(cls, config: "AlbedoMapConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector and the map that the method asks for."""
        albedo = outputs["albedo"]
        return cls(
            square_side(albedo),
            features=vector_length(inputs["feature"]),
            width=config.width,
            channels=albedo[1] or 3,
            convolutions=config.convolutions,
        )

    def forward(
        self, feature: Float[Tensor, "batch feature"]
    ) -> dict[str, Float[Tensor, "batch channel height width"]]:
        """Return ``albedo`` in [0, 1]."""
        return {"albedo": rescale(torch.tanh(self.decoder(feature)), 0.0, 1.0)}


class Light(Head):
    """Ambient light and one directional light, by angles.

    Args:
        features: length of the feature vector.
        angle_range: of the direction, either way about the viewing axis, in radians.
    """

    def __init__(self, *, features: int, angle_range: float) -> None:
        super().__init__()
        self.last = nn.Linear(features, 4)
        self.angle_range = angle_range

    @classmethod
    def build(cls, config: "LightConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector."""
        return cls(features=vector_length(inputs["feature"]), angle_range=config.angle_range)

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch 5"]]:
        """Return ``light``: ambient, diffuse, unit direction from the surface to the light."""
        return {"light": light_from_raw(self.last(feature), angle_range=self.angle_range)}


class View(Head):
    """Viewpoint: a rotation vector and a translation, each bounded, and the pose that they make.

    Args:
        features: length of the feature vector.
        rotation_range: largest component of the rotation vector, in radians.
        translation_range: largest translation in x and y, in scene units.
        depth_translation_range: the same in z.
        centre_depth: z of the centre of rotation, in scene units; 0 is the camera.
    """

    def __init__(
        self,
        *,
        features: int,
        rotation_range: float,
        translation_range: float,
        depth_translation_range: float,
        centre_depth: float,
    ) -> None:
        super().__init__()
        self.last = nn.Linear(features, 6)
        self.ranges = [rotation_range] * 3 + [translation_range] * 2 + [depth_translation_range]
        self.centre_depth = centre_depth

    @classmethod
    def build(cls, config: "ViewConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector."""
        along = config.depth_translation_range
        return cls(
            features=vector_length(inputs["feature"]),
            rotation_range=config.rotation_range,
            translation_range=config.translation_range,
            depth_translation_range=config.translation_range if along is None else along,
            centre_depth=config.centre_depth,
        )

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Tensor]:
        """Return ``viewpoint``, the paper's w, and ``pose``: x_camera = R x_canonical + t."""
        raw = self.last(feature)
        viewpoint = torch.tanh(raw) * raw.new_tensor(self.ranges)
        return {"viewpoint": viewpoint, "pose": pose_from_viewpoint(viewpoint, centre_depth=self.centre_depth)}
