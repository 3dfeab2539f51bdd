"""Data folders: written by generators, read by ``std:images``.

``images/ID.png`` (or .jpg ...), and beside it, each where it is known: ``depth/ID.npy`` (float32, ``[height, width]``, scene
units), ``mask/ID.png`` (white counts), ``normals/ID.npy`` (float16, ``[3, height, width]``, camera frame, z < 0), ``albedo/ID.png``,
``coordinates/ID.npy`` (float16, ``[3, height, width]``: the point of the object, in the object's own frame, that each pixel
shows; what the mask leaves out does not count), ``flow/ID.npy`` (float16 or float32, ``[height, width, 2]``: displacement in
pixels, right and down, from each pixel to where its partner shows the same point; nan where the partner does not) or
``flow/ID.flo`` (Middlebury's format), ``pairs.csv`` (id, partner; see :mod:`armillary.data.pairs`),
``meshes/CATEGORY/ID.ply`` (the object, in its own frame),
``landmarks.csv`` (id, point, x, y[, z], visible; x and y in pixels of the picture, centres at integers; z the depth in scene
units), ``poses.csv`` (id, r11 ... r33, t1, t2, t3), ``lights.csv`` (id, ambient, diffuse, x, y, z), ``cameras.csv`` (id, fx,
fy, cx, cy; pixels), ``split.csv`` (id, split) and ``generator.json``. A bare folder of pictures, flat, nested, or in ``train``,
``val`` and ``test``, is a data folder with nothing but images. An ID is the picture's path without its suffix.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from armillary.data.picture_file import SUFFIXES
from armillary.data.table_file import rows
from armillary.errors import DataError, did_you_mean
from armillary.interfaces.dataset import Fingerprint
from armillary.rules import Holds

SPLITS = ("train", "val", "test")
LEFT_FOR_TRAIN = Holds("val + test < 1", "a part is left for train")
RULES = ("auto", "file", "folder", "hash", "all")
SCRATCH = ".making"
"""Folder inside a data folder that is not finished yet."""

RASTERS: Mapping[str, tuple[str, str]] = {
    "true_depth": ("depth", ".npy"),
    "true_mask": ("mask", ".png"),
    "true_normals": ("normals", ".npy"),
    "true_albedo": ("albedo", ".png"),
    "true_coordinates": ("coordinates", ".npy"),
}
"""Ports that are one file a picture: folder and suffix."""

FLOW_FOLDER = "flow"
FLOW_SUFFIXES = (".npy", ".flo")
"""Folder and endings of flow files; the first existing one is read."""

MESH_FOLDER = "meshes"
"""Folder of meshes, with one folder per category."""

TABLES: Mapping[str, tuple[str, ...]] = {
    "landmarks": ("id", "point", "x", "y", "visible"),
    "poses": ("id", "r11", "r12", "r13", "r21", "r22", "r23", "r31", "r32", "r33", "t1", "t2", "t3"),
    "lights": ("id", "ambient", "diffuse", "x", "y", "z"),
    "cameras": ("id", "fx", "fy", "cx", "cy"),
    "pairs": ("id", "partner"),
}
"""CSV files and their columns; landmarks may have z besides, and do without ``visible``."""

_SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_SKIPPED_FOLDERS = frozenset({"__MACOSX", "__pycache__", "@eaDir"})
_HASHED_FILES = 16


@attrs.frozen
class Entry:
    """Picture of a data folder.

    Args:
        id: its name in every table.
        path: relative to the data folder, with forward slashes.
    """

    id: str
    path: str


@attrs.frozen
class DataFolder:
    """Contents of a data folder, by name; nothing is decoded.

    Args:
        root: the folder.
        entries: all pictures, sorted by path.
        structured: the folder has ``images/``, and may have other data beside it.
        generator: contents of ``generator.json``, empty if missing.
        unfinished: items done so far where the writer has not ended, else None.
    """

    root: Path
    entries: tuple[Entry, ...]
    structured: bool
    generator: Mapping[str, Any]
    unfinished: int | None

    def side_file(self, port: str, item: str) -> Path:
        """Return the path of the file of a port in :data:`RASTERS`, existing or not."""
        folder, suffix = RASTERS[port]
        return self.root / folder / f"{item}{suffix}"


def scan(root: Path) -> DataFolder:
    """Return the contents of a data folder.

    Raises:
        DataError: no such folder, nothing in it, no file with a picture's name, or a ``generator.json`` that is not JSON.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root}: no such folder; give the folder that holds your pictures: --data FOLDER")
    if not root.is_dir():
        raise DataError(f"{root}: this is a file; give the folder that holds it: --data {root.parent}")
    generator = read_generator(root)
    structured = (root / "images").is_dir()
    base = root / "images" if structured else root
    files = sorted(_files(base))
    pictures = [name for name in files if Path(name).suffix.lower() in SUFFIXES]
    rows = root / SCRATCH / "rows"
    unfinished = sum(1 for _ in rows.glob("*.json")) if (root / SCRATCH).is_dir() else None
    if not pictures and unfinished is None:
        raise DataError(_nothing_here(base, files))
    entries = tuple(Entry(item, name if not structured else f"images/{name}") for item, name in _ids(pictures))
    return DataFolder(root, entries, structured, generator, unfinished)


