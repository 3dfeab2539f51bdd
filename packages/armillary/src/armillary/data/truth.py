"""Ground truth beside the pictures of a data folder: tables and arrays, checked. No torch."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import attrs
import numpy as np

from armillary.data.folder import TABLES, DataFolder, Names
from armillary.data.pairs import PAIR_PORTS, Pairs, read_pairs
from armillary.data.picture_file import PictureError
from armillary.data.table_file import number, rows, truth
from armillary.errors import DataError

LANDMARK_PORTS = ("true_landmarks2d", "true_landmarks3d", "true_visible")
NUMBER_PORTS = {"true_pose": "poses", "true_light": "lights"}
CHANNELS = {"image": 3, "true_depth": 1, "true_mask": 1, "true_normals": 3, "true_albedo": 3, "true_coordinates": 3}
"""Channels of the ports that are rasters."""

_LANDMARK_FIELDS = 4  # x, y, z, visible
_NPY = b"\x93NUMPY"
_FLO = b"PIEH"
_FLO_HEADER = 12  # bytes
_UNKNOWN_FLOW = 1e9


@attrs.frozen
class Landmarks:
    """Table of annotated points.

    Args:
        names: of the points, in the order of the port's rows.
        values: id to ``[points, 4]``: x and y in pixels, z in scene units (nan if missing), 1 where visible.
        has_depth: whether the file has z.
    """

    names: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    has_depth: bool


@attrs.frozen
class Truth:
    """Tables of a data folder, None for a missing one."""

    landmarks: Landmarks | None
    poses: Mapping[str, np.ndarray] | None
    lights: Mapping[str, np.ndarray] | None
    cameras: Mapping[str, np.ndarray] | None
    camera: np.ndarray | None
    pairs: Pairs | None

    @classmethod
    def read(cls, folder: DataFolder) -> Self:
        """Return the tables of a folder."""
        numbers = {name: read_numbers(folder, name) for name in ("poses", "lights", "cameras")}
        camera = generator_camera(folder.generator, folder.root)
        return cls(landmarks=read_landmarks(folder), camera=camera, pairs=read_pairs(folder), **numbers)

    def has(self, port: str, item: str) -> bool:
        """Return whether a table, or the flow files, have this port for this picture."""
        if port in PAIR_PORTS:
            return self.pairs is not None and self.pairs.has(item)
        if port == "camera":
            return self.camera is not None or item in (self.cameras or {})
        if port in NUMBER_PORTS:
            return item in (getattr(self, NUMBER_PORTS[port]) or {})
        if self.landmarks is None or item not in self.landmarks.values:
            return False
        return port != "true_landmarks3d" or (self.landmarks.has_depth and self.has("camera", item))


def read_landmarks(folder: DataFolder) -> Landmarks | None:
    """Return the points of ``landmarks.csv``, None if the file is missing.

    Points are ordered as in ``generator.json`` where it names them, else by number, else as they first appear. A point that a
    picture does not have is not visible there, and has no position: nan.

    Raises:
        DataError: a column is missing, or a cell is not a number; file and line are named.
    """
    path = folder.root / "landmarks.csv"
    if not folder.structured or not path.is_file():
        return None
    known = Names(folder.entries)
    found: dict[str, dict[str, list[float]]] = {}
    names: dict[str, None] = {}
    has_depth = False
    for line, row in rows(path, needed=("id", "point", "x", "y")):
        point = row["point"].strip()
        names[point] = None
        has_depth = has_depth or "z" in row
        item = known.find(row["id"])
        if item is None:
            continue
        values = [number(row, key, path, line) for key in ("x", "y")]
        values.append(number(row, "z", path, line) if row.get("z") else math.nan)
        values.append(float(truth(row.get("visible") or "1", path, line)))
        if point in found.setdefault(item, {}):
            raise DataError(f"{path}, line {line}: point {point!r} of {row['id']!r} is listed twice")
        found[item][point] = values
    order = _point_order(names, folder.generator.get("points"))
    absent = [math.nan, math.nan, math.nan, 0.0]
    values = {
        x: np.array([points.get(n, absent) for n in order]).reshape(-1, _LANDMARK_FIELDS) for x, points in found.items()
    }
    return Landmarks(order, values, has_depth)


def read_numbers(folder: DataFolder, table: str) -> dict[str, np.ndarray] | None:
    """Return the numbers of each id's row in ``poses``, ``lights`` or ``cameras``, None if the file is missing.

    Raises:
        DataError: a column is missing, a cell is not a number, or an id is listed twice; file and line are named.
    """
    path = folder.root / f"{table}.csv"
    if not folder.structured or not path.is_file():
        return None
    known = Names(folder.entries)
    columns = TABLES[table][1:]
    values: dict[str, np.ndarray] = {}
    for line, row in rows(path, needed=TABLES[table]):
        item = known.find(row["id"])
        if item in values:
            raise DataError(f"{path}, line {line}: {row['id']!r} is listed twice")
        if item is not None:
            values[item] = np.array([number(row, key, path, line) for key in columns], dtype=np.float32)
    return values


def generator_camera(generator: Mapping[str, Any], root: Path) -> np.ndarray | None:
    """Return the intrinsics ``[3, 3]`` in ``generator.json``, None if missing.

    Raises:
        DataError: ``camera``, or ``intrinsics`` in it, is not three rows of three numbers.
    """
    camera = generator.get("camera")
    if isinstance(camera, Mapping):
        camera = camera.get("intrinsics")
    if camera is None:
        return None
    try:
        camera = np.asarray(camera, dtype=np.float32)
    except (ValueError, TypeError):
        camera = np.empty(0)
    if camera.shape != (3, 3) or not np.isfinite(camera).all():
        raise DataError(f"{root / 'generator.json'}: camera needs intrinsics, three rows of three numbers in pixels")
    return camera


def _point_order(found: Iterable[str], named: Any) -> tuple[str, ...]:
    names = list(found)
    if isinstance(named, list) and set(names) <= {str(name) for name in named}:
        return tuple(str(name) for name in named)
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else names)


# --- one item


def camera_of(truth: Truth, item: str) -> np.ndarray | None:
    """Return the intrinsics of one picture, else those of the generator; None if both are missing."""
    if truth.cameras is None or item not in truth.cameras:
        return truth.camera
    fx, fy, cx, cy = truth.cameras[item]
    return np.array(((fx, 0, cx), (0, fy, cy), (0, 0, 1)), dtype=np.float32)


def read_array(path: Path, port: str, size: tuple[int, int], *, header_only: bool = False) -> np.ndarray:
    """Return ``[channel, height, width]`` float32 from a .npy file; nothing in it is unpickled.

    Args:
        path: the file.
        port: what it holds.
        size: height and width of the picture.
        header_only: look at type, shape and length of the file, and read no values.

    Raises:
        PictureError: it is no .npy file, cut short, of another shape or size, or not numbers.
    """
    array = _npy(path, header_only=header_only)
    channels = CHANNELS[port]
    if array.ndim == 2 and channels == 1:
        array = array[None]
    elif array.ndim == 3 and array.shape[0] != channels and array.shape[-1] == channels:
        array = np.moveaxis(array, -1, 0)
    if array.ndim != 3 or array.shape[0] != channels:
        raise PictureError(path, f"has the shape {array.shape}, {port} needs ({channels}, height, width)")
    check_size(path, array.shape[1:], size)
    return array if header_only else np.ascontiguousarray(array, dtype=np.float32)


def read_flow(path: Path, size: tuple[int, int], *, header_only: bool = False) -> np.ndarray:
    """Return ``[height, width, 2]`` float32 displacements in pixels, nan where unknown.

    Args:
        path: a .npy file with the two components last (or first), or a .flo file.
        size: height and width of the picture.
        header_only: look at type, shape and length of the file; what is returned then is not to be used.

    Raises:
        PictureError: it is no such file, cut short, of another shape or size, or not numbers.

    Source: Baker et al. 2011, doi:10.1007/s11263-010-0390-2, and the code beside it, flowIO.cpp: the format .flo, and that
    a displacement beyond 1e9 means unknown.
    """
    flow = _flo(path) if path.suffix == ".flo" else _npy(path, header_only=header_only)
    if flow.ndim == 3 and flow.shape[-1] != 2 and flow.shape[0] == 2:
        flow = np.moveaxis(flow, 0, -1)
    if flow.ndim != 3 or flow.shape[-1] != 2:
        raise PictureError(path, f"has the shape {flow.shape}, a flow needs (height, width, 2)")
    check_size(path, flow.shape[:2], size)
    if header_only:
        return flow
    flow = np.array(flow, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        flow[~(np.abs(flow) < _UNKNOWN_FLOW).all(axis=-1)] = np.nan
    return flow


def _flo(path: Path) -> np.ndarray:
    """Return the values of a .flo file: magic bytes, width, height, then (u, v) by rows, all little-endian."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(path, f"cannot be read ({error.strerror})") from error
    if data[: len(_FLO)] != _FLO or len(data) < _FLO_HEADER:
        raise PictureError(path, "not a .flo file (it begins with PIEH)")
    width, height = (int(x) for x in np.frombuffer(data, "<i4", count=2, offset=len(_FLO)))
    if min(width, height) < 1 or len(data) - _FLO_HEADER != 8 * width * height:
        values = (len(data) - _FLO_HEADER) / 8
        raise PictureError(path, f"declares {width} x {height} pixels, but holds {values:g} of them")
    return np.frombuffer(data, "<f4", offset=_FLO_HEADER).reshape(height, width, 2)


def _npy(path: Path, *, header_only: bool) -> np.ndarray:
    try:
        with path.open("rb") as file:
            if file.read(len(_NPY)) != _NPY:
                raise PictureError(path, "not a .npy file")
        array = np.load(path, mmap_mode="r" if header_only else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PictureError(path, f"not a .npy array that can be read ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise PictureError(path, "needs an array of real numbers")
    return array


def check_size(path: Path, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """Check that a file beside a picture has the picture's size.

    Args:
        path: the file.
        shape: its height and width.
        size: height and width of the picture.

    Raises:
        PictureError: they differ.
    """
    if tuple(shape) != size:
        raise PictureError(path, f"is {shape[1]} x {shape[0]}, but its picture is {size[1]} x {size[0]}")
