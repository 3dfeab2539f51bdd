r"""Zonal convolution in the spectrum, localised filters, and pooling by area.

A filter that is symmetric about its axis, :math:`g(x \cdot y)`, acts on each degree by one number, whatever the order:
so does every linear map of signals that commutes with all rotations.

Source: Driscoll and Healy 1994, doi:10.1006/aama.1994.1008, Theorem 1; Esteves et al. 2018, arXiv:1711.06721.
"""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.nn.spheres.grids import SphereGrid, cell_areas, check_signal
from armillary.nn.spheres.harmonics import bandwidth_of


def mix_degrees(
    coefficients: Float[Tensor, "*batch channel_in coefficient"],
    weight: Float[Tensor, "degree channel_in channel_out"],
) -> Float[Tensor, "*batch channel_out coefficient_out"]:
    r"""Mix channels within each degree, equally at all its orders.

    .. math:: c'^{\,o}_{lm} = \sum_i w_l^{io} c^i_{lm}

    Args:
        weight: of as many degrees as the result shall have, at most those of the coefficients: the rest is cut off.

    Raises:
        ValueError: channels disagree, or the weight has more degrees than the coefficients.

    >>> weight = torch.tensor([1.0, 5.0]).reshape(2, 1, 1)  # one channel, degrees 0 and 1
    >>> mix_degrees(torch.ones(1, 9), weight).tolist()  # degree 2 is cut off
    [[1.0, 5.0, 5.0, 5.0]]
    """
    bandwidth = bandwidth_of(coefficients)
    if coefficients.ndim < 2 or weight.ndim != 3 or weight.shape[1] != coefficients.shape[-2]:
        raise ValueError(
            f"weight [degree in out] {weight.shape} does not fit coefficients [in coefficient] {coefficients.shape}"
        )
    if len(weight) > bandwidth:
        raise ValueError(f"the weight has {len(weight)} degrees, the coefficients have {bandwidth}")
    wanted = len(weight)
    first = coefficients.movedim(-1, 0)[: wanted**2].reshape(
        wanted**2, -1, weight.shape[1]
    )  # coefficient, item, channel
    sizes = [2 * l + 1 for l in range(wanted)]
    with torch.autocast(coefficients.device.type, enabled=False):
        mixed = [
            torch.mm(part.reshape(-1, weight.shape[1]), matrix)
            for part, matrix in zip(first.split(sizes), weight.unbind(0), strict=True)
        ]
    return torch.cat(mixed).view(wanted**2, *coefficients.shape[:-2], weight.shape[2]).movedim(0, -1)


def zonal_convolution(
    coefficients: Float[Tensor, "*batch channel_in coefficient"],
    filters: Float[Tensor, "degree channel_in channel_out"],
) -> Float[Tensor, "*batch channel_out coefficient_out"]:
    r"""Return the coefficients of the signal convolved with zonal filters, summed over the input channels.

    .. math:: (f * g)(x) = \int f(y)\, g(x \cdot y)\, dy, \qquad
              c'^{\,o}_{lm} = \sqrt{\frac{4\pi}{2l + 1}} \sum_i c^i_{lm}\, g_l^{io}

    It commutes with every rotation.

    Args:
        filters: :math:`g_l`, the coefficients of order 0 of the filter with its axis along z.

    Raises:
        ValueError: channels disagree, or the filters have more degrees than the coefficients.

    Deviates: from the authors' code (daniilidis-group/spherical-cnn, sph_conv), whose factor :math:`2\pi` more comes of
    an integral over all rotations; give ``2 * math.pi * filters`` for theirs.

    >>> constant = torch.tensor([[1.0]])  # and a filter of 1 / 4 pi: the mean over the sphere
    >>> filters = torch.tensor([[[1 / math.sqrt(4 * math.pi)]]])
    >>> torch.allclose(zonal_convolution(constant, filters), constant)
    True
    """
    degree = torch.arange(len(filters), dtype=torch.float64, device=filters.device)
    factor = (4 * math.pi / (2 * degree + 1)).sqrt().to(filters.dtype)
    return mix_degrees(coefficients, filters * factor[:, None, None])


