"""A depth branch of one file: the head reads the encoder's maps and the picture, and no vector."""

from typing import Annotated, TypedDict

import torch
from torch import nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Encoder, Head, from_shape
from armillary.ports import axis_length

Coarse = Annotated[ports.FeatureMap, "batch coarse_channels height/4 width/4"]
Fine = Annotated[ports.FeatureMap, "batch fine_channels height/2 width/2"]


class Maps(TypedDict):
    """Maps at a half and a quarter of the picture's size."""

    fine: Annotated[ports.FeatureMap, "batch $width height/2 width/2"]
    coarse: Annotated[ports.FeatureMap, "batch $width height/4 width/4"]


class Depth(TypedDict):
    """A depth map of the picture's size."""

    depth: Annotated[ports.Depth, ports.Of(frame="canonical")]


class Down(Encoder, name="down", source="ours"):
    """Two strided convolutions."""

    width: int = param(8, unit="channel", source="ours", help="channels of both maps")

    def setup(self) -> None:
        self.first = nn.Conv2d(3, self.width, 3, stride=2, padding=1)
        self.second = nn.Conv2d(self.width, self.width, 3, stride=2, padding=1)

    def forward(self, image: ports.Image) -> Maps:
        """Return ``fine`` and ``coarse``."""
        fine = self.first(image).relu()
        return {"fine": fine, "coarse": self.second(fine).relu()}


class Up(Head, name="up", source="ours"):
    """Depth from both maps and from the picture itself."""

    fine_channels: int = from_shape("fine", axis_length(1, of="channels"))
    coarse_channels: int = from_shape("coarse", axis_length(1, of="channels"))

    def setup(self) -> None:
        self.last = nn.Conv2d(3 + self.fine_channels + self.coarse_channels, 1, 3, padding=1)

    def forward(self, fine: Fine, coarse: Coarse, image: ports.Image) -> Depth:
        """Return ``depth`` in [0.9, 1.1]."""
        maps = [functional.interpolate(each, size=image.shape[-2:], mode="bilinear") for each in (fine, coarse)]
        return {"depth": 1 + 0.1 * self.last(torch.cat((image, *maps), dim=1)).tanh()}
