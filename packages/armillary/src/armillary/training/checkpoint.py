"""Checkpoints: written whole or not at all, verified before they are read, never a pickle.

A checkpoint is a folder ``step-N`` with ``weights.safetensors`` (tensors by slot), ``state.pt`` (optimiser and position;
readable with ``weights_only=True``) and ``manifest.json`` with the size and SHA-256 of both. It is written beside its place and
renamed, so a name that is not hidden is whole, unless the disk lied; the checksums find that out.

A checkpoint is good when its checksums hold and its weights are finite. It is corrupted only when a checksum fails or a file is
missing: a file that cannot be read is an error, and nothing is changed.
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
    """Tensors that are not to be saved, since some of their values are not finite."""


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A checkpoint on the disk."""

    path: Path
    step: int

    def weights(self) -> dict[str, Tensor]:
        """Return tensors by ``slot.name``.

        Raises:
            RunError: the files are not what the manifest says, cannot be read, or hold values that are not finite; names
                the file and another checkpoint to use.
        """
        self.verify()
        return self._weights()

    def state(self) -> dict[str, Any]:
        """Return optimiser and position.

        Raises:
            RunError: as :meth:`weights`.
        """
        self._raise_if(self._damage())
        with _reading(self.path / STATE):
            return torch.load(self.path / STATE, map_location="cpu", weights_only=True)

    def position(self, stage: str) -> dict[str, Any]:
        """Return :meth:`state` of ``stage``, after looking whether it has its four entries; the optimiser's is not looked at.

        Raises:
            RunError: as :meth:`weights`, or an entry is missing or impossible.
        """
        state = self.state()
        wrong = _wrong_position(state, stage, self.step)
        if wrong:
            raise RunError(
                f"{self.path / STATE}: not the state of this checkpoint: {wrong}; use another one with --checkpoint"
            )
        return state

    def verify(self) -> None:
        """Compare sizes and checksums with the manifest, and look for weights that are not finite.

        Raises:
            RunError: something is wrong with the checkpoint, or a file of it cannot be read.
        """
        self._raise_if(self.problem())

    def problem(self) -> str:
        """Return why the checkpoint must not be used, empty where it may.

        Raises:
            RunError: a file is there and cannot be read, which says nothing about what it holds.
        """
        damage = self._damage()
        if damage:
            return damage
        bad = not_finite(self._weights())
        return f"has weights that are not finite: {bad}" if bad else ""

    def good(self) -> bool:
        """Return :meth:`problem` being empty; files that have not changed since are not read again.

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
            hint = f"use another one with --checkpoint: {', '.join(others)}" if others else "it is the only one"
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
        return "it is no table"
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
    """Turn what a reader raises into one line.

    Raises:
        RunError: the system does not give the file, or it is none of its kind.
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
        raise RunError(f"{file}: cannot be used: {line}; use another one with --checkpoint") from error


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
        folder: the run's ``checkpoints`` (of one stage).
        step: steps done.
        weights: tensors by ``slot.name``; saved contiguous.
        state: plain values and tensors.
        about: plain values for the manifest.

    Raises:
        NotFiniteError: a weight or a value of the optimiser is not finite; nothing is written.
        RunError: the disk is full or cannot be written; nothing is left behind and older checkpoints stand.
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
        packed = io.BytesIO()  # straight to the file, torch would hide what the disk says
        torch.save(dict(state), packed)
        (draft / STATE).write_bytes(packed.getbuffer())
        # safetensors gives its file to the owner alone; the other one has the mode that the umask gives.
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
        # safetensors has an error class of its own for what the file system refuses.
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
    """Return the newest good checkpoint, and one line for each newer one that had to be passed over.

    Raises:
        RunError: a checkpoint cannot be read; it may be good.
    """
    passed = []
    for checkpoint in reversed(found(folder)):
        problem = checkpoint.problem()
        if not problem:
            return checkpoint, passed
        passed.append(f"{checkpoint.path.name} {problem}; it is passed over")
    return None, passed


def named(folder: Path, wanted: str) -> Checkpoint:
    """Return the checkpoint ``step-500``, or ``500``, of ``folder``.

    Raises:
        RunError: there is none of that name; says which there are.
    """
    match = re.fullmatch(r"(?:step-)?(\d+)", Path(wanted).name)
    there = {each.step: each for each in found(folder)}
    if match is None or int(match[1]) not in there:
        names = ", ".join(each.path.name for each in there.values()) or "none"
        raise RunError(f"--checkpoint {wanted}: there is no such checkpoint in {folder}; there are: {names}")
    return there[int(match[1])]


def set_aside(folder: Path, *, after: int) -> list[str]:
    """Rename the checkpoints of later steps than ``after`` to ``aside-step-N``, so that new ones can take their names.

    Returns:
        One line for each.
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
    """Delete checkpoints older than the newest ``keep`` good ones, and drafts that a killed run left.

    Args:
        folder: of ``saved``.
        saved: the one just written; it counts first and is never deleted.
        keep: number of good checkpoints to keep.
    """
    kept, old = 1, []
    for checkpoint in reversed([each for each in found(folder) if each.step < saved.step]):
        if kept >= keep:
            old.append(checkpoint)
        else:
            kept += checkpoint.good()
    for checkpoint in old:
        # Renamed first: a half-deleted checkpoint must not bear a good name.
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
    # Windows cannot open a folder; there the rename alone has to do.
    with contextlib.suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: BaseException) -> str:
    text = str(error)
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in text or "os error 28" in text:
        return "no space left on the disk; free some and go on with: armillary train --resume RUN"
    return text.splitlines()[0] if text else type(error).__name__
