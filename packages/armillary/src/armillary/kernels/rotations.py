"""Rotations.

A rotation is a matrix of determinant +1 acting on columns: ``x_world = R @ x_object``. Axes are right-handed, angles
are radians.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def exp_map(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""Return the rotation about the direction of ``vector`` by its length.

    .. math:: R = I + \frac{\sin\theta}{\theta} [v]_\times + \frac{1 - \cos\theta}{\theta^2} [v]_\times^2,
              \quad \theta = |v|

    Args:
        vector: :math:`v`, radians. Any length; zero gives the identity, with the right gradient.

    Source: Rodrigues' formula; both quotients are series below a squared angle of ``eps ** 0.25``.

    >>> quarter = exp_map(torch.tensor([0.0, 0.0, torch.pi / 2]))  # about z: x goes to y
    >>> torch.allclose(quarter @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)
    True
    """
    squared = vector.square().sum(-1)
    small = squared < torch.finfo(vector.dtype).eps ** 0.25
    angle = torch.where(small, 1.0, squared).sqrt()
    half = (0.5 * angle).sin() / angle
    first = torch.where(small, 1 - squared / 6 * (1 - squared / 20), angle.sin() / angle)
    second = torch.where(small, 0.5 - squared / 24 * (1 - squared / 30), 2 * half.square())
    outer = vector[..., :, None] * vector[..., None, :]  # [v]x^2 = v v^T - |v|^2 I
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    square = outer - squared[..., None, None] * identity
    return identity + first[..., None, None] * skew(vector) + second[..., None, None] * square


