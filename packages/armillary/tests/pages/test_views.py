"""New views: which stage draws them, in whose frame an object is turned, and what is written."""

import math
from types import SimpleNamespace

import attrs
import numpy as np
import pytest
import torch
from PIL import Image

from armillary.errors import DataError, RunError
from armillary.inference.restore import restore
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, rotation_of_view
from armillary.pages import views as module
from armillary.pages.views import (
    AZIMUTHS,
    ELEVATIONS,
    ViewMaker,
    Views,
    circle_rotations,
    grid_rotations,
    turning_stage,
    views_frames,
    views_grid,
    write_views,
)
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import resolve
from armillary.training.train import train


@pytest.fixture
def folder(toy_host, pictures, tmp_path):
    return train(resolve(toy_host, "toy:stages"), data=pictures, out=tmp_path / "run", host=toy_host).folder


@pytest.fixture
def maker(toy_host, folder):
    return ViewMaker(restore(folder, host=toy_host, stage="views"), toy_host)


def test_the_stage_that_can_is_found(toy_host, folder):
    plan = plan_recipe(toy_host, folder.recipe())
    assert plan.serves == "embedding"
    assert turning_stage(plan) == turning_stage(plan, wanted="views") == "views"


def test_a_stage_that_cannot_is_refused(toy_host, folder):
    plan = plan_recipe(toy_host, folder.recipe())
    with pytest.raises(
        RunError, match=r"--views: stage shapes of toy:stages draws no new views, .*; --stage can be views"
    ):
        turning_stage(plan, wanted="shapes")
    with pytest.raises(RunError, match="stage embedding"):
        ViewMaker(restore(folder, host=toy_host), toy_host)
    alone = attrs.evolve(plan, stages={"shapes": plan.stages["shapes"]}, serves="shapes")
    with pytest.raises(RunError, match=r"toy:stages draws no new views, .*; type the command without --views$"):
        turning_stage(alone)


def test_an_object_is_turned_in_the_frame_of_the_port(maker, pictures):
    """The toy draws where x goes, in the camera's frame (y down, z forward), of turns of the world (z up, y forward).

    A quarter turn about the vertical takes the world's x, (1, 0, 0), to its y; that is the camera's z, (0, 0, 1). Half a turn
    towards the viewer leaves x where it is.
    """
    turns = np.stack([np.eye(3), rotation_of_view(math.pi / 2, 0.0), rotation_of_view(0.0, math.pi / 2)])
    drawn = maker.views(pictures / "0.png", name="0", rotations=turns).drawn
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(drawn, expected[:, :, None, None].expand_as(drawn), atol=1e-6, rtol=0)
    turned = CAMERA_FROM_WORLD @ turns @ CAMERA_FROM_WORLD.T
    torch.testing.assert_close(drawn[:, :, 0, 0].double().numpy(), turned[:, :, 0], atol=1e-6, rtol=0)


def test_more_views_than_a_batch_come_in_order(maker, pictures):
    few = maker.views(pictures / "0.png", name="0", rotations=circle_rotations(5))
    assert few.drawn.shape == (5, 3, 8, 8)
    angles = torch.atan2(few.drawn[:, 2, 0, 0], few.drawn[:, 0, 0, 0]) % (2 * math.pi)
    torch.testing.assert_close(angles, 2 * math.pi * torch.arange(5) / 5, atol=1e-5, rtol=0)


def test_a_file_that_cannot_be_read_is_named(maker, tmp_path):
    with pytest.raises(DataError, match=r"nothing\.png"):
        maker.views(tmp_path / "nothing.png", name="0", rotations=grid_rotations())


def test_grid_and_animation_are_written(maker, pictures, tmp_path):
    written = write_views(maker, pictures / "0.png", tmp_path / "out", name="a")
    assert [path.name for path in written] == ["a-views.png", "a-views.webp"]
    with Image.open(written[1]) as film:
        assert 20 < film.n_frames <= 36  # frames that are equal in bytes are made one
    with Image.open(written[0]) as sheet:
        assert sheet.width > 9 * 90
        assert sheet.height > 5 * 90


def views(*, true):
    drawn = torch.zeros(len(ELEVATIONS) * len(AZIMUTHS), 1, 16, 16)
    return Views(id="a", image=torch.ones(1, 16, 16), drawn=drawn, true=1 - drawn if true else None)


@pytest.mark.parametrize("true", [True, False])
def test_true_views_stand_below_drawn_ones(true):
    """The picture alone in the first column; of a mesh twice as many rows, and every other one white."""
    sheet = views_grid(views(true=true), cell=16)
    black = (sheet == 0).all(axis=-1).sum()
    assert black >= 40 * 256
    assert (len(sheet) > 10 * 16) == true


@pytest.mark.parametrize("true", [True, False])
def test_frames_have_the_true_view_beside(true):
    frames = views_frames(views(true=true), size=16)
    assert len(frames) == 40
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert (frames[0].shape[1] > 3 * 16) == true


def test_a_mesh_is_turned_too(maker, monkeypatch):
    """Of a mesh the true view is what the stage makes of the mesh moved by the same rotation."""

    class Mesh:
        def __init__(self, matrix):
            self.matrix = matrix

        def moved(self, matrix):
            return Mesh(matrix @ self.matrix)

    class Reader:
        def read(self, file, *, name):
            return {"id": name, "mesh": Mesh(np.eye(3))}

        def ready(self, sample, *, file):
            column = torch.from_numpy(sample["mesh"].matrix[:, 0]).float()
            return {"id": sample["id"], "image": column[:, None, None].expand(3, 8, 8)}

    monkeypatch.setattr(maker, "reader", Reader())
    monkeypatch.setattr(maker, "_meshes", ["mesh"])
    turns = grid_rotations(elevations=(0, 30), azimuths=(0, 90))
    found = maker.views(SimpleNamespace(), name="m", rotations=turns)
    assert found.true is not None
    torch.testing.assert_close(found.true[:, :, 0, 0].double().numpy(), turns[:, :, 0], atol=1e-6, rtol=0)


def test_elevations_are_rows_and_azimuths_columns():
    turns = grid_rotations(elevations=(10, 20), azimuths=(0, 90, 180)).reshape(2, 3, 3, 3)
    torch.testing.assert_close(turns[1, 2], rotation_of_view(math.pi, math.radians(20)), atol=1e-12, rtol=0)
    assert module.AZIMUTHS[0] == 0
