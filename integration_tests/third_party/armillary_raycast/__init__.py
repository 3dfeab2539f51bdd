"""Plugin ``raycast``: a renderer that walks along rays, a loss, and an observer of runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from armillary.plugins.hookspecs import hookimpl


@hookimpl
def armillary_components() -> list[Any]:
    """Return the parts."""
    from armillary_raycast.parts import Correlation, Surface

    return [Surface, Correlation]


@hookimpl
def armillary_step_ended(run: Path, stage: str, step: int, metrics: Mapping[str, float]) -> None:
    """Write the last loss into the folder of the run."""
    (run / "seen.txt").write_text(f"{stage} {step} {metrics['loss']}\n")
