"""Adapters: conversions between a slot and a part that would not fit it, named by a recipe under ``via``.

``feature`` is a vector, ``features`` a map. Poses are [R | t] with x_camera = R x_object + t, z forward.
"""

from typing import Annotated, TypedDict

import torch
from attrs.validators import gt
from torch import nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces.network import Adapter
from armillary.interfaces.part import from_shape
from armillary.kernels.cameras import pose_about
from armillary.kernels.points import soft_argmax
from armillary.ports import Shape

# Of R, G and B in luma: ITU-R BT.601, Section 2.5.1.
_LUMA = (0.299, 0.587, 0.114)


class Vector(TypedDict):
    """A vector of as many features as the map has."""

    feature: ports.FeatureVector


class SpreadMap(TypedDict):
    """A map of as many features as the adapter's setting ``channels``."""

    features: Annotated[ports.FeatureMap, "batch $channels rows columns"]


class LargerMap(TypedDict):
    """The map at its new size."""

    features: Annotated[ports.FeatureMap, "batch features height width"]


class PoseOut(TypedDict):
    """A pose."""

    pose: ports.Pose


class RotationOut(TypedDict):
    """A rotation."""

    rotation: ports.Rotation


class Points(TypedDict):
    """One point per map."""

    keypoints2d: Annotated[ports.Keypoints2d, "batch points 2"]


class Grey(TypedDict):
    """A picture of one channel."""

    image: Annotated[ports.Image, "batch 1 height width"]


class Pool(Adapter, name="pool", source="ours"):
    """Mean of a feature map over its positions, to a vector."""

    def forward(self, features: ports.FeatureMap) -> Vector:
        """Return ``feature``."""
        return {"feature": features.mean(dim=(-2, -1))}


class Spread(Adapter, name="spread", source="ours"):
    """One vector at every position of a feature map, with two channels for the position.

    Without the position all cells would be equal. A linear map of both follows.

    Raises:
        ValueError: the size of the map is not known.
    """

    channels: int = param(64, unit="channel", source="ours", help="features of the map", validator=gt(0))
    length: int = from_shape("feature")
    size: Shape = from_shape("features", of="outputs", read=lambda shape: shape[-2:])

    def setup(self) -> None:
        if None in self.size:
            raise ValueError(f"spread needs the size of the map that it makes, and it is {self.size}")
        self.layer = nn.Conv2d(self.length + 2, self.channels, 1)

    def forward(self, feature: ports.FeatureVector) -> SpreadMap:
        """Return ``features``."""
        y, x = (torch.linspace(-1, 1, int(n or 1), dtype=feature.dtype, device=feature.device) for n in self.size)
        place = torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(len(feature), -1, -1, -1)
        spread = feature[:, :, None, None].expand(-1, -1, *place.shape[-2:])
        return {"features": self.layer(torch.cat((spread, place), dim=1))}


class Upsample(Adapter, name="upsample", source="ours"):
    """A feature map at the size that the slot needs, by bilinear interpolation.

    Raises:
        ValueError: the size of the map is not known.
    """

    size: Shape = from_shape("features", of="outputs", read=lambda shape: shape[-2:])

    def setup(self) -> None:
        if None in self.size:
            raise ValueError(f"upsample needs the size of the map that it makes, and it is {self.size}")

    def forward(self, features: ports.FeatureMap) -> LargerMap:
        """Return ``features``."""
        size = [int(n or 1) for n in self.size]
        return {"features": functional.interpolate(features, size=size, mode="bilinear", align_corners=False)}


class RotationToPose(Adapter, name="rotation-to-pose", source="ours"):
    """Pose of a rotation about a point on the optical axis, without a translation."""

    centre_depth: float = param(
        1.0, unit="scene", source="ours: the middle of unsup3d's depth", help="z of the centre of rotation"
    )

    def forward(self, rotation: ports.Rotation) -> PoseOut:
        """Return ``pose``."""
        centre = rotation.new_tensor([0.0, 0.0, self.centre_depth])
        return {"pose": pose_about(rotation, rotation.new_zeros(rotation.shape[:-1]), centre=centre)}


class PoseToRotation(Adapter, name="pose-to-rotation", source="ours"):
    """Rotation of a pose; the translation is dropped."""

    def forward(self, pose: ports.Pose) -> RotationOut:
        """Return ``rotation``."""
        return {"rotation": pose[..., :3]}


class SoftArgmax(Adapter, name="soft-argmax", source="ours"):
    """Mean position under each heat map, whose values are taken as probabilities up to a factor."""

    temperature: float = param(
        1.0, source="ours", help="below 1 the largest values count more, above 1 less", validator=gt(0)
    )

    def forward(self, heatmap: ports.Heatmap) -> Points:
        """Return ``keypoints2d`` in [-1, 1]."""
        heat = heatmap.to(torch.promote_types(heatmap.dtype, torch.float32))
        logits = heat.clamp_min(torch.finfo(heat.dtype).tiny).log()
        return {"keypoints2d": soft_argmax(logits, temperature=self.temperature)}


class LabelsToPoints(Adapter, name="labels-to-points", source="ours: the soft-argmax of key point methods, on labels"):
    """Mean position of each channel of a label map, after a softmax over its cells: one point per channel."""

    temperature: float = param(
        1.0, unit="label", source="ours", help="difference of labels that counts e times as much", validator=gt(0)
    )

    def forward(self, labels: Annotated[ports.LabelMap, "batch points rows columns"]) -> Points:
        """Return ``keypoints2d`` in [-1, 1]."""
        logits = labels.to(torch.promote_types(labels.dtype, torch.float32))
        return {"keypoints2d": soft_argmax(logits, temperature=self.temperature)}


class GreyPicture(Adapter, name="grey", source="ITU-R BT.601, Section 2.5.1"):
    """Luma of an sRGB picture, as one channel."""

    def forward(self, image: ports.Image) -> Grey:
        """Return ``image``."""
        weights = image.new_tensor(_LUMA)[:, None, None]
        return {"image": (image * weights).sum(dim=1, keepdim=True)}
