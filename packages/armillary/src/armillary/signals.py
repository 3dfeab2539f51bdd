"""SIGINT and SIGTERM, received in order. Light."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Signals:
    """Context in which SIGINT and SIGTERM are recorded, so that the work under way can end in order.

    Outside the main thread, where Python allows no handlers, nothing is recorded.

    Args:
        act: called at each signal with whether it is the first; by default a second SIGINT raises KeyboardInterrupt.
    """

    def __init__(self, act: Callable[[bool], None] | None = None) -> None:
        self.received = 0
        self._act = act
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        first = not self.received
        if self._act is not None:
            self._act(first)
        elif not first and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
