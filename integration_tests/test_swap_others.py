"""What is not a slot, and yet is exchanged by name: every installed loss and evaluator added to every recipe, every transform
put behind its own, every data set in place of its own.
"""

import json
import math
import random
import re
import time
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from armillary.errors import ArmillaryError
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, Recipe, complete, resolve
from armillary.recipes.settings import DeviceConfig
from armillary.recipes.stages import named, prefix
from armillary.training.train import train

SECTIONS = {"loss": "losses", "evaluator": "evaluators", "dataset": "data", "transform": "transforms"}
NAME = "swapped"
REQUIRED: Mapping[str, Mapping[str, Any]] = {"std:crop": {"size": 8}}
"""Settings that have no default."""
FILES = {"weights": "random:0"}
"""In place of weights that nobody may ship."""
SEED = 20


@attrs.frozen(kw_only=True)
class Added:
    """One part in one stage of one recipe, and why it does not fit there; empty where it does."""

    recipe: str
    stage: str
    kind: str
    part: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.recipe} {self.stage} {SECTIONS[self.kind]} {self.part}".replace("  ", " ")

    def resolved(self, host: Host, *sets: str) -> Recipe:
        """Return the recipe with the part in it."""
        at, section = prefix(self.stage), SECTIONS[self.kind]
        if self.kind == "dataset":
            uses = (f"{named(self.stage, 'data')}={self.part}",)
            return resolve(host, self.recipe, Overrides(uses=uses, sets=sets))
        if self.kind != "transform":
            return resolve(host, self.recipe, Overrides(sets=(f"{at}{section}.{NAME}.use={self.part}", *sets)))
        recipe = resolve(host, self.recipe, Overrides(sets=sets))
        part = {"use": self.part, "settings": dict(REQUIRED.get(self.part, {}))}
        return recipe.changed(self.stage, **{section: [*recipe.bodies[self.stage].get(section, []), part]})


def decided(host: Host, added: Added) -> Added:
    """Return it with what the static check says."""
    try:
        check(host, complete(host, added.resolved(host)), offers=False)
    except ArmillaryError as error:
        return attrs.evolve(added, reason=str(error))
    return added


@pytest.fixture(scope="module")
def host() -> Host:
    """Everything that is installed."""
    return Host()


@pytest.fixture(scope="module")
def matrix(host, say) -> list[Added]:
    """Each kind's parts in each stage of each recipe."""
    began = time.monotonic()
    found = []
    for recipe in host.components("recipe"):
        for stage in resolve(host, recipe).bodies:
            for kind in SECTIONS:
                for part in host.components(kind):
                    found.append(decided(host, Added(recipe=recipe, stage=stage, kind=kind, part=part)))
    fit = [added for added in found if not added.reason]
    counts = {kind: (sum(a.kind == kind for a in fit), sum(a.kind == kind for a in found)) for kind in SECTIONS}
    words = ", ".join(f"{some} of {all} of {SECTIONS[kind]}" for kind, (some, all) in counts.items())
    say(f"swaps: added by name to a stage of a recipe, {words} fit; {time.monotonic() - began:.0f} s")
    return found


def test_every_reason_names_a_port_of_one_side(matrix):
    """With its kind and shape."""
    poor = [f"{added}\n{added.reason}" for added in matrix if added.reason and not _names_a_port(added.reason)]
    assert not poor, f"{len(poor)} poor reasons, such as:\n" + "\n".join(poor[:5])
    assert sum(bool(added.reason) for added in matrix) > 1000


def _names_a_port(reason: str) -> bool:
    return bool(re.search(r"\b[a-z_0-9]+: [a-z_0-9.]+ \[[^\]]*\]", reason))


UNSERVED = {
    f"std:{name}/1" for name in ("normal-angle", "rotation-angle", "light-angle", "albedo-error", "mask-overlap")
}
"""Measures of ports that no published method gives under that name or in that frame; they serve plugins that do."""


def test_every_part_fits_somewhere(host, matrix):
    """By name alone, or, if its port is named after another frame's, as a recipe binds it."""
    fits = {added.part for added in matrix if not added.reason}
    bodies = [body for recipe in host.components("recipe") for body in resolve(host, recipe).bodies.values()]
    bound = {entry["use"] for body in bodies for entry in body.get("losses", {}).values() if entry.get("bind")}
    offered = {added.part for added in matrix if ".bind." in added.reason}
    assert bound - fits <= offered
    fits |= bound
    installed = {part for kind in SECTIONS for part in host.components(kind)}
    assert installed - fits == UNSERVED


