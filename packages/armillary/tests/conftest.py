"""Distributions that tests install: metadata and modules in a folder of their own, as pip lays them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from armillary.discovery import PluginRecord, discover
from armillary.host import Host

GOOD = """
from armillary.hookspecs import hookimpl
from armillary.specs import EncoderSpec

@hookimpl
def armillary_encoders():
    return [EncoderSpec(name="net", target="{package}.parts:Net", config="{package}.config:NetConfig")]
"""
CONFIG = """
import attrs
from armillary.config import param

@attrs.frozen(kw_only=True)
class NetConfig:
    width: int = param(8)
"""
PARTS = """
import torch
from armillary.interfaces.encoder import Encoder
from {package}.config import NetConfig

class Net(torch.nn.Module, Encoder):
    @classmethod
    def build(cls, config, *, inputs, outputs):
        return cls()

    def forward(self, **ports):
        return ports
"""


class Site:
    """A ``site-packages`` of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        id: str,
        source: str = GOOD,
        *,
        distribution: str = "",
        version: str = "1.0",
        requires: Sequence[str] = ("armillary>=0.1,<0.2",),
        module: str = "",
        entry_points: str = "",
        files: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Write a plugin. Every ``{package}`` in its sources is the name of its package."""
        folder = folder or self.folder
        distribution = distribution or f"armillary-{id}"
        package = f"armillary_{id.replace('-', '_')}"
        metadata = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {line}" for line in requires]
        (metadata / "METADATA").write_text("\n".join(lines) + "\n")
        points = entry_points or f"[armillary.plugins]\n{id} = {module or package + '.plugin'}\n"
        (metadata / "entry_points.txt").write_text(points)
        sources = {"__init__.py": "", "plugin.py": source, "parts.py": PARTS, "config.py": CONFIG} | dict(files or {})
        (folder / package).mkdir(exist_ok=True)
        for name, text in sources.items():
            (folder / package / name).write_text(text.replace("{package}", package))

    def records(self, **settings: str) -> dict[str, PluginRecord]:
        """Return id to record of what is installed here; ``settings`` are environment variables."""
        return {record.id: record for record in discover(path=[str(self.folder)], environ=settings)}

    def host(self, **settings: str) -> Host:
        """Return a host of what is installed here."""
        return Host(discover(path=[str(self.folder)], environ=settings))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty ``site-packages``, first on the path; its modules are forgotten at the end."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name in [name for name, module in sys.modules.items() if _lies_in(module, tmp_path)]:
        del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    return (getattr(module, "__file__", None) or "").startswith(str(folder))


TOY = Path(__file__).parent / "toy"


@pytest.fixture
def toy_host(monkeypatch) -> Host:
    """A host with the built-in parts and the toy plugin of ``tests/toy``, and nothing else that is installed."""
    monkeypatch.syspath_prepend(str(TOY))
    standard = next(record for record in discover(path=[]) if record.id == "std")
    toy = PluginRecord(
        id="toy", distribution="armillary-toy", version="1.0", module="armillary_toy.plugin", location=str(TOY)
    )
    return Host([standard, toy])
