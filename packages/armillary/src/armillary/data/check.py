"""Findings and statistics of a data folder, file by file. No printing, and no torch."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np

from armillary.data import folder as data_folder
from armillary.data import truth
from armillary.data.folder import FLOW_FOLDER, FLOW_SUFFIXES, RASTERS, TABLES, DataFolder, Entry, Names, Splits
from armillary.data.pairs import PAIR_PORTS, Pairs, flow_file, read_pairs
from armillary.data.picture_file import Picture, PictureError, picture_size, read_picture
from armillary.data.table_file import rows
from armillary.data.truth import NUMBER_PORTS, Truth, check_size, read_array, read_flow
from armillary.errors import DataError
from armillary.interfaces.dataset import Finding

ImagesConfig = Any
"""Settings of ``std:images``; its part is above this room."""

_LOOSE = 1e-3  # how far rotations and directions may be from exact ones
_MOST = 0.5
_SHOWN = 3
_WHITE_BACKGROUND = (255, 255, 255)


@attrs.frozen
class Report:
    """Result of :func:`check`.

    Args:
        name: of the folder.
        count: files with a picture's name.
        readable: pictures among them that can be read.
        sizes: ``width x height`` to number of pictures.
        modes: Pillow's name of the mode to number of pictures.
        ports: port to number of pictures that have it.
        splits: split to number of pictures; empty where a hash decides.
        duplicates: groups of pictures with the same bytes.
        findings: everything that is wrong, by file.
    """

    name: str
    count: int
    readable: int
    sizes: Mapping[str, int]
    modes: Mapping[str, int]
    ports: Mapping[str, int]
    splits: Mapping[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Return whether the whole folder can be used; warnings do not count."""
        return not any(finding.severity == "error" for finding in self.findings)

    def plain(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return {**attrs.asdict(self), "ok": self.ok}


@attrs.frozen
class Info:
    """Result of :func:`info`.

    Args:
        name: of the folder.
        count: pictures.
        smallest: width and height of the smallest picture by area, from its header; None where none has one.
        largest: the same of the largest.
        ports: port to number of pictures that have it.
        splits: split to number of pictures.
        split_rule: what decides the split: ``file``, ``folder`` or ``hash``.
        points: names of the landmarks.
        generator: contents of ``generator.json``.
        size: of all files, in bytes.
        digest: fingerprint that runs keep.
        unfinished: items there so far, where the writer has not ended.
    """

    name: str
    count: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    ports: Mapping[str, int]
    splits: Mapping[str, int]
    split_rule: str
    points: tuple[str, ...]
    generator: Mapping[str, Any]
    size: int
    digest: str
    unfinished: int | None

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, for JSON."""
        return attrs.asdict(self)


def info(root: Path, *, config: ImagesConfig) -> Info:
    """Return what is in a data folder; pictures are not decoded.

    Raises:
        DataError: there is no such folder or no picture in it, or a table is wrong.
    """
    folder = data_folder.scan(Path(root))
    splits = data_folder.assign_splits(folder, rule=config.split_by, val=config.val, test=config.test)
    tables = Truth.read(folder)
    sizes = sorted(filter(None, _in_threads(lambda entry: _size_of(folder, entry, config), folder.entries)), key=_area)
    mark = data_folder.fingerprint(folder)
    return Info(
        name=mark.name,
        count=mark.count,
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        ports=_port_counts(folder, tables),
        splits=splits.counts(),
        split_rule=splits.rule,
        points=tables.landmarks.names if tables.landmarks else (),
        generator=folder.generator,
        size=sum(file.stat().st_size for file in folder.root.rglob("*") if file.is_file()),
        digest=mark.digest,
        unfinished=folder.unfinished,
    )


def check(root: Path, *, config: ImagesConfig, progress: Callable[[int, int], None] | None = None) -> Report:
    """Read every file of a data folder and return its errors and warnings.

    Args:
        root: the folder.
        config: settings that decide what is too large, and the split.
        progress: called with pictures done and pictures to do.

    Raises:
        DataError: there is no such folder, or no file with a picture's name in it.
    """
    folder = data_folder.scan(Path(root))
    findings: list[Finding] = []
    if folder.unfinished is not None:
        count = folder.generator.get("count", "?")
        findings.append(Finding(".", f"not finished: {folder.unfinished} of {count} items are there"))
    tables = _tables(folder, findings)
    splits = _splits(folder, config, findings)
    ports = _port_counts(folder, tables)
    sizes, modes, readable = Counter[str](), Counter[str](), 0
    hashes: dict[str, list[str]] = defaultdict(list)
    looks = _in_threads(lambda entry: _look(folder, tables, ports, entry, config), folder.entries)
    for done, looked in enumerate(looks, start=1):
        findings += looked.findings
        if looked.size is not None:
            readable += 1
            sizes[f"{looked.size[0]} x {looked.size[1]}"] += 1
            modes[looked.mode] += 1
            hashes[looked.digest].append(looked.entry.path)
        if progress is not None:
            progress(done, len(folder.entries))
    groups = tuple(sorted(tuple(paths) for paths in hashes.values() if len(paths) > 1))
    findings += _duplicates(folder, splits, groups)
    findings += _strays(folder)
    findings += _pairs_unused(folder, tables.pairs)
    return Report(
        name=folder.root.resolve().name,
        count=len(folder.entries),
        readable=readable,
        sizes=dict(sizes.most_common()),
        modes=dict(modes.most_common()),
        ports=ports,
        splits=splits.counts() if splits is not None and splits.fixed else {},
        duplicates=groups,
        findings=tuple(sorted(findings)),
    )


# --- one picture -----------------------------------------------------------------------------------------------------


@attrs.frozen
class _Looked:
    entry: Entry
    findings: list[Finding]
    size: tuple[int, int] | None = None
    mode: str = ""
    digest: str = ""


def _look(folder: DataFolder, tables: Truth, ports: Mapping[str, int], entry: Entry, config: ImagesConfig) -> _Looked:
    path = folder.root / entry.path
    findings: list[Finding] = []
    try:
        picture = read_picture(path, background=_WHITE_BACKGROUND, max_pixels=config.max_pixels)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except PictureError as error:
        return _Looked(entry, [Finding(entry.path, error.reason)])
    except OSError as error:
        return _Looked(entry, [Finding(entry.path, f"cannot be read ({error.strerror})")])
    mask = np.ones(picture.rgb.shape[:2], dtype=bool)
    for port in ("true_mask", "true_depth", "true_normals", "true_albedo", "true_coordinates"):
        file = folder.side_file(port, entry.id)
        relative = file.relative_to(folder.root).as_posix()
        if not ports[port]:
            continue
        if not file.is_file():
            findings.append(Finding(entry.path, f"has no {relative}", "warning"))
            continue
        try:
            found = list(_raster_findings(port, file, picture, mask, config))
        except PictureError as error:
            findings.append(Finding(relative, error.reason))
            continue
        findings += [Finding(relative, text, severity) for text, severity in found]
    findings += _pair_findings(folder, tables.pairs, entry, picture, config)
    findings += [Finding(file, text, severity) for file, text, severity in _row_findings(tables, entry, picture)]
    height, width = picture.rgb.shape[:2]
    return _Looked(entry, findings, (width, height), picture.mode, digest)


_Severity = Literal["error", "warning"]


def _raster_findings(
    port: str, file: Path, picture: Picture, mask: np.ndarray, config: ImagesConfig
) -> Iterator[tuple[str, _Severity]]:
    """Yield the faults of one file beside a picture; store the mask if the file is one."""
    size = picture.rgb.shape[:2]
    if port in ("true_mask", "true_albedo"):
        side = read_picture(file, max_pixels=config.max_pixels)
        check_size(file, side.rgb.shape[:2], size)
        if port == "true_mask":
            mask[...] = side.rgb[..., 0] > 127  # white counts
            if not mask.any():
                yield "nothing is marked (white counts)", "warning"
        return
    array = read_array(file, port, size)
    broken = ~np.isfinite(array).all(axis=0)
    if broken.any():
        yield (
            f"{int(broken.sum())} pixels are not finite numbers, {int((broken & mask).sum())} of them in the mask",
            "warning",
        )
    counted = array[:, mask & ~broken]
    if port == "true_depth" and counted.size and counted.min() <= 0:
        yield f"{int((counted <= 0).sum())} pixels in the mask have a depth of 0 or less", "error"
    if port == "true_normals" and counted.size:
        length = np.linalg.norm(counted, axis=0)
        if np.abs(length - 1).max() > 10 * _LOOSE:
            yield f"normals are not of unit length (from {length.min():.3g} to {length.max():.3g})", "error"
        if (counted[2] > 0).mean() > 0.5:
            yield "most normals look away from the viewer (z > 0); z < 0 is needed", "error"


def _pair_findings(
    folder: DataFolder, pairs: Pairs | None, entry: Entry, picture: Picture, config: ImagesConfig
) -> Iterator[Finding]:
    """Yield the faults of a picture's flow file and its partner."""
    if pairs is None:
        return
    if entry.id in pairs.unknown:
        text = f"the partner {pairs.unknown[entry.id]!r} of {entry.path} is not a picture of this folder"
        yield Finding("pairs.csv", text)
    partner, file = pairs.partner.get(entry.id), pairs.flow.get(entry.id)
    size = picture.rgb.shape[:2]
    if partner is not None and file is None and pairs.flow:
        yield Finding(
            entry.path, f"has no {FLOW_FOLDER}/{entry.id}.npy, though its partner is {partner.path}", "warning"
        )
    if partner is not None and file is not None:
        other = _size_of(folder, partner, config)  # one that cannot be read is a finding of its own
        if other is not None and other != size[::-1]:
            text = f"is {size[1]} x {size[0]}, but its partner {partner.path} is {other[0]} x {other[1]}"
            yield Finding(entry.path, text)
    if file is not None:
        relative = file.relative_to(folder.root).as_posix()
        try:
            yield from (Finding(relative, text, "warning") for text in _flow_findings(read_flow(file, size)))
        except PictureError as error:
            yield Finding(relative, error.reason)


def _flow_findings(flow: np.ndarray) -> Iterator[str]:
    known = np.isfinite(flow[..., 0])
    if not known.any():
        yield "no displacement is known (all are nan)"
        return
    height, width = flow.shape[:2]
    down, along = np.nonzero(known)
    x, y = along + flow[known][:, 0], down + flow[known][:, 1]
    outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    if outside.mean() > _MOST:
        yield f"{outside.mean():.0%} of the displacements lead out of the picture; they are in pixels, right and down"


def _row_findings(tables: Truth, entry: Entry, picture: Picture) -> Iterator[tuple[str, str, _Severity]]:
    height, width = picture.rgb.shape[:2]
    if tables.landmarks is not None:
        values = tables.landmarks.values.get(entry.id)
        if values is None:
            yield "landmarks.csv", f"no points for {entry.path}", "warning"
        else:
            x, y = values[:, 0], values[:, 1]
            outside = (values[:, 3] > 0) & ((x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5))
            if outside.any():
                yield "landmarks.csv", f"{int(outside.sum())} visible points of {entry.path} are outside it", "warning"
    pose = (tables.poses or {}).get(entry.id)
    if pose is not None:
        rotation = pose[:9].reshape(3, 3).astype(np.float64)
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > _LOOSE or np.linalg.det(rotation) < 0:
            yield "poses.csv", f"the matrix of {entry.path} is not a rotation (orthogonal, determinant +1)", "error"
    light = (tables.lights or {}).get(entry.id)
    if light is not None and abs(float(np.linalg.norm(light[2:])) - 1) > _LOOSE:
        yield "lights.csv", f"the direction of {entry.path} is not of unit length", "error"
    camera = (tables.cameras or {}).get(entry.id)
    if camera is not None and min(camera[:2]) <= 0:
        yield "cameras.csv", f"a focal length of {entry.path} is not positive", "error"


# --- the whole folder ------------------------------------------------------------------------------------------------


def _tables(folder: DataFolder, findings: list[Finding]) -> Truth:
    """Return the readable tables; add the errors of the others to the findings."""
    parts: dict[str, Any] = {}
    readers: dict[str, Callable[[], Any]] = {
        "landmarks": lambda: truth.read_landmarks(folder),
        "poses": lambda: truth.read_numbers(folder, "poses"),
        "lights": lambda: truth.read_numbers(folder, "lights"),
        "cameras": lambda: truth.read_numbers(folder, "cameras"),
        "camera": lambda: truth.generator_camera(folder.generator, folder.root),
        "pairs": lambda: read_pairs(folder),
    }
    for name, read in readers.items():
        try:
            parts[name] = read()
        except DataError as error:
            parts[name] = None
            file = "generator.json" if name == "camera" else f"{name}.csv"
            findings.append(Finding(file, str(error).removeprefix(f"{folder.root / file}").lstrip(",: ")))
    return Truth(**parts)


def _splits(folder: DataFolder, config: ImagesConfig, findings: list[Finding]) -> Splits | None:
    try:
        splits = data_folder.assign_splits(folder, rule=config.split_by, val=config.val, test=config.test)
    except DataError as error:
        findings.append(Finding("split.csv", str(error).removeprefix(f"{folder.root / 'split.csv'}").lstrip(",: ")))
        return None
    if splits.fixed:
        left_out = [entry.path for entry in folder.entries if entry.id not in splits.of]
        where = "split.csv" if splits.rule == "file" else "."
        if left_out:
            findings.append(
                Finding(where, f"{len(left_out)} pictures belong to no split ({_some(left_out)})", "warning")
            )
    return splits


def _duplicates(folder: DataFolder, splits: Splits | None, groups: Iterable[tuple[str, ...]]) -> Iterator[Finding]:
    of = {entry.path: splits.of.get(entry.id, "none") for entry in folder.entries} if splits is not None else {}
    for first, *others in groups:
        for other in others:
            apart = of and of[first] != of[other]
            where = f" and they are in different splits, {of[first]} and {of[other]}" if apart else ""
            yield Finding(other, f"the same bytes as {first}{where}", "warning")


def _strays(folder: DataFolder) -> Iterator[Finding]:
    """Yield files and rows that belong to no picture."""
    if not folder.structured:
        return
    ids = {entry.id for entry in folder.entries}
    for port, (name, suffix) in RASTERS.items():
        base = folder.root / name
        for file in sorted(base.rglob("*")) if base.is_dir() else ():
            relative = file.relative_to(base).as_posix()
            if file.is_file() and not relative.startswith("."):
                if file.suffix.lower() != suffix:
                    yield Finding(f"{name}/{relative}", f"is not read: {port} needs {suffix}", "warning")
                elif relative.removesuffix(suffix) not in ids:
                    yield Finding(f"{name}/{relative}", "belongs to no picture", "warning")
    for file in sorted((folder.root / FLOW_FOLDER).rglob("*")):
        relative = file.relative_to(folder.root / FLOW_FOLDER).as_posix()
        if file.is_file() and not relative.startswith("."):
            if file.suffix not in FLOW_SUFFIXES:
                yield Finding(
                    f"{FLOW_FOLDER}/{relative}", f"is not read: flow needs {' or '.join(FLOW_SUFFIXES)}", "warning"
                )
            elif relative.removesuffix(file.suffix) not in ids:
                yield Finding(f"{FLOW_FOLDER}/{relative}", "belongs to no picture", "warning")
            elif file != flow_file(folder, relative.removesuffix(file.suffix)):
                yield Finding(
                    f"{FLOW_FOLDER}/{relative}", f"is not read: there is one in {FLOW_SUFFIXES[0]} too", "warning"
                )
    known = Names(folder.entries)
    for table in (*TABLES, "split"):
        path = folder.root / f"{table}.csv"
        try:
            unknown = [(line, row["id"]) for line, row in rows(path, needed=("id",)) if known.find(row["id"]) is None]
        except DataError:
            continue  # not there, or named already
        if unknown:
            text = f"{len(unknown)} rows belong to no picture (line {unknown[0][0]}: {_some([x for _, x in unknown])})"
            yield Finding(path.name, text, "warning")


def _pairs_unused(folder: DataFolder, pairs: Pairs | None) -> Iterator[Finding]:
    """Yield unused parts of the pairs; the last picture of a generator may have a flow and no partner."""
    if pairs is None:
        return
    if pairs.listed and not pairs.flow:
        yield Finding("pairs.csv", f"without flow files ({FLOW_FOLDER}/ID.npy) it is not used", "warning")
    lonely = [item for item in pairs.flow if item not in pairs.partner and item not in pairs.unknown]
    if pairs.listed and lonely and not folder.generator:
        text = f"{len(lonely)} pictures have a flow file, but no row here ({_some(lonely)})"
        yield Finding("pairs.csv", text, "warning")


def _port_counts(folder: DataFolder, tables: Truth) -> dict[str, int]:
    counts = {}
    for port in RASTERS:
        counts[port] = sum(folder.structured and folder.side_file(port, entry.id).is_file() for entry in folder.entries)
    for port in ("camera", *NUMBER_PORTS, *truth.LANDMARK_PORTS, *PAIR_PORTS):
        counts[port] = sum(tables.has(port, entry.id) for entry in folder.entries)
    return counts


def _size_of(folder: DataFolder, entry: Entry, config: ImagesConfig) -> tuple[int, int] | None:
    try:
        return picture_size(folder.root / entry.path, max_pixels=config.max_pixels)
    except PictureError:
        return None


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _in_threads(function: Callable[[Entry], Any], entries: Iterable[Entry]) -> Iterator[Any]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(function, entries)


def _some(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:_SHOWN]) + (", ..." if len(unique) > _SHOWN else "")
