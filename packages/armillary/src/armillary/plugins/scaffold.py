"""New plugins from templates: packages that install and pass the conformance kit unchanged. Light.

The templates are in ``templates/plugin``: ``common`` for every kind, and one folder per kind. ``{{id}}`` and the like are replaced.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import attrs

from armillary.errors import ArmillaryError
from armillary.plugins.catalogue import FIRST_PARTY
from armillary.plugins.discovery import RESERVED, discover
from armillary.version import __version__

_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_KIT = "testing"  # armillary-testing is no plugin, but the name is taken
_PLACEHOLDER = re.compile(r"{{(\w+)}}")
_WIDE = 120


class NameRefusedError(ArmillaryError):
    """A name that no new plugin can have; the message says what to type instead."""


@attrs.frozen(kw_only=True)
class Kind:
    """Template of one kind of part.

    Args:
        component: name of the part in the plugin.
        summary: what the package is, in a line.
        needs: distributions that it imports, beside the core.
        flags: what puts the part into a recipe; ``try.toml`` is a file of the package.
        advice: for the README.
        recipes: for a plugin with recipes of its own, the one to try; else the smoke recipe of each method is.
        files: further file to its content.
        tested_with: distributions that its tests need beside the kit.
        measured: a run with the part has evaluators whose truth the data hold.
    """

    component: str
    summary: str
    needs: tuple[str, ...]
    flags: tuple[str, ...]
    advice: str
    recipes: tuple[str, ...] = ()
    files: Mapping[str, str] = attrs.field(factory=dict)
    tested_with: tuple[str, ...] = ()
    measured: bool = True


_TORCH = ("attrs>=24.2", "torch>=2.6")
_SLOT = (
    "A slot takes any part whose ports fit: `armillary recipes show {recipe}` shows the slots, and "
    "`armillary components list --fits {recipe}.SLOT` what fits one, and why the rest do not."
)
KINDS: Mapping[str, Kind] = {
    "encoder": Kind(
        component="encoder",
        summary="An encoder: a picture to features",
        needs=_TORCH,
        flags=("--use", "view.encoder={id}:encoder"),
        advice=_SLOT,
    ),
    "head": Kind(
        component="head",
        summary="A head: features to geometry",
        needs=_TORCH,
        flags=("--use", "depth.head={id}:head"),
        advice=_SLOT,
    ),
    "renderer": Kind(
        component="renderer",
        summary="A renderer: geometry to what a camera sees",
        needs=_TORCH,
        flags=("--use", "renderer={id}:renderer"),
        advice=_SLOT,
    ),
    "loss": Kind(
        component="loss",
        summary="A loss: the quantity that training minimises",
        needs=_TORCH,
        flags=("--set", "losses.mine.use={id}:loss", "--weight", "mine=1"),
        advice="A loss binds to ports by name: its own, else what `--set losses.mine.bind.reconstruction=...` names. "
        "`armillary components show unsup3d:unsup3d` lists what a method gives. `--without` leaves another loss out.",
    ),
    "evaluator": Kind(
        component="evaluator/1",
        summary="An evaluator: a measure with a protocol",
        needs=_TORCH,
        flags=("--set", "evaluators.mine.use={id}:evaluator/1"),
        advice="The number behind the slash is the protocol's version: figures of two versions are not compared. State the "
        "normaliser, the alignment and what is left out in `protocol`, and report a trivial baseline beside.",
    ),
    "dataset": Kind(
        component="dataset",
        summary="A data set: a reader of pictures and of what is known of them",
        needs=(*_TORCH[:1], "numpy>=1.26", "pillow>=11.0", "torch>=2.6"),
        flags=("--recipe", "try.toml"),
        files={"try.toml": "the patch that puts the data set into a recipe, and takes out what needs truth"},
        measured=False,
        advice="What else the files hold (depth, masks, landmarks) goes into the items and into `Item` under the names "
        "that `armillary components show std:images` lists, so that evaluators find it.",
    ),
    "transform": Kind(
        component="transform",
        summary="A transform: a change of each sample",
        needs=_TORCH,
        flags=("--recipe", "try.toml"),
        files={
            "try.toml": "the patch that lists the transforms of a recipe, in order; it replaces the recipe's own list"
        },
        advice="One that moves pixels declares `moves = True` and moves every port of a sample by its kind, with "
        "`armillary.data.geometry.move`.",
    ),
    "method": Kind(
        component="method",
        summary="A method: a composition of slots, with its recipes",
        needs=_TORCH,
        flags=(),
        recipes=("{id}:smoke",),
        tested_with=("armillary-synthetic",),
        measured=False,
        advice="Slots can be filled with any installed part: `armillary train {recipe} --use encoder=...`. A published "
        "method offers `paper`, and as patches of it `quick` (five minutes), `demo` (two) and `smoke` (seconds).",
    ),
}


def new_plugin(name: str, *, kind: str, out: Path | None = None) -> tuple[Path, tuple[str, ...]]:
    """Write the package of a new plugin; return its folder, and the commands that install and try it.

    Everything is written beside the folder first and moved there at the end: there is a whole package, or none.

    Args:
        name: the plugin's id.
        kind: one of :data:`KINDS`.
        out: the folder; ``armillary-NAME`` here where it is not given. It must not exist.

    Raises:
        NameRefusedError: an id that is reserved, taken or no id.
        ArmillaryError: the folder exists, or the one that it belongs in does not.
    """
    check_name(name, kind=kind)
    folder = out if out is not None else Path(f"armillary-{name}")
    if folder.exists() or folder.is_symlink():
        raise ArmillaryError(
            f"{folder}: is there already, and nothing is overwritten; another folder: "
            f"armillary new plugin {name} --kind {kind} --out OTHER"
        )
    parent = folder.parent
    if not parent.is_dir():
        raise ArmillaryError(f"{parent}: no such folder; make it first: mkdir -p {parent}")
    words = _words(name, kind)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    except OSError as error:
        raise ArmillaryError(f"{parent.absolute()}: nothing can be written there ({error.strerror})") from error
    try:
        for path, text in _files(kind, words):
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            (scratch / path).write_text(text, encoding="utf-8")
        os.chmod(scratch, 0o777 & ~_umask())  # a temporary folder is its owner's alone
        os.rename(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return folder, (words["install"], f"armillary plugins verify {name}", *words["trial"].splitlines())


def check_name(name: str, *, kind: str) -> None:
    """Refuse a name that no new plugin can have.

    Raises:
        NameRefusedError: says why, and what to type.
    """
    again = f"armillary new plugin {{}} --kind {kind}"
    plain = _plain(name)
    if name.startswith("armillary-") and _ID.fullmatch(plain):
        raise NameRefusedError(
            f"{name!r}: the id stands without armillary-, which the package gets by itself; type: {again.format(plain)}"
        )
    if not _ID.fullmatch(name):
        better = f"; type: {again.format(plain)}" if _ID.fullmatch(plain) else f"; for one: {again.format('mine')}"
        raise NameRefusedError(f"{name!r} is no plugin id: lower-case letters and digits, words joined by -{better}")
    reason = _taken(name)
    if reason:
        raise NameRefusedError(f"the id {name!r} is {reason}; another one: {again.format(f'my-{name}')}")


def _plain(name: str) -> str:
    """Return the nearest name that is an id, or an empty string."""
    ascii = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", ascii).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-").removeprefix("armillary-").lstrip("0123456789-")


def _taken(name: str) -> str:
    """Return by whom an id is taken, empty where it is free."""
    if name in RESERVED:
        return "reserved for the core"
    if name in FIRST_PARTY:
        return f"that of {FIRST_PARTY[name].distribution}"
    distribution, package = f"armillary-{name}", _package(name)
    if name == _KIT:
        return f"not free: {distribution} is the conformance kit"
    for record in discover():
        if record.id == name or _package(record.id) == package:
            return f"taken by {record.distribution} {record.version} in {record.location}"
    try:
        there = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        there = ""
    if there:
        return f"not free: {distribution} {there} is installed"
    if importlib.util.find_spec(package) is not None:
        return f"not free: a module {package} is there already"
    return ""


def _package(name: str) -> str:
    return f"armillary_{name.replace('-', '_')}"


def _words(name: str, kind: str) -> dict[str, str]:
    """Return the text of each placeholder."""
    made, package = KINDS[kind], _package(name)
    major, minor = __version__.split(".")[:2]
    span = f">={major}.{minor},<{major}.{int(minor) + 1}"
    given = {"id": name, "package": package}
    recipe = (made.recipes or ("unsup3d:smoke",))[0].format(**given)
    flags = [flag.format(**given) for flag in made.flags]
    methods = [] if made.recipes else ["unsup3d"]
    trial_needs = ["armillary-testing", "armillary-synthetic", *(f"armillary-{method}" for method in methods), "pytest"]
    recipes = _quoted(each.format(**given) for each in made.recipes) or 'f"{name}:smoke" for name in METHODS'
    measured = "armillary evaluate runs/try --data heads --split all"
    trial = (
        "armillary data make synthetic:heads heads --count 24 --size 32",
        " ".join(("armillary train", recipe, "--data heads --out runs/try", *flags)),
        measured if made.measured else "armillary predict runs/try heads/images --out runs/found",
    )
    after = '"evaluate", run, "--data", data, "--split", "all"'
    files = {
        f"{package}.py": f"the {kind}, as one class: ports, settings, and what it computes",
        **{path.format(**given): text for path, text in made.files.items()},
        f"tests/test_{package}.py": "its tests: values worked out by hand, and the conformance kit",
    }
    return {
        **given,
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "distribution": f"armillary-{name}",
        "component": f"{name}:{made.component}",
        "summary": made.summary,
        "needs": _quoted((f"armillary{span}", *made.needs)),
        "test_needs": _quoted(
            (f"armillary-testing{span}", *(f"{each}{span}" for each in made.tested_with), "pytest>=8")
        ),
        "install": " ".join(("python -m pip install -e .", *trial_needs)),
        "trial": "\n".join(trial),
        "files": "\n".join(f"| `{path}` | {text} |" for path, text in files.items()),
        "methods": _quoted(methods),
        "flags": _quoted(flags),
        "recipes": recipes,
        "after": after if made.measured else '"predict", run, f"{data}/images", "--out", f"{run}-found"',
        "advice": textwrap.fill(made.advice.format(**given, recipe=recipe), _WIDE, break_on_hyphens=False),
    }


def _quoted(words: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _files(kind: str, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each file's place in the package and its text."""
    package = words["package"]
    root = resources.files("armillary.plugins") / "templates" / "plugin"
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "noxfile.py": "noxfile.py",
        "ci.yml": ".github/workflows/ci.yml",
        "gitignore": ".gitignore",
    }
    for name, place in places.items():
        yield place, _filled(root / "common" / f"{name}.txt", words)
    own = {"part.py": f"{package}.py", "test_part.py": f"tests/test_{package}.py"}
    for template in sorted((root / kind).iterdir(), key=lambda each: each.name):
        name = template.name.removesuffix(".txt")
        yield own.get(name, name), _filled(template, words)


def _filled(template: Traversable, words: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: words[match[1]], template.read_text(encoding="utf-8"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
