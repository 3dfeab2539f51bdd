"""Random tensors in the range of their port: images in [0, 1], rotations of determinant +1, masks that are mostly true."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from armillary.ports import Port

Draw = Callable[[tuple[int, ...], torch.Generator], Tensor]
_BIG = 1000  # draws of a rotation's axis: any scale does


def _uniform(low: float, high: float) -> Draw:
    return lambda shape, generator: low + (high - low) * torch.rand(shape, generator=generator)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _mask(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator) > 1 / 8
    return drawn | (torch.arange(max(shape[-1], 1)) == 0)[: shape[-1]]  # something of each row counts


def _integer(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator)


def _unit(vectors: Tensor, *, dim: int) -> Tensor:
    return vectors / vectors.norm(dim=dim, keepdim=True)


def _rotation(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    upper = torch.randn(shape, generator=generator) / 4
    return torch.linalg.matrix_exp(upper - upper.mT)


def _pose(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    turn = _rotation((*shape[:-1], 3), generator)
    return torch.cat((turn, torch.rand((*shape[:-1], 1), generator=generator) / 8), dim=-1)


def _camera(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    focal = 32 + 8 * torch.rand(shape[:-2], generator=generator)
    matrix = torch.zeros(shape)
    matrix[..., 0, 0] = matrix[..., 1, 1] = focal
    matrix[..., 0, 2] = matrix[..., 1, 2] = 7.5
    matrix[..., 2, 2] = 1
    return matrix


def _normals(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    drawn = torch.randn(shape, generator=generator) / 4
    drawn[:, 2] = -1
    return _unit(drawn, dim=1)


def _light(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    strengths = torch.rand((*shape[:-1], 2), generator=generator)
    direction = torch.cat((torch.randn((*shape[:-1], 2), generator=generator) / 4, -torch.ones((*shape[:-1], 1))), -1)
    return torch.cat((strengths, _unit(direction, dim=-1)), dim=-1)


def _heatmap(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator).flatten(-2).softmax(dim=-1).reshape(shape)


DRAWS: Mapping[str, Draw] = {
    "image": _uniform(0, 1),
    "grid": _uniform(-1, 1),
    "depth": _uniform(0.9, 1.1),
    "camera": _camera,
    "pose": _pose,
    "rotation": _rotation,
    "normals": _normals,
    "light": _light,
    "albedo": _uniform(0, 1),
    "shading": _uniform(0.5, 1),
    "mask": _mask,
    "confidence": _uniform(0.5, 1),
    "keypoints2d": _uniform(-0.8, 0.8),
    "keypoints3d": _uniform(-0.8, 0.8),
    "landmarks2d": _uniform(-0.8, 0.8),
    "landmarks3d": _uniform(-0.8, 0.8),
    "visibility": _mask,
    "heatmap": _heatmap,
    "edge_map": _uniform(0, 1),
    "label_map": _normal,
    "coordinate_map": _normal,
    "sphere_signal": _normal,
    "sphere_coefficients": _normal,
    "feature_map": _normal,
    "feature_vector": _normal,
    "class_label": _integer,
    "class_scores": _normal,
    "scalar": _uniform(0.1, 1),
}
"""Kind to how it is drawn; a kind that is missing is a record. A plugin's own kinds are drawn as features are."""


def drawn(port: Port, shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Return a tensor of a port: item k is the same in every batch.

    Raises:
        KeyError: nothing can be drawn of this kind.
    """
    draw: Any = DRAWS["feature_vector"] if port.kind.startswith("x.") else DRAWS[port.kind]
    words = sum(ord(letter) * (place + 1) for place, letter in enumerate(port.name))
    items = [
        draw((1, *shape[1:]), torch.Generator().manual_seed(_BIG * _BIG * seed + _BIG * item + words))
        for item in range(shape[0])
    ]
    return torch.cat(items) if items else draw((1, *shape[1:]), torch.Generator())[:0]


_ZERO = (
    "image",
    "albedo",
    "edge_map",
    "shading",
    "keypoints2d",
    "keypoints3d",
    "landmarks2d",
    "landmarks3d",
    "grid",
    "label_map",
    "coordinate_map",
    "sphere_signal",
    "sphere_coefficients",
    "feature_map",
    "feature_vector",
    "class_label",
    "class_scores",
    "scalar",
    "mask",
    "visibility",
)


def singular(port: Port, value: Tensor) -> Tensor:
    """Return a tensor of the same shape in which nothing differs from anything; as it is, where its kind allows no such thing."""
    if port.kind in _ZERO:
        return torch.zeros_like(value)
    if port.kind == "depth":
        return torch.ones_like(value)
    if port.kind in ("rotation", "pose"):
        return torch.eye(3, value.shape[-1]).expand_as(value).to(value)
    if port.kind == "heatmap":
        return torch.full_like(value, 1 / max(value[0, 0].numel() if len(value) else 1, 1))
    return value
