"""Transfer of trained parts from other runs: ``take = {run = "labels", slot = "encoder"}`` with ``--from labels=RUN``. Light.

The other run is called the source run. A resolved recipe has an entry per source run under ``runs``, enough to build its parts
again: the name of the run's folder, id and resolved tables of its recipe without the sections that only training needs, and step
and hash of the weights after they were read. It has no path of the source run.
"""

import copy
from collections.abc import Mapping
from typing import Any

from armillary.errors import ConfigError, RecipeError, did_you_mean
from armillary.names import NAME_RULE, is_name
from armillary.recipes.stages import prefix, staged, written

RUN_KEYS = ("run", "recipe", "checkpoints", "body")
TAKE_KEYS = ("slot", "stage", "run", "frozen", "rename")
_ONLY_TRAINING = (
    "losses",
    "evaluators",
    "optimiser",
    "schedule",
    "budget",
    "cadence",
    "batch_size",
    "draws",
    "generator",
)
_ONLY_TOP = ("observers", "summary", "source", "id")


def source_entry(table: Mapping[str, Any], *, run: str, recipe: str) -> dict[str, Any]:
    """Return the entry of a source run, for ``runs`` of a recipe.

    Args:
        table: resolved recipe of the source run.
        run: name of the source run's folder.
        recipe: id of its recipe.
    """
    whole = staged(table)
    stages = {
        name: {key: copy.deepcopy(value) for key, value in body.items() if key not in _ONLY_TRAINING}
        for name, body in whole["stages"].items()
    }
    rest = {key: copy.deepcopy(value) for key, value in whole.items() if key not in _ONLY_TOP}
    return {"run": run, "recipe": recipe, "body": written({**rest, "stages": stages})}


def parse_take(words: str, text: str) -> dict[str, Any]:
    """Return the table of ``run:part`` or ``run:stage:part`` of ``--take``.

    Raises:
        ConfigError: ``words`` have another form.
    """
    run, *between, slot = words.split(":") if ":" in words else ("", "")
    if not run or not slot or len(between) > 1:
        raise ConfigError([f"--take {text!r}: write it as slot=run:part, or slot=run:stage:part"])
    return {"run": run, "slot": slot} | ({"stage": between[0]} if between else {})


def slots_by_run(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the source runs that a recipe names, each with the paths of the slots with its parts."""
    found: dict[str, tuple[str, ...]] = {}
    for stage, body in table.get("stages", {}).items():
        for slot, entry in body.get("slots", {}).items():
            run = entry.get("take", {}).get("run", "")
            if run:
                found[run] = (*found.get(run, ()), f"{prefix(stage)}slots.{slot}")
    return found


def add_source_runs(table: dict[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the entries of source runs to a recipe, in place.

    Raises:
        RecipeError: no slot has a part of a run, or the run's name is invalid.
    """
    wanted = slots_by_run(table)
    problems = []
    for name in runs:
        if not is_name(name):
            problems.append(f"--from {name}: {NAME_RULE}")
        elif name not in wanted:
            takes = f" it takes from {', '.join(wanted)}" if wanted else " it takes no part of another run"
            hint = did_you_mean(name, wanted) or takes
            problems.append(f"--from {name}: this recipe takes nothing from {name!r};{hint} (--take slot={name}:part)")
    if problems:
        raise RecipeError(problems)
    # A patch may have replaced the last part of a run: its entry is dropped. New entries replace those of the same name.
    known = {name: run for name, run in table.get("runs", {}).items() if name in wanted}
    known |= {name: dict(run) for name, run in runs.items()}
    table.pop("runs", None)
    if known:
        table["runs"] = known
