"""Checkpoints: atomic writes, verification before each read, no pickle.

A checkpoint is a folder ``step-N`` with ``weights.safetensors`` (tensors by slot), ``state.pt`` (optimiser and position;
readable with ``weights_only=True``) and ``manifest.json`` with the size and SHA-256 of both. It is written to a hidden folder and
renamed, so a folder with a visible name is complete; the checksums detect later damage of the disk.

A checkpoint is good if its checksums match and its weights are finite. It is corrupted only if a checksum fails or a file is
missing. A file that cannot be read raises an error and changes nothing, since it may be good.
"""

import contextlib
import errno
import functools
import hashlib
import io
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.errors import ArmillaryError, RunError

WEIGHTS, STATE, MANIFEST = "weights.safetensors", "state.pt", "manifest.json"
_FORMAT = 1
_STEP = re.compile(r"step-(\d+)")


class NotFiniteError(RunError):
    """Refusal to save tensors with values that are not finite."""


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A checkpoint folder."""

    path: Path
    step: int

    def weights(self) -> dict[str, Tensor]:
        """Return tensors by ``slot.name``.

        Raises:
            RunError: the files differ from the manifest, cannot be read, or contain values that are not finite; the message
                has the file and another checkpoint to use.
        """
        self.verify()
        return self._weights()

    def state(self) -> dict[str, Any]:
        """Return the state of the optimiser, and the position in the training.

        Raises:
            RunError: as :meth:`weights`.
        """
        self._raise_if(self._damage())
        with _reading(self.path / STATE):
            return torch.load(self.path / STATE, map_location="cpu", weights_only=True)

    def position(self, stage: str) -> dict[str, Any]:
        """Return :meth:`state` of ``stage`` after a check of its entries, except for the optimiser's content.

        Raises:
            RunError: as :meth:`weights`, or an entry is missing or invalid.
        """
        state = self.state()
        wrong = _wrong_position(state, stage, self.step)
        if wrong:
            raise RunError(
                f"{self.path / STATE}: not the state of this checkpoint: {wrong}; use another one with --checkpoint STEP"
            )
        return state

    def verify(self) -> None:
        """Compare sizes and checksums with the manifest, and check that all weights are finite.

        Raises:
            RunError: the checkpoint is not good, or a file of it cannot be read.
        """
        self._raise_if(self.problem())

    def problem(self) -> str:
        """Return the reason why the checkpoint is not good, empty if it is.

        Raises:
            RunError: a file exists and cannot be read; its content is then unknown.
        """
        damage = self._damage()
        if damage:
            return damage
        bad = not_finite(self._weights())
        return f"has weights that are not finite: {bad}" if bad else ""

    def good(self) -> bool:
        """Return whether :meth:`problem` is empty; the result is cached until a file changes.

        Raises:
            RunError: as :meth:`problem`.
        """
        with _reading(self.path):
            files = [self.path / name for name in (WEIGHTS, STATE, MANIFEST)]
            stamps = tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in (f.stat() for f in files if f.exists()))
        return _examined(self, stamps)

    def _raise_if(self, problem: str) -> None:
        if problem:
            others = [other.path.name for other in found(self.path.parent) if other.path != self.path]
            hint = (
                f"use another one with --checkpoint: {', '.join(others)}" if others else "there is no other checkpoint"
            )
            raise RunError(f"{self.path} {problem}; {hint}")

    def _weights(self) -> dict[str, Tensor]:
        from safetensors.torch import load_file

        with _reading(self.path / WEIGHTS):
            return load_file(self.path / WEIGHTS)

    def _damage(self) -> str:
        with _reading(self.path / MANIFEST):
            try:
                files = json.loads((self.path / MANIFEST).read_bytes())["files"]
                written = {name: (int(files[name]["bytes"]), str(files[name]["sha256"])) for name in (WEIGHTS, STATE)}
            except FileNotFoundError:
                return f"is corrupted: {MANIFEST} is missing"
            except (ValueError, KeyError, TypeError, RecursionError):
                return f"is corrupted: {MANIFEST} is not a manifest"
        for name, (size, digest) in written.items():
            file = self.path / name
            with _reading(file):
                if not file.is_file():
                    return f"is corrupted: {name} is missing"
                if file.stat().st_size != size:
                    return f"is corrupted: {name} has {file.stat().st_size} bytes, {size} were written"
                if _digest(file) != digest:
                    return f"is corrupted: {name} does not have the checksum with which it was written"
        return ""


def _wrong_position(state: Any, stage: str, step: int) -> str:
    if not isinstance(state, dict):
        return "it is not a table"
    for name, value in (("stage", stage), ("step", step)):
        if type(state.get(name)) is not type(value) or state[name] != value:
            return f"{name} is {state.get(name)!r}, it needs {value!r}"
    seconds = state.get("seconds")
    if not isinstance(seconds, float) or not 0.0 <= seconds < math.inf:
        return f"seconds is {seconds!r}"
    return "" if "optimiser" in state else "optimiser is missing"


@functools.lru_cache(maxsize=256)
def _examined(checkpoint: Checkpoint, stamps: tuple[tuple[int, ...], ...]) -> bool:
    del stamps  # of the files; they are only part of the key
    return not checkpoint.problem()


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Convert any exception of a reader into a RunError of one line.

    Raises:
        RunError: the file cannot be read, or is not in its format.
    """
    try:
        yield
    except (MemoryError, ArmillaryError):
        raise
    except OSError as error:
        raise RunError(
            f"{error.filename or file}: cannot be read: {error.strerror or error}; nothing was changed. Make it readable, then "
            "type the same command again"
        ) from error
    except Exception as error:  # safetensors and torch each raise classes of their own
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{file}: cannot be used: {line}; use another one with --checkpoint STEP") from error


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """Return the names of tensors with values that are not finite, at most three; empty for none."""
    bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return ", ".join(bad[:3]) + more


