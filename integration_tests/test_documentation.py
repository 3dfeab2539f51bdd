"""What the pages say is true: the programs and commands in them run, and they leave nothing out."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from armillary import hookspecs
from armillary.host import KINDS, Host

ROOT = Path(__file__).parent.parent
GROUPS = ("plugins", "components", "assets", "recipes", "data")  # verbs of two words
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/methods/*.md")))


def blocks(page: Path, language: str) -> list[str]:
    fenced = re.findall(r"^```([^\n`]*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [text for found, text in fenced if found == language]


def test_the_plugin_in_the_documentation_trains(armillary, heads, example_plugin, tmp_path):
    """Listed, checked, and trained beside the losses of a published recipe."""
    patch = next(text for text in blocks(ROOT / "docs/plugins.md", "toml") if "losses.mine" in text)
    (tmp_path / "mine.toml").write_text(patch, encoding="utf-8")
    listed = armillary("components", "list", "--kind", "loss", "--json", env=example_plugin).stdout
    assert "charbonnier:image" in listed
    armillary("recipes", "check", "unsup3d:smoke", "--recipe", "mine.toml", env=example_plugin)
    train = ("train", "unsup3d:smoke", "--recipe", "mine.toml", "--data", heads, "--out", "run")
    armillary(*train, env=example_plugin)
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any("mine" in key for row in rows for key in row)


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


def test_every_hook_and_component_is_documented():
    """The generated reference names each hook, component and recipe; each says in a line what it is and whence."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate
    finally:
        sys.path.pop(0)
    pages = generate.pages()
    hooks = [*hookspecs.COMPONENT_HOOKS, *hookspecs.OBSERVER_HOOKS]
    assert [name for name in hooks if name not in pages["hooks"]] == []
    host = Host()
    for kind in KINDS:
        for id, spec in host.components(kind).items():
            assert id in pages["recipes" if kind == "recipe" else "components"]
            assert len(spec.summary) > 10, f"{kind} {id} has no summary"
            assert spec.source or id.startswith("std:"), f"{kind} {id} names no source"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    """Relative links and pictures point to files that are there."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []
