"""Verbs ``armillary new``: create a plugin from a template."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import UsageError
from armillary.plugins.scaffold import NameRefusedError, new_plugin

Kind = Literal["encoder", "head", "renderer", "loss", "evaluator", "dataset", "transform", "method"]


def plugin(
    name: Annotated[str, Parameter(name="NAME", help="Its id: the prefix of its parts, as in NAME:loss.")],
    /,
    *,
    kind: Annotated[Kind, Parameter(metavar="KIND", help="Kind of the part.")] = "loss",
    out: Annotated[
        Path | None, Parameter(metavar="DIR", help="The new folder. Default: armillary-NAME, in this folder.")
    ] = None,
) -> None:
    """Create a plugin with one working part."""
    try:
        folder, trial = new_plugin(name, kind=kind, out=out)
    except NameRefusedError as error:
        raise UsageError(str(error)) from error
    show.data(str(folder))
    show.message(f"a plugin with one working part; {folder}/README.md lists what to change")
    show.message("next:")
    for line in (f"cd {shlex.quote(str(folder))}", *trial):
        show.message(f"  {line}")
