"""``armillary report``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armillary.cli import show


def report(run: Annotated[Path, Parameter(name="RUN", help="Folder of the run.")], /) -> None:
    """Write the page and the card of a run again, from the files in its folder."""
    from armillary.pages.summary import summarise
    from armillary.plugins.host import Host
    from armillary.training.folder import RunFolder

    for file in summarise(RunFolder.open(run), Host()):
        show.message(f"wrote {file}")
