"""What the pages say is true: the programs and commands in them run, and they leave nothing out."""

import re
import shlex
import sys
from pathlib import Path

import attrs
import pytest

from armillary.cli.app import app
from armillary.plugins import hookspecs
from armillary.plugins.host import KINDS, Host
from armillary.ports import KINDS as KINDS_OF_TENSOR

ROOT = Path(__file__).parent.parent
GROUPS = ("plugins", "components", "assets", "recipes", "data", "new")  # verbs of two words
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/methods/*.md")))


def blocks(page: Path, language: str) -> list[str]:
    fenced = re.findall(r"^```([^\n`]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [text for found, text in fenced if found == language]


def verbs(page: Path) -> list[tuple[str, ...]]:
    """Return the verbs of all ``armillary`` commands in a page's code blocks."""
    found = []
    for text in blocks(page, "") + blocks(page, "sh") + blocks(page, "console"):
        for line in text.replace("\\\n", " ").splitlines():
            if not line.removeprefix("$ ").startswith("armillary "):
                continue  # formulas and output, which are not words of a shell
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if len(words) > 1:
                found.append(tuple(words[1:]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_in_the_pages_exist(page, armillary):
    """Each verb and flag that a page shows is one that the command's own help names."""
    for words in verbs(page):
        told = armillary(*words[: 2 if words[0] in GROUPS else 1], "--help").stdout
        missing = [word for word in words if word.startswith("--") and word not in told]
        assert not missing, f"armillary {' '.join(words)}: no {missing[0]}"


@pytest.fixture(scope="module")
def generate():
    """The script that writes the reference."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate
    finally:
        sys.path.pop(0)
    return generate


def rows(text: str) -> dict[str, str]:
    """Return the rows of the tables of a text by what stands first in them."""
    return {
        line.split("|")[1].strip(" `"): line.replace("\\|", "|") for line in text.splitlines() if line.startswith("|")
    }


def entry(page: str, id: str) -> str:
    """Return the one entry of a page that has this title."""
    (text,) = page.split(f"\n## {id}\n")[1:]
    return text.split("\n## ")[0]


def test_every_hook_and_verb_is_documented(generate):
    pages = generate.pages()
    hooks = [hookspecs.COMPONENTS, *hookspecs.OBSERVER_HOOKS]
    assert [name for name in hooks if name not in pages["hooks"]] == []
    assert [kind for kind in KINDS_OF_TENSOR if f"| `{kind}` |" not in pages["ports"]] == []
    for words in generate.verbs(app, ()):
        assert f"Usage: armillary {' '.join(words)}" in entry(pages["commands"], f"armillary {' '.join(words)}")


def test_every_component_is_documented(generate):
    """With its ports and slots; with each setting, its unit, what it does and whence its value is."""
    pages, host = generate.pages(), Host()
    counted = 0
    for kind in KINDS:
        for id, spec in ({} if kind == "recipe" else host.components(kind)).items():
            text = entry(pages[f"components-{kind}"], id)
            assert f"`{id}`" in pages["components"]
            assert len(spec.summary) > 10, f"{kind} {id} has no summary"
            assert spec.source or id.startswith("std:"), f"{kind} {id} names no source"
            assert spec.source in text
            ports = (*spec.consumes, *spec.produces, *getattr(spec, "predicts", ()), *getattr(spec, "trains_on", ()))
            names = [*(port.name for port in ports), *getattr(spec, "slots", {})]
            assert [name for name in names if f"`{name}`" not in text] == []
            lines = rows(text)
            for field in attrs.fields(host.config(spec)):
                counted += 1
                told = [field.metadata.get(key) or "" for key in ("help", "unit", "source")]
                assert any(told), f"{kind} {id}: nothing is said of {field.name}"
                assert all(" ".join(words.split()) in lines[field.name] for words in told), f"{kind} {id}: {field.name}"
    assert counted > 200


def test_every_recipe_is_documented(generate):
    """With each value that it sets and the value's source."""
    pages, host = generate.pages(), Host()
    counted = 0
    for id, spec in host.components("recipe").items():
        text = entry(pages[f"recipes-{id.split(':')[0]}"], id)
        lines = rows(text)
        assert f"`{id}`" in pages["recipes"]
        assert spec.source in text
        table, sources = spec.table()
        for path, _ in generate.leaves({k: v for k, v in table.items() if k not in ("extends", "remove")}):
            counted += path in sources
            assert " ".join(sources.get(path, "").split()) in lines[path]
    assert counted > 200


def test_every_kernel_and_interface_is_documented():
    """Each module of functions that others may call, and each interface, has its docstrings on a page."""
    source = ROOT / "packages/armillary/src"
    files = [path for room in ("kernels", "nn", "interfaces") for path in source.glob(f"armillary/{room}/**/*.py")]
    modules = {".".join(path.relative_to(source).with_suffix("").parts) for path in files if path.stem != "__init__"}
    modules -= {"armillary.nn.spheres.tables"}  # shared by the modules beside it
    told = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/reference/*.md"))
    assert len(modules) > 25
    assert [name for name in sorted(modules) if f"automodule:: {name}\n" not in told] == []


def test_every_environment_variable_is_documented():
    source = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("packages/*/src/**/*.py"))
    read = set(re.findall(r"\bARMILLARY_[A-Z]+\b", source))
    told = (ROOT / "docs/reference/files.md").read_text(encoding="utf-8")
    assert {"ARMILLARY_ONLY", "ARMILLARY_BLOCK"} <= read
    assert [name for name in sorted(read) if f"`{name}=" not in told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    """Relative links and pictures point to files that are there."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []
