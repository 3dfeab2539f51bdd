r"""Thin-plate splines of the picture plane, with control points on a lattice.

Positions (x, y) lie in [-1, 1], corners at the centres of the corner pixels, and may lie outside. ``control`` is the
number of rows and columns of the lattice of control points, which spans [-1, 1] each way; the points
:math:`c_k` run row by row. A spline maps

.. math:: f(p) = \sum_k U(\lVert p - c_k \rVert^2)\, w_k + a_0 + a_1 x + a_2 y, \quad U(s) = s \log(s + \epsilon).

Its weights are the rows :math:`w_1 \dots w_K, a_0, a_1, a_2`, each with an x and a y. With :math:`\epsilon = 0`, and
:math:`w` orthogonal to all affine maps, it is the map of least bending through its values at the control points:
:func:`spline_weights` finds those weights. Weights drawn at random need not be orthogonal; the map is a smooth one all
the same, which grows faster than an affine one outside.

All that depends on the lattice alone is computed once, in float64, and cached.

Source: Bookstein 1989, doi:10.1109/34.24792. Random weights and :math:`\epsilon = 10^{-5}`: the authors' code of
arXiv:1706.02932 (jamt9000/DVE, utils/tps.py).
"""

import functools

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.kernels.sampling import identity_grid

_COARSE = 33  # rows and columns of the grid that Newton's method starts from
_STARTS = 4  # nearest nodes of it that are tried
_STEPS = 10  # of Newton's method; it takes 3 to 5 where the map is smooth


