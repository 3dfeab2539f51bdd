"""The plan of the house, read from the source: who imports whom, what is light, what is declared."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from armillary.plugins import manifest

sys.path.insert(0, str(Path(__file__).parent))
from source import (
    FLOOR_OF,
    FLOORS,
    PACKAGES,
    ROOT,
    circles,
    core_files,
    import_graph,
    imports,
    module_name,
    questions,
    room,
    source_files,
)

sys.path.pop(0)

PLUGINS = tuple(p for p in PACKAGES if p.name != "armillary")

LIGHT_ROOMS = {*FLOORS[0], "plugins", "recipes"}
LIGHT_NAMES = {"__init__", "plugin", "config", "recipes", "reported"}
HEAVY_IMPORTS = ("torch", "numpy", "e3nn", "lightning_fabric", "trimesh", "PIL")
WRITTEN_BY_TESTS = {"dots_of_a_test", "armillary_sound"}
# A declared need whose module has another name.
MODULE_OF = {"pillow": "PIL", "tomli-w": "tomli_w", "lightning-fabric": "lightning_fabric"}


def test_the_tree_was_read():
    """Guards the other tests: an empty list of files would pass them all."""
    assert {p.name for p in PACKAGES} >= {"armillary", "armillary-unsup3d", "armillary-synthetic"}
    assert all(len(source_files(p)) > 2 for p in PACKAGES)
    assert {room(module_name(p)) for p in core_files()} == {*FLOOR_OF}


def test_the_core_imports_downward_only():
    wrong = []
    for path in core_files():
        here = room(module_name(path))
        for line, module in imports(path):
            there = room(module)
            if there in FLOOR_OF and FLOOR_OF[there] > FLOOR_OF[here]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_training_draws_nothing():
    """Pages observe a run; what trains imports neither them nor what they draw with, also through others."""
    code = "import sys, armillary.training.train\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "armillary.training.loop" in done.stdout.split()
    assert not [name for name in done.stdout.split() if room(name) in {"drawing", "pages"}]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in core_files()
        if room(module_name(path)) == "training"
        for line, module in imports(path)
        if room(module) in {"drawing", "pages", "inference"}
    ]
    assert not wrong, "\n".join(wrong)


def test_circles_are_found():
    """Guards the test below: of two circles both are found, and nothing beside them."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": set()}
    assert circles(graph) == [["a", "b", "c"], ["d", "e"]]
    core = import_graph(ROOT / "packages/armillary")
    assert core["armillary"] == {"armillary.api", "armillary.version"}
    assert "armillary.training.loop" in core["armillary.training.train"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_no_circles_between_files(package):
    """Each file can be read after those that it imports; the facade imports `api`, so nothing imports the facade."""
    assert circles(import_graph(package)) == []


def test_kernels_stand_alone():
    """Kernels are functions of tensors: they know of nothing else in the core."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in core_files()
        if room(module_name(path)) == "kernels"
        for line, module in imports(path)
        if module.split(".")[0] == "armillary" and room(module) not in {"kernels", None}
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_cli():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in source_files(package)
        if room(module_name(path)) not in {"cli", "__main__"}
        for line, module in imports(path)
        if room(module) == "cli"
    ]
    assert not wrong, "\n".join(wrong)


def test_packages_keep_apart():
    """The core imports no plugin; a plugin imports the core and no other plugin."""
    wrong = []
    for package in PACKAGES:
        own = package.name.replace("-", "_")
        for path in source_files(package):
            for line, module in imports(path):
                top = module.split(".")[0]
                if top.startswith("armillary") and top not in {own, "armillary"}:
                    wrong.append(f"{path.relative_to(ROOT)}:{line} imports {top}")
    assert not wrong, "\n".join(wrong)


def modules_of(needs: list[str]) -> set[str]:
    names = (re.match(r"[\w.-]+", need) for need in needs)
    return {MODULE_OF.get(name.group().lower(), name.group().lower().replace("-", "_")) for name in names if name}


def needs(package: Path) -> set[str]:
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [need for group in project.get("optional-dependencies", {}).values() for need in group]
    return modules_of([*project["dependencies"], *extras])


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_needs_are_what_is_imported(package):
    """Each third-party import is declared by the package itself, and nothing is declared in vain."""
    used = {module.split(".")[0] for path in source_files(package) for _, module in imports(path)}
    used -= {*sys.stdlib_module_names, package.name.replace("-", "_")}
    assert used == needs(package)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_the_tests_of_a_package_import_what_their_session_installs(package):
    """``nox -s tests`` installs a package, the core and what the package declares for its tests, no more."""
    declared = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["test"]
    files = sorted((package / "tests").glob("**/*.py"))
    used = {module.split(".")[0] for path in files for _, module in imports(path)}
    own = {name for path in files for name in (path.stem, path.parent.name)} | {package.name.replace("-", "_")}
    installed = needs(package) | needs(ROOT / "packages/armillary") | modules_of(declared) | {"armillary"}
    assert used - sys.stdlib_module_names - own - WRITTEN_BY_TESTS <= installed


def test_annotations_are_not_postponed():
    """Shape checkers read annotations at run time; postponed ones blind them."""
    files = [p for pattern in ("packages/**/*.py", "integration_tests/**/*.py") for p in ROOT.glob(pattern)]
    wrong = [str(p.relative_to(ROOT)) for p in files if "from __future__ import annotations" in p.read_text("utf-8")]
    assert wrong == [str(Path(__file__).relative_to(ROOT))]  # this file names it


CALLED_BY_NAME = {"forward", "predict", "fit", "score"}
"""Methods of parts, which are called by keyword only: a port that is optional has a default."""


def defaults_by_position(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef) or node.name in CALLED_BY_NAME:
            continue
        if not node.name.startswith("_") and len(node.args.defaults) > 1:
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_defaults_are_keyword_only():
    """What may be left out is named where it is given; one such argument, the last, may do without."""
    wrong = [found for package in PACKAGES for path in source_files(package) for found in defaults_by_position(path)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_docstrings_open_with_a_noun_phrase(package):
    """A module or class is a thing: its docstring names it, and does not open with a question about it."""
    found = ((path, *question) for path in source_files(package) for question in questions(path))
    wrong = [f"{path.relative_to(ROOT)}:{line} {text}" for path, line, text in found]
    assert not wrong, "\n".join(wrong)


def test_a_question_is_found(tmp_path):
    """Guards the test above: a search that finds nothing would pass it."""
    path = tmp_path / "module.py"
    path.write_text('"""What it is."""\n\nclass A:\n    """From a to b."""\n\nclass B:\n    """Whatsit."""\n')
    assert questions(path) == [(1, "What it is."), (3, "From a to b.")]


def light_modules() -> list[str]:
    core = [module_name(p) for p in core_files() if room(module_name(p)) in LIGHT_ROOMS]
    plugins = [module_name(p) for q in PLUGINS for p in source_files(q) if p.stem in LIGHT_NAMES]
    return ["armillary", *core, *plugins]


def test_light_modules_are_light():
    """Each module that is read to list what is installed imports no torch and no numpy, by itself or through others."""
    code = "import importlib, sys\nfor module in {modules!r}:\n    importlib.import_module(module)\n"
    code += "    heavy = [name for name in {heavy!r} if name in sys.modules]\n"
    code += "    assert not heavy, f'{{module}} imports {{heavy}}'\n"
    modules = light_modules()
    assert {
        "armillary.plugins.host",
        "armillary.recipes.recipe",
        "armillary_unsup3d.plugin",
        "armillary_synthetic.plugin",
    } <= {*modules}
    code = code.format(modules=modules, heavy=HEAVY_IMPORTS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_recipes_are_checked_without_torch():
    """Rules of the settings that recipes change are data in the manifests, or functions of light modules."""
    code = "import sys; from armillary.cli import main; status = main(['recipes', 'check']);"
    code += f"print(status, [name for name in {HEAVY_IMPORTS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    *lines, last = done.stdout.splitlines()
    assert last == "0 []", done.stderr
    assert len(lines) > 60
    assert all(line.startswith("ok ") for line in lines)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_tests_mirror_sources(package):
    """A test file is named after a source file, so that who changes one finds the other; or it holds a whole family."""
    families = {
        "conformance",
        "devices",
        "kinds",
        package.name.removeprefix("armillary-"),
    }  # devices: kernels on each; kinds: of parts, in the kit
    sources = families | {p.stem for p in source_files(package)} | {p.parent.name for p in source_files(package)}
    strays = [p.name for p in package.glob("tests/**/test_*.py") if p.stem.removeprefix("test_") not in sources]
    assert strays == []


@pytest.mark.parametrize("package", [package.name for package in PACKAGES])
def test_public_names_are_those_written_down(package, public):
    """A name that goes breaks somebody's plugin, script or run; what is new stands on the list too, so that it is meant."""
    now, then = public.surface(package), public.recorded(package)
    gone, new = sorted({*then} - {*now}), sorted({*now} - {*then})
    told = "\n".join([*(f"- {line}" for line in gone), *(f"+ {line}" for line in new)])
    assert now == then, (
        f"the surface of {package} has changed; docs/versions.md says what a lost line (-) needs. If it is meant:\n"
        f"python integration_tests/surface.py\n{told}"
    )


@pytest.fixture(scope="module")
def public():
    """The module beside this one."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        import surface
    finally:
        sys.path.pop(0)
    return surface


def test_the_lists_of_public_names_hold_what_people_use(public):
    """Guards the test above: lists that lack a kind of line would pass it."""
    assert {path.stem for path in public.LISTS.glob("*.txt")} == {package.name for package in PACKAGES}
    core = public.recorded("armillary")
    for line in (
        "armillary.train(recipe, ",
        "armillary.interfaces.Part.build(config, *, ",
        "armillary.kernels.rotations.gram_schmidt(a, b)",
        "armillary.specs.LossSpec(*, name, target, ",
        "armillary.plugins.hookspecs.armillary_components()",
        "command train --",
        "kind depth [batch 1 height width] scene",
        "encoder std:plain-encoder: image: image [",
        "setting std:images size",
    ):
        assert [known for known in core if known.startswith(line)], line
    unsup3d = public.recorded("armillary-unsup3d")
    assert {"recipe unsup3d:paper", "setting unsup3d:conv-encoder width"} <= {*unsup3d}
    assert [line for line in unsup3d if line.startswith("slot unsup3d:unsup3d depth.head: feature: ")]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_release_data_agree(package):
    """Every package carries the licence, a page of its own, and the version that the change log names."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert len((package / "README.md").read_text(encoding="utf-8").splitlines()) > 5
    assert f"{project['name']} {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def sessions_in(path: Path) -> set[str]:
    """Return the sessions that a page or workflow has nox run, without their parameters."""
    text = path.read_text(encoding="utf-8")
    named = " ".join(re.findall(r"nox -s ([^`&|\n]+)", text)) + " ".join(re.findall(r"session: \[([^\]]+)\]", text))
    return {word.partition("(")[0] for word in re.findall(r"[a-z]+(?:\([\w-]+\))?", named)} - {"matrix", "session"}


def test_every_session_is_run_and_told():
    """What every change runs and what the night runs, together, leave no session out; the page for contributors names all."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    made = [node for node in tree.body if isinstance(node, ast.FunctionDef) and "nox.session" in ast.unparse(node)]
    sessions = {node.name for node in made if any("nox.session" in ast.unparse(d) for d in node.decorator_list)}
    assert len(sessions) > 12
    by_tests = {"integration", "subsets", "broken"}  # tests ends with integration, of which the others are parts
    workflows = {name: sessions_in(ROOT / f".github/workflows/{name}.yml") for name in ("ci", "nightly")}
    assert workflows["ci"] | workflows["nightly"] | by_tests == sessions
    assert sessions_in(ROOT / "CONTRIBUTING.md") | {"integration"} == sessions


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_manifests_are_those_of_the_sources(package):
    """An old one is not wrong, since the package is then imported; it makes each command slow."""
    found = [*package.glob("src/*/manifest.json"), *package.glob("src/armillary/std/manifest.json")]
    offers = "entry-points" in (package / "pyproject.toml").read_text(encoding="utf-8")
    assert len(found) == (offers or package.name == "armillary")
    assert [path for path in found if manifest.read(path) is None] == [], "type: armillary plugins freeze"
