"""Installed data sets that can examine a folder without pictures, or its other files. No torch until one is found."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from armillary.config import structure
from armillary.data.picture_file import SUFFIXES as PICTURE_ENDINGS
from armillary.interfaces.dataset import Examination
from armillary.plugins.host import Host


def readers(host: Host, root: Path) -> list[str]:
    """Return the ids of the data sets that declare the ending of a file below ``root``."""
    claimed = {id: frozenset(spec.endings) for id, spec in host.components("dataset").items() if spec.endings}
    there = _endings(root) if claimed else frozenset()
    return [id for id, endings in claimed.items() if endings & there]


def has_pictures(root: Path) -> bool:
    """Return whether a file below ``root`` has a picture's ending."""
    return bool(PICTURE_ENDINGS & _endings(root))


def examine(host: Host, id: str, root: Path, *, progress: Callable[[int, int], None] | None = None) -> Examination:
    """Return a data set's findings on a folder, with its default settings.

    Raises:
        DataError: there is nothing of its kind in the folder.
        UnknownNameError, PluginError: there is no such data set, or it cannot be loaded.
    """
    resolved = host.resolve(host.component("dataset", id))
    return resolved.cls.examine(structure({}, resolved.config, path=id), root=root, progress=progress)


def examine_all(
    host: Host, root: Path, *, progress: Callable[[int, int], None] | None = None
) -> Mapping[str, Examination]:
    """Return the findings of each data set that reads files of this folder, by its id."""
    return {id: examine(host, id, root, progress=progress) for id in readers(host, root)}


def _endings(root: Path) -> frozenset[str]:
    """Return the endings of all files of a folder, in lower case; without those of hidden files and folders."""
    found: set[str] = set()
    for _, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found |= {os.path.splitext(name)[1].lower() for name in files if not name.startswith(".")}
    return frozenset(found)
