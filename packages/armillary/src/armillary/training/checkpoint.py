"""Checkpoints: written whole or not at all, verified before they are read, never a pickle.

A checkpoint is a folder ``step-N`` with ``weights.safetensors`` (tensors by slot), ``state.pt`` (optimiser, position, random
states; readable with ``weights_only=True``) and ``manifest.json`` with the size and SHA-256 of both. It is written beside its
place and renamed, so a name that is not hidden is whole, unless the disk lied; the checksums find that out.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.errors import RunError

WEIGHTS, STATE, MANIFEST = "weights.safetensors", "state.pt", "manifest.json"
_FORMAT = 1
_STEP = re.compile(r"step-(\d+)")


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A whole checkpoint on the disk."""

    path: Path
    step: int

    def weights(self) -> dict[str, Tensor]:
        """Return tensors by ``slot.name``.

        Raises:
            RunError: the files are not what the manifest says; names the file and another checkpoint to use.
        """
        from safetensors.torch import load_file

        self.verify()
        return load_file(self.path / WEIGHTS)

    def state(self) -> dict[str, Any]:
        """Return optimiser, position and random states.

        Raises:
            RunError: as :meth:`weights`.
        """
        self.verify()
        return torch.load(self.path / STATE, map_location="cpu", weights_only=True)

    def verify(self) -> None:
        """Compare sizes and checksums with the manifest.

        Raises:
            RunError: they differ, or there is no manifest.
        """
        problem = self._problem()
        if problem:
            others = [other.path.name for other in found(self.path.parent) if other.path != self.path]
            hint = f"use another one with --checkpoint: {', '.join(others)}" if others else "it is the only one"
            raise RunError(f"{self.path}: corrupted checkpoint: {problem}; {hint}")

    def whole(self) -> bool:
        """Return whether :meth:`verify` would pass."""
        return not self._problem()

    def _problem(self) -> str:
        try:
            manifest = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            files = manifest["files"]
            for name in (WEIGHTS, STATE):
                file = self.path / name
                if not file.is_file():
                    return f"{name} is missing"
                if file.stat().st_size != files[name]["bytes"]:
                    return f"{name} has {file.stat().st_size} bytes, {files[name]['bytes']} were written"
                if _digest(file) != files[name]["sha256"]:
                    return f"{name} does not have the checksum with which it was written"
        except OSError as error:
            return f"{MANIFEST} cannot be read: {error.strerror}"
        except (ValueError, KeyError, TypeError):
            return f"{MANIFEST} is not a manifest"
        return ""


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
        RunError: the disk is full or cannot be written; nothing is left behind and older checkpoints stand.
    """
    from safetensors.torch import save_file

    place = folder / f"step-{step}"
    draft = folder / f".writing-step-{step}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, draft / WEIGHTS)
        packed = io.BytesIO()  # straight to the file, torch would hide what the disk says
        torch.save(dict(state), packed)
        (draft / STATE).write_bytes(packed.getbuffer())
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


def found(folder: Path) -> list[Checkpoint]:
    """Return the checkpoints of ``folder``, oldest first; not yet verified."""
    if not folder.is_dir():
        return []
    matches = [(_STEP.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted(
        (Checkpoint(path=path, step=int(match[1])) for match, path in matches if match), key=lambda each: each.step
    )


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest whole checkpoint, and one line for each newer one that had to be passed over."""
    passed = []
    for checkpoint in reversed(found(folder)):
        problem = checkpoint._problem()
        if not problem:
            return checkpoint, passed
        passed.append(f"{checkpoint.path.name} is corrupted and passed over: {problem}")
    return None, passed


def prune(folder: Path, *, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints, and drafts that a killed run left."""
    for checkpoint in found(folder)[:-keep]:
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
