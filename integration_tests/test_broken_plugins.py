"""Broken plugins installed beside good ones: each is named with the reason, and none hurts another command.

They are laid as pip lays them (metadata and modules in a folder on ``PYTHONPATH``), and every command runs in a process of its
own, as a person's would.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

GOOD = """
from armillary.plugins.hookspecs import hookimpl

@hookimpl
def armillary_components():
    from {package}.parts import Broken, Net, Other
    return [Net]
"""
PARTS = """
from typing import Annotated, TypedDict

import torch
from armillary import Encoder, ports

class Encoded(TypedDict):
    feature: Annotated[ports.FeatureVector, "batch 3"]

class Net(Encoder, name="net", source="ours"):
    '''Mean colours.'''

    def forward(self, image: ports.Image) -> Encoded:
        return {"feature": image.mean(dim=(2, 3))}

class Broken(Encoder):
    '''The argument has no port type.'''

    def forward(self, image: torch.Tensor) -> Encoded:
        return {"feature": image.mean(dim=(2, 3))}

class Other(torch.nn.Module):
    pass
"""
ABSTRACT = """
from armillary import Evaluator, ports

class Net(Evaluator, name="net"):
    '''An evaluator without a result.'''

    def score(self, ids, image: ports.Image):
        pass
"""


@attrs.frozen
class Broken:
    """A way to be broken.

    Args:
        reason: what the doctor must say.
        source: of ``plugin.py``.
        requires: on the core.
        level: of the finding; a warning where the plugin can still be used.
        distributions: what claims the id.
        kind: of the component ``net``.
    """

    reason: str
    source: str = GOOD
    requires: str = "armillary>=0.1,<0.2"
    level: str = "error"
    distributions: tuple[str, ...] = ()
    kind: str = "encoder"


def returning(text: str) -> str:
    """Return a plugin whose hook returns ``text``."""
    return GOOD.replace("[Net]", text)


BROKEN: Mapping[str, Broken] = {
    "import-error": Broken("No module named 'nothing_of_this_name'", "import nothing_of_this_name"),
    "hook-error": Broken("armillary_components failed: ZeroDivisionError: division by zero", returning("1 / 0")),
    "mistyped-hook": Broken(
        "there is no hook 'armillary_componets'; did you mean 'armillary_components'?",
        GOOD.replace("armillary_components", "armillary_componets"),
    ),
    "duplicate-id": Broken("claimed by one-of-two 1.0", distributions=("one-of-two", "two-of-two")),
    "too-old": Broken("needs armillary<0.1", requires="armillary<0.1"),
    "too-new": Broken("needs armillary>=99", requires="armillary>=99"),
    "no-parts": Broken("defines no part, and has none of the hooks", "x = 1"),
    "no-class": Broken(
        "armillary_components failed: ImportError: cannot import name 'Nte'",
        GOOD.replace("import Broken, Net", "import Nte"),
    ),
    "no-port-type": Broken(
        "write `image: ports.Image`", returning("[type('Net', (Broken,), {'__doc__': 'No port type.'}, name='net')]")
    ),
    "wrong-kind": Broken(
        "returned the class armillary_wrong_kind.parts.Other in its list, not a part", returning("[Other]")
    ),
    "abstract": Broken("plugin:Net is abstract: it does not define merge, result", ABSTRACT, kind="evaluator"),
    "nonsense": Broken("armillary_components returned int 42, not a list", returning("42")),
    "prints": Broken(
        "prints while it is loaded: 'welcome to prints'", "print('welcome to prints')" + GOOD, level="warning"
    ),
    "exits": Broken("SystemExit: 3", "import sys\nsys.exit(3)"),
    "crashes": Broken("died of SIGSEGV while importing", "import os\nos.kill(os.getpid(), 11)"),
    "hangs": Broken("did not finish in", "import time\ntime.sleep(600)"),
}
"""Mistakes that are easy to make, and three that only a process of its own survives."""
SURVIVED_ALONE = ("crashes", "hangs")
"""Nobody can load these beside others; they are blocked, as a person would, in the commands that load everything."""


def install(folder: Path, id: str, broken: Broken) -> None:
    package = f"armillary_{id.replace('-', '_')}"
    for distribution in broken.distributions or (f"armillary-{id}",):
        metadata = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.0", f"Requires-Dist: {broken.requires}"]
        (metadata / "METADATA").write_text("\n".join(lines) + "\n")
        (metadata / "entry_points.txt").write_text(f"[armillary.plugins]\n{id} = {package}.plugin\n")
    (folder / package).mkdir()
    for name, text in {"__init__.py": "", "plugin.py": broken.source, "parts.py": PARTS}.items():
        (folder / package / name).write_text(text.replace("{package}", package))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of broken plugins, and a good one."""
    folder = tmp_path_factory.mktemp("site")
    for id, broken in BROKEN.items():
        install(folder, id, broken)
    install(folder, "good", Broken(""))
    return folder


def run(code: str, site: Path | None, **environ: str) -> Any:
    """Return what a program prints as JSON, in a process with ``site`` on its path; nothing else may be on its output."""
    path = os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys\n" + code],
        env=os.environ | {"PYTHONPATH": path} | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def armillary(*arguments: str, site: Path | None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command with ``site`` on its path."""
    program = shutil.which("armillary", path=Path(sys.executable).parent)
    assert program, "the core is not installed beside this Python"
    path = os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"PYTHONPATH": path} | environ
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False
    )


LIST = """
from armillary.plugins.discovery import discover
print(json.dumps({"states": [[r.id, r.distribution, r.state] for r in discover()],
                  "imported": [name for name in sys.modules if name == "torch" or name.startswith("armillary_")]}))
"""
EVERYTHING = """
from armillary.plugins.host import Host, KINDS
host = Host()
ids = {kind: sorted(host.components(kind)) for kind in KINDS}
print(json.dumps({"ids": ids, "failures": host.failures}))
"""
RESOLVE = """
from armillary.plugins.host import Host, KINDS
host = Host()
found = {}
for plugin in ("std", "synthetic", "unsup3d"):
    for kind, specs in host.load(plugin).components.items():
        for name in specs:
            if kind != "recipe":
                cls = host.resolve(host.component(kind, f"{plugin}:{name}")).cls
                found[f"{kind} {plugin}:{name}"] = f"{cls.__module__}:{cls.__qualname__}"
broken = [name for name in sys.modules if name.startswith("armillary_")]
print(json.dumps({"found": found, "imported": sorted({name.partition(".")[0] for name in broken})}))
"""
RECIPES = """
from armillary.plugins.host import Host
from armillary.recipes.check import check
from armillary.recipes.recipe import complete, resolve
host = Host()
checked = {}
for id in sorted(host.load("unsup3d").components["recipe"]):
    plan = check(host, complete(host, resolve(host, f"unsup3d:{id}")))
    checked[id] = sorted(plan.stages)
print(json.dumps({"checked": checked}))
"""


@pytest.fixture(scope="module")
def diagnoses(site: Path) -> list[dict[str, Any]]:
    """What ``armillary plugins doctor`` says with everything installed at once."""
    armillary("plugins", "doctor", site=None)  # torch comes from a cold disk once, and must not count as hanging
    done = armillary("plugins", "doctor", "--json", "--timeout", "40", site=site)
    assert done.returncode == 1
    return json.loads(done.stdout)["plugins"]


@pytest.mark.parametrize("id", BROKEN)
def test_the_doctor_names_each_broken_plugin_with_its_distribution_and_reason(diagnoses, id):
    broken = BROKEN[id]
    found = [entry for entry in diagnoses if entry["record"]["id"] == id]
    assert [entry["record"]["distribution"] for entry in found] == list(broken.distributions or (f"armillary-{id}",))
    for entry in found:
        (finding,) = entry["findings"]
        assert finding["level"] == broken.level
        assert broken.reason in finding["text"]
        assert all(distribution in finding["text"] for distribution in broken.distributions)


def test_the_doctor_finds_nothing_wrong_with_the_good_ones(diagnoses):
    found = {entry["record"]["id"]: entry["findings"] for entry in diagnoses}
    good = {id: findings for id, findings in found.items() if id not in BROKEN}
    assert set(good) >= {"std", "good", "keypoints", "labelling", "photogeo", "unsup3d", "synthetic"}
    assert not any(good.values()), good


def test_listing_reads_metadata_and_imports_nothing(site):
    listed = run(LIST, site)
    assert listed["imported"] == []
    states = {id: state for id, _, state in listed["states"]}
    assert {id for id, state in states.items() if state == "conflict"} == {"duplicate-id"}
    assert {id for id, state in states.items() if state == "incompatible"} == {"too-old", "too-new"}
    assert all(states[id] == "ok" for id in ("std", "unsup3d", "synthetic", "good"))
    assert {distribution for id, distribution, _ in listed["states"] if id == "duplicate-id"} == {
        "one-of-two",
        "two-of-two",
    }


def test_asking_for_everything_gives_the_good_ones_as_if_they_were_alone(site):
    """Standard output carries the answer and nothing that a plugin prints."""
    alone = run(EVERYTHING, None)
    assert alone["failures"] == {}
    beside = run(EVERYTHING, site, ARMILLARY_BLOCK=",".join(SURVIVED_ALONE))
    ours = {
        kind: [id for id in ids if id.partition(":")[0] not in {*BROKEN, "good"}] for kind, ids in beside["ids"].items()
    }
    assert ours == alone["ids"]
    assert "good:net" in beside["ids"]["encoder"]
    unharmed = {"prints", "abstract"}  # these deliver; an abstract class is refused when it is resolved
    assert set(beside["failures"]) == set(BROKEN) - unharmed - set(SURVIVED_ALONE)
    for id, message in beside["failures"].items():
        assert BROKEN[id].reason in message


def test_first_party_components_resolve_beside_broken_plugins_and_import_none_of_them(site):
    beside = run(RESOLVE, site)
    assert beside["found"] == run(RESOLVE, None)["found"]
    assert set(beside["imported"]) <= {"armillary_unsup3d", "armillary_synthetic"}


def test_recipes_are_checked_beside_broken_plugins(site):
    beside = run(RECIPES, site)
    assert beside == run(RECIPES, None)
    assert {"paper", "quick", "demo", "smoke"} <= set(beside["checked"])


@pytest.mark.parametrize("id", [id for id in BROKEN if BROKEN[id].level == "error" and id not in SURVIVED_ALONE])
def test_asking_for_a_component_of_a_broken_plugin_says_why(site, id):
    code = f"""
from armillary.errors import ArmillaryError
from armillary.plugins.host import Host
host = Host()
try:
    host.resolve(host.component("{BROKEN[id].kind}", "{id}:net"))
    print(json.dumps("nothing was raised"))
except ArmillaryError as error:
    print(json.dumps(str(error)))
"""
    message = run(code, site)
    assert BROKEN[id].reason in message
    assert f"plugin '{id}' (" in message
    assert str(site) in message


def test_a_fork_that_claims_a_first_party_id_leaves_the_others_alone(tmp_path):
    install(tmp_path, "synthetic", Broken("", distributions=("synthetic-fork",)))
    found = run(EVERYTHING, tmp_path)
    assert set(found["failures"]) == {"synthetic"}
    assert "armillary-synthetic" in found["failures"]["synthetic"]
    assert "synthetic-fork 1.0" in found["failures"]["synthetic"]
    assert [id for id in found["ids"]["recipe"] if id.startswith("unsup3d:")]


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "plugins list",
        "plugins show unsup3d",
        "components list",
        "components list --fits unsup3d:smoke.depth.head",
        "components show synthetic:heads",
        "recipes list",
        "recipes show unsup3d:quick",
        "recipes check unsup3d:smoke",
    ],
)
def test_commands_say_beside_broken_plugins_what_they_say_alone(site, command):
    """Line for line, the columns of tables apart. Only what loads every plugin must be spared those that take the process."""
    loads_all = command.startswith("components list") or command == "recipes list"
    environ = {"ARMILLARY_BLOCK": ",".join(SURVIVED_ALONE)} if loads_all else {}
    alone = armillary(*command.split(), site=None)
    beside = armillary(*command.split(), site=site, **environ)
    assert (alone.returncode, beside.returncode) == (0, 0), beside.stderr
    lines = [" ".join(line.split()) for line in beside.stdout.splitlines()]
    assert [line for line in alone.stdout.splitlines() if " ".join(line.split()) not in lines] == []
    assert "Traceback" not in beside.stderr


def test_a_recipe_that_cannot_be_resolved_leaves_the_others_alone(tmp_path):
    """Its plugin loads; what it extends is not installed, which nobody can know before it is asked for."""
    lost = """
from armillary.plugins.hookspecs import hookimpl
from armillary.specs import RecipeSpec

@hookimpl
def armillary_components():
    return [RecipeSpec(name="lost", extends="nosuch:paper")]
"""
    install(tmp_path, "lost", Broken("", lost))
    alone = json.loads(armillary("recipes", "check", "--json", site=None).stdout)
    done = armillary("recipes", "check", "--json", site=tmp_path)
    assert done.returncode == 1
    beside = json.loads(done.stdout)
    assert "no plugin 'nosuch' is installed" in beside.pop("lost:lost")
    assert beside == alone
    assert "lost:lost" in armillary("recipes", "list", site=tmp_path).stdout


def test_the_command_that_examines_is_content_with_the_good_ones():
    done = armillary("plugins", "doctor", site=None)
    assert done.returncode == 0, done.stdout
