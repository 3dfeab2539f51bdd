"""Real spherical harmonics and the order of their coefficients, as the docstring of the package defines them."""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.nn.spheres.grids import check_dtype


def legendre(z: Float[Tensor, "*batch"], *, bandwidth: int) -> Float[Tensor, "degree order *batch"]:
    r"""Return associated Legendre functions over :math:`\sin^m\theta`, at orders m >= 0; 0 where m > l.

    .. math:: Q_l^m(z) = (1 - z^2)^{-m/2}\, \bar P_l^m(z), \qquad
              2\pi \int_{-1}^1 \bar P_l^m(z)^2\, dz = 1, \quad \bar P_l^m > 0 \text{ near } z = 1

    Polynomials of z, so smooth at the poles.

    Args:
        z: cosine of the colatitude.
        bandwidth: number of degrees.

    Source: three-term recurrence upwards in l, Holmes and Featherstone 2002, doi:10.1007/s00190-002-0216-2.

    >>> table = legendre(torch.tensor(0.5), bandwidth=3)  # degree 0: 1; degree 1: sqrt(3) z and sqrt(3 / 2)
    >>> [[round(math.sqrt(4 * math.pi) * value, 4) for value in row] for row in table.tolist()[:2]]
    [[1.0, 0.0, 0.0], [0.866, 1.2247, 0.0]]
    """
    rows = [torch.cat((torch.full_like(z, 1 / math.sqrt(4 * math.pi))[None], z.new_zeros(bandwidth - 1, *z.shape)))]
    order = torch.arange(bandwidth, dtype=z.dtype, device=z.device).reshape(-1, *(1 for _ in z.shape))
    sectoral = rows[0][0]
    for l in range(1, bandwidth):
        m = order[:l]
        up = ((4 * l * l - 1) / (l * l - m * m)).sqrt()
        row = up * z * rows[l - 1][:l]
        if l > 1:
            m = order[: l - 1]
            two_back = (((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1)).sqrt()
            row = row - torch.cat((up[: l - 1] * two_back * rows[l - 2][: l - 1], torch.zeros_like(row[:1])))
        sectoral = sectoral * math.sqrt((2 * l + 1) / (2 * l))
        rows.append(torch.cat((row, sectoral[None], z.new_zeros(bandwidth - 1 - l, *z.shape))))
    return torch.stack(rows)


def spherical_harmonics(
    directions: Float[Tensor, "*batch 3"], *, bandwidth: int
) -> Float[Tensor, "*batch coefficient"]:
    """Return the value of every harmonic of degree below ``bandwidth`` in each direction.

    The slow way, at any point and with gradient: for grids there are the transforms. Computed in float64.

    Args:
        directions: unit vectors (x, y, z), z up. Off the unit sphere the value is a polynomial without meaning.

    Raises:
        ValueError: the bandwidth is not positive, or the dtype is half precision.

    >>> values = spherical_harmonics(torch.tensor([0.0, 0.0, 1.0]), bandwidth=2)  # 1 and sqrt(3) (y, z, x)
    >>> [round(value, 4) for value in (math.sqrt(4 * math.pi) * values).tolist()]
    [1.0, 0.0, 1.7321, 0.0]
    """
    check_dtype(directions)
    if bandwidth < 1:
        raise ValueError(f"at least one degree is needed, but bandwidth is {bandwidth}")
    x, y, z = directions.double().unbind(-1)
    table = legendre(z, bandwidth=bandwidth)
    cosine, sine = [torch.ones_like(x)], [torch.zeros_like(x)]  # (x + i y)^m
    for _ in range(1, bandwidth):
        c, s = cosine[-1], sine[-1]
        cosine.append(c * x - s * y)
        sine.append(c * y + s * x)
    root = math.sqrt(2.0)
    waves = torch.stack([root * s for s in sine[:0:-1]] + cosine[:1] + [root * c for c in cosine[1:]])
    degree, order = (index.to(z.device) for index in degrees_and_orders(bandwidth))
    values = table[degree, order.abs()] * waves[order + bandwidth - 1]
    return values.movedim(0, -1).to(directions.dtype)


@functools.lru_cache(maxsize=64)
def degrees_and_orders(bandwidth: int) -> tuple[Tensor, Tensor]:
    """Return degree l and order m of every coefficient, in their order, int64, on the CPU. Cached: read only.

    >>> degree, order = degrees_and_orders(2)
    >>> degree.tolist(), order.tolist()
    ([0, 1, 1, 1], [0, -1, 0, 1])
    """
    degree = torch.arange(bandwidth, device="cpu").repeat_interleave(2 * torch.arange(bandwidth, device="cpu") + 1)
    return degree, torch.arange(bandwidth**2, device="cpu") - degree.square() - degree


def bandwidth_of(coefficients: Tensor) -> int:
    """Return the number of degrees of the coefficients.

    Raises:
        ValueError: their number is not a square, or the dtype is neither float32 nor float64.

    >>> bandwidth_of(torch.zeros(7, 16))
    4
    """
    number = coefficients.shape[-1] if coefficients.ndim else 0
    bandwidth = math.isqrt(number)
    if bandwidth < 1 or bandwidth**2 != number:
        raise ValueError(
            f"degrees below B have B^2 coefficients, but the last axis of {coefficients.shape} is not a square"
        )
    check_dtype(coefficients)
    return bandwidth
