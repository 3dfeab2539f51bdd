"""Per-user register of files that recipes need and cannot be shipped: VGG weights, morphable models."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from armillary.errors import DataError
from armillary.files import write_text


def register() -> Path:
    """Return the register's file: ``$ARMILLARY_ASSETS``, or ``armillary/assets.json`` in the user's configuration folder."""
    own = os.environ.get("ARMILLARY_ASSETS")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CONFIG_HOME") or (os.environ.get("APPDATA") if os.name == "nt" else None)
    return Path(base or Path.home() / ".config") / "armillary" / "assets.json"


def known() -> dict[str, Path]:
    """Return name to path of every registered file.

    Raises:
        DataError: the register is not what this program writes.
    """
    file = register()
    if not file.is_file():
        return {}
    try:
        return {str(name): Path(path) for name, path in json.loads(file.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{file}: not a register of assets: {error}; delete it and add the files again") from error


def add(name: str, path: Path) -> Path:
    """Register ``path`` under ``name``; return the register's file.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    file = register()
    file.parent.mkdir(parents=True, exist_ok=True)
    table = {key: str(value) for key, value in known().items()} | {name: str(path.resolve())}
    write_text(file, json.dumps(table, indent=2) + "\n")
    return file


def gather(given: Mapping[str, Path]) -> dict[str, Path]:
    """Return the registered files, overridden by those of ``--asset NAME=FILE``.

    Raises:
        DataError: a file that is not there.
    """
    for name, path in given.items():
        if not path.is_file():
            raise DataError(f"--asset {name}={path}: there is no such file")
    return {**known(), **given}
