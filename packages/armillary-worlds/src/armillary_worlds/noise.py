"""Smooth random functions: uniform cubic B-splines over random control values.

Products are sums in a fixed order (einsum without BLAS), so that the number of threads changes no bit.
"""

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
    """Return the tensor-product spline [R, C, channels] of control values [r, c, channels] by bases [R, r] and [C, c]."""
    return np.einsum("ijc,kj->ikc", np.einsum("rn,njc->rjc", rows, values), columns)


def noise_picture(generator: Generator, size: int, *, cells: int, channels: int) -> Floats:
    """Return smooth noise [size, size, channels] of unit variance at the control points; the draw ignores ``size``."""
    values = generator.standard_normal((cells, cells, channels))
    basis = spline_basis(np.linspace(0, 1, size), cells)
    return smooth_field(basis, basis, values)
