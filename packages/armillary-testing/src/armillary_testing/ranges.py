"""Value ranges of each kind of port (:data:`armillary.ports.KINDS`)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from armillary.ports import KINDS, Port

_SLACK = 1e-4


def out_of_kind(port: Port, value: Tensor) -> str:
    """Return in which way a tensor is not what its port says; empty where it is, or where its kind or unit promises nothing."""
    rule = _RULES.get(port.kind) if port.unit in (KINDS[port.kind].unit if port.kind in KINDS else "", "none") else None
    return rule(value) if rule and value.numel() else ""


def _between(low: float, high: float) -> Callable[[Tensor], str]:
    def rule(value: Tensor) -> str:
        least, most = float(value.min()), float(value.max())
        if least < low - _SLACK or most > high + _SLACK:
            return f"it reaches from {least:.4g} to {most:.4g}, beyond [{low:g}, {high:g}]"
        return ""

    return rule


def _positive(value: Tensor) -> str:
    return "" if float(value.min()) > 0 else f"its least value is {float(value.min()):.4g}, and not above 0"


def _not_negative(value: Tensor) -> str:
    return "" if float(value.min()) >= 0 else f"its least value is {float(value.min()):.4g}, below 0"


def _truth(value: Tensor) -> str:
    return "" if value.dtype == torch.bool else f"it is {value.dtype}, not boolean"


def _integer(value: Tensor) -> str:
    return f"it is {value.dtype}, not an integer" if value.is_floating_point() or value.dtype == torch.bool else ""


def _rotation(value: Tensor) -> str:
    exact = value.double()
    off = float((exact @ exact.mT - torch.eye(3, dtype=exact.dtype)).abs().max())
    if off > _SLACK:
        return f"R R^T is {off:.2g} from the identity"
    least = float(torch.linalg.det(exact).min())
    return "" if least > 0 else f"a determinant is {least:.4g}: it mirrors"


def _pose(value: Tensor) -> str:
    return _rotation(value[..., :3])


def _camera(value: Tensor) -> str:
    last = float((value[..., 2, :] - torch.tensor([0.0, 0.0, 1.0]).to(value)).abs().max())
    if last > _SLACK:
        return "its last row is not 0 0 1"
    least = float(torch.minimum(value[..., 0, 0], value[..., 1, 1]).min())
    return "" if least > 0 else f"a focal length is {least:.4g}"


def _unit(value: Tensor, *, dim: int) -> str:
    length = value.norm(dim=dim)
    off = float(torch.minimum((length - 1).abs(), length).max())  # 0 0 0 where there is nothing
    return "" if off < 10 * _SLACK else f"a length is {off:.2g} from 1"


def _normals(value: Tensor) -> str:
    most = float(value[:, 2].max())
    return _unit(value, dim=1) or ("" if most < _SLACK else f"one has z = {most:.4g}, away from the viewer")


def _light(value: Tensor) -> str:
    return _unit(value[..., 2:], dim=-1)


_RULES: Mapping[str, Callable[[Tensor], str]] = {
    "image": _between(0, 1),
    "albedo": _between(0, 1),
    "heatmap": _between(0, 1),
    "edge_map": _between(0, 1),
    "depth": _not_negative,
    "shading": _not_negative,
    "confidence": _positive,
    "mask": _truth,
    "visibility": _truth,
    "class_label": _integer,
    "rotation": _rotation,
    "pose": _pose,
    "camera": _camera,
    "normals": _normals,
    "light": _light,
}
