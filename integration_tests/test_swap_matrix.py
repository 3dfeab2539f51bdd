"""Every installed part in every slot of every installed recipe: what fits resolves and trains, what does not says why.

``ARMILLARY_SWAPS=all`` trains every swap for a step instead of a sample; ``nox -s swaps`` does.
"""

import json
import math
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from armillary.errors import ArmillaryError, Misfit, RecipeError
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.layers import Merger
from armillary.recipes.recipe import Overrides, Recipe, complete, resolve, with_part
from armillary.recipes.settings import DeviceConfig
from armillary.recipes.stages import prefix
from armillary.recipes.swaps import Fit, Place, fits, places
from armillary.training.train import train

SEED = 20
CONVOLUTIONS = ("{at}.convolutions=[4, 4]",)
RAYS = "{rays}.channels=2"
MAPS = tuple(
    f"{{at}}.{name}" for name in ("feature_size=16", "feature_channels=8", "fine_size=16", "fine_channels=8", "sizes=2")
)
SETTINGS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("spherical:paper", "spherical:two-branch-cnn"): (RAYS,),
    ("spherical", "spherical:two-branch-cnn"): (RAYS, *MAPS, "{at}.class_features=32"),
    ("spherical", "spherical:residual-cnn"): (*MAPS, "{at}.class_features=64"),
    ("unsup3d", "photogeo:depth-map"): ("data.size=32",),
    ("unsup3d", "photogeo:albedo-map"): CONVOLUTIONS,
    ("unsup3d", "photogeo:dense-encoder"): CONVOLUTIONS,
    ("photogeo", "photogeo:dense-encoder"): CONVOLUTIONS,
}
"""What a person adds to a swap that is refused while it is built, since a size of the small recipe does not suit the part;
``at`` is the slot, ``rays`` each transform that makes signals on the sphere.
"""


@attrs.frozen(kw_only=True)
class Swap:
    """One part in one slot of one recipe, and whether it fits there."""

    place: Place
    fit: Fit

    def __str__(self) -> str:
        return f"{self.place.recipe} --use {self.place.name}={self.fit.id}"

    @property
    def fits(self) -> bool:
        return not self.fit.reasons

    def recipe(self, host: Host, *sets: str) -> Recipe:
        """Return the recipe with the part in it, and with more settings."""
        base = resolve(host, self.place.recipe)
        filled = with_part(host, base, self.fit.id, stage=self.place.stage, slot=self.place.slot)
        merger = Merger(host).merge([("swap", filled.table, {})])
        for text in sets:
            merger.set(text, "--set")
        return attrs.evolve(filled, table=merger.table)


@pytest.fixture(scope="module")
def host() -> Host:
    """Everything that is installed."""
    return Host()


@pytest.fixture(scope="module")
def matrix(host, say) -> list[Swap]:
    """All triples."""
    began = time.monotonic()
    recipes = host.components("recipe")
    found = [Swap(place=one, fit=fit) for recipe in recipes for one in places(host, recipe) for fit in fits(host, one)]
    fit = [swap for swap in found if swap.fits]
    say(
        f"swaps: {len(found)} triples of recipe, slot and part, {len(fit)} fit ({sum(not s.fit.own for s in fit)} of them "
        f"not the recipe's own), {len(found) - len(fit)} are refused with a reason, {time.monotonic() - began:.0f} s"
    )
    return found


def test_every_recipe_slot_and_part_was_asked(host, matrix):
    """Counted apart, so that a loop that passes over something is seen."""
    count = 0
    for recipe in host.components("recipe"):
        for body in resolve(host, recipe).bodies.values():
            slots = host.component("method", body["method"]).slots.values()
            count += sum(len(host.components(slot.kind)) for slot in slots)
    assert len(matrix) == len({str(swap) for swap in matrix}) == count > 1000


def test_what_a_recipe_uses_fits_it(matrix):
    assert [str(swap) for swap in matrix if swap.fit.own and not swap.fits] == []


