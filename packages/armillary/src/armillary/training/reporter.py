"""What a run says while it works. The command line draws it; from Python it goes to the log."""

import logging
from collections.abc import Mapping
from typing import Protocol

_log = logging.getLogger("armillary")


class Reporter(Protocol):
    """Where a run's words go."""

    def message(self, text: str) -> None:
        """Say something that a person should read."""

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Say how far a stage is; called at every logged step."""


class LogReporter:
    """To the logger ``armillary``, at level INFO."""

    def message(self, text: str) -> None:
        """Log the text."""
        _log.info(text)

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        """Log the step and the total."""
        _log.info("%s %d/%d loss %s", stage, step, steps, row.get("loss"))
