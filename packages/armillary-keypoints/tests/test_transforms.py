"""Claims of ``transforms.py``: cells, how many, whose draws."""

from typing import Any

import pytest
import torch

from armillary_keypoints.transforms import RandomMask, spread_cells


def masked(items=64, size=64, *, cells=16, missing=0.8, seed=0):
    mask = RandomMask(cells=cells, missing=missing)
    batch = {"image": torch.rand(items, 3, size, size), "id": ["a"] * items}
    return mask(batch, kinds={}, generator=torch.Generator().manual_seed(seed))


def test_whole_cells_are_kept_a_fifth_of_them():
    kept = masked()["kept"]
    assert kept.shape == (64, 1, 64, 64)
    assert kept.dtype == torch.bool
    cells = kept[..., ::4, ::4]
    assert torch.equal(kept, cells.repeat_interleave(4, dim=-2).repeat_interleave(4, dim=-1))
    assert cells.float().mean().item() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(("missing", "share"), [(0.0, 1.0), (1.0, 0.0)])
def test_nothing_and_everything(missing, share):
    """A draw of exactly 0 would be taken away at missing 0, as by the authors; there is none among these."""
    assert masked(missing=missing)["kept"].float().mean().item() == share


def test_every_item_has_a_mask_of_its_own_and_a_seed_repeats_it():
    kept = masked()["kept"]
    assert not torch.equal(kept[0], kept[1])
    assert torch.equal(kept, masked()["kept"])
    assert not torch.equal(kept, masked(seed=1)["kept"])


def test_the_batch_that_was_given_is_left_as_it_is():
    batch = {"image": torch.rand(2, 3, 32, 32)}
    found: Any = RandomMask(cells=4, missing=0.5)(batch, kinds={}, generator=torch.Generator())
    assert "kept" not in batch
    assert found["image"] is batch["image"]


def test_sides_that_cells_do_not_divide():
    """As nearest resizing: 3 cells on 7 pixels cover 3, 2 and 2."""
    cells = torch.tensor([[True, False, True]])[None, None]
    assert spread_cells(cells, height=1, width=7)[0, 0, 0].tolist() == [True] * 3 + [False] * 2 + [True] * 2
