r"""Spherical CNNs of Esteves et al. 2018 (arXiv:1711.06721) and 2019 (arXiv:1812.02716, Appendix A.1).

Signals are ``batch channel colatitude azimuth`` on the grid ``soft``, z up. A layer filters each signal with zonal filters, which
is a product in the spectrum, and everything else acts on each point by itself: so a network turns with its input, and mirrors
with it, up to what sampling a nonlinearity costs.

In the spectrum a map of C channels below degree B is the representation ``Cx0e + Cx1o + ... `` of O(3), and a zonal
convolution is a linear map of it that commutes with the group: ``e3nn.o3.Linear``, one matrix a degree. e3nn's polar axis is
another one than ours, which mixing by degree does not see (:mod:`armillary.nn.spheres.interchange`).

The residual network of 2019 is not in the authors' code, and the figure with its sizes is not in the text at hand: the order of
layers and their widths are ours, ten layers and bottlenecks of a quarter of the channels are the text's.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal, TypedDict

import torch
from attrs.validators import and_, gt
from e3nn import o3
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.config import param
from armillary.interfaces import Encoder, from_shape
from armillary.nn.spheres.convolution import area_mean, interpolate_filters
from armillary.nn.spheres.grids import cell_areas, soft
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary.ports import square_side
from armillary.rules import Holds
from armillary_spherical.vocabulary import PAPER, SHORT, OwnClassFeatures, OwnFineMap, OwnMap, Signal, channels

_CODE = "daniilidis-group/spherical-cnn"
_MAP = f"{SHORT}, Section 3.2.3: 16 x 16 from the cell of 22.5 degrees"
_FILTERS = f"{_CODE}, README: filters 16,16,32,32,64,64,128,128"
_POOLS = f"{_CODE}, README: pool 0,0,1,0,1,0,1,0"

_KNOTS = 8  # free values of a localised filter's spectrum
_SLOPE = 0.1  # of the rectifiers, to begin with
_EXPANSION = 4  # channels of a residual layer over those inside its bottleneck
_POOLINGS = ("weighted", "spectral")


def spectral_irreps(channels: int, *, bandwidth: int) -> o3.Irreps:
    """Return what the coefficients of ``channels`` signals are: degree l is odd under point reflection where l is odd."""
    irreps = [(channels, (l, (-1) ** l)) for l in range(bandwidth)]
    return o3.Irreps(irreps)  # pyright: ignore[reportReturnType]  # e3nn's constructor is annotated with its parts too


@functools.lru_cache(maxsize=64)
def degree_major(channels: int, *, bandwidth: int) -> tuple[Int[Tensor, " component"], Int[Tensor, " component"]]:
    """Return the order of e3nn's components among ours, and the inverse. Kept: do not write into them.

    Ours are ``[channel, coefficient]``, flattened; e3nn's are, degree by degree, ``[channel, order]``, flattened.
    """
    place = torch.arange(channels * bandwidth**2).view(channels, bandwidth**2)
    there = torch.cat([place[:, l * l : (l + 1) ** 2].flatten() for l in range(bandwidth)])
    return there, there.argsort()


class ZonalConvolution(nn.Module):
    r"""Convolution of signals with localised zonal filters.

    .. math:: \hat y_{lm}^{o} = \sum_i 2\pi \sqrt{\tfrac{4\pi}{2l + 1}}\; \hat g_l^{io}\, \hat x_{lm}^{i}

    The spectrum :math:`\hat g_l` of each filter is interpolated linearly between eight free values.

    Args:
        inputs: channels.
        outputs: channels.
        size: samples in colatitude, and as many in azimuth.
        halves: the output is sampled half as finely, and so are its degrees: pooling in the spectrum.
        even: filters begin with gains of the same spread at every degree. As published the free values do, so that gains
            fall as the root of 2 l + 1: three layers leave of degree 7 an eleventh of what they leave of degree 1.

    Source: Esteves et al. 2018, Sections 4.2 and 5.1; spherical-cnn, layers.py.
    """

    gain: Tensor
    there: Tensor
    back: Tensor

    def __init__(self, inputs: int, outputs: int, *, size: int, halves: bool = False, even: bool = False) -> None:
        super().__init__()
        bandwidth = size // 4 if halves else size // 2
        self.grid, self.grid_out, self.bandwidth = soft(size // 2), soft(bandwidth), bandwidth
        self.inputs, self.outputs = inputs, outputs
        std = 2 / (2 * math.pi * math.sqrt(self.grid.bandwidth * inputs))
        start = nn.init.trunc_normal_(torch.empty(_KNOTS, inputs, outputs), std=std, a=-2 * std, b=2 * std)
        if even:
            degree = torch.linspace(0, self.grid.bandwidth - 1, _KNOTS)
            start *= (2 * degree + 1).sqrt()[:, None, None]
        self.values = nn.Parameter(start)
        self.irreps_in = spectral_irreps(inputs, bandwidth=bandwidth)
        self.irreps_out = spectral_irreps(outputs, bandwidth=bandwidth)
        self.mix = o3.Linear(self.irreps_in, self.irreps_out, internal_weights=False, shared_weights=True)
        degree = torch.arange(bandwidth, dtype=torch.float64)
        gain = 2 * math.pi * (4 * math.pi / (2 * degree + 1)).sqrt()
        self.register_buffer("gain", gain.float()[:, None, None], persistent=False)
        self.register_buffer("there", degree_major(inputs, bandwidth=bandwidth)[0], persistent=False)
        self.register_buffer("back", degree_major(outputs, bandwidth=bandwidth)[1], persistent=False)

    def gains(self) -> Float[Tensor, "degree inputs outputs"]:
        """Return the matrix by which each degree is multiplied."""
        filters = interpolate_filters(self.values, bandwidth=self.grid.bandwidth)
        return self.gain * filters[: self.bandwidth]

    def forward(self, signal: Float[Tensor, "batch inputs colatitude azimuth"]) -> Tensor:
        """Return the filtered signals."""
        exact = signal.to(torch.promote_types(signal.dtype, torch.float32))
        with torch.autocast(signal.device.type, enabled=False):
            x = coefficients_from_signal(exact, grid=self.grid, bandwidth=self.bandwidth)
            x = x.flatten(-2).index_select(-1, self.there)
            # o3.Linear divides by the root of the number of inputs.
            y = self.mix(x, (self.gains() * math.sqrt(self.inputs)).flatten())
            y = y.index_select(-1, self.back).unflatten(-1, (self.outputs, self.bandwidth**2))
            return signal_from_coefficients(y, grid=self.grid_out)


class WeightedPooling(nn.Module):
    """Half as many samples, each an average of its neighbours weighted by the area that they stand for.

    Two rows make one. In azimuth a sample is averaged with half of each neighbour, so that it stays where it was. Deviates:
    the authors average squares of 2 x 2, which moves every sample by half a cell in azimuth; their upsampling before the
    correlation moves them back. They weigh with areas that take a sample for its cell's corner, as their grid has it.

    Args:
        size: samples in colatitude, and as many in azimuth.

    Source: spherical-cnn, layers.py: ``wap``.
    """

    share: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        areas = cell_areas(soft(size // 2), dtype=torch.float64).view(-1, 2)
        self.register_buffer("share", (areas / areas.sum(-1, keepdim=True)).flatten().float(), persistent=False)

    def forward(self, signal: Float[Tensor, "batch channel colatitude azimuth"]) -> Tensor:
        """Return the coarser signals."""
        bands = (signal * self.share.to(signal.dtype)[:, None]).unflatten(-2, (-1, 2)).sum(-2)
        even, odd = bands[..., ::2], bands[..., 1::2]
        return 0.5 * even + 0.25 * (odd + odd.roll(1, dims=-1))


class SpectralPooling(nn.Module):
    """Half as many samples of what the signal holds in the lower half of its degrees: it turns with its input exactly.

    Args:
        size: samples in colatitude, and as many in azimuth.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.grid, self.grid_out = soft(size // 2), soft(size // 4)

    def forward(self, signal: Float[Tensor, "batch channel colatitude azimuth"]) -> Tensor:
        """Return the coarser signals."""
        exact = signal.to(torch.promote_types(signal.dtype, torch.float32))
        low = coefficients_from_signal(exact, grid=self.grid, bandwidth=self.grid_out.bandwidth)
        return signal_from_coefficients(low, grid=self.grid_out)


class Norm(nn.Module):
    """Batch normalisation with a learnt shift and no learnt scale.

    Source: spherical-cnn, layers.py: batch normalisation with ``scale=False``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, signal: Float[Tensor, "batch channel colatitude azimuth"]) -> Tensor:
        """Return the normalised signals."""
        return self.norm(signal) + self.shift[:, None, None]


def _rectifier(channels: int) -> nn.PReLU:
    return nn.PReLU(channels, init=_SLOPE)


class ResidualLayer(nn.Module):
    """A spherical convolution in a bottleneck of a quarter of the channels, added to its input.

    Args:
        inputs: channels.
        width: channels inside the bottleneck; the layer returns four times as many.
        size: samples of the input in colatitude, and as many in azimuth.
        pooling: ``weighted`` or ``spectral`` where the output is half as fine, empty where it is not.
        even: see :class:`ZonalConvolution`.

    Source: Appendix A.1: residual layers, with features four times fewer inside the bottleneck.
    """

    def __init__(self, inputs: int, width: int, *, size: int, pooling: str = "", even: bool = False) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.squeeze = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), Norm(width), _rectifier(width))
        self.convolution = ZonalConvolution(width, width, size=size, halves=pooling == "spectral", even=even)
        self.pool = WeightedPooling(size) if pooling == "weighted" else nn.Identity()
        self.norm = Norm(width)
        self.expand = nn.Sequential(_rectifier(width), nn.Conv2d(width, outputs, 1, bias=False), Norm(outputs))
        shortcut: list[nn.Module] = [_pooling(pooling, size)] if pooling else []
        if inputs != outputs:
            shortcut += [nn.Conv2d(inputs, outputs, 1, bias=False), Norm(outputs)]
        self.shortcut = nn.Sequential(*shortcut)
        self.rectifier = _rectifier(outputs)

    def forward(self, signal: Float[Tensor, "batch inputs colatitude azimuth"]) -> tuple[Tensor, Tensor]:
        """Return the layer's output, and the features inside its bottleneck: filtered and normalised, not yet rectified."""
        inside = self.norm(self.pool(self.convolution(self.squeeze(signal))))
        return self.rectifier(self.expand(inside) + self.shortcut(signal)), inside


class Shaped(TypedDict):
    """Two maps that turn with the shape, and a vector that does not."""

    features: OwnMap
    fine_features: OwnFineMap
    class_features: OwnClassFeatures


_HALVES = Holds(
    "fine_channels * fine_size == feature_channels * feature_size", "a map of twice the side has half the channels"
)


class _Sizes(Encoder):
    """Base of the networks of several sizes, each half of the one before, with maps taken at two of them.

    A layer of each size has ``feature_channels * feature_size / size`` channels, or four times as many around a bottleneck.
    """

    symmetry = "o3"
    feature_size: int
    feature_channels: int
    fine_size: int
    fine_channels: int
    sizes: int
    class_features: int
    size: int = from_shape("sphere", square_side)

    def widths(self) -> dict[int, int]:
        """Return the channels of each size, from the input's down.

        Raises:
            ValueError: a map is wanted at a size that the network does not have, or channels do not divide.
        """
        product = self.feature_channels * self.feature_size
        sizes = _sizes(self.size, self.sizes, wanted=(self.feature_size, self.fine_size))
        if wrong := [size for size in sizes if product % size]:
            raise ValueError(f"feature_channels x feature_size is {product}, which {wrong[0]} samples do not divide")
        return {size: product // size for size in sizes}

    def check_length(self, length: int) -> None:
        """Raise ValueError where the vector has another length than declared."""
        if self.class_features != length:
            raise ValueError(
                f"class_features is {self.class_features}, but the other settings give {length}: set class_features={length}"
            )


class ResidualCnn(_Sizes, name="residual-cnn", source=f"{PAPER}, Appendix A.1"):
    """Residual spherical CNN: a map that turns with the shape and a vector that does not.

    A spherical convolution, then residual layers, two at each size; the maps are taken inside the bottleneck of the last
    layer of their size. With the linear layer of the head: ten layers at four sizes. The module's docstring says which of
    this is ours.
    """

    feature_size: int = param(
        16, unit="sample", source=_MAP, help="side of the map that pictures are embedded to", validator=gt(0)
    )
    feature_channels: int = param(
        32,
        unit="channel",
        source="ours: the number is not in the text at hand",
        help="channels of that map; bottlenecks of other sizes have feature_channels x feature_size / size",
        validator=gt(0),
    )
    fine_size: int = param(
        32,
        unit="sample",
        source="ours: the number is not in the text at hand",
        help="side of a finer map",
        validator=gt(0),
    )
    fine_channels: int = param(
        16,
        unit="channel",
        source="ours: as many as the rule of feature_channels gives",
        help="channels of the finer map",
        validator=and_(gt(0), _HALVES),
    )
    sizes: int = param(
        4,
        source=f"ours; with layers = 2 the ten layers of {SHORT}, Appendix A.1",
        validator=gt(0),
        help="from the input's down",
    )
    layers: int = param(2, source="ours, as sizes", validator=gt(0), help="residual layers at each size")
    class_features: int = param(
        256, unit="channel", source="ours: what the other settings give", help="length of the vector", validator=gt(0)
    )
    pooling: Literal["weighted", "spectral"] = param(
        "weighted",
        source=f"{_CODE}: wap",
        help="weighted: average by area; spectral: drop the upper half of the degrees, which turns exactly",
    )
    even: bool = param(
        False,
        source=f"{_CODE}: every free value begins with the same spread",
        help="filters begin with gains of the same spread at every degree; as published they fall with the degree",
    )
    channels: int = from_shape("sphere", channels)

    def setup(self) -> None:
        widths = self.widths()
        before = _EXPANSION * widths[self.size]
        stem = ZonalConvolution(self.channels, before, size=self.size, even=self.even)
        self.stem = nn.Sequential(stem, Norm(before), _rectifier(before))
        stack: list[ResidualLayer] = []
        self.last: dict[int, int] = {}  # layer of each size
        for here, width in widths.items():
            for index in range(self.layers):
                pools = index == 0 and here < self.size
                side, how = (2 * here, self.pooling) if pools else (here, "")
                stack.append(ResidualLayer(before, width, size=side, pooling=how, even=self.even))
                before = _EXPANSION * width
            self.last[here] = len(stack) - 1
        self.layers = nn.ModuleList(stack)  # pyright: ignore[reportAttributeAccessIssue]  # weights have the setting's name
        self.check_length(before)

    def forward(self, sphere: Signal) -> Shaped:
        """Return ``features`` and ``fine_features``, which turn with the shape, and ``class_features``, which do not."""
        signal, inside = self.stem(sphere), []
        for layer in self.get_submodule("layers").children():
            signal, features = layer(signal)
            inside.append(features)
        return {
            "features": inside[self.last[self.feature_size]],
            "fine_features": inside[self.last[self.fine_size]],
            "class_features": _average(signal),
        }


class TwoBranchCnn(
    _Sizes,
    name="two-branch-cnn",
    source="Esteves, Allen-Blanchette, Makadia, Daniilidis 2018, arXiv:1711.06721, Section 5.1; "
    "daniilidis-group/spherical-cnn, models.py",
):
    """Spherical CNN with a branch for ray lengths and one for angles.

    Where the size is halved, the first branch also receives the channels of the second. Both end in a weighted mean over the
    sphere. The maps are those of the last layer of their size in the first branch. The authors add a second cross-entropy, on
    the features of the second branch; there is none here.

    Raises:
        ValueError: the signals have one channel only.
    """

    feature_size: int = param(16, unit="sample", source=_MAP, help="side of the map", validator=gt(0))
    feature_channels: int = param(64, unit="channel", source=_FILTERS, help="channels of the map", validator=gt(0))
    fine_size: int = param(32, unit="sample", source=f"{_CODE}, README", help="side of a finer map", validator=gt(0))
    fine_channels: int = param(
        32,
        unit="channel",
        source=f"{_CODE}, README",
        help="channels of the finer map",
        validator=and_(gt(0), _HALVES),
    )
    sizes: int = param(4, source=_POOLS, validator=gt(0), help="from the input's down")
    layers: int = param(2, source=_POOLS, validator=gt(0), help="at each size")
    class_features: int = param(
        256, unit="channel", source=f"{_CODE}: both branches", help="length of the vector", validator=gt(0)
    )
    pooling: Literal["weighted", "spectral"] = param("weighted", source=f"{_CODE}: wap", help="weighted or spectral")
    channels: int = from_shape("sphere", lambda shape: shape[1] or 2)

    def setup(self) -> None:
        if self.channels < 2:
            raise ValueError("two-branch-cnn needs ray lengths and angles: give spherical:ray-cast both channels")
        first: list[nn.Module] = []
        second: list[nn.Module] = []
        before, self.joins, self.last = 1, set[int](), dict[int, int]()
        for here, width in self.widths().items():
            for index in range(self.layers):
                pools = index == 0 and here < self.size
                if pools:
                    self.joins.add(len(first))
                side, how = (2 * here, self.pooling) if pools else (here, "")
                first.append(_PlainLayer(2 * before if pools else before, width, size=side, pooling=how))
                second.append(_PlainLayer(before, width, size=side, pooling=how))
                before = width
            self.last[here] = len(first) - 1
        self.first, self.second = nn.ModuleList(first), nn.ModuleList(second)
        self.check_length(2 * before)

    def forward(self, sphere: Signal) -> Shaped:
        """Return ``features`` and ``fine_features``, which turn with the shape, and ``class_features``, which do not."""
        one, other, maps = sphere[:, :1], sphere[:, 1:2], []
        for index, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            one = first(torch.cat((one, other), dim=1) if index in self.joins else one)
            other = second(other)
            maps.append(one)
        return {
            "features": maps[self.last[self.feature_size]],
            "fine_features": maps[self.last[self.fine_size]],
            "class_features": torch.cat((_average(one), _average(other)), dim=-1),
        }


class _PlainLayer(nn.Module):
    """Convolution, pooling where the size is halved, normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, *, size: int, pooling: str) -> None:
        super().__init__()
        convolution = ZonalConvolution(inputs, outputs, size=size, halves=pooling == "spectral")
        pool = WeightedPooling(size) if pooling == "weighted" else nn.Identity()
        self.layers = nn.Sequential(convolution, pool, Norm(outputs), _rectifier(outputs))

    def forward(self, signal: Tensor) -> Tensor:
        return self.layers(signal)


def _average(signal: Float[Tensor, "batch channel colatitude azimuth"]) -> Float[Tensor, "batch channel"]:
    return area_mean(signal.to(torch.promote_types(signal.dtype, torch.float32)), grid=soft(signal.shape[-1] // 2))


def _pooling(name: str, size: int) -> nn.Module:
    if name not in _POOLINGS:
        raise ValueError(f"pooling is one of {', '.join(_POOLINGS)}, not {name!r}")
    return WeightedPooling(size) if name == "weighted" else SpectralPooling(size)


def _sizes(size: int, count: int, *, wanted: Sequence[int]) -> list[int]:
    """Return the sizes of a network, from the input's down.

    Raises:
        ValueError: the input cannot be halved so often, or a wanted size is not among them.
    """
    if size % 2**count:
        raise ValueError(f"a signal of {size} x {size} samples cannot have {count} sizes of even numbers")
    sizes = [size >> level for level in range(count)]
    for each in wanted:
        if each not in sizes:
            raise ValueError(f"no map of {each} x {each}: from signals of {size} the sizes are {sizes}")
    return sizes
