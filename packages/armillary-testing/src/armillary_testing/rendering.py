"""Checks of level 2 on renderers of depth maps, against planes and a sphere.

The camera looks along z, x to the right, y down; pixel (i, j) has its centre at integer coordinates; a point moves by
``x_camera = R @ x_object + t``. Depth is compared where both maps have some, away from the border.
"""

import math

import attrs
import torch
from torch import Tensor

from armillary_testing.cases import Case, sized
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.suitable import case

_HEIGHT, _WIDTH = 24, 20
_FOCAL = 40.0
_TOLERANCE = 4e-3  # part of the depth; half a pixel on the slanted plane is three times as much
_MARGIN = 3
_LEAST = 0.2  # part of the picture that must be seen


@attrs.frozen(kw_only=True)
class _Ports:
    depth: str
    pose: str
    camera: str
    drawn: str
    visible: str


def plane(subject: Subject) -> None:
    """A slanted plane that is turned and moved away has the depth of the moved plane."""
    normal, at = _slanted(x=0.6, y=0.5), 1.0
    turn, move = _turn(y=0.15), torch.tensor([0.0, 0.0, 0.2])
    _compare(subject, _plane(normal, at), turn, move, _plane(turn @ normal, at + float((turn @ normal) @ move)))


def sphere(subject: Subject) -> None:
    """A sphere that is turned about its centre has the depth that it had."""
    centre = torch.tensor([0.0, 0.0, 1.6])
    turn = _turn(x=0.1) @ _turn(y=0.1)
    seen = _sphere(centre, 0.8)
    _compare(subject, seen, turn, centre - turn @ centre, seen)


def pixel_centres(subject: Subject) -> None:
    """A steep plane that is not moved comes back pixel by pixel: no half pixel is lost."""
    seen = _plane(_slanted(x=0.9, y=-0.9), 1.0)
    _compare(subject, seen, torch.eye(3), torch.zeros(3), seen)


def y_down(subject: Subject) -> None:
    """A steep plane that is moved along +y appears further down, and along +x further right."""
    normal, move = _slanted(x=0.8, y=0.8), torch.tensor([0.04, 0.08, 0.0])
    _compare(subject, _plane(normal, 1.0), torch.eye(3), move, _plane(normal, 1.0 + float(normal @ move)))


def _compare(subject: Subject, before: Tensor, turn: Tensor, move: Tensor, after: Tensor) -> None:
    one, ports = _surface(subject)
    given = {
        ports.depth: before[None, None],
        ports.camera: _camera()[None],
        ports.pose: torch.cat((turn, move[:, None]), dim=1)[None],
    }
    with torch.no_grad():
        found = one.call(one.build(), {name: value for name, value in given.items() if name})
    depth = found[ports.drawn][0, 0]
    seen = (depth > 0) if not ports.visible else found[ports.visible][0, 0].bool()
    inside = torch.zeros_like(seen)
    inside[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
    seen &= inside
    if seen.sum() < _LEAST * inside.sum():
        raise Failure(f"{int(seen.sum())} of {int(inside.sum())} pixels of a surface before the camera are seen")
    off = ((depth - after).abs() / after)[seen]
    if not bool(torch.isfinite(off).all()) or float(off.max()) > _TOLERANCE:
        raise Failure(
            f"the depth is off by up to {100 * float(off.max()):.2f} per cent, {100 * float(off.median()):.2f} in the middle"
        )


def _surface(subject: Subject) -> tuple[Case, _Ports]:
    spec = subject.spec
    kinds = {kind: [port.name for port in spec.consumes if port.kind == kind] for kind in ("depth", "pose", "camera")}
    drawn = [port.name for port in spec.produces if port.kind == "depth"]
    others = [p.name for p in spec.consumes if p.kind not in kinds and not p.optional]
    if others or len(drawn) != 1 or any(len(names) != 1 for names in kinds.values()):
        raise Skip("it does not draw one depth map from another one, a pose and a camera")
    visible = [port.name for port in spec.produces if port.kind == "mask"]
    first = case(subject)
    known = {kinds["depth"][0]: (None, 1, _HEIGHT, _WIDTH)}
    try:
        one = sized(subject, first.settings, known, extents=(_HEIGHT, _WIDTH), channels=1, settled=first.settled)
    except ValueError as error:
        raise Skip(f"its shapes do not allow {_HEIGHT} x {_WIDTH}: {error}") from None
    return one, _Ports(
        depth=kinds["depth"][0],
        pose=kinds["pose"][0],
        camera=kinds["camera"][0],
        drawn=drawn[0],
        visible=visible[0] if len(visible) == 1 else "",
    )


def _camera() -> Tensor:
    return torch.tensor([[_FOCAL, 0.0, (_WIDTH - 1) / 2], [0.0, _FOCAL, (_HEIGHT - 1) / 2], [0.0, 0.0, 1.0]])


def _rays() -> Tensor:
    """Return the point of each pixel at depth 1, ``[height, width, 3]``."""
    y, x = torch.meshgrid(torch.arange(_HEIGHT), torch.arange(_WIDTH), indexing="ij")
    camera = _camera()
    return torch.stack(((x - camera[0, 2]) / _FOCAL, (y - camera[1, 2]) / _FOCAL, torch.ones(_HEIGHT, _WIDTH)), dim=-1)


def _slanted(*, x: float, y: float) -> Tensor:
    normal = torch.tensor([x, y, 1.0])
    return normal / normal[2]


def _plane(normal: Tensor, at: float) -> Tensor:
    """Return the depth of the plane ``normal @ point = at``."""
    return at / (_rays() @ normal)


def _sphere(centre: Tensor, radius: float) -> Tensor:
    """Return the depth of the near side of a sphere that fills the picture."""
    rays = _rays()
    along, square = rays @ centre, rays.square().sum(-1)
    root = (along.square() - square * (centre.square().sum() - radius**2)).sqrt()
    return (along - root) / square


def _turn(*, x: float = 0.0, y: float = 0.0) -> Tensor:
    sine, cosine = math.sin(x or y), math.cos(x or y)
    if x:
        return torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    return torch.tensor([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])


_RUNS = {"plane": plane, "sphere": sphere, "pixel-centres": pixel_centres, "y-down": y_down}
CHECKS = tuple(
    Check(name=name, level=2, kinds=("renderer",), claim=run.__doc__ or "", run=run) for name, run in _RUNS.items()
)
