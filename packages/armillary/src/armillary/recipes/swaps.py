"""Which installed parts fit a slot of a recipe, and why the others do not: each is put there and checked. Light."""

from collections.abc import Iterator

import attrs

from armillary.errors import ArmillaryError, ConfigError, RecipeError, UnknownNameError, did_you_mean
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, Recipe, complete, resolve
from armillary.recipes.stages import named, prefix
from armillary.specs import ComponentSpec, Slot


@attrs.frozen(kw_only=True)
class Place:
    """A slot of a recipe.

    Args:
        recipe: its id.
        stage: name of its stage.
        slot: of the stage's method.
        wanted: what that slot asks for.
        used: id of the part that the recipe has there; empty where there is none, or where it is taken or shared.
    """

    recipe: str
    stage: str
    slot: str
    wanted: Slot
    used: str

    @property
    def name(self) -> str:
        """The slot as ``--use`` names it."""
        return named(self.stage, self.slot)

    @property
    def path(self) -> str:
        """The slot as ``--set`` and messages name it."""
        return f"{prefix(self.stage)}slots.{self.slot}"

    def filled(self, host: Host, part: str, *, anew: bool = False) -> Recipe:
        """Return the recipe with ``part`` there.

        Args:
            host: where parts come from.
            part: its id.
            anew: without the settings that it shares with the part which it replaces.
        """
        recipe = resolve(host, self.recipe, Overrides(uses=(f"{self.name}={part}",)))
        if anew:
            recipe.bodies[self.stage]["slots"][self.slot].pop("settings", None)
        return recipe


@attrs.frozen(kw_only=True)
class Fit:
    """One installed part and one place.

    Args:
        id: of the part.
        spec: what it declares.
        own: the recipe has it there.
        reasons: why it does not fit, a line each; none where it does.
        notes: of a part that fits with its own settings alone: what is wrong with the recipe's.
    """

    id: str
    spec: ComponentSpec
    own: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def places(host: Host, recipe: str) -> list[Place]:
    """Return all slots of a recipe, filled or not.

    Raises:
        UnknownNameError, RecipeError: there is no such recipe, or it cannot be resolved.
    """
    found = []
    for stage, body in resolve(host, recipe).bodies.items():
        for slot, wanted in host.component("method", body.get("method", "")).slots.items():
            used = body.get("slots", {}).get(slot, {}).get("use", "")
            found.append(Place(recipe=recipe, stage=stage, slot=slot, wanted=wanted, used=used))
    return found


def place(host: Host, text: str) -> Place:
    """Return the place that ``plugin:recipe.slot``, or ``plugin:recipe.stage.slot``, names.

    Raises:
        UnknownNameError: there is none; says which there are.
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
    """Yield each installed part of the slot's kind, with why it does not fit where it does not."""
    for id, spec in host.components(place.wanted.kind).items():
        fit = Fit(id=id, spec=spec, own=id == place.used)
        error = _refused(host, place.filled(host, id))
        if isinstance(error, ConfigError):  # a setting of the part before, which this one has too, may be the reason
            anew = _refused(host, place.filled(host, id, anew=True))
            fit = fit if anew else attrs.evolve(fit, notes=error.problems)
            error = anew
        yield attrs.evolve(fit, reasons=_reasons(error, place, id)) if error else fit


def _refused(host: Host, recipe: Recipe) -> ArmillaryError | None:
    try:
        check(host, complete(host, recipe))
    except ArmillaryError as error:
        return error
    return None


def _reasons(error: ArmillaryError, place: Place, part: str) -> tuple[str, ...]:
    """Return why the part does not fit the place; if the place is not at fault, all that is wrong with the recipe."""
    if not isinstance(error, RecipeError):
        return tuple(str(error).splitlines())
    own = [each.reason for each in error.misfits if (each.where, each.part) == (place.path, part)]
    return tuple(own or map(str, error.misfits))
