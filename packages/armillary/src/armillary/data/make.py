"""Making of data folders with a generator, in this process or by several. No printing, and no torch.

The layout is documented in :mod:`armillary.data.folder`. Worker processes are ``armillary data make`` of a shard each.
"""

import hashlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from armillary.config import write_toml
from armillary.data import writer as data_writer
from armillary.data.folder import SCRATCH, read_generator
from armillary.data.writer import Layout
from armillary.errors import ArmillaryError, DataError
from armillary.interfaces.generator import Generator
from armillary.jobs import ONE_THREAD, Job, Outcome, run_jobs
from armillary.names import NAME_RULE, is_name
from armillary.plugins.host import Host

__all__ = ["Made", "make"]


@attrs.frozen
class Made:
    """Result of one call of :func:`make`.

    Args:
        root: the data folder.
        made: items written now.
        found: items of this shard that were there before.
        missing: items of other shards that are not there yet; the folder is whole when it is 0.
    """

    root: Path
    made: int
    found: int
    missing: int


def make(
    generator: Generator,
    out: Path,
    *,
    name: str,
    settings: Mapping[str, Any],
    size: int,
    seed: int,
    count: int,
    shard: tuple[int, int] = (1, 1),
    workers: int | None = None,
    tables: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Write a generator's first ``count`` items as a data folder.

    The bytes depend on the generator, its version and settings, size, seed and count alone: not on shards, processes, or on how
    often it was interrupted. They are the same on one machine and set of libraries. Items that are there already are not
    made again. Shards of one folder may run at the same time; the last one to end writes the tables.

    Args:
        generator: built with this size and seed.
        out: the folder; it need not exist.
        name: id of the generator, ``synthetic:heads``.
        settings: of the generator; a file's path among them is kept as name, size and hash.
        size: side of the pictures in pixels.
        seed: of the whole collection.
        count: items of all shards together.
        shard: which part of how many, from (1, n) to (n, n).
        workers: processes, which build the generator from its id and settings; None for one per core where it is installed,
            otherwise 0. 0 works in this process, whose number of threads may then show in the bytes.
        tables: write the tables if all items are there.
        progress: called with items done and items to do, of this shard.

    Raises:
        DataError: ``out`` holds something else, the disk is full or cannot be written, or a worker process failed.
        ValueError: count, shard or workers that cannot be, or a generator whose items a data folder cannot hold.
        KeyboardInterrupt: the worker processes were interrupted.
    """
    _check_numbers(count, shard, workers)
    out = Path(out)
    record = {
        "generator": name,
        "version": str(generator.VERSION),
        "seed": seed,
        "size": size,
        "count": count,
        "settings": portable(settings),
    }
    _check_place(out, record)
    mine = range(shard[0] - 1, count, shard[1])
    if workers is None:
        workers = (os.cpu_count() or 1) if _is_installed(generator, name) else 0
    elif workers and not _is_installed(generator, name):
        raise ValueError(
            f"no installed generator {name} is this {type(generator).__name__}, so that other processes cannot build it; "
            "use workers=0"
        )
    if workers:
        layout = _known_layout(out)
        if layout is not None and not (out / SCRATCH).is_dir() and _is_complete(layout, count):
            return Made(out, 0, len(mine), 0)
        made, missing = _by_workers(out, record, settings, shard, min(workers, len(mine) or 1), progress)
        layout = _known_layout(out)
        return Made(out, made, len(mine) - made, _finish(layout, count) if layout and tables else missing)
    ports, camera = data_writer.probe(generator)
    layout = _begin(generator, out, record, ports=ports, camera=camera)
    if layout is None:
        return Made(out, 0, len(mine), 0)
    todo = [index for index in mine if not data_writer.is_whole(layout, index)]
    if progress is not None and len(todo) < len(mine):
        progress(len(mine) - len(todo), len(mine))
    for done, index in enumerate(todo, start=1):
        data_writer.write_item(layout, index, generator.item(index))
        if progress is not None:
            progress(len(mine) - len(todo) + done, len(mine))
    missing = _finish(layout, count) if tables else _missing(layout, count)
    return Made(out, len(todo), len(mine) - len(todo), missing)


def _is_installed(generator: Generator, name: str) -> bool:
    """Return whether other processes find the generator's class under its id."""
    host = Host()
    try:
        return host.resolve(host.component("generator", name)).cls is type(generator)
    except ArmillaryError:
        return False


def _by_workers(
    out: Path,
    record: Mapping[str, Any],
    settings: Mapping[str, Any],
    shard: tuple[int, int],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[int, int]:
    """Make the items of a shard in processes, which leave the tables to this one; return items made and missing.

    Raises:
        DataError: a process failed; names its command.
        KeyboardInterrupt: a signal was received.
    """
    numbers = [word for key in ("size", "seed", "count") for word in (f"--{key}", str(record[key]))]
    sets = [f"--set={key}={_text(value)}" for key, value in settings.items() if value is not None]
    words = ("data", "make", record["generator"], str(out), *numbers, *sets, "--workers=0", "--no-tables", "--json")
    parts = [f"{shard[0] + shard[1] * number}/{shard[1] * workers}" for number in range(workers)]
    jobs = [Job((*words, "--shard", part), environment=ONE_THREAD) for part in parts]
    counts: dict[Job, tuple[int, int]] = {}

    def on_line(job: Job, line: Mapping[str, Any]) -> None:
        if progress is not None and "done" in line:
            counts[job] = (line["done"], line["total"])
            progress(sum(done for done, _ in counts.values()), len(range(shard[0] - 1, record["count"], shard[1])))

    outcomes = run_jobs(jobs, workers=workers, on_line=on_line)
    for outcome in outcomes:
        if outcome.received:
            raise KeyboardInterrupt(outcome.received)
    failed = [outcome for outcome in outcomes if outcome.status and outcome.status != -signal.SIGTERM] or [
        outcome for outcome in outcomes if outcome.status
    ]
    if failed:
        raise DataError(_failure(failed[0]))
    made = [outcome.result for outcome in outcomes]
    return sum(each["made"] for each in made), min(each["missing"] for each in made)


def _text(value: Any) -> str:
    """Return a setting as ``--set`` reads it."""
    return f'"{value}"' if isinstance(value, str) else write_toml({"x": value}).removeprefix("x = ").replace("\n", "")


def _failure(outcome: Outcome) -> str:
    """Return the reason of a failed worker, with its command."""
    if outcome.status < 0:
        return (
            f"{outcome.reason}: {outcome.job.command}\nwhat is written is whole: type the same command again, with fewer "
            "--workers"
        )
    return f"{outcome.errors.strip() or outcome.reason}\nin the process {outcome.job.command}"


def portable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as stored in ``generator.json``: a file becomes its name, size and hash, never its path."""
    return {key: _portable(value) for key, value in settings.items()}


def _portable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return portable(value)
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, str | os.PathLike) and _names_a_file(value):
        path = Path(value)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"file": path.name, "size": path.stat().st_size, "sha256": digest}
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _names_a_file(value: str | os.PathLike[str]) -> bool:
    """Return whether a setting is a file's path, and not a word that is also the name of a file here."""
    path = Path(value)
    return bool(path.suffix or path.parent.name) and path.is_file()


def _check_numbers(count: int, shard: tuple[int, int], workers: int | None) -> None:
    if count < 1:
        raise ValueError(f"count needs at least 1, got {count}")
    if not 1 <= shard[0] <= shard[1]:
        raise ValueError(f"shard needs i/n with 1 <= i <= n, got {shard[0]}/{shard[1]}")
    if workers is not None and workers < 0:
        raise ValueError(f"workers needs at least 0, got {workers}")


def _check_place(out: Path, record: Mapping[str, Any]) -> None:
    """Check that the folder is empty, or holds the same collection."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder that does not exist yet")
    if not out.is_dir() or not any(out.iterdir()):
        return
    there = read_generator(out)
    if not there and {entry.name for entry in out.iterdir()} == {SCRATCH}:
        return
    if not there:
        raise DataError(f"{out}: not empty, and it holds no generator.json; name a folder that does not exist yet")
    plain = json.loads(json.dumps(record))
    different = [f"{key} {there.get(key)!r}, not {plain[key]!r}" for key in plain if there.get(key) != plain[key]]
    if different:
        raise DataError(
            f"{out}: holds another collection ({'; '.join(different)}); name another folder, or remove this one"
        )


def _begin(
    generator: Generator,
    out: Path,
    record: Mapping[str, Any],
    *,
    ports: tuple[str, ...],
    camera: list[list[float]] | None,
) -> Layout | None:
    """Return the layout with ``generator.json`` written, None if the folder is complete already."""
    described = dict(generator.describe())
    known = described.get("camera")
    if camera is not None and not (isinstance(known, Mapping) and known.get("intrinsics") == camera):
        described["camera"] = {**(known if isinstance(known, Mapping) else {}), "intrinsics": camera}
    points = tuple(str(name) for name in described.get("points", ()))
    categories = tuple(str(name) for name in described.get("categories", ()))
    for name in (*points, *categories):
        if not is_name(name):
            raise ValueError(f"{record['generator']}: point or category {name!r}: {NAME_RULE}")
    rows = None if camera is None else tuple(map(tuple, camera))
    layout = Layout(out, rows, points, ports, categories)
    if (out / "generator.json").is_file() and not (out / SCRATCH).is_dir() and _is_complete(layout, record["count"]):
        return None
    with data_writer.disk_errors(out):
        data_writer.rows_file(out, 0).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**record, "ports": list(ports), **described}, indent=2, ensure_ascii=False) + "\n"
    data_writer.write_file(out / "generator.json", text.encode(), scratch=out / SCRATCH)
    return layout


def _known_layout(out: Path) -> Layout | None:
    """Return the layout of a folder that was begun."""
    known = read_generator(out)
    if not known:
        return None
    points, ports, categories = (tuple(known.get(key, ())) for key in ("points", "ports", "categories"))
    return Layout(out, None, points, ports, categories)


def _is_complete(layout: Layout, count: int) -> bool:
    tables = [layout.root / f"{name}.csv" for name in layout.tables if name != "cameras"]
    files = (file for index in range(count) for file in data_writer.item_files(layout, index))
    return all(table.is_file() for table in tables) and all(file.is_file() for file in files)


def _finish(layout: Layout, count: int) -> int:
    """Write the tables if every item is complete; return the number of missing ones."""
    missing = _missing(layout, count)
    if missing == 0:
        try:
            data_writer.write_tables(layout, count)
        except FileNotFoundError:  # another shard ended at the same moment and has written them
            if not _is_complete(layout, count):
                raise
    elif not (layout.root / SCRATCH).is_dir() and _is_complete(layout, count):
        return 0
    return missing


def _missing(layout: Layout, count: int) -> int:
    return sum(not data_writer.is_whole(layout, index) for index in range(count))