def interpolate_filters(
    anchors: Float[Tensor, "anchor channel_in channel_out"], *, bandwidth: int
) -> Float[Tensor, "degree channel_in channel_out"]:
    """Return filters that are smooth in the degree, so local on the sphere: a few free values, interpolated linearly.

    The first anchor is the value at degree 0, the last at degree bandwidth - 1, the others are evenly spaced between.

    Args:
        anchors: at least one; one is the same at every degree. More than degrees are read at the degrees.

    Raises:
        ValueError: there is no anchor, or the bandwidth is not positive.

    Source: Esteves et al. 2018, arXiv:1711.06721, Section 4.2; 8 anchors in the authors' code.

    >>> interpolate_filters(torch.tensor([0.0, 1.0]).reshape(2, 1, 1), bandwidth=5).flatten().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if len(anchors) < 1 or bandwidth < 1:
        raise ValueError(f"anchors and degrees are needed, but there are {len(anchors)} and {bandwidth}")
    matrix = _lines(len(anchors), bandwidth, anchors.dtype, anchors.device)
    return torch.tensordot(matrix, anchors, dims=1)


@functools.lru_cache(maxsize=32)
def _lines(anchors: int, bandwidth: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the value at each degree of the hat function of each anchor."""
    with torch.inference_mode(False):  # kept, so later calls with gradient must be able to use it
        place = torch.arange(bandwidth, dtype=torch.float64, device="cpu") * ((anchors - 1) / max(bandwidth - 1, 1))
        distance = (place[:, None] - torch.arange(anchors, dtype=torch.float64, device="cpu")).abs()
        return (1 - distance).clamp_min(0).to(dtype=dtype, device=device)


def area_pool(
    signal: Float[Tensor, "*batch colatitude azimuth"], *, grid: SphereGrid
) -> Float[Tensor, "*batch half_colatitude half_azimuth"]:
    """Return means over two by two cells, weighted by their areas, on the same kind of grid of half the bandwidth.

    A constant stays what it is, and so does the mean over the sphere. On ``driscoll_healy`` a sample counts for the cell
    at whose upper left corner it is, and on ``soft`` the cells of a pair are read in the middle of the pair: both
    move the signal by half a cell of the finer grid, in azimuth and, on ``driscoll_healy``, in colatitude. So pooling
    commutes with rotations only as far as the signal is smooth; cutting off degrees, ``coefficients[..., : b * b]``,
    commutes exactly.

    Raises:
        ValueError: the signal does not have the grid's shape, or the bandwidth is odd.

    Deviates: the authors' code (spherical-cnn, area_weights and average pooling) divides by the sine at the coarse cell
    instead of the sum of the weights, which shrinks every value by cos(pi / 4B).

    >>> from armillary.nn.spheres.grids import soft
    >>> torch.allclose(area_pool(torch.full((8, 8), 3.0), grid=soft(4)), torch.full((4, 4), 3.0))
    True
    """
    check_signal(signal, grid)
    if grid.bandwidth % 2:
        raise ValueError(f"pairs of cells need an even bandwidth, but the grid is {grid}")
    areas = _kept_areas(grid, signal.dtype, signal.device)
    pairs = areas.view(-1, 2)
    weight = (pairs / pairs.sum(-1, keepdim=True)).view(-1, 1)
    flat = (signal * (2 * weight)).reshape(-1, 1, *grid.shape)
    return functional.avg_pool2d(flat, 2).reshape(*signal.shape[:-2], grid.bandwidth, grid.bandwidth)


def area_mean(signal: Float[Tensor, "*batch colatitude azimuth"], *, grid: SphereGrid) -> Float[Tensor, "*batch"]:
    """Return the mean over the sphere, every sample weighted by the area of its cell.

    Raises:
        ValueError: the signal does not have the grid's shape.

    Source: the global pooling of Esteves et al. 2018, up to their constant. By quadrature it is
    ``integrate(signal) / (4 * math.pi)``, which is exact on band-limited signals and has larger errors on others.

    >>> from armillary.nn.spheres.grids import points, soft
    >>> z = points(soft(4), dtype=torch.float64)[..., 2]
    >>> round(abs(area_mean(z, grid=soft(4)).item()), 6)  # north and south cancel
    0.0
    """
    check_signal(signal, grid)
    return signal.mean(-1) @ (_kept_areas(grid, signal.dtype, signal.device) * (grid.bandwidth / (2 * math.pi)))


@functools.lru_cache(maxsize=32)
def _kept_areas(grid: SphereGrid, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept, so later calls with gradient must be able to use it
        return cell_areas(grid, dtype=dtype, device=device)
