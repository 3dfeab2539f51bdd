"""The command line: the only package that prints. Light.

Data goes to standard output, progress and messages to standard error. The status is 0, 1 for a failure, 2 for a command that was
written wrongly, and 128 + signal where a signal ended it.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``armillary`` with these arguments, by default those of the process; return its exit status."""
    from armillary.cli.failures import reported

    typed = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> int:
        from armillary.cli.app import app

        with _plugin_files(typed) as words:
            result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # a closed pipe shows here, not while the interpreter ends
        return result if isinstance(result, int) else 0

    return reported(run, typed=typed)


@contextlib.contextmanager
def _plugin_files(typed: Sequence[str]) -> Iterator[list[str]]:
    """Yield the words without each ``--plugin FILE``, whose files are plugins for this command and the processes that it starts."""
    from armillary.cli.failures import UsageError
    from armillary.plugins.discovery import FILES_VARIABLE, file_record

    words, files = [], []
    rest = iter(typed)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag != "--plugin":
            words.append(word)
            continue
        file = Path(value if equals else next(rest, ""))
        if reason := file_record(file).reason:
            raise UsageError(f"--plugin {file}: {reason}")
        files.append(str(file.resolve()))
    before = os.environ.get(FILES_VARIABLE)
    if files:
        os.environ[FILES_VARIABLE] = os.pathsep.join([*files, *([before] if before else [])])
    try:
        yield words
    finally:
        if files and before is None:
            del os.environ[FILES_VARIABLE]
        elif before is not None:
            os.environ[FILES_VARIABLE] = before
