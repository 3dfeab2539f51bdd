"""The whole plugin contract on one page. Light.

A plugin is a module named by one entry point in the group ``armillary.plugins``; the entry point's name is the plugin's id. It
implements any of these hooks with :data:`hookimpl`; each returns records from :mod:`armillary.specs` and does nothing else.
A component's id is ``plugin:component``. Observer hooks are for plugins that a run asks for (``--with NAME``).
"""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from armillary.specs import (
    DatasetSpec,
    EncoderSpec,
    EvaluatorSpec,
    GeneratorSpec,
    HeadSpec,
    LossSpec,
    MethodSpec,
    RecipeSpec,
    RendererSpec,
    TransformSpec,
)

PROJECT = "armillary"
GROUP = "armillary.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# The bodies are empty on purpose: pluggy reads names and arguments only.


@hookspec(historic=True)
def armillary_generators() -> list[GeneratorSpec]:  # type: ignore[empty-body]
    """Return generators of pictures with ground truth."""


@hookspec(historic=True)
def armillary_datasets() -> list[DatasetSpec]:  # type: ignore[empty-body]
    """Return readers of data."""


@hookspec(historic=True)
def armillary_transforms() -> list[TransformSpec]:  # type: ignore[empty-body]
    """Return changes of a sample or of a batch."""


@hookspec(historic=True)
def armillary_encoders() -> list[EncoderSpec]:  # type: ignore[empty-body]
    """Return networks from pictures to features."""


@hookspec(historic=True)
def armillary_heads() -> list[HeadSpec]:  # type: ignore[empty-body]
    """Return networks from features to geometry, light or appearance."""


@hookspec(historic=True)
def armillary_renderers() -> list[RendererSpec]:  # type: ignore[empty-body]
    """Return parts that turn geometry into what a camera sees."""


@hookspec(historic=True)
def armillary_losses() -> list[LossSpec]:  # type: ignore[empty-body]
    """Return losses."""


@hookspec(historic=True)
def armillary_evaluators() -> list[EvaluatorSpec]:  # type: ignore[empty-body]
    """Return evaluators, each with a version in its name: ``side-mad/1``."""


@hookspec(historic=True)
def armillary_methods() -> list[MethodSpec]:  # type: ignore[empty-body]
    """Return methods: compositions of slots."""


@hookspec(historic=True)
def armillary_recipes() -> list[RecipeSpec]:  # type: ignore[empty-body]
    """Return recipes: a method, what fills its slots, and every number of a run."""


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


COMPONENT_HOOKS: Mapping[str, type] = {
    "armillary_generators": GeneratorSpec,
    "armillary_datasets": DatasetSpec,
    "armillary_transforms": TransformSpec,
    "armillary_encoders": EncoderSpec,
    "armillary_heads": HeadSpec,
    "armillary_renderers": RendererSpec,
    "armillary_losses": LossSpec,
    "armillary_evaluators": EvaluatorSpec,
    "armillary_methods": MethodSpec,
    "armillary_recipes": RecipeSpec,
}
"""Hook name to the record it returns; a component's kind is the record's ``KIND``."""

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
