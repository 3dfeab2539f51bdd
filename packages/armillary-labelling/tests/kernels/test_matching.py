"""Matching by hand, against the whole table and the authors' formula, and the laws of a softmax over cells."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from armillary.kernels import sampling
from armillary.std.label_maps import lattice
from armillary_labelling.kernels import matching
from armillary_labelling.kernels.matching import (
    exchanged,
    expected_distance,
    match_log_likelihood,
    matching_margin,
    subsample_grid,
)

ROWS, COLUMNS, STRIDE = 6, 7, 2
VARIANTS = {
    "distance": {"exponent": 0.5},
    "distance-1": {"exponent": 1},
    "distance-1.7": {"exponent": 1.7},
    "distance-2": {"exponent": 2},
    "likelihood": {"rows": ROWS, "columns": COLUMNS},
    "margin": {"rows": ROWS, "columns": COLUMNS, "scale": 0.3, "exponent": 1},
}
FAST = {"distance": expected_distance, "likelihood": match_log_likelihood, "margin": matching_margin}
NAIVE = {
    "distance": matching.naive_expected_distance,
    "likelihood": matching.naive_match_log_likelihood,
    "margin": matching.naive_matching_margin,
}


def of(table, variant):
    function, settings = table[variant.partition("-")[0]], VARIANTS[variant]
    return lambda source, target, **more: function(source, target, **more, **settings)


def draw(batch=3, *, seed=0, dtype=torch.float64, channels=3):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    cells = ROWS * COLUMNS
    positions = lattice(ROWS, COLUMNS, stride=STRIDE, height=STRIDE * ROWS, width=STRIDE * COLUMNS)
    arguments = {
        "matches": (normal(batch, cells, 2) * 5 + 5).to(dtype),  # some lie outside
        "positions": positions.to(dtype),
        "weights": torch.rand(batch, cells, generator=g, dtype=torch.float64).to(dtype),
    }
    return normal(batch, channels, cells).to(dtype), normal(batch, channels, cells).to(dtype), arguments


def with_gradients(function, source, target, arguments):
    source, target = source.clone().requires_grad_(), target.clone().requires_grad_()
    value = function(source, target, **arguments)
    (value * torch.arange(1, len(value) + 1, dtype=value.dtype)).sum().backward()
    return value.detach(), source.grad, target.grad


def by_hand(function, match, **settings):
    """One source cell with label 1, two target cells with labels 0 and log 3: probabilities 1/4 and 3/4."""
    source = torch.ones(1, 1, 1, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0.0, math.log(3)]]], dtype=torch.float64)
    positions = torch.tensor([[0.0, 0], [4, 0]], dtype=torch.float64)
    matches, weights = torch.tensor([[match]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    value = function(source, target, matches=matches, positions=positions, weights=weights, **settings)
    value.backward()
    return value.item(), source.grad.item()


# --- golden -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exponent", "away"), [(1, 4), (0.5, 2), (2, 16), (1.5, 8)])
def test_distance_by_hand(exponent, away):
    """Found at the match itself with 1/4 and 4 pixels away with 3/4. Slope of 3/4 by the logit log 3: 3/4 * 1/4."""
    value, slope = by_hand(expected_distance, (0.0, 0.0), exponent=exponent)
    assert value == pytest.approx(0.75 * away, rel=1e-14)
    assert slope == pytest.approx(away * 0.75 * 0.25 * math.log(3), rel=1e-13)


@pytest.mark.parametrize(("x", "logit"), [(0, 0), (4, 1), (2, 0.5), (1, 0.25), (-3, 0), (9, 1)])
def test_likelihood_by_hand(x, logit):
    """-log p = log 4 - logit; the logit runs linearly from 0 to log 3 between the cells and stays beyond them."""
    value, slope = by_hand(match_log_likelihood, (float(x), 0.0), rows=1, columns=2)
    assert value == pytest.approx(math.log(4) - logit * math.log(3), rel=1e-14)
    assert slope == pytest.approx((0.75 - logit) * math.log(3), abs=1e-14)


def test_margin_by_hand():
    """The cell 4 pixels away beats that of the match by log 3, and should lose by 4 * 0.5; the right one never wins."""
    value, slope = by_hand(matching_margin, (0.0, 0.0), rows=1, columns=2, scale=0.5, exponent=1)
    assert value == pytest.approx(2 + math.log(3), rel=1e-14)
    assert slope == pytest.approx(math.log(3), rel=1e-14)
    value, slope = by_hand(matching_margin, (4.0, 0.0), rows=1, columns=2, scale=0.25, exponent=1)
    assert (value, slope) == (0, 0)


@pytest.mark.parametrize("size", [(8, 10), (9, 11), (7, 7)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_identity_grid_matches_every_cell_with_itself(size, stride):
    """Also where the stride does not divide the picture: the map ends before it."""
    grid = sampling.identity_grid(*size, dtype=torch.float64).expand(2, *size, 2)
    rows, columns = size[0] // stride, size[1] // stride
    expected = lattice(rows, columns, stride=stride, height=size[0], width=size[1], dtype=torch.float64)
    torch.testing.assert_close(subsample_grid(grid, stride=stride), expected.expand(2, -1, 2))


def test_matches_are_in_pixels_of_the_target():
    """The right end of a target that is 5 wide is pixel 4, whatever the size of the source."""
    grid = torch.tensor([1.0, -1.0]).expand(1, 4, 4, 2)
    assert subsample_grid(grid, stride=4, size=(3, 5)).tolist() == [[[4, 0]]]


# --- reference --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("entries", [1, 100, 42 * 42, 2 * 42 * 42 + 5, 2**18])
def test_equal_to_the_whole_table(variant, entries, monkeypatch):
    """However the table is cut: less than a row, some rows, one picture, two pictures and a bit, everything."""
    monkeypatch.setitem(matching._ENTRIES_PER_BLOCK, "cpu", entries)
    case = draw()
    found, expected = (with_gradients(of(table, variant), *case) for table in (FAST, NAIVE))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [0.1, 1.0, 5.0])
def test_single_precision(variant, size):
    source, target, arguments = draw(seed=1)
    expected = with_gradients(of(NAIVE, variant), size * source, size * target, arguments)
    single = {name: x.float() for name, x in arguments.items()}
    found = with_gradients(of(FAST, variant), (size * source).float(), (size * target).float(), single)
    for one, other, error in zip(found, expected, (1e-6, 1e-5, 1e-5), strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() <= error * other.abs().max()


@pytest.mark.parametrize("exponent", [0.5, 1])
def test_distance_equals_the_authors_formula(exponent):
    """As they wrote it: a loop over the batch, the picture's grid at every second pixel, the mean over cells."""
    source, target, _ = draw(2)
    size = (STRIDE * ROWS, STRIDE * COLUMNS)
    grid = sampling.identity_grid(*size, dtype=torch.float64) * torch.tensor([[[[0.8, 1.1]]], [[[0.9, 0.7]]]])
    expected = torch.zeros((), dtype=torch.float64)
    y, x = torch.meshgrid(torch.arange(0, size[0], 2), torch.arange(0, size[1], 2), indexing="ij")
    lattice_xy = torch.stack((x, y), dim=-1).reshape(-1, 2)
    for b in range(2):
        pixels = (grid[b, ::2, ::2].reshape(-1, 2) + 1) * torch.tensor([size[1] - 1, size[0] - 1]) / 2
        difference = (pixels[:, None] - lattice_xy[None]).norm(dim=-1) ** exponent
        expected += (difference * torch.softmax(source[b].T @ target[b], dim=1)).sum()
    weights = torch.full((2, ROWS * COLUMNS), 1 / (2 * ROWS * COLUMNS), dtype=torch.float64)
    found = expected_distance(
        source,
        target,
        matches=subsample_grid(grid, stride=2),
        positions=lattice(ROWS, COLUMNS, stride=2, height=size[0], width=size[1], dtype=torch.float64),
        weights=weights,
        exponent=exponent,
    )
    torch.testing.assert_close(found.sum(), expected / (2 * ROWS * COLUMNS), atol=1e-14, rtol=1e-13)


def test_columns_change_the_time_only():
    """Given, found out, or unknown because the positions are no lattice any more, being in another order."""
    source, target, arguments = draw()
    found = expected_distance(source, target, **arguments, exponent=0.5)
    given = expected_distance(source, target, **arguments, exponent=0.5, columns=COLUMNS)
    assert torch.equal(found, given)
    order = torch.randperm(ROWS * COLUMNS, generator=torch.Generator().manual_seed(0))
    arguments["positions"] = arguments["positions"][order]
    assert matching._columns_of(arguments["positions"]) is None
    torch.testing.assert_close(expected_distance(source, target[..., order], **arguments, exponent=0.5), found)


@pytest.mark.parametrize(
    ("positions", "columns"),
    [
        (lattice(3, 5, stride=2, height=6, width=10), 5),
        (lattice(1, 5, stride=1, height=1, width=5), 5),
        (lattice(5, 1, stride=1, height=5, width=1), 1),
        (torch.tensor([[0.0, 0], [1, 0], [0, 1]]), None),
        (torch.tensor([[0.0, 0], [1, 0], [0, 1], [2, 1]]), None),
        (torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 2]]), None),
    ],
)
def test_a_lattice_is_known_by_its_positions(positions, columns):
    assert matching._columns_of(positions) == columns


