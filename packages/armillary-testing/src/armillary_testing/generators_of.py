"""Which generator a recipe is tried on, and why it cannot be. Light: the floor asks too."""

from collections.abc import Iterator, Mapping
from typing import Any

from armillary.errors import ArmillaryError
from armillary.plugins.host import Host, Offer
from armillary.recipes.recipe import Recipe, resolve

SMOKE = "smoke"
"""Name of the recipes that are tried."""


def generator_of(recipe: Recipe) -> Mapping[str, Any] | None:
    """Return the entry of the generator that the serving stage names; None where there is none."""
    return recipe.bodies[recipe.serves].get("generator")


def absent(host: Host, id: str) -> str:
    """Return which plugin that a recipe's parts come from is not installed; empty where all are. Its generator does not count."""
    plugin, _, name = id.partition(":")
    spec = host.load(plugin).components["recipe"][name]
    for other in _ids({key: value for key, value in spec.table()[0].items() if key != "generator"}):
        if other.partition(":")[0] not in host.ids:
            return f"it uses {other}, and {other.partition(':')[0]} is not installed"
    return ""


def excuse(host: Host, id: str) -> str:
    """Return why nobody can try a recipe here; empty where it can be tried, or where that it cannot is its own fault."""
    reason = absent(host, id)
    if reason:
        return reason
    try:
        recipe = resolve(host, id)
        taken = [run for run in _runs(recipe.table) if run]
        if taken:
            return f"it takes parts of another run, {taken[0]}"
        generator = generator_of(recipe)
        if generator is None:
            return ""
        if generator["use"].partition(":")[0] not in host.ids:
            return f"its generator {generator['use']} is not installed"
        spec = host.component("generator", generator["use"])
        return f"its generator needs the file {spec.assets[0]}" if spec.assets else ""
    except ArmillaryError:  # for the checks to say
        return ""


def readers(host: Host, id: str) -> list[str]:
    """Return the installed recipes called smoke that read a data set and can be tried here."""
    found = []
    for recipe in host.components("recipe"):
        if recipe.endswith(f":{SMOKE}") and not excuse(host, recipe):
            try:
                bodies = resolve(host, recipe).bodies.values()
            except ArmillaryError:
                continue
            found += [recipe] if any(body.get("data", {}).get("use") == id for body in bodies) else []
    return found


def users(offer: Offer, host: Host, id: str) -> list[str]:
    """Return the recipes of a plugin that use a method or a transform, and take no parts of other runs."""
    found = []
    for name in offer.components.get("recipe", {}):
        recipe = f"{offer.record.id}:{name}"
        try:
            table = resolve(host, recipe).table
        except ArmillaryError:
            continue
        found += [recipe] if id in _ids(table) and not any(_runs(table)) else []
    return found


def _runs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        take = value.get("take")
        if isinstance(take, Mapping):
            yield take.get("run", "")
        for each in value.values():
            yield from _runs(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _runs(each)


def _ids(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name != "generator":
                yield from _ids(each, str(name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _ids(each, key)
    elif key in ("use", "method", "extends") and isinstance(value, str) and ":" in value:
        yield value
