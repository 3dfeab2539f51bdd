"""Before a comparison: who takes part, with which budget, and by which evaluators each can be measured.

Nothing is built and nothing is trained here. A recipe that is written wrongly is refused at once; one whose plugin is broken, or
whose parts do not fit, takes part as an error, and hurts no other.
"""

import fnmatch
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from armillary.config import write_toml
from armillary.errors import (
    ArmillaryError,
    ConfigError,
    PluginError,
    RecipeError,
    RunError,
    UnknownNameError,
    did_you_mean,
)
from armillary.inference.evaluate import bound_evaluators
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.plan import BoundPlan, Plan
from armillary.recipes.recipe import Overrides, Recipe, complete, resolve, without_paths
from armillary.recipes.stages import prefix

EVERY = "*:quick"
"""Who takes part where nobody is named."""

_LABEL = re.compile(r"([^:+=/*]+)=(.+)")


@attrs.frozen(kw_only=True, eq=False)
class Entry:
    """A recipe that takes part.

    Args:
        name: in the table.
        written: the recipe, as it was typed.
        folder: of its runs.
        plans: seed to plan.
        sets: seed to the settings that were made for it.
        without: losses and evaluators that are left out of it.
        error: why it cannot take part; empty where it can.
    """

    name: str
    written: str
    folder: str
    plans: Mapping[int, Plan] = attrs.field(factory=dict)
    sets: Mapping[int, tuple[str, ...]] = attrs.field(factory=dict)
    without: tuple[str, ...] = ()
    error: str = ""

    @property
    def plan(self) -> Plan:
        """The plan of its first seed."""
        return next(iter(self.plans.values()))

    def reads(self) -> dict[str, Any]:
        """Return how the stage that serves reads its data."""
        return dict(self.plan.stages[self.plan.serves].body.get("data", {}))


@attrs.frozen(kw_only=True)
class _Given:
    """Settings that all entries share."""

    sets: tuple[str, ...]
    without: tuple[str, ...]
    steps: int | None
    seconds: float | None


@attrs.frozen(kw_only=True, eq=False)
class Measure:
    """An evaluator with its settings: one protocol, whichever recipe brought it.

    Args:
        key: stays the same from call to call.
        name: in the table.
        id: of the evaluator.
        settings: all of them.
        entries: name of an entry to the evaluator as its recipe has it; those of others may be tried on it.
    """

    key: str
    name: str
    id: str
    settings: Mapping[str, Any]
    entries: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, eq=False)
class Fit:
    """Fit of an evaluator to an entry: under which name, or the reason against it."""

    entry: Mapping[str, Any] | None = None
    reason: str = ""


def entries(
    host: Host,
    written: Sequence[str],
    *,
    seeds: Sequence[int],
    sets: Sequence[str] = (),
    without: Sequence[str] = (),
    steps: int | None = None,
    seconds: float | None = None,
) -> list[Entry]:
    """Return who takes part, in order.

    Args:
        host: where recipes come from.
        written: ``RECIPE``, ``NAME=RECIPE``, or a pattern over the installed ones (``*:quick``, which is meant where there is
            none); a recipe may carry patches, see :mod:`armillary.recipes.variants`.
        seeds: a run each.
        sets: settings of all of them.
        without: losses and evaluators to leave out of each recipe that has them.
        steps: the budget of each, over all its stages in the proportion of its own.
        seconds: the same in seconds.

    Raises:
        UnknownNameError: a recipe that is not installed.
        ConfigError, RecipeError: a setting or patch that does not exist; no recipe has a name of ``without``.
        RunError: a name twice; budgets that differ.
    """
    found: list[Entry] = []
    for text in _expanded(host, written or (EVERY,)):
        match = None if text.endswith(".toml") and "=" not in text else _LABEL.fullmatch(text)
        name, recipe = (match[1].strip(), match[2].strip()) if match else (text, text)
        if name in {each.name for each in found}:
            raise RunError(f"{name} takes part twice: name one of them otherwise, NAME={recipe}")
        folder = _folder(name, {each.folder for each in found})
        given = _Given(sets=tuple(sets), without=tuple(without), steps=steps, seconds=seconds)
        found.append(_entry(host, name, recipe, folder, seeds, given, typed=text in written))
    for name in without:
        if not any(name in each.without for each in found):
            raise RecipeError([f"--without {name}: no recipe of this comparison has a loss or evaluator {name!r}"])
    if steps is None and seconds is None:
        _same_budget(found)
    return found


