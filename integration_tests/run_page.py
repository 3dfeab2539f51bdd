"""Run what a page shows, one after the other in one process, so that torch is imported once: steps as JSON on standard input."""

import json
import runpy
import shlex
import sys
from collections.abc import Sequence


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


for kind, text in json.load(sys.stdin):
    sys.stderr.write(f"--- {text}\n")
    if kind == "python":
        exec(compile(text, "page", "exec"), {"__name__": "__main__"})
    elif status := command(shlex.split(text, comments=True)):
        sys.exit(f"status {status}: {text}")
