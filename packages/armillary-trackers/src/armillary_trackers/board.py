"""Writing of TensorBoard's event files, without TensorFlow and without torch."""

import math
import re
import struct
import time
from collections.abc import Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

# Classes of protocol buffers are made at import, so no type checker finds them.
from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.summary.writer.event_file_writer import EventFileWriter

FOLDER = "tensorboard"
"""Folder of the event files in the folder of a run."""

_PREVIEW = re.compile(r"(?:(?P<stage>.+)-)?step-(?P<step>\d+)\.png")
_SIZE = slice(16, 24)  # of a PNG file: width and height
_RGB = 3  # TensorBoard's code of colours


class Board:
    """Event files of one run.

    Args:
        run: folder of the run. Previews that are in it already are not added.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._writers: dict[str, EventFileWriter] = {}
        self._begun: set[str] = set()
        self._shown = {*self._previews()}
        self._stage: str | None = None

    def add_row(self, stage: str, step: int, metrics: Mapping[str, Any]) -> None:
        """Add the numbers of a row of metrics, ``losses.NAME`` as ``losses/NAME``; other values are skipped.

        The first row of a stage hides what an earlier process wrote at this step and later.
        """
        self._stage = stage
        if stage not in self._begun:
            self._begun.add(stage)
            self._writer(stage).add_event(
                Event(wall_time=time.time(), step=step, session_log=SessionLog(status=SessionLog.START))
            )
        numbers = {name: value for name, value in metrics.items() if name != "step" and _is_number(value)}
        self._add(
            stage,
            step,
            *(Summary.Value(tag=name.replace(".", "/"), simple_value=value) for name, value in numbers.items()),
        )

    def add_previews(self) -> None:
        """Add the previews that are not added yet; those whose file name has no stage to the stage of the last row."""
        for path in self._previews():
            found = _PREVIEW.fullmatch(path.name)
            stage = found and (found["stage"] or self._stage)
            if not found or not stage or path in self._shown:
                continue
            pixels = path.read_bytes()
            width, height = struct.unpack(">II", pixels[_SIZE])
            image = Summary.Image(width=width, height=height, colorspace=_RGB, encoded_image_string=pixels)
            self._add(stage, int(found["step"]), Summary.Value(tag="preview", image=image))
            self._shown.add(path)

    def add_evaluation(self, results: Mapping[str, Any]) -> None:
        """Add the figures of an entry of ``results.json`` at the step of its checkpoint; those without a value are skipped."""
        values = (Summary.Value(tag=tag, simple_value=value) for tag, value in _figures(results))
        self._add(results["stage"], results["step"], *values)

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def _previews(self) -> list[Path]:
        return sorted(self._run.glob("previews/*.png"))

    def _writer(self, stage: str) -> EventFileWriter:
        if stage not in self._writers:
            self._writers[stage] = EventFileWriter(str(self._run / FOLDER / stage))
        return self._writers[stage]

    def _add(self, stage: str, step: int, *values: Summary.Value) -> None:
        writer = self._writer(stage)
        writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        writer.flush()


def _figures(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for evaluator, found in results["evaluators"].items():
        for figure, one in found["figures"].items():
            if _is_number(one["value"]) and math.isfinite(one["value"]):
                yield f"evaluation/{evaluator}/{figure}", one["value"]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
