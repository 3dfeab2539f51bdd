"""Edge maps by hand, against the maps of all edges, and where points coincide or weights are 0."""

import math

import pytest
import torch

from armillary_keypoints.kernels import edge_map as module
from armillary_keypoints.kernels.edge_map import edge_map, naive_edge_map, strongest_edges

BATCHES = [(), (5,), (2, 3)]
DISTANCES = ["squared", "plain"]


def draw(*batch, points=6, seed=0, spread=1.0):
    """Points and weights in float64."""
    generator = torch.Generator().manual_seed(seed)
    place = spread * (2 * torch.rand(*batch, points, 2, generator=generator, dtype=torch.float64) - 1)
    return place, torch.rand(points * (points - 1) // 2, generator=generator, dtype=torch.float64)


# --- golden -----------------------------------------------------------------------------------------------------------


def test_one_edge_by_hand():
    """Three by three pixels, the edge from the centre to the right, weight 2, thickness 1.

    Beside the edge the distance is that from its line, 1 above and below; on the left that from its end, 1 and sqrt 2.
    """
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    weight = torch.tensor([2.0], dtype=torch.float64)
    squares = torch.tensor([[[2.0, 1, 1], [1, 0, 0], [2, 1, 1]]], dtype=torch.float64)
    found = edge_map(points, weight, height=3, width=3, thickness=1)
    torch.testing.assert_close(found, 2 * torch.exp(-squares))
    plain = edge_map(points, weight, height=3, width=3, thickness=2, distance="plain")
    torch.testing.assert_close(plain, 2 * torch.exp(-squares.sqrt() / 2))


def test_weights_belong_to_pairs_in_the_order_of_the_upper_triangle():
    """Points at the corners (-1, -1), (1, -1), (1, 1): the edges are 01 along the top, 02 the diagonal, 12 on the right."""
    points = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])
    found = edge_map(points, torch.tensor([1.0, 2.0, 4.0]), height=3, width=3, thickness=1e-3)
    assert found.round(decimals=4).tolist() == [[[2, 1, 4], [0, 2, 4], [0, 0, 4]]]


