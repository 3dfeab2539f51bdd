"""Manifests: what is listed without importing is what importing gives, and an old manifest counts as none."""

import shutil
import subprocess
import sys
import typing
from pathlib import Path

import attrs
import pytest

import armillary
from armillary.errors import ConfigError
from armillary.plugins import manifest
from armillary.plugins.host import Host


def settings(config) -> list:
    """Return every field with all that it holds, validators that are imported later resolved."""
    kinds = typing.get_type_hints(config)
    bare = [
        f.validator.resolve() if isinstance(f.validator, manifest.Later) else f.validator for f in attrs.fields(config)
    ]
    return [
        (f.name, f.default, check, dict(f.metadata), kinds[f.name])
        for f, check in zip(attrs.fields(config), bare, strict=True)
    ]


def freeze(site, id: str = "rings") -> Path:
    """Write the manifest of an installed plugin."""
    host = site.host()
    path = manifest.path_of(host.record(id).module)
    assert path is not None
    path.write_text(manifest.freeze(path.parent, host.classes(id)))
    return path


RULED = """
from typing import Annotated, Literal, TypedDict
from attrs.validators import and_, ge, gt, in_, lt, min_len, optional
from armillary import ports
from armillary.config import param
from armillary.rules import Distinct, Holds, MultipleOf
from armillary.interfaces import Encoder
from armillary.specs import RecipeSpec

def odd(_, attribute, value):
    if value % 2 == 0:
        raise ValueError(f"{attribute.name} needs an odd number, got {value}")

class Out(TypedDict):
    feature: Annotated[ports.FeatureVector, "batch $width"]

class Net(Encoder, name="net", source="ours"):
    "A network."
    symmetry = "so3"
    width: int = param(8, unit="channel", help="how wide", validator=and_(ge(1), lt(99)))
    kernel: int = param(3, validator=odd)
    share: float | None = param(None, validator=optional(gt(0)))
    mode: Literal["a", "b"] = param("a")
    names: tuple[str, ...] = param(("x",), validator=and_(min_len(1), Distinct()))
    low: int = param(4, validator=MultipleOf(2))
    high: int = param(8, validator=Holds("low < high", "why"))

    def check(self):
        if self.kernel > self.width:
            raise ValueError("kernel is wider than width")

    def forward(self, image: ports.Image) -> Out: ...
"""


@pytest.fixture
def ruled(site):
    """A plugin with every kind of validator, its manifest written, forgotten by this process."""
    site.install("rings", files={"parts.py": RULED})
    imported = Host(site.host().records, manifests=False)
    spec = imported.component("encoder", "rings:net")
    freeze(site)
    for name in [name for name in sys.modules if name.startswith("armillary_rings")]:
        del sys.modules[name]
    return spec, imported.config(spec)


def test_a_frozen_plugin_is_listed_without_being_imported(site, ruled):
    spec, config = ruled
    host = site.host()
    frozen = host.component("encoder", "rings:net")
    assert frozen == spec
    assert "armillary_rings" not in sys.modules
    listed = host.config(frozen)
    assert "armillary_rings" not in sys.modules
    assert [field[:2] + field[3:] for field in settings(listed)] == [
        field[:2] + field[3:] for field in settings(config)
    ]


def test_rules_hold_as_without_a_manifest(site, ruled):
    del ruled
    from armillary.config import structure

    host = site.host()
    config = host.config(host.component("encoder", "rings:net"))
    assert structure({}, config).width == 8
    for table, reason in (
        ({"width": 0}, "width"),
        ({"kernel": 4}, "odd number"),
        ({"kernel": 9}, "kernel is wider"),
        ({"mode": "c"}, "mode"),
        ({"names": []}, "names"),
        ({"names": ["a", "a"]}, "repeat"),
        ({"low": 3}, "multiple of 2"),
        ({"low": 8}, "needs low < high .why., got low 8, high 8"),
        ({"share": -1.0}, "share"),
    ):
        with pytest.raises(ConfigError, match=reason):
            structure(table, config)


def test_a_rule_is_imported_only_for_the_settings_that_it_reads(site, ruled):
    del ruled
    from armillary.config import structure

    host = site.host()
    config = host.config(host.component("encoder", "rings:net"))
    structure({"mode": "b", "share": 0.5, "low": 2, "high": 4, "names": ["a", "b"]}, config)
    assert "armillary_rings" not in sys.modules
    structure({"width": 9}, config)
    assert "armillary_rings" in sys.modules


def test_a_part_is_built_with_settings_from_a_manifest(site, ruled):
    del ruled
    host = site.host()
    spec = host.component("encoder", "rings:net")
    part = host.resolve(spec).cls.build(host.config(spec)(width=5))
    assert (part.width, part.kernel) == (5, 3)


@pytest.mark.parametrize("damage", ["source", "new file", "cut", "other"])
def test_an_old_or_damaged_manifest_counts_as_none(site, ruled, damage):
    del ruled
    path = manifest.path_of("armillary_rings.plugin")
    assert path is not None
    assert manifest.read(path) is not None
    if damage == "source":
        (path.parent / "parts.py").write_text(RULED.replace("so3", "o3"))
    elif damage == "new file":
        (path.parent / "more.py").write_text("")
    else:
        path.write_text(path.read_text()[:-40] if damage == "cut" else "[]")
    assert manifest.read(path) is None
    found = site.host().component("encoder", "rings:net")
    assert found.symmetry == ("o3" if damage == "source" else "so3")


def test_what_cannot_be_frozen_says_what_to_use(site):
    source = RULED.replace("validator=odd", "validator=lambda *_: None")
    site.install("rings", files={"parts.py": source})
    with pytest.raises(TypeError, match=r"use those of attrs\.validators"):
        freeze(site)


@pytest.mark.parametrize("command", [["components", "list"], ["recipes", "list"], ["recipes", "check"]], ids=" ".join)
def test_listing_and_checking_need_no_torch(tmp_path, command):
    """From a copy of the core and the toy with fresh manifests, as wheels have them."""
    core, toy = Path(armillary.__file__).parent, Path(__file__).parents[1] / "toy/armillary_toy"
    for folder in (core, toy):
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__", manifest.NAME))
    info = tmp_path / "armillary_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: armillary-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[armillary.plugins]\ntoy = armillary_toy.plugin\n")
    environ = {"PYTHONPATH": str(tmp_path), "ARMILLARY_ONLY": "toy", "PATH": "", "COLUMNS": "200"}

    def run(code: str, *arguments: str) -> str:
        words = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(words, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    written = run("import sys; from armillary.cli import main; sys.exit(main(sys.argv[1:]))", "plugins", "freeze")
    assert sorted(Path(line).parent.name for line in written.splitlines()) == ["armillary_toy", "std"]
    code = (
        "import sys; from armillary.cli import main; status = main(sys.argv[1:]);"
        "print(status, [name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    *lines, last = run(code, *command).splitlines()
    assert last == "0 []"
    assert any("toy:" in line for line in lines)
