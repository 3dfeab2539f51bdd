"""A second part for the renderer slots: each trains in the place of the published one."""

import json
import math

import pytest
import torch

from armillary.inference.restore import restore
from armillary.plugins.host import Host
from armillary.recipes.recipe import Overrides, resolve
from armillary.recipes.settings import DeviceConfig
from armillary.training.build import call_method
from armillary.training.folder import RunFolder
from armillary.training.train import train

STEPS = 20
SECOND = {
    "keypoints edges=keypoints:blobs": "edge_map",
    "keypoints decoder=keypoints:small-decoder": "reconstruction",
}


@pytest.fixture(scope="module")
def host() -> Host:
    """Everything that is installed."""
    return Host()


@pytest.mark.parametrize("which", SECOND)
def test_it_trains_in_the_place_of_the_published_one(which, host, small_generators, tmp_path):
    """Twenty steps of the real loop: finite losses that change, and an output that differs from picture to picture."""
    method, use = which.split()
    sets = (f"budget.steps={STEPS}", "cadence.log=1", "batch_size=3")
    recipe = resolve(host, f"{method}:smoke", Overrides(uses=(use,), sets=sets))
    generator = next(body["generator"]["use"] for body in recipe.bodies.values())
    device = DeviceConfig(accelerator="cpu", threads=1)
    train(recipe, data=small_generators[generator], out=tmp_path / "run", host=host, device=device)
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == STEPS
    assert all(map(math.isfinite, losses))
    assert len(set(losses)) > 1
    restored = restore(RunFolder.open(tmp_path / "run"), host=host)
    size = [side or 1 for side in restored.model.plan.shapes["image"][1:]]
    images = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = call_method(restored.model, {"image": images}, predict=True)[SECOND[which]]
    assert bool(found.isfinite().all())
    assert float(found.std(dim=0).mean()) > 0
