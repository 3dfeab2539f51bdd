"""Atomic writing of files. Light."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from armillary.errors import RunError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path``, and rename it to ``path`` at the end of the block; the umask decides its mode.

    Raises:
        RunError: the disk is full or cannot be written; the old file at ``path`` stays.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield draft
        draft.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {write_reason(error)}") from error
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_reason(error: OSError) -> str:
    """Return the file system's reason for an error, and what to do."""
    if error.errno == errno.ENOSPC:
        return "no space left on the disk; free some, then type the same command again (a training: --resume RUN)"
    return error.strerror or type(error).__name__
