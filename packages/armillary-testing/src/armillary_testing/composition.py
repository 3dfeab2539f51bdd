"""Checks of level 3: recipes resolve; those called ``smoke`` train, are saved and are loaded again."""

import tomllib
from typing import Any

import torch

from armillary.config import write_toml
from armillary.errors import ArmillaryError
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import complete, from_table, resolve
from armillary_testing.checks import PLUGIN, RECIPE_TRIED, Check, Failure, Skip, Subject
from armillary_testing.reload import predict_anew
from armillary_testing.trial import absent, dry, measure, predicted, trained, trial

_RTOL, _ATOL = 1e-5, 1e-6  # another process may lay its memory out in another way
_LEAST = 1e-3
"""Part of the loss by which it must fall; what moves less has not learnt."""


def tiers(subject: Subject) -> None:
    """A plugin with a method has a recipe called smoke, so that somebody can try it."""
    offered = subject.bench.offer.components
    if not offered.get("method"):
        raise Skip("it has no method")
    if RECIPE_TRIED not in offered.get("recipe", {}):
        raise Failure(f"it has a method, but no recipe called {RECIPE_TRIED}")


def resolves(subject: Subject) -> None:
    """A recipe resolves: every part is there, every setting is allowed, and the ports fit."""
    host = subject.bench.host
    _installed(subject)
    try:
        plan_recipe(host, resolve(host, subject.id))
    except ArmillaryError as error:
        if not _only_runs(subject):
            raise Failure(str(error)) from error


def recipe_file(subject: Subject) -> None:
    """A recipe that was resolved, written to a file and read again resolves to itself."""
    host = subject.bench.host
    _installed(subject)
    whole = complete(host, resolve(host, subject.id))
    again = from_table(tomllib.loads(write_toml(dict(whole.table))), id=subject.id)
    _equal(whole.table, again.table, "in its file")
    _equal(whole.table, complete(host, again).table, "when it is resolved again")


def empty_patch(subject: Subject) -> None:
    """A recipe that extends another one and changes nothing equals it."""
    host = subject.bench.host
    _installed(subject)
    place = subject.bench.folder / f"{subject.id.replace(':', '-')}-patch.toml"
    place.write_text(write_toml({"extends": subject.id}), encoding="utf-8")
    _equal(resolve(host, subject.id).table, resolve(host, str(place)).table, "in an empty patch of it")


def builds(subject: Subject) -> None:
    """A recipe called smoke can be built and run once on items of its generator, and what comes out is what is declared."""
    dry(subject)


def learns(subject: Subject) -> None:
    """Training a recipe called smoke lowers its loss, measured on one batch under the same draws before and after."""
    one = trial(subject)
    _can_be_built(subject)
    done = trained(subject)
    for name, before in one.models(done.models).items():
        if not one.plan.stages[name].body["budget"]["steps"]:
            continue
        first, last = (measure(model, one.batches[name]) for model in (before, done.models[name]))
        if not first - last > _LEAST * abs(first):
            steps = one.plan.stages[name].body["budget"]["steps"]
            where = f"of stage {name} " if len(one.plan.stages) > 1 else ""
            raise Failure(
                f"the loss {where}on one batch is {first:.6g} before and {last:.6g} after {steps} steps on it"
            )


def comes_back(subject: Subject) -> None:
    """What was trained and saved predicts the same when a new process loads it."""
    one = trial(subject)
    _can_be_built(subject)
    done = trained(subject)
    here = {name: predicted(model, one.batches[name]) for name, model in done.models.items()}
    there = predict_anew(
        subject.bench.host,
        done.folder,
        one.batches,
        place=subject.bench.folder / f"reload-{subject.id.replace(':', '-')}",
        timeout=subject.bench.timeout,
    )
    for stage, outputs in here.items():
        if set(outputs) != set(there[stage]):
            raise Failure(f"stage {stage} predicts {', '.join(outputs)}, in a new process {', '.join(there[stage])}")
        for name, value in outputs.items():
            try:
                torch.testing.assert_close(there[stage][name], value, rtol=_RTOL, atol=_ATOL, equal_nan=True)
            except AssertionError as error:
                line = next((line for line in str(error).splitlines() if "difference" in line), str(error))
                raise Failure(f"{name} of stage {stage} differs in a new process: {line}") from None


def _installed(subject: Subject) -> None:
    reason = absent(subject.bench.host, subject.id)
    if reason:
        raise Skip(reason)


def _can_be_built(subject: Subject) -> None:
    try:
        dry(subject)
    except Failure:
        raise Skip("it cannot be built and run once") from None


def _only_runs(subject: Subject) -> bool:
    """Return whether all that a recipe lacks are other runs, which nobody can give here."""
    from armillary.recipes.check import check

    host = subject.bench.host
    try:
        return bool(check(host, complete(host, resolve(host, subject.id))).missing)
    except ArmillaryError:
        return False


def _equal(one: Any, other: Any, where: str) -> None:
    if one == other:
        return
    for key in {**one, **other}:
        if one.get(key) != other.get(key):
            raise Failure(f"{key} is {other.get(key)!r} {where}, and was {one.get(key)!r}")


_RUNS = {
    "tiers": (tiers, PLUGIN),
    "resolves": (resolves, "recipe"),
    "recipe-file": (recipe_file, "recipe"),
    "empty-patch": (empty_patch, "recipe"),
    "builds": (builds, RECIPE_TRIED),
    "learns": (learns, RECIPE_TRIED),
    "comes-back": (comes_back, RECIPE_TRIED),
}
CHECKS = tuple(
    Check(name=name, level=3, kinds=(kind,), claim=run.__doc__ or "", run=run) for name, (run, kind) in _RUNS.items()
)
