"""Angles between rotations of an object that looks the same after some turns."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.kernels.rotations import exp_map, geodesic_angle

_AXES = {"x": 0, "y": 1, "z": 2}


def angle_up_to_symmetry(
    estimate: Float[Tensor, "*batch 3 3"],
    truth: Float[Tensor, "*batch 3 3"],
    *,
    object_rotation: Float[Tensor, "*batch 3 3"],
    group: str,
) -> Float[Tensor, "*batch"]:
    r"""Smallest angle between the estimate and a rotation as good as the true one, in radians.

    With R the object's rotation before the turn and G its group, the rotations as good as the true turn T are
    :math:`T R g R^\top`, g in G.

    Args:
        estimate: of the turn, generator to generator.
        truth: T.
        object_rotation: R, generator from object.
        group: ``none``; ``cNa``, turns by 1/N about the object's axis a, as in ``c2z``; ``so2z``, any turn about its z axis;
            ``half-turn``, the published rule for aeroplanes: e or pi - e, whichever is less, about whatever axis.

    Raises:
        ValueError: another word.

    Source: for half-turn, Esteves et al. 2019, Section 4.1. It is no group: it forgives an error of pi about any axis.
    """
    if group in ("none", "half-turn"):
        angle = geodesic_angle(estimate, truth)
        return torch.minimum(angle, math.pi - angle) if group == "half-turn" else angle
    within = object_rotation.mT @ truth.mT @ estimate @ object_rotation  # what is left, seen from the object
    if group == "so2z":
        # Of a rotation, the part that is no turn about z is the angle by which it moves z.
        z = within[..., :, 2]
        return torch.atan2(z[..., :2].norm(dim=-1), z[..., 2])
    if len(group) != 3 or group[0] != "c" or not group[1].isdigit() or group[2] not in _AXES or group[1] == "0":
        raise ValueError(f"a symmetry is none, half-turn, so2z or cNa with an axis a, like c2z, not {group!r}")
    angles = torch.arange(int(group[1]), dtype=truth.dtype, device=truth.device) * (2 * math.pi / int(group[1]))
    turns = exp_map(angles[:, None] * torch.eye(3, dtype=truth.dtype, device=truth.device)[_AXES[group[2]]])
    return geodesic_angle(within[..., None, :, :], turns).amin(dim=-1)
