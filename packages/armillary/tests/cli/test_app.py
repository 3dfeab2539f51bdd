"""The tree of verbs: each can be called and explained, and what is mistyped is answered with what was meant."""

import subprocess
import sys

import pytest

import armillary
from armillary.cli import main
from armillary.cli.app import app

VERBS = [
    (),
    ("demo",),
    ("train",),
    ("evaluate",),
    ("report",),
    ("predict",),
    ("pose",),
    ("export",),
    ("compare",),
    ("data", "make"),
    ("data", "check"),
    ("data", "convert"),
    ("data", "info"),
    ("recipes", "list"),
    ("recipes", "show"),
    ("recipes", "explain"),
    ("recipes", "diff"),
    ("recipes", "check"),
    ("components", "list"),
    ("components", "show"),
    ("plugins", "freeze"),
    ("plugins", "list"),
    ("plugins", "show"),
    ("plugins", "doctor"),
    ("plugins", "verify"),
    ("assets", "add"),
    ("assets", "list"),
    ("new", "plugin"),
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_each_verb_explains_itself(armillary, verb):
    """The help names the verb, says in words what it does, and each flag has a word of its own."""
    text = armillary(*verb, "--help").out
    assert text.startswith(" ".join(("Usage: armillary", *verb)))
    flags = [line for line in text.splitlines() if line.startswith("  --")]
    assert all(len(line.split()) > 2 for line in flags), flags
    assert "--no-" not in text  # no flag has a hidden opposite


def test_every_verb_is_tested():
    """A verb that is added shows here."""

    def leaves(node, path=()):
        for name in node:
            if not name.startswith("-"):
                inner = node._commands[name] if not hasattr(node._commands[name], "import_path") else None
                yield from leaves(inner, (*path, name)) if inner is not None and len(list(inner)) else [(*path, name)]

    assert sorted(leaves(app)) == sorted(verb for verb in VERBS if verb)


def test_version(armillary):
    import armillary as package

    assert armillary("--version").out.strip() == package.__version__


def test_no_verb_gives_help(armillary):
    assert "Verbs:" in armillary().out
    assert "make" in armillary("data").out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("trian",), '"train"'),
        (("data", "mkae"), '"make"'),
        (("recipes", "list", "--jsn"), "--json"),
        (("recipes", "show", "toy:paper", "--stes", "3"), "--steps"),
    ],
)
def test_what_is_mistyped_gets_a_suggestion(armillary, typed, meant):
    answer = armillary(*typed, status=2)
    assert meant in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("evaluate", "run"), "--data is missing"),
        (("predict", "run", "a.png", "--out"), "--out needs a value"),
        (("export", "run"), "IMAGE is missing"),
        (("plugins", "list", "twice"), "too many arguments: twice"),
        (("recipes", "show", "toy:paper", "--steps", "many"), "--steps"),
        (("train", "toy:paper", "--accelerator", "gpu", "--data", "x", "--out", "y"), '"cpu"'),
    ],
)
def test_what_is_missing_or_too_much_is_named(armillary, typed, said):
    answer = armillary(*typed, status=2)
    assert said in answer.err
    assert "for its arguments" in answer.err


def test_flags_stand_in_any_order(armillary):
    before = armillary("recipes", "show", "--steps", 3, "--json", "toy:paper").out
    assert before == armillary("recipes", "show", "toy:paper", "--json", "--steps=3").out


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["plugins", "list"], ["train", "--help"], ["new", "plugin", "mine"]],
    ids=str,
)
def test_light_verbs_import_neither_torch_nor_numpy(toy, arguments, tmp_path, monkeypatch):
    """In a process of its own: this one has imported both."""
    del toy
    monkeypatch.chdir(tmp_path)
    code = (
        "import sys; from armillary.cli import main; main(sys.argv[1:]);"
        "print([name for name in ('torch', 'numpy') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_main_takes_what_the_process_was_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["armillary", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.strip() == armillary.__version__


def test_the_module_ends_with_the_status_of_the_command():
    """``python -m armillary`` in a script must not pass over a failure."""
    command = [sys.executable, "-m", "armillary", "recipes", "check", "nosuch:recipe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
