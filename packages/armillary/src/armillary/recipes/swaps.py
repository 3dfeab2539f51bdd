"""Which installed parts fit a slot of a recipe, and why the others do not: each is put there and checked. Light."""

from collections.abc import Iterator

import attrs

from armillary.errors import ArmillaryError, ConfigError, RecipeError, UnknownNameError, did_you_mean
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import MAIN, Overrides, Recipe, complete, resolve
from armillary.specs import ComponentSpec, Slot

_OFFERS = ("installed parts that would fit", "no installed part would fit")


@attrs.frozen(kw_only=True)
class Place:
    """A slot of a recipe.

    Args:
        recipe: its id.
        stage: of a recipe of several; empty where it has one only.
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
        return f"{self.stage}.{self.slot}" if self.stage else self.slot

    @property
    def path(self) -> str:
        """The slot as ``--set`` and messages name it."""
        return f"stages.{self.stage}.slots.{self.slot}" if self.stage else f"slots.{self.slot}"

    def filled(self, host: Host, part: str, *, anew: bool = False) -> Recipe:
        """Return the recipe with ``part`` there.

        Args:
            host: where parts come from.
            part: its id.
            anew: without the settings that it shares with the part which it replaces.
        """
        recipe = resolve(host, self.recipe, Overrides(uses=(f"{self.name}={part}",)))
        if anew:
            body = recipe.table["stages"][self.stage] if self.stage else recipe.table
            body["slots"][self.slot].pop("settings", None)
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
    table = resolve(host, recipe)
    found = []
    for stage, body in table.bodies.items():
        for slot, wanted in host.component("method", body.get("method", "")).slots.items():
            used = body.get("slots", {}).get(slot, {}).get("use", "")
            at = "" if stage == MAIN and "stages" not in table.table else stage
            found.append(Place(recipe=recipe, stage=at, slot=slot, wanted=wanted, used=used))
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
        reasons = _refused(host, place.filled(host, id))
        if isinstance(reasons, ConfigError):  # a setting of the part before, which this one has too, may be the reason
            anew = _refused(host, place.filled(host, id, anew=True))
            fit = fit if anew else attrs.evolve(fit, notes=tuple(reasons.problems))
            reasons = anew
        yield attrs.evolve(fit, reasons=_lines(reasons, place, id)) if reasons else fit


def _refused(host: Host, recipe: Recipe) -> ArmillaryError | None:
    try:
        check(host, complete(host, recipe))
    except ArmillaryError as error:
        return error
    return None


def _lines(error: ArmillaryError, place: Place, part: str) -> tuple[str, ...]:
    """Return the lines that speak of the part; where none does, all that are not mere offers of others."""
    title = isinstance(error, RecipeError) and str(error).startswith("recipe ")
    lines = [line.strip() for line in str(error).splitlines()[1 if title else 0 :]]
    lines = [line for line in lines if not any(offer in line for offer in _OFFERS)]
    at = f"{place.path}: {part} does not fit: "
    return tuple(line.removeprefix(at) for line in lines if line.startswith(at)) or tuple(lines)
