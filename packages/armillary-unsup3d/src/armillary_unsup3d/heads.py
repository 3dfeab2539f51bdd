"""Heads of Wu, Rupprecht and Vedaldi 2020: a feature vector in; depth, albedo, light, view or confidence out.

Signs are the core's: x right, y down, z forward; normals face the viewer (z < 0) and the light's direction points from the
surface to the light. The authors have both the other way round, which gives the same shading. Images, albedo and
standard deviations of image errors are in units of [0, 1], where the authors' are in [-1, 1].
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.interfaces.network import Head
from armillary.kernels.cameras import pose_about
from armillary.kernels.ranges import paraboloid, rescale
from armillary.kernels.rotations import rotation_from_euler_zyx
from armillary.ports import Shape, square_side, vector_length
from armillary_unsup3d.networks import ConfidenceDecoder, MapDecoder

if TYPE_CHECKING:
    from armillary_unsup3d.config import (
        AlbedoMapConfig,
        ConfidenceConfig,
        DepthMapConfig,
        LightConfig,
        ViewConfig,
    )

Shapes = Mapping[str, Shape]


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


def pose_from_raw(
    raw: Float[Tensor, "*batch 6"],
    *,
    rotation_range: float,
    translation_range: float,
    depth_translation_range: float,
    centre_depth: float,
) -> Float[Tensor, "*batch 3 4"]:
    """Return the pose that turns the canonical object about a point of the optical axis and then moves it.

    Args:
        raw: any values; tanh bounds them. Three angles about x, y, z (R = Rz Ry Rx), then three translations.
        rotation_range: largest angle, in radians.
        translation_range: largest translation in x and y, in scene units.
        depth_translation_range: the same in z.
        centre_depth: z of the centre of rotation, in scene units.

    Source: unsup3d/model.py, forward; unsup3d/utils.py, get_transform_matrices.
    """
    scale = raw.new_tensor([rotation_range] * 3 + [translation_range] * 2 + [depth_translation_range])
    bounded = torch.tanh(raw) * scale
    centre = raw.new_tensor([0.0, 0.0, centre_depth])
    return pose_about(rotation_from_euler_zyx(bounded[..., :3]), bounded[..., 3:], centre=centre)


class DepthMap(Head):
    """Depth of the canonical view, before its border is set.

    Args:
        size: side of the square map, in pixels.
        features: length of the feature vector.
        width: channels of the last stages of the decoder.
        depth_min: least depth, in scene units.
        depth_max: largest depth.
        bulge: how far the shape at which learning starts comes towards the viewer in its middle, in scene units.
    """

    start: Tensor

    def __init__(
        self, size: int, *, features: int, width: int, depth_min: float, depth_max: float, bulge: float = 0.0
    ) -> None:
        super().__init__()
        self.decoder = MapDecoder(size, features=features, width=width, channels=1)
        self.depth_min = depth_min
        self.depth_max = depth_max
        half_range = (depth_max - depth_min) / 2
        self.register_buffer("start", -bulge / half_range * paraboloid(size, size), persistent=False)

    @classmethod
    def build(cls, config: "DepthMapConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector and the map that the method asks for."""
        return cls(
            square_side(outputs["depth"]),
            features=vector_length(inputs["feature"]),
            width=config.width,
            depth_min=config.depth_min,
            depth_max=config.depth_max,
            bulge=config.bulge,
        )

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch 1 height width"]]:
        """Return ``depth`` in scene units."""
        raw = self.decoder(feature) + self.start
        return {"depth": depth_from_raw(raw, depth_min=self.depth_min, depth_max=self.depth_max)}


class AlbedoMap(Head):
    """Albedo of the canonical view.

    Args:
        size: side of the square map, in pixels.
        features: length of the feature vector.
        width: channels of the last stages of the decoder.
        channels: of the image.
    """

    def __init__(self, size: int, *, features: int, width: int, channels: int) -> None:
        super().__init__()
        self.decoder = MapDecoder(size, features=features, width=width, channels=channels)

    @classmethod
    def build(cls, config: "AlbedoMapConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector and the map that the method asks for."""
        albedo = outputs["albedo"]
        return cls(
            square_side(albedo), features=vector_length(inputs["feature"]), width=config.width, channels=albedo[1] or 3
        )

    def forward(
        self, feature: Float[Tensor, "batch feature"]
    ) -> dict[str, Float[Tensor, "batch channel height width"]]:
        """Return ``albedo`` in [0, 1]."""
        return {"albedo": rescale(torch.tanh(self.decoder(feature)), 0.0, 1.0)}


class Light(Head):
    """Ambient light and one directional light.

    Args:
        features: length of the feature vector.
        ambient: least and largest strength.
        diffuse: the same.
    """

    def __init__(self, *, features: int, ambient: tuple[float, float], diffuse: tuple[float, float]) -> None:
        super().__init__()
        self.last = nn.Linear(features, 4, bias=False)
        self.ambient = ambient
        self.diffuse = diffuse

    @classmethod
    def build(cls, config: "LightConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector."""
        return cls(
            features=vector_length(inputs["feature"]),
            ambient=(config.ambient_min, config.ambient_max),
            diffuse=(config.diffuse_min, config.diffuse_max),
        )

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch 5"]]:
        """Return ``light``: ambient, diffuse, unit direction from the surface to the light."""
        return {"light": light_from_raw(self.last(feature), ambient=self.ambient, diffuse=self.diffuse)}


class View(Head):
    """Pose of the object before the camera.

    Args:
        features: length of the feature vector.
        rotation_range: largest angle about each axis, in radians.
        translation_range: largest translation in x and y, in scene units.
        depth_translation_range: the same in z.
        centre_depth: z of the centre of rotation, in scene units.
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
        self.last = nn.Linear(features, 6, bias=False)
        self.ranges = {
            "rotation_range": rotation_range,
            "translation_range": translation_range,
            "depth_translation_range": depth_translation_range,
            "centre_depth": centre_depth,
        }

    @classmethod
    def build(cls, config: "ViewConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector."""
        return cls(
            features=vector_length(inputs["feature"]),
            rotation_range=config.rotation_range,
            translation_range=config.translation_range,
            depth_translation_range=config.depth_translation_range,
            centre_depth=config.centre_depth,
        )

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch 3 4"]]:
        """Return ``pose``: x_camera = R x_object + t."""
        return {"pose": pose_from_raw(self.last(feature), **self.ranges)}


class Confidence(Head):
    """Standard deviations of the error of image and features, for the picture as it is and for the mirrored object.

    Args:
        size: side of the square image, in pixels.
        features: length of the feature vector.
        width: channels of the last stages of the decoder.
        sigma_floor: added to those of the image, in units of an image in [0, 1].
        feature_sigma_floor: added to those of the features.
    """

    def __init__(self, size: int, *, features: int, width: int, sigma_floor: float, feature_sigma_floor: float) -> None:
        super().__init__()
        self.decoder = ConfidenceDecoder(size, features=features, width=width)
        self.sigma_floor = sigma_floor
        self.feature_sigma_floor = feature_sigma_floor

    @classmethod
    def build(cls, config: "ConfidenceConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return a head for the encoder's vector and the maps that the method asks for."""
        return cls(
            square_side(outputs["confidence"]),
            features=vector_length(inputs["feature"]),
            width=config.width,
            sigma_floor=config.sigma_floor,
            feature_sigma_floor=config.feature_sigma_floor,
        )

    def forward(self, feature: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch 1 _ _"]]:
        """Return ``confidence`` and ``feature_confidence`` (a quarter of the size), and both once more ``_flipped``."""
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
