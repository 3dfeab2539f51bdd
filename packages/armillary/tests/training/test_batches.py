"""Batches are a function of the step: the same again from any step on; with ``draws``, each draw is made once."""

import random

import numpy as np
import pytest
import torch

from armillary.seeds import per_item, step_seeded
from armillary.training.batches import StepBatches, training_batches

_ITEMS, _BATCH, _STEPS = 5, 2, 40


class _Numbers:
    ids = tuple("abcde")

    def __len__(self):
        return _ITEMS

    def __getitem__(self, index):
        return {"id": self.ids[index], "item": torch.tensor(index)}


class _Draw:
    """Adds a random number to the sample, and counts."""

    def __init__(self):
        self.calls = 0

    def __call__(self, sample, *, kinds, generator):
        self.calls += 1
        return {**sample, "number": torch.rand(3, generator=generator)}


def _batches(transform, **settings):
    return StepBatches(
        _Numbers(), [transform], kinds={"item": "scalar"}, batch_size=_BATCH, steps=_STEPS, seed=3, **settings
    )


def _seen(batches):
    return [
        (name, tuple(number.tolist()))
        for step in range(_STEPS)
        for name, number in zip(batches[step]["id"], batches[step]["number"], strict=True)
    ]


def test_draws_as_many_as_asked():
    transform = _Draw()
    seen = _seen(_batches(transform, draws=3))
    assert transform.calls == 3 * _ITEMS
    for name in _Numbers.ids:
        mine = [number for own, number in seen if own == name]
        assert len(set(mine)) == 3
        assert mine[:3] * (len(mine) // 3) == mine[: len(mine) // 3 * 3], "the passes repeat in order"


def test_draws_anew_in_each_pass_where_none_is_given():
    seen = _seen(_batches(_Draw()))
    assert len(set(seen)) == _BATCH * _STEPS


def test_first_draws_are_those_of_fresh_passes():
    count = 3 * _ITEMS
    assert _seen(_batches(_Draw(), draws=3))[:count] == _seen(_batches(_Draw()))[:count]


def test_order_stays_new_in_each_pass():
    names = [name for name, _ in _seen(_batches(_Draw(), draws=1))]
    assert len({tuple(names[i : i + _ITEMS]) for i in range(0, len(names), _ITEMS)}) > 5


@pytest.mark.parametrize("step", [0, 7, 39])
def test_resumed_in_the_middle_sees_the_same(step):
    whole = _batches(_Draw(), draws=2)
    for earlier in range(step):
        whole[earlier]
    assert torch.equal(whole[step]["number"], _batches(_Draw(), draws=2)[step]["number"])


def test_without_room_draws_again_the_same(monkeypatch):
    roomy = _seen(_batches(_Draw(), draws=2))
    monkeypatch.setattr("armillary.training.batches._ROOM", 40)
    transform = _Draw()
    assert _seen(_batches(transform, draws=2)) == roomy
    assert transform.calls > 2 * _ITEMS


class _GlobalDraw:
    """Draws from the three global generators, as a plugin may that does not know better."""

    def __call__(self, sample, *, kinds, generator):
        drawn = [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002
        return {**sample, "number": torch.tensor(drawn, dtype=torch.float64)}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("first", [0, 3])
def test_global_generators_are_seeded_per_item_in_workers_too(first, workers):
    torch.manual_seed(workers)
    read = training_batches(_batches(_GlobalDraw()), first=first, workers=workers)
    fresh = _batches(_GlobalDraw())
    for step in range(first, first + 4):
        assert torch.equal(next(read)["number"], fresh[step]["number"])
    assert len(set(fresh[0]["number"].flatten().tolist() + fresh[4]["number"].flatten().tolist())) == 12


def test_reading_a_batch_leaves_the_global_generators():
    torch.manual_seed(7)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    _batches(_GlobalDraw())[0]
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


@pytest.mark.parametrize("processes", [2, 3])
def test_draws_for_the_whole_batch_are_cut_by_rank(processes):
    """N processes draw what one draws, in the step alone; a second draw of the step is another one."""

    def draws(rank, count, step=5):
        with step_seeded(0, "main", step, rank=rank, processes=count):
            return [per_item(lambda n, own: torch.rand(n, 2, generator=own), 6 // count) for _ in range(2)]

    whole = draws(0, 1)
    for part in range(2):
        shares = [draws(rank, processes)[part] for rank in range(processes)]
        assert torch.equal(torch.cat(shares), whole[part])
    assert not torch.equal(*whole)
    assert not torch.equal(draws(0, 1, step=6)[0], whole[0])


def test_draws_of_a_given_generator_are_cut_by_rank():
    def draw(rank, count):
        with step_seeded(0, "main", 0, rank=rank, processes=count):
            own = torch.Generator().manual_seed(3)
            return per_item(lambda n, generator: torch.rand(n, generator=generator), 4 // count, generator=own)

    assert torch.equal(torch.cat([draw(rank, 2) for rank in range(2)]), draw(0, 1))
    assert torch.equal(draw(0, 1), torch.rand(4, generator=torch.Generator().manual_seed(3)))


def test_dropout_differs_from_rank_to_rank():
    seen = []
    for rank in range(2):
        with step_seeded(0, "main", 0, rank=rank, processes=2):
            seen.append(torch.rand(8))
    assert not torch.equal(*seen)
