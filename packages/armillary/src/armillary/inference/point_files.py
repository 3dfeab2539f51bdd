"""Key points of a prediction in pixels of the input files, as a CSV table and as COCO annotations.

Pixels have their centres at integers, the upper left one at (0, 0). ``keypoints.csv`` (id, point, x, y, visible) can be used
as the ``landmarks.csv`` of a data folder with the same pictures. It has no z, since z of ``landmarks.csv`` is a depth in a
camera's frame; key points in space have a table of their own. ``keypoints.json`` has the same points as COCO key points:
``keypoints`` are x, y, v of each point, with v = 2 (visible) for all, since occlusion is unknown; ``bbox`` and ``area`` are those
of the points; ``skeleton`` has the strong edges, the strongest first, points counted from 1.

Source: https://cocodataset.org/#format-data.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.drawing.point_pictures import points_of_pairs, strong_edges
from armillary.files import write_text
from armillary.inference.predict import Geometry
from armillary.kernels.sampling import grid_to_pixels

_KIND = "keypoints2d"
_SEEN = 2  # v of COCO: labelled and visible
_CATEGORY = 1
_DIGITS = 4  # decimal places of pixels


class PointFiles:
    """Writer of both files from the key points of predictions; without key points it writes no file."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._skeleton: list[list[int]] = []

    def add(self, geometry: Geometry) -> None:
        """Add the key points of one picture: the output ``keypoints2d``, or the first of its kind."""
        found = found_points(geometry)
        size = file_size(geometry)
        if found is None or size is None:
            return
        pixels = file_pixels(found, geometry).tolist()
        self._rows += [[geometry.id, str(k), f"{x:.9g}", f"{y:.9g}", "1"] for k, (x, y) in enumerate(pixels)]
        number = len(self._images) + 1
        name = f"{geometry.id}.png" if geometry.file is None else geometry.file.name
        self._images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        self._annotations.append(_annotation(pixels, number=number))
        self._names = [str(k) for k in range(max(len(pixels), len(self._names)))]
        weights = geometry.outputs.get("edge_weights")
        if weights is not None and points_of_pairs(len(weights)) == len(pixels):
            self._skeleton = [[i + 1, j + 1] for i, j, _ in reversed(strong_edges(weights))]

    def write(self, out: Path) -> list[Path]:
        """Write ``keypoints.csv`` and ``keypoints.json``.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        if not self._images:
            return []
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["id", "point", "x", "y", "visible"], *self._rows])
        category = {"id": _CATEGORY, "name": "object", "supercategory": "", "keypoints": self._names}
        coco = {
            "info": {"description": "key points found by armillary predict; pixel centres at integers"},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [category | {"skeleton": self._skeleton}],
        }
        files = {"keypoints.csv": text.getvalue(), "keypoints.json": json.dumps(coco, indent=1) + "\n"}
        for name, content in files.items():
            write_text(out / name, content)
        return [out / name for name in files]


def found_points(geometry: Geometry) -> Tensor | None:
    """Return the key points of a picture: the output ``keypoints2d``, or the first of its kind; None without one."""
    names = [name for name in geometry.outputs if geometry.kinds.get(name) == _KIND]
    return geometry.outputs[_KIND if _KIND in names else names[0]] if names else None


def file_size(geometry: Geometry) -> tuple[int, int] | None:
    """Return width and height of the picture in the file, or of the method's input if unknown; None without a picture."""
    if geometry.window is not None:
        return geometry.window.source
    return None if geometry.image is None else (geometry.image.shape[-1], geometry.image.shape[-2])


def file_pixels(points: Float[Tensor, "*batch 2"], geometry: Geometry) -> Float[Tensor, "*batch 2"]:
    """Convert positions in [-1, 1] of the method's input to pixels of the file."""
    width, height = geometry.window.target if geometry.window is not None else file_size(geometry) or (1, 1)
    pixels = grid_to_pixels(points[..., :2].to(torch.float64), height=height, width=width)
    return pixels if geometry.window is None else geometry.window.inverse().pixels(pixels)


def _annotation(pixels: list[list[float]], *, number: int) -> dict[str, Any]:
    columns = list(zip(*pixels, strict=True))
    left, top = (min(column) for column in columns)
    wide, high = (max(column) - min(column) for column in columns)
    return {
        "id": number,
        "image_id": number,
        "category_id": _CATEGORY,
        "iscrowd": 0,
        "num_keypoints": len(pixels),
        "keypoints": [value for x, y in pixels for value in (round(x, _DIGITS), round(y, _DIGITS), _SEEN)],
        "bbox": [round(value, _DIGITS) for value in (left, top, wide, high)],
        "area": round(wide * high, _DIGITS),
    }
