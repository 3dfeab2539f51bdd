"""The installed command, data that it made, and a run that it trained: what the tests across packages stand on."""

import os
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Armillary = Callable[..., subprocess.CompletedProcess[str]]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of this user's settings reaches the command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARMILLARY_")}
    folders = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    return kept | folders | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"} | more


def call(*arguments: object, env: dict[str, str], cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the installed command and hold it to an exit status."""
    command = [str(Path(sysconfig.get_path("scripts")) / "armillary"), *map(str, arguments)]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    words = " ".join(map(str, arguments))
    assert done.returncode == status, f"armillary {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


class Generators(dict[str, Path]):
    """Generator to a folder of a few small pictures of it, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, generator: str) -> Path:
        from armillary.data import make as data
        from armillary.data.generators import build_generator
        from armillary.plugins.host import Host

        built = build_generator(Host(), generator, {}, size=32, seed=0)
        place = self.folder / generator.replace(":", "-")
        data.make(built.generator, place, name=built.id, settings=built.settings, size=32, seed=0, count=12, workers=0)
        return self.setdefault(generator, place)


@pytest.fixture(scope="session")
def small_generators(tmp_path_factory: pytest.TempPathFactory) -> Generators:
    """Folders of twelve pictures of 32 x 32, by the id of their generator. Read only."""
    return Generators(tmp_path_factory.mktemp("generators"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without settings."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def clean_environment(home: Path) -> dict[str, str]:
    """Environment variables that let nothing of this user's settings through."""
    return environment(home)


@pytest.fixture
def armillary(home: Path, tmp_path: Path) -> Armillary:
    """The installed command, run in a folder of the test's own: ``armillary("train", ..., status=0, env={})``."""

    def run(*arguments: object, status: int = 0, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return call(*arguments, env=environment(home, **(env or {})), cwd=tmp_path, status=status)

    return run


@pytest.fixture(scope="session")
def heads(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 heads with ground truth. Read only."""
    folder = tmp_path_factory.mktemp("data")
    make = ("data", "make", "synthetic:heads", "heads", "--count", 24, "--size", 32, "--seed", 0)
    call(*make, env=environment(home), cwd=folder)
    return folder / "heads"


@pytest.fixture(scope="session")
def globe(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 pictures of a turning globe, with flow and object coordinates. Read only."""
    folder = tmp_path_factory.mktemp("data")
    make = ("data", "make", "synthetic:globe", "globe", "--count", 40, "--size", 32, "--seed", 0)
    call(*make, env=environment(home), cwd=folder)
    return folder / "globe"


@pytest.fixture(scope="session")
def smoke_run(home: Path, heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ``unsup3d:smoke``, trained on ``heads``. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("runs")
    call("train", "unsup3d:smoke", "--data", heads, "--out", "smoke", env=environment(home), cwd=folder)
    return folder / "smoke"


def lay(project: Path, site: Path) -> None:
    """Copy a plugin's package or module and its metadata into a folder, as pip does, without building or fetching."""
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sources = project / "src" if (project / "src").is_dir() else project
    for package in sources.glob("*/__init__.py"):
        shutil.copytree(package.parent, site / package.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
    for module in project.glob("armillary_*.py"):
        shutil.copy(module, site)
    info = site / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {need}\n" for need in table["dependencies"])
    head = f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: {table['version']}\n"
    (info / "METADATA").write_text(head + needs, encoding="utf-8")
    lines = [f"{name} = {module}" for name, module in table["entry-points"]["armillary.plugins"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[armillary.plugins]", *lines, ""]), encoding="utf-8")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """Lay plugins' projects beside what is installed; the environment variables with which they are there."""

    def site(*projects: Path) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("site")
        for project in projects:
            lay(project, folder)
        return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))}

    return site


@pytest.fixture(scope="session")
def armillary_in(home: Path) -> Armillary:
    """The installed command in a folder that is named: ``armillary_in(folder, "train", ..., status=0, env={})``."""

    def run(
        folder: Path, *arguments: object, status: int = 0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return call(*arguments, env=environment(home, **(env or {})), cwd=folder, status=status)

    return run


@pytest.fixture(scope="session")
def third_party(installed: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Environment variables with which a stranger's plugin is installed beside the others."""
    return installed(ROOT / "integration_tests/third_party")