FRAMED = ("depth", "albedo", "normals", "coordinate_map", "landmarks3d")
"""Kinds whose tensors exist in several frames."""


def test_what_exists_in_several_frames_declares_its_own(host):
    """A port of such a kind without a frame would bind to another one's in silence."""
    silent = []
    for kind in ("method", "loss", "evaluator", "renderer", "dataset", "generator", "head"):
        for id, spec in host.components(kind).items():
            ports = (*spec.consumes, *spec.produces, *getattr(spec, "trains_on", ()), *getattr(spec, "predicts", ()))
            silent += [f"{id}: {port}" for port in ports if port.kind in FRAMED and not port.frame]
    assert silent == []


@pytest.mark.parametrize("recipe", ["unsup3d:quick", "photogeo:quick"])
@pytest.mark.parametrize("loss", ["photogeo:depth-variance", "std:smoothness"])
def test_a_regulariser_of_the_canonical_depth_does_not_take_the_pictures(host, recipe, loss):
    """By name it would; the refusal says what to type, and what was typed is printed."""
    sets = (f"losses.v.use={loss}",)
    with pytest.raises(ArmillaryError, match="frame image is not canonical") as caught:
        check(host, complete(host, resolve(host, recipe, Overrides(sets=sets))))
    bind = "losses.v.bind.depth=canonical_depth"
    assert f"it fits with --set {bind}" in str(caught.value)
    plan = check(host, complete(host, resolve(host, recipe, Overrides(sets=(*sets, bind)))))
    assert plan.bindings() == ["v: depth <- canonical_depth (method, frame canonical)"]


def test_losses_go_from_method_to_method(matrix):
    """Some of these plugins' fit a recipe of another one by name alone."""
    foreign = {
        added.part.partition(":")[0]
        for added in matrix
        if added.kind == "loss" and not added.reason and added.part.partition(":")[0] != added.recipe.partition(":")[0]
    }
    assert foreign >= {"std", "keypoints", "photogeo", "spherical"}, foreign


def test_each_loss_that_fits_trains(host, matrix, small_generators, tmp_path, say):
    """Added to a smoke recipe, of another plugin where there is one: a step of the real loop, with a finite value of its own."""
    began, draw = time.monotonic(), random.Random(SEED)
    smoke = [added for added in matrix if added.kind == "loss" and not added.reason and added.recipe.endswith(":smoke")]
    wrong, tried = [], list(dict.fromkeys(added.part for added in smoke))
    for index, part in enumerate(tried):
        mine = [added for added in smoke if added.part == part]
        foreign = [added for added in mine if added.recipe.partition(":")[0] != part.partition(":")[0]]
        try:
            _train(host, draw.choice(foreign or mine), small_generators, tmp_path / f"{index}")
        except Exception as error:
            wrong.append(f"{mine[0]}: {type(error).__name__}: {error}")
    rest = ", ".join(loss for loss in host.components("loss") if loss not in tried)
    say(
        f"swaps: {len(tried)} losses trained for a step in a smoke recipe, {time.monotonic() - began:.0f} s; no smoke recipe has "
        f"the ports of {rest}"
    )
    assert not wrong, "\n".join(wrong)


def _train(host: Host, added: Added, generators: Mapping[str, Any], out: Any) -> None:
    recipe = resolve(host, added.recipe)
    at = prefix(added.stage)
    sets = [
        f"{prefix(stage)}{text}"
        for stage in recipe.bodies
        for text in ("budget.steps=1", "cadence.log=1", "batch_size=2")
    ]
    fields = attrs.fields_dict(host.config(host.component("loss", added.part)))
    sets += [f'{at}losses.{NAME}.{name}="{value}"' for name, value in FILES.items() if name in fields]
    generator = next(body["generator"]["use"] for body in recipe.bodies.values() if "generator" in body)
    device = DeviceConfig(accelerator="cpu", threads=1)
    train(added.resolved(host, *sets), data=generators[generator], out=out, host=host, device=device)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    own = [row[f"losses.{NAME}"] for row in rows if f"losses.{NAME}" in row]
    assert len(own) == 1, f"{added}: in {len(own)} rows"
    assert math.isfinite(own[0]), f"{added}: {own[0]}"
