"""Corners, round trips, resizing, refusals."""

import pytest
import torch
from torch.nn import functional

from armillary.kernels import sampling

BATCHES = [(), (5,), (2, 3)]


def test_corners_of_the_grid_are_centres_of_corner_pixels():
    pixels = torch.tensor([[0.0, 0.0], [6.0, 3.0], [3.0, 1.5]])
    grid = sampling.pixels_to_grid(pixels, height=4, width=7)
    assert grid.tolist() == [[-1, -1], [1, 1], [0, 0]]


@pytest.mark.parametrize("size", [(4, 7), (1, 5), (5, 1), (1, 1)])
def test_grid_and_pixels_are_inverse(size):
    height, width = size
    pixels = torch.rand(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6
    grid = sampling.pixels_to_grid(pixels, height=height, width=width)
    back = sampling.grid_to_pixels(grid, height=height, width=width)
    torch.testing.assert_close(back, pixels, atol=1e-14, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("size", [(4, 7), (1, 5), (5, 1)])
def test_identity_grid_returns_the_image(batch, size):
    image = torch.rand(*batch, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = sampling.identity_grid(*size, dtype=torch.float64).expand(*batch, *size, 2)
    torch.testing.assert_close(sampling.sample(image, grid), image, atol=1e-14, rtol=0)


def test_bilinear_by_hand():
    """Between the two columns 0 and 4, a quarter of the way: 1."""
    image = torch.tensor([[[0.0, 4.0], [0.0, 4.0]]])
    assert sampling.sample(image, torch.tensor([[[-0.5, 0.0]]])).item() == 1


def test_x_is_the_column():
    image = torch.arange(6.0).reshape(1, 2, 3)
    assert sampling.sample(image, torch.tensor([[[1.0, -1.0]]])).item() == 2


def test_outside_is_zero_or_the_border():
    image = torch.ones(1, 3, 3)
    outside = torch.tensor([[[-2.0, -2.0]]])
    assert sampling.sample(image, outside).item() == 0
    assert sampling.sample(image, outside, padding="border").item() == 1


def test_nearest_takes_one_pixel():
    image = torch.tensor([[[0.0, 4.0], [0.0, 4.0]]])
    assert sampling.sample(image, torch.tensor([[[-0.2, 0.0]]]), mode="nearest").item() == 0


def test_resized_points_keep_their_place_in_the_picture():
    """Halved by averages over 2 x 2, a ramp of x + y reads the same at the moved points."""
    ramp = (torch.arange(8.0)[:, None] + torch.arange(8.0)).reshape(1, 1, 8, 8)
    half = functional.avg_pool2d(ramp, 2)[0]
    point = torch.tensor([3.0, 4.0])
    moved = sampling.resize_points(point, 0.5)
    assert moved.tolist() == [1.25, 1.75]
    grid = sampling.pixels_to_grid(moved, height=4, width=4)
    assert sampling.sample(half, grid[None, None]).item() == pytest.approx(7.0)


def test_resizing_there_and_back():
    points = torch.tensor([[0.3, 7.1]], dtype=torch.float64)
    scale = torch.tensor([0.5, 3.0], dtype=torch.float64)
    torch.testing.assert_close(sampling.resize_points(sampling.resize_points(points, scale), 1 / scale), points)


def test_gradients():
    image = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    grid = (
        torch.rand(2, 3, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    ).requires_grad_()
    assert torch.autograd.gradcheck(sampling.sample, (image, grid))


@pytest.mark.parametrize(
    ("image", "grid"),
    [((2, 3, 4, 4), (3, 4, 4, 2)), ((3, 4, 4), (1, 4, 4, 2)), ((3, 4, 4), (4, 4, 3))],
)
def test_refuses(image, grid):
    with pytest.raises(ValueError, match="must share their batch"):
        sampling.sample(torch.ones(image), torch.ones(grid))