def _expanded(host: Host, written: Sequence[str]) -> list[str]:
    """Return names without patterns."""
    found: list[str] = []
    for text in written:
        if "*" not in text:
            found.append(text)
            continue
        installed = fnmatch.filter(host.components("recipe"), text)
        if not installed:
            raise UnknownNameError(
                f"{text}: no installed recipe is called so; armillary recipes list says what there is"
            )
        found += [id for id in installed if id not in found]
    return found


def _entry(
    host: Host, name: str, written: str, folder: str, seeds: Sequence[int], given: _Given, *, typed: bool
) -> Entry:
    plans: dict[int, Plan] = {}
    chosen: dict[int, tuple[str, ...]] = {}
    without: tuple[str, ...] = ()
    error = ""
    for seed in seeds:
        sets = (*given.sets, f"seed={seed}")
        try:
            whole = resolve(host, written, Overrides(sets=sets))
            without = tuple(name for name in given.without if without_paths(whole.bodies, name))
            recipe = complete(host, resolve(host, written, Overrides(sets=sets, without=without)))
            budget = budget_sets(recipe, steps=given.steps, seconds=given.seconds)
        except (ConfigError, RecipeError, UnknownNameError) as wrong:
            if typed:
                raise
            error = str(wrong)
            break
        except PluginError as broken:
            error = str(broken)
            break
        try:
            chosen[seed] = (*sets, *budget)
            plans[seed] = plan_recipe(host, resolve(host, written, Overrides(sets=chosen[seed], without=without)))
        except ArmillaryError as misfit:
            error = str(misfit)
            break
    plans = {} if error else plans
    return Entry(name=name, written=written, folder=folder, plans=plans, sets=chosen, without=without, error=error)


def budget_sets(recipe: Recipe, *, steps: int | None, seconds: float | None) -> list[str]:
    """Return the settings with which all stages together have this budget, shared as the recipe shares its own steps."""
    own = {name: int(body["budget"]["steps"]) for name, body in recipe.bodies.items()}
    whole = sum(own.values())
    if not whole:
        return []
    found, done = [], 0
    for name, count in own.items():
        before, done = done, done + count
        at = prefix(name)
        if count and steps is not None:
            share = round(steps * done / whole) - round(steps * before / whole)
            found.append(f"{at}budget.steps={max(1, share)}")
        if count and seconds is not None:
            found.append(f"{at}budget.seconds={seconds * count / whole!r}")
    return found


def _same_budget(found: Sequence[Entry]) -> None:
    budgets = {}
    for each in found:
        if not each.error:
            bodies = [stage.body["budget"] for stage in each.plan.stages.values()]
            limits = [body["seconds"] for body in bodies if body.get("seconds")]
            words = f"{sum(body['steps'] for body in bodies)} steps"
            budgets[each.name] = f"{words}, at most {sum(limits):g} s" if limits else words
    if len(set(budgets.values())) > 1:
        listed = ", ".join(f"{name} has {budget}" for name, budget in budgets.items())
        raise RunError(f"the budgets differ: {listed}; give all the same: --steps N, --seconds S, or both")


