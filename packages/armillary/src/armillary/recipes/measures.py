"""Evaluators for a trained run: those of its recipe, with changes, additions and omissions. Light.

A change is checked against the ports of the run as in a recipe, before anything is computed.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from armillary.errors import RecipeError, RunError, did_you_mean
from armillary.names import is_name
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.layers import Merger, check_keys, pair
from armillary.recipes.plan import Plan
from armillary.recipes.recipe import Recipe, complete, leave_out, without_paths
from armillary.recipes.stages import named, prefix

CHANGEABLE = ("evaluators", "data", "batch_size")
"""Sections of a stage that do not belong to its training: another value measures the same weights."""


@attrs.frozen(kw_only=True)
class Changes:
    """Changes of the measures of a run.

    Args:
        sets: ``path=value`` in a section of :data:`CHANGEABLE`: ``evaluators.x.use=std:side-mad/1``, ``data.crop=100``.
        only: names of evaluators in the recipe, or ids; an installed evaluator that the recipe lacks is added. Empty: all.
        without: names of evaluators to leave out.
        evaluators: entries as in a recipe, by name, in place of the recipe's own.
    """

    sets: Sequence[str] = ()
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    evaluators: Mapping[str, Mapping[str, Any]] | None = None


def measured_plan(host: Host, recipe: Recipe, changes: Changes, *, stage: str | None = None) -> Plan:
    """Return the plan of a run's recipe whose stage has the chosen evaluators only.

    Raises:
        RunError: the stage or a name of ``only`` is unknown, or no evaluator is left.
        RecipeError, ConfigError: a change is not of a section in :data:`CHANGEABLE`, or an evaluator does not fit.
    """
    wanted = stage or recipe.serves
    if wanted not in recipe.bodies:
        hint = did_you_mean(wanted, recipe.bodies) or f" there are: {', '.join(recipe.bodies)}"
        raise RunError(f"--stage {wanted}: {recipe.id} has no such stage;{hint}")
    merger = Merger(host)
    merger.table = copy.deepcopy(dict(recipe.table))
    body = merger.table["stages"][wanted]
    if changes.evaluators is not None:
        entries = copy.deepcopy(dict(changes.evaluators))
        check_keys({"evaluators": entries}, "evaluators")
        body["evaluators"] = entries
    for text in changes.sets:
        merger.set(_within(wanted, text), "--set")
    for name in changes.without:
        leave_out(merger, _evaluator_of(merger, wanted, name))
    body["evaluators"] = _chosen(host, recipe, body.get("evaluators", {}), changes.only, stage=wanted)
    return plan_recipe(host, attrs.evolve(recipe, table=merger.table))


def data_changes(host: Host, recipe: Recipe, plan: Plan, stage: str) -> dict[str, Any]:
    """Return the settings of a stage's data that differ from those of the run's recipe, and ``use`` if it does."""
    then = complete(host, recipe).bodies[stage].get("data", {})
    now = plan.stages[stage].body.get("data", {})
    settings = {
        key: value for key, value in now.get("settings", {}).items() if value != then.get("settings", {}).get(key)
    }
    return settings if now.get("use") == then.get("use") else {"use": now.get("use"), **settings}


def default_name(id: str) -> str:
    """Return the name of an evaluator that is added by its id.

    >>> default_name("std:side-mad/1")
    'side-mad'
    """
    return id.partition(":")[2].partition("/")[0]


def _within(stage: str, text: str) -> str:
    """Return ``path=value`` with the path of a stage."""
    path, value = pair(text, "--set", "path=value")
    path = path.removeprefix(f"stages.{stage}.")
    section = path.partition(".")[0]
    if section not in CHANGEABLE:
        hint = did_you_mean(section, CHANGEABLE) or f" what can be set is in {', '.join(CHANGEABLE)}"
        raise RecipeError([f"--set {text}: belongs to the training of this run, which is over;{hint}"])
    return f"{prefix(stage)}{path}={value}"


def _evaluator_of(merger: Merger, stage: str, name: str) -> str:
    """Return the name for ``--without`` of an evaluator of one stage, never that of a loss."""
    evaluators = merger.table["stages"][stage].get("evaluators", {})
    bare = name.removeprefix(f"{stage}.").removeprefix("evaluators.")
    if bare not in evaluators and (name != "evaluators" or not without_paths(merger.table["stages"], name)):
        hint = did_you_mean(bare, evaluators) or f" there are: {', '.join(evaluators) or 'none'}"
        raise RunError(f"--without {name}: the recipe has no such evaluator;{hint}")
    return name if name == "evaluators" else named(stage, f"evaluators.{bare}")


def _chosen(
    host: Host, recipe: Recipe, evaluators: Mapping[str, Any], only: Sequence[str], *, stage: str
) -> dict[str, Any]:
    """Return the entries that ``only`` names, with installed evaluators that the recipe lacks; all if it is empty."""
    if not only and not evaluators:
        others = [name for name, body in recipe.bodies.items() if body.get("evaluators")]
        what = f"stage {stage} of this recipe" if len(recipe.bodies) > 1 else "this recipe"
        elsewhere = f"; --stage can be {', '.join(others)}" if others and stage not in others else ""
        raise RunError(
            f"{what} has no evaluators; type --only ID to add an installed one (armillary components list --kind evaluator){elsewhere}"
        )
    found: dict[str, Any] = {}
    for word in only:
        if word in evaluators:
            found[word] = evaluators[word]
        elif there := {name: entry for name, entry in evaluators.items() if entry.get("use") == word}:
            found |= there
        elif word in host.components("evaluator"):
            found[_free(default_name(word), evaluators)] = {"use": word}
        else:
            names = [*evaluators, *host.components("evaluator")]
            hint = did_you_mean(word, names) or f" there are: {', '.join(names)}"
            raise RunError(f"--only {word}: the recipe has no such evaluator, and none of this id is installed;{hint}")
    return found or dict(evaluators)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """Return ``name``, with a number if an evaluator of the recipe has it."""
    name, number = (name if is_name(name) else "added"), 1
    while (f"{name}-{number}" if number > 1 else name) in taken:
        number += 1
    return f"{name}-{number}" if number > 1 else name
