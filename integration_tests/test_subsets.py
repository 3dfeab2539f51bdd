"""Each plugin alone, all but one, all: every set works by itself, and what is missing is named with how to get it.

Sets are made in one environment by ``ARMILLARY_ONLY`` and ``ARMILLARY_BLOCK``; that a plugin is not there at all, by hiding
its distribution from the process.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from armillary.plugins.catalogue import FIRST_PARTY, install_hint

ROOT = Path(__file__).parent.parent
PROJECTS = [
    tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in ROOT.glob("packages/*/pyproject.toml")
]
DISTRIBUTION_OF = {
    id: project["name"] for project in PROJECTS for id in project.get("entry-points", {}).get("armillary.plugins", {})
}
IDS = tuple(sorted(DISTRIBUTION_OF))
OBSERVERS = ("tensorboard",)
METHODS = tuple(id for id in IDS if id not in ("synthetic", "backbones", *OBSERVERS))
SUBSETS = {
    **{f"{id} alone": ({"ARMILLARY_ONLY": id}, {id}) for id in IDS},
    **{f"all but {id}": ({"ARMILLARY_BLOCK": id}, {*IDS} - {id}) for id in IDS},
    "all": ({}, {*IDS}),
}
HIDDEN = """
import importlib.metadata, sys
hidden, real = set(sys.argv.pop(1).split(",")), importlib.metadata.distributions
importlib.metadata.distributions = lambda **words: (d for d in real(**words) if d.name not in hidden)
from armillary.cli import main
sys.argv[0] = "armillary"
sys.exit(main())
"""


def test_the_catalogue_holds_every_plugin_of_the_tree():
    assert {id: known.distribution for id, known in FIRST_PARTY.items()} == DISTRIBUTION_OF
    assert all(len(known.summary) > 10 for known in FIRST_PARTY.values())


@pytest.mark.parametrize("name", SUBSETS)
def test_a_subset_offers_what_its_plugins_offer(armillary, everything, name):
    """Listed and checked; nothing of the others, nothing lost with them."""
    env, ids = SUBSETS[name]

    def asked(*words):
        return json.loads(armillary(*words, "--json", env=env).stdout)

    states = {record["id"]: record["state"] for record in asked("plugins", "list")}
    assert {id for id, state in states.items() if state == "ok"} == {*ids, "std"}
    assert {state for id, state in states.items() if id not in {*ids, "std"}} <= {"blocked"}
    components, recipes = everything
    of = {*ids, "std"}
    assert {each["id"] for each in asked("components", "list")} == {c for c in components if c.partition(":")[0] in of}
    checked = asked("recipes", "check")
    assert {*checked} == {recipe for recipe in recipes if recipe.partition(":")[0] in of}
    assert {recipe: problem for recipe, problem in checked.items() if problem} == {}


@pytest.fixture(scope="module")
def everything():
    """Ids of all components and of all recipes, read without the command."""
    from armillary.plugins.host import KINDS, Host

    host = Host()
    components = {id for kind in KINDS if kind != "recipe" for id in host.components(kind)}
    assert {id.partition(":")[0] for id in components} == {*IDS, "std"} - {*OBSERVERS}
    return components, set(host.components("recipe"))


@pytest.mark.parametrize("id", IDS)
def test_the_doctor_finds_nothing_wrong_with_a_plugin_alone(armillary, id):
    told = json.loads(armillary("plugins", "doctor", "--json", env={"ARMILLARY_ONLY": id}).stdout)
    assert told["healthy"]
    looked_at = {each["record"]["id"] for each in told["plugins"] if each["components"]}
    assert looked_at == {id, "std"} - {*OBSERVERS}


@pytest.mark.parametrize("id", METHODS)
@pytest.mark.parametrize("switch", ["ARMILLARY_ONLY", "ARMILLARY_BLOCK"])
def test_a_recipe_of_a_blocked_plugin_says_who_blocks_it(armillary, id, switch):
    others = [each for each in IDS if each != id]
    env = {switch: id if switch == "ARMILLARY_BLOCK" else ",".join(others)}
    told = armillary("recipes", "check", f"{id}:smoke", env=env, status=1).stderr
    assert DISTRIBUTION_OF[id] in told
    assert f"is blocked: {switch}" in told


def without(*hidden: str, words: tuple[str, ...], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command where these distributions are not installed."""
    command = [sys.executable, "-c", HIDDEN, ",".join(hidden), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("id", METHODS)
def test_a_recipe_of_a_plugin_that_is_not_installed_says_what_to_type(clean_environment, id):
    done = without(DISTRIBUTION_OF[id], words=("recipes", "check", f"{id}:smoke"), env=clean_environment)
    assert done.returncode == 1, done.stdout
    assert install_hint(id) == f"pip install {DISTRIBUTION_OF[id]}"
    assert f"no plugin '{id}' is installed; {install_hint(id)}" in done.stderr


def test_without_the_generators_the_data_say_what_to_type(clean_environment):
    hidden = DISTRIBUTION_OF["synthetic"]
    made = without(hidden, words=("data", "make", "synthetic:heads", "heads"), env=clean_environment)
    assert made.returncode == 1
    assert install_hint("synthetic") in made.stderr
    checked = without(hidden, words=("recipes", "check"), env=clean_environment)
    assert checked.returncode == 0, checked.stdout


def test_the_list_names_what_could_be_installed(clean_environment):
    """From the catalogue, without a network."""
    hidden = [DISTRIBUTION_OF[id] for id in ("photogeo", "spherical")]
    listed = without(*hidden, words=("plugins", "list"), env=clean_environment)
    assert listed.returncode == 0
    assert "photogeo" not in listed.stdout
    for id in ("photogeo", "spherical"):
        assert f"not installed: {id}, {FIRST_PARTY[id].summary}: {install_hint(id)}" in listed.stderr
    assert "not installed" not in without(words=("plugins", "list"), env=clean_environment).stderr
