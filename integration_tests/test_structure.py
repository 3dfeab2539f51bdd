"""Measures of the code, on a small tree counted by hand; the bars themselves are held by ``nox -s structure``."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

OLD = """\"\"\"Which losses there are.\"\"\"

import attrs
from armillary.config import param


@attrs.frozen
class Config:
    \"\"\"Settings.\"\"\"

    depth_min: float = param(0.9)
    width: int = param(
        8
    )
"""
PART = """import armillary_unsup3d.plugin
from armillary.ports import Port

PORTS = (
    Port("image"),
    Port(
        "depth",
    ),
)


class Head:
    depth_max: float = param(1.1)  # a setting

    def forward(self):
        return self.depth_max + self.depth_max - depth_min
"""


@pytest.fixture(scope="module")
def structure():
    """The script of the measures."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import structure
    finally:
        sys.path.pop(0)
    return structure


@pytest.fixture
def package(tmp_path) -> Path:
    """A package of three files; the two modules import each other."""
    folder = tmp_path / "packages/armillary-unsup3d/src/armillary_unsup3d"
    folder.mkdir(parents=True)
    (folder.parents[1] / "pyproject.toml").write_text("[project]\n")
    (folder / "plugin.py").write_text(OLD + "\n\ndef hook():\n    import armillary_unsup3d.heads\n")
    (folder / "heads.py").write_text(PART)
    (folder / "recipes.py").write_text("depth_min = 1\n")
    return folder.parents[1]


def test_small_tree(structure, package):
    """depth_min: its field and one use; depth_max: its field and two uses; width is not compound; recipes do not count."""
    assert structure.mentions(package) == {"depth_min": 2, "depth_max": 3}
    assert structure.circles(structure.import_graph(package)) == [
        ["armillary_unsup3d.heads", "armillary_unsup3d.plugin"]
    ]


def test_declaration_lines(structure, package):
    """All 18 lines of plugin.py; of the part, one port of one line and one of three. The class of the part is no declaration."""
    assert structure.declaration_lines(package) == 18 + 1 + 3
    path = package / "src/armillary_unsup3d/settings.py"
    path.write_text(OLD)
    assert structure.declaration_lines(package) == 18 + 4 + 7  # class Config to its last bracket


def test_code_lines(structure, package):
    """Imports 2, decorator and class 2, fields 1 + 3, hook 2; imports 2, tuple 6, class and field 2, forward 2; recipe 1."""
    assert structure.code_of(package) == 10 + 12 + 1


def test_concepts_that_no_list_has_are_counted(structure, tmp_path):
    path = tmp_path / "loss.py"
    path.write_text(
        "from armillary.interfaces import Loss\nfrom armillary import oracle\nloss = oracle(unit='m', riddle=1)\n"
    )
    found = {"the interface, with name and source", "oracle", "a setting", "riddle"}
    assert structure.concepts([path]) == found


def test_rows_of_a_tree_and_its_status(structure, package):
    found = {row.measure.strip(): row for row in structure.rows(package.parents[1], fast=True)}
    assert found["a setting's name in its package, median"].today == 2.5
    assert found["circles between files"].missed
    assert found["docstrings that open with a question"].today == 1
    assert found["of docstrings of modules and classes"].today == 2
    assert found["functions before the first step"].today is None
    assert not found["code of the core, lines"].missed
    assert "missed" in structure.table([*found.values()])


def test_the_measures_find_the_tree(structure):
    """Guards the table: a search that finds nothing would meet every bar."""
    found = {row.measure.strip(): row.today for row in structure.rows(ROOT, fast=True)}
    assert found["code of the core, lines"] > 10_000
    assert found["of docstrings of modules and classes"] > 500
    assert found["the tutorial's loss, concepts"] > 4
    assert found["a setting's name in its package, median"] >= 1
    assert len(structure.public_kernels()) > 90


def test_the_page_has_the_rooms_of_the_tree(structure):
    """In the order of imports, one row per floor; ``test_house.py`` holds the floors to the tree."""
    page = (ROOT / "docs/structure.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in rows] == [*structure.FLOORS]