def test_what_fits_is_what_the_ports_say(matrix):
    """Beside the check a plain one, by names, kinds, units and frames; only it and shapes, settings or other places decide."""

    def agree(one, other):
        pairs = ((one.unit, other.unit), (one.frame, other.frame))
        return one.kind == other.kind and all("any" in pair or len({*pair}) == 1 for pair in pairs)

    def plain(swap):
        slot, spec = swap.place.wanted, swap.fit.spec
        given, made = ({port.name: port for port in ports} for ports in (slot.consumes, spec.produces))
        needs = [port for port in spec.consumes if not port.optional or port.name in given]
        wants = [port for port in slot.produces if not port.optional or port.name in made]
        takes = all(port.name in given and agree(given[port.name], port) for port in needs)
        return takes and all(port.name in made and agree(made[port.name], port) for port in wants)

    assert [str(swap) for swap in matrix if swap.fits and not plain(swap)] == [], "fits although its ports do not"
    lines = [
        line for swap in matrix if plain(swap) for line in swap.fit.reasons if line.startswith(("the part", "the slot"))
    ]
    assert [line for line in lines if "axis" not in line and "axes" not in line] == [], "refused although its ports fit"


def test_every_refused_part_has_its_reasons(matrix):
    """Each reason names a port with kind and shape, and what stands on the other side; or the stage that is in want; or the
    setting that is wrong; or the loss that reads what another part gives beside the slot, and how to do without it.
    """
    poor = []
    for swap in matrix:
        slot, spec = swap.place.wanted, swap.fit.spec
        ports = [f"{port.name}: {port.kind} [" for side in (slot, spec) for port in (*side.consumes, *side.produces)]
        for line in swap.fit.reasons:
            here = line.startswith(("the part ", "the slot ")) and any(port in line for port in ports)
            both = "the slot" in line and "the part" in line
            elsewhere = line.startswith("stages.") and ("does not fit: the" in line or "no earlier stage" in line)
            setting = ": required, " in line  # the part fits when the setting is named: std:module
            beside = line.startswith("losses.") and f"'{swap.place.slot}." in line and "leave it out: --without" in line
            if not (here and both) and not elsewhere and not setting and not beside:
                poor.append(f"{swap}\n{line}")
    assert not poor, f"{len(poor)} poor reasons, such as:\n" + "\n".join(poor[:5])


def test_the_list_the_check_and_what_a_refusal_offers_agree(host, matrix, say):
    """In one place of each slot of each method: ``recipes check`` with one part that fits and one that does not, drawn."""
    began, draw = time.monotonic(), random.Random(SEED)
    places: dict[tuple[str, str], dict[str, list[Swap]]] = {}
    for swap in matrix:
        method = resolve(host, swap.place.recipe).bodies[swap.place.stage]["method"]
        places.setdefault((method, swap.place.slot), {}).setdefault(swap.place.recipe, []).append(swap)
    wrong = []
    for recipes in places.values():
        here = draw.choice(list(recipes.values()))
        fitting = [swap for swap in here if swap.fits]
        for swap in (draw.choice(some) for some in (fitting, [swap for swap in here if not swap.fits]) if some):
            refusal = refused(host, swap)
            offers = {misfit.fits for misfit in refusal if misfit.where == swap.place.path}
            if swap.fits != (not refusal) or offers - {tuple(swap.fit.id for swap in fitting)}:
                wrong.append(f"{swap}: {offers}")
    say(
        f"swaps: refusals of {len(places)} slots compared with the lists of what fits, {time.monotonic() - began:.0f} s"
    )
    assert not wrong, "\n".join(wrong)


def refused(host: Host, swap: Swap) -> tuple[Misfit, ...]:
    """Return what ``recipes check --use`` says against a part."""
    try:
        check(
            host,
            complete(host, resolve(host, swap.place.recipe, Overrides(uses=(f"{swap.place.name}={swap.fit.id}",)))),
        )
    except RecipeError as error:
        return error.misfits
    except ArmillaryError as error:
        return (Misfit(reason=str(error)),)
    return ()


def test_the_command_tells_what_the_matrix_holds(armillary, matrix):
    """``components list --fits`` of one place of another plugin's recipe."""
    told = json.loads(armillary("components", "list", "--fits", "keypoints:smoke.encoder", "--json").stdout)
    here = {
        swap.fit.id: swap.fit
        for swap in matrix
        if swap.place.recipe == "keypoints:smoke" and swap.place.name == "encoder"
    }
    assert {row["id"]: row["why"] for row in told} == {id: [*fit.reasons] for id, fit in here.items()}
    assert {row["id"] for row in told if row["fits"]} > {"keypoints:detector", "labelling:simple"}


