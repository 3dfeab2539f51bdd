"""What ``armillary new plugin`` writes: installed as it is, it passes the conformance kit and its own tests, and trains.

Every kind is written once, by the installed command, and laid beside what is installed. ``nox -s template`` builds each kind in
environments of its own and trains it by its own noxfile.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from armillary.plugins.scaffold import KINDS

TRAINED = ("dataset", "method")
"""Kinds that are trained here: those that most depends on. The others are put into a recipe, which is checked."""


def name_of(kind):
    return f"new-{kind}"


@pytest.fixture(scope="module")
def desk(armillary_in, tmp_path_factory):
    """A folder with a package of each kind."""
    folder = tmp_path_factory.mktemp("written")
    for kind in KINDS:
        armillary_in(folder, "new", "plugin", name_of(kind), "--kind", kind)
    return folder


@pytest.fixture(scope="module")
def beside(desk, installed):
    """Environment variables with which all of them are installed."""
    return installed(*(desk / f"armillary-{name_of(kind)}" for kind in KINDS))


def test_each_passes_the_kit_and_its_own_tests(desk, beside, clean_environment):
    """In one process for all, which imports torch once; a warning fails, as it does by their own settings."""
    command = [sys.executable, "-m", "pytest", "-v", "-c", os.devnull, "--rootdir", str(desk)]
    options = ["-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error"]
    folders = [str(desk / f"armillary-{name_of(kind)}/tests") for kind in KINDS]
    environment = clean_environment | beside
    done = subprocess.run([*command, *options, *folders], env=environment, cwd=desk, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    for kind in KINDS:
        passed = re.findall(
            rf"armillary-{name_of(kind)}/tests/test_armillary_new_{kind}\.py::(\S+) PASSED", done.stdout
        )
        assert "test_conformance" in passed
        assert len(passed) > 1, f"the {kind} has no test of its own"


def test_the_kit_looked_at_the_part(armillary_in, desk, beside):
    """By the command as well, and not at the plugin alone."""
    report = json.loads(armillary_in(desk, "plugins", "verify", name_of("loss"), "--json", env=beside).stdout)
    behaviour = [each for each in report["outcomes"] if each["level"] == 2 and each["state"] == "passed"]
    assert {each["subject"] for each in behaviour} == {"new-loss:loss"}


def trial(desk, kind):
    """Return the folder of a package, and its README's commands that train with it."""
    folder = desk / f"armillary-{name_of(kind)}"
    text = (folder / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"^```sh\n(armillary data make .*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert lines, text
    return folder, [shlex.split(line) for line in lines[1].splitlines()]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in TRAINED])
def test_the_part_fits_where_its_readme_puts_it(armillary_in, desk, beside, kind):
    folder, lines = trial(desk, kind)
    (train,) = (words for words in lines if words[1] == "train")
    flags = train[train.index("runs/try") + 1 :]
    armillary_in(folder, "recipes", "check", train[2], *flags, env=beside)
    shown = json.loads(armillary_in(folder, "recipes", "show", train[2], *flags, "--json", env=beside).stdout)
    assert f'"{name_of(kind)}:{KINDS[kind].component}"' in json.dumps(shown)


@pytest.mark.parametrize("kind", TRAINED)
def test_what_its_readme_shows_runs(armillary_in, desk, beside, heads, kind):
    """In the package's folder, with pictures that are there already."""
    folder, (make, *lines) = trial(desk, kind)
    assert make[:3] == ["armillary", "data", "make"]
    Path(folder / "heads").symlink_to(heads)
    for _, *words in lines:
        armillary_in(folder, *words, env=beside)
    used = (folder / "runs/try/plugins.json").read_text(encoding="utf-8")
    assert f"armillary-{name_of(kind)}" in used
