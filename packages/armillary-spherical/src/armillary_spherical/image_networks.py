"""Image embedding network of Esteves et al. 2019, arXiv:1812.02716, Section 3.2.1 and Appendix A.2.

A picture goes through a residual encoder down to one vector; the vector goes through a residual decoder up to a map of the
sphere. There is no way around the vector: picture and sphere have no pixels in common. Maps of the sphere are
``batch channel colatitude azimuth``; their azimuth closes on itself, so every convolution after the vector pads it in a
circle, the transposed ones too. In colatitude, and in pictures, convolutions reflect and transposed convolutions see zeros.

Deviates: the authors' transposed convolutions see zeros in azimuth too, which leaves a seam at azimuth 0. Batch normalisation
and a rectifier stand before the convolution to the vector, as residual networks of pre-activations end; the text does not say.
"""

import itertools

import torch
from attrs.validators import gt
from jaxtyping import Float
from torch import Tensor, nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import Encoder, Head, from_shape
from armillary.ports import axis_length, square_side
from armillary_spherical.vocabulary import PAPER, SHORT, Embedded, Encoded, Picture, channels

_EMBEDDING = f"{SHORT}, Appendix A.2"

SMALLEST_IMAGE = 16
_BLOCKS = 2  # residual blocks in a row
_CORE = 4  # the side of the first map after the vector, or the odd part of a size that is no power of two


def encoder_widths(size: int, *, width: int, widest: int) -> tuple[int, ...]:
    """Return the channels after each stage of the encoder: one for each halving that ``size`` allows.

    Raises:
        ValueError: ``size`` cannot be halved down to 2 or 3.
    """
    if size < SMALLEST_IMAGE or size % 2 ** (size.bit_length() - 2):
        raise ValueError(f"the side must be 2 or 3 times a power of two, from {SMALLEST_IMAGE} on, not {size}")
    return tuple(min(width * 2**stage, widest) for stage in range(size.bit_length() - 1))


