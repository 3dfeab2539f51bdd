"""Batches are a function of the step: the same again from any step on; with ``draws``, each draw is made once."""

import pytest
import torch

from armillary.training.batches import StepBatches

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
