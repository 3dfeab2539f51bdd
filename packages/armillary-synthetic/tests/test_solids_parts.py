"""Volumes by hand, closed skins, mirror images."""

import math

import numpy as np
import pytest

from armillary.kernels.triangle_mesh import is_closed, signed_volume
from armillary_synthetic import solids_parts


def volume(part):
    return signed_volume(part.vertices, part.faces)


RING = np.linspace(0, 2 * np.pi, 24, endpoint=False)
PARTS = {
    "box": solids_parts.box((1, 2, 3), (0.5, 1, 2), taper=0.7),
    "rod": solids_parts.rod((0, 0, 0), (1, -1, 2), 0.2, 0.1),
    "upright rod": solids_parts.rod((0, 0, 1), (0, 0, 0), 0.2),
    "ring": solids_parts.tube(np.stack([np.cos(RING), np.sin(RING), 0 * RING], axis=1), np.full(24, 0.1), loop=True),
    "bowl": solids_parts.turned(np.array([0.0, 1, 1, 0.2]), np.array([0.5, 0.6, 0.5, 0.4])),
    "wing": solids_parts.wing((0, 0, 0), (2, 0.5, 0.1), (1.0, 0.4), (0.2, 0.1)),
    "fin": solids_parts.wing((0, 0, 0), (0, 0.5, 2), (1.0, 0.4), (0.2, 0.1)),
    "body": solids_parts.ellipses(np.array([-1.0, 0, 1]), np.ones(3), np.ones(3), np.zeros(3), power=4.0),
}


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_closed_and_faces_outwards(name):
    assert is_closed(PARTS[name].faces)
    assert volume(PARTS[name]) > 0


def test_volumes_by_hand():
    """A box; a frustum of heights 2 and square sides 1 and 1/2, 2/3 (1 + 1/4 + 1/2); a ring of 2 pi^2 R r^2."""
    assert volume(solids_parts.box((1, 2, 3), (0.5, 1, 2))) == pytest.approx(1)
    assert volume(solids_parts.box((0, 0, 0), (1, 1, 2), taper=0.5)) == pytest.approx(7 / 6)
    assert volume(PARTS["ring"]) == pytest.approx(2 * math.pi**2 * 0.01, rel=0.05)
    assert volume(solids_parts.rod((0, 0, 0), (0, 3, 0), 0.2)) == pytest.approx(math.pi * 0.04 * 3, rel=0.08)


def test_a_mirror_image_is_closed_and_faces_outwards():
    part, image = solids_parts.mirrored(PARTS["wing"])
    assert is_closed(image.faces)
    assert volume(image) == pytest.approx(volume(part))
    np.testing.assert_array_equal(image.vertices * (-1, 1, 1), part.vertices)


def test_joined_parts_keep_their_volumes():
    parts = [PARTS["box"], PARTS["ring"], solids_parts.moved(PARTS["body"], by=(9, 0, 0))]
    whole = solids_parts.join(parts)
    assert is_closed(whole.faces)
    assert volume(whole) == pytest.approx(sum(map(volume, parts)))
