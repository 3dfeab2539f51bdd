"""Novel views: the identity is the picture itself, and left, right, up and down are what they say."""

import math

import numpy as np
import pytest
import torch

from armillary.drawing.picture_items import image_picture
from armillary.pages.turntable import BACKGROUND, _prepared, relit, sweep, swing, turntable

PAPER = round(255 * BACKGROUND)


def nose(shown):
    """Mean place (x, y) of the reddest tenth of a picture in which only the nose is red."""
    red = shown[..., 0].astype(float) - shown[..., 1]
    y, x = np.nonzero(red > 60)
    return x.mean(), y.mean()


def marked(head):
    """The head in grey with a red tip of the nose, 18 mm before the face."""
    image = torch.full((3, head.size, head.size), 0.5)
    image[:, 34:39, 30:34] = torch.tensor([1.0, 0.2, 0.2])[:, None, None]
    return image


def test_no_turn_shows_the_picture(head):
    """At its own size, away from the rim of the mask, the view from the front is the picture."""
    (shown,) = turntable(head.depth, head.image, head.camera, angles=[0.0], mask=head.mask, size=head.size)
    inside = torch.nn.functional.avg_pool2d(head.mask.float()[None], 7, stride=1, padding=3)[0, 0].numpy() > 0.999
    off = np.abs(shown.astype(int) - image_picture(head.image))[inside]
    assert off.max() <= 1
    assert (shown[0, 0] == PAPER).all()


@pytest.mark.parametrize("yaw", [-0.5, 0.5])
def test_positive_yaw_turns_the_nose_to_the_right(head, yaw):
    """The tip is about 4 cm before the axis: half a radian moves it by about 2 cm, at 0.36 pixels a millimetre."""
    x, _ = nose(turntable(head.depth, marked(head), head.camera, angles=[yaw], mask=head.mask, size=64)[0])
    assert 4.0 < (x - 31.5) * math.copysign(1.0, yaw) < 9.0


@pytest.mark.parametrize("pitch", [-0.3, 0.3])
def test_positive_pitch_turns_the_nose_up(head, pitch):
    flat, turned = (
        nose(turntable(head.depth, marked(head), head.camera, angles=[0.0], pitch=p, mask=head.mask, size=64)[0])[1]
        for p in (0.0, pitch)
    )
    assert (turned - flat) * pitch < -0.5


def test_a_mirrored_head_turns_the_other_way(head):
    depth, image, mask = (value.flip(-1) for value in (head.depth, head.image, head.mask))
    (one,) = turntable(head.depth, head.image, head.camera, angles=[0.4], mask=head.mask, size=64)
    (other,) = turntable(depth, image, head.camera, angles=[-0.4], mask=mask, size=64)
    off = np.abs(one.astype(int) - other[:, ::-1]).max(axis=-1)
    assert (off > 2).mean() < 0.01  # ties between faces may fall to either side


def test_a_silhouette_is_open_and_not_a_curtain(head):
    """Without a mask the step to the background is a tear: more of the paper shows than with the tear bridged."""
    shares = []
    for max_slope in (10.0, None):
        (shown,) = turntable(head.depth, head.image, head.camera, angles=[0.6], max_slope=max_slope, size=64)
        shares.append((shown == PAPER).all(axis=-1).mean())
    assert shares[0] > shares[1] + 0.05


def test_size_is_the_height_and_keeps_the_aspect(head):
    depth, image = head.depth[..., :32], head.image[..., :32]
    (shown,) = turntable(depth, image, head.camera, angles=[0.0], size=100)
    assert shown.shape == (100, 50, 3)


def test_a_larger_size_is_the_same_view(head):
    """Twice as large: the focal length doubles, 31.5 becomes 63.5, and what does not count stays out of the depth."""
    depth, _, camera, _ = _prepared(head.depth, head.image, head.camera, head.mask, size=128, max_slope=None)
    focal = 2.0 * float(head.camera[0, 0])
    torch.testing.assert_close(camera, torch.tensor([[focal, 0.0, 63.5], [0.0, focal, 63.5], [0.0, 0.0, 1.0]]))
    small, large = head.depth[0, 32, 20:44], depth[0, 64:66, 40:88].reshape(2, 24, 2).mean(dim=(0, 2))
    torch.testing.assert_close(small, large, atol=5e-4, rtol=0)
    assert depth.max() < head.depth[head.mask].max() + 1e-6


def test_nothing_to_show_is_paper():
    nothing = torch.full((1, 8, 8), float("nan"))
    (shown,) = turntable(nothing, torch.zeros(3, 8, 8), torch.eye(3), angles=[0.2], size=8)
    assert (shown == PAPER).all()


def test_the_light_goes_where_it_says(head):
    """At angle 0 it stands above, at a quarter turn to the right."""
    plain = torch.full_like(head.albedo, 0.8)
    above, right = relit(head.depth, plain, head.camera, angles=[0.0, math.pi / 2])
    assert above[15, 32, 0] > above[52, 32, 0] + 40
    assert right[30, 48, 0] > right[30, 14, 0] + 40


def test_swing_and_sweep():
    """There and back: 0, most, 0, -most; from side to side: -most, 0, most."""
    np.testing.assert_allclose(swing(4, degrees=90.0), [0.0, math.pi / 2, 0.0, -math.pi / 2], atol=1e-12)
    np.testing.assert_allclose(sweep(3, degrees=90.0), [-math.pi / 2, 0.0, math.pi / 2])
