"""Measures of the view of an object: direction of its light, and its pose.

Angles are degrees; figures are median, mean and the shares below 15 and 30 degrees, over pictures.
"""

from typing import Annotated, Any, ClassVar, Self

import torch
from attrs.validators import ge, in_
from jaxtyping import Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.evaluator import Evaluation
from armillary.kernels.rotations import random_rotation
from armillary.kernels.symmetry import SYMMETRIES, angle_up_to_symmetry, nearest_symmetry
from armillary.ports import Of
from armillary.seeds import seed_for
from armillary.std.branches import CanonicalLight
from armillary.std.scores import METHOD, Scores, angle_columns, direction_angle

_ESTEVES = "Esteves et al. 2019, arXiv:1812.02716, Section 4.1"
_STARTS, _SHOWN = 64, 1024  # rotations that are tried, on so many pictures
_ROUNDS = 20

CameraLight = Annotated[ports.Light, Of(frame="camera")]
Rotations = Float[Tensor, "batch 3 3"]


class _LightScores(Scores):
    """Base of the measures of light."""

    protocol = (
        "angle between found and true direction from the surface to the light, camera frame of the picture, in degrees; "
        "median, shares below 15 and 30 degrees and mean over pictures. Pictures whose true light has no direction (diffuse "
        "strength 0) are left out. Guesses: light from the viewer, and the mean direction of the training split."
    )
    columns: ClassVar = angle_columns("angle")

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.total: Tensor | None = None

    def fit(self, ids: list[str], true_light: CameraLight) -> None:
        """Add a batch to the mean direction."""
        del ids
        self._add((true_light[:, 2:] * (true_light[:, 1:2] > 0)).double().sum(dim=0))

    def keep_directions(self, found: Float[Tensor, "batch 3"], true_light: CameraLight, *, ids: list[str]) -> None:
        """Measure a batch of directions and the guesses."""
        truth = true_light[:, 2:]
        everyone = {METHOD: found, "light from the viewer": truth.new_tensor([0.0, 0.0, -1.0])}
        if self.total is not None:
            everyone["mean light"] = self.total.to(truth)
        for who, direction in everyone.items():
            angle = direction_angle(direction.to(truth), truth)[:, 0]
            self.keep(who, ids, angle=torch.where(true_light[:, 1] > 0, angle, float("nan")))

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        super().merge(other)
        if other.total is not None:
            self._add(other.total)

    def result(self) -> Evaluation:
        """Return the figures of the method and of each guess."""
        notes = () if self.total is not None else ("no guess mean light: no fit pass was run",)
        return self.evaluation(*notes, why_left_out="the true light has no direction")

    def _add(self, total: Float[Tensor, " 3"]) -> None:
        self.total = total if self.total is None else self.total + total


class LightAngle(_LightScores, name="light-angle/1", source="ours"):
    """Angle between found and true direction of the light, both in the camera frame of the picture."""

    def score(self, ids: list[str], light: CameraLight, true_light: CameraLight) -> None:
        """Measure a batch."""
        self.keep_directions(light[:, 2:], true_light, ids=ids)


class CanonicalLightAngle(_LightScores, name="canonical-light-angle/1", source="ours"):
    """Angle between the true direction of the light and one in the canonical frame, turned by the found pose."""

    def score(self, ids: list[str], light: CanonicalLight, pose: ports.Pose, true_light: CameraLight) -> None:
        """Measure a batch."""
        turned = (pose[:, :, :3].to(light.dtype) @ light[:, 2:, None])[..., 0]
        self.keep_directions(turned, true_light, ids=ids)


