"""Contents of a folder of meshes, and their faults, file by file: for ``armillary data check``. Nothing is changed."""

import hashlib
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from armillary.data.folder import DataFolder, Splits
from armillary.errors import DataError
from armillary.interfaces.dataset import Examination, Finding
from armillary_spherical.mesh_paths import assign_splits, category_of, scan
from armillary_spherical.meshes import ReadMesh, normalised, read_mesh

_FEW = 2  # meshes of a category, below which nothing of it may be left to test on


def examine(root: Path, config: Any, *, progress: Callable[[int, int], None] | None = None) -> Examination:
    """Return the categories and meshes of a folder; which are refused, which are mended as they are read, and why.

    Args:
        root: the folder.
        config: settings of :class:`~armillary_spherical.mesh_folder.MeshFolder`.
        progress: called with meshes done and meshes to do.

    Raises:
        DataError: no such folder, or no mesh in it.
    """
    folder = scan(Path(root))
    findings: list[Finding] = []
    if folder.unfinished is not None:
        findings.append(
            Finding(".", f"not finished: {folder.unfinished} of {folder.generator.get('count', '?')} are there")
        )
    splits = _splits(folder, config, findings)
    good: dict[str, ReadMesh] = {}
    hashes: dict[str, list[str]] = defaultdict(list)
    for done, entry in enumerate(folder.entries, start=1):
        path = folder.root / entry.path
        try:
            found = read_mesh(path)
            normalised(found.mesh, centre=config.centre, up=config.up, radius=config.radius)
        except DataError as error:
            findings.append(Finding(entry.path, str(error).removeprefix(f"{path}: ")))
        else:
            good[entry.id] = found
            findings += [Finding(entry.path, _without_numbers(note), "warning") for note in found.notes]
            hashes[hashlib.sha256(path.read_bytes()).hexdigest()].append(entry.id)
        if progress is not None:
            progress(done, len(folder.entries))
    copies = sorted(sorted(ids) for ids in hashes.values() if len(ids) > 1)
    paths = {entry.id: entry.path for entry in folder.entries}
    findings += _copies(copies, paths, splits)
    categories = Counter(category for item in good if (category := category_of(item)))
    findings += _categories(folder, categories)
    return Examination(
        name=folder.root.resolve().name,
        facts={
            "meshes": f"{len(good)} of {len(folder.entries)} can be read",
            "categories": dict(sorted(categories.items())) or "none: there are no folders by category, so no labels",
            "faces": _faces([len(found.mesh.faces) for found in good.values()]),
            "closed": f"{sum(found.closed for found in good.values())} of {len(good)}",
            "splits": splits.counts() | {"by": splits.rule} if splits is not None else {},
            "groups of the same bytes": str(len(copies) or ""),
        },
        findings=tuple(sorted(findings)),
    )


def _splits(folder: DataFolder, config: Any, findings: list[Finding]) -> Splits | None:
    try:
        return assign_splits(folder, config)
    except DataError as error:
        findings.append(Finding("split.csv", str(error).removeprefix(f"{folder.root / 'split.csv'}").lstrip(",: ")))
        return None


def _copies(copies: list[list[str]], paths: Mapping[str, str], splits: Splits | None) -> Iterator[Finding]:
    """Yield meshes of which there is another copy; one in another category or split says so."""
    for first, *others in copies:
        for other in others:
            words = [f"the same bytes as {paths[first]}"]
            if category_of(first) != category_of(other):
                words.append("and in another category")
            if splits is not None and splits.of.get(first) != splits.of.get(other):
                words.append("and in another split")
            yield Finding(paths[other], ", ".join(words), "warning")


def _categories(folder: DataFolder, good: Mapping[str, int]) -> Iterator[Finding]:
    """Yield categories that nothing can be learnt of, and meshes outside all of them."""
    all_of = Counter(category_of(entry.id) for entry in folder.entries)
    alone = all_of.pop("", 0)
    if alone and all_of:
        yield Finding(".", f"{alone} meshes lie in no category's folder; their label is missing", "warning")
    for category in sorted(all_of):
        if good.get(category, 0) < _FEW:
            said = "no mesh that can be read" if not good.get(category) else "one mesh only"
            yield Finding(category, f"a category with {said}", "warning")


def _faces(counts: list[int]) -> str:
    if not counts:
        return ""
    return f"{min(counts)} to {max(counts)}, median {round(statistics.median(counts))}"


def _without_numbers(note: str) -> str:
    """Return what was mended without how often, so that meshes with the same fault are told together."""
    name, _, text = note.partition(": ")
    return f"{name}: " + " ".join(re.sub(r"\b[\d.]+\b", "", text).split())
