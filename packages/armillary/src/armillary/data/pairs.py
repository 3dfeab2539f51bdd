"""Pairs of pictures: each picture's partner, in which its pixels are found again. No torch.

Positions are in the flow files, partners in ``pairs.csv``. Without that table the partner is the next picture of the same
folder, numbers in the names compared as numbers, as the frames of a video follow each other; the last one has none.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import attrs

from armillary.data.folder import FLOW_FOLDER, FLOW_SUFFIXES, TABLES, DataFolder, Entry, Names
from armillary.data.table_file import rows
from armillary.errors import DataError

PAIR_PORTS = ("partner_image", "partner_grid", "partner_valid")
"""Ports that come with a flow file and a partner."""


@attrs.frozen
class Pairs:
    """Pairs of a data folder.

    Args:
        partner: id to the partner, for each picture that has one in this folder.
        unknown: id to the partner's name in ``pairs.csv``, where no picture has that name.
        flow: id to the flow file, for each picture that has one.
        listed: whether the pairs are from ``pairs.csv``.
    """

    partner: Mapping[str, Entry]
    unknown: Mapping[str, str]
    flow: Mapping[str, Path]
    listed: bool

    def has(self, item: str) -> bool:
        """Return whether a picture has both a flow file and a partner."""
        return item in self.flow and item in self.partner


def read_pairs(folder: DataFolder) -> Pairs | None:
    """Return the pairs of a folder, None where it has neither ``pairs.csv`` nor a folder of flow files.

    Raises:
        DataError: a column of ``pairs.csv`` is missing, or an id is listed twice; file and line are named.
    """
    path = folder.root / "pairs.csv"
    listed = path.is_file()
    if not folder.structured or not (listed or (folder.root / FLOW_FOLDER).is_dir()):
        return None
    flow = {entry.id: file for entry in folder.entries if (file := flow_file(folder, entry.id)) is not None}
    if not listed:
        return Pairs(_following(folder.entries), {}, flow, listed)
    partner, unknown = _from_table(folder, path)
    return Pairs(partner, unknown, flow, listed)


def flow_file(folder: DataFolder, item: str) -> Path | None:
    """Return a picture's flow file, ``.npy`` before ``.flo``; None where it has none."""
    files = (folder.root / FLOW_FOLDER / f"{item}{suffix}" for suffix in FLOW_SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def _from_table(folder: DataFolder, path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    known = Names(folder.entries)
    entries = {entry.id: entry for entry in folder.entries}
    partner: dict[str, Entry] = {}
    unknown: dict[str, str] = {}
    for line, row in rows(path, needed=TABLES["pairs"]):
        item, other = known.find(row["id"]), known.find(row["partner"])
        if item in partner or item in unknown:
            raise DataError(f"{path}, line {line}: {row['id']!r} is listed twice")
        if item is None:
            continue
        if other is None:
            unknown[item] = row["partner"]
        else:
            partner[item] = entries[other]
    return partner, unknown


def _following(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return each picture's successor in its own folder."""
    folders: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        folders[entry.path.rpartition("/")[0]].append(entry)
    partner = {}
    for members in folders.values():
        members.sort(key=lambda entry: _in_order(entry.path))
        partner |= {one.id: other for one, other in pairwise(members)}
    return partner


def _in_order(name: str) -> list[str | int]:
    """Return a key that sorts 9 before 10: text and numbers in turn."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
