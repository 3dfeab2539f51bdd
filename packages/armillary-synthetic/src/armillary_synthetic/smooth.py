"""Smooth functions: bumps and ramps, and uniform cubic B-splines over control values that may be random.

Products are sums in a fixed order (einsum without BLAS), so that the number of threads changes no bit.
"""

import functools

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spline_basis(positions: Floats, controls: int) -> Floats:
    """Return the matrix [P, controls] of a uniform cubic B-spline with clamped ends (end values repeated).

    Args:
        positions: in [0, 1], where the spline is read.
        controls: how many control values, at equal distances from 0 to 1, >= 2.
    """
    at = np.clip(np.asarray(positions, dtype=np.float64), 0, 1) * (controls - 1)
    cell = np.minimum(at.astype(np.intp), controls - 2)
    t = at - cell
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=-1) / 6
    basis = np.zeros((len(at), controls))
    for k in range(4):
        np.add.at(basis, (np.arange(len(at)), np.clip(cell + k - 1, 0, controls - 1)), weights[:, k])
    return basis


def smooth_field(rows: Floats, columns: Floats, values: Floats) -> Floats:
    """Return the tensor-product spline [channels, R, C] of control values [channels, r, c] by bases [R, r] and [C, c]."""
    across = np.ascontiguousarray(columns.T)  # summed along the longest axis, which lies in one piece
    return np.stack([np.einsum("rj,jk->rk", np.einsum("rn,nj->rj", rows, channel), across) for channel in values])


def noise_picture(generator: Generator, size: int, *, cells: int, channels: int) -> Floats:
    """Return smooth noise [channels, size, size] of unit variance at the control points; the draw ignores ``size``."""
    values = generator.standard_normal((channels, cells, cells))
    basis = _even_basis(size, cells)
    return smooth_field(basis, basis, values)


def backdrop(generator: Generator, colour: Floats, size: int) -> Floats:
    """Return a smooth random picture [size, size, 3] in [0, 1] about a colour [3]."""
    coarse = noise_picture(generator, size, cells=4, channels=3)
    grey = noise_picture(generator, size, cells=9, channels=1)
    fine = noise_picture(generator, size, cells=17, channels=1)
    colour = (0.5 * colour + 0.5 * colour.mean())[:, None, None]
    return np.moveaxis(np.clip(colour + 0.12 * coarse + 0.2 * grey + 0.12 * fine, 0, 1), 0, -1)


@functools.lru_cache(maxsize=16)
def _even_basis(size: int, cells: int) -> Floats:
    basis = spline_basis(np.linspace(0, 1, size), cells)
    basis.setflags(write=False)  # shared by all callers
    return basis


def bump(value: Floats, centre: Floats | float, width: Floats | float) -> Floats:
    """Return ``exp(-((value - centre) / width)^2)``."""
    return np.exp(-(((value - centre) / width) ** 2))


def blob(x: Floats, y: Floats, x0: float, y0: float, width: float, height: float) -> Floats:
    """Return a bump in the plane at (x0, y0), of half widths ``width`` and ``height``."""
    return np.exp(-(((x - x0) / width) ** 2) - ((y - y0) / height) ** 2)


def ramp(value: Floats, low: float | Floats, high: float | Floats) -> Floats:
    """Return 0 below ``low``, 1 above ``high``, a cubic with flat ends between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
