"""Every block of code on every page runs: commands in their order, programs, patches; made small, but otherwise as it stands."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGES = (
    ROOT / "README.md",
    *(page for page in sorted(ROOT.glob("docs/**/*.md")) if not {"generated", "_build"} & {*page.parts}),
    *sorted(ROOT.glob("packages/*/README.md")),
)
INCLUDED = tuple(
    page
    for page in PAGES
    if any(f"/{page.parent.name}/README.md\n:start-after" in other.read_text(encoding="utf-8") for other in PAGES)
)
ELSEWHERE = {
    ROOT / "docs/plugins.md": "test_tutorial.py runs its tutorial",
    **dict.fromkeys(INCLUDED, "run as a part of the page that includes it"),
}
"""Pages whose blocks another test runs."""

NOT_HERE = {
    r"python3 -m venv|python -m pip|pip install|git clone|pre-commit": "makes environments; nox and the workflows do so",
    r"armillary demo$": "minutes; the core's tests run it",
    r"armillary data make synthetic:morphable": "needs the file of a morphable model, which is not ours to give",
    r"python benchmarks/": "minutes; nox bench runs them",
    r"test_conformance = ": "a test file; every package has one",
}
"""What is not run, and why. Anything else on a page must run."""

SMALLER = (
    (r"\b(\w+):(quick|paper)\b", r"\1:smoke"),
    (r"--count \d+", "--count 20"),
    (r"--size \d+", "--size 32"),
    (r"--seeds 0,1", "--seeds 0"),
    (r" --steps \d+", ""),
    (r"armillary (train|compare) (?!--resume)(.*)", r"armillary \1 \2 --steps 2"),
    (r"python docs/", f"python {ROOT}/docs/"),
    (r"armillary plugins verify synthetic", "armillary plugins verify synthetic --level 0"),
)
"""Less of the same: recipes that take seconds, fewer and smaller pictures, fewer steps."""

BEFORE = {
    ROOT / "docs/reference/files.md": [("command", "armillary train labelling:smoke --data faces --out runs/labels")],
}
"""What a page takes for granted beside the folders on the desk."""


def text_of(page: Path) -> str:
    """Return a page with the pages that it includes, whole or from and to the words that it names."""

    def included(match: re.Match[str]) -> str:
        options = dict(re.findall(r'^:(start-after|end-before): "(.*)"$', match["options"], flags=re.MULTILINE))
        text = (page.parent / match["page"]).read_text(encoding="utf-8")
        text = text.split(options["start-after"], 1)[1] if "start-after" in options else text
        return text.split(options["end-before"], 1)[0] if "end-before" in options else text

    pattern = r"^```\{include\} (?P<page>(?!.*generated/)\S+)\n(?P<options>.*?)^```$"
    return re.sub(pattern, included, page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield language and text of each block of code; directives are none."""
    fenced = re.findall(r"^```([^\n`]*)\n(.*?)^```$", text_of(page), flags=re.DOTALL | re.MULTILINE)
    yield from ((language, text) for language, text in fenced if not language.startswith("{"))


def steps(page: Path) -> Iterator[tuple[str, str]]:
    """Yield what is to be run: ``command``, ``python`` or ``toml``, and its text."""
    for language, text in blocks(page):
        if language in ("python", "toml"):
            if not any(re.search(pattern, text) for pattern in NOT_HERE):
                yield language, text
        elif language in ("", "sh", "console"):
            for line in text.replace("\\\n", " ").splitlines():
                words = line.removeprefix("$ ").split(" #")[0].strip()
                is_command = re.match("(armillary|python3?|pip|git|pre-commit) ", words)
                if is_command and not any(re.match(pattern, words) for pattern in NOT_HERE):
                    yield "command", words


def smaller(text: str) -> str:
    for pattern, less in SMALLER:
        text = re.sub(pattern, less, text, flags=re.MULTILINE)
    return text


RUN = [page for page in PAGES if page not in ELSEWHERE and list(steps(page))]


def test_the_pages_were_read():
    """Guards the others: a pattern that finds nothing would pass them all."""
    names = {str(page.relative_to(ROOT)) for page in RUN}
    assert names >= {"README.md", "docs/start.md", "docs/images.md", "docs/compare.md", "docs/conventions.md"}
    assert names >= {
        f"docs/methods/{name}.md" for name in ("unsup3d", "photogeo", "labelling", "keypoints", "spherical")
    }
    assert sum(len(list(steps(page))) for page in RUN) > 50


def lay(desk: Path, heads: Path) -> None:
    """Put on a desk what the pages take for granted: pictures of one's own, and annotations of somebody else's."""
    (desk / "docs/_static").mkdir(parents=True)
    (desk / "vgg16-397923af.pth").touch()
    shutil.copytree(heads, desk / "faces")
    for name in ("a", "b"):
        picture = heads / f"images/00000{'ab'.index(name)}.png"
        for folder in (desk, desk / "mine", desk / "faces"):
            folder.mkdir(exist_ok=True)
            shutil.copy(picture, folder / f"{name}.png")
    shutil.copytree(heads / "images", desk / "aflw2000")
    ids = sorted(path.name for path in (desk / "aflw2000").iterdir())
    places = np.random.default_rng(0).uniform(4.0, 28.0, (len(ids), 5, 3))
    np.savez(desk / "aflw2000/annotations.npz", filename=np.array(ids), landmarks=places)


@pytest.fixture(scope="module")
def desks(request, heads, home, tmp_path_factory):
    """The desk of each page, after what it shows was run there; of those pages that are asked for."""
    asked = {
        item.callspec.params["page"] for item in request.session.items if "desks" in getattr(item, "fixturenames", ())
    }
    found, todo = {}, []
    for page in RUN:
        if page in asked:
            found[page] = tmp_path_factory.mktemp("desk")
            lay(found[page], heads)
            shown = [(kind, smaller(text)) for kind, text in (*BEFORE.get(page, ()), *steps(page)) if kind != "toml"]
            todo.append((str(found[page]), list(dict.fromkeys(shown))))  # what a page shows twice runs once
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARMILLARY_")}
    folders = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, str(ROOT / "integration_tests/run_pages.py")]
    env = environment | folders | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    subprocess.run(command, input=json.dumps(todo), env=env, text=True, check=True, timeout=1800)
    return found


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_page_shows_runs(page, desks):
    for kind, text in steps(page):
        if kind == "toml":
            tomllib.loads(text)
    said = (desks[page] / "status").read_text(encoding="utf-8")
    assert said == "ok", (desks[page] / "log").read_text(encoding="utf-8", errors="replace")[-4000:] + said