@pytest.mark.parametrize(("channels", "others"), [(1, 5), (3, 42), (8, 64), (20, 33)])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_exchange_equals_the_whole_table(channels, others, dtype, error):
    g = torch.Generator().manual_seed(0)
    source, auxiliary, weight = (
        torch.randn(2, channels, n, generator=g, dtype=torch.float64) for n in (42, others, 42)
    )
    results = []
    for function, kind in ((exchanged, dtype), (matching.naive_exchanged, torch.float64)):
        s, a = (x.to(kind).requires_grad_() for x in (source, auxiliary))
        found = function(s, a)
        (found * weight.to(kind)).sum().backward()
        results.append((found.detach(), s.grad, a.grad))
    for one, other in zip(*results, strict=True):
        assert one.dtype == dtype
        assert (one - other).abs().max() <= error * other.abs().max()


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_turning_and_mirroring_all_labels_changes_nothing(variant):
    """Only inner products count: O(3) leaves the value; a stretch of the label space does not."""
    source, target, arguments = draw()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64))[0]
    turn = turn @ torch.diag(torch.tensor([1.0, 1, -1], dtype=torch.float64))
    before = of(FAST, variant)(source, target, **arguments)
    torch.testing.assert_close(of(FAST, variant)(turn @ source, turn @ target, **arguments), before)
    stretch = torch.diag(torch.tensor([1.0, 1, 2], dtype=torch.float64))
    assert (of(FAST, variant)(stretch @ source, stretch @ target, **arguments) - before).abs().min() > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_vector_added_to_all_target_labels_changes_nothing(variant):
    source, target, arguments = draw()
    shift = torch.tensor([3.0, -2.0, 1.0], dtype=torch.float64)[:, None]
    before = of(FAST, variant)(source, target, **arguments)
    torch.testing.assert_close(of(FAST, variant)(source, target + shift, **arguments), before)


