"""The tutorial of ``docs/plugins.md``, word by word: its files written and its commands run in their order, in an empty folder.

A block with a caption is a file of that name. Of a ``console`` block the lines behind ``$`` are commands, and the others stand
in what they print, in that order. What makes an environment is left out here, since everything is installed already, and the
plugin is laid beside it; with ``ARMILLARY_TUTORIAL=whole``, as in ``nox -s tutorial``, those lines run too.
"""

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/plugins.md"
WHOLE = os.environ.get("ARMILLARY_TUTORIAL") == "whole"
REFUSED = "What is refused"
"""The section whose commands must fail."""


@attrs.frozen
class File:
    """What the reader writes."""

    path: str
    text: str


@attrs.frozen
class Command:
    """What the reader types, and lines that must stand in the answer."""

    words: str
    answer: tuple[str, ...]
    refused: bool


def steps() -> Iterator[File | Command]:
    """Yield what the page lets the reader do, in its order."""
    pattern = r"^## (?P<title>[^\n]*)$|^```(?P<language>\S*)(?: (?P<target>\S+))?\n(?P<body>.*?)^```$"
    title = ""
    for found in re.finditer(pattern, PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL):
        title = found["title"] or title
        caption = re.search(r"^:caption: (\S+)$", found["body"] or "", flags=re.MULTILINE)
        if found["language"] == "{literalinclude}" and caption:
            yield File(caption[1], (PAGE.parent / found["target"]).read_text(encoding="utf-8"))
        elif found["language"] == "sh":
            yield from (Command(line, (), False) for line in found["body"].splitlines())
        elif found["language"] == "console":
            for part in re.split(r"^\$ ", found["body"], flags=re.MULTILINE)[1:]:
                words, *answer = part.splitlines()
                yield Command(words, tuple(answer), title == REFUSED)


def plain(text: str) -> str:
    return " ".join(text.split())


def test_the_page_was_read():
    """Guards the other test: a page without steps would pass it."""
    found = list(steps())
    files = [step.path for step in found if isinstance(step, File)]
    commands = [step.words for step in found if isinstance(step, Command)]
    assert {"pyproject.toml", "armillary_charbonnier.py", "tests/test_charbonnier.py", "mine.toml"} <= {*files}
    assert len([words for words in commands if words.startswith("armillary ")]) >= 10
    assert sum(step.refused for step in found if isinstance(step, Command)) >= 3


def test_every_file_of_the_example_is_in_the_tutorial():
    """The folder that the reader has at the end is the one in the repository."""
    example = ROOT / "docs/examples/armillary-charbonnier"
    kept = [path for path in example.rglob("*") if path.suffix in (".py", ".toml")]
    assert {path.relative_to(example).as_posix() for path in kept} == {s.path for s in steps() if isinstance(s, File)}


def test_it_runs_word_by_word(installed, clean_environment, tmp_path):
    environment = {name: value for name, value in clean_environment.items() if name != "VIRTUAL_ENV"}
    if not WHOLE:
        environment["PATH"] = os.pathsep.join((sysconfig.get_path("scripts"), environment["PATH"]))
    here, place = tmp_path / "desk", tmp_path / "place"
    here.mkdir()
    for step in steps():
        if isinstance(step, File):
            (here / step.path).parent.mkdir(parents=True, exist_ok=True)
            (here / step.path).write_text(step.text, encoding="utf-8")
            continue
        if not WHOLE and step.words.startswith(("python3 -m venv", "python -m pip install armillary-")):
            continue
        if not WHOLE and step.words == "python -m pip install -e .":
            environment |= installed(here)
            continue
        enter = 'if [ -n "${VIRTUAL_ENV-}" ]; then . "$VIRTUAL_ENV/bin/activate"; fi'
        leave = f'status=$?\nprintf "%s\\n" "$PWD" "${{VIRTUAL_ENV-}}" > {place}\nexit $status'
        script = "\n".join((enter, step.words, leave))
        done = subprocess.run(["bash", "-c", script], cwd=here, env=environment, capture_output=True, text=True)
        said = f"$ {step.words}\n{done.stdout}{done.stderr}"
        assert (done.returncode != 0) == step.refused, said
        rest = plain(done.stdout + done.stderr)
        for line in map(plain, step.answer):
            _, there, rest = rest.partition(line)
            assert there, f"{line!r} is not, or not here, in:\n{said}"
        folder, environment["VIRTUAL_ENV"] = place.read_text(encoding="utf-8").splitlines()
        here = Path(folder)
    assert here == tmp_path / "desk/armillary-charbonnier"


@pytest.mark.parametrize("kind", ["encoder", "head", "renderer", "loss", "evaluator", "dataset", "transform", "method"])
def test_the_table_names_each_kind(kind):
    assert re.search(rf"^\| `{kind}`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
