"""Fixtures shared by the tests: distributions laid out as pip does it, a toy plugin, a head without a photograph, pictures."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.kernels.cameras import intrinsics, pixel_coordinates
from armillary.kernels.shading import lambert, normals_from_depth
from armillary.plugins.discovery import PluginRecord, discover
from armillary.plugins.host import Host

GOOD = """
from armillary.plugins.hookspecs import hookimpl

@hookimpl
def armillary_components():
    from {package}.parts import Net

    return [Net]
"""
PARTS = """
from typing import Annotated, TypedDict

from armillary import ports
from armillary.config import param
from armillary.interfaces import Encoder

class Out(TypedDict):
    feature: Annotated[ports.FeatureVector, "batch $width"]

class Net(Encoder, name="net"):
    width: int = param(8)

    def forward(self, image: ports.Image) -> Out:
        return {"feature": image.mean(dim=(1, 2, 3), keepdim=True).flatten(1).expand(-1, self.width)}
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
        sources = {"__init__.py": "", "plugin.py": source, "parts.py": PARTS} | dict(files or {})
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


def make_head(size: int = 64) -> SimpleNamespace:
    """Depth in [0.9, 1.1] about z = 1 in the camera of 10 degrees, seen from the front."""
    camera = intrinsics(math.radians(10.0), height=size, width=size)
    x, y = ((pixel_coordinates(size, size) - camera[:2, 2]) / camera[0, 0]).unbind(-1)

    def spot(cx: float, cy: float, rx: float, ry: float) -> torch.Tensor:
        return torch.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)

    inside = 1.0 - (x / 0.06) ** 2 - (y / 0.075) ** 2
    mask = inside > 0.02
    depth = 1.03 - 0.07 * inside.clamp_min(0.0).sqrt()
    depth = (
        depth
        - 0.018 * spot(0.0, 0.012, 0.008, 0.014)
        + 0.006 * (spot(-0.022, -0.01, 0.01, 0.008) + spot(0.022, -0.01, 0.01, 0.008))
    )
    depth = torch.where(mask, depth, 1.1)[None]
    albedo = torch.tensor([0.86, 0.66, 0.55])[:, None, None].expand(3, size, size).clone()

    def paint(colour: tuple[float, float, float], amount: torch.Tensor) -> None:
        albedo.copy_(albedo + amount * (torch.tensor(colour)[:, None, None] - albedo))

    paint((0.85, 0.35, 0.35), 0.8 * spot(0.03, 0.022, 0.012, 0.012))
    for side in (-1, 1):
        paint((0.95, 0.95, 0.95), (spot(side * 0.022, -0.01, 0.011, 0.006) > 0.4).float())
        paint((0.15, 0.25, 0.35), (spot(side * 0.022, -0.01, 0.004, 0.004) > 0.4).float())
    paint((0.65, 0.2, 0.22), (spot(0.0, 0.042, 0.02, 0.005) > 0.4).float())
    paint((0.25, 0.16, 0.1), (y < -0.045 + 6.0 * x**2).float())
    light = torch.tensor([0.25, 0.75, 0.35, -0.5, -0.79])
    light[2:] /= light[2:].norm()
    shading = lambert(normals_from_depth(depth, camera), light)
    return SimpleNamespace(
        size=size,
        camera=camera,
        depth=depth,
        mask=mask[None],
        albedo=torch.where(mask, albedo, 0.35),
        light=light,
        shading=shading,
        normals=normals_from_depth(depth, camera),
        image=(torch.where(mask, albedo, 0.35) * torch.where(mask, shading, 1.0)).clamp(0.0, 1.0),
    )


@pytest.fixture(scope="session")
def head() -> SimpleNamespace:
    """The head at 64 x 64."""
    return make_head()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Ten pictures of coloured noise."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(10):
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder
