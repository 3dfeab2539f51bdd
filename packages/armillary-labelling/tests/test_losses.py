"""Claims of ``losses.py``: values by hand, what a constant and a perfect labelling score, and what counts."""

import math

import pytest
import torch

from armillary.kernels.sampling import identity_grid
from armillary_labelling.losses import Distance, Exchange, Log, Margin, cells

LOSSES = {
    "distance": Distance(),
    "distance-1": Distance(gamma=1.0),
    "log": Log(),
    "margin": Margin(scale=1.0, gamma=1.0),
}


def hand():
    """Two cells side by side, at pixels 0 and 2; labels 1 and 0 against 0 and ln 3; every pixel stays where it is.

    So the logits of the first cell are (0, ln 3), its matches have probabilities 1/4 and 3/4; those of the second 1/2 each.
    """
    return {
        "source_labels": torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 1, 1, 2),
        "target_labels": torch.tensor([0.0, math.log(3)], dtype=torch.float64).view(1, 1, 1, 2),
        "grid": identity_grid(2, 4, dtype=torch.float64)[None],
        "valid": torch.ones(1, 1, 2, 4, dtype=torch.bool),
    }


def case(items=3, channels=3, rows=6, columns=5, stride=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    shape = (items, channels, rows, columns)
    height, width = stride * rows, stride * columns
    still = identity_grid(height, width, dtype=torch.float64).expand(items, -1, -1, -1)
    return {
        "source_labels": torch.randn(shape, generator=draw, dtype=torch.float64),
        "target_labels": torch.randn(shape, generator=draw, dtype=torch.float64),
        "grid": still + 0.1 * torch.randn(still.shape, generator=draw, dtype=torch.float64),
        "valid": torch.rand(items, 1, height, width, generator=draw) > 0.3,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("distance-1", 2 * 3 / 4 + 2 * 1 / 2),
        ("distance", math.sqrt(2) * (3 / 4 + 1 / 2)),
        ("log", math.log(4) + math.log(2)),
        # A wrong match two pixels off has the margin 2: 2 + ln 3 - 0 above the first cell's, 2 + 0 - 0 above the second's.
        ("margin", 2 + math.log(3) + 2),
    ],
)
def test_two_cells_by_hand(name, value):
    total, count = LOSSES[name](**hand())
    assert total.item() == pytest.approx(value)
    assert count.tolist() == [2]


def test_exchange_by_hand():
    """A lone picture is its own next: 1 is said as e / (e + 1), 0 as 1/2. Logits of the second cell are s ln 3."""
    said = (math.e / (math.e + 1), 0.5)
    wrong = 2 * 3 ** said[0] / (1 + 3 ** said[0]) + 2 / (1 + 3 ** said[1])
    assert Exchange(gamma=1.0)(**hand()).item() == pytest.approx(wrong / 2)


def test_exchange_says_labels_through_the_next_picture():
    """Law: with the same picture everywhere it is the exchange with oneself; the last one's next is the first."""
    one = case(items=1)
    many = {name: value.expand(3, *value.shape[1:]) for name, value in one.items()}
    exchange = Exchange(gamma=0.5)
    torch.testing.assert_close(exchange(**many), exchange(**one))
    three = case(items=3)
    turned = {name: value.roll(1, dims=0) for name, value in three.items()}
    swapped = {name: value[[1, 0, 2]] for name, value in three.items()}
    torch.testing.assert_close(exchange(**three), exchange(**turned))
    assert not torch.isclose(exchange(**three), exchange(**swapped))


@pytest.mark.parametrize("shape", [(6, 5), (4, 4), (1, 9)])
def test_constant_labels_score_what_chance_scores(shape):
    """The logarithm of the number of cells, and the mean distance: no labelling that tells nothing scores well."""
    given = case(rows=shape[0], columns=shape[1])
    for name in ("source_labels", "target_labels"):
        given[name] = torch.ones_like(given[name])
    total, count = Log()(**given)
    torch.testing.assert_close(total / count, torch.full_like(total, math.log(shape[0] * shape[1])))
    for gamma in (0.5, 1.0, 2.0):
        total, count = Distance(gamma=gamma)(**given)
        pair = cells(**given)
        distances = torch.cdist(pair.matches, pair.positions.expand(3, -1, -1)).pow(gamma).mean(-1)
        torch.testing.assert_close(total, (distances * pair.weights).sum(1))
    # Margin: the farthest cell is above the true one by the margin alone.
    total, _ = Margin(scale=0.5, gamma=1.0)(**given)
    farthest = torch.cdist(pair.matches, pair.positions.expand(3, -1, -1)).amax(-1)
    torch.testing.assert_close(total, 0.5 * (farthest * pair.weights).sum(1))


