"""Label maps at annotated points, and pictures that are kept until a measure's result.

Positions are in pixels. Cell (i, j) of a label map of stride s lies at pixel (s i, s j) of its picture.
"""

from typing import Any, Self

from jaxtyping import Float
from torch import Tensor

from armillary.errors import DataError
from armillary.interfaces import Evaluator
from armillary.kernels.sampling import pixels_to_grid, sample


class Kept(Evaluator):
    """Base of measures that keep a row for each picture until their result: it does not depend on batches or shards."""

    def setup(self) -> None:
        self.rows: dict[str, dict[str, tuple[Any, ...]]] = {"fit": {}, "score": {}}
        self.size = (0, 0)

    def keep(self, phase: str, ids: list[str], *columns: Any) -> None:
        """Add a row for each item of a batch."""
        self.rows[phase].update(zip(ids, zip(*columns, strict=True), strict=True))

    def merge(self, other: Self) -> None:
        """Add the rows of another shard: pictures join by id."""
        for phase, rows in other.rows.items():
            self.rows[phase].update(rows)
        self.size = max(self.size, other.size)


def map_stride(labels: Float[Tensor, "*batch channel rows columns"], *, height: int, width: int) -> int:
    """Return the pixels from one cell to the next.

    Raises:
        DataError: the map has another stride along x than along y.
    """
    rows, columns = labels.shape[-2:]
    if rows < 1 or columns < 1 or height // rows != width // columns or height // rows < 1:
        raise DataError(f"a label map of {rows} x {columns} cells has no one stride in a picture of {height} x {width}")
    return height // rows


def read_labels(
    labels: Float[Tensor, "batch channel rows columns"], pixels: Float[Tensor, "batch points 2"], *, stride: int
) -> Float[Tensor, "batch points channel"]:
    """Return labels at pixel coordinates, bilinear between cells; beyond the last cell that cell's."""
    grid = pixels_to_grid(pixels / stride, height=labels.shape[-2], width=labels.shape[-1])
    return sample(labels, grid[:, None], padding="border")[:, :, 0].mT
