"""Relative rotation between the objects of two pictures or meshes.

It is computed from one of three outputs of the method: a signal on the sphere, which is correlated over all rotations; a
rotation; or a pose. The rotation acts on columns in the frame of that output, the camera's or that of the signals:
``x_second = R @ x_first`` for each point of the object about its centre.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import attrs
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.drawing.picture_items import image_picture
from armillary.drawing.pictures import picture, pose_picture, text_picture
from armillary.drawing.sheets import Picture, contact_sheet
from armillary.errors import RunError
from armillary.inference.predict import Geometry, predict
from armillary.inference.restore import Restored
from armillary.kernels.rotations import euler_zyx_from_rotation, geodesic_angle
from armillary.nn.spheres.alignment import align
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.transforms import coefficients_from_signal
from armillary.plugins.host import Host

KINDS = ("sphere_signal", "rotation", "pose")
"""Kinds of output with an orientation, in order of preference."""

_PEAKS = 4


@attrs.frozen(kw_only=True, eq=False)
class Candidate:
    """A rotation with its score.

    Args:
        rotation: ``x_second = R @ x_first``.
        score: normalised correlation in [-1, 1], 1 if the rotated signals are equal up to a factor; nan for methods that
            output a rotation without a score.
    """

    rotation: Float[Tensor, "3 3"]
    score: float

    @property
    def degrees(self) -> float:
        """Angle of the rotation in degrees."""
        return float(torch.rad2deg(geodesic_angle(self.rotation, torch.eye(3, dtype=self.rotation.dtype))))

    @property
    def turns(self) -> list[float]:
        """Angles about x, y and z in degrees, ``R = Rz Ry Rx``."""
        return torch.rad2deg(euler_zyx_from_rotation(self.rotation)).tolist()


@attrs.frozen(kw_only=True, eq=False)
class Relation:
    """Relative rotation of two objects.

    Args:
        first: prediction for the first file.
        second: prediction for the second file.
        outputs: name of the output of each from which the rotation was computed.
        best: the rotation.
        others: further peaks, best first; a symmetric object has several.
    """

    first: Geometry
    second: Geometry
    outputs: tuple[str, str]
    best: Candidate
    others: tuple[Candidate, ...] = ()


def relate(
    restored: Restored, first: Path, second: Path, *, host: Host, device: torch.device | None = None
) -> Relation:
    """Return the rotation from the object of ``first`` to that of ``second``.

    Args:
        restored: stage of a run.
        first: picture, or mesh if the method supports meshes.
        second: the same.
        host: source of parts.
        device: device of the networks.

    Raises:
        DataError: a file cannot be read.
        RunError: the method has no output with an orientation.
    """
    one, two = predict(restored, [first, second], host=host, device=device)
    names = {}
    for kind in KINDS:
        found = [_of_kind(geometry, kind) for geometry in (one, two)]
        if all(found):
            names = {"kind": kind, "first": found[0], "second": found[1]}
            break
    if not names:
        stage = restored.model.plan
        raise RunError(
            f"{stage.method_id} has no output with an orientation: it predicts {', '.join(stage.predictions)}; type a run of "
            f"a method with an output of kind {', '.join(KINDS)}"
        )
    a, b = one.outputs[names["first"]].double(), two.outputs[names["second"]].double()
    if names["kind"] == "sphere_signal":
        best, *others = _correlated(a, b)
    else:
        best, others = Candidate(rotation=b[:3, :3] @ a[:3, :3].T, score=float("nan")), []
    return Relation(first=one, second=two, outputs=(names["first"], names["second"]), best=best, others=tuple(others))


def relation_picture(relation: Relation, *, size: int = 192) -> Picture:
    """Draw both pictures (a mesh as its signal), and the axes of the first object after each rotation."""
    shown = [_seen(relation.first, relation.outputs[0]), _seen(relation.second, relation.outputs[1])]
    headers = [relation.first.id, relation.second.id]
    for number, candidate in enumerate((relation.best, *relation.others)):
        shown.append(pose_picture(candidate.rotation, size=size))
        score = "" if math.isnan(candidate.score) else f", score {candidate.score:.3f}"
        headers.append(f"{'rotation' if number == 0 else f'runner-up {number}'}{score}")
    return contact_sheet([shown], headers, cell=size)


def _seen(geometry: Geometry, output: str) -> Picture:
    if geometry.image is not None:
        return image_picture(geometry.image)
    found = picture(geometry.kinds[output], geometry.outputs[output])
    return text_picture(geometry.id) if found is None else found


def _of_kind(geometry: Geometry, kind: str) -> str:
    outputs: Mapping[str, Tensor] = geometry.outputs
    return next((name for name in outputs if geometry.kinds.get(name) == kind), "")


def _correlated(first: Tensor, second: Tensor) -> list[Candidate]:
    """Return the rotations from the first signal to the second, the best first."""
    if first.shape != second.shape:
        raise RunError(f"signals of {list(first.shape)} and {list(second.shape)} cannot be compared")
    grid = soft(first.shape[-1] // 2)
    one, two = (coefficients_from_signal(signal, grid=grid) for signal in (first, second))
    found = align(two, one, peaks=_PEAKS)
    return [
        Candidate(rotation=rotation, score=float(score))
        for rotation, score in zip(found.rotations, found.scores, strict=True)
        if torch.isfinite(score)
    ]
