"""``armillary data``, and the demo, on a world of coloured noise."""

import json

import pytest

PLUGIN = """
from armillary.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import Budget, RecipeSpec, Use, WorldSpec


@hookimpl
def armillary_worlds():
    return [
        WorldSpec(name="noise", target="armillary_noise.world:Noise", config="armillary_noise.config:NoiseConfig",
                  produces=(Port("image", kind="image"),)),
        WorldSpec(name="file", target="armillary_noise.world:Noise", config="armillary_noise.config:FileConfig",
                  produces=(Port("image", kind="image"),), assets=("model",)),
    ]


@hookimpl
def armillary_recipes():
    return [
        RecipeSpec(name="demo", extends="toy:smoke", world=Use("noise:noise"), budget=Budget(steps=2)),
        RecipeSpec(name="homeless", extends="toy:smoke"),
    ]
"""
CONFIG = """
from typing import Literal

import attrs
from armillary.config import param


@attrs.frozen(kw_only=True)
class NoiseConfig:
    strength: float = param(1.0)
    colour: Literal["grey", "all"] = param("all")


@attrs.frozen(kw_only=True)
class FileConfig(NoiseConfig):
    model: str = param(help="a file")
"""
WORLD = """
import numpy as np
from armillary.interfaces.world import World


class Noise(World):
    @classmethod
    def build(cls, config, *, size, seed):
        self = cls()
        self.config, self.size, self.seed = config, size, seed
        return self

    def item(self, index):
        rng = np.random.default_rng([self.seed, index])
        channels = 3 if self.config.colour == "all" else 1
        image = rng.random((channels, self.size, self.size), dtype=np.float32) * self.config.strength
        return {"image": np.broadcast_to(image, (3, self.size, self.size)).copy()}

    def describe(self):
        return {}
"""


@pytest.fixture
def world(toy, monkeypatch):
    """The plugin ``noise`` beside the toy."""
    package = toy / "armillary_noise"
    package.mkdir()
    for name, text in {"__init__": "", "plugin": PLUGIN, "config": CONFIG, "world": WORLD}.items():
        (package / f"{name}.py").write_text(text)
    info = toy / "armillary_noise-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: armillary-noise\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[armillary.plugins]\nnoise = armillary_noise.plugin\n")
    monkeypatch.setenv("ARMILLARY_ONLY", "toy,noise")


@pytest.fixture
def make(armillary, world, monkeypatch):
    """``data make`` in this process."""
    del world

    def call(*arguments, status=0):
        return armillary("data", "make", *arguments, "--workers", 0, status=status)

    return call


def test_make_writes_pictures_and_goes_on(make, tmp_path):
    answer = make("noise:noise", "out", "--count", 3, "--size", 8, "--set", "strength=0.5", "--set", "colour=grey")
    assert answer.out == ""
    assert "out: 3 pictures made" in answer.err
    about = json.loads((tmp_path / "work" / "out" / "world.json").read_text())
    assert about["settings"] == {"strength": 0.5, "colour": "grey"}
    again = make("noise:noise", "out", "--count", 3, "--size", 8, "--set", "strength=0.5", "--set", "colour=grey")
    assert "0 pictures made, 3 were there" in again.err


def test_make_in_shards(make):
    first = make("noise:noise", "out", "--count", 3, "--size", 8, "--shard", "1/2")
    assert "2 pictures made; 1 of other shards are still missing" in first.err
    assert "1 picture made" in make("noise:noise", "out", "--count", 3, "--size", 8, "--shard", "2/2").err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("noise:nose", "out"), 1, "did you mean 'noise:noise'?"),
        (("noise:noise", "out", "--count", 0), 2, "--count 0"),
        (("noise:noise", "out", "--size", 0), 2, "--size 0"),
        (("noise:noise", "out", "--shard", "3/2"), 2, "--shard 3/2: write it as I/N"),
        (("noise:noise", "out", "--set", "strength=much"), 1, "noise:noise.strength: needs a number, got 'much'"),
        (("noise:noise", "out", "--set", "strenth=1"), 1, "did you mean 'strength'?"),
        (("noise:noise", "out", "--set", "colour=gray"), 1, "did you mean 'grey'?"),
        (("noise:noise", "out", "--set", "colour"), 1, "write it as name=value"),
        (("noise:file", "out"), 1, "armillary assets add model FILE"),
    ],
)
def test_what_make_refuses(make, arguments, status, said):
    assert said in make(*arguments, status=status).err


def test_a_world_finds_its_file_in_the_register(make, armillary, tmp_path):
    model = tmp_path / "model.npz"
    model.write_bytes(b"weights")
    armillary("assets", "add", "model", model)
    make("noise:file", "out", "--count", 1, "--size", 8)
    text = (tmp_path / "work" / "out" / "world.json").read_text()
    assert json.loads(text)["settings"]["model"]["file"] == "model.npz"
    assert str(tmp_path) not in text


def test_check_and_info(armillary, pictures):
    good = armillary("data", "check", pictures)
    assert "6 of 6 can be read" in good.out
    (pictures / "empty.png").write_bytes(b"")
    bad = armillary("data", "check", pictures, status=1)
    assert "empty.png: empty file" in bad.out
    assert "--strict" in bad.err
    assert json.loads(armillary("data", "check", pictures, "--json", status=1).out)["ok"] is False
    assert "8 x 8" in armillary("data", "info", pictures).out
    assert json.loads(armillary("data", "info", pictures, "--json").out)["count"] == 7
    assert "no such folder" in armillary("data", "info", "nosuch", status=1).err


def test_the_demo_makes_one_page_of_what_works(armillary, world, monkeypatch, tmp_path):
    """A method without an evaluator or a surface is shown, too; what fails is said and hurts nothing."""
    del world
    for name, number in {"TRAINING": 6, "FRESH": 2}.items():
        monkeypatch.setattr(f"armillary.run.demo.{name}", number)
    monkeypatch.setattr("armillary.run.data.os.cpu_count", lambda: 1)
    answer = armillary("demo", "--out", "all", "--seconds", 60)
    page = tmp_path / "work" / "all" / "index.html"
    assert f"open this file: {page}" in answer.err
    assert "noise:demo" in answer.out
    text = page.read_text()
    assert "armillary predict all/runs/noise-demo" in text
    assert len(list((tmp_path / "work" / "all" / "runs" / "noise-demo" / "predictions").glob("*.npz"))) == 2
    again = json.loads(armillary("demo", "--out", "all", "--json").out)
    assert again["methods"][0]["run"] == "all/runs/noise-demo-2"
    broken = armillary("demo", "--out", "all", "--method", "noise", "--method", "toy:demo", status=1)
    assert "unknown recipe 'toy:demo'" in broken.err
