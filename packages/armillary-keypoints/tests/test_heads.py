"""Claims of ``heads.py``: what a key point is, and how its graph is drawn."""

import math

import pytest
import torch
from torch.nn import functional

from armillary_keypoints.heads import Blobs, Edges, KeypointsHead
from armillary_keypoints.kernels.edge_map import naive_edge_map


def edges(points=4, **settings):
    torch.manual_seed(0)
    return Edges(points=points, height=24, width=20, **settings)


def points(items=2, count=4, seed=0):
    return 1.6 * torch.rand(items, count, 2, generator=torch.Generator().manual_seed(seed)) - 0.8


def test_a_key_point_is_the_mean_position_under_its_map():
    head = KeypointsHead(features=6, points=3)
    found = head(features=torch.randn(2, 6, 5, 8, generator=torch.Generator().manual_seed(0)))
    heatmap = found["heatmap"]
    assert heatmap.shape == (2, 3, 5, 8)
    torch.testing.assert_close(heatmap.sum((-2, -1)), torch.ones(2, 3))
    y, x = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 8), indexing="ij")
    by_hand = torch.stack(((heatmap * x).sum((-2, -1)), (heatmap * y).sum((-2, -1))), dim=-1)
    torch.testing.assert_close(found["keypoints2d"], by_hand)


def test_x_is_first():
    """The authors' order is (row, column): a map that is hot at the right edge has x near 1 here."""
    head = KeypointsHead(features=1, points=2)
    with torch.no_grad():
        head.conv.weight.zero_()
        head.conv.weight[..., 1, 1] = 1.0
    features = torch.full((1, 1, 4, 4), -50.0)
    features[..., 1, 3] = 50.0
    torch.testing.assert_close(head(features=features)["keypoints2d"], torch.tensor([[[1.0, -1 / 3]] * 2]))


def test_a_low_temperature_makes_peaks():
    """Maps of half the temperature are those of twice the logits."""
    torch.manual_seed(0)
    sharp, plain = KeypointsHead(features=6, points=3, temperature=0.5), KeypointsHead(features=6, points=3)
    plain.load_state_dict({name: 2 * value for name, value in sharp.state_dict().items()})
    features = torch.randn(2, 6, 8, 8)
    for one, other in zip(sharp(features=features).values(), plain(features=features).values(), strict=True):
        torch.testing.assert_close(one, other)


def test_half_precision_is_computed_in_single():
    head = KeypointsHead(features=6, points=3).half()
    found = head(features=torch.randn(2, 6, 8, 8).half())
    assert {value.dtype for value in found.values()} == {torch.float32}


def test_weights_of_edges_start_at_softplus_of_the_initial_and_are_positive():
    graph = edges(points=20)
    assert graph.weights.shape == (190,)
    assert graph.weights.mean().item() == pytest.approx(math.log1p(math.exp(-4.0)), rel=0.05)
    assert (graph.multiplier * graph.scalars).std().item() == pytest.approx(0.1, rel=0.2)
    assert graph.weights.min() > 0


def test_the_multiplier_multiplies_the_step_and_not_the_start():
    small, large = edges(multiplier=1.0), edges(multiplier=512.0)
    torch.testing.assert_close(small.weights, large.weights)
    for graph in (small, large):
        graph.weights.sum().backward()
    assert large.scalars.grad is not None
    torch.testing.assert_close(large.scalars.grad / 512, small.scalars.grad)


@pytest.mark.parametrize("distance", ["squared", "plain"])
def test_what_is_drawn_is_the_formula(distance):
    graph, places = edges(distance=distance, initial=0.0, spread=1.0), points()
    found = graph(keypoints2d=places)
    weights = functional.softplus(graph.multiplier * graph.scalars)
    wanted = naive_edge_map(places, weights, height=24, width=20, thickness=graph.thickness, distance=distance)
    torch.testing.assert_close(found["edge_map"], wanted)
    torch.testing.assert_close(found["edge_weights"], weights.expand(2, -1))


def test_points_and_weights_have_slopes():
    graph, places = edges(), points().requires_grad_()
    graph(keypoints2d=places)["edge_map"].square().sum().backward()
    assert places.grad.isfinite().all()
    assert places.grad.abs().sum() > 0
    assert graph.scalars.grad.abs().sum() > 0


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="number of features"):
        KeypointsHead.build(KeypointsHead.Config(), inputs={"features": (None, None, 8, 8)})
    known = {"keypoints2d": (None, 8, 2)}
    with pytest.raises(ValueError, match="number of rows of the pictures"):
        Edges.build(Edges.Config(), inputs=known, outputs={"edge_map": (None, 1, None, None)})
    with pytest.raises(ValueError, match="two points"):
        edges(points=1)


def test_a_blob_has_its_peak_at_its_point():
    """Corner cells are the corners of [-1, 1]: one point in the upper right corner, one in the middle of 5 x 5 cells."""
    places = torch.tensor([[[1.0, -1.0], [0.0, 0.0]]])
    found = Blobs(height=5, width=5, thickness=0.25)(keypoints2d=places)
    drawn = found["edge_map"][0, 0]
    assert drawn[0, 4] == drawn[2, 2] == 1
    assert drawn[2, 3].item() == pytest.approx(math.exp(-1))  # half a unit away: 0.25 / 0.25
    assert (drawn < 1).sum() == 23
    assert found["edge_weights"].tolist() == [[0.0]]


def test_blobs_have_slopes_and_know_no_order():
    places = points().requires_grad_()
    blobs = Blobs(height=24, width=20, thickness=0.05)
    drawn = blobs(keypoints2d=places)["edge_map"]
    drawn.square().sum().backward()
    assert places.grad.isfinite().all()
    assert places.grad.abs().sum() > 0
    torch.testing.assert_close(blobs(keypoints2d=places.flip(1))["edge_map"], drawn)
