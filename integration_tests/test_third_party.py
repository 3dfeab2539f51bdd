"""A stranger's renderer, loss and observer inside published methods, by name alone.

The plugin in ``third_party`` knows the documentation and nothing else of this repository. Its renderer walks along each
pixel's ray to the canonical surface, which is bilinear in inverse depth; ours draws a mesh of triangles.
"""

import importlib
import json
import math
import tomllib
from pathlib import Path

import pytest
import torch

from armillary.kernels.cameras import back_project, intrinsics, pose_about, rays
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.rotations import exp_map

HERE = Path(__file__).parent / "third_party"
LOSS = ("--set", "losses.mine.use=raycast:correlation", "--set", "losses.mine.weight=0.5")
RENDERER = ("--use", "renderer=raycast:surface")
SIZE = 24


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_it_is_what_it_declares(armillary, third_party):
    report = json.loads(armillary("plugins", "verify", "raycast", "--json", env=third_party).stdout)
    assert {outcome["subject"] for outcome in report["outcomes"]} == {
        "raycast",
        "raycast:surface",
        "raycast:correlation",
    }
    assert [outcome for outcome in report["outcomes"] if outcome["state"] not in ("passed", "skipped")] == []


@pytest.mark.parametrize("method", ["unsup3d", "photogeo"])
def test_its_renderer_its_loss_and_its_observer_train_a_method(armillary, third_party, heads, tmp_path, method):
    """The run names the parts and the distribution that they come from; it goes on, is measured and predicts with them."""
    train = ("train", f"{method}:smoke", "--data", heads, "--out", "run", *RENDERER, *LOSS, "--with", "raycast")
    armillary(*train, "--steps", 4, env=third_party)
    run = tmp_path / "run"
    last = rows(run)[-1]
    assert 0 < last["losses.mine"] < 2
    assert last["gradient"] > 0
    assert (run / "seen.txt").read_text() == f"main 4 {last['loss']}\n"
    recipe = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    assert recipe["slots"]["renderer"]["use"] == "raycast:surface"
    assert "armillary-raycast" in (run / "plugins.json").read_text(encoding="utf-8")
    found = json.loads(
        armillary("evaluate", "run", "--data", heads, "--split", "all", "--json", env=third_party).stdout
    )
    assert found["evaluators"]["depth"]["figures"]
    armillary("predict", "run", next((heads / "images").iterdir()), "--out", "found", env=third_party)
    assert list((tmp_path / "found").glob("*.npz"))
    told = armillary("predict", "run", next((heads / "images").iterdir()), "--out", "again", status=1).stderr
    assert "raycast" in told


def test_its_loss_trains_key_points(armillary, third_party, heads, tmp_path):
    armillary("train", "keypoints:smoke", "--data", heads, "--out", "run", *LOSS, "--steps", 4, env=third_party)
    assert 0 < rows(tmp_path / "run")[-1]["losses.mine"] < 2
    assert not (tmp_path / "run/seen.txt").exists()  # an observer is asked for


def test_another_renderer_gives_the_same_scene(armillary, third_party, heads, tmp_path):
    """With one seed the loss of the first step is that of our renderer but for silhouettes: the networks are the same."""
    first = {}
    for name, more in {"theirs": RENDERER, "ours": ()}.items():
        train = ("train", "unsup3d:smoke", "--data", heads, "--out", name, "--steps", 1, *more)
        armillary(*train, env=third_party)
        first[name] = rows(tmp_path / name)[0]["loss"]
    assert first["theirs"] == pytest.approx(first["ours"], rel=0.05)
    assert first["theirs"] != first["ours"]


# --- the parts themselves ----------------------------------------------------------------------------------------------


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("armillary_raycast.parts")


@pytest.fixture
def surface(parts):
    return parts.Surface()


def test_its_loss_is_one_less_the_correlation(parts):
    """0 for a picture in other contrast, 2 for its negative, 1 for another that has nothing to do with it."""
    image = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).expand(3, 1, 2, 2)
    found = torch.stack((image[0] / 4 + 0.1, 1 - image[0], image[0].mT))
    loss = parts.Correlation()
    torch.testing.assert_close(loss(reconstruction=found, image=image), torch.tensor([0.0, 2.0, 1.0]))


def scene(*, turn):
    """A camera of 30 degrees, and a pose turned by ``turn`` about a point that is 1 away."""
    camera = intrinsics(math.radians(30), height=SIZE, width=SIZE, dtype=torch.float64)[None]
    rotation = exp_map(torch.tensor([[0.3 * turn, turn, 0.0]], dtype=torch.float64))
    pose = pose_about(rotation, torch.zeros(1, 3).double(), centre=torch.tensor([[0.0, 0.0, 1.0]]).double())
    return camera, pose


def test_the_identity_gives_the_depth_back(surface):
    camera, _ = scene(turn=0.0)
    depth = 0.9 + 0.2 * torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).double()
    found = surface(canonical_depth=depth, pose=torch.eye(3, 4)[None].double(), camera=camera)
    torch.testing.assert_close(found["depth"], depth, atol=1e-9, rtol=0)
    assert found["visible"].all()


def test_a_plane_stays_a_plane(surface):
    """n . x = 1 turned by R about c: along each ray z = (1 - n . (c - R^T c)) / (R n . r)."""
    camera, pose = scene(turn=0.4)
    normal = torch.tensor([0.1, -0.2, 1.0]).double()
    directions = rays(camera, height=SIZE, width=SIZE)
    depth = 1 / (directions @ normal)[:, None]
    found = surface(canonical_depth=depth, pose=pose, camera=camera)
    turned = pose[0, :, :3] @ normal
    expected = (1 + turned @ pose[0, :, 3]) / (directions @ turned)
    seen = found["visible"]
    torch.testing.assert_close(found["depth"][seen], expected[:, None][seen], atol=1e-9, rtol=0)
    assert seen.double().mean() > 0.7


def test_a_ball_is_drawn_as_by_the_mesh(surface):
    """Both differ from the ball by their own interpolation; where either sees and the other does not is a silhouette."""
    camera, pose = scene(turn=0.5)
    x, y, _ = back_project(torch.ones(1, 1, SIZE, SIZE).double(), camera).unbind(-1)
    depth = (1.1 - 4 * (0.03 - x.square() - y.square()).clamp_min(0))[:, None]
    theirs = surface(canonical_depth=depth, pose=pose, camera=camera)
    ours, seen = render_depth(depth, pose, camera)
    both = seen & theirs["visible"]
    assert (theirs["depth"] - ours)[both].abs().max() < 0.01
    assert (theirs["depth"] - ours)[both].abs().mean() < 5e-4
    assert (seen != theirs["visible"]).double().mean() < 0.03


def test_its_gradient_is_that_of_what_it_draws(surface):
    camera = intrinsics(math.radians(30), height=8, width=8, dtype=torch.float64)[None]
    _, pose = scene(turn=0.2)
    place = torch.linspace(-1, 1, 8).double()
    depth = (1.0 + 0.02 * place * place[:, None] + 0.01 * place)[None, None].requires_grad_()

    def drawn(depth, pose):
        return surface(canonical_depth=depth, pose=pose, camera=camera)["depth"]

    assert torch.autograd.gradcheck(drawn, (depth, pose.requires_grad_()))
