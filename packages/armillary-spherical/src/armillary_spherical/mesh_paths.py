"""Paths of a folder of meshes: entries, categories and splits.

Layouts, distinguished by the paths alone: ``category/name.off``; ModelNet's ``category/train/name.off``; ``train/category/name.off``;
ShapeNet's ``category/name/models/model.obj``; a bare folder of meshes, which then has no labels; each of them also below
``meshes/``, as a generator writes it. The category is the first folder that does not name a split. An ID is the path without
its suffix; splits are those of any data folder (``split.csv``, folders, or a hash).
"""

import os
from pathlib import Path
from typing import Any

import attrs

from armillary.data import folder as data_folder
from armillary.data.folder import SCRATCH, DataFolder, Entry, Splits
from armillary.errors import DataError
from armillary_spherical.meshes import SUFFIXES

_BASE = "meshes"
_SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


def scan(root: Path) -> DataFolder:
    """Return the meshes of a folder.

    Raises:
        DataError: no such folder, or no file with a mesh's name in it.
    """
    if not root.is_dir():
        what = "this is a file; give the folder that holds it" if root.exists() else "no such folder"
        raise DataError(f"{root}: {what}: --data FOLDER")
    structured = (root / _BASE).is_dir()
    base = root / _BASE if structured else root
    paths = []
    for place, folders, files in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        inside = Path(place).relative_to(base)
        paths += [
            (inside / name).as_posix() for name in files if Path(name).suffix.lower() in SUFFIXES and name[0] != "."
        ]
    rows = root / SCRATCH / "rows"
    unfinished = sum(1 for _ in rows.glob("*.json")) if (root / SCRATCH).is_dir() else None
    if not paths and unfinished is None:
        raise DataError(f"{base}: no mesh below it; meshes end in {' '.join(SUFFIXES)}")
    stems = [os.path.splitext(path)[0] for path in sorted(paths)]
    entries = tuple(
        Entry(stem if stems.count(stem) == 1 else path, f"{_BASE}/{path}" if structured else path)
        for stem, path in zip(stems, sorted(paths), strict=True)
    )
    return DataFolder(root, entries, structured, data_folder.read_generator(root), unfinished)


def category_of(item: str) -> str:
    """Return the first folder of an id that does not name a split; empty where there is none."""
    return next((part for part in item.split("/")[:-1] if part.lower() not in _SPLIT_FOLDERS), "")


def assign_splits(folder: DataFolder, config: Any) -> Splits:
    """Return the split of every mesh; folders that name one may stand above or below the category.

    Raises:
        DataError: the rule's file or folders are not there, or ``split.csv`` is wrong.
    """
    by_folders = config.split_by == "folder" or (
        config.split_by == "auto" and not (folder.root / "split.csv").is_file()
    )
    moved = {_split_first(entry.id): entry.id for entry in folder.entries}
    if by_folders and any(item != own or item.split("/")[0].lower() in _SPLIT_FOLDERS for item, own in moved.items()):
        entries = tuple(Entry(item, folder_path) for item, folder_path in moved.items())
        splits = data_folder.assign_splits(
            attrs.evolve(folder, entries=entries), rule=config.split_by, val=config.val, test=config.test
        )
        if splits.rule == "folder":
            return Splits({moved[item]: split for item, split in splits.of.items()}, splits.rule)
    return data_folder.assign_splits(folder, rule=config.split_by, val=config.val, test=config.test)


def _split_first(item: str) -> str:
    """Return an id with the folder that names a split in front."""
    *folders, name = item.split("/")
    named = [part for part in folders if part.lower() in _SPLIT_FOLDERS][:1]
    if not named:
        return item
    folders.remove(named[0])
    return "/".join([*named, *folders, name])