@pytest.mark.parametrize("variant", ["distance", "distance-1", "distance-1.7", "distance-2"])
def test_change_of_unit(variant):
    """Pixels half the size: the distance to the power gamma grows by 2 to the power gamma."""
    source, target, arguments = draw()
    before = of(FAST, variant)(source, target, **arguments)
    arguments["matches"], arguments["positions"] = 2 * arguments["matches"], 2 * arguments["positions"]
    after = of(FAST, variant)(source, target, **arguments)
    torch.testing.assert_close(after, before * 2 ** VARIANTS[variant]["exponent"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_item_of_a_batch_is_matched_as_alone(variant):
    source, target, arguments = draw(5)
    whole = with_gradients(of(FAST, variant), source, target, arguments)
    for k in range(5):
        one = {name: x if name == "positions" else x[k : k + 1] for name, x in arguments.items()}
        alone = with_gradients(of(FAST, variant), source[k : k + 1], target[k : k + 1], one)
        for a, b, scale in zip(whole, alone, (1, k + 1, k + 1), strict=True):
            torch.testing.assert_close(a[k : k + 1], torch.mul(b, scale), atol=1e-13, rtol=1e-12)


def test_long_labels_that_agree_are_found_where_they_are():
    """The cells' labels are spread over a sphere: with growing length only the match is likely."""
    place = torch.arange(ROWS * COLUMNS, dtype=torch.float64) + 0.5
    z, turn = 1 - 2 * place / (ROWS * COLUMNS), place * math.pi * (1 + math.sqrt(5))
    across = (1 - z.square()).sqrt()
    labels = torch.stack((across * turn.cos(), across * turn.sin(), z))[None]
    _, _, arguments = draw(1)
    arguments["matches"] = arguments["positions"][None]
    at = {"rows": ROWS, "columns": COLUMNS}
    values = [
        expected_distance(length * labels, length * labels, **arguments, exponent=1).item() for length in (1, 10, 100)
    ]
    assert values[0] > values[1] > values[2] >= 0
    assert values[2] < 1e-4 * values[0]
    assert 0 <= match_log_likelihood(100 * labels, 100 * labels, **arguments, **at) < 1e-3
    assert matching_margin(100 * labels, 100 * labels, **arguments, **at, scale=1e-6, exponent=1) == 0


def test_labels_all_alike_match_everywhere():
    """Then p is uniform: nothing is likelier than 1 in 42."""
    _, _, arguments = draw(1)
    arguments["weights"] = torch.ones_like(arguments["weights"])
    same = torch.ones(1, 3, ROWS * COLUMNS, dtype=torch.float64)
    found = match_log_likelihood(same, same, **arguments, rows=ROWS, columns=COLUMNS)
    assert found.item() == pytest.approx(42 * math.log(42), rel=1e-13)


def test_exchange_with_long_labels_takes_the_nearest():
    labels = 100 * torch.eye(3, dtype=torch.float64)[None]
    torch.testing.assert_close(exchanged(labels[..., [2, 0]], labels), labels[..., [2, 0]])


# --- gradient ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient(variant):
    source, target, arguments = draw(2)
    source, target = source.requires_grad_(), target.requires_grad_()
    assert torch.autograd.gradcheck(lambda s, t: of(FAST, variant)(s, t, **arguments), (source, target), fast_mode=True)


def test_gradient_of_the_exchange():
    source, auxiliary, _ = draw(2)
    arguments = (source.requires_grad_(), auxiliary[..., :9].clone().requires_grad_())
    assert torch.autograd.gradcheck(exchanged, arguments, fast_mode=True)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("only", ["source", "target"])
def test_gradient_to_one_side_alone(variant, only):
    source, target, arguments = draw()
    both = with_gradients(of(FAST, variant), source, target, arguments)
    source.requires_grad_(only == "source")
    target.requires_grad_(only == "target")
    value = of(FAST, variant)(source, target, **arguments)
    (value * torch.arange(1, 4)).sum().backward()
    found, expected = (source.grad, both[1]) if only == "source" else (target.grad, both[2])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_matches_on_a_cell_have_a_finite_gradient(variant):
    """Where the root of the distance has an infinite slope."""
    source, target, arguments = draw(1)
    arguments["matches"] = arguments["positions"][None].clone().requires_grad_()
    value, *gradients = with_gradients(of(FAST, variant), source, target, arguments)
    assert value.isfinite().all()
    assert all(g.isfinite().all() for g in gradients)
    assert arguments["matches"].grad is None


def test_without_gradient_none_is_formed(monkeypatch):
    def refuse(*_):
        raise AssertionError("formed")

    monkeypatch.setattr(matching, "_Gradients", refuse)
    source, target, arguments = draw()
    with torch.no_grad():
        expected_distance(source.requires_grad_(), target, **arguments, exponent=1)
    expected_distance(source.detach(), target, **arguments, exponent=1)


# --- masks, precision, memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rubbish", [math.nan, math.inf])
def test_rows_of_no_weight_may_hold_anything(variant, rubbish):
    source, target, arguments = draw()
    dead = arguments["weights"] < 0.5
    arguments["weights"] = torch.where(dead, 0.0, arguments["weights"])
    clean = with_gradients(of(FAST, variant), source, target, arguments)
    arguments["matches"] = torch.where(dead[..., None], rubbish, arguments["matches"])
    source = torch.where(dead[:, None], rubbish, source)
    dirty = with_gradients(of(FAST, variant), source, target, arguments)
    for one, other in zip(dirty, clean, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)
    assert dirty[1][dead[:, None].expand_as(source)].abs().max() == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_counts_gives_zero(variant):
    source, target, arguments = draw()
    arguments["weights"] = torch.zeros_like(arguments["weights"], dtype=torch.bool)
    for x in with_gradients(of(FAST, variant), source, target, arguments):
        assert x.abs().max() == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_mask_is_weights_of_one(variant):
    source, target, arguments = draw()
    mask = arguments["weights"] > 0.5
    found, expected = (of(FAST, variant)(source, target, **(arguments | {"weights": w})) for w in (mask, mask.double()))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(variant, dtype):
    source, target, arguments = draw(dtype=torch.float32)
    source, target = source.to(dtype), target.to(dtype)
    expected = with_gradients(of(FAST, variant), source.float(), target.float(), arguments)
    value, *gradients = with_gradients(of(FAST, variant), source, target, arguments)
    assert torch.equal(value, expected[0])
    for one, other in zip(gradients, expected[1:], strict=True):
        assert torch.equal(one, other.to(dtype))


@pytest.mark.parametrize("variant", VARIANTS)
def test_mixed_precision_does_not_reach_it(variant):
    source, target, arguments = draw(dtype=torch.float32)
    expected = with_gradients(of(FAST, variant), source, target, arguments)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = with_gradients(of(FAST, variant), source, target, arguments)
        exchange = exchanged(source, target)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(exchange, exchanged(source, target))


class Largest(TorchDispatchMode):
    """Largest tensor that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, tuple | list) else (result,):
            if isinstance(x, torch.Tensor):
                self.numbers = max(self.numbers, x.numel())
        return result


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("batch", [1, 4])
def test_never_more_than_a_block_of_the_table(variant, batch, monkeypatch):
    """Forward and backward; the other tensors are no larger than 4 * 3 numbers a cell of the batch."""
    monkeypatch.setitem(matching._ENTRIES_PER_BLOCK, "cpu", 300)
    with Largest() as largest:
        with_gradients(of(FAST, variant), *draw(batch))
    assert largest.numbers <= max(300, 12 * batch * ROWS * COLUMNS) < batch * (ROWS * COLUMNS) ** 2


@pytest.mark.parametrize("channels", [3, 8, 64])
def test_exchange_never_holds_the_table(channels):
    """Fused attention is what runs, also for labels that need no more channels; 600 cells, tables of 360,000."""
    labels = torch.randn(2, 1, channels, 600, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with Largest() as largest:
        exchanged(*labels).sum().backward()
    assert largest.numbers <= 2 * max(channels, 8) * 600 < 600 * 600


def test_long_rows_are_nearer_to_double_precision_than_plain_autograd():
    """10,000 cells: the softmax of float32 does not sum to 1 there, which must not reach the gradient."""
    g = torch.Generator().manual_seed(0)
    source, target = (torch.randn(1, 3, n, generator=g, dtype=torch.float64) for n in (50, 10000))
    matches = torch.rand(1, 50, 2, generator=g, dtype=torch.float64) * 100
    arguments = {
        "matches": matches,
        "positions": lattice(100, 100, stride=1, height=100, width=100, dtype=torch.float64),
        "weights": torch.ones(1, 50, dtype=torch.float64),
    }
    exact = with_gradients(of(NAIVE, "distance"), source, target, arguments)
    single = {name: x.float() for name, x in arguments.items()}
    errors = []
    for table in (FAST, NAIVE):
        found = with_gradients(of(table, "distance"), source.float(), target.float(), single)
        errors.append((torch.sub(found[1], exact[1]).abs().max() / exact[1].abs().max()).item())
    assert errors[0] < 5e-6
    assert errors[0] < errors[1]


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_labels_that_do_not_fit_are_refused():
    source, target, arguments = draw()
    for wrong in (target[0], target[:2], target[:, :2], target.float()):
        with pytest.raises(ValueError, match="labels must be"):
            expected_distance(source, wrong, **arguments, exponent=1)
        with pytest.raises(ValueError, match="labels must be"):
            exchanged(source, wrong)


@pytest.mark.parametrize("name", ["matches", "positions", "weights"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_arguments_that_do_not_fit_are_refused(variant, name):
    source, target, arguments = draw()
    arguments[name] = arguments[name][:, :1]
    with pytest.raises(ValueError, match="matches, positions and weights"):
        of(FAST, variant)(source, target, **arguments)


def test_lattices_that_do_not_fit_are_refused():
    source, target, arguments = draw()
    with pytest.raises(ValueError, match="42 positions"):
        match_log_likelihood(source, target, **arguments, rows=5, columns=7)
    with pytest.raises(ValueError, match="42 positions"):
        expected_distance(source, target, **arguments, exponent=1, columns=5)
    with pytest.raises(ValueError, match="no smaller than"):
        subsample_grid(torch.zeros(1, 3, 5, 2), stride=4)


@pytest.mark.parametrize("exponent", [0, -1])
def test_an_exponent_that_is_not_positive_is_refused(exponent):
    source, target, arguments = draw()
    with pytest.raises(ValueError, match="exponent"):
        expected_distance(source, target, **arguments, exponent=exponent)
    with pytest.raises(ValueError, match="exponent"):
        matching_margin(source, target, **arguments, rows=ROWS, columns=COLUMNS, scale=1, exponent=exponent)
