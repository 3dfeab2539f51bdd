"""Label maps as positions: cells and pixels by hand, soft positions of labels that are known."""

import math

import pytest
import torch

from armillary.errors import DataError
from armillary.std.label_maps import label_points, lattice, map_stride, nearest_cells, read_labels


def test_cells_stand_at_the_pixels_that_they_are_read_at():
    """Cell (1, 2) of a map of stride 2 is pixel x = 4, y = 2."""
    positions = lattice(3, 4, stride=2, height=7, width=8)
    assert positions.view(3, 4, 2)[1, 2].tolist() == [4, 2]
    assert positions[0].tolist() == [0, 0]
    assert positions[-1].tolist() == [6, 4]


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        lattice(4, 4, stride=2, height=7, width=8)
    with pytest.raises(DataError, match="no one stride"):
        map_stride(torch.zeros(3, 4, 4), height=8, width=16)


def test_labels_are_read_between_cells_and_never_beyond():
    """Stride 2: pixel 1 is half way between the cells 0 and 1; pixel 9 is beyond the last cell."""
    labels = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    pixels = torch.tensor([[[1.0, 0.0], [1.0, 1.0], [9.0, 9.0], [0.0, 2.0]]])
    assert read_labels(labels, pixels, stride=2)[0, :, 0].tolist() == [0.5, 1.5, 3.0, 2.0]


def test_metrics_by_hand():
    """z = (1, 0, 0); cells: the same with a little to the side, five times as long, and half as long."""
    labels = torch.tensor([[1.0, 0.1, 0], [5.0, 2.0, 0], [0.5, 0, 0]]).T[None, :, None, :]
    z = torch.tensor([[1.0, 0.0, 0.0]])
    assert nearest_cells(labels, z, metric="euclidean").item() == 0
    assert nearest_cells(labels, z, metric="product").item() == 1
    unit = torch.nn.functional.normalize(labels, dim=1)
    assert nearest_cells(unit, z, metric="direction").item() == 2


def test_labels_that_are_not_numbers_are_never_nearest():
    labels = torch.tensor([[math.nan, 0, 0], [9.0, 0, 0], [math.inf, 0, 0]]).T[None, :, None, :]
    for metric in ("euclidean", "product"):
        assert nearest_cells(labels, torch.tensor([[1.0, 0.0, 0.0]]), metric=metric).item() == 1


@pytest.mark.parametrize("batch", [1, 3])
def test_a_label_that_one_cell_alone_has_is_found_at_its_pixel(batch):
    """A vector along each drawn direction at one cell, against it elsewhere: the soft-argmax is the cell, at pixel (s j, s i)."""
    rows, columns, stride, height, width = 4, 5, 2, 9, 11
    drawn = torch.randn(2, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    direction = torch.nn.functional.normalize(drawn, dim=-1)[1]
    labels = -direction[None, :, None, None].expand(batch, 3, rows, columns).clone()
    labels[:, :, 2, 3] = direction
    labels[0, :, 0, 0] = math.nan
    found = label_points(labels, count=2, multiplier=100.0, seed=7, height=height, width=width)[:, 1]
    expected = torch.tensor([2.0 * 3 * stride / (width - 1) - 1.0, 2.0 * 2 * stride / (height - 1) - 1.0])
    torch.testing.assert_close(found, expected.double().expand(batch, 2), atol=1e-7, rtol=0)


def test_a_moved_map_moves_its_points():
    """Labels that move by one cell of stride 2 in a frame of constant labels: the points that are in them move by two pixels."""
    generator = torch.Generator().manual_seed(0)
    patch = torch.nn.functional.normalize(torch.randn(1, 3, 4, 4, generator=generator, dtype=torch.float64), dim=1)
    one = torch.zeros(1, 3, 10, 10, dtype=torch.float64)
    other = one.clone()
    one[:, :, 2:6, 2:6], other[:, :, 2:6, 3:7] = patch, patch
    how = {"count": 20, "multiplier": 100.0, "seed": 0, "height": 20, "width": 20}
    moved = label_points(other, **how) - label_points(one, **how)
    assert moved[..., 0].median().item() == pytest.approx(2 * 2.0 / 19, rel=1e-3)
    assert moved[..., 1].abs().median().item() < 1e-3