def read_generator(root: Path) -> dict[str, Any]:
    """Return ``generator.json``, empty if missing.

    Raises:
        DataError: it is not a JSON object.
    """
    path = root / "generator.json"
    try:
        generator = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(generator, dict):
        raise DataError(f"{path}: needs a JSON object, holds {type(generator).__name__}")
    return generator


def fingerprint(folder: DataFolder) -> Fingerprint:
    """Return an identifier of a folder's data that does not depend on its location.

    The hash covers names and sizes of all pictures and tables, and the contents of the tables and of at most 16 pictures
    spread over the list, so that it takes no time on a large folder.
    """
    names = [entry.path for entry in folder.entries]
    tables = [*(f"{table}.csv" for table in TABLES), "split.csv", "generator.json"]
    tables = [name for name in tables if (folder.root / name).is_file()]
    step = max(1, -(-len(names) // _HASHED_FILES))
    opened = {*names[::step], *tables}
    digest = hashlib.sha256()
    for name in (*names, *tables):
        try:
            digest.update(f"{name}\0{(folder.root / name).stat().st_size}\0".encode())
            if name in opened:
                digest.update((folder.root / name).read_bytes())
        except OSError:
            digest.update(f"{name}\0unreadable\0".encode())
    return Fingerprint(folder.root.resolve().name, len(names), digest.hexdigest())


def unfinished_text(folder: DataFolder) -> str:
    """Return the error message for a folder whose writer did not end."""
    count, made_by = folder.generator.get("count", "?"), folder.generator.get("generator", "GENERATOR")
    return (
        f"{folder.root}: not finished, {folder.unfinished} of {count} items are there; type the same command again, it goes "
        f"on from there: armillary data make {made_by} {folder.root} ..."
    )


# --- splits ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Splits:
    """Split of each picture.

    Args:
        of: id to ``train``, ``val`` or ``test``; a picture that is not in it belongs to none.
        rule: the rule that was used: ``file``, ``folder``, ``hash`` or ``all``.
    """

    of: Mapping[str, str]
    rule: str

    @property
    def fixed(self) -> bool:
        """Return true if the data itself defines the splits (a list, or folders)."""
        return self.rule in ("file", "folder")

    def members(self, entries: Iterable[Entry], split: str) -> tuple[Entry, ...]:
        """Return the pictures of one split; ``all`` for every picture."""
        if split == "all" or self.rule == "all":
            return tuple(entries)
        return tuple(entry for entry in entries if self.of.get(entry.id) == split)

    def counts(self) -> dict[str, int]:
        """Return the number of pictures per split, without empty splits."""
        counted = Counter(self.of.values())
        return {name: counted[name] for name in SPLITS if counted[name]}


def assign_splits(folder: DataFolder, *, rule: str = "auto", val: float, test: float) -> Splits:
    """Return the split of every picture.

    ``auto`` takes ``split.csv`` where there is one, else the folders' names (train, val, test), else the hash. The hash of
    a picture's path decides alone (of a made video the clip's number, so that no frame has its partner in another split), so
    that more pictures do not move those that were there; only where a split would stay
    empty with three pictures or more, the picture nearest to its range is given to it.

    Args:
        folder: from :func:`scan`.
        rule: one of :data:`RULES`.
        val: part of the pictures, in [0, 1), for the rule ``hash``.
        test: the same.

    Raises:
        DataError: the rule's file or folders are not there, or ``split.csv`` is wrong.
    """
    if rule == "all":
        return Splits({}, "all")
    if rule == "file" or (rule == "auto" and (folder.root / "split.csv").is_file()):
        return Splits(_splits_from_file(folder), "file")
    by_folder = _splits_from_folders(folder)
    if rule == "folder" and not by_folder:
        raise DataError(
            f"{folder.root}: split_by is 'folder', but the pictures are not in folders named train, val or test; "
            "move them, or type: --set data.split_by=hash"
        )
    if by_folder and rule != "hash":
        return Splits(by_folder, "folder")
    groups = {entry.id: _group(entry.id, folder.generator.get("clip")) for entry in folder.entries}
    return Splits(_splits_from_hash(groups, val=val, test=test), "hash")


def _splits_from_file(folder: DataFolder) -> dict[str, str]:
    path = folder.root / "split.csv"
    known = Names(folder.entries)
    splits: dict[str, str] = {}
    for line, row in rows(path, needed=("id", "split")):
        split = _SPLIT_NAMES.get(row["split"].strip().lower())
        if split is None:
            hint = did_you_mean(row["split"], SPLITS) or " it is one of train, val, test"
            raise DataError(f"{path}, line {line}: unknown split {row['split']!r};{hint}")
        item = known.find(row["id"])
        if item is not None:
            splits[item] = split
    return splits


def _splits_from_folders(folder: DataFolder) -> dict[str, str]:
    splits = {}
    for entry in folder.entries:
        first, _, rest = entry.id.partition("/")
        if rest and first.lower() in _SPLIT_NAMES:
            splits[entry.id] = _SPLIT_NAMES[first.lower()]
    names = set(splits.values())
    return splits if len(splits) == len(folder.entries) or {"train"} < names else {}


def _group(item: str, clip: Any) -> str:
    """Return the text to hash: the clip of a generated frame, so that clips stay together, else the picture's id."""
    if isinstance(clip, int) and clip > 1 and item.isdecimal():
        return f"clip {int(item) // clip}"
    return item


def _splits_from_hash(groups: Mapping[str, str], *, val: float, test: float) -> dict[str, str]:
    place = {item: _fraction(group) for item, group in groups.items()}
    splits = {x: "test" if p < test else "val" if p < test + val else "train" for x, p in place.items()}
    if len(splits) < len(SPLITS):
        return dict.fromkeys(splits, "train")
    order = ("test", "val", "train")  # along the hash
    for name in (name for name, part in zip(order, (test, val, 1.0), strict=True) if part > 0):
        if name not in splits.values():
            donor = max(order, key=list(splits.values()).count)
            nearest = max if order.index(donor) < order.index(name) else min
            splits[nearest((x for x in splits if splits[x] == donor), key=lambda x: (place[x], x))] = name
    return splits


def _fraction(text: str) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


# --- names -----------------------------------------------------------------------------------------------------------


class Names:
    """Ids as people write them: with or without ``images/`` and the suffix."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._ids: dict[str, str] = {}
        for entry in entries:
            for name in (entry.path, entry.path.removeprefix("images/"), entry.id):
                self._ids[name] = entry.id

    def find(self, written: str) -> str | None:
        """Return the matching id, None if no picture has it."""
        return self._ids.get(written.strip().replace("\\", "/"))


def _files(base: Path) -> Iterator[str]:
    """Yield all files below ``base``, relative with forward slashes; hidden ones and link cycles left out."""
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: this folder cannot be read ({error.strerror})") from error

    for folder, folders, files in os.walk(base, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        place = Path(folder).relative_to(base)
        yield from ((place / name).as_posix() for name in files if not name.startswith("."))


def _ids(pictures: list[str]) -> Iterator[tuple[str, str]]:
    stems = Counter(os.path.splitext(name)[0] for name in pictures)
    for name in pictures:
        stem = os.path.splitext(name)[0]
        yield (stem if stems[stem] == 1 else name), name


def _nothing_here(base: Path, files: list[str]) -> str:
    endings = " ".join(sorted(SUFFIXES))
    if not files:
        return f"{base}: the folder is empty; put pictures there ({endings}), or make some: armillary data make GENERATOR {base}"
    kinds = Counter(Path(name).suffix.lower() or "no ending" for name in files).most_common(3)
    there = ", ".join(f"{count} x {kind}" for kind, count in kinds)
    return f"{base}: no picture among {len(files)} files ({there}); pictures end in {endings}"