def decoder_widths(size: int, *, width: int, widest: int) -> tuple[int, tuple[int, ...]]:
    """Return the side of the first map and the channels of each map before the last one, which is ``size`` wide.

    Raises:
        ValueError: ``size`` cannot be halved down to 3 or 4, or only once.
    """
    core = size
    while core > _CORE and core % 2 == 0:
        core //= 2
    stages = (size // core).bit_length() - 1
    if core not in (_CORE - 1, _CORE) or stages < 1:
        raise ValueError(f"the side must be 3 or 4 times a power of two, from 6 on, not {size}")
    return core, tuple(min(width * 2**stage, widest) for stage in reversed(range(stages)))


class Convolution(nn.Module):
    """A convolution of odd side that keeps the size, or halves it with a stride of 2.

    Args:
        inputs: channels.
        outputs: channels.
        side: of the filter.
        stride: 1 or 2.
        wraps: the columns close on themselves; otherwise they are reflected, as the rows are.
    """

    def __init__(self, inputs: int, outputs: int, *, side: int, stride: int = 1, wraps: bool = False) -> None:
        super().__init__()
        self.layer = nn.Conv2d(inputs, outputs, side, stride=stride, bias=False)
        self.margin, self.wraps = side // 2, wraps

    def forward(self, features: Float[Tensor, "batch inputs rows columns"]) -> Tensor:
        """Return the filtered map."""
        margin = self.margin
        # A map may be narrower than the margin of a 7 x 7 filter, and reflection needs more than the margin.
        mirrored = "reflect" if min(features.shape[-2:]) > margin else "replicate"
        if not self.wraps:
            return self.layer(nn.functional.pad(features, (margin, margin, margin, margin), mode=mirrored))
        features = nn.functional.pad(features, (margin, margin, 0, 0), mode="circular")
        return self.layer(nn.functional.pad(features, (0, 0, margin, margin), mode=mirrored))


class Doubling(nn.Module):
    """A transposed convolution of odd side that doubles the size; input cell i is centred on output cell 2 i.

    Args:
        inputs: channels.
        outputs: channels.
        side: of the filter.
        wraps: the columns close on themselves; otherwise zeros lie beyond them, as beyond the rows.
        bias: learn a constant for each channel.
    """

    def __init__(self, inputs: int, outputs: int, *, side: int, wraps: bool, bias: bool = False) -> None:
        super().__init__()
        reach = side // 2
        self.margin = (reach + 1) // 2 if wraps else 0  # input columns on either side that reach an output column
        self.layer = nn.ConvTranspose2d(
            inputs,
            outputs,
            side,
            stride=2,
            padding=(reach, 0) if wraps else reach,
            output_padding=(1, 0) if wraps else 1,
            bias=bias,
        )
        self.first = 2 * self.margin + reach  # of the output columns of the widened map, the one that is column 0

    def forward(self, features: Float[Tensor, "batch inputs rows columns"]) -> Tensor:
        """Return the map of twice the size."""
        if not self.margin:
            return self.layer(features)
        columns = features.shape[-1]
        wide = nn.functional.pad(features, (self.margin, self.margin, 0, 0), mode="circular")
        return self.layer(wide)[..., self.first : self.first + 2 * columns]


class PreActivationBlock(nn.Module):
    """Two convolutions, each after normalisation and a rectifier, added to their input.

    Args:
        inputs: channels.
        outputs: channels.
        stride: 1 or 2, of the first convolution.
        projects: the input passes a 1 x 1 convolution, as the first block of a stage has it.
        wraps: the columns close on themselves.

    Source: He et al. 2016, arXiv:1603.05027, Figure 4 e.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, projects: bool = False, wraps: bool) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(inputs)
        self.first = Convolution(inputs, outputs, side=3, stride=stride, wraps=wraps)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.second = Convolution(outputs, outputs, side=3, wraps=wraps)
        self.projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if projects else None

    def forward(self, features: Float[Tensor, "batch inputs rows columns"]) -> Tensor:
        """Return the sum."""
        active = self.first_norm(features).relu()
        past = features if self.projection is None else self.projection(active)
        return past + self.second(self.second_norm(self.first(active)).relu())


class ToVector(nn.Module):
    """A square map to one vector: halvings with residual blocks, then one convolution over what is left.

    Args:
        size: side of the map.
        channels: of the map.
        width: channels of the first stage, doubled from stage to stage.
        widest: largest number of channels.
        features: length of the vector.
        wraps: the map's columns close on themselves.
    """

    def __init__(self, size: int, *, channels: int, width: int, widest: int, features: int, wraps: bool) -> None:
        super().__init__()
        widths = encoder_widths(size, width=width, widest=widest)
        layers: list[nn.Module] = [Convolution(channels, widths[0], side=7, stride=2, wraps=wraps)]
        side = size // 2
        for stage in range(1, len(widths)):
            stride = 1 if stage == 1 else 2
            layers.append(
                PreActivationBlock(widths[stage - 1], widths[stage], stride=stride, projects=True, wraps=wraps)
            )
            layers += [PreActivationBlock(widths[stage], widths[stage], wraps=wraps) for _ in range(_BLOCKS - 1)]
            side //= stride
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], features, side)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "batch channel rows columns"]) -> Float[Tensor, "batch feature"]:
        """Return the vector."""
        return self.layers(features).flatten(1)


class FromVector(nn.Module):
    """One vector to a square map: a small map first, doubled with residual blocks between.

    Args:
        size: side of the map.
        channels: of the map.
        width: channels of the last map but one, doubled from map to map backwards.
        widest: largest number of channels.
        features: length of the vector.
        wraps: the map's columns close on themselves.
    """

    def __init__(self, size: int, *, channels: int, width: int, widest: int, features: int, wraps: bool) -> None:
        super().__init__()
        core, widths = decoder_widths(size, width=width, widest=widest)
        self.first = nn.ConvTranspose2d(features, widths[0], core, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in itertools.pairwise(widths):
            blocks = [PreActivationBlock(before, before, projects=not i, wraps=wraps) for i in range(_BLOCKS)]
            layers += [*blocks, Doubling(before, after, side=3, wraps=wraps), nn.BatchNorm2d(after), nn.ReLU()]
        layers.append(Doubling(widths[-1], channels, side=7, wraps=wraps, bias=True))
        self.rest = nn.Sequential(*layers)

    def forward(self, vector: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch channel rows columns"]:
        """Return the map."""
        return self.rest(self.first(vector[..., None, None]))


class ImageToVector(Encoder, name="image-to-vector", source=f"{PAPER}, Appendix A.2"):
    """Residual network of pre-activation blocks, a picture to one vector."""

    width: int = param(64, unit="channel", source=_EMBEDDING, help="channels of the first stage", validator=gt(0))
    widest: int = param(256, unit="channel", source=_EMBEDDING, help="largest number of channels", validator=gt(0))
    features: int = param(1024, unit="channel", source=_EMBEDDING, help="length of the vector", validator=gt(0))
    size: int = from_shape("image", square_side)
    channels: int = from_shape("image", channels)

    def setup(self) -> None:
        sizes = {"channels": self.channels, "width": self.width, "widest": self.widest, "features": self.features}
        self.body = ToVector(self.size, **sizes, wraps=False)

    def forward(self, image: Picture) -> Encoded:
        """Return ``feature``. The picture lies in [0, 1]."""
        return {"feature": self.body(2 * image - 1)}


class VectorToSphere(Head, name="vector-to-sphere", source=f"{PAPER}, Section 3.2.1 and Appendix A.2"):
    """One vector to a map of the sphere, unbounded, azimuth padded in a circle."""

    width: int = param(64, unit="channel", source=_EMBEDDING, help="channels of the last map but one", validator=gt(0))
    widest: int = param(256, unit="channel", source=_EMBEDDING, help="largest number of channels", validator=gt(0))
    features: int = from_shape("feature")
    size: int = from_shape("embedding", square_side)
    channels: int = from_shape("embedding", axis_length(1, of="channels"))

    def setup(self) -> None:
        sizes = {"channels": self.channels, "width": self.width, "widest": self.widest, "features": self.features}
        self.body = FromVector(self.size, **sizes, wraps=True)

    def forward(self, feature: ports.FeatureVector) -> Embedded:
        """Return ``embedding``."""
        exact = torch.promote_types(feature.dtype, torch.float32)  # what is correlated is not in half precision
        return {"embedding": self.body(feature).to(exact)}