@pytest.mark.parametrize("name", LOSSES)
def test_sharp_true_labels_score_nothing(name):
    """Each cell's label is 100 times an axis of its own, and every pixel stays where it is."""
    labels = 100 * torch.eye(12, dtype=torch.float64).view(1, 12, 4, 3)
    total, _ = LOSSES[name](
        source_labels=labels,
        target_labels=labels,
        grid=identity_grid(8, 6, dtype=torch.float64)[None],
        valid=torch.ones(1, 1, 8, 6, dtype=torch.bool),
    )
    assert total.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_items_do_not_depend_on_each_other(name):
    given = case()
    order = [2, 0, 1]
    total, count = LOSSES[name](**given)
    other, others = LOSSES[name](**{key: value[order] for key, value in given.items()})
    torch.testing.assert_close(other, total[order])
    torch.testing.assert_close(others, count[order])


@pytest.mark.parametrize("name", LOSSES)
def test_invalid_pixels_do_not_count(name):
    """Whatever the grid says there; and only the pixels at which cells stand are looked at."""
    given = case()
    outside = ~given["valid"][:, 0]
    elsewhere = torch.where(outside[..., None], 5.0, given["grid"])
    nowhere = torch.where(outside[..., None], torch.nan, given["grid"])
    between = given["grid"].clone()
    between[:, 1::2] = 3.0
    total, count = LOSSES[name](**given)
    assert count.tolist() == given["valid"][:, 0, ::2, ::2].sum((1, 2)).tolist()
    for grid in (elsewhere, nowhere, between):
        torch.testing.assert_close(LOSSES[name](**{**given, "grid": grid})[0], total)
    total, count = LOSSES[name](**{**given, "valid": torch.zeros_like(given["valid"])})
    assert not total.any()
    assert not count.any()


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_distances_are_in_pixels_whatever_the_stride(stride):
    """A constant labelling of twice the stride has twice the distance."""
    given = case(stride=stride, seed=1)
    for name in ("source_labels", "target_labels"):
        given[name] = torch.zeros_like(given[name])
    height, width = given["valid"].shape[-2:]
    given["grid"] = identity_grid(height, width, dtype=torch.float64).expand(3, -1, -1, -1)
    given["valid"] = torch.ones_like(given["valid"])
    total, count = Distance(gamma=1.0)(**given)
    lattice = torch.cartesian_prod(torch.arange(6.0), torch.arange(5.0))
    assert (total / count).tolist() == pytest.approx([stride * torch.cdist(lattice, lattice).mean().item()] * 3)


@pytest.mark.parametrize("loss", [*LOSSES.values(), Exchange(gamma=0.5)])
def test_slopes(loss):
    given = case(items=2, rows=3, columns=2)

    def value(source, target):
        found = loss(**{**given, "source_labels": source, "target_labels": target})
        return found[0].sum() if isinstance(found, tuple) else found

    labels = [given[name].requires_grad_() for name in ("source_labels", "target_labels")]
    assert torch.autograd.gradcheck(value, labels)


@pytest.mark.parametrize("name", [*LOSSES, "exchange"])
def test_what_does_not_fit_is_refused(name):
    loss = LOSSES.get(name, Exchange(gamma=0.5))
    given = case()
    for wrong in (
        {"target_labels": given["target_labels"][:, :, :-1]},
        {"grid": given["grid"][:, :-1]},
        {"grid": given["grid"][:, ::4], "valid": given["valid"][:, :, ::4]},
        {"valid": given["valid"][:, 0]},
    ):
        with pytest.raises(ValueError, match="whole multiple"):
            loss(**{**given, **wrong})
