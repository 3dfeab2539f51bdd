"""Worker processes that make the items of a generator. No torch of its own.

Not multiprocessing: its fresh processes run the caller's script again, and its parent waits for ever if a child ends
before it has read a large generator. Here each worker is a plain Python process that reads the generator from its standard
input and writes lines of JSON; numpy has one thread in it, so that the bytes do not depend on the number of cores.
"""

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from armillary.data import writer as data_writer
from armillary.data.writer import Layout
from armillary.errors import DataError
from armillary.interfaces.generator import Generator

_PROGRAM = "from armillary.data.workers import serve; serve()"
_ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
_LENGTH_BYTES = 8
_Answer = dict[str, Any]


class Crew:
    """Pool of worker processes; in-process when ``workers=0``.

    Args:
        generator: makes the items.
        workers: the processes; empty for this process.
    """

    def __init__(self, generator: Generator, workers: Sequence["_Worker"]) -> None:
        self.generator = generator
        self.workers = workers

    def probe(self) -> tuple[tuple[str, ...], list[list[float]] | None]:
        """Return the ports of the generator, and the camera of its first item.

        Raises:
            ValueError: a port for which a data folder has no place, or no picture.
        """
        if not self.workers:
            return data_writer.probe(self.generator)
        self.workers[0].ask("probe")
        answers = list(self._answers(self.workers[:1]))  # to the end: a task that begins finds nobody listening
        answer = next(answer for answer in answers if "ports" in answer)
        return tuple(answer["ports"]), answer["camera"]

    def write(self, layout: Layout, indices: Sequence[int]) -> Iterator[int]:
        """Make and write items; yield the number done after each."""
        if not self.workers:
            for done, index in enumerate(indices, start=1):
                data_writer.write_item(layout, index, self.generator.item(index))
                yield done
            return
        for place, worker in enumerate(self.workers):
            worker.ask("write", layout, indices[place :: len(self.workers)])
        done = 0
        for answer in self._answers(self.workers):
            if "item" in answer:
                done += 1
                yield done

    def _answers(self, workers: Sequence["_Worker"]) -> Iterator[_Answer]:
        """Yield the messages of these workers until each has ended its task."""
        answers: queue.Queue[_Answer] = queue.Queue()
        for worker in workers:
            threading.Thread(target=worker.listen, args=(answers,), daemon=True).start()
        busy = len(workers)
        while busy:
            answer = answers.get()
            if "error" in answer:
                raise {"DataError": DataError, "ValueError": ValueError}.get(answer["error"], RuntimeError)(
                    answer["text"]
                )
            yield answer
            busy -= "end" in answer


@contextmanager
def crew(generator: Generator, workers: int) -> Iterator[Crew]:
    """Start a pool of ``workers`` processes, and end them at exit."""
    started: list[_Worker] = []
    try:
        for _ in range(workers):
            started.append(_Worker(generator))
        yield Crew(generator, started)
    finally:
        for worker in started:
            worker.end()


class _Worker:
    """One worker process, on the side of the parent."""

    def __init__(self, generator: Generator) -> None:
        try:
            packed = pickle.dumps(generator)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{type(generator).__name__} cannot be sent to another process ({error}); use workers=0"
            ) from error
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.ask(packed)

    def ask(self, *words: Any) -> None:
        """Send one message; a process that has ended is detected by :meth:`listen`."""
        message = pickle.dumps(words)
        inbox = _pipe(self.process.stdin)
        with suppress(BrokenPipeError):
            inbox.write(len(message).to_bytes(_LENGTH_BYTES, "big") + message)
            inbox.flush()

    def listen(self, answers: "queue.Queue[_Answer]") -> None:
        """Put the worker's messages in the queue until its task ends."""
        for line in _pipe(self.process.stdout):
            try:
                answer = json.loads(line)
            except ValueError:  # the parent waits for an answer
                answer = {"error": "RuntimeError", "text": f"a worker process printed {line[:80]!r}"}
            answers.put(answer)
            if "end" in answer or "error" in answer:
                return
        text = (
            f"a process that made items ended with status {self.process.wait()} (was the memory full?); what is written is "
            "whole: type the same command again, with fewer --workers"
        )
        answers.put({"error": "DataError", "text": text})

    def end(self) -> None:
        """End the process; an unfinished item leaves no file."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                _pipe(pipe).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the process was started without pipes")
    return pipe


# --- inside a worker -------------------------------------------------------------------------------------------------


def serve() -> None:
    """Serve the parent's requests until it closes the pipe; Ctrl-C is handled by the parent alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox, outbox = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a generator prints must not mix with the answers
    try:
        (packed,) = _received(inbox)
        generator = _unpacked(packed)
        while message := _received(inbox):
            for answer in _served(generator, *message):
                _say(outbox, answer)
            _say(outbox, {"end": True})
    except BrokenPipeError:
        return
    except (DataError, ValueError) as error:
        _say(outbox, {"error": "DataError" if isinstance(error, DataError) else "ValueError", "text": str(error)})
    except Exception as error:
        text = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        _say(outbox, {"error": type(error).__name__, "text": text})


def _served(generator: Generator, task: str, *words: Any) -> Iterator[Mapping[str, Any]]:
    if task == "probe":
        ports, camera = data_writer.probe(generator)
        yield {"ports": ports, "camera": camera}
        return
    layout, indices = words
    for index in indices:
        data_writer.write_item(layout, index, generator.item(index))
        yield {"item": index}


def _unpacked(packed: bytes) -> Generator:
    try:
        return pickle.loads(packed)
    except (AttributeError, ImportError) as error:
        raise ValueError(
            f"the generator's class cannot be imported in another process ({error}); use workers=0"
        ) from error


def _received(inbox: IO[bytes]) -> tuple[Any, ...]:
    """Return the next message of the parent; empty when the pipe is closed."""
    length = int.from_bytes(inbox.read(_LENGTH_BYTES), "big")
    return pickle.loads(inbox.read(length)) if length else ()


def _say(outbox: IO[bytes], answer: Mapping[str, Any]) -> None:
    outbox.write(json.dumps(answer).encode() + b"\n")
    outbox.flush()
