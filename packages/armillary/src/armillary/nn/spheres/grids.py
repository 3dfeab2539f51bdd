r"""Two equiangular grids on the sphere, their points, and the quadrature that is exact on them.

Both have 2B colatitudes and 2B azimuths :math:`\phi_k = 2\pi k / 2B` and integrate every signal of degree below 2B
exactly, hence products of two signals of degree below B. They differ in the colatitudes:

==================  ============================================  =======================================
grid                colatitudes                                   holds
==================  ============================================  =======================================
``driscoll_healy``  :math:`\theta_j = \pi j / 2B`                 the north pole, not the south pole
``soft``            :math:`\theta_j = \pi (2j + 1) / 4B`          neither pole; symmetric about the equator
==================  ============================================  =======================================

Samples of the one read as samples of the other are wrong by half a cell in colatitude, which no rotation undoes. So a
grid is a value with a name, and every function that reads samples asks for it. To go from one to the other, go through
coefficients.

Source: Driscoll and Healy 1994, doi:10.1006/aama.1994.1008; Kostelec and Rockmore 2008, doi:10.1007/s00041-008-9013-5.
"""

import functools
import math

import attrs
import torch
from attrs.validators import ge, in_, instance_of
from jaxtyping import Float
from torch import Tensor

GRID_NAMES = ("driscoll_healy", "soft")


@attrs.frozen
class SphereGrid:
    """A grid of 2B x 2B samples on the sphere. Two are equal when they have the same samples.

    Args:
        name: ``driscoll_healy`` or ``soft``.
        bandwidth: B: signals of degree below it survive sampling.
    """

    name: str = attrs.field(validator=in_(GRID_NAMES))
    bandwidth: int = attrs.field(validator=[instance_of(int), ge(1)])

    def __str__(self) -> str:
        return f"{self.name}({self.bandwidth})"

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of colatitudes and azimuths."""
        return 2 * self.bandwidth, 2 * self.bandwidth


def driscoll_healy(bandwidth: int) -> SphereGrid:
    """The grid with a row of samples at the north pole, none at the south pole."""
    return SphereGrid("driscoll_healy", bandwidth)


def soft(bandwidth: int) -> SphereGrid:
    """The grid whose rows lie in the middle of equal bands of colatitude."""
    return SphereGrid("soft", bandwidth)


def colatitudes(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " colatitude"]:
    """Colatitude of each row, radians from +z, increasing."""
    row = torch.arange(2 * grid.bandwidth, dtype=torch.float64, device="cpu")
    shifted = row if grid.name == "driscoll_healy" else row + 0.5
    return (shifted * (math.pi / (2 * grid.bandwidth))).to(dtype=dtype, device=device)


def azimuths(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " azimuth"]:
    """Azimuth of each column, radians from +x towards +y, from 0."""
    column = torch.arange(2 * grid.bandwidth, dtype=torch.float64, device="cpu")
    return (column * (math.pi / grid.bandwidth)).to(dtype=dtype, device=device)


def quadrature_weights(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " colatitude"]:
    r"""Weight of each sample of a row, steradians; over all samples they sum to :math:`4\pi`.

    .. math:: w_j = \frac{2\pi}{2B} \frac{2}{B} \sin\theta_j \sum_{k < B} \frac{\sin (2k + 1) \theta_j}{2k + 1}

    Exact for degrees below 2B. They differ from the areas of the cells (:func:`cell_areas`); the pole's is 0.
    """
    theta = colatitudes(grid, dtype=torch.float64)
    odd = 2 * torch.arange(grid.bandwidth, dtype=torch.float64, device="cpu") + 1
    series = ((theta[:, None] * odd).sin() / odd).sum(-1)
    weights = theta.sin() * series * (2 * math.pi / grid.bandwidth**2)
    return weights.to(dtype=dtype, device=device)


def cell_areas(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " colatitude"]:
    r"""Area of the cell of each sample of a row, steradians; over all samples they sum to :math:`4\pi`.

    The bands between :math:`\pi j / 2B` and :math:`\pi (j + 1) / 2B`, cut into 2B cells. On ``soft`` a sample lies in
    the middle of its cell; on ``driscoll_healy`` it is the cell's upper left corner, and its row's area is proportional
    to :math:`\sin(\theta_j + \pi / 4B)`.

    Source: the corner reading is that of Esteves et al. 2018 (spherical-cnn, area_weights).
    """
    step = math.pi / (2 * grid.bandwidth)
    middle = (torch.arange(2 * grid.bandwidth, dtype=torch.float64, device="cpu") + 0.5) * step
    areas = middle.sin() * (2 * math.sin(step / 2) * math.pi / grid.bandwidth)
    return areas.to(dtype=dtype, device=device)


def points(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, "colatitude azimuth 3"]:
    """Unit vectors (x, y, z) of the samples, z up."""
    theta, phi = colatitudes(grid, dtype=torch.float64), azimuths(grid, dtype=torch.float64)
    x, y = theta.sin()[:, None] * phi.cos(), theta.sin()[:, None] * phi.sin()
    z = theta.cos()[:, None].expand_as(x)
    return torch.stack((x, y, z), dim=-1).to(dtype=dtype, device=device)


def integrate(signal: Float[Tensor, "*batch colatitude azimuth"], *, grid: SphereGrid) -> Float[Tensor, "*batch"]:
    r"""Integral of the signal over the sphere by the grid's quadrature: that of 1 is :math:`4\pi`.

    Raises:
        ValueError: the signal does not have the grid's shape.
    """
    check_signal(signal, grid)
    return signal.sum(-1) @ _kept_weights(grid, signal.dtype, signal.device)


def check_signal(signal: Tensor, grid: SphereGrid) -> None:
    """Refuse samples that are not this grid's.

    Raises:
        ValueError: the last two axes are not the grid's colatitudes and azimuths, or the dtype is neither float32 nor
            float64.
    """
    if tuple(signal.shape[-2:]) != grid.shape:
        raise ValueError(f"{grid} has {grid.shape[0]} x {grid.shape[1]} samples, but the signal is {signal.shape}")
    check_dtype(signal)


def check_dtype(tensor: Tensor) -> None:
    """Refuse half precision: cast it at the door.

    Raises:
        ValueError: the dtype is neither float32 nor float64.
    """
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"float32 or float64 is needed, but {tensor.dtype} came")


@functools.lru_cache(maxsize=32)
def _kept_weights(grid: SphereGrid, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept, so later calls with gradient must be able to use it
        return quadrature_weights(grid, dtype=dtype, device=device)
