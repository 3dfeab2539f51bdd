"""Angles between rotations of an object that looks the same after some turns."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.kernels.rotations import exp_map, geodesic_angle

SYMMETRIES = ("none", "half-turn", "c2x", "c2y", "c2z", "c3z", "c4z", "so2z")
"""Groups under which poses count as the same: none; the published rule for aeroplanes, min(e, 180 - e); turns by halves,
thirds and quarters about an axis of the object; any turn about its z axis."""

_AXES = {"x": 0, "y": 1, "z": 2}


def angle_up_to_symmetry(
    estimate: Float[Tensor, "*batch 3 3"],
    truth: Float[Tensor, "*batch 3 3"],
    *,
    object_rotation: Float[Tensor, "*batch 3 3"] | None = None,
    group: str,
) -> Float[Tensor, "*batch"]:
    r"""Smallest angle between the estimate and a rotation as good as the true one, in radians.

    With R the object's rotation before the turn and G its group, the rotations as good as the true turn T are
    :math:`T R g R^\top`, g in G.

    Args:
        estimate: of the turn, generator to generator.
        truth: T.
        object_rotation: R, generator from object. Default: the identity, as for a turn from the object's own frame.
        group: ``none``; ``cNa``, turns by 1/N about the object's axis a, as in ``c2z``; ``so2z``, any turn about its z axis;
            ``half-turn``, the published rule for aeroplanes: e or pi - e, whichever is less, about whatever axis.

    Raises:
        ValueError: another word.

    Source: for half-turn, Esteves et al. 2019, Section 4.1. It is no group: it forgives an error of pi about any axis.

    >>> quarter = exp_map(torch.tensor([0.0, 0.0, torch.pi / 2]))
    >>> [round(angle_up_to_symmetry(quarter, torch.eye(3), group=group).item(), 4) for group in ("none", "c4z")]
    [1.5708, 0.0]
    """
    if group in ("none", "half-turn"):
        angle = geodesic_angle(estimate, truth)
        return torch.minimum(angle, math.pi - angle) if group == "half-turn" else angle
    within = truth.mT @ estimate  # the remaining turn, seen from the object
    if object_rotation is not None:
        within = object_rotation.mT @ within @ object_rotation
    if group == "so2z":
        # Of a rotation, the part that is no turn about z is the angle by which it moves z.
        z = within[..., :, 2]
        return torch.atan2(z[..., :2].norm(dim=-1), z[..., 2])
    return geodesic_angle(within[..., None, :, :], _turns(group, within)).amin(dim=-1)


def nearest_symmetry(rotation: Float[Tensor, "*batch 3 3"], *, group: str) -> Float[Tensor, "*batch 3 3"]:
    """Return the member of a group that is nearest to a rotation; the identity for ``none`` and ``half-turn``.

    Raises:
        ValueError: an unknown group; see :func:`angle_up_to_symmetry`.

    Undefined: for ``so2z``, where the rotation turns z to -z.

    >>> turn = exp_map(torch.tensor([0.0, 0.0, 1.4]))  # 80 degrees about z: nearer to a quarter than to nothing
    >>> nearest_symmetry(turn, group="c4z").round().int().tolist()
    [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    """
    if group in ("none", "half-turn"):
        return torch.eye(3, dtype=rotation.dtype, device=rotation.device).expand_as(rotation)
    if group == "so2z":
        r = rotation
        angle = torch.atan2(r[..., 1, 0] - r[..., 0, 1], r[..., 0, 0] + r[..., 1, 1])
        return exp_map(torch.stack((torch.zeros_like(angle), torch.zeros_like(angle), angle), dim=-1))
    turns = _turns(group, rotation)
    return turns[geodesic_angle(rotation[..., None, :, :], turns).argmin(dim=-1)]


def _turns(group: str, like: Tensor) -> Float[Tensor, "turns 3 3"]:
    if len(group) != 3 or group[0] != "c" or not group[1].isdigit() or group[2] not in _AXES or group[1] == "0":
        raise ValueError(f"a symmetry is none, half-turn, so2z or cNa with an axis a, like c2z, not {group!r}")
    angles = torch.arange(int(group[1]), dtype=like.dtype, device=like.device) * (2 * math.pi / int(group[1]))
    return exp_map(angles[:, None] * torch.eye(3, dtype=like.dtype, device=like.device)[_AXES[group[2]]])
