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
grid is a value with a name, and every function that reads samples takes it as an argument. To convert one to
the other, go through coefficients.

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
    """Grid of 2B x 2B samples on the sphere. Two grids are equal when they have the same samples.

    Args:
        name: ``driscoll_healy`` or ``soft``.
        bandwidth: B: signals of degree below it survive sampling.

    >>> print(SphereGrid("soft", 16), SphereGrid("soft", 16).shape)
    soft(16) (32, 32)
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
    """Return the grid with a row of samples at the north pole, none at the south pole.

    >>> [round(math.degrees(angle)) for angle in colatitudes(driscoll_healy(2)).tolist()]
    [0, 45, 90, 135]
    """
    return SphereGrid("driscoll_healy", bandwidth)


def soft(bandwidth: int) -> SphereGrid:
    """Return the grid with rows in the middle of equal bands of colatitude.

    >>> [round(math.degrees(angle), 1) for angle in colatitudes(soft(2)).tolist()]
    [22.5, 67.5, 112.5, 157.5]
    """
    return SphereGrid("soft", bandwidth)


def colatitudes(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " colatitude"]:
    """Return the colatitude of each row, radians from +z, increasing.

    >>> [round(math.degrees(angle)) for angle in colatitudes(soft(1)).tolist()]
    [45, 135]
    """
    row = torch.arange(2 * grid.bandwidth, dtype=torch.float64, device="cpu")
    shifted = row if grid.name == "driscoll_healy" else row + 0.5
    return (shifted * (math.pi / (2 * grid.bandwidth))).to(dtype=dtype, device=device)


def azimuths(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " azimuth"]:
    """Return the azimuth of each column, radians from +x towards +y, from 0.

    >>> [round(math.degrees(angle)) for angle in azimuths(soft(2)).tolist()]
    [0, 90, 180, 270]
    """
    column = torch.arange(2 * grid.bandwidth, dtype=torch.float64, device="cpu")
    return (column * (math.pi / grid.bandwidth)).to(dtype=dtype, device=device)


def quadrature_weights(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " colatitude"]:
    r"""Return the weight per sample of each row, steradians; over all samples they sum to :math:`4\pi`.

    .. math:: w_j = \frac{2\pi}{2B} \frac{2}{B} \sin\theta_j \sum_{k < B} \frac{\sin (2k + 1) \theta_j}{2k + 1}

    Exact for degrees below 2B. They differ from the areas of the cells (:func:`cell_areas`); the pole's is 0.

    >>> round(16 * quadrature_weights(soft(8), dtype=torch.float64).sum().item() / math.pi, 6)
    4.0
    """
    theta = colatitudes(grid, dtype=torch.float64)
    odd = 2 * torch.arange(grid.bandwidth, dtype=torch.float64, device="cpu") + 1
    series = ((theta[:, None] * odd).sin() / odd).sum(-1)
    weights = theta.sin() * series * (2 * math.pi / grid.bandwidth**2)
    return weights.to(dtype=dtype, device=device)


def cell_areas(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " colatitude"]:
    r"""Return the area of the cell of each sample of a row, steradians; over all samples they sum to :math:`4\pi`.

    The bands between :math:`\pi j / 2B` and :math:`\pi (j + 1) / 2B`, cut into 2B cells. On ``soft`` a sample lies in
    the middle of its cell; on ``driscoll_healy`` it is the cell's upper left corner, and its row's area is proportional
    to :math:`\sin(\theta_j + \pi / 4B)`.

    Source: the corner reading is that of Esteves et al. 2018 (spherical-cnn, area_weights).

    >>> round(16 * cell_areas(driscoll_healy(8), dtype=torch.float64).sum().item() / math.pi, 6)
    4.0
    """
    step = math.pi / (2 * grid.bandwidth)
    middle = (torch.arange(2 * grid.bandwidth, dtype=torch.float64, device="cpu") + 0.5) * step
    areas = middle.sin() * (2 * math.sin(step / 2) * math.pi / grid.bandwidth)
    return areas.to(dtype=dtype, device=device)


def points(
    grid: SphereGrid, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, "colatitude azimuth 3"]:
    """Return unit vectors (x, y, z) of the samples, z up.

    >>> (points(driscoll_healy(1)).round() + 0.0).tolist()  # the pole twice, then +x and -x
    [[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]]
    """
    theta, phi = colatitudes(grid, dtype=torch.float64), azimuths(grid, dtype=torch.float64)
    x, y = theta.sin()[:, None] * phi.cos(), theta.sin()[:, None] * phi.sin()
    z = theta.cos()[:, None].expand_as(x)
    return torch.stack((x, y, z), dim=-1).to(dtype=dtype, device=device)


def integrate(signal: Float[Tensor, "*batch colatitude azimuth"], *, grid: SphereGrid) -> Float[Tensor, "*batch"]:
    r"""Integrate the signal over the sphere by the grid's quadrature: 1 gives :math:`4\pi`.

    Raises:
        ValueError: the signal does not have the grid's shape.

    >>> grid = soft(4)
    >>> z = points(grid, dtype=torch.float64)[..., 2]
    >>> round(integrate(z**2, grid=grid).item() / math.pi, 6)  # 4/3, exactly
    1.333333
    """
    check_signal(signal, grid)
    return signal.sum(-1) @ _kept_weights(grid, signal.dtype, signal.device)


def check_signal(signal: Tensor, grid: SphereGrid) -> None:
    """Raise for samples that do not fit the grid.

    Raises:
        ValueError: the last two axes are not the grid's colatitudes and azimuths, or the dtype is neither float32 nor
            float64.

    >>> check_signal(torch.zeros(3, 3), soft(2))
    Traceback (most recent call last):
    ValueError: soft(2) has 4 x 4 samples, but the signal is torch.Size([3, 3])
    """
    if tuple(signal.shape[-2:]) != grid.shape:
        raise ValueError(f"{grid} has {grid.shape[0]} x {grid.shape[1]} samples, but the signal is {signal.shape}")
    check_dtype(signal)


def check_dtype(tensor: Tensor) -> None:
    """Raise for half precision: cast before the call.

    Raises:
        ValueError: the dtype is neither float32 nor float64.

    >>> check_dtype(torch.zeros(1, dtype=torch.float16))
    Traceback (most recent call last):
    ValueError: float32 or float64 is needed, but torch.float16 came
    """
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"float32 or float64 is needed, but {tensor.dtype} came")


@functools.lru_cache(maxsize=32)
def _kept_weights(grid: SphereGrid, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept, so later calls with gradient must be able to use it
        return quadrature_weights(grid, dtype=dtype, device=device)
