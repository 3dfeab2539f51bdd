"""The multi-scale gradient loss: a value by hand, what it is blind to, masks, gradients, refusals."""

import pytest
import torch

from armillary.std.losses import multiscale_gradient


def pair(size=8, seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.rand(2, batch, 3, size, size, generator=generator, dtype=torch.float64)
    return one, other, torch.ones(batch, 1, size, size, dtype=torch.bool)


def value(rendered, image, visible, scales=3):
    total, count = multiscale_gradient(rendered, image, visible=visible, scales=scales)
    return total / count


def test_a_ramp_by_hand():
    """A ramp of 0.1 a pixel along x differs from a flat picture by 0.1 along x, 0.2 one level up, and 0 along y."""
    ramp = (0.1 * torch.arange(4, dtype=torch.float64)).expand(1, 3, 4, 4)
    flat, visible = torch.zeros_like(ramp), torch.ones(1, 1, 4, 4, dtype=torch.bool)
    torch.testing.assert_close(value(ramp, flat, visible, scales=1), torch.tensor([0.05], dtype=torch.float64))
    torch.testing.assert_close(value(ramp, flat, visible, scales=2), torch.tensor([0.075], dtype=torch.float64))


def test_blind_to_a_constant_and_zero_at_the_truth():
    one, other, visible = pair()
    torch.testing.assert_close(value(one + 0.3, other, visible), value(one, other, visible))
    assert value(one, one, visible).abs().max() == 0


def test_a_change_of_contrast_scales_it():
    one, other, visible = pair()
    torch.testing.assert_close(value(3 * one, 3 * other, visible), 3 * value(one, other, visible))


def test_hidden_pixels_may_hold_anything_value_and_gradient():
    one, other, visible = pair()
    visible[..., :3] = False
    clean = torch.where(visible, one, 0.0).requires_grad_()
    dirty = torch.where(visible, one, float("nan")).requires_grad_()
    for picture in (clean, dirty):
        value(picture, other, visible).sum().backward()
    torch.testing.assert_close(value(clean, other, visible), value(dirty, other, visible))
    torch.testing.assert_close(clean.grad, dirty.grad)
    assert dirty.grad.isfinite().all()


def test_without_a_mask_all_pixels_count():
    one, other, visible = pair()
    torch.testing.assert_close(value(one, other, None), value(one, other, visible), rtol=0, atol=0)


def test_nothing_visible_counts_nothing():
    one, other, visible = pair()
    total, count = multiscale_gradient(one, other, visible=torch.zeros_like(visible), scales=3)
    assert total.abs().max() == 0
    assert count.abs().max() == 0


def test_items_do_not_see_each_other():
    one, other, visible = pair(batch=3)
    together = value(one, other, visible)
    alone = torch.cat([value(one[i : i + 1], other[i : i + 1], visible[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_gradient_is_that_of_finite_differences():
    one, other, visible = pair(size=4, batch=1)
    assert torch.autograd.gradcheck(lambda x: value(x, other, visible, scales=2), (one.requires_grad_(),))


def test_shapes_that_broadcasting_would_hide_are_refused():
    one, other, visible = pair()
    with pytest.raises(ValueError, match="must agree"):
        multiscale_gradient(one[:, :1], other, visible=visible, scales=2)