def small(host: Host) -> set[str]:
    """Return the recipe on which each method is tried: its smoke tier, or the last one installed where it has none."""
    found: dict[str, str] = {}
    for recipe in host.components("recipe"):
        for body in resolve(host, recipe).bodies.values():
            if not found.get(body["method"], "").endswith(":smoke"):
                found[body["method"]] = recipe
    return {recipe for recipe in found.values() if not check(host, complete(host, resolve(host, recipe))).missing}


def trained(host: Host, swap: Swap, generators: Mapping[str, Path], out: Path, *more: str) -> None:
    """Build the swap, make one optimiser step of each stage, and hold what is written to it."""
    recipe = swap.recipe(host)
    sets = [
        f"{prefix(stage)}{text}"
        for stage in recipe.bodies
        for text in ("budget.steps=1", "cadence.log=1", "batch_size=2")
    ]
    generator = next(body["generator"]["use"] for body in recipe.bodies.values() if "generator" in body)
    device = DeviceConfig(accelerator="cpu", threads=1)
    train(swap.recipe(host, *sets, *more), data=generators[generator], out=out, host=host, device=device)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [1] * len(recipe.bodies)
    assert all(math.isfinite(row["loss"]) for row in rows), rows
    assert swap.fit.id in json.loads((out / "plugins.json").read_text(encoding="utf-8"))


def chosen(fitting: list[Swap]) -> list[Swap]:
    """Return a sample: each part that fits somewhere once in a recipe of another plugin, once in one of its own."""
    draw = random.Random(SEED)
    sample = []
    for part in dict.fromkeys(swap.fit.id for swap in fitting):
        mine = [swap for swap in fitting if swap.fit.id == part]
        mine = [swap for swap in mine if swap.place.recipe.endswith(":smoke")] or mine
        plugin = part.partition(":")[0]
        for group in ([s for s in mine if not s.place.recipe.startswith(f"{plugin}:")], [s for s in mine if s.fit.own]):
            sample += [draw.choice(group)] if group else []
        sample += [] if {swap.fit.id for swap in sample} >= {part} else [draw.choice(mine)]
    return sample


def remedies(host: Host, swap: Swap) -> list[str]:
    """Return the settings without which the part does not suit the sizes of this recipe; none are known for most."""
    plugin, table = swap.place.recipe.partition(":")[0], swap.recipe(host).bodies
    rays = [
        f"stages.{stage}.transforms.{index}"
        for stage, body in table.items()
        for index, entry in enumerate(body.get("transforms", []))
        if entry["use"] == "spherical:ray-cast"
    ]
    texts = SETTINGS.get((swap.place.recipe, swap.fit.id)) or SETTINGS.get((plugin, swap.fit.id)) or ()
    return [
        text.format(at=swap.place.path, rays=place) for text in texts for place in (rays if "{rays}" in text else [""])
    ]


def test_what_fits_trains(host, matrix, small_generators, tmp_path, say):
    """A finite loss after a step of the real loop. A size that does not suit is refused in words before anything is
    written, and trains with the setting that the words ask for.
    """
    began = time.monotonic()
    recipes = small(host)
    fitting = [swap for swap in matrix if swap.fits and swap.place.recipe in recipes]
    asked = fitting if os.environ.get("ARMILLARY_SWAPS") == "all" else chosen(fitting)
    helped, wrong = 0, []
    for index, swap in enumerate(asked):
        try:
            try:
                trained(host, swap, small_generators, tmp_path / f"{index}")
            except ArmillaryError as refusal:
                sets = remedies(host, swap)
                if not sets or (tmp_path / f"{index}").exists() or swap.fit.id not in str(refusal):
                    raise
                trained(host, swap, small_generators, tmp_path / f"{index}", *sets)
                helped += 1
        except Exception as error:
            wrong.append(f"{swap}: {type(error).__name__}: {error}")
    parts = {swap.fit.id for swap in matrix if swap.fits}
    say(
        f"swaps: {len(asked)} of {len(fitting)} that fit on {len(recipes)} small recipes trained for a step, {helped} of them "
        f"with a setting of their own; {len({swap.fit.id for swap in asked})} of the {len(parts)} parts that fit anywhere; "
        f"{time.monotonic() - began:.0f} s"
    )
    assert not wrong, "\n".join(wrong)
    assert parts == {swap.fit.id for swap in asked}, "a part that fits was never trained"
