"""What goes wrong: whose fault it is, and with which status the process ends."""

import errno
import importlib
import os
import signal
import subprocess
import sys

import pytest

from armillary.cli import failures
from armillary.cli.failures import UsageError, reported
from armillary.errors import ConfigError, DataError


def raising(error):
    def run():
        raise error

    return run


def test_a_person_s_mistake_has_no_traceback(capsys):
    assert reported(raising(DataError("faces: no such folder")), typed=()) == 1
    assert capsys.readouterr().err == "error: faces: no such folder\n"


def test_each_line_of_a_message_is_kept(capsys):
    assert reported(raising(ConfigError(["a.b: unknown", "c: required"])), typed=()) == 1
    assert capsys.readouterr().err == "error: a.b: unknown\n       c: required\n"


def test_a_command_written_wrongly_has_its_own_status(capsys):
    assert reported(raising(UsageError("--shard 3/2: write it as I/N")), typed=()) == 2
    assert capsys.readouterr().err.startswith("error: --shard")


def test_an_interrupt_ends_as_by_its_signal(armillary, monkeypatch, capsys):
    """Also through the parser, which would swallow it."""
    assert reported(raising(KeyboardInterrupt()), typed=()) == 128 + signal.SIGINT
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.setattr("armillary.plugins.discovery.discover", raising(KeyboardInterrupt(signal.SIGTERM)))
    assert "interrupted" in armillary("plugins", "list", status=128 + signal.SIGTERM).err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/a/report.html"), "no space left on the disk"),
        (OSError(errno.EACCES, "Permission denied", "runs/a"), "runs/a: permission denied"),
        (MemoryError("of 3 GB"), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "out of memory"),
    ],
)
def test_what_the_machine_lacks_is_no_bug(capsys, error, said):
    assert reported(raising(error), typed=()) == 1
    text = capsys.readouterr().err
    assert said in text
    assert "Traceback" not in text


def test_a_bug_keeps_its_traceback_and_says_where_to_report(capsys):
    assert reported(raising(ZeroDivisionError("division")), typed=()) == 1
    text = capsys.readouterr().err
    assert "ZeroDivisionError: division" in text
    assert "this is a bug in armillary" in text


def test_a_bug_of_a_plugin_names_the_plugin(armillary, toy, monkeypatch, capsys):
    """The innermost frame in a plugin's package decides."""
    del armillary
    site = toy
    (site / "armillary_buggy").mkdir()
    (site / "armillary_buggy" / "__init__.py").write_text("def stumble():\n    return {}['depth']\n")
    info = site / "armillary_buggy-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: armillary-buggy\nVersion: 2.0\nProject-URL: Issues, https://example.org/buggy\n"
    )
    (info / "entry_points.txt").write_text("[armillary.plugins]\nbuggy = armillary_buggy\n")
    monkeypatch.delitem(sys.modules, "armillary_buggy", raising=False)
    stumble = importlib.import_module("armillary_buggy").stumble
    assert reported(stumble, typed=()) == 1
    text = capsys.readouterr().err
    assert "KeyError: 'depth'" in text
    assert "this is a bug in plugin 'buggy' (armillary-buggy 2.0" in text
    assert "https://example.org/buggy" in text


def test_a_library_s_address_is_looked_up_by_what_it_calls_it(monkeypatch):
    from email.message import Message
    from importlib import metadata

    about = Message()
    about["Project-URL"] = "Homepage, https://example.org"
    about["Project-URL"] = "Bug Tracker, https://example.org/bugs"
    monkeypatch.setattr(metadata, "metadata", lambda name: about)
    assert failures._tracker("anything") == "at https://example.org/bugs"


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="this system has no SIGPIPE")
def test_a_reader_that_leaves_early_is_no_error(toy):
    """``armillary recipes list | true``: the process ends silently, as by SIGPIPE."""
    del toy
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from armillary.cli import main; sys.exit(main(['components', 'show', 'std:images']))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, check=False, close_fds=True
    )
    os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""
