"""Label maps, read as positions: cells in pixels, labels at points, the cells of given labels.

Cell (i, j) of a map of stride s is at pixel (x, y) = (s j, s i) of its picture, not at the middle of the pixels that it covers.

Source: the identification of cells with pixels is that of jamt9000/DVE, model/loss.py.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from armillary.errors import DataError
from armillary.kernels.points import soft_argmax
from armillary.kernels.sampling import grid_to_pixels, pixels_to_grid, sample


def map_stride(labels: Float[Tensor, "*batch channel rows columns"], *, height: int, width: int) -> int:
    """Return the pixels from one cell to the next.

    Raises:
        DataError: the map has another stride along x than along y.

    >>> map_stride(torch.zeros(3, 4, 8), height=8, width=16)
    2
    """
    rows, columns = labels.shape[-2:]
    if rows < 1 or columns < 1 or height // rows != width // columns or height // rows < 1:
        raise DataError(f"a label map of {rows} x {columns} cells has no one stride in a picture of {height} x {width}")
    return height // rows


def lattice(
    rows: int,
    columns: int,
    *,
    stride: int,
    height: int,
    width: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Float[Tensor, "cells 2"]:
    """Return positions of the cells of a label map in its picture, row by row: (x, y) = (s j, s i), pixels.

    Args:
        stride: pixels per cell, s = picture height // map height.
        height, width: of the picture.

    Raises:
        ValueError: the map does not fit into the picture.

    Source: jamt9000/DVE, model/loss.py, whose maps are compared at ``[::stride]`` of the picture.

    >>> lattice(1, 3, stride=8, height=8, width=24).tolist()
    [[0.0, 0.0], [8.0, 0.0], [16.0, 0.0]]
    """
    if min(rows, columns, stride) < 1 or rows * stride > height or columns * stride > width:
        raise ValueError(f"a map of {rows} x {columns} cells of {stride} does not fit into {height} x {width} pixels")
    x = torch.arange(columns, dtype=dtype, device=device) * stride
    y = torch.arange(rows, dtype=dtype, device=device) * stride
    return torch.stack((x.repeat(rows), y.repeat_interleave(columns)), dim=-1)


def read_labels(
    labels: Float[Tensor, "batch channel rows columns"], pixels: Float[Tensor, "batch points 2"], *, stride: int
) -> Float[Tensor, "batch points channel"]:
    """Return labels at pixel coordinates, bilinear between cells; beyond the last cell that cell's.

    >>> read_labels(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[1.0, 0.0], [9.0, 0.0]]]), stride=2).tolist()
    [[[0.5], [1.0]]]
    """
    grid = pixels_to_grid(pixels / stride, height=labels.shape[-2], width=labels.shape[-1])
    return sample(labels, grid[:, None], padding="border")[:, :, 0].mT


def nearest_cells(
    labels: Float[Tensor, "batch channel rows columns"], vectors: Float[Tensor, "points channel"], *, metric: str
) -> Int[Tensor, "batch points"]:
    """Return the index of the cell whose label is nearest to each vector, row by row from the top.

    Args:
        metric: ``product`` for the largest inner product; anything else for the smallest distance.

    >>> nearest_cells(torch.tensor([[[[0.0, 1.0, 5.0]]]]), torch.tensor([[1.0]]), metric="euclidean").tolist()
    [[1]]
    """
    flat = labels.flatten(-2)
    score = 2.0 * torch.einsum("kc,bcn->bkn", vectors, flat)
    if metric != "product":
        score = score - flat.square().sum(dim=1, keepdim=True)
    return score.nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf).argmax(dim=-1)


def label_points(
    labels: Float[Tensor, "batch channel rows columns"],
    *,
    count: int,
    multiplier: float,
    seed: int,
    height: int,
    width: int,
) -> Float[Tensor, "batch count 2"]:
    r"""Return the positions of fixed labels: the soft-argmax of the products with directions drawn uniformly.

    .. math:: u_m = \sum_v u_v\, \mathrm{softmax}_v\, \tau \langle w_m, \Phi_v \rangle, \quad \lVert w_m \rVert = 1

    Args:
        labels: :math:`\Phi`, [-1, 1] in each channel if labels are points of the sphere; nan is read as 0.
        count: number of directions :math:`w_m`.
        multiplier: :math:`\tau`, of the products before the softmax.
        seed: of the directions, which depend on nothing else, so that all pictures have the same.
        height, width: of the picture, in pixels.

    Returns:
        (x, y) in [-1, 1] of the picture.

    >>> label_points(torch.zeros(1, 3, 2, 2), count=1, multiplier=1.0, seed=0, height=3, width=3).tolist()
    [[[-0.5, -0.5]]]
    """
    channels, rows, columns = labels.shape[-3:]
    stride = map_stride(labels, height=height, width=width)
    drawn = torch.randn(count, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    directions = functional.normalize(drawn, dim=-1).to(labels)
    heat = torch.einsum("mc,bcij->bmij", directions, labels.nan_to_num())
    cells = grid_to_pixels(soft_argmax(heat, temperature=1.0 / multiplier), height=rows, width=columns)
    return pixels_to_grid(stride * cells, height=height, width=width)
