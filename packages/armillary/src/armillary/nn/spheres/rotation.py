r"""Rotation of coefficients, degree by degree.

A rotation about z turns cosine and sine of an order into each other and costs next to nothing. A rotation about x is one
about z between two quarter turns about y, which take x to z and back, so with
:math:`R = R_z(\alpha) R_y(\beta) R_z(\gamma)`

.. math:: D(R) = Z(\alpha + \tfrac{\pi}{2})\, J^T Z(\beta)\, J\, Z(\gamma - \tfrac{\pi}{2}), \qquad J = D(R_y(-\tfrac{\pi}{2})).

One J serves every rotation. The plane y = 0 is kept by a quarter turn about y, so J does not mix cosines with sines and
is two matrices of half the size. It comes from the recurrence of Wigner's d at a quarter turn; angles and their
multiples are computed in float64.

Source: Pinchon and Hoggan 2007, doi:10.1088/1751-8113/40/7/011, who take a reflection for the quarter turn.
"""

import functools
import math
from typing import Any

import attrs
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.nn.spheres.harmonics import bandwidth_of, degrees_and_orders


def rotate_coefficients(
    coefficients: Float[Tensor, "*#batch coefficient"], rotation: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*#batch coefficient"]:
    r"""Return the coefficients of the rotated signal :math:`x \mapsto f(R^{-1} x)`.

    Args:
        rotation: R, of determinant +1; broadcast against the batch. Its gradient is finite everywhere, but undefined
            where R keeps the z axis up to sign, see :func:`euler_zyz_from_rotation`.

    Raises:
        ValueError: the number of coefficients is not a square, or they are in half precision.

    >>> y, z, x = torch.eye(4)[1:]  # degree 1: sqrt(3 / 4 pi) (y, z, x)
    >>> quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # about z: x goes to y
    >>> torch.allclose(rotate_coefficients(x, quarter), y, atol=1e-6)
    True
    """
    return rotate_coefficients_zyz(coefficients, euler_zyz_from_rotation(rotation.double()))


def rotate_coefficients_zyz(
    coefficients: Float[Tensor, "*#batch coefficient"], angles: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*#batch coefficient"]:
    r"""Return the coefficients of the signal rotated by :math:`R = R_z(\alpha) R_y(\beta) R_z(\gamma)`.

    Args:
        angles: alpha, beta, gamma, any values; give them in float64, since they are multiplied by the order.

    Raises:
        ValueError: the number of coefficients is not a square, or they are in half precision.

    >>> angles = torch.tensor([0.1, 2.0, 0.3], dtype=torch.float64)
    >>> c = torch.rand(16, dtype=torch.float64)
    >>> there = rotate_coefficients_zyz(c, angles)
    >>> torch.allclose(rotate_coefficients_zyz(there, -angles.flip(0)), c)  # and back
    True
    """
    bandwidth_of(coefficients)
    batch = torch.broadcast_shapes(coefficients.shape[:-1], angles.shape[:-1])
    axes = max(len(batch), 1)
    first = coefficients.reshape(*(1,) * (axes + 1 - coefficients.ndim), *coefficients.shape)
    turns = angles.reshape(*(1,) * (axes + 1 - angles.ndim), *angles.shape).double()
    needs_gradient = angles.requires_grad and torch.is_grad_enabled()
    turned = _naive_turn(first, turns) if needs_gradient else _Turn.apply(first, turns)
    return turned.reshape(*batch, coefficients.shape[-1])


def infinitesimal_turns(coefficients: Float[Tensor, "*batch coefficient"]) -> Float[Tensor, "3 *batch coefficient"]:
    r"""Return the derivative of the rotated coefficients, :math:`D(\exp v)\, c`, by each component of v at v = 0.

    Source: ladder operators :math:`J_x, J_y, J_z` times -i, in the real basis.

    >>> y, z, x = torch.eye(4)[1:]
    >>> about_z = infinitesimal_turns(x)[2]
    >>> torch.equal(about_z, y)  # x starts towards y
    True
    """
    indices, weights = _ladders(bandwidth_of(coefficients), coefficients.dtype, coefficients.device)
    steps = coefficients.movedim(-1, 0).index_select(0, indices.flatten()).unflatten(0, indices.shape)
    return (steps * weights.reshape(*weights.shape, *(1 for _ in coefficients.shape[1:]))).sum(1).movedim(1, -1)


def wigner_matrices(
    rotation: Float[Tensor, "*batch 3 3"], *, bandwidth: int
) -> list[Float[Tensor, "*batch order order"]]:
    """Return the matrices D_l(R), l = 0 to bandwidth - 1, that rotate the coefficients of each degree; orthogonal.

    For inspection and tests: :func:`rotate_coefficients` is faster.

    >>> quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> wigner_matrices(quarter, bandwidth=2)[1].round().int().tolist()  # acts on (y, z, x)
    [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    """
    identity = torch.eye(bandwidth**2, dtype=rotation.dtype, device=rotation.device)
    turned = rotate_coefficients(identity, rotation[..., None, :, :]).mT  # column n is the image of harmonic n
    return [turned[..., l * l : (l + 1) ** 2, l * l : (l + 1) ** 2] for l in range(bandwidth)]


def rotation_from_euler_zyz(angles: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""Return :math:`R = R_z(\alpha) R_y(\beta) R_z(\gamma)` of the angles (alpha, beta, gamma). Any angle is allowed.

    >>> rotation_from_euler_zyz(torch.tensor([0.0, torch.pi / 2, 0.0])).round().int().tolist()  # z goes to x
    [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    """
    (sa, sb, sc), (ca, cb, cc) = angles.sin().unbind(-1), angles.cos().unbind(-1)
    rows = (
        (ca * cb * cc - sa * sc, -ca * cb * sc - sa * cc, ca * sb),
        (sa * cb * cc + ca * sc, -sa * cb * sc + ca * cc, sa * sb),
        (-sb * cc, sb * sc, cb),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def euler_zyz_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return angles (alpha, beta, gamma) with ``R = Rz(alpha) @ Ry(beta) @ Rz(gamma)``, beta in [0, pi].

    Gamma is read off what alpha leaves of R, so the angles give R back to rounding however close beta is to 0 or pi.

    Undefined at beta = 0 and pi, where only the sum or the difference of alpha and gamma is known: alpha is returned as
    0, with no gradient.

    >>> angles = torch.tensor([0.1, 2.0, -0.3])
    >>> torch.allclose(euler_zyz_from_rotation(rotation_from_euler_zyz(angles)), angles)
    True
    """
    r = rotation
    squared = r[..., 0, 2].square() + r[..., 1, 2].square()
    locked = squared < torch.finfo(r.dtype).eps ** 2
    sine = torch.where(locked, 1.0, squared).sqrt()
    alpha = torch.atan2(torch.where(locked, 0.0, r[..., 1, 2]), torch.where(locked, 1.0, r[..., 0, 2]))
    beta = torch.atan2(torch.where(locked, 0.0, sine), r[..., 2, 2])
    sa, ca = alpha.sin(), alpha.cos()
    gamma = torch.atan2(ca * r[..., 1, 0] - sa * r[..., 0, 0], ca * r[..., 1, 1] - sa * r[..., 0, 1])
    return torch.stack((alpha, beta, gamma), dim=-1)


_Waves = tuple[Tensor, Tensor]  # coefficients of cosine and of sine [(degree, order from 0), *batch]


@attrs.frozen
class _Tables:
    """Indices and matrices of a bandwidth. The sine of order 0 exists in the tables and is never read."""

    cosines: Tensor
    sines: Tensor
    packing: Tensor
    orders: Tensor
    cosine_blocks: tuple[Tensor, ...]
    sine_blocks: tuple[Tensor, ...]


class _Turn(torch.autograd.Function):
    """Rotation without a gradient to the angles; its transpose is the inverse rotation."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, angles: Tensor) -> Tensor:
        ctx.save_for_backward(angles)
        ctx.shape = coefficients.shape
        with torch.autocast(coefficients.device.type, enabled=False):
            return _turn(coefficients, angles)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (angles,) = ctx.saved_tensors
        return _Turn.apply(gradient, -angles.flip(-1)).sum_to_size(ctx.shape), None


def _turn(coefficients: Tensor, angles: Tensor) -> Tensor:
    """Rotate in two alternating buffers: allocating costs more than the arithmetic."""
    tables = _tables(math.isqrt(coefficients.shape[-1]), coefficients.dtype, coefficients.device)
    first = coefficients.movedim(-1, 0)
    batch = torch.broadcast_shapes(first.shape[1:], angles.shape[:-1])
    number = len(tables.orders)
    here, there = (first.new_empty(2 * number, *batch) for _ in range(2))
    waves = first.index_select(0, tables.cosines), first.index_select(0, tables.sines)
    alpha, beta, gamma = _three_turns(angles)
    for turn, transpose, last in ((gamma, False, False), (beta, True, False), (alpha, False, True)):
        c, s = _phases(turn, tables, first.dtype)
        cosine, sine = here[:number], here[number:]
        torch.mul(c, waves[0], out=cosine).addcmul_(s, waves[1], value=-1)
        torch.mul(c, waves[1], out=sine).addcmul_(s, waves[0])
        if last:
            break
        columns = here.flatten(1), there.flatten(1)
        for blocks, start in ((tables.cosine_blocks, 0), (tables.sine_blocks, number)):
            for block in blocks:
                part = slice(start, start + len(block))
                torch.mm(block.mT if transpose else block, columns[0][part], out=columns[1][part])
                start = part.stop
        waves = there[:number], there[number:]
    return here.index_select(0, tables.packing).movedim(0, -1)


def _naive_turn(coefficients: Tensor, angles: Tensor) -> Tensor:
    """Rotate by plain autograd, with gradient to the angles too."""
    tables = _tables(math.isqrt(coefficients.shape[-1]), coefficients.dtype, coefficients.device)
    alpha, beta, gamma = _three_turns(angles)
    first = coefficients.movedim(-1, 0)
    waves = first.index_select(0, tables.cosines), first.index_select(0, tables.sines)
    waves = _blocks(_about_z(waves, gamma, tables), tables.cosine_blocks, tables.sine_blocks)
    waves = _about_z(waves, beta, tables)
    waves = _blocks(waves, [j.mT for j in tables.cosine_blocks], [j.mT for j in tables.sine_blocks])
    return torch.cat(_about_z(waves, alpha, tables)).index_select(0, tables.packing).movedim(0, -1)


def _three_turns(angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the angles about z before, between and after the quarter turns, last one first."""
    return angles[..., 0] + math.pi / 2, angles[..., 1], angles[..., 2] - math.pi / 2


def _phases(angle: Tensor, tables: _Tables, dtype: torch.dtype) -> _Waves:
    orders = torch.arange(len(tables.cosine_blocks), device=angle.device).reshape(-1, *(1 for _ in angle.shape))
    multiples = orders * angle
    cosine, sine = multiples.cos().to(dtype), multiples.sin().to(dtype)
    return cosine.index_select(0, tables.orders), sine.index_select(0, tables.orders)


def _about_z(waves: _Waves, angle: Tensor, tables: _Tables) -> _Waves:
    (cosine, sine), (c, s) = waves, _phases(angle, tables, waves[0].dtype)
    return torch.addcmul(c * cosine, s, sine, value=-1), torch.addcmul(c * sine, s, cosine)


def _blocks(waves: _Waves, *blocks: list[Tensor] | tuple[Tensor, ...]) -> _Waves:
    sizes = [len(block) for block in blocks[0]]
    with torch.autocast(waves[0].device.type, enabled=False):
        done = [
            torch.cat([block @ part for block, part in zip(matrices, wave.flatten(1).split(sizes), strict=True)])
            for wave, matrices in zip(waves, blocks, strict=True)
        ]
    return done[0].view_as(waves[0]), done[1].view_as(waves[1])


@functools.lru_cache(maxsize=32)
def _tables(bandwidth: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    with torch.inference_mode(False), torch.no_grad():  # kept, so later calls with gradient must be able to use it
        degree = torch.arange(bandwidth, device="cpu").repeat_interleave(torch.arange(bandwidth, device="cpu") + 1)
        order = torch.arange(len(degree), device="cpu") - degree * (degree + 1) // 2
        l, m = degrees_and_orders(bandwidth)
        packing = l * (l + 1) // 2 + m.abs() + torch.where(m < 0, len(degree), 0)
        blocks = [_quarter_turn(d) for d in quarter_turn_wigner_d(bandwidth)]
        return _Tables(
            cosines=(degree * (degree + 1) + order).to(device),
            sines=(degree * (degree + 1) - order).to(device),
            packing=packing.to(device),
            orders=order.to(device),
            cosine_blocks=tuple(cosine.to(dtype=dtype, device=device) for cosine, _ in blocks),
            sine_blocks=tuple(sine.to(dtype=dtype, device=device) for _, sine in blocks),
        )


def _quarter_turn(d: Tensor) -> _Waves:
    """Return J on the cosines and on the sines of one degree, orders from 0, from Wigner's d of the inverse turn."""
    d, l = d.mT, len(d) // 2
    same = d[: l + 1, : l + 1].flip(0, 1)  # d_{-m, -n}
    other = d[: l + 1, l:].flip(0) * (1 - 2 * (torch.arange(l + 1, device=d.device) % 2))  # (-1)^n d_{-m, n}
    norm = torch.ones(l + 1, dtype=d.dtype, device=d.device)
    norm[0] = math.sqrt(0.5)
    return norm[:, None] * (same + other) * norm, norm[:, None] * (same - other) * norm


def quarter_turn_wigner_d(bandwidth: int) -> list[Float[Tensor, "order order"]]:
    r"""Return Wigner's :math:`d^l_{mn}(\pi / 2)` for every degree, orders from -l to l, float64, on the CPU.

    From :math:`d^l_{ml} = 2^{-l} \sqrt{\binom{2l}{l+m}}` downwards in n to 0, where the recurrence is stable, then by
    :math:`d^l_{m,-n} = (-1)^{l+m} d^l_{mn}`:

    .. math:: \sqrt{(l + n)(l - n + 1)}\, d_{m,n-1} = -2m\, d_{mn} - \sqrt{(l - n)(l + n + 1)}\, d_{m,n+1}

    Convention: :math:`D^l_{mn}(R) = e^{-im\alpha} d^l_{mn}(\beta) e^{-in\gamma}` on complex harmonics with the
    Condon-Shortley sign; :math:`d^1_{10}(\beta) = -\sin\beta / \sqrt 2`.

    >>> [round(value, 4) for value in quarter_turn_wigner_d(2)[1][2].tolist()]  # m = 1: 1/2, -1/sqrt(2), 1/2
    [0.5, -0.7071, 0.5]
    """
    degree = torch.arange(bandwidth, dtype=torch.float64, device="cpu")[:, None]
    order = torch.arange(1 - bandwidth, bandwidth, dtype=torch.float64, device="cpu")
    size = order.abs()
    step = torch.arange(1, max(bandwidth, 2), dtype=torch.float64, device="cpu")
    central = torch.cat((torch.ones(1, dtype=torch.float64), ((2 * step - 1) / (2 * step)).cumprod(0)))[:bandwidth]
    ratio = ((degree - step + 1) / (degree + step)).clamp_min(0).cumprod(1)
    binomial = torch.cat((torch.ones_like(degree), ratio), dim=1) * central[:, None]
    after, here = torch.zeros(bandwidth, 2 * bandwidth - 1, dtype=torch.float64), binomial[:, size.long()].sqrt()
    columns = [here]  # [t][l, m] is d_{m, l - t}
    for t in range(bandwidth - 1):
        n = degree - t
        down, up = ((degree + n) * (t + 1)).clamp_min(1).sqrt(), (t * (degree + n + 1)).clamp_min(0).sqrt()
        after, here = here, (-2 * order * here - up * after) / down
        columns.append(here)
    done = []
    for l in range(bandwidth):
        m = slice(bandwidth - 1 - l, bandwidth + l)
        upper = torch.stack([columns[l - n][l, m] for n in range(l + 1)], dim=1)
        sign = 1 - 2 * ((l + order[m]) % 2)
        done.append(torch.cat(((sign[:, None] * upper).flip(1)[:, :-1], upper), dim=1))
    return done


@functools.lru_cache(maxsize=16)
def _ladders(bandwidth: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return, per axis, the two coefficients of each derivative and their weights [axis two coefficient]."""
    with torch.inference_mode(False):  # kept, so later calls with gradient must be able to use it
        degree, order = (x.double() for x in degrees_and_orders(bandwidth))
        m, sine = order.abs(), (order < 0).double()
        root = torch.where(m == 0, 2.0, 1.0).double().sqrt()
        up = ((degree - m) * (degree + m + 1)).sqrt() / 2 * root  # couples m and m + 1
        root = torch.where(m == 1, 2.0, 1.0).double().sqrt()
        down = ((degree - m + 1) * (degree + m)).sqrt() / 2 * root * (m > 0)  # couples m and m - 1
        side = 1 - 2 * sine  # +1 at cosines, -1 at sines
        centre = degree * (degree + 1)
        same_up, same_down = centre + side * (m + 1), centre + side * (m - 1)
        other_up, other_down = centre - side * (m + 1), centre - side * (m - 1)
        # A sine of order 0 does not exist: the step to it has weight 0.
        to_cosine = (m > 1).double() + (m == 1) * sine
        to_sine = (m > 1).double() + (m == 1) * (1 - sine)
        indices = torch.stack(
            (
                torch.stack((other_up, other_down)),
                torch.stack((same_up, same_down)),
                torch.stack((centre - order, centre)),
            )
        )
        weights = torch.stack(
            (
                torch.stack((side * up, side * down * to_cosine)),
                torch.stack((-up, down * to_sine)),
                torch.stack((-order, torch.zeros_like(order))),
            )
        )
        indices = torch.where(weights == 0, 0.0, indices)
        return indices.long().to(device), weights.to(dtype=dtype, device=device)
