"""Points by hand, against the broadcast form, and the laws of a mean position."""

import math

import pytest
import torch

from armillary.kernels import points
from armillary.kernels.points import argmax_positions, coordinate_table, soft_argmax, values_at

BATCHES = [(), (5,), (2, 3)]


def draw(*shape, seed=0, size=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * size


def broadcast(logits, *, temperature=1.0):
    """The usual form: every cell's probability times its position."""
    height, width = logits.shape[-2:]
    p = torch.softmax(logits.flatten(-2) / temperature, dim=-1).view_as(logits)
    x, y = (torch.linspace(-1, 1, n, dtype=logits.dtype) for n in (width, height))
    return torch.stack(((p * x).sum((-2, -1)), (p * y[:, None]).sum((-2, -1))), dim=-1)


# --- golden -----------------------------------------------------------------------------------------------------------


def test_two_cells_by_hand():
    """Logits 0 and log 3 at x = -1 and 1: probabilities 1/4 and 3/4, mean 1/2. At temperature 1/2: 1/10 and 9/10."""
    logits = torch.tensor([[[0.0, math.log(3)]]], dtype=torch.float64)
    torch.testing.assert_close(soft_argmax(logits), torch.tensor([[0.5, 0]], dtype=torch.float64))
    cold = soft_argmax(logits, temperature=0.5)
    torch.testing.assert_close(cold, torch.tensor([[0.8, 0]], dtype=torch.float64))


def test_corner_cells_stand_at_the_corners():
    """Height 2, width 3. The first cell of the second row is (-1, 1): x first."""
    for cell, place in [((0, 0), (-1, -1)), ((1, 0), (-1, 1)), ((0, 2), (1, -1)), ((1, 1), (0, 1))]:
        logits = torch.full((1, 2, 3), -math.inf)
        logits[0, cell[0], cell[1]] = 0
        assert soft_argmax(logits).tolist() == [list(place)]
        assert argmax_positions(logits).tolist() == [list(place)]
        assert values_at(logits.exp(), torch.tensor([place], dtype=torch.float32)).tolist() == [[1]]


def test_value_between_cells_by_hand():
    """Half-way between 1 and 2, and beyond the border that of the border."""
    image = torch.tensor([[[1.0, 2.0], [1.0, 2.0]], [[0.0, 0.0], [4.0, 4.0]]])
    found = values_at(image, torch.tensor([[0.0, -1.0], [3.0, 0.5]]))
    assert found.tolist() == [[1.5, 0], [2, 3]]


# --- reference --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("size", [(8, 8), (5, 9), (1, 6), (1, 1)])
@pytest.mark.parametrize("temperature", [1.0, 0.01, 3.0])
@pytest.mark.parametrize("entries", [1, 200, 2**19])
def test_equal_to_the_broadcast_form(batch, size, temperature, entries, monkeypatch):
    monkeypatch.setitem(points._ENTRIES_PER_BLOCK, "cpu", entries)
    weight = draw(*batch, 4, 2, seed=1)
    results = []
    for function in (soft_argmax, broadcast):
        logits = draw(*batch, 4, *size, size=temperature).requires_grad_()
        found = function(logits, temperature=temperature)
        (found * weight).sum().backward()
        results.append((found.detach(), logits.grad))
    if min(size) > 1:  # linspace has one cell at -1, we have it at 0
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    assert results[0][0].shape == (*batch, 4, 2)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_single_precision(scale):
    logits = draw(3, 5, 32, 32) * scale
    found = soft_argmax(logits.float())
    assert found.dtype == torch.float32
    assert (found - broadcast(logits)).abs().max() <= 2e-6 * scale


# --- laws -------------------------------------------------------------------------------------------------------------


def test_mirrored_maps_give_mirrored_points():
    logits = draw(2, 3, 6, 7)
    expected = soft_argmax(logits) * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(soft_argmax(logits.flip(-1)), expected)


def test_a_constant_changes_nothing_however_large():
    logits = draw(2, 3, 6, 7)
    for shift in (7.0, 1e6, -1e6):
        torch.testing.assert_close(soft_argmax(logits + shift), soft_argmax(logits), atol=1e-8, rtol=0)


def test_all_alike_is_the_centre():
    assert soft_argmax(torch.full((1, 6, 7), 3.0)).abs().max() <= 1e-6


def test_cold_is_the_largest():
    logits = draw(4, 3, 6, 7)
    torch.testing.assert_close(soft_argmax(logits, temperature=1e-4), argmax_positions(logits))


def test_a_sampled_map_of_coordinates_gives_the_points():
    image = coordinate_table(6, 7, dtype=torch.float64).T.unflatten(-1, (6, 7))
    place = draw(2, 5, 2, size=0.4)
    torch.testing.assert_close(values_at(image.expand(2, 2, 6, 7), place), place)


def test_the_first_of_equal_values_is_taken():
    assert argmax_positions(torch.zeros(1, 3, 3)).tolist() == [[-1, -1]]


# --- gradient ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_gradient(temperature):
    logits = draw(2, 3, 4, 5, size=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_argmax(x, temperature=temperature), (logits,))


def test_cells_left_out_get_no_gradient_and_change_nothing():
    logits = draw(1, 4, 5)
    logits[..., 2:] = -math.inf
    logits.requires_grad_()
    found = soft_argmax(logits)
    found.sum().backward()
    x, _ = soft_argmax(logits.detach()[..., :2]).unbind(-1)
    torch.testing.assert_close((found[..., 0] + 1) * 2, (x + 1) / 2)  # both are columns
    assert logits.grad[..., 2:].abs().max() == 0
    assert logits.grad.isfinite().all()


def test_the_softmax_is_not_kept():
    """Only the logits themselves, the table and the points are saved for the gradient."""
    saved = []
    logits = torch.randn(8, 4, 16, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        soft_argmax(logits)
    others = [x for x in saved if x.data_ptr() != logits.data_ptr()]
    assert sum(x.numel() for x in others) <= 2 * 16 * 16 + 2 * 8 * 4


# --- precision, what is kept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    logits = draw(2, 3, 6, 7).to(dtype).requires_grad_()
    found = soft_argmax(logits)
    assert torch.equal(found, soft_argmax(logits.float()))
    found.sum().backward()
    assert logits.grad.dtype == dtype
    assert argmax_positions(logits).dtype == torch.float32


def test_mixed_precision_does_not_reach_it():
    logits = draw(2, 3, 6, 7).float()
    expected = soft_argmax(logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(soft_argmax(logits), expected)


def test_the_table_serves_training_after_inference():
    coordinate_table.cache_clear()
    with torch.inference_mode():
        soft_argmax(torch.zeros(1, 3, 3))
    soft_argmax(torch.zeros(1, 3, 3, requires_grad=True)).sum().backward()
    assert coordinate_table.cache_info().misses == 1


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_what_is_no_map_is_refused():
    for function in (soft_argmax, argmax_positions):
        with pytest.raises(ValueError, match="height width"):
            function(torch.zeros(3, 3))


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        soft_argmax(torch.zeros(1, 3, 3), temperature=temperature)


def test_points_of_another_batch_are_refused():
    with pytest.raises(ValueError, match="share their batch"):
        values_at(torch.zeros(2, 1, 3, 3), torch.zeros(3, 4, 2))