def control_points(
    control: tuple[int, int],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "controls 2"]:
    """Return positions of the control points, row by row.

    Raises:
        ValueError: fewer than two rows or columns: an affine map would not be fixed by them.

    >>> control_points((2, 2)).tolist()
    [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    if min(control) < 2:
        raise ValueError(f"control points need two rows and two columns, got {control}")
    return identity_grid(*control, dtype=dtype, device=device).flatten(0, 1)


def spline_weights(
    values: Float[Tensor, "*batch controls 2"], *, control: tuple[int, int], epsilon: float = 0.0
) -> Float[Tensor, "*batch weights 2"]:
    """Return the weights of the spline that takes the control points to the values.

    Args:
        values: positions of the control points under the map.
        epsilon: of U; with 0 the spline bends least.

    Raises:
        ValueError: there is not one value per control point.

    >>> weights = spline_weights(control_points((3, 3)) + 5, control=(3, 3))  # a translation: only the affine rows
    >>> (weights[-3:].round(decimals=3) + 0.0).tolist(), torch.allclose(weights[:-3], weights.new_zeros(1), atol=1e-4)
    ([[5.0, 5.0], [1.0, 0.0], [0.0, 1.0]], True)
    """
    _require(values, control, extra=0)
    solution = _interpolation(control, epsilon, values.dtype, values.device)
    return _product(solution, values)


def spline_grid(
    weights: Float[Tensor, "*batch weights 2"],
    *,
    height: int,
    width: int,
    control: tuple[int, int],
    epsilon: float = 0.0,
) -> Float[Tensor, "*batch height width 2"]:
    """Return the position to which the spline takes every pixel: one product with a cached matrix for the whole batch.

    Raises:
        ValueError: the weights are not three more than the control points.

    >>> half = spline_weights(control_points((3, 3)) / 2, control=(3, 3))
    >>> torch.allclose(spline_grid(half, height=4, width=5, control=(3, 3)), identity_grid(4, 5) / 2, atol=1e-5)
    True
    """
    _require(weights, control, extra=3)
    basis = _pixel_basis(control, height, width, epsilon, weights.dtype, weights.device)
    return _product(basis, weights).unflatten(-2, (height, width))


def interpolating_grid(
    values: Float[Tensor, "*batch controls 2"], *, height: int, width: int, control: tuple[int, int]
) -> Float[Tensor, "*batch height width 2"]:
    """Return every pixel's position under the spline that takes the control points to the values.

    The same as :func:`spline_grid` of :func:`spline_weights`, at one product less, and as exact as the values in
    float32 too: the weights, whose large terms cancel, do not occur.

    Raises:
        ValueError: there is not one value per control point.

    >>> values = control_points((3, 3)).square()
    >>> torch.allclose(interpolating_grid(values, height=3, width=3, control=(3, 3)).flatten(0, 1), values, atol=1e-5)
    True
    """
    _require(values, control, extra=0)
    matrix = _pixel_interpolation(control, height, width, values.dtype, values.device)
    return _product(matrix, values).unflatten(-2, (height, width))


def spline_map(
    weights: Float[Tensor, "*batch weights 2"],
    points: Float[Tensor, "*batch points 2"],
    *,
    control: tuple[int, int],
    epsilon: float = 0.0,
) -> Float[Tensor, "*batch points 2"]:
    """Return the points under the spline. Memory grows with points times control points.

    Raises:
        ValueError: the weights are not three more than the control points.

    >>> values = torch.rand(9, 2, dtype=torch.float64)
    >>> points = control_points((3, 3), dtype=torch.float64)
    >>> torch.allclose(spline_map(spline_weights(values, control=(3, 3)), points, control=(3, 3)), values)
    True
    """
    _require(weights, control, extra=3)
    centres = control_points(control, dtype=points.dtype, device=points.device)
    return _basis(points, _squares(points, centres), epsilon) @ weights


def spline_jacobian(
    weights: Float[Tensor, "*batch weights 2"],
    points: Float[Tensor, "*batch points 2"],
    *,
    control: tuple[int, int],
    epsilon: float = 0.0,
) -> Float[Tensor, "*batch points 2 2"]:
    r"""Return the derivative of the spline at the points: row i is the gradient of component i.

    .. math:: \frac{\partial f}{\partial p} = \sum_k 2 U'(s_k)\, w_k (p - c_k)^T + (a_1\ a_2),
              \quad U'(s) = \log(s + \epsilon) + \frac{s}{s + \epsilon}

    Raises:
        ValueError: the weights are not three more than the control points.

    >>> scaled = spline_weights(control_points((3, 3)) * torch.tensor([2.0, 3.0]), control=(3, 3))
    >>> (spline_jacobian(scaled, torch.zeros(1, 2), control=(3, 3)).round(decimals=3) + 0.0).tolist()
    [[[2.0, 0.0], [0.0, 3.0]]]
    """
    _require(weights, control, extra=3)
    centres = control_points(control, dtype=points.dtype, device=points.device)
    return _slope(weights, points, centres, _squares(points, centres), epsilon)


@torch.no_grad()
def spline_inverse(
    weights: Float[Tensor, "*batch weights 2"],
    points: Float[Tensor, "*batch points 2"],
    *,
    control: tuple[int, int],
    epsilon: float = 0.0,
    tolerance: float = 1e-6,
) -> tuple[Float[Tensor, "*batch points 2"], Bool[Tensor, "*batch points"]]:
    """Return positions that the spline takes to the points, and whether they were found.

    Newton's method in float64, from the nearest values on a coarse grid over [-1, 1]. Where the map folds a point has
    several such positions; that found from the nearest value is returned. No gradient.

    Args:
        tolerance: largest distance of the map at a found position from the point.

    Returns:
        Positions, outside of [-1, 1] as well, where the search ends about 1.25 beyond, finite always; and whether
        the map comes within the tolerance of the point there. Maps from random weights do not reach every point.

    Raises:
        ValueError: the weights are not three more than the control points.

    >>> doubled = spline_weights(2 * control_points((3, 3), dtype=torch.float64), control=(3, 3))
    >>> position, found = spline_inverse(doubled, torch.tensor([[1.0, -0.5]], dtype=torch.float64), control=(3, 3))
    >>> (position.round(decimals=6)).tolist(), found.tolist()
    ([[0.5, -0.25]], [True])
    """
    _require(weights, control, extra=3)
    precise, sought = weights.double(), points.double()
    coarse = spline_grid(precise, height=_COARSE, width=_COARSE, control=control, epsilon=epsilon).flatten(-3, -2)
    sound = sought.isfinite().all(-1, keepdim=True)
    sought = torch.where(sound, sought, 0.0)
    apart = torch.cdist(sought, coarse)
    nearest = apart.topk(_STARTS, dim=-1, largest=False).indices
    lattice = identity_grid(_COARSE, _COARSE, dtype=sought.dtype, device=sought.device).flatten(0, 1)
    position = lattice[nearest].flatten(-3, -2)
    goal = sought.repeat_interleave(_STARTS, dim=-2)
    centres = control_points(control, dtype=sought.dtype, device=sought.device)
    for _ in range(_STEPS):
        squares = _squares(position, centres)
        error = goal - _basis(position, squares, epsilon) @ precise
        position = position + _newton_step(_slope(precise, position, centres, squares, epsilon), error)
    error = goal - _basis(position, _squares(position, centres), epsilon) @ precise
    found = (error.norm(dim=-1) <= tolerance).unflatten(-1, (-1, _STARTS))
    first = found.to(torch.uint8).argmax(-1, keepdim=True)  # the nearest start that came home, or the nearest
    position = position.unflatten(-2, (-1, _STARTS)).gather(-2, first[..., None].expand(*first.shape, 2)).squeeze(-2)
    return position.to(points.dtype), found.any(-1) & sound.squeeze(-1)


def _newton_step(slope: Float[Tensor, "*points 2 2"], error: Float[Tensor, "*points 2"]) -> Float[Tensor, "*points 2"]:
    """Return the solution of ``slope @ step = error``, 0 if there is none.

    No longer than two cells of the coarse grid: what has no solution stays near, and finite.
    """
    (a, b), (c, d) = (row.unbind(-1) for row in slope.unbind(-2))
    determinant = a * d - b * c
    safe = torch.where(determinant.abs() > torch.finfo(slope.dtype).tiny, determinant, torch.inf)
    u, v = error.unbind(-1)
    step = torch.stack(((d * u - b * v) / safe, (a * v - c * u) / safe), dim=-1)
    longest = 2 * 2 / (_COARSE - 1)
    return step * (longest / step.norm(dim=-1, keepdim=True).clamp_min(longest))


def _squares(
    points: Float[Tensor, "*batch 2"], centres: Float[Tensor, "controls 2"]
) -> Float[Tensor, "*batch controls"]:
    """Return squared distances, by differences: exact near 0."""
    x, y = points.unbind(-1)
    return (x[..., None] - centres[:, 0]).square() + (y[..., None] - centres[:, 1]).square()


def _basis(
    points: Float[Tensor, "*batch 2"], squares: Float[Tensor, "*batch controls"], epsilon: float
) -> Float[Tensor, "*batch weights"]:
    """Return the row [U | 1 | x y] of every point."""
    bend = torch.xlogy(squares, squares + epsilon)
    return torch.cat((bend, torch.ones_like(points[..., :1]), points), dim=-1)


def _slope(
    weights: Float[Tensor, "*batch weights 2"],
    points: Float[Tensor, "*batch points 2"],
    centres: Float[Tensor, "controls 2"],
    squares: Float[Tensor, "*batch points controls"],
    epsilon: float,
) -> Float[Tensor, "*batch points 2 2"]:
    """Return the derivative at the points; the sum over w (p - c)^T is that over w, times p, less that over w c^T."""
    safe = torch.where(squares + epsilon > 0, squares + epsilon, 1.0)  # at a control point its term is 0
    bend = 2 * (safe.log() + squares / safe)
    w = weights[..., :-3, :]
    table = torch.cat((w, (w[..., None] * centres[:, None]).flatten(-2)), dim=-1)
    whole, shifted = (bend @ table).split((2, 4), dim=-1)
    curved = whole[..., None] * points[..., None, :] - shifted.unflatten(-1, (2, 2))
    return curved + weights[..., None, -2:, :].transpose(-1, -2)


def _product(
    matrix: Float[Tensor, "rows entries"], columns: Float[Tensor, "*batch entries 2"]
) -> Float[Tensor, "*batch rows 2"]:
    """Return ``matrix @ columns`` for all of the batch at once; mixed precision is off."""
    batch = columns.shape[:-2]
    flat = columns.movedim(-2, -1).reshape(-1, matrix.shape[1])
    with torch.autocast(matrix.device.type, enabled=False):
        return (flat @ matrix.T).view(*batch, 2, matrix.shape[0]).movedim(-2, -1)


@functools.lru_cache(maxsize=16)
def _pixel_basis(
    control: tuple[int, int], height: int, width: int, epsilon: float, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "pixels weights"]:
    with torch.inference_mode(False):  # kept, so later calls with gradient must be able to use it
        pixels = identity_grid(height, width, dtype=torch.float64).flatten(0, 1)
        squares = _squares(pixels, control_points(control, dtype=torch.float64))
        return _basis(pixels, squares, epsilon).to(device, dtype)


@functools.lru_cache(maxsize=16)
def _interpolation(
    control: tuple[int, int], epsilon: float, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "weights controls"]:
    """Return the matrix from control values to weights: the inverse of [[U, P], [P^T, 0]], less three columns."""
    with torch.inference_mode(False):
        centres = control_points(control, dtype=torch.float64)
        rows = _basis(centres, _squares(centres, centres), epsilon)
        count = len(centres)
        system = rows.new_zeros(count + 3, count + 3)
        system[:count], system[count:, :count] = rows, rows[:, count:].T
        return torch.linalg.inv(system)[:, :count].to(device, dtype)


@functools.lru_cache(maxsize=16)
def _pixel_interpolation(
    control: tuple[int, int], height: int, width: int, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "pixels controls"]:
    with torch.inference_mode(False), torch.no_grad():
        exact = torch.float64, torch.device("cpu")
        matrix = _pixel_basis(control, height, width, 0.0, *exact) @ _interpolation(control, 0.0, *exact)
        return matrix.to(device, dtype)


def _require(rows: Tensor, control: tuple[int, int], *, extra: int) -> None:
    expected = control[0] * control[1] + extra
    if rows.shape[-2:] != (expected, 2):
        raise ValueError(f"{control} control points need [*batch {expected} 2], got {tuple(rows.shape)}")
    if rows.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"float32 or float64 needed, got {rows.dtype}")
