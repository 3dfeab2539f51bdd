"""New plugins: whole or not at all, under names that are free; what they hold runs, as ``integration_tests`` shows."""

import ast
import shlex
import tomllib
from pathlib import Path

import pytest

from armillary import __version__
from armillary.errors import ArmillaryError
from armillary.plugins import scaffold
from armillary.plugins.host import KINDS as COMPONENTS
from armillary.plugins.scaffold import KINDS, NameRefusedError, check_name, new_plugin


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_whole(here, kind):
    """Every file is there, none has a placeholder left, and each is what its ending says."""
    folder, _ = new_plugin("my-part", kind=kind)
    assert folder == Path("armillary-my-part")
    assert files(folder) >= {
        "pyproject.toml",
        "README.md",
        "noxfile.py",
        ".gitignore",
        ".github/workflows/ci.yml",
        "armillary_my_part.py",
        "tests/test_armillary_my_part.py",
    }
    for path in filter(Path.is_file, folder.rglob("*")):
        text = path.read_text(encoding="utf-8")
        assert path.name == "ci.yml" or "{{" not in text
        assert not path.name.endswith(".txt")
        if path.suffix == ".py":
            ast.parse(text)
        if path.suffix == ".toml":
            tomllib.loads(text)
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["armillary.plugins"] == {"my-part": "armillary_my_part"}
    major, minor = map(int, __version__.split(".")[:2])
    assert f"armillary>={major}.{minor},<{major}.{minor + 1}" in project["dependencies"]


def test_kinds_are_those_of_the_contract():
    """Every kind of component but generators, which need no method, recipes, which a method brings, and adapters."""
    assert {*KINDS, "adapter", "generator", "recipe"} == {*COMPONENTS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_and_the_commands_agree(here, kind):
    """What is printed after the package was written stands in its README, and names the part or the patch with it."""
    folder, trial = new_plugin("mine", kind=kind)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "\n".join(trial[:2]) in text
    assert "\n".join(trial[2:]) in text
    (train,) = (shlex.split(line) for line in trial if line.startswith("armillary train"))
    patches = [word for word in train if word.endswith(".toml")]
    assert any("mine:" in word for word in train) or all("mine:" in (folder / path).read_text() for path in patches)
    for row in text.splitlines():
        if row.startswith("| `"):
            assert (folder / row.split("`")[1]).is_file(), row


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("std", "reserved for the core; another one: armillary new plugin my-std --kind loss"),
        ("core", "reserved for the core"),
        ("unsup3d", "that of armillary-unsup3d; another one: armillary new plugin my-unsup3d --kind loss"),
        ("testing", "armillary-testing is the conformance kit"),
        (
            "MyLoss",
            "is no plugin id: lower-case letters and digits, words joined by -; type: armillary new plugin my-loss",
        ),
        ("my loss", "type: armillary new plugin my-loss"),
        ("my_loss", "type: armillary new plugin my-loss"),
        ("3d", "type: armillary new plugin d"),
        ("Über-Teil", "type: armillary new plugin uber-teil"),
        ("armillary-mine", "the id stands without armillary-"),
        ("armillary-mine", "type: armillary new plugin mine --kind loss"),
        ("mine/../other", "type: armillary new plugin mine-other"),
        ("--", "for one: armillary new plugin mine"),
        ("", "for one: armillary new plugin mine"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_what_to_type(here, name, said):
    with pytest.raises(NameRefusedError) as refused:
        new_plugin(name, kind="loss")
    assert said in str(refused.value)
    assert files(here) == set()


def test_the_name_of_what_is_installed_is_refused(site):
    """Also where two ids would have one package."""
    site.install("owl")
    site.install("night_owl")
    for name in ("owl", "night-owl"):
        with pytest.raises(
            NameRefusedError, match=rf"taken by armillary-.*owl 1\.0 .*: armillary new plugin my-{name}"
        ):
            check_name(name, kind="head")


def test_the_name_of_a_distribution_that_is_no_plugin_is_refused(site):
    site.install("tools", entry_points="[console_scripts]\ntools = tools:main\n")
    with pytest.raises(NameRefusedError, match=r"armillary-tools 1\.0 is installed"):
        check_name("tools", kind="head")


def test_the_name_of_a_module_that_is_there_is_refused(here, monkeypatch):
    (here / "armillary_lying_about").mkdir()
    (here / "armillary_lying_about/__init__.py").write_text("")
    monkeypatch.syspath_prepend(here)
    with pytest.raises(NameRefusedError, match="a module armillary_lying_about is there already"):
        check_name("lying-about", kind="head")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["folder", "file"])
def test_nothing_is_overwritten(here, make):
    make(here / "armillary-mine")
    with pytest.raises(ArmillaryError, match=r"armillary-mine: is there already.*--out OTHER"):
        new_plugin("mine", kind="loss")
    assert list(here.iterdir()) == [here / "armillary-mine"]


def test_a_place_of_ones_own(here):
    folder, _ = new_plugin("mine", kind="loss", out=here / "somewhere")
    assert folder == here / "somewhere"
    assert (folder / "armillary_mine.py").is_file()
    with pytest.raises(ArmillaryError, match="no such folder; make it first: mkdir -p"):
        new_plugin("other", kind="loss", out=here / "not/there")


def test_a_place_that_cannot_be_written_is_named(here, monkeypatch):
    def refuses(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuses)
    with pytest.raises(ArmillaryError, match=r"nothing can be written there \(Read-only file system\)"):
        new_plugin("mine", kind="loss")


def test_what_is_interrupted_leaves_nothing(here, monkeypatch):
    """The templates end in the middle: neither the folder nor a part of it stays."""
    real = scaffold._filled

    def breaks(template, words):
        if template.name == "part.py.txt":
            raise KeyboardInterrupt
        return real(template, words)

    monkeypatch.setattr(scaffold, "_filled", breaks)
    with pytest.raises(KeyboardInterrupt):
        new_plugin("mine", kind="loss")
    assert list(here.iterdir()) == []
