"""Verbs ``armillary assets``: files that recipes need and cannot be shipped."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.flags import Json
from armillary.data import assets as register
from armillary.plugins.host import KINDS, Host


def add(
    name: Annotated[str, Parameter(name="NAME", help="Its name in recipes, such as vgg16.")],
    file: Annotated[Path, Parameter(name="FILE", help="Path of the file.")],
    /,
) -> None:
    """Register the path of a file for this user: recipes that need it find it by its name."""
    place = register.add(name, file)
    show.message(f"{name}: {file.resolve()}, kept in {place}")
    needs = _needed()
    if name not in needs:
        known = f"; installed parts ask for {', '.join(needs)}" if needs else ""
        show.message(f"note: no installed part asks for {name!r}{known}")


def list_(*, json: Json = False) -> None:
    """List the files that are known, and those that installed parts ask for."""
    known, needs = register.known(), _needed()
    names = sorted({*known, *needs})
    rows = [
        {
            "name": name,
            "file": str(known[name]) if name in known else None,
            "there": known[name].is_file() if name in known else False,
            "needed by": needs.get(name, []),
        }
        for name in names
    ]
    if json:
        show.as_json(rows)
        return
    words = [
        (
            row["name"],
            "" if row["there"] else "missing" if row["file"] else "not known",
            row["file"] or f"armillary assets add {row['name']} FILE",
            row["needed by"],
        )
        for row in rows
    ]
    show.table(words, columns=("name", "", "file", "needed by"))


def _needed() -> dict[str, list[str]]:
    host = Host()
    needs: dict[str, list[str]] = {}
    for kind in KINDS:
        if kind != "recipe":
            for id, spec in host.components(kind).items():
                for name in spec.assets:
                    needs.setdefault(name, []).append(id)
    return needs
