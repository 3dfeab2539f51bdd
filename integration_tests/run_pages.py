"""Run what pages show, page by page, in one process, so that torch is imported once.

On standard input, as JSON, a list of ``[folder, steps]``; a step is ``["command" or "python", text]``. Of each page the folder then
holds ``log`` (what was shown and printed) and ``status`` (``ok``, or what went wrong).
"""

import json
import os
import runpy
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path


def run(kind: str, text: str) -> None:
    """Run one step.

    Raises:
        RuntimeError: a command ends with another status than 0.
    """
    sys.stderr.write(f"--- {text}\n")
    if kind == "python":
        exec(compile(text, "page", "exec"), {"__name__": "__main__"})
    elif status := command(shlex.split(text)):
        raise RuntimeError(f"status {status}: {text}")


def command(words: Sequence[str]) -> int:
    """Run one command as the shell would, and return its status."""
    program, *arguments = words
    if program == "armillary":
        from armillary.cli import main

        return main(arguments)
    if program == "python":
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
        return 0
    raise ValueError(f"a page shows a program that the tests do not know: {program}")


for folder, steps in json.load(sys.stdin):
    os.chdir(folder)
    with open("log", "wb") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
        try:
            for kind, text in steps:
                run(kind, text)
            said = "ok"
        except BaseException:  # the next page shall run too
            said = traceback.format_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    Path("status").write_text(said, encoding="utf-8")
