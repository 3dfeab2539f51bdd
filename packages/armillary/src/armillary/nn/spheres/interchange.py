r"""Conversion of coefficients to e3nn's order, axes and norm, and back.

e3nn 0.6 has the same index :math:`l^2 + l + m` and the same
signs, but its polar axis is y: its l = 1 is (x, y, z) where ours is (y, z, x). There are two readings:

* One frame. A vector means the same to both; then the coefficients differ by the rotation that takes the axes round by
  one place, and :func:`e3nn_from_coefficients` applies it. Choose it wherever vectors and rotations meet coefficients:
  ``D_from_matrix(R)`` then turns by this very R, and an l = 1 feature is a vector (x, y, z).
* Renamed axes. What we call (y, z, x), e3nn calls (x, y, z): the coefficients are the same numbers, nothing needs to be
  computed, and e3nn's R is ours with rows and columns renamed. It will do for layers that mix by degree alone.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.nn.spheres.harmonics import bandwidth_of, degrees_and_orders
from armillary.nn.spheres.rotation import rotate_coefficients

E3NN_NORMALIZATIONS = ("integral", "component", "norm")


def e3nn_from_coefficients(
    coefficients: Float[Tensor, "*batch coefficient"], *, normalization: str = "integral"
) -> Float[Tensor, "*batch coefficient"]:
    r"""Return the coefficients of the same signal in e3nn's harmonics, in the same frame.

    :math:`f(x) = \sum_i c_i\, Y_i(x)` with ``Y = e3nn.o3.spherical_harmonics(range(B), x, True, normalization)``, x the
    same vector as here. They turn by ``e3nn.o3.Irreps("1x0e + 1x1o + ...").D_from_matrix(R)``.

    Args:
        normalization: e3nn's word: ``integral`` (orthonormal, as here), ``component`` or ``norm``.

    Raises:
        ValueError: the normalization is not one of these, or the number of coefficients is not a square.

    >>> y, z, x = torch.eye(4)[1:]
    >>> torch.allclose(e3nn_from_coefficients(x), torch.tensor([0.0, 1.0, 0.0, 0.0]), atol=1e-6)  # e3nn: (x, y, z)
    True
    """
    turned = rotate_coefficients(coefficients, _our_axes_from_e3nns(coefficients))
    return turned / _scale(turned, normalization)


def coefficients_from_e3nn(
    coefficients: Float[Tensor, "*batch coefficient"], *, normalization: str = "integral"
) -> Float[Tensor, "*batch coefficient"]:
    """Return the coefficients of the same signal in our harmonics: the inverse of :func:`e3nn_from_coefficients`.

    Raises:
        ValueError: the normalization is not e3nn's, or the number of coefficients is not a square.

    >>> c = torch.rand(9, dtype=torch.float64)
    >>> there = e3nn_from_coefficients(c, normalization="norm")
    >>> torch.allclose(coefficients_from_e3nn(there, normalization="norm"), c)
    True
    """
    scaled = coefficients * _scale(coefficients, normalization)
    return rotate_coefficients(scaled, _our_axes_from_e3nns(coefficients).mT)


def _our_axes_from_e3nns(like: Tensor) -> Tensor:
    """Return the rotation that takes e3nn's x, y, z to the axes of our harmonics: y, z, x."""
    return torch.eye(3, dtype=torch.float64, device=like.device).roll(1, dims=0)


def _scale(coefficients: Tensor, normalization: str) -> Tensor:
    """Return the value of e3nn's harmonics over that of orthonormal ones."""
    if normalization not in E3NN_NORMALIZATIONS:
        raise ValueError(f"normalization is one of {', '.join(E3NN_NORMALIZATIONS)}, but {normalization!r} came")
    degree, _ = degrees_and_orders(bandwidth_of(coefficients))
    scale = torch.full(degree.shape, 1.0, dtype=torch.float64)
    if normalization != "integral":
        scale = scale * math.sqrt(4 * math.pi)
    if normalization == "norm":
        scale = scale / (2 * degree + 1).double().sqrt()
    return scale.to(coefficients)