def save(
    folder: Path, *, step: int, weights: Mapping[str, Tensor], state: Mapping[str, Any], about: Mapping[str, Any]
) -> Checkpoint:
    """Write checkpoint ``step-N`` into ``folder``.

    Args:
        folder: folder of the checkpoints of one stage.
        step: number of finished steps.
        weights: tensors by ``slot.name``; saved contiguous.
        state: plain values and tensors.
        about: plain values for the manifest.

    Raises:
        NotFiniteError: a weight or a value of the optimiser is not finite; nothing is written.
        RunError: the disk is full or cannot be written; the draft is deleted, older checkpoints are unchanged.
    """
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    _refuse_not_finite(weights, state)
    place = folder / f"step-{step}"
    draft = folder / f".writing-step-{step}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        save_file(weights, draft / WEIGHTS)
        packed = io.BytesIO()  # torch would hide the error of a full disk if it wrote to the file itself
        torch.save(dict(state), packed)
        (draft / STATE).write_bytes(packed.getbuffer())
        # safetensors makes its file readable by the owner alone; the other file has the mode of the umask.
        (draft / WEIGHTS).chmod(stat.S_IMODE((draft / STATE).stat().st_mode))
        manifest = {
            "format": _FORMAT,
            "step": step,
            **about,
            "files": {
                name: {"bytes": (draft / name).stat().st_size, "sha256": _digest(draft / name)}
                for name in (WEIGHTS, STATE)
            },
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for name in (WEIGHTS, STATE, MANIFEST):
            _sync(draft / name)
        _sync(draft)
        if place.exists():
            shutil.rmtree(place)
        draft.rename(place)
        _sync(folder)
    except (OSError, RuntimeError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not isinstance(error, OSError) and "write" not in str(error) and "space" not in str(error):
            raise
        raise RunError(f"{place}: the checkpoint could not be written: {_reason(error)}") from error
    except Exception as error:
        # safetensors has an error class of its own for errors of the file system.
        shutil.rmtree(draft, ignore_errors=True)
        if type(error).__name__ == "SafetensorError":
            raise RunError(f"{place}: the checkpoint could not be written: {_reason(error)}") from error
        raise
    return Checkpoint(path=place, step=step)


def _refuse_not_finite(weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    moments = {
        f"{key} of {name}": value
        for name, values in state.get("optimiser", {}).items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }
    for what, tensors in (("weights", weights), ("values of the optimiser", moments)):
        bad = not_finite(tensors)
        if bad:
            raise NotFiniteError(f"{what} are not finite: {bad}")


def found(folder: Path) -> list[Checkpoint]:
    """Return the checkpoints of ``folder``, oldest first; not yet verified.

    Raises:
        RunError: the folder cannot be read.
    """
    with _reading(folder):
        matches = [(_STEP.fullmatch(path.name), path) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(
        (Checkpoint(path=path, step=int(match[1])) for match, path in matches if match), key=lambda each: each.step
    )


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest good checkpoint, and one line per newer one that was skipped.

    Raises:
        RunError: a checkpoint cannot be read; it is not skipped, since it may be good.
    """
    passed = []
    for checkpoint in reversed(found(folder)):
        problem = checkpoint.problem()
        if not problem:
            return checkpoint, passed
        passed.append(f"{checkpoint.path.name} {problem}; skipped")
    return None, passed


def named(folder: Path, wanted: str) -> Checkpoint:
    """Return the checkpoint ``step-500``, or ``500``, of ``folder``.

    Raises:
        RunError: no checkpoint has that name; the message lists the existing ones.
    """
    match = re.fullmatch(r"(?:step-)?(\d+)", Path(wanted).name)
    there = {each.step: each for each in found(folder)}
    if match is None or int(match[1]) not in there:
        names = ", ".join(each.path.name for each in there.values()) or "none"
        raise RunError(f"--checkpoint {wanted}: no such checkpoint in {folder}; there are: {names}")
    return there[int(match[1])]


def set_aside(folder: Path, *, after: int) -> list[str]:
    """Rename the checkpoints of steps later than ``after`` to ``aside-step-N``, so that their names are free.

    Returns:
        One line per checkpoint.
    """
    lines = []
    for checkpoint in found(folder):
        if checkpoint.step > after:
            name, again = f"aside-{checkpoint.path.name}", 1
            while (folder / name).exists():
                name, again = f"aside-{checkpoint.path.name}-{again + 1}", again + 1
            checkpoint.path.rename(folder / name)
            lines.append(f"{checkpoint.path.name} is kept as {name}, since training goes on from step {after}")
    return lines


def prune(folder: Path, *, saved: Checkpoint, keep: int) -> None:
    """Delete checkpoints older than the newest ``keep`` good ones, and unfinished drafts of a killed run.

    Args:
        folder: folder of ``saved``.
        saved: the checkpoint just written; it counts as the first good one and is never deleted.
        keep: number of good checkpoints to keep.
    """
    kept, old = 1, []
    for checkpoint in reversed([each for each in found(folder) if each.step < saved.step]):
        if kept >= keep:
            old.append(checkpoint)
        else:
            kept += checkpoint.good()
    for checkpoint in old:
        # Renamed first: a half-deleted checkpoint must not have the name of a complete one.
        doomed = checkpoint.path.with_name(f".deleting-{checkpoint.path.name}")
        with contextlib.suppress(OSError):
            checkpoint.path.rename(doomed)
    for leftover in _leftovers(folder):
        shutil.rmtree(leftover, ignore_errors=True)


def _leftovers(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.name.startswith((".deleting-", ".writing-")))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    # Windows cannot open a folder; the rename alone has to be enough.
    with contextlib.suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: BaseException) -> str:
    text = str(error)
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in text or "os error 28" in text:
        return "no space left on the disk; free some, then type: armillary train --resume RUN"
    return text.splitlines()[0] if text else type(error).__name__
