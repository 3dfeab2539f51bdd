"""The edge map is the same on every device."""

import pytest
import torch

from armillary_keypoints.kernels.edge_map import edge_map, naive_edge_map


@pytest.mark.parametrize("distance", ["squared", "plain"])
@pytest.mark.parametrize("function", [edge_map, naive_edge_map])
def test_same_on_every_device(right_on, function, distance):
    generator = torch.Generator().manual_seed(0)
    points = 1.8 * torch.rand(2, 5, 2, generator=generator, dtype=torch.float64) - 0.9
    weights = 0.1 + torch.rand(10, generator=generator, dtype=torch.float64)
    right_on(
        lambda p, w: function(p, w, height=11, width=13, thickness=0.05, distance=distance),
        points,
        weights,
        tolerance=1e-3,
    )
