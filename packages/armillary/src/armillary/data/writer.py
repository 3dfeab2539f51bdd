"""Writing of a data folder, item by item, with the same bytes for any number of runs, shards and processes.

Each file is written beside its place and renamed, so there are no half files. An item's rows of the tables are kept in
``.making/rows/ID.json``, written after its files, until all items of all shards are there; then the tables are written in
the order of the items and ``.making`` goes. So a folder without ``.making`` is whole. No torch: it runs in processes of
its own.

Flow and coordinates are kept in half precision, which changes a number by at most 1/2048 of itself: a displacement of 60
pixels by 0.016, never by more than 0.03; a coordinate near 1 by 0.0005. A generator may give every item a ``partner``, the index
of the item in which its pixels are found again. An item whose partner is below 0, or beyond the end of the folder, has none.

A generator may give every item a ``mesh``, a :class:`~armillary.kernels.triangle_mesh.TriangleMesh`, written as
``meshes/CATEGORY/ID.ply``: it names ``categories`` in what it describes, and item i is of category i modulo their number.
"""

import errno
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from armillary.data.folder import FLOW_FOLDER, FLOW_SUFFIXES, MESH_FOLDER, RASTERS, SCRATCH, TABLES
from armillary.data.picture_file import png_bytes
from armillary.errors import DataError
from armillary.interfaces.generator import Generator
from armillary.kernels.triangle_mesh import TriangleMesh

_FULL = {errno.ENOSPC, errno.EDQUOT}
_ROWS = "rows"
_POINT_PORTS = frozenset({"true_landmarks2d", "true_landmarks3d", "true_visible"})
_PAIR_PORTS = frozenset({"partner", "partner_grid", "partner_valid"})
_KNOWN = frozenset({"id", "image", "camera", "mesh", "true_pose", "true_light", *RASTERS, *_POINT_PORTS, *_PAIR_PORTS})
_REPROJECTION = 0.01  # pixels that 2D and 3D landmarks may differ by
_ROUNDING = 1e-5  # of sums of colours in float32
_ID_DIGITS = 6


@attrs.frozen
class Layout:
    """Facts that hold for all items of one folder.

    Args:
        root: the data folder.
        camera: intrinsics in ``generator.json``, as three rows.
        points: names of the landmarks; their index where a generator names none.
        ports: that the generator gives, sorted.
        categories: of the meshes, in turn; none where they have no category.
    """

    root: Path
    camera: tuple[tuple[float, ...], ...] | None
    points: tuple[str, ...]
    ports: tuple[str, ...]
    categories: tuple[str, ...] = ()

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Tables of this folder, with their columns."""
        tables = {}
        if "true_landmarks2d" in self.ports:
            depth = ("z",) if "true_landmarks3d" in self.ports else ()
            tables["landmarks"] = ("id", "point", "x", "y", *depth, "visible")
        if "true_pose" in self.ports:
            tables["poses"] = TABLES["poses"]
        if "true_light" in self.ports:
            tables["lights"] = TABLES["lights"]
        if "camera" in self.ports:
            tables["cameras"] = TABLES["cameras"]  # left out when every item has the generator's camera
        if "partner" in self.ports:
            tables["pairs"] = TABLES["pairs"]
        return tables


def probe(generator: Generator) -> tuple[tuple[str, ...], list[list[float]] | None]:
    """Return the ports of a generator, and the camera of its first item.

    Raises:
        ValueError: a port for which a data folder has no place, or no picture.
    """
    item = generator.item(0)
    unknown = sorted(set(item) - _KNOWN)
    if unknown or "image" not in item:
        wrong = f"has no place for {', '.join(unknown)}" if unknown else "needs an image"
        raise ValueError(f"{type(generator).__name__}: a data folder {wrong}")
    absent = sorted(_PAIR_PORTS - set(item))
    if 0 < len(absent) < len(_PAIR_PORTS):
        given = ", ".join(sorted(_PAIR_PORTS & set(item)))
        raise ValueError(f"{type(generator).__name__}: gives {given} without {', '.join(absent)}; they go together")
    camera = item.get("camera")
    return tuple(sorted(set(item) - {"id"})), None if camera is None else np.asarray(camera, dtype=np.float32).tolist()


def item_id(index: int) -> str:
    """Return the name of an item; in order as text up to a million."""
    return f"{index:0{_ID_DIGITS}d}"


def item_files(layout: Layout, index: int) -> tuple[Path, ...]:
    """Return the files of an item, besides its rows."""
    item = item_id(index)
    sides = [
        layout.root / folder / f"{item}{suffix}" for port, (folder, suffix) in RASTERS.items() if port in layout.ports
    ]
    if "partner_grid" in layout.ports:
        sides.append(layout.root / FLOW_FOLDER / f"{item}{FLOW_SUFFIXES[0]}")
    if "mesh" in layout.ports:
        category = layout.categories[index % len(layout.categories)] if layout.categories else ""
        sides.append(layout.root / MESH_FOLDER / category / f"{item}.ply")
    return (layout.root / "images" / f"{item}.png", *sides)


def rows_file(root: Path, index: int) -> Path:
    """Return the file that stores an item's rows until all items are complete."""
    return root / SCRATCH / _ROWS / f"{item_id(index)}.json"


