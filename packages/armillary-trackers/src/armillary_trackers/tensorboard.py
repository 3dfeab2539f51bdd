"""Plugin ``tensorboard``: event files of TensorBoard in the folder of a run. Light.

One folder per stage, ``RUN/tensorboard/STAGE``, so that steps of stages do not mix.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armillary.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from armillary_trackers.board import Board

_BOARDS: dict[Path, "Board"] = {}  # of the runs that this process trains


@hookimpl
def armillary_run_started(run: Path, recipe: Mapping[str, Any]) -> None:
    """Open the board of the run."""
    from armillary_trackers.board import Board

    del recipe
    _BOARDS[run] = Board(run)


@hookimpl
def armillary_step_ended(run: Path, stage: str, step: int, metrics: Mapping[str, Any]) -> None:
    """Write a row of metrics, and the previews drawn since the last one."""
    board = _BOARDS[run]
    board.add_row(stage, step, metrics)
    board.add_previews()


@hookimpl
def armillary_evaluated(run: Path, results: Mapping[str, Any]) -> None:
    """Write the figures of an evaluation; the run need not be in training."""
    from armillary_trackers.board import Board

    board = _BOARDS.get(run) or Board(run)
    board.add_evaluation(results)
    if run not in _BOARDS:
        board.close()


@hookimpl
def armillary_run_finished(run: Path, outcome: str) -> None:
    """Write the last previews and close the files."""
    del outcome
    board = _BOARDS.pop(run)
    board.add_previews()
    board.close()
