"""Files of a prediction: per picture those of :func:`armillary.inference.predict.write_prediction`, and tables over all pictures.

A table is a CSV file per output with a few numbers per picture, named after the output:

===================  ============================================================================================
kind                 columns
===================  ============================================================================================
pose                 id, r11 ... r33, t1, t2, t3 (scene units), and the angles about x, y and z in degrees
rotation             id, r11 ... r33, and the angles
light                id, ambient, diffuse, x, y, z (unit direction from the surface to the light)
key points           id, point, x, y in [-1, 1], or x, y, z in scene units
scalar, class        id, value
===================  ============================================================================================

Key points are also written in pixels of the input files; see :mod:`armillary.inference.point_files`.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from armillary.files import write_text
from armillary.inference.point_files import PointFiles
from armillary.inference.predict import Geometry, write_prediction
from armillary.kernels.rotations import euler_zyx_from_rotation

_R = tuple(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))
_DEGREES = ("x_degrees", "y_degrees", "z_degrees")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "pose": (*_R, "t1", "t2", "t3", *_DEGREES),
    "rotation": (*_R, *_DEGREES),
    "light": ("ambient", "diffuse", "x", "y", "z"),
    "keypoints2d": ("point", "x", "y"),
    "landmarks2d": ("point", "x", "y"),
    "keypoints3d": ("point", "x", "y", "z"),
    "landmarks3d": ("point", "x", "y", "z"),
    "scalar": ("value",),
    "class_label": ("value",),
}


def write_predictions(found: Iterable[Geometry], out: Path) -> Iterator[list[Path]]:
    """Write each result and yield its files; the tables are written at the end, also after an exception.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    tables: dict[str, list[list[str]]] = {}
    points = PointFiles()
    out.mkdir(parents=True, exist_ok=True)
    try:
        for geometry in found:
            for name, value in geometry.outputs.items():
                kind = geometry.kinds.get(name, "")
                if kind in _COLUMNS:
                    rows = tables.setdefault(name, [["id", *_COLUMNS[kind]]])
                    rows += [[geometry.id, *cells] for cells in table_rows(kind, value)]
            points.add(geometry)
            yield write_prediction(geometry, out)
    finally:
        points.write(out)
        for name, rows in tables.items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            write_text(out / f"{name}.csv", text.getvalue())


def table_rows(kind: str, value: Tensor) -> list[list[str]]:
    """Return the cells of one picture's output after its id: one row, or one row per point."""
    if kind.endswith(("2d", "3d")):
        return [[str(index), *map(_text, point)] for index, point in enumerate(value.tolist())]
    if kind in ("pose", "rotation"):
        rotation = value[:, :3].double()
        angles = torch.rad2deg(euler_zyx_from_rotation(rotation))
        numbers = (*rotation.flatten().tolist(), *value[:, 3:].flatten().tolist(), *angles.tolist())
        return [[*map(_text, numbers)]]
    return [[*map(_text, value.flatten().tolist())]]


def _text(number: float) -> str:
    return format(number, ".9g")  # nine digits are enough to restore a float32 exactly
