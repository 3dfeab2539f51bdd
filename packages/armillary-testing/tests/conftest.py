"""A plugin that keeps every claim, and a way to break one line of it."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import pytest

from armillary.plugins.host import Host

SOUND = Path(__file__).parent / "sound"
Change = tuple[str, str]
Changes = Mapping[str, Change] | Sequence[tuple[str, Change]]
Lay = Callable[..., str]
_numbers = count()


@pytest.fixture
def lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lay]:
    """Return a function that installs a plugin of ``sound/`` with lines of it changed, and returns its id.

    ``lay("generator", {"parts.py": ("old", "new")})``: each old text must occur in that file.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ARMILLARY_SOUND", "0")  # a mutant changes it; so it is set back
    laid: list[str] = []

    def install(name: str, changes: Changes = ()) -> str:
        id = f"{name}{next(_numbers)}"
        package = f"armillary_{id}"
        metadata = f"Metadata-Version: 2.1\nName: armillary-{id}\nVersion: 1.0\nRequires-Dist: armillary>=0.1,<0.2\n"
        module = "plugin" if (SOUND / name / "plugin.py").exists() else "parts"
        files = {
            "METADATA": metadata,
            "entry_points.txt": f"[armillary.plugins]\n{id} = {package}.{module}\n",
            **{path.name: path.read_text(encoding="utf-8") for path in (SOUND / name).glob("*.py")},
        }
        for file, (old, new) in changes.items() if isinstance(changes, Mapping) else changes:
            assert old in files[file], f"{file} has no {old!r}"
            files[file] = files[file].replace(old, new)
        info = tmp_path / f"{package}-1.0.dist-info"
        for folder in (info, tmp_path / package):
            folder.mkdir()
        for file, text in files.items():
            text = text.replace("armillary_sound", package).replace("sound:", f"{id}:")
            ((tmp_path / package if file.endswith(".py") else info) / file).write_text(text, encoding="utf-8")
        laid.append(package)
        return id

    yield install
    for module in [each for each in sys.modules if each.partition(".")[0] in laid]:
        del sys.modules[module]


@pytest.fixture
def alone() -> Callable[[str], Host]:
    """Return a function that gives a host of one installed plugin and the built-in parts."""
    from armillary.plugins.discovery import discover

    return lambda id: Host([record for record in discover() if record.id in (id, "std")])