def _folder(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", name).strip("-.") or "run"
    plain = plain if len(plain) <= 80 else f"{plain[:70]}-{_digest(name)[:8]}"
    folder, number = plain, 1
    while folder in taken:
        number += 1
        folder = f"{plain}-{number}"
    return folder


# --- evaluators ------------------------------------------------------------------------------------------------------


def measures(host: Host, taking_part: Sequence[Entry], *, only: Sequence[str] = ()) -> list[Measure]:
    """Return the evaluators of all recipes, each protocol once; those of ``only``, by id or by name in a recipe.

    Raises:
        UnknownNameError: ``only`` names one that is neither in a recipe nor installed.
    """
    able = [each for each in taking_part if not each.error]
    found: dict[tuple[str, str, str], Measure] = {}
    twice = {kind for each in able for kind in _repeated(_own(each))}
    for each in able:
        for name, bound in _own(each).items():
            kind = (bound.id, _plain(bound.settings))
            key = (*kind, name if kind in twice else "")
            stage = each.plan.stages[each.plan.serves]
            entry = stage.body["evaluators"][name]
            measure = found.get(key) or Measure(
                key=f"{bound.id} {_digest(json.dumps(key))[:8]}", name=name, id=bound.id, settings=bound.settings
            )
            found[key] = attrs.evolve(measure, entries={**measure.entries, each.name: entry})
    chosen = _distinct(found.values())
    if not only:
        return chosen
    picked: dict[str, Measure] = {}
    for word in only:
        there = [m for m in chosen if word in (m.id, m.name)]
        if not there:
            there = [_installed(host, word, chosen)]
        picked |= {measure.key: measure for measure in there}
    return list(picked.values())


def _own(each: Entry) -> Mapping[str, BoundPlan]:
    return each.plan.stages[each.plan.serves].evaluators


def _repeated(bounds: Mapping[str, BoundPlan]) -> set[tuple[str, str]]:
    kinds = [(bound.id, _plain(bound.settings)) for bound in bounds.values()]
    return {kind for kind in kinds if kinds.count(kind) > 1}


def _installed(host: Host, word: str, chosen: Sequence[Measure]) -> Measure:
    """Return an evaluator that no recipe names, with its own settings."""
    ids = {*host.components("evaluator"), *(m.id for m in chosen), *(m.name for m in chosen)}
    if word not in host.components("evaluator"):
        hint = did_you_mean(word, ids) or f" there are {', '.join(sorted(ids))}"
        raise UnknownNameError(f"--only {word}: no evaluator of these recipes, and none that is installed;{hint}")
    return Measure(key=f"{word} own", name=word.partition(":")[2].partition("/")[0], id=word, settings={})


def _distinct(found: Any) -> list[Measure]:
    """Return the measures under names that differ: those of the recipes, with a number where several have one."""
    names: dict[str, None] = {}
    renamed = []
    for measure in found:
        name, number = measure.name, 1
        while name in names:
            number += 1
            name = f"{measure.name}-{number}"
        names[name] = None
        renamed.append(attrs.evolve(measure, name=name))
    return renamed


def fits(host: Host, each: Entry, wanted: Sequence[Measure]) -> dict[str, Fit]:
    """Return for each measure, by its key, whether and how an entry's run can be measured by it.

    The evaluator of its own recipe is tried first, then those of the others, then the evaluator with its defaults.
    """
    stage = each.plan.stages[each.plan.serves]
    found = {}
    for measure in wanted:
        entries = [measure.entries[each.name]] if each.name in measure.entries else []
        entries += [entry for name, entry in measure.entries.items() if name != each.name and entry not in entries]
        bare = {"use": measure.id, "settings": dict(measure.settings)}
        entries += [bare] if bare not in entries else []
        reason = ""
        for entry in entries:
            try:
                bound_evaluators(host, each.plan, stage, {measure.name: entry})
            except ArmillaryError as error:
                reason = reason or _reason(error, measure)
            else:
                found[measure.key] = Fit(entry=entry)
                break
        else:
            found[measure.key] = Fit(reason=reason)
    return found


def shared(wanted: Sequence[Measure], able: Mapping[str, Mapping[str, Fit]]) -> list[Measure]:
    """Return the measures by which all entries can be measured; all of them where there is none.

    Args:
        wanted: in order.
        able: name of an entry to what :func:`fits` returned.
    """
    common = [m for m in wanted if all(found[m.key].entry is not None for found in able.values())]
    return common or list(wanted)


def _reason(error: ArmillaryError, measure: Measure) -> str:
    """Return the first thing that does not fit, short enough for a table."""
    if not isinstance(error, RecipeError):
        return str(error)
    first = error.misfits[0]
    if first.missing and first.part == measure.id:
        return f"needs {first.port}, which it does not find"
    return first.reason if first.part in ("", measure.id) else f"{first.part}: {first.reason}"


# --- what stays the same ---------------------------------------------------------------------------------------------


def written_table(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as a run's folder holds it."""
    return tomllib.loads(write_toml(recipe.written))


def digest(recipe: Recipe) -> str:
    """Return a hash over everything that a recipe says."""
    return _digest(_plain(written_table(recipe)))


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
