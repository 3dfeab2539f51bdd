"""A spherical CNN made of e3nn's own parts: irreps, linear maps, S2 grids and activations.

It stands beside our networks as a second opinion. Its grids lose accuracy in float32 with the highest degree (round trip 7e-7
at lmax 7, 2e-4 at 15), which is why it ends at 11 and why the transform of our networks is our own.

Source: Geiger and Smidt 2022, arXiv:2207.09453.
"""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from e3nn import o3
from e3nn.nn import BatchNorm, S2Activation
from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.network import Encoder
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.interchange import coefficients_from_e3nn, e3nn_from_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary.ports import Shape
from armillary_spherical.image_networks import square_side
from armillary_spherical.shape_networks import degree_major, spectral_irreps

if TYPE_CHECKING:
    from armillary_spherical.network_config import E3nnCnnConfig


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


class E3nnCnn(Encoder):
    """Shapes on the sphere to a map that turns with them and a vector that does not.

    Args:
        size: samples of the input in colatitude, and as many in azimuth.
        channels: of the input.
        lmax: highest degree.
        width: signals between layers.
        layers: how many.
        feature_size: samples of the map.
        feature_channels: of the map.
        class_features: length of the vector.

    Raises:
        ValueError: the input's samples do not hold degree ``lmax``.
    """

    def __init__(
        self,
        size: int,
        *,
        channels: int,
        lmax: int,
        width: int,
        layers: int,
        feature_size: int,
        feature_channels: int,
        class_features: int,
    ) -> None:
        super().__init__()
        if size // 2 <= lmax:
            raise ValueError(f"{size} x {size} samples hold degrees below {size // 2}, not lmax {lmax}")
        self.grid, self.lmax = soft(size // 2), lmax
        self.grid_out = soft(feature_size // 2)
        self.kept = min(lmax + 1, feature_size // 2)
        widths = [channels] + [width] * layers
        self.layers = nn.ModuleList(E3nnLayer(a, b, lmax=lmax) for a, b in itertools.pairwise(widths))
        self.map = o3.Linear(
            spectral_irreps(width, bandwidth=lmax + 1), spectral_irreps(feature_channels, bandwidth=self.kept)
        )
        self.scalars = o3.Linear(o3.Irreps(f"{width}x0e"), o3.Irreps(f"{class_features}x0e"))
        self.register_buffer("there", degree_major(width, bandwidth=lmax + 1)[0], persistent=False)
        self.register_buffer("back", degree_major(feature_channels, bandwidth=self.kept)[1], persistent=False)
        self.feature_channels = feature_channels

    there: Tensor
    back: Tensor

    @classmethod
    def build(cls, config: "E3nnCnnConfig", *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the network for the signals that the recipe feeds."""
        del outputs
        return cls(
            square_side(inputs["sphere"], what="e3nn-cnn"),
            channels=inputs["sphere"][1] or 1,
            lmax=config.lmax,
            width=config.width,
            layers=config.layers,
            feature_size=config.feature_size,
            feature_channels=config.feature_channels,
            class_features=config.class_features,
        )

    def forward(self, sphere: Float[Tensor, "batch channel colatitude azimuth"]) -> dict[str, Tensor]:
        """Return ``features``, which turn with the shape, and ``class_features``, which do not."""
        exact = sphere.to(torch.promote_types(sphere.dtype, torch.float32))
        with torch.autocast(sphere.device.type, enabled=False):
            coefficients = coefficients_from_signal(exact, grid=self.grid, bandwidth=self.lmax + 1)
            signals = e3nn_from_coefficients(coefficients, normalization="component")
            for layer in self.layers:
                signals = layer(signals)
            mapped = self.map(signals.flatten(-2).index_select(-1, self.there)).index_select(-1, self.back)
            mapped = mapped.unflatten(-1, (self.feature_channels, self.kept**2))
            features = signal_from_coefficients(
                coefficients_from_e3nn(mapped, normalization="component"), grid=self.grid_out
            )
            return {"features": features, "class_features": self.scalars(signals[..., 0])}
