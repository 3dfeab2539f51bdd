"""Stages of a recipe, and the short form of a recipe with one stage: its body at the root of the table. Light.

A :class:`armillary.recipes.recipe.Recipe` always has ``stages``. In files, on the command line and in messages, the body of the
stage :data:`MAIN` is at the root; this module is the only place that converts between the two forms.
"""

from collections.abc import Mapping
from typing import Any

MAIN = "main"
"""Name of the stage whose body may be written at the root of a recipe."""

BODY_KEYS = (
    "method",
    "slots",
    "data",
    "generator",
    "transforms",
    "losses",
    "optimiser",
    "schedule",
    "budget",
    "cadence",
    "batch_size",
    "draws",
    "settings",
    "evaluators",
)
_ROOT = f"stages.{MAIN}."


def staged(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe or a patch with a body at its root moved into the stage :data:`MAIN`."""
    root = {key: value for key, value in table.items() if key in BODY_KEYS}
    rest = {key: value for key, value in table.items() if key not in BODY_KEYS and key != "stages"}
    stages = dict(table.get("stages", {}))
    if root:
        stages[MAIN] = {**stages.get(MAIN, {}), **root}
    return {"stages": stages, **rest} if stages else rest


def written(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the short form of a recipe, for files: the body at the root if :data:`MAIN` is the only stage."""
    stages = table["stages"]
    if list(stages) != [MAIN]:
        return dict(table)
    return {**stages[MAIN], **{key: value for key, value in table.items() if key != "stages"}}


def prefix(stage: str) -> str:
    """Return the prefix of paths into a stage in the short form: ``stages.NAME.``, empty for :data:`MAIN`.

    >>> prefix("views") + "budget.steps", prefix("main") + "budget.steps"
    ('stages.views.budget.steps', 'budget.steps')
    """
    return "" if stage == MAIN else f"stages.{stage}."


def named(stage: str, name: str) -> str:
    """Return the name of a slot or loss of a stage for ``--use`` and ``--weight``."""
    return name if stage == MAIN else f"{stage}.{name}"


def full(path: str) -> str:
    """Return the path in a table with stages for a path in the short form."""
    return f"{_ROOT}{path}" if path.split(".")[0] in BODY_KEYS else path


def short(path: str) -> str:
    """Return the short form of a path in a table with stages."""
    return path.removeprefix(_ROOT)
