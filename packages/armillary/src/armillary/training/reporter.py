"""Messages and progress of a run: shown by the command line, logged from Python."""

import logging
from collections.abc import Mapping
from typing import Protocol

_log = logging.getLogger("armillary")


class Reporter(Protocol):
    """Receiver of a run's messages and progress."""

    def message(self, text: str) -> None:
        """Show a message to the user."""

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Show the progress of a stage; called at every logged step."""


class LogReporter:
    """Reporter that writes to the logger ``armillary`` at level INFO."""

    def message(self, text: str) -> None:
        """Log the text."""
        _log.info(text)

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Log the step and the total."""
        _log.info("%s %d/%d loss %s", stage, step, steps, row.get("loss"))
