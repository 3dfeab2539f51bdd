"""Quality of new views: values by hand, what the items go through, shards, refusals; and a real run, evaluated and drawn."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from armillary.inference.evaluate import evaluate
from armillary.inference.restore import restore
from armillary.kernels.rotations import random_rotation, rotation_from_euler_zyx
from armillary.pages.views import ViewMaker, grid_rotations
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.training.build import build_transform
from armillary.training.train import train
from armillary_spherical.mesh_folder import MeshFolder
from armillary_spherical.pictures import take_picture
from armillary_spherical.view_quality import NovelView, errors_of

ADDED = ("stages.views.evaluators.views.use=spherical:novel-view/1",)


def ports(drawn, truth, image, *, degrees=90.0):
    pictures = {"reconstruction": drawn, "true_view": truth, "image": image}
    turn = rotation_from_euler_zyx(torch.tensor([0.0, 0.0, math.radians(degrees)]))
    shown = {name: torch.tensor(values)[:, None, None, None].expand(-1, 1, 4, 4) for name, values in pictures.items()}
    return {**shown, "rotation": turn.expand(len(drawn), 3, 3)}


def measured(*batches, fit=None):
    found = NovelView()
    if fit is not None:
        found.update(
            "fit", ids=["t"] * len(fit), ports={"image": torch.tensor(fit)[:, None, None, None].expand(-1, 1, 4, 4)}
        )
    for index, batch in enumerate(batches):
        found.update("score", ids=[f"{index}/{k}" for k in range(len(batch["image"]))], ports=batch)
    return found


def test_figures_by_hand():
    """Drawn views off by 0.1 and 0.01: L1 0.055, PSNR 20 and 40 dB. The mean training picture is 0.5, the truth 0: 0.5 and
    10 log10(4) = 6.02 dB. The input is 1: 1 and 0 dB."""
    found = measured(ports([0.1, 0.01], [0.0, 0.0], [1.0, 1.0]), fit=[0.25, 0.75]).result()
    assert found.figures["l1"].value == pytest.approx(0.055)
    assert found.figures["psnr"].value == pytest.approx(30.0, abs=1e-5)
    assert found.baselines["mean training picture"]["l1"].value == pytest.approx(0.5)
    assert found.baselines["mean training picture"]["psnr"].value == pytest.approx(10 * math.log10(4))
    assert found.baselines["input as it is"]["l1"].value == pytest.approx(1.0)
    assert found.baselines["input as it is"]["psnr"].value == pytest.approx(0.0, abs=1e-9)
    assert found.rows["0/1"]["degrees"] == pytest.approx(90.0, abs=1e-4)
    assert "turned by 60 to 120 degrees: l1 0.0550, input as it is 1.0000 (2)" in found.notes


@pytest.mark.parametrize("degrees", [0.0, 180.0])
def test_every_angle_has_a_line(degrees):
    (line,) = measured(ports([0.0], [0.0], [0.0], degrees=degrees)).result().notes
    assert line.endswith("(1)")


def test_equal_pictures_stay_finite():
    picture = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    l1, psnr = errors_of(picture, picture).unbind(1)
    assert (l1 == 0).all()
    assert torch.isfinite(psnr).all()


def test_without_a_fit_pass_there_is_no_mean():
    assert set(measured(ports([0.1], [0.0], [0.2])).result().baselines) == {"input as it is"}


def test_shards_merge():
    """Fit passes first, then what each shard scored with the mean of all."""
    batches = ports([0.1, 0.3], [0.0, 0.0], [1.0, 0.5]), ports([0.2], [0.5], [0.0], degrees=10.0)
    whole = measured(*batches, fit=[0.2, 0.4, 0.9]).result()
    one, two = measured(fit=[0.2]), measured(fit=[0.4, 0.9])
    one.merge(two)
    other = NovelView()
    other.merge(one)
    one.update("score", ids=["0/0", "0/1"], ports=batches[0])
    other.update("score", ids=["1/0"], ports=batches[1])
    one.merge(other)
    merged = one.result()
    assert merged.rows == whole.rows
    assert set(merged.baselines) == {"mean training picture", "input as it is"}
    for figures, others in [
        (merged.figures, whole.figures),
        *((merged.baselines[n], whole.baselines[n]) for n in whole.baselines),
    ]:
        for name, figure in figures.items():
            assert figure.value == pytest.approx(others[name].value), name


def test_nothing_scored_is_refused():
    with pytest.raises(ValueError, match="no view was scored"):
        NovelView().result()


# --- with meshes -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def host():
    return Host()


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    """Twelve wedges of different lengths, in two categories."""
    root = tmp_path_factory.mktemp("meshes")
    for index in range(12):
        file = root / ("long" if index % 2 else "flat") / f"{index}.ply"
        file.parent.mkdir(exist_ok=True)
        points = np.array([[0, 0, 0], [2 + index / 6, 0, 0], [0, 1, 0], [0, 0, 0.5 + index / 12]], dtype=float)
        trimesh.Trimesh(points, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]).export(file)
    return root


def recipe_of(host):
    recipe = resolve(host, "spherical:smoke", Overrides(sets=ADDED))
    for body in recipe.bodies.values():
        body.pop("generator", None)
        body["data"]["settings"] = {"split_by": "all", "picture_size": 16}
    return recipe


@pytest.fixture(scope="module")
def run(host, meshes, tmp_path_factory):
    return train(recipe_of(host), data=meshes, out=tmp_path_factory.mktemp("runs") / "smoke", host=host).folder


def test_the_true_view_is_of_the_mesh_turned_by_the_rotation(host, meshes):
    """``x_world = R2 R1 x_object`` in the second picture and ``R1 x_object`` in the first; sizes are the recipe's."""
    bound = check(host, complete(host, recipe_of(host))).stages["views"].evaluators["views"]
    item = MeshFolder(root=meshes, split="all", split_by="all")[3]
    sample: dict[str, Any] = dict(item)
    generator = torch.Generator().manual_seed(5)
    transforms = [build_transform(host, part) for part in bound.transforms]
    for transform in transforms:
        sample = transform(sample, kinds=bound.kinds, generator=generator)
    studio, first = transforms[1].studio, sample["true_rotation"].double().numpy()
    assert sample["image"].shape == sample["true_view"].shape == (1, 16, 16)
    for picture, turn in (("image", first), ("true_view", sample["rotation"].double().numpy() @ first)):
        expected = torch.from_numpy(take_picture(item["mesh"].moved(turn), studio))
        torch.testing.assert_close(sample[picture][0], expected, atol=0.02, rtol=0)
    assert (sample["image"] - sample["true_view"]).abs().mean() > 0.01


def test_a_run_is_measured_and_drawn(host, run, meshes):
    """The views stage beside the one that serves; of a mesh the unturned true view is the input itself."""
    entry = evaluate(run, data=meshes, host=host, stage="views")
    result = entry["evaluators"]["views"]
    assert entry["stage"] == "views"
    assert result["figures"]["l1"]["count"] == 12
    assert set(result["baselines"]) == {"mean training picture", "input as it is"}
    maker = ViewMaker(restore(run, host=host, stage="views"), host)
    assert maker.turn.rotation.frame == "world"
    turns = np.concatenate(
        [np.eye(3)[None], random_rotation(3, dtype=torch.float64, generator=torch.Generator()).numpy()]
    )
    views = maker.views(
        meshes / "flat" / "0.ply",
        name="0",
        rotations=np.concatenate([turns, grid_rotations(elevations=(0,), azimuths=(0,))]),
    )
    assert views.true is not None
    torch.testing.assert_close(views.true[0], views.image)
    assert views.drawn.shape == views.true.shape == (5, 1, 16, 16)