def log_map(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return the rotation vector of length in [0, pi]: the inverse of :func:`exp_map`.

    Undefined at an angle of pi: both signs of the axis are right, and one of them is returned.

    >>> vector = torch.tensor([0.1, -0.2, 0.3])
    >>> torch.allclose(log_map(exp_map(vector)), vector)
    True
    """
    quaternion = unit_quaternion_wxyz_from_rotation(rotation)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    real, imaginary = quaternion[..., 0], quaternion[..., 1:]
    squared = imaginary.square().sum(-1)
    small = squared < torch.finfo(rotation.dtype).eps ** 0.25
    length = torch.where(small, 1.0, squared).sqrt()
    ratio = squared / torch.where(small, real, 1.0).square()  # tan^2 of half the angle
    series = 2 / torch.where(small, real, 1.0) * (1 - ratio * (1 / 3 - ratio * (1 / 5 - ratio / 7)))
    scale = torch.where(small, series, 2 * torch.atan2(length, real) / length)
    return scale[..., None] * imaginary


def rotation_from_euler_zyx(angles: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return ``R = Rz(c) @ Ry(b) @ Rx(a)`` of the angles (a, b, c) about x, y and z.

    The turn about x is applied first. Any angle is allowed.

    >>> rotation_from_euler_zyx(torch.tensor([0.0, 0.0, torch.pi / 2])).round().int().tolist()  # a quarter turn about z
    [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    """
    (sa, sb, sc), (ca, cb, cc) = angles.sin().unbind(-1), angles.cos().unbind(-1)
    rows = (
        (cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa),
        (sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa),
        (-sb, cb * sa, cb * ca),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def euler_zyx_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return angles (a, b, c) with ``R = Rz(c) @ Ry(b) @ Rx(a)``, b in [-pi/2, pi/2], a and c in (-pi, pi].

    Undefined at b = +-pi/2, where only the sum or the difference of a and c is known: a is returned as 0.

    >>> angles = torch.tensor([0.1, -0.2, 3.0])
    >>> torch.allclose(euler_zyx_from_rotation(rotation_from_euler_zyx(angles)), angles)
    True
    """
    r = rotation
    squared = r[..., 0, 0].square() + r[..., 1, 0].square()
    locked = squared < torch.finfo(r.dtype).eps ** 2
    cosine = torch.where(locked, 1.0, squared).sqrt()
    one, zero = torch.ones_like(squared), torch.zeros_like(squared)
    a = torch.atan2(torch.where(locked, zero, r[..., 2, 1]), torch.where(locked, one, r[..., 2, 2]))
    b = torch.atan2(-r[..., 2, 0], torch.where(locked, 0.0, cosine))
    c = torch.atan2(torch.where(locked, -r[..., 0, 1], r[..., 1, 0]), torch.where(locked, r[..., 1, 1], r[..., 0, 0]))
    return torch.stack((a, b, c), dim=-1)


def geodesic_angle(a: Float[Tensor, "*#batch 3 3"], b: Float[Tensor, "*#batch 3 3"]) -> Float[Tensor, "*#batch"]:
    """Return the angle in [0, pi] of the rotation that takes ``a`` to ``b``.

    By atan2, so it is as exact near 0 and pi as elsewhere. Its gradient is undefined at 0 and at pi, where 0 is
    returned.

    >>> vectors = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 2.0]])
    >>> round(geodesic_angle(*exp_map(vectors)).item(), 4)  # two turns about one axis: the difference
    1.5
    """
    turn = a.transpose(-1, -2) @ b
    axis = torch.stack(
        (
            turn[..., 2, 1] - turn[..., 1, 2],
            turn[..., 0, 2] - turn[..., 2, 0],
            turn[..., 1, 0] - turn[..., 0, 1],
        ),
        dim=-1,
    )
    squared = axis.square().sum(-1)
    zero = squared == 0
    sine = torch.where(zero, 0.0, torch.where(zero, 1.0, squared).sqrt())
    cosine = turn.diagonal(dim1=-2, dim2=-1).sum(-1) - 1
    return torch.atan2(sine, cosine)


def random_rotation(
    *batch: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*batch 3 3"]:
    """Draw rotations uniformly (Haar measure), independently over ``batch``.

    Args:
        generator: used for every draw; it stays on its own device and the result is moved to ``device``.

    Source: a normalised Gaussian 4-vector is a uniform unit quaternion (Shoemake 1992, doi:10.1016/B978-0-08-050755-2.50036-1).

    >>> r = random_rotation(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> torch.allclose(r @ r.mT, torch.eye(3, dtype=torch.float64)) and torch.allclose(r.det(), r.new_ones(5))
    True
    """
    drawn = torch.randn(*batch, 4, generator=generator, dtype=torch.float64, device=generator.device)
    unit = drawn / torch.linalg.vector_norm(drawn, dim=-1, keepdim=True)
    return rotation_from_unit_quaternion_wxyz(unit).to(dtype=dtype, device=device)


def gram_schmidt(a: Float[Tensor, "*batch 3"], b: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the right-handed frame with first axis along ``a`` and second axis in span(a, b).

    Undefined when ``a`` is zero or ``b`` is parallel to ``a``: the value and gradient stay finite but the result is
    not a rotation.

    Source: Zhou et al. 2019, arXiv:1812.07035, Section B.

    >>> frame = gram_schmidt(torch.tensor([2.0, 0.0, 0.0]), torch.tensor([5.0, 3.0, 0.0]))
    >>> torch.allclose(frame, torch.eye(3))
    True
    """
    e1 = _unit(a)
    e2 = _unit(b - (e1 * b).sum(-1, keepdim=True) * e1)
    e3 = torch.linalg.cross(e1, e2)
    return torch.stack((e1, e2, e3), dim=-1)


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the matrix of the cross product: ``skew(v) @ w = v x w``.

    >>> x, y, z = torch.eye(3)
    >>> (skew(x) @ y).tolist()  # x cross y is z
    [0.0, 0.0, 1.0]
    """
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack((o, -z, y, z, o, -x, -y, x, o), dim=-1).unflatten(-1, (3, 3))


def rotation_from_unit_quaternion_wxyz(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation of a quaternion of length 1, real part first. q and -q give the same rotation.

    >>> rotation_from_unit_quaternion_wxyz(torch.tensor([0.0, 1.0, 0.0, 0.0])).diagonal().tolist()  # about x
    [1.0, -1.0, -1.0]
    """
    w, x, y, z = quaternion.unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def unit_quaternion_wxyz_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Return the quaternion of length 1, real part first, of either sign.

    The row of ``4 q q^T`` with the largest diagonal entry is normalised: no root of a difference is taken, so value
    and gradient are exact at every angle.

    Source: Shepperd 1978, doi:10.2514/3.55767b.

    >>> unit_quaternion_wxyz_from_rotation(torch.eye(3)).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    r = rotation
    trace = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2]
    ww, xx, yy, zz = 1 + trace, *(1 + 2 * r[..., i, i] - trace for i in range(3))
    wx, wy, wz = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    outer = torch.stack((ww, wx, wy, wz, wx, xx, xy, xz, wy, xy, yy, yz, wz, xz, yz, zz), dim=-1).unflatten(-1, (4, 4))
    largest = torch.stack((ww, xx, yy, zz), dim=-1).argmax(-1)
    row = outer.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    return row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)


def _unit(v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    # Clamp the squared length: sqrt has an infinite slope at 0, which where() would pass on as nan.
    squared = v.square().sum(-1, keepdim=True).clamp_min(torch.finfo(v.dtype).eps ** 2)
    return v * squared.rsqrt()
