"""Bounded quantities: values by hand."""

import pytest
import torch

from armillary.kernels.ranges import paraboloid, rescale


def test_rescale_by_hand():
    """-1, 0, 1 become 0.9, 1.0, 1.1."""
    torch.testing.assert_close(rescale(torch.tensor([-1.0, 0.0, 1.0]), 0.9, 1.1), torch.tensor([0.9, 1.0, 1.1]))


def test_paraboloid_by_hand():
    """On 3 x 5 pixels: 1 in the middle, 0 at the middle of each side and in the corners, 3/4 half way to a side."""
    found = paraboloid(3, 5)
    assert found[1].tolist() == pytest.approx([0, 0.75, 1, 0.75, 0])
    assert found[0].tolist() == found[2].tolist() == [0] * 5
