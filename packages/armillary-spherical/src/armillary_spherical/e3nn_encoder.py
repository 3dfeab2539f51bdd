"""A spherical CNN made of e3nn's own parts: irreps, linear maps, S2 grids and activations.

An alternative to :mod:`armillary_spherical.shape_networks`. e3nn's grids lose accuracy in float32 with the highest degree
(round trip 7e-7 at lmax 7, 2e-4 at 15); therefore it ends at 11, and the other networks have a transform of their own.

Source: Geiger and Smidt 2022, arXiv:2207.09453.
"""

import itertools
from typing import TypedDict

import torch
from attrs.validators import and_, ge, gt, le
from e3nn import o3
from e3nn.nn import BatchNorm, S2Activation
from jaxtyping import Float
from torch import Tensor, nn

from armillary.config import param
from armillary.interfaces import Encoder, from_shape
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.interchange import coefficients_from_e3nn, e3nn_from_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary.ports import square_side
from armillary_spherical.shape_networks import degree_major, spectral_irreps
from armillary_spherical.vocabulary import OwnClassFeatures, OwnMap, Signal, channels


class E3nnLayer(nn.Module):
    """A linear map of each degree, batch normalisation, and an activation at the points of a grid.

    Args:
        inputs: signals.
        outputs: signals.
        lmax: highest degree.
    """

    there: Tensor
    back: Tensor

    def __init__(self, inputs: int, outputs: int, *, lmax: int) -> None:
        super().__init__()
        bandwidth = lmax + 1
        self.outputs = outputs
        self.irreps_in = spectral_irreps(inputs, bandwidth=bandwidth)
        self.irreps_out = spectral_irreps(outputs, bandwidth=bandwidth)
        self.mix = o3.Linear(self.irreps_in, self.irreps_out, biases=True)
        self.norm = BatchNorm(self.irreps_out)
        one = spectral_irreps(1, bandwidth=bandwidth)
        self.activation = S2Activation(one, torch.nn.functional.silu, 2 * bandwidth)
        self.register_buffer("there", degree_major(inputs, bandwidth=bandwidth)[0], persistent=False)
        self.register_buffer("back", degree_major(outputs, bandwidth=bandwidth)[1], persistent=False)

    def forward(self, coefficients: Float[Tensor, "batch inputs coefficient"]) -> Tensor:
        """Return the coefficients of the activated signals."""
        mixed = self.norm(self.mix(coefficients.flatten(-2).index_select(-1, self.there)))
        signals = mixed.index_select(-1, self.back).unflatten(-1, (self.outputs, coefficients.shape[-1]))
        return self.activation(signals)


class Maps(TypedDict):
    """Output of :class:`E3nnCnn`."""

    features: OwnMap
    class_features: OwnClassFeatures


class E3nnCnn(Encoder, name="e3nn-cnn", source="ours, of e3nn (Geiger and Smidt 2022, arXiv:2207.09453)"):
    """Spherical CNN of e3nn's own layers, grids and activations, up to degree 11.

    Raises:
        ValueError: the input's samples do not hold degree ``lmax``.
    """

    symmetry = "o3"
    there: Tensor
    back: Tensor

    lmax: int = param(
        7,
        source="ours: e3nn's grids in float32 lose 7e-7 of a signal at 7, and 2e-4 at 15",
        help="highest degree",
        validator=and_(ge(1), le(11)),
    )
    width: int = param(16, unit="channel", help="channels of the layers between", validator=gt(0))
    layers: int = param(3, help="layers, each a linear map and an activation on the sphere", validator=gt(0))
    feature_size: int = param(16, unit="sample", help="side of the map", validator=gt(0))
    feature_channels: int = param(16, unit="channel", help="channels of the map", validator=gt(0))
    class_features: int = param(64, unit="channel", help="length of the vector", validator=gt(0))
    size: int = from_shape("sphere", square_side)
    channels: int = from_shape("sphere", channels)

    def setup(self) -> None:
        bandwidth, width = self.lmax + 1, self.width
        if self.size // 2 < bandwidth:
            raise ValueError(
                f"{self.size} x {self.size} samples hold degrees below {self.size // 2}, not lmax {self.lmax}"
            )
        self.grid, self.grid_out = soft(self.size // 2), soft(self.feature_size // 2)
        self.kept = min(bandwidth, self.feature_size // 2)
        widths = [self.channels] + [width] * self.layers
        stack = nn.ModuleList(E3nnLayer(a, b, lmax=self.lmax) for a, b in itertools.pairwise(widths))
        self.layers = stack  # pyright: ignore[reportAttributeAccessIssue]  # weights have the name of the setting
        self.map = o3.Linear(
            spectral_irreps(width, bandwidth=bandwidth), spectral_irreps(self.feature_channels, bandwidth=self.kept)
        )
        self.scalars = o3.Linear(o3.Irreps(f"{width}x0e"), o3.Irreps(f"{self.class_features}x0e"))
        self.register_buffer("there", degree_major(width, bandwidth=bandwidth)[0], persistent=False)
        self.register_buffer("back", degree_major(self.feature_channels, bandwidth=self.kept)[1], persistent=False)

    def forward(self, sphere: Signal) -> Maps:
        """Return ``features``, which turn with the shape, and ``class_features``, which do not."""
        exact = sphere.to(torch.promote_types(sphere.dtype, torch.float32))
        with torch.autocast(sphere.device.type, enabled=False):
            coefficients = coefficients_from_signal(exact, grid=self.grid, bandwidth=self.lmax + 1)
            signals = e3nn_from_coefficients(coefficients, normalization="component")
            for layer in self.get_submodule("layers").children():
                signals = layer(signals)
            mapped = self.map(signals.flatten(-2).index_select(-1, self.there)).index_select(-1, self.back)
            mapped = mapped.unflatten(-1, (self.feature_channels, self.kept**2))
            features = signal_from_coefficients(
                coefficients_from_e3nn(mapped, normalization="component"), grid=self.grid_out
            )
            return {"features": features, "class_features": self.scalars(signals[..., 0])}
