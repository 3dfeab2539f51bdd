"""What the pages say of a method and draw of a convention is what was measured, and what the code does."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armillary.plugins.host import Host

ROOT = Path(__file__).parent.parent
METHODS = sorted({id.split(":")[0] for id in Host().components("method") if not id.startswith("std:")})
SECTIONS = ("What a run finds", "What to expect", "Where it fails", "What it offers")


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert found, f"no section {title!r}"
    return found[1]


@pytest.fixture
def docs(monkeypatch):
    """Scripts of the site, to be imported by name."""
    monkeypatch.syspath_prepend(ROOT / "docs")


@pytest.fixture
def drawn(docs):
    """What the script of the conventions' page draws now."""
    import conventions_figures

    return conventions_figures


def test_methods_were_found():
    assert {"unsup3d", "photogeo", "labelling", "keypoints", "spherical"} <= {*METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_a_page(method):
    """A picture of a run with the command that draws it, what to expect, where it fails; listed among the methods."""
    text = (ROOT / f"docs/methods/{method}.md").read_text(encoding="utf-8")
    found, *others = (section(text, title) for title in SECTIONS)
    (picture,) = re.findall(r"!\[.{30,}\]\(\.\./_static/([\w-]+\.png)\)", found)
    assert (ROOT / "docs/_static" / picture).is_file()
    assert re.search(rf"^python docs/figure.py runs/\w+ docs/_static/{picture} ", found, flags=re.MULTILINE)
    assert f"armillary train {method}:quick" in found
    assert all(len(words) > 100 for words in others[:2])
    index = (ROOT / "docs/methods/index.md").read_text(encoding="utf-8")
    assert f"]({method}.md)" in index
    assert f"\n{method}\n" in index
    assert "## What it does" in (ROOT / f"packages/armillary-{method}/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", METHODS)
def test_expected_figures_are_those_that_were_measured(method):
    """What a page says of a run stands in the package's own page, with how it was measured."""
    text = (ROOT / f"docs/methods/{method}.md").read_text(encoding="utf-8")
    measured = set(re.findall(r"\d+(?:[.,]\d+)*", (ROOT / f"packages/armillary-{method}/README.md").read_text("utf-8")))
    words = re.sub(r"`.*?`|\]\(.*?\)", "", section(text, "What to expect") + section(text, "Where it fails"))
    said = re.findall(r"\d+\.\d+", words)
    assert said or "](#figures)" in text
    assert [number for number in said if number not in measured] == []


def test_drawn_conventions_are_those_of_the_code(drawn):
    """To a tenth of a pixel. Drawn anew by: python docs/conventions_figures.py."""
    pictures = drawn.pictures()
    assert len(pictures) >= 6
    for name, text in pictures.items():
        assert (ROOT / "docs/_static" / name).read_text(encoding="utf-8") == text, name
    shown = Image.open(BytesIO((ROOT / "docs/_static/conventions-harmonics.png").read_bytes())).convert("RGB")
    np.testing.assert_allclose(np.asarray(shown, dtype=int), drawn.harmonics().astype(int), atol=2)


def test_drawn_rooms_are_those_of_the_tree(docs):
    """Imports of today. Drawn anew by: python docs/structure_figure.py."""
    import structure_figure

    graph = structure_figure.edges()
    assert {"recipes", "plugins", "interfaces"} <= graph["training"]
    assert "pages" not in graph["training"]
    text = (ROOT / "docs/_static/structure.svg").read_text(encoding="utf-8")
    assert text == str(structure_figure.rooms())


def test_every_picture_is_shown():
    """No picture lies about that no page shows."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md")]
    shown = "".join(page.read_text(encoding="utf-8") for page in pages)
    pictures = [p.name for p in (ROOT / "docs/_static").iterdir() if p.suffix in (".png", ".svg")]
    assert [name for name in pictures if f"_static/{name}" not in shown] == []
