"""Layout of a run's folder. The folder can be moved: no file in it has an absolute path."""

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from armillary.config import read_toml, write_toml
from armillary.errors import RunError
from armillary.files import write_reason, write_text
from armillary.plugins.discovery import file_id
from armillary.plugins.host import Host
from armillary.recipes.recipe import Recipe, from_table
from armillary.recipes.stages import MAIN
from armillary.recipes.transfer import source_entry
from armillary.version import __version__

PLUGIN_FILES = "plugins"
RECIPE, PLUGINS, ENVIRONMENT, DATA, INIT = "recipe.toml", "plugins.json", "environment.json", "data.json", "init.json"
METRICS, RESULTS, REPORT, CARD = "metrics.jsonl", "results.json", "report.html", "README.md"
FINISHED, INTERRUPTED, FAILED = "finished", "interrupted", "failed"
"""Outcomes of a run."""


@attrs.frozen
class RunFolder:
    """Folder of a run, with one accessor per file."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """Return a new, empty run folder.

        Raises:
            RunError: ``path`` exists and is not an empty folder.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = f"contains a run already: continue it with --resume {path}, or type another --out"
            if not (path / RECIPE).is_file():
                what = "is not empty: type another --out"
            raise RunError(f"--out {path}: {what}")
        try:
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            (path / "previews").mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(f"--out {path}: cannot be created: {error.strerror}; type another --out") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return an existing run folder.

        Raises:
            RunError: ``path`` is missing or is not a run.
        """
        if not path.exists():
            raise RunError(f"{path}: no such run; type the folder that armillary train wrote (its --out)")
        if not (path / RECIPE).is_file():
            raise RunError(
                f"{path}: not a run: it has no {RECIPE}; type the folder that armillary train wrote (its --out)"
            )
        return cls(path)

    def checkpoints(self, stage: str) -> Path:
        """Return the folder of a stage's checkpoints."""
        base = self.path / "checkpoints"
        return base if stage == MAIN else base / stage

    def source_run(self, name: str) -> "RunFolder":
        """Return the folder with copies of the checkpoints of a source run, from which this run has parts."""
        return RunFolder(self.path / "taken" / name)

    def recipe(self, host: Host | None = None) -> Recipe:
        """Return the recipe with which the run was started.

        Args:
            host: source of the recipe's parts, if they are to be built.

        Raises:
            RunError: the run keeps plugin files that the host lacks. They are code, so that nobody runs them unasked.
        """
        lacking = [kept for kept in self.plugin_files() if host is not None and file_id(kept) not in host.ids]
        if lacking:
            flags = " ".join(f"--plugin {kept}" for kept in lacking)
            raise RunError(
                f"{self.path}: its recipe uses parts of files that the run keeps: read them, then add {flags}"
            )
        table = read_toml(self.path / RECIPE)
        id = table.pop("id", str(self.path.name))
        return from_table(table, id=id)

    def plugin_files(self) -> list[Path]:
        """Return the copies of the plugin files that the run used."""
        return sorted((self.path / PLUGIN_FILES).glob("*.py"))

    def keep_plugin_file(self, path: Path) -> None:
        """Copy a plugin file into the run."""
        (self.path / PLUGIN_FILES).mkdir(exist_ok=True)
        write_text(self.path / PLUGIN_FILES / path.name, path.read_text(encoding="utf-8"))

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the resolved recipe."""
        write_text(self.path / RECIPE, write_toml({"id": recipe.id, **recipe.written}))

    def write_json(self, name: str, value: Any) -> None:
        """Write plain values."""
        write_text(self.path / name, json.dumps(value, indent=2, sort_keys=False) + "\n")

    def read_json(self, name: str, default: Any = None) -> Any:
        """Return plain values, ``default`` if the file is missing.

        Raises:
            RunError: the file is not JSON.
        """
        file = self.path / name
        if not file.is_file():
            return default
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{file}: not JSON: {error}") from error

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of ``metrics.jsonl``, without an unfinished last line of a killed run."""
        rows = []
        file = self.path / METRICS
        if file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    rows.append(json.loads(line))
        return rows

    def cut_metrics(self, *, stage: str, step: int) -> None:
        """Drop the rows later than the checkpoint from which a run is resumed."""
        rows = [row for row in self.metrics() if row.get("stage") != stage or row["step"] <= step]
        write_text(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def add_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one row."""
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise RunError(f"{self.path / METRICS}: cannot be written: {write_reason(error)}") from error


def open_source_runs(paths: Mapping[str, Path]) -> tuple[dict[str, RunFolder], dict[str, dict[str, Any]]]:
    """Return the folders of source runs by name, and the entry of each under ``runs`` of a recipe.

    Raises:
        RunError: a path is not a run.
    """
    folders, tables = {}, {}
    for name, path in paths.items():
        try:
            folder = RunFolder.open(path)
        except RunError as error:
            raise RunError(f"--from {name}={error}") from error
        recipe = folder.recipe()
        folders[name] = folder
        tables[name] = source_entry(recipe.table, run=folder.path.resolve().name, recipe=recipe.id)
    return folders, tables


def environment() -> dict[str, Any]:
    """Return the environment of a run: versions, processor, threads; no names of machines or people."""
    import numpy
    import torch

    return {
        "armillary": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