def is_whole(layout: Layout, index: int) -> bool:
    """Return whether an item is complete."""
    return rows_file(layout.root, index).is_file() and all(file.is_file() for file in item_files(layout, index))


def write_item(layout: Layout, index: int, item: Mapping[str, np.ndarray]) -> None:
    """Write one item: its files, and last its rows.

    Raises:
        ValueError: the generator gave something that a data folder cannot hold.
        DataError: the disk is full or cannot be written.
    """
    for path, data in zip(item_files(layout, index), _contents(layout, item), strict=True):
        write_file(path, data, scratch=layout.root / SCRATCH)
    rows = json.dumps(_rows(layout, item_id(index), item), separators=(",", ":"))
    write_file(rows_file(layout.root, index), rows.encode(), scratch=layout.root / SCRATCH)


def write_file(path: Path, data: bytes, *, scratch: Path) -> None:
    """Write a file atomically.

    Raises:
        DataError: the disk is full or cannot be written.
    """
    part = scratch / f"part-{os.getpid()}-{threading.get_ident()}"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_tables(layout: Layout, count: int) -> None:
    """Write the tables from the rows of all items, in the order of the items, and delete the scratch folder.

    Raises:
        DataError: the disk is full or cannot be written.
    """
    tables: dict[str, list[str]] = {name: [",".join(columns)] for name, columns in layout.tables.items()}
    items = {item_id(index) for index in range(count)}
    for index in range(count):
        for name, rows in json.loads(rows_file(layout.root, index).read_bytes()).items():
            tables[name] += [",".join(row) for row in rows if name != "pairs" or row[1] in items]
    for name, lines in tables.items():
        if name != "cameras" or len(lines) > 1:
            write_file(
                layout.root / f"{name}.csv", "".join(f"{x}\n" for x in lines).encode(), scratch=layout.root / SCRATCH
            )
    shutil.rmtree(layout.root / SCRATCH, ignore_errors=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk into an error with the next step for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DataError(
                f"{path}: no space left on the disk; what is written so far is whole: free some space and type the same "
                "command again, it goes on from there"
            ) from error
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


# --- one item --------------------------------------------------------------------------------------------------------


def _contents(layout: Layout, item: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Yield the bytes of an item's files, in the order of :func:`item_files`."""
    ports = tuple(sorted(set(item) - {"id"}))
    if ports != layout.ports:
        raise ValueError(
            f"a generator gives every item the same ports: {', '.join(layout.ports)}; this one has {', '.join(ports)}"
        )
    image = _raster(item, "image", 3)
    yield png_bytes(_bytes(image, "image"))
    for port in RASTERS:
        if port not in item:
            continue
        raster = _raster(item, port, 1 if port in ("true_depth", "true_mask") else 3)
        if raster.shape[1:] != image.shape[1:]:
            raise ValueError(f"{port} is {raster.shape[1:]}, but the image is {image.shape[1:]}")
        if port == "true_mask":
            yield png_bytes(np.where(raster[0] > 0.5, np.uint8(255), np.uint8(0)))  # true is white
        elif port == "true_albedo":
            yield png_bytes(_bytes(raster, port))
        else:
            yield _npy_bytes(raster[0], "<f4") if port == "true_depth" else _half_bytes(raster, port)
    if "partner_grid" in item:
        yield _half_bytes(_displacement(item), "partner_grid")
    if "mesh" in item:
        mesh: Any = item["mesh"]
        if not isinstance(mesh, TriangleMesh) or not len(mesh.faces) or not np.isfinite(mesh.vertices).all():
            raise ValueError("mesh needs a TriangleMesh with triangles, all of its vertices finite")
        yield mesh.ply_bytes()


def _displacement(item: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return ``[height, width, 2]`` in pixels, right and down; nan where the partner does not show the pixel."""
    height, width = np.shape(item["image"])[1:]
    grid, valid = np.asarray(item["partner_grid"], dtype=np.float64), np.asarray(item["partner_valid"])
    for port, array, shape in (
        ("partner_grid", grid, (height, width, 2)),
        ("partner_valid", valid, (1, height, width)),
    ):
        if array.shape != shape:
            raise ValueError(f"{port} needs the shape {shape}, has {array.shape}")
    seen = valid[0] > 0.5
    if not np.isfinite(grid[seen]).all():
        raise ValueError("partner_grid has values that are not finite where partner_valid is true")
    rows, columns = np.mgrid[:height, :width]
    pixels = (grid + 1) / 2 * (width - 1, height - 1)  # -1 and 1 are the centres of the corner pixels
    return np.where(seen[..., None], pixels - np.stack((columns, rows), axis=-1), np.nan)


def _half_bytes(array: np.ndarray, port: str) -> bytes:
    largest = np.nanmax(np.abs(array), initial=0.0)
    if largest > np.finfo(np.float16).max:
        raise ValueError(f"{port} has values up to {largest:g}, more than half precision holds")
    return _npy_bytes(array, "<f2")


def _rows(layout: Layout, item: str, arrays: Mapping[str, np.ndarray]) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = {}
    if "true_landmarks2d" in arrays:
        rows["landmarks"] = [[item, *cells] for cells in _landmark_cells(layout, arrays)]
    if "true_pose" in arrays:
        pose = _finite(arrays["true_pose"], "true_pose", (3, 4))
        rows["poses"] = [[item, *map(_text, (*pose[:, :3].ravel(), *pose[:, 3]))]]
    if "true_light" in arrays:
        rows["lights"] = [[item, *map(_text, _finite(arrays["true_light"], "true_light", (5,)))]]
    if "partner" in arrays:
        partner = np.asarray(arrays["partner"])
        if partner.shape != () or partner.dtype.kind not in "iu":
            raise ValueError(f"partner needs one whole number, has {partner.dtype} of the shape {partner.shape}")
        rows["pairs"] = [[item, item_id(int(partner))]] if partner >= 0 else []
    if "camera" in arrays:
        camera = _finite(arrays["camera"], "camera", (3, 3))
        if layout.camera is None or not np.array_equal(camera, np.asarray(layout.camera, dtype=np.float32)):
            rows["cameras"] = [[item, *map(_text, (camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2]))]]
    return rows


def _landmark_cells(layout: Layout, arrays: Mapping[str, np.ndarray]) -> Iterator[list[str]]:
    points = np.asarray(arrays["true_landmarks2d"], dtype=np.float64)
    height, width = arrays["image"].shape[-2:]
    points = _finite(points, "true_landmarks2d", (len(points), 2))
    pixels = (points + 1) / 2 * ((width - 1), (height - 1))  # -1 and 1 are the centres of the corner pixels
    visible = np.asarray(arrays.get("true_visible", np.ones(len(points))), dtype=bool)
    depth: Sequence[Sequence[str]] = [()] * len(points)
    if "true_landmarks3d" in arrays:
        space = _finite(arrays["true_landmarks3d"], "true_landmarks3d", (len(points), 3)).astype(np.float64)
        _check_reprojection(space, pixels, arrays.get("camera"))
        depth = [(_text(z),) for z in space[:, 2]]
    names = layout.points if len(layout.points) == len(points) else tuple(map(str, range(len(points))))
    for name, (x, y), z, seen in zip(names, pixels, depth, visible, strict=True):
        yield [name, f"{x:.6f}", f"{y:.6f}", *z, str(int(seen))]


def _check_reprojection(space: np.ndarray, pixels: np.ndarray, camera: np.ndarray | None) -> None:
    """Check that z alone determines the 3D points: the table stores nothing else."""
    if camera is None:
        raise ValueError("true_landmarks3d without a camera cannot be kept: landmarks.csv holds pixels and depth")
    seen = space @ np.asarray(camera, dtype=np.float64).T
    error = np.abs(seen[:, :2] / seen[:, 2:] - pixels).max(initial=0)
    if not error <= _REPROJECTION:
        raise ValueError(f"true_landmarks3d, seen by the camera, are {error:.3g} pixels away from true_landmarks2d")


def _raster(item: Mapping[str, np.ndarray], port: str, channels: int) -> np.ndarray:
    array = np.asarray(item[port])
    if array.ndim != 3 or array.shape[0] != channels:
        raise ValueError(f"{port} needs the shape ({channels}, height, width), has {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{port} has values that are not finite")
    return array


def _bytes(raster: np.ndarray, port: str) -> np.ndarray:
    if raster.min() < -_ROUNDING or raster.max() > 1 + _ROUNDING:
        raise ValueError(f"{port} goes from {raster.min():g} to {raster.max():g}, not in [0, 1]")
    return np.rint(raster.clip(0, 1).transpose(1, 2, 0) * np.float32(255)).astype(np.uint8)


def _npy_bytes(array: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, dtype=kind), allow_pickle=False)
    return buffer.getvalue()


def _finite(array: np.ndarray, port: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{port} needs finite numbers of the shape {shape}, has the shape {array.shape}")
    return array.astype(np.float32) if array.dtype != np.float64 else array


def _text(value: Any) -> str:
    return format(float(np.float32(value)), ".9g")  # nine digits bring a float32 back
