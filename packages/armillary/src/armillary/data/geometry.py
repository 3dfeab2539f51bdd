"""Motion of a sample's ports under a change of its picture, by kind.

:func:`move` takes a sample and a :class:`Mover` and moves every port by its kind, so that no transform can leave out the
landmarks: a new mover defines the change of rasters, positions, directions and cameras, never the list of ports, and an
unknown kind is an error. A port that a mover cannot move (the camera, under a thin-plate spline) is removed from the
sample, so that a part that needs it raises, instead of reading wrong numbers.

Positions are (x, y) in [-1, 1], corners at the centres of the corner pixels. Tensors have any leading ``*batch``.
"""

import abc
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from armillary.errors import ArmillaryError
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid

Interpolation = Literal["linear", "nearest"]


class Mover(abc.ABC):
    """Geometric change of a picture.

    A mover that changes the picture only within its plane (crop, resize) leaves vectors and 3D points alone and adapts the
    camera. Kinds named in ``loses`` have no meaning after it.
    """

    loses: frozenset[str] = frozenset()

    @abc.abstractmethod
    def raster(
        self, values: Float[Tensor, "*batch channel height width"], *, interpolation: Interpolation
    ) -> Float[Tensor, "*batch channel rows columns"]:
        """Return the moved raster."""

    @abc.abstractmethod
    def positions(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return the new positions of positions of the old picture."""

    def camera(self, camera: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
        """Return the intrinsics of the new picture."""
        return camera

    def vectors(self, vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Return vectors and points of the camera frame after the change."""
        return vectors

    def rotation(self, rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
        """Return the rotation from object to camera after the change."""
        return rotation

    def points(self, per_point: Shaped[Tensor, "*batch points width"]) -> Shaped[Tensor, "*batch points width"]:
        """Return rows of points in their new order."""
        return per_point


def _linear(value: Tensor, mover: Mover) -> Tensor:
    return mover.raster(value, interpolation="linear")


def _nearest(value: Tensor, mover: Mover) -> Tensor:
    moved = mover.raster(value.to(torch.float32) if value.dtype == torch.bool else value, interpolation="nearest")
    return moved > 0.5 if value.dtype == torch.bool else moved  # a mask is 0 or 1


def _heatmap(value: Tensor, mover: Mover) -> Tensor:
    moved = _linear(value, mover)
    return mover.points(moved.flatten(-2)).unflatten(-1, moved.shape[-2:])


def _normals(value: Tensor, mover: Mover) -> Tensor:
    moved = mover.raster(value, interpolation="nearest")
    return mover.vectors(moved.movedim(-3, -1)).movedim(-1, -3)


def _grid(value: Tensor, mover: Mover) -> Tensor:
    moved = mover.raster(value.movedim(-1, -3), interpolation="linear").movedim(-3, -1)
    return mover.positions(moved)


def _pose(value: Tensor, mover: Mover) -> Tensor:
    rotation, translation = value[..., :3], value[..., 3]
    return torch.cat((mover.rotation(rotation), mover.vectors(translation)[..., None]), dim=-1)


def _light(value: Tensor, mover: Mover) -> Tensor:
    return torch.cat((value[..., :2], mover.vectors(value[..., 2:])), dim=-1)


def _stays(value: Any, mover: Mover) -> Any:
    return value


MOVES: Mapping[str, Callable[[Any, Mover], Any]] = {
    "image": _linear,
    "albedo": _linear,
    "shading": _linear,
    "confidence": _linear,
    "edge_map": _linear,
    "feature_map": _linear,
    "label_map": _linear,
    "coordinate_map": _nearest,
    "heatmap": _heatmap,
    "depth": _nearest,
    "mask": _nearest,
    "normals": _normals,
    "grid": _grid,
    "camera": lambda value, mover: mover.camera(value),
    "pose": _pose,
    "rotation": lambda value, mover: mover.rotation(value),
    "light": _light,
    "keypoints2d": lambda value, mover: mover.points(mover.positions(value)),
    "landmarks2d": lambda value, mover: mover.points(mover.positions(value)),
    "keypoints3d": lambda value, mover: mover.points(mover.vectors(value)),
    "landmarks3d": lambda value, mover: mover.points(mover.vectors(value)),
    "visibility": lambda value, mover: mover.points(value[..., None])[..., 0],
    "sphere_signal": _stays,
    "sphere_coefficients": _stays,
    "feature_vector": _stays,
    "class_label": _stays,
    "class_scores": _stays,
    "scalar": _stays,
    "mesh": _stays,
}
"""Kind to how it moves; those that belong to the object, not to its picture, stay."""


def move(sample: Mapping[str, Any], mover: Mover, *, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return a sample with every port moved by its kind; the argument is not changed.

    Args:
        sample: tensors by port name, and whatever else is not a tensor (``id``), which stays.
        mover: the change.
        kinds: kind of each port.

    Raises:
        ArmillaryError: a tensor without a kind, or of a kind that is missing from the table.
    """
    moved: dict[str, Any] = {}
    for name, value in sample.items():
        if not isinstance(value, Tensor):
            moved[name] = value
            continue
        kind = kinds.get(name)
        if kind is None or kind not in MOVES:
            reason = f"kind {kind!r} is not in the table of geometric changes" if kind else "its kind is unknown"
            raise ArmillaryError(f"port {name!r} cannot be moved by {type(mover).__name__}: {reason}")
        if kind not in mover.loses:
            moved[name] = MOVES[kind](value, mover)
    return moved


@attrs.frozen
class Window:
    """Axis-aligned change of pixel coordinates: ``x' = (x + 1/2) scale + offset - 1/2``.

    Args:
        scale: along x and y; target pixels a source pixel.
        offset: along x and y, in target pixels.
        source: width and height of the picture before.
        target: width and height after.
    """

    scale: tuple[float, float]
    offset: tuple[float, float]
    source: tuple[int, int]
    target: tuple[int, int]

    def inverse(self) -> "Window":
        """Return the inverse change."""
        x, y = (1.0 / scale for scale in self.scale)
        return Window((x, y), (-self.offset[0] * x, -self.offset[1] * y), self.target, self.source)

    def pixels(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return pixel coordinates after the change."""
        return (xy + 0.5) * xy.new_tensor(self.scale) + xy.new_tensor(self.offset) - 0.5

    def positions(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return positions in [-1, 1] after the change."""
        pixels = grid_to_pixels(xy, height=self.source[1], width=self.source[0])
        return pixels_to_grid(self.pixels(pixels), height=self.target[1], width=self.target[0])

    def camera(self, camera: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
        """Return the intrinsics after the change."""
        change = torch.eye(3, dtype=camera.dtype, device=camera.device)
        for axis in (0, 1):
            change[axis, axis] = self.scale[axis]
            change[axis, 2] = 0.5 * self.scale[axis] + self.offset[axis] - 0.5
        return change @ camera


class Flip(Mover):
    """Mirror image, left to right.

    With S = diag(-1, 1, 1) in the camera frame: vectors become S v, rotations S R S (a rotation again: the object in the
    mirror is the mirrored object), and the principal point ``W - 1 - cx``.

    Args:
        width: of the picture in pixels.
        mirror_points: for each annotated point the index of its partner; None where points keep their index.
    """

    def __init__(self, *, width: int, mirror_points: tuple[int, ...] | None = None) -> None:
        self.width = width
        self.mirror_points = mirror_points

    def raster(self, values: Tensor, *, interpolation: Interpolation) -> Tensor:
        """Return the raster with its columns in reverse."""
        return values.flip(-1)

    def positions(self, xy: Tensor) -> Tensor:
        """Return (-x, y)."""
        return xy * xy.new_tensor((-1.0, 1.0))

    def camera(self, camera: Tensor) -> Tensor:
        """Return S' K S, where S' mirrors pixels."""
        mirror = camera.new_tensor(((-1.0, 0.0, self.width - 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
        return mirror @ camera @ self._mirror(camera)

    def vectors(self, vectors: Tensor) -> Tensor:
        """Return S v."""
        return vectors * vectors.new_tensor((-1.0, 1.0, 1.0))

    def rotation(self, rotation: Tensor) -> Tensor:
        """Return S R S."""
        mirror = self._mirror(rotation)
        return mirror @ rotation @ mirror

    def points(self, per_point: Tensor) -> Tensor:
        """Return each point's partner in its place."""
        if self.mirror_points is None:
            return per_point
        if per_point.shape[-2] != len(self.mirror_points):
            raise ArmillaryError(
                f"mirror_points names {len(self.mirror_points)} points, but the sample has {per_point.shape[-2]}"
            )
        return per_point.index_select(-2, torch.tensor(self.mirror_points, device=per_point.device))

    @staticmethod
    def _mirror(like: Tensor) -> Tensor:
        return torch.diag(like.new_tensor((-1.0, 1.0, 1.0)))


class Crop(Mover):
    """Rectangle cut out of the picture, pixel for pixel.

    Args:
        left: first column.
        top: first row.
        width: of the rectangle.
        height: of the rectangle.
        source: width and height of the picture.

    Raises:
        ValueError: the rectangle reaches outside the picture.
    """

    def __init__(self, *, left: int, top: int, width: int, height: int, source: tuple[int, int]) -> None:
        if min(left, top) < 0 or min(width, height) < 1 or left + width > source[0] or top + height > source[1]:
            raise ValueError(f"a crop of {width} x {height} at ({left}, {top}) is not inside {source[0]} x {source[1]}")
        self.window = Window((1.0, 1.0), (-float(left), -float(top)), source, (width, height))
        self.rows = slice(top, top + height)
        self.columns = slice(left, left + width)

    def raster(self, values: Tensor, *, interpolation: Interpolation) -> Tensor:
        """Return the rectangle.

        Raises:
            ValueError: the raster has another stride than the picture.
        """
        if tuple(values.shape[-2:]) != (self.window.source[1], self.window.source[0]):
            raise ValueError(
                f"a raster of {tuple(values.shape[-2:])} is not of the picture's size {self.window.source[::-1]}"
            )
        return values[..., self.rows, self.columns]

    def positions(self, xy: Tensor) -> Tensor:
        """Return positions relative to the rectangle; those outside it are outside [-1, 1]."""
        return self.window.positions(xy)

    def camera(self, camera: Tensor) -> Tensor:
        """Return intrinsics with the principal point moved."""
        return self.window.camera(camera)
