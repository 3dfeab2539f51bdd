"""Surfaces turned and lit again: which surface is taken, what moves and what stays."""

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.errors import RunError
from armillary.inference.predict import Geometry
from armillary.pages.relight import animated, animates, film, lit, need_surface, surface_of, turned, write_animations
from armillary.recipes.check import check
from armillary.recipes.recipe import complete, resolve

KINDS = {"canonical_depth": "depth", "depth": "depth", "albedo": "albedo", "camera": "camera"}


def outputs(head, **more):
    return {"canonical_depth": head.depth, "canonical_camera": head.camera, "albedo": head.albedo, **more}


def geometry(head, **found):
    return Geometry(id="a", image=head.image, outputs=found, kinds=KINDS)


def test_the_canonical_surface_is_taken_where_there_is_one(head):
    found = surface_of(outputs(head, depth=head.depth + 1.0, camera=head.camera), KINDS, head.image)
    assert torch.equal(found.depth, head.depth)
    assert torch.equal(found.albedo, head.albedo)
    assert torch.equal(found.paint, head.albedo)  # no canonical image: the albedo, never the picture of another view
    shaded = head.albedo * 0.5
    assert torch.equal(surface_of(outputs(head, canonical_image=shaded), KINDS, head.image).paint, shaded)


def test_a_depth_map_of_the_picture_wears_the_picture(head):
    found = surface_of({"depth": head.depth, "camera": head.camera}, KINDS, head.image)
    assert torch.equal(found.paint, head.image)
    assert found.albedo is None
    assert surface_of({"depth": head.depth}, KINDS, head.image) is None  # without a camera it is no surface


def test_the_light_goes_around_while_the_view_stays(head):
    """Light from the left and from the right fall on a head that is symmetric in its shape: the frames are mirror images."""
    frames = lit(surface_of(outputs(head), KINDS, head.image), frames=4)
    assert [len(frame) for frame in frames] == [2, 2, 2, 2]
    right, left = frames[1][0].astype(int), frames[3][0].astype(int)
    assert np.abs(right - left[:, ::-1]).max() <= 2
    assert right[20:44, 40:].mean() > right[20:44, :24].mean() + 20
    above, below = frames[0][0].astype(int), frames[2][0].astype(int)
    assert above[:24, 20:44].mean() > below[:24, 20:44].mean() + 20


def test_the_object_turns_while_its_colours_stay(head):
    frames = turned(surface_of(outputs(head), KINDS, head.image), frames=4, size=64)
    assert len(frames) == 4
    assert np.array_equal(frames[0], frames[2])  # through the middle, there and back
    assert np.abs(frames[1].astype(int) - frames[3]).max() > 40


def test_a_film_has_a_row_for_each_picture_and_room_where_one_has_no_albedo(head):
    plain = geometry(head, depth=head.depth, camera=head.camera)
    whole = geometry(head, **outputs(head))
    frames = film([plain, whole], frames=3, cell=64)
    assert len(frames) == 3
    assert frames[0].shape == frames[1].shape
    assert frames[0].shape[1] > 4 * 64
    assert film([plain], frames=2, cell=64)[0].shape[1] < frames[0].shape[1]
    assert film([geometry(head, albedo=head.albedo)]) == []


def test_the_files_are_animations(head, tmp_path):
    (one,) = animated([geometry(head, **outputs(head))], tmp_path)
    assert one.id == "a"
    for name in ("a-turned.webp", "a-relit.webp"):
        with Image.open(tmp_path / name) as picture:
            assert picture.n_frames == 24
    assert write_animations(geometry(head, albedo=head.albedo), tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_a_method_without_surfaces_is_refused(toy_host):
    plan = check(toy_host, complete(toy_host, resolve(toy_host, "toy:paper")))
    assert not animates(plan.stages["main"])
    with pytest.raises(RunError, match="--animate: toy:autoencoder predicts no depth with its camera"):
        need_surface(plan.stages["main"])
