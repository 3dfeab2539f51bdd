"""Verb ``armillary pose``."""

import math
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.flags import Accelerator, Json, torch_device


def pose(
    run: Annotated[Path, Parameter(name="RUN", help="Folder of the run.")],
    first: Annotated[Path, Parameter(name="A", help="A picture, or a mesh where the method takes meshes.")],
    second: Annotated[Path, Parameter(name="B", help="Another one.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(metavar="FILE.png", help="Draw both, with A's axes as they are turned in B.")
    ] = None,
    checkpoint: Annotated[
        str | None, Parameter(metavar="step-N", help="Checkpoint to load. Default: the newest.")
    ] = None,
    accelerator: Accelerator = "cpu",
    json: Json = False,
) -> None:
    """Print the rotation from the object of A to that of B."""
    from armillary.inference.predict import picture_files
    from armillary.inference.relate import relate
    from armillary.inference.restore import restore
    from armillary.plugins.host import Host
    from armillary.training.folder import RunFolder

    files = picture_files([first, second])
    if len(files) != 2:
        from armillary.cli.failures import UsageError

        raise UsageError(f"{first} and {second} hold {len(files)} files: pose takes two")
    host, device = Host(), torch_device(accelerator)
    restored = restore(RunFolder.open(run), host=host, checkpoint=checkpoint, device=device)
    for note in restored.notes:
        show.message(note)
    found = relate(restored, *files, host=host, device=device)
    if json:
        show.as_json(
            {
                "a": str(first),
                "b": str(second),
                "outputs": list(found.outputs),
                **_plain(found.best),
                "runners_up": [_plain(each) for each in found.others],
            }
        )
    else:
        show.data("x_b = R @ x_a, with R =")
        for row in found.best.rotation.tolist():
            show.data("  " + "  ".join(f"{value:9.6f}" for value in row))
        rows = [["best", *_cells(found.best)]]
        rows += [[f"runner-up {number}", *_cells(each)] for number, each in enumerate(found.others, start=1)]
        show.table(rows, columns=["", "degrees", "about x", "about y", "about z", "score"])
    if out is not None:
        from armillary.drawing.sheets import write_png
        from armillary.inference.relate import relation_picture

        show.message(str(write_png(out, relation_picture(found))))


def _plain(candidate: Any) -> dict[str, Any]:
    return {
        "rotation": candidate.rotation.tolist(),
        "degrees": candidate.degrees,
        "degrees_about_x_y_z": candidate.turns,
        "score": None if math.isnan(candidate.score) else candidate.score,
    }


def _cells(candidate: Any) -> list[object]:
    score = "" if math.isnan(candidate.score) else f"{candidate.score:.4f}"
    return [f"{candidate.degrees:.2f}", *(f"{turn:.2f}" for turn in candidate.turns), score]
