"""The whole plugin contract on one page. Light.

A plugin is a module named by one entry point in the group ``armillary.plugins``; the entry point's name is the plugin's id. It
offers the parts that it defines, or what its hook :func:`armillary_components` returns. A component's id is ``plugin:component``. Observer
hooks are for plugins that a run names (``--with NAME``). Each hook is marked with :data:`hookimpl`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

PROJECT = "armillary"
GROUP = "armillary.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# The bodies are empty on purpose: pluggy reads names and arguments only.


@hookspec(historic=True)
def armillary_components() -> list[Any]:  # type: ignore[empty-body]
    """Return part classes and recipes (:class:`armillary.specs.RecipeSpec`). Without it, a plugin offers the parts that it defines."""


@hookspec
def armillary_run_started(run: Path, recipe: Mapping[str, Any]) -> None:
    """A run has been built and is about to train; called once, also after a resume."""


@hookspec
def armillary_step_ended(run: Path, stage: str, step: int, metrics: Mapping[str, float]) -> None:
    """A row of metrics has been written; called at the recipe's logging interval, never once a pixel."""


@hookspec
def armillary_checkpoint_saved(run: Path, stage: str, step: int, path: Path) -> None:
    """A checkpoint is whole on the disk."""


@hookspec
def armillary_evaluated(run: Path, results: Mapping[str, Any]) -> None:
    """The evaluators have finished."""


@hookspec
def armillary_run_finished(run: Path, outcome: str) -> None:
    """The run ended: ``finished``, ``interrupted`` or ``failed``."""


COMPONENTS = "armillary_components"

OBSERVER_HOOKS = (
    "armillary_run_started",
    "armillary_step_ended",
    "armillary_checkpoint_saved",
    "armillary_evaluated",
    "armillary_run_finished",
)


def parts_in(*modules: ModuleType) -> list[type]:
    """Return the parts that modules define themselves, in order: classes of an interface with a name in their header."""
    found = [(module, value) for module in modules for value in vars(module).values() if isinstance(value, type)]
    return [
        cls for module, cls in found if cls.__module__ == module.__name__ and getattr(cls, "header", {}).get("name")
    ]