class _PoseScores(Scores):
    """Base of the measures of the object's rotation; keeps found and true rotations."""

    protocol = (
        "angle between found and true rotation, x_camera = R x_object + t, in degrees, up to the symmetry group of the settings "
        "and up to one rotation of the method's own frame of the object, which is arbitrary: it is fitted on the training split, by "
        "the mean of the rotations between the two frames, the best of 64 starts; median, shares below 15 and 30 degrees and mean "
        "over pictures. Guesses: one rotation for all pictures, fitted alike, and random rotations."
    )
    fit_outputs = True
    columns: ClassVar = angle_columns("angle")

    symmetry: str = param(
        "none", source=_ESTEVES, validator=in_(SYMMETRIES), help=f"group of the object: {', '.join(SYMMETRIES)}"
    )
    seed: int = param(0, validator=ge(0), help="of the random rotations")

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.seen: dict[str, dict[str, tuple[Tensor, Tensor]]] = {"fit": {}, "score": {}}

    def see(self, phase: str, ids: list[str], found: Rotations, truth: Rotations) -> None:
        """Keep the rotations of a batch."""
        pairs = zip(found.detach().cpu().double(), truth.detach().cpu().double(), strict=True)
        self.seen[phase].update(zip(ids, pairs, strict=True))

    def merge(self, other: Self) -> None:
        """Add the rotations of another shard."""
        for phase, views in other.seen.items():
            self.seen[phase].update(views)

    def result(self) -> Evaluation:
        """Return the figures of the method and of each guess."""
        self.rows, ids = {}, sorted(self.seen["score"])
        notes: tuple[str, ...] = ()
        if ids:
            found, truth = self._stacked("score", ids)
            same = torch.eye(3, dtype=truth.dtype).expand_as(truth)
            guesses: dict[str, Any] = {"random rotation": self._random(ids)}
            if self.seen["fit"]:
                known, known_truth = self._stacked("fit", sorted(self.seen["fit"]))
                found = found @ frame_between(known, known_truth, group=self.symmetry)
                one = torch.eye(3, dtype=truth.dtype).expand_as(known_truth)
                guesses["one rotation"] = same @ frame_between(one, known_truth, group=self.symmetry)
            else:
                notes = (
                    "no fit pass was run: frames of the object were taken to be equal, and there is no guess one rotation",
                )
            for who, rotations in {METHOD: found, **guesses}.items():
                angle = angle_up_to_symmetry(rotations, truth, group=self.symmetry)
                self.keep(who, ids, angle=torch.rad2deg(angle))
        return self.evaluation(*notes, why_left_out="a rotation is not finite")

    def _stacked(self, phase: str, ids: list[str]) -> tuple[Rotations, Rotations]:
        found, truth = zip(*(self.seen[phase][item] for item in ids), strict=True)
        return torch.stack(found), torch.stack(truth)

    def _random(self, ids: list[str]) -> Rotations:
        drawn = []
        for item in ids:
            generator = torch.Generator().manual_seed(seed_for(self.seed, "random rotation", item))
            drawn.append(random_rotation(generator=generator, dtype=torch.float64))
        return torch.stack(drawn)


class PoseAngle(_PoseScores, name="pose-angle/1", source=_ESTEVES):
    """Angle between the rotations of found and true poses."""

    def fit(self, ids: list[str], pose: ports.Pose, true_pose: ports.Pose) -> None:
        """Keep a batch for the rotation between the frames of the object."""
        self.see("fit", ids, pose[:, :, :3], true_pose[:, :, :3])

    def score(self, ids: list[str], pose: ports.Pose, true_pose: ports.Pose) -> None:
        """Keep a batch."""
        self.see("score", ids, pose[:, :, :3], true_pose[:, :, :3])


class RotationAngle(_PoseScores, name="rotation-angle/1", source=_ESTEVES):
    """Angle between found and true rotations."""

    def fit(self, ids: list[str], rotation: ports.Rotation, true_rotation: ports.Rotation) -> None:
        """Keep a batch for the rotation between the frames of the object."""
        self.see("fit", ids, rotation, true_rotation)

    def score(self, ids: list[str], rotation: ports.Rotation, true_rotation: ports.Rotation) -> None:
        """Keep a batch."""
        self.see("score", ids, rotation, true_rotation)


def frame_between(found: Rotations, truth: Rotations, *, group: str) -> Float[Tensor, "3 3"]:
    r"""Return the rotation between two frames of one object, by which found rotations come nearest to the true ones.

    .. math:: A = \arg\min_A \sum_i \min_{g \in G} \lVert R_i A g - R^*_i \rVert^2

    The mean and the choice of g are taken in turn, beginning with the best of up to 64 single pictures.

    Args:
        found: :math:`R_i`, in the method's frame of the object.
        truth: :math:`R^*_i`.
        group: see :func:`armillary.kernels.symmetry.angle_up_to_symmetry`.
    """
    between = found.mT @ truth
    few = between[_spaced(len(between), _SHOWN)]
    starts = between[_spaced(len(between), _STARTS)]
    errors = angle_up_to_symmetry(
        starts[:, None].expand(-1, len(few), 3, 3), few.expand(len(starts), -1, 3, 3), group=group
    )
    frame = starts[errors.mean(dim=1).argmin()]
    for _ in range(_ROUNDS):
        turns = nearest_symmetry(frame.mT @ between, group=group)
        frame = _nearest_rotation((between @ turns.mT).sum(dim=0))
    return frame


def _spaced(count: int, most: int) -> Tensor:
    return torch.linspace(0, count - 1, min(count, most)).round().long()


def _nearest_rotation(matrix: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    u, _, vh = torch.linalg.svd(matrix)
    u = torch.cat((u[:, :2], u[:, 2:] * torch.linalg.det(u @ vh).sign()), dim=1)
    return u @ vh
