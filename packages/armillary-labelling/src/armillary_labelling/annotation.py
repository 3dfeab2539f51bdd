"""Label maps at annotated points.

Positions are in pixels. Cell (i, j) of a label map of stride s stands at pixel (s i, s j) of its picture.
"""

from jaxtyping import Float
from torch import Tensor

from armillary.errors import DataError
from armillary.kernels.sampling import pixels_to_grid, sample


def map_stride(labels: Float[Tensor, "*batch channel rows columns"], *, height: int, width: int) -> int:
    """Pixels from one cell to the next.

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
    """Labels at pixel coordinates, bilinear between cells; beyond the last cell that cell's."""
    grid = pixels_to_grid(pixels / stride, height=labels.shape[-2], width=labels.shape[-1])
    return sample(labels, grid[:, None], padding="border")[:, :, 0].mT
