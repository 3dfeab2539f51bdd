"""What is run on this tree: ``python -m nox -l`` lists it.

Every session installs the local packages from the tree (never from an index), and everything else with pip under
``constraints.txt``. pip and not uv, although uv is faster: uv does not read pip's configuration, so where pip is set up
to find a CPU build of torch, uv would fetch several gigabytes of CUDA.
"""

import os
import shutil
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
WORKERS = ("-n", "auto")
"""pytest-xdist, a worker a core; each worker computes with one thread, or they would wait for each other."""
CORE = "armillary"
PROJECTS = {p.parent.name: nox.project.load_toml(p) for p in sorted(ROOT.glob("packages/*/pyproject.toml"))}
TEMPLATES = ROOT / "packages/armillary/src/armillary/plugins/templates/plugin"
KINDS = sorted({folder.name for folder in TEMPLATES.iterdir()} - {"common"})
PLUGINS = [name for name, project in PROJECTS.items() if "entry-points" in project["project"]]


def constraints() -> list[str]:
    """Return pip's arguments for the constraints file, none when ARMILLARY_CONSTRAINTS is empty."""
    path = os.environ.get("ARMILLARY_CONSTRAINTS", str(ROOT / "constraints.txt"))
    return ["--constraint", path] if path else []


def local(*names: str) -> list[str]:
    """Return the folders of these packages; named in one command, they satisfy each other's requirements."""
    return [str(ROOT / "packages" / name) for name in dict.fromkeys(names)]


def test_needs(*names: str) -> list[str]:
    """Return what the packages' tests need beyond the packages."""
    groups = (nox.project.dependency_groups(PROJECTS[name], "test") for name in names)
    return sorted({"pytest-xdist>=3.6", *(need for group in groups for need in group)})


def in_workers(session: nox.Session) -> tuple[str, ...]:
    """Return pytest's arguments for tests in as many workers as there are cores."""
    session.env.setdefault("OMP_NUM_THREADS", "1")
    return (*WORKERS, *session.posargs)


def third_parties() -> dict[str, Requirement]:
    """Return what the packages need of others, torch apart, by name."""
    declared = (Requirement(need) for project in PROJECTS.values() for need in project["project"]["dependencies"])
    return {need.name: need for need in sorted(declared, key=str) if need.name not in {"torch", *PROJECTS}}


class Environment:
    """A virtual environment that nox does not keep for one session: shared by several, or emptied by one."""

    def __init__(self, session: nox.Session, name: str, *, clear: bool = False) -> None:
        folder = ROOT / ".nox" / name
        self._session = session
        self._scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = str(self._scripts / "python")
        if clear or not self._scripts.exists():
            session.run_install(sys.executable, "-m", "virtualenv", "--quiet", "--clear", str(folder), external=True)

    def install(self, *args: str) -> None:
        """Install with pip under the constraints."""
        self._session.run_install(self.python, "-m", "pip", "install", "--quiet", *constraints(), *args, external=True)

    def run(self, command: str, *args: str) -> None:
        """Run a command of the environment."""
        self._session.run(str(self._scripts / command), *args, external=True)


def everything(session: nox.Session, *extra: str) -> Environment:
    """Return the one environment with all packages: a copy of torch for each session would test nothing more."""
    environment = Environment(session, "everything")
    environment.install(*local(*PROJECTS), *extra)
    return environment


def from_wheels(session: nox.Session, *names: str) -> tuple[dict[str, Path], dict[str, str]]:
    """Return wheels of these packages, and variables with which pip takes ours from there and never from an index."""
    dist = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist), *local(*names))
    wheels = {name: next(dist.glob(f"{name.replace('-', '_')}-[0-9]*.whl")) for name in names}
    pins = [Path(path).read_text(encoding="utf-8") for path in constraints()[1:]]
    pins += [f"{name} @ {wheel.as_uri()}" for name, wheel in wheels.items()]
    (dist / "constraints.txt").write_text("\n".join(pins), encoding="utf-8")
    return wheels, {"PIP_CONSTRAINT": str(dist / "constraints.txt")}


@nox.session
@nox.parametrize("package", [nox.param(name, id=name) for name in PROJECTS])
def tests(session: nox.Session, package: str) -> None:
    """Run one package's tests in an environment with that package, the core and its declared needs only."""
    session.notify("integration", posargs=[])
    session.install(*constraints(), *local(CORE, package), *test_needs(package))
    session.run("python", "-m", "pytest", f"packages/{package}/tests", *in_workers(session))


@nox.session(venv_backend="none")
def integration(session: nox.Session) -> None:
    """Run the tests across packages, with all of them installed; one file is one worker's, for what its tests share."""
    environment = everything(session, *test_needs(*PROJECTS))
    environment.run("python", "-m", "pytest", "integration_tests", "--dist", "loadfile", *in_workers(session))


@nox.session(venv_backend="none")
@nox.parametrize("package", [nox.param(name, id=name) for name in PLUGINS])
def verify(session: nox.Session, package: str) -> None:
    """Run the conformance kit on one plugin."""
    environment = everything(session)
    for id in PROJECTS[package]["project"]["entry-points"]["armillary.plugins"]:
        environment.run("armillary", "plugins", "verify", id, *session.posargs)


@nox.session(venv_backend="none")
def subsets(session: nox.Session) -> None:
    """Run each plugin alone, all but one, and all, in one environment."""
    environment = everything(session, *test_needs(*PROJECTS))
    environment.run(
        "python",
        "-m",
        "pytest",
        "integration_tests/test_subsets.py",
        "integration_tests/test_alone.py",
        *session.posargs,
    )


@nox.session(venv_backend="none")
def broken(session: nox.Session) -> None:
    """Install broken plugins beside the good ones: each is named, and none hurts another."""
    environment = everything(session, *test_needs(*PROJECTS))
    environment.run("python", "-m", "pytest", "integration_tests/test_broken_plugins.py", *session.posargs)


@nox.session(venv_backend="none")
def swaps(session: nox.Session) -> None:
    """Put every part into every slot of every recipe; train for a step all that fit, at small sizes."""
    environment = everything(session, *test_needs(*PROJECTS))
    session.env["ARMILLARY_SWAPS"] = "all"
    environment.run("python", "-m", "pytest", "integration_tests/test_swap_matrix.py", *session.posargs)


@nox.session(venv_backend="none")
def startup(session: nox.Session) -> None:
    """Hold the command line to its start-up budgets."""
    everything(session).run("python", "benchmarks/startup.py", *session.posargs)


@nox.session(venv_backend="none")
def gpu(session: nox.Session) -> None:
    """Run the tests that need a CUDA device and measure every method on it, within ten minutes; without one a dry run."""
    everything(session, *test_needs(*PROJECTS)).run("python", "benchmarks/gpu.py", *session.posargs)


@nox.session(venv_backend="none")
def structure(session: nox.Session) -> None:
    """Print size and shape of the code beside the values before the refactoring; fail where a bar is missed."""
    everything(session).run("python", "benchmarks/structure.py", *session.posargs)


@nox.session
def minimum(session: nox.Session) -> None:
    """Run the tests of all packages with the lowest versions that they declare; torch stays as constrained."""
    lowest = {name: next(s for s in need.specifier if s.operator == ">=") for name, need in third_parties().items()}
    pins = [f"{name}=={specifier.version}.*" for name, specifier in lowest.items()]
    session.install(*constraints(), *local(*PROJECTS), *test_needs(*PROJECTS), *pins)
    for package in PROJECTS:
        session.run("python", "-m", "pytest", f"packages/{package}/tests", *in_workers(session))


@nox.session
def prerelease(session: nox.Session) -> None:
    """Run the tests of all packages with the newest versions, pre-releases too; torch stays as constrained."""
    session.install(*constraints(), *local(*PROJECTS), *test_needs(*PROJECTS))
    session.install(*constraints(), "--pre", "--upgrade", *map(str, third_parties().values()))
    for package in PROJECTS:
        session.run("python", "-m", "pytest", f"packages/{package}/tests", *in_workers(session))


@nox.session(venv_backend="none")
@nox.parametrize("version", [nox.param(version, id=version) for version in ("1.6", "1.7")])
def pluggy(session: nox.Session, version: str) -> None:
    """Run the tests of what loads plugins with one version of pluggy: the host promises to work on both."""
    environment = Environment(session, "pluggy")
    environment.install(*local(CORE), *test_needs(CORE), f"pluggy=={version}.*")
    tests = [
        f"packages/{CORE}/tests/{name}.py"
        for name in ("test_host", "test_discovery", "test_doctor", "cli/test_plugins")
    ]
    environment.run("python", "-m", "pytest", *tests, *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build every package, install the wheels alone into an empty environment, and use them there."""
    dist, data, out = (Path(session.create_tmp()) / name for name in ("dist", "heads", "run"))
    for old in (dist, data, out):
        shutil.rmtree(old, ignore_errors=True)
    session.install("build")
    for folder in local(*PROJECTS):  # the wheel is built from the sdist, so what the sdist lacks is missed here
        session.run("python", "-m", "build", "--outdir", str(dist), folder, silent=True)
    empty = Environment(session, "empty", clear=True)
    empty.install("--only-binary", ":all:", *sorted(map(str, dist.glob("*.whl"))))  # no compiler runs
    empty.run("python", "benchmarks/footprint.py", CORE, "armillary-unsup3d")
    empty.run("armillary", "plugins", "doctor")
    empty.run("armillary", "recipes", "check")
    empty.run("armillary", "data", "make", "synthetic:heads", str(data), "--count", "16", "--size", "32", "--seed", "0")
    empty.run("armillary", "train", "unsup3d:smoke", "--data", str(data), "--out", str(out))
    empty.run("armillary", "evaluate", str(out), "--data", str(data))


@nox.session
@nox.parametrize("kind", [nox.param(name, id=name) for name in KINDS])
def template(session: nox.Session, kind: str) -> None:
    """Write a plugin of one kind, and run its own noxfile: each session in an environment of its own, from wheels of this tree."""
    wheels, pins = from_wheels(session, CORE, "armillary-testing", "armillary-synthetic", "armillary-unsup3d")
    session.install("nox", "ruff", "attrs", "cyclopts", "packaging", "pluggy", "rich")
    session.install("--no-deps", str(wheels[CORE]))  # without torch: writing a plugin needs none
    desk = Path(session.create_tmp()).resolve() / "desk"
    shutil.rmtree(desk, ignore_errors=True)
    session.run("armillary", "new", "plugin", "fresh", "--kind", kind, "--out", str(desk))
    with session.chdir(desk):
        session.run("ruff", "check", ".")
        session.run("ruff", "format", "--check", ".")
        for name in ("tests", "verify", "integration"):
            session.run("nox", "--session", name, env=pins)
            shutil.rmtree(".nox")  # one copy of torch at a time


@nox.session
def tutorial(session: nox.Session) -> None:
    """Do what the page about plugins says, its environment and its installs too, with wheels of this tree."""
    names = [f"armillary-{name}" for name in ("testing", "synthetic", "unsup3d", "photogeo", "keypoints")]
    _, pins = from_wheels(session, CORE, *names)
    session.install(*constraints(), "pytest>=9", "attrs")
    command = ("python", "-m", "pytest", "integration_tests/test_tutorial.py", *session.posargs)
    session.run(*command, env=pins | {"ARMILLARY_TUTORIAL": "whole"})


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Build the site; a warning is an error."""
    environment = everything(session, "sphinx>=8", "furo", "myst-parser", "latex2mathml")
    environment.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """Make data, train every method on it, measure, export, and write one page."""
    everything(session).run("armillary", "demo", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and spelling."""
    session.install(*constraints(), "ruff", "codespell")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check types."""
    environment = everything(session, *test_needs(*PROJECTS), "beartype", "pyright[nodejs]", "nox")
    environment.run("pyright", "--pythonpath", environment.python)


@nox.session(venv_backend="none")
def shapes(session: nox.Session) -> None:
    """Run the tests of what works on tensors, every call held to the shapes in its annotations."""
    environment = everything(session, *test_needs(*PROJECTS), "beartype")
    plugins = [name.replace("-", "_") for name in PROJECTS if name != CORE]
    hook = ",".join(("armillary.kernels", "armillary.std", *plugins, "shape_checker.check"))
    rooms = [f"packages/{CORE}/tests/kernels", f"packages/{CORE}/tests/std"]
    rooms += [f"packages/{name}/tests" for name in PROJECTS if name != CORE]
    session.env["PYTHONPATH"] = "integration_tests"
    for room in rooms:  # a test of a refusal gives wrong shapes on purpose, and would be told so by the checker
        arguments = (room, f"--jaxtyping-packages={hook}", "-k", "not refuse", *session.posargs)
        environment.run("python", "-m", "pytest", *arguments)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Print the speed and memory of the kernels."""
    environment = everything(session)
    for script in sorted(ROOT.glob("benchmarks/bench_*.py")):
        environment.run("python", str(script.relative_to(ROOT)), *session.posargs)
