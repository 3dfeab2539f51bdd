"""The command line in this process, with the toy plugin installed and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from armillary.cli import main

TOY = Path(__file__).parents[1] / "toy"


PLUGIN = """
from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import Budget, RecipeSpec, Use, GeneratorSpec


@hookimpl
def armillary_generators():
    return [
        GeneratorSpec(name="noise", target="armillary_noise.generator:Noise", config="armillary_noise.config:NoiseConfig",
                  produces=(Port("image", kind="image"),)),
        GeneratorSpec(name="file", target="armillary_noise.generator:Noise", config="armillary_noise.config:FileConfig",
                  produces=(Port("image", kind="image"),), assets=("model",)),
    ]


@hookimpl
def armillary_recipes():
    return [
        RecipeSpec(name="demo", extends="toy:smoke", generator=Use("noise:noise"), budget=Budget(steps=2)),
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
GENERATOR = """
import numpy as np
from armillary.interfaces.generator import Generator


class Noise(Generator):
    @classmethod
    def build(cls, config, *, size, seed):
        self = cls(size=size, seed=seed)
        self.config = config
        return self

    def item(self, index):
        rng = np.random.default_rng([self.seed, index])
        channels = 3 if self.config.colour == "all" else 1
        image = rng.random((channels, self.size, self.size), dtype=np.float32) * self.config.strength
        return {"image": np.broadcast_to(image, (3, self.size, self.size)).copy()}

    def describe(self):
        return {}
"""


class Answer(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions with the toy plugin in it; other plugins are blocked, settings of this user too."""
    site = tmp_path / "site"
    info = site / "armillary_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: armillary-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[armillary.plugins]\ntoy = armillary_toy.plugin\n")
    for folder in (TOY, site):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("ARMILLARY_ONLY", "toy")
    monkeypatch.delenv("ARMILLARY_BLOCK", raising=False)
    monkeypatch.setenv("ARMILLARY_ASSETS", str(tmp_path / "assets.json"))
    monkeypatch.setenv("COLUMNS", "120")
    return site


@pytest.fixture
def armillary(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in a folder of the test's own and hold it to a status: ``armillary("recipes", "list")``."""
    del toy
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments: object, status: int = 0) -> Answer:
        capsys.readouterr()
        found = main([str(each) for each in arguments])
        text = capsys.readouterr()
        assert found == status, f"{found}\n{text.out}\n{text.err}"
        return Answer(found, text.out, text.err)

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures of coloured noise."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def run(armillary: Command, pictures: Path) -> Answer:
    """A run of the toy in the folder ``run``, and what was said while it was trained."""
    fast = ("--steps", 2, "--set", "cadence.preview=100")
    return armillary("train", "toy:smoke", "--data", pictures, "--out", "run", *fast)


@pytest.fixture
def generator(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin ``noise`` beside the toy."""
    package = toy / "armillary_noise"
    package.mkdir()
    for name, text in {"__init__": "", "plugin": PLUGIN, "config": CONFIG, "generator": GENERATOR}.items():
        (package / f"{name}.py").write_text(text)
    info = toy / "armillary_noise-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: armillary-noise\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[armillary.plugins]\nnoise = armillary_noise.plugin\n")
    monkeypatch.setenv("ARMILLARY_ONLY", "toy,noise")
