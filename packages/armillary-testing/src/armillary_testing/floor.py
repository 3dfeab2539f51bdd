"""How much must have been looked at, by what the plugin declares: a kit that silently checks nothing is worse than none. Light.

The numbers stand here, apart from the checks: a check that is lost, or that skips what it should look at, falls below them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from armillary.plugins.discovery import STD
from armillary_testing.checks import PLUGIN, RECIPE_TRIED, Subject
from armillary_testing.drawable import owned, undrawable
from armillary_testing.generators_of import absent, excuse, readers, users
from armillary_testing.report import RAN, Floor, Outcome
from armillary_testing.settings import needs_more

FLOORS: Mapping[int, Mapping[str, int]] = {
    0: {PLUGIN: 4},
    1: {
        PLUGIN: 8,
        "generator": 5,
        "dataset": 5,
        "transform": 5,
        "encoder": 5,
        "head": 5,
        "renderer": 5,
        "loss": 5,
        "evaluator": 5,
        "method": 5,
        "recipe": 1,
    },
    2: {
        "generator": 4,
        "dataset": 4,
        "transform": 3,
        "encoder": 11,
        "head": 11,
        "renderer": 12,
        "loss": 11,
        "evaluator": 2,
        "method": 12,
    },
    3: {PLUGIN: 1, "recipe": 3, RECIPE_TRIED: 3},
}
"""Level to kind to the number of checks that must run; what has no number has no floor."""


def floors(subjects: Iterable[Subject], levels: Iterable[int], outcomes: Iterable[Outcome]) -> tuple[Floor, ...]:
    """Return the floor of each subject at each level that has one."""
    ran: dict[tuple[int, str, str], int] = {}
    for outcome in outcomes:
        key = (outcome.level, outcome.kind, outcome.subject)
        ran[key] = ran.get(key, 0) + (outcome.state in RAN)
    subjects = tuple(subjects)
    return tuple(
        Floor(level=level, subject=subject.id, needed=wanted, ran=ran.get((level, subject.kind, subject.id), 0))
        for level in levels
        for subject in subjects
        if (wanted := needed(subject, level)) > 0
    )


def needed(subject: Subject, level: int) -> int:
    """Return how many checks of one level a subject must go through."""
    floor = FLOORS.get(level, {}).get(subject.kind, 0)
    if level == 0 and subject.id == STD:
        return floor - 2  # it has no distribution of its own
    if level == 1 and subject.kind not in (PLUGIN, "recipe") and needs_more(_config(subject)):
        return floor - 2  # nothing can stand in for a required setting: no round trip, no shapes
    if level == 2 and floor:
        return 0 if _cannot_be_made_up(subject) else floor + _claims(subject.spec)
    if level == 3 and floor:
        return 0 if _cannot_be_composed(subject) else floor
    return floor


def _cannot_be_composed(subject: Subject) -> bool:
    """Return whether it has no method, or needs what is not installed."""
    host = subject.bench.host
    if subject.kind == PLUGIN:
        return not subject.bench.offer.components.get("method")
    return bool(absent(host, subject.id) if subject.kind == "recipe" else excuse(host, subject.id))


def _cannot_be_made_up(subject: Subject) -> bool:
    """Return whether what it is called with, or a file that it reads, cannot be made up."""
    spec, host = subject.spec, subject.bench.host
    if subject.kind == "generator":
        return bool(needs_more(_config(subject)) or spec.assets)
    if subject.kind == "dataset":
        return not readers(host, subject.id)
    if subject.kind == "method":
        return not users(subject.bench.offer, host, subject.id)
    if subject.kind == "transform":
        return (
            False if not spec.consumes else bool(undrawable(spec)) and not users(subject.bench.offer, host, subject.id)
        )
    return bool(undrawable(spec) or spec.assets or owned(spec))


def _claims(spec: Any) -> int:
    """Return how many more checks must run for what one component declares beside its kind."""
    consumed, produced = ({port.kind for port in ports} for ports in (spec.consumes, spec.produces))
    more = 1 if getattr(spec, "symmetry", "") or getattr(spec, "moves", False) else 0
    if spec.KIND == "renderer" and {"depth", "pose", "camera"} == consumed and "depth" in produced:
        more += 4  # planes and a sphere
    if spec.KIND == "loss" and consumed & {"mask", "visibility"}:
        more += 1
    return more


def _config(subject: Subject) -> Any:
    return subject.bench.host.config(subject.spec)
