"""The command line in this process, with the toy plugin installed and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from armillary.cli import main

TOY = Path(__file__).parents[1] / "toy"


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