def test_gradient_by_hand():
    """The pixel at (0, 0) and an edge from (-1, 1) to (1, 1): d = 1, t = 1/2, v = w exp(-1).

    dv / dw = exp(-1). Moving an end down by e moves the edge by e / 2: d^2 grows by e, so v by -v e for each end.
    """
    points = torch.tensor([[-1.0, 1.0], [1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    edge_map(points, weight, height=1, width=1, thickness=1).sum().backward()
    v = 3 * math.exp(-1)
    assert weight.grad.tolist() == pytest.approx([math.exp(-1)])
    assert points.grad.flatten().tolist() == pytest.approx([0, -v, 0, -v])


# --- reference --------------------------------------------------------------------------------------------------------


def both(points, weights, *, dtype=torch.float64, **settings):
    """Value and gradients of the map and of its reference, under one random pull."""
    pull = torch.randn(settings["height"], settings["width"], generator=torch.Generator().manual_seed(1)).double()
    results = []
    for function, kind in ((edge_map, dtype), (naive_edge_map, torch.float64)):
        own = [x.detach().to(kind).clone().requires_grad_() for x in (points, weights)]
        found = function(*own, **settings)
        (found * pull).sum().backward()
        results.append((found.detach(), *(x.grad for x in own)))
    return zip(*results, strict=True)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("size", [(16, 16), (9, 21), (1, 5), (1, 1)])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("thickness", [1e-2, 3.0])
@pytest.mark.parametrize("entries", [1, 2**17])
def test_equal_to_the_maps_of_all_edges(batch, size, distance, thickness, entries, monkeypatch):
    monkeypatch.setitem(module._ENTRIES_PER_BLOCK, "cpu", entries)
    height, width = size
    settings = {"height": height, "width": width, "thickness": thickness, "distance": distance}
    for one, other in both(*draw(*batch), **settings):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-9)
    assert edge_map(*draw(*batch), **settings).shape == (*batch, 1, height, width)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("spread", [1.5, 0.01, 1e-7])
def test_many_edges_in_many_tiles(distance, spread):
    """Where the points are together nothing can be left out, and the order of edges must hold all the same."""
    points, weights = draw(2, points=16, spread=spread)
    found = edge_map(points, weights, height=40, width=56, thickness=2e-3, distance=distance)
    expected = naive_edge_map(points, weights, height=40, width=56, thickness=2e-3, distance=distance)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)


def test_single_precision():
    """The published size: 32 points, 128 x 128, thickness 7.5e-4. All maps in float32 are off by ten times as much."""
    points, weights = (x.float().double() for x in draw(1, points=32, spread=0.8))
    value, to_points, to_weights = both(points, weights, dtype=torch.float32, height=128, width=128, thickness=7.5e-4)
    assert (value[0] - value[1]).abs().max() <= 5e-7
    for one, other in (to_points, to_weights):
        assert (one - other).abs().max() <= 1e-6 * other.abs().max()


def test_few_edges_are_looked_at():
    """32 points have 496 edges; a tile of 8 x 8 pixels of 128 x 128 looks at fewer than 100 in the mean."""
    points, weights = (x.float() for x in draw(1, points=32, spread=0.8))
    edges = module._Edges(points, 0.1 + weights, thickness=1e-3, distance="squared")
    x, y = (values * edges.scale for values in module._tiled((128, 128), points))
    _, counts, _ = module._candidates(edges.table, x, y, distance="squared")
    assert len(counts) == 256
    assert counts.min() >= 1
    assert counts.float().mean() < 100


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", DISTANCES)
def test_mirrored_points_give_a_mirrored_map(distance):
    points, weights = draw(2)
    settings = {"height": 11, "width": 14, "thickness": 0.02, "distance": distance}
    mirrored = edge_map(points * torch.tensor([-1.0, 1.0]), weights, **settings)
    torch.testing.assert_close(mirrored, edge_map(points, weights, **settings).flip(-1))


def test_a_common_factor_of_the_weights_is_one_of_the_map():
    points, weights = draw(2)
    one, other = (edge_map(points, k * weights, height=12, width=12, thickness=0.02) for k in (1, 7))
    torch.testing.assert_close(7 * one, other)


def test_the_order_of_points_changes_nothing():
    points, weights = draw(points=5)
    table = torch.zeros(5, 5, dtype=torch.float64)
    first, second = torch.triu_indices(5, 5, 1)
    table[first, second] = table[second, first] = weights
    order = torch.tensor([3, 1, 4, 0, 2])
    other = table[order][:, order][first, second]
    settings = {"height": 12, "width": 12, "thickness": 0.02}
    torch.testing.assert_close(edge_map(points[order], other, **settings), edge_map(points, weights, **settings))


def test_items_know_nothing_of_each_other():
    points, weights = draw(3)
    settings = {"height": 12, "width": 9, "thickness": 0.02}
    whole = edge_map(points, weights, **settings)
    for item, found in zip(points, whole, strict=True):
        assert torch.equal(edge_map(item, weights, **settings), found)


def test_the_strongest_edge_is_that_of_the_maps():
    points, weights = draw(2, points=5)
    maps = torch.stack([naive_edge_map(points, weights * (k == torch.arange(10)), height=9, width=7, thickness=0.5)
                        for k in range(10)])  # fmt: skip
    found = strongest_edges(points, weights, size=(9, 7), thickness=0.5)
    assert torch.equal(found, maps.argmax(0).flatten(1))


# --- gradient ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_gradient(batch, distance):
    points, weights = (x.requires_grad_() for x in draw(*batch, points=4))

    def function(a, b):
        return edge_map(a, b, height=5, width=6, thickness=0.3, distance=distance)

    assert torch.autograd.gradcheck(function, (points, weights))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("apart", [0.0, 1e-30, 1e-7])
def test_points_that_coincide(apart, distance, dtype):
    """Their edge is a point: the map is that of the distance from it, and gradients are finite."""
    place = torch.tensor([0.25, -0.5], dtype=dtype)
    points = torch.stack((place, place + apart, place)).requires_grad_()
    weights = torch.ones(3, dtype=dtype, requires_grad=True)
    found = edge_map(points, weights, height=9, width=9, thickness=0.1, distance=distance)
    away = torch.linalg.vector_norm(module._positions((9, 9), place) - place, dim=-1).view(1, 9, 9)
    expected = torch.exp(-(away.square() if distance == "squared" else away) / 0.1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    (found * torch.arange(9)).sum().backward()
    assert points.grad.isfinite().all()
    assert points.grad.abs().max() > 0
    assert weights.grad.isfinite().all()


def test_a_pixel_on_the_edge_has_no_plain_gradient():
    points = torch.tensor([[-1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    edge_map(points, torch.ones(1), height=1, width=1, thickness=0.1, distance="plain").sum().backward()
    assert points.grad.abs().max() == 0


def test_only_the_strongest_edge_learns():
    """The bottom edge is nearest to every pixel of the bottom row, so the far point gets nothing from them."""
    points = torch.tensor([[-1.0, 1.0], [1.0, 1.0], [0.0, -1.0]], requires_grad=True)
    weights = torch.ones(3, requires_grad=True)
    edge_map(points, weights, height=5, width=5, thickness=0.5)[..., -1, 1:-1].sum().backward()
    assert points.grad[2].abs().max() == 0
    assert weights.grad.gt(0).tolist() == [True, False, False]


# --- weights of 0, values that are not finite --------------------------------------------------------------------------


@pytest.mark.parametrize("distance", DISTANCES)
def test_edges_of_weight_0_are_not_drawn(distance):
    points, weights = draw(2, points=5)
    weights[[0, 3, 7]] = 0
    for one, other in both(points, weights, height=20, width=20, thickness=0.05, distance=distance):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-9)


def test_no_weight_at_all_is_an_empty_map():
    points, _ = draw(2, points=4)
    weights = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    found = edge_map(points.requires_grad_(), weights, height=8, width=8, thickness=0.1)
    found.sum().backward()
    assert found.abs().max() == 0
    assert points.grad.abs().max() == 0
    assert weights.grad.isfinite().all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_point_is_seen_in_its_item_alone(bad):
    points, weights = draw(2)
    points[0, 3, 1] = bad
    found = edge_map(points, weights, height=8, width=8, thickness=0.1)
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


# --- precision, what is kept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    points, weights = (x.to(dtype).requires_grad_() for x in draw(2))
    found = edge_map(points, weights, height=8, width=8, thickness=1e-2)
    assert torch.equal(found, edge_map(points.float(), weights.float(), height=8, width=8, thickness=1e-2))
    found.sum().backward()
    assert points.grad.dtype == weights.grad.dtype == dtype


def test_mixed_precision_does_not_reach_it():
    points, weights = (x.float() for x in draw(2))
    expected = edge_map(points, weights, height=8, width=8, thickness=1e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(edge_map(points, weights, height=8, width=8, thickness=1e-2), expected)


def test_the_maps_of_the_edges_are_not_kept():
    """What is saved for the gradient is a few numbers a pixel, however many edges there are."""
    saved = []
    points, weights = (x.requires_grad_() for x in draw(2, points=20))
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        edge_map(points, weights, height=16, width=16, thickness=1e-2)
    assert sum(x.numel() for x in saved) <= 7 * 2 * 16 * 16 + 3 * 190


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2,), (1, 2), (4, 3)])
def test_what_is_no_points_is_refused(shape):
    with pytest.raises(ValueError, match="points must be"):
        edge_map(torch.zeros(shape), torch.zeros(1), height=4, width=4, thickness=1)


def test_another_number_of_weights_is_refused():
    with pytest.raises(ValueError, match="4 points have 6 edges"):
        edge_map(torch.zeros(4, 2), torch.zeros(5), height=4, width=4, thickness=1)


@pytest.mark.parametrize("change", [{"height": 0}, {"thickness": 0.0}, {"thickness": -1.0}, {"distance": "cubed"}])
def test_settings_out_of_range_are_refused(change):
    settings = {"height": 4, "width": 4, "thickness": 1.0, **change}
    with pytest.raises(ValueError, match=r"pixels|thickness|distance"):
        edge_map(torch.zeros(3, 2), torch.zeros(3), **settings)
