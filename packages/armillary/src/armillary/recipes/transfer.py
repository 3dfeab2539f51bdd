"""Parts of other runs in a recipe: ``take = {run = "labels", slot = "encoder"}`` with ``--from labels=RUN``. Light.

A resolved recipe holds, under ``runs``, what it takes it to build those parts again: name of the run's folder, id and resolved
tables of its recipe without what only training needs, and step and hash of the weights once they are read. It never holds
where the other run lies.
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


def kept(table: Mapping[str, Any], *, run: str, recipe: str) -> dict[str, Any]:
    """Return what a recipe keeps of another run.

    Args:
        table: of the other run's resolved recipe.
        run: name of its folder.
        recipe: id of its recipe.
    """
    whole = staged(table)
    stages = {
        name: {key: copy.deepcopy(value) for key, value in body.items() if key not in _ONLY_TRAINING}
        for name, body in whole["stages"].items()
    }
    rest = {key: copy.deepcopy(value) for key, value in whole.items() if key not in _ONLY_TOP}
    return {"run": run, "recipe": recipe, "body": written({**rest, "stages": stages})}


def from_words(words: str, text: str) -> dict[str, Any]:
    """Return the table behind ``run:part``, or ``run:stage:part``, of ``--take``.

    Raises:
        ConfigError: it is not written that way.
    """
    run, *between, slot = words.split(":") if ":" in words else ("", "")
    if not run or not slot or len(between) > 1:
        raise ConfigError([f"--take {text!r}: write it as slot=run:part, or slot=run:stage:part"])
    return {"run": run, "slot": slot} | ({"stage": between[0]} if between else {})


def places(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return for each other run that a recipe names the slots that take from it."""
    found: dict[str, tuple[str, ...]] = {}
    for stage, body in table.get("stages", {}).items():
        for slot, entry in body.get("slots", {}).items():
            run = entry.get("take", {}).get("run", "")
            if run:
                found[run] = (*found.get(run, ()), f"{prefix(stage)}slots.{slot}")
    return found


def attach(table: dict[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Put into a recipe what it keeps of the other runs that it takes parts of.

    Raises:
        RecipeError: a run is given that nothing is taken from, or under a name that cannot be one.
    """
    wanted = places(table)
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
    known = {name: run for name, run in table.get("runs", {}).items() if name in wanted}
    known |= {name: dict(run) for name, run in runs.items()}
    table.pop("runs", None)
    if known:
        table["runs"] = known
