"""The command line: the only package that prints. Light.

Data goes to standard output, progress and messages to standard error. The status is 0, 1 for a failure, 2 for a command that was
written wrongly, and 128 + signal where a signal ended it.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``armillary`` with these arguments, by default those of the process; return its exit status."""
    from armillary.cli.failures import reported

    typed = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> int:
        from armillary.cli.app import app

        result = app(typed, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # a closed pipe shows here, not while the interpreter ends
        return result if isinstance(result, int) else 0

    return reported(run, typed=typed)
