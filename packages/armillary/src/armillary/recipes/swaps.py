"""Swaps: installed parts that fit a slot of a recipe, and reasons for those that do not, by a check with each part. Light."""

from collections.abc import Iterator

import attrs

from armillary.errors import ArmillaryError, RecipeError, UnknownNameError, did_you_mean
from armillary.plugins.host import Host
from armillary.recipes.check import decided
from armillary.recipes.recipe import resolve
from armillary.recipes.stages import named, prefix
from armillary.specs import ComponentSpec, Slot


@attrs.frozen(kw_only=True)
class Place:
    """A slot of a recipe.

    Args:
        recipe: id of the recipe.
        stage: name of the stage.
        slot: name of the slot in the stage's method.
        wanted: ports that the slot requires.
        used: id of the recipe's part in the slot; empty if the slot is empty, or its part is transferred or shared.
    """

    recipe: str
    stage: str
    slot: str
    wanted: Slot
    used: str

    @property
    def name(self) -> str:
        """Name of the slot for ``--use``."""
        return named(self.stage, self.slot)

    @property
    def path(self) -> str:
        """Path of the slot for ``--set`` and messages."""
        return f"{prefix(self.stage)}slots.{self.slot}"


@attrs.frozen(kw_only=True)
class Fit:
    """Result of the check of one installed part in one slot.

    Args:
        id: id of the part.
        spec: declaration of the part.
        own: the recipe has this part in the slot.
        reasons: reasons for a misfit, one per line; empty if the part fits.
    """

    id: str
    spec: ComponentSpec
    own: bool
    reasons: tuple[str, ...] = ()


def places(host: Host, recipe: str) -> list[Place]:
    """Return all slots of a recipe, filled or not.

    Raises:
        UnknownNameError, RecipeError: the recipe is unknown, or cannot be resolved.
    """
    found = []
    for stage, body in resolve(host, recipe).bodies.items():
        for slot, wanted in host.component("method", body.get("method", "")).slots.items():
            used = body.get("slots", {}).get(slot, {}).get("use", "")
            found.append(Place(recipe=recipe, stage=stage, slot=slot, wanted=wanted, used=used))
    return found


def place(host: Host, text: str) -> Place:
    """Return the slot of ``plugin:recipe.slot`` or ``plugin:recipe.stage.slot``.

    Raises:
        UnknownNameError: no such slot; the message lists the existing ones.
    """
    plugin, colon, rest = text.partition(":")
    recipe, dot, slot = rest.partition(".")
    if not (colon and dot and slot):
        raise UnknownNameError(f"{text}: write it as plugin:recipe.slot, such as unsup3d:paper.depth.head")
    found = {each.name: each for each in places(host, f"{plugin}:{recipe}")}
    if slot not in found:
        hint = did_you_mean(slot, found) or f" there are: {', '.join(found)}"
        raise UnknownNameError(f"{text}: {plugin}:{recipe} has no slot {slot!r};{hint}")
    return found[slot]


def fits(host: Host, place: Place) -> Iterator[Fit]:
    """Yield each installed part of the slot's kind, with the reasons if it does not fit."""
    recipe = resolve(host, place.recipe)
    for id, spec in host.components(place.wanted.kind).items():
        error = decided(host, recipe, id, stage=place.stage, slot=place.slot)
        yield Fit(id=id, spec=spec, own=id == place.used, reasons=_reasons(error, place, id) if error else ())


def _reasons(error: ArmillaryError, place: Place, part: str) -> tuple[str, ...]:
    """Return the misfits of the part in its place; if there are none, all misfits of the recipe."""
    if not isinstance(error, RecipeError):
        return tuple(str(error).splitlines())
    own = [each.reason for each in error.misfits if (each.where, each.part) == (place.path, part)]
    return tuple(own or map(str, error.misfits))
