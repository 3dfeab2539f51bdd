"""Verb ``armillary demo``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import FAILED, OK
from armillary.cli.flags import Json
from armillary.cli.progress import progress


def demo(
    *,
    out: Annotated[Path, Parameter(metavar="DIR", help="Folder of data, runs and the page.")] = Path("demo"),
    method: Annotated[
        tuple[str, ...],
        Parameter(name="--method", negative=(), metavar="ID", help="Only this method, such as unsup3d. Repeatable."),
    ] = (),
    seconds: Annotated[float, Parameter(metavar="S", help="What each method has in all.")] = 120.0,
    json: Json = False,
) -> int:
    """Train every installed method on pictures that it makes itself, measure it, export a mesh, and write one page.

    At most two minutes a method on two cores. Data that an earlier demo made are used again; its runs are kept.
    """
    from armillary.comparison.demo import demo as show_all
    from armillary.plugins.host import Host

    with progress() as bar:
        made = show_all(Host(), out, methods=method, seconds=seconds, reporter=bar)
    if json:
        show.as_json({"page": made.page, "methods": made.methods})
    else:
        rows = [
            (one.recipe, "" if one.run is None else one.run, one.mesh or "", f"{one.seconds:.0f} s", one.error)
            for one in made.methods
        ]
        show.table(rows, columns=("recipe", "run", "mesh", "in all", ""))
        show.message(f"open this file: {made.page.resolve()}")
    return OK if all(one.run is not None for one in made.methods) else FAILED
