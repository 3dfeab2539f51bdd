"""Verb ``armillary data convert``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import UsageError
from armillary.cli.progress import progress


def convert(
    folder: Annotated[Path, Parameter(name="FOLDER", help="Folder with annotations.npz, or a COCO JSON file.")],
    out: Annotated[Path, Parameter(name="OUT", help="Folder to make; must not exist or be empty.")],
    /,
    *,
    larger_z: Annotated[
        Literal["nearer", "farther"] | None,
        Parameter(metavar="WORD", help="What a larger z of the file means: nearer or farther."),
    ] = None,
    landmarks: Annotated[str, Parameter(metavar="NAME", help="Array of the points, if there are several.")] = "",
    group: Annotated[
        str, Parameter(metavar="NAME", help="Split so that pictures with equal values in this array stay together.")
    ] = "",
    block: Annotated[
        int, Parameter(metavar="N", help="Split so that N pictures with consecutive numbers stay together.")
    ] = 0,
    test: Annotated[
        float,
        Parameter(
            metavar="SHARE", help="Share of the groups or blocks for the test split, chosen by a hash of their names."
        ),
    ] = 0.2,
    yaw_below: Annotated[
        float | None,
        Parameter(metavar="DEGREES", help="Keep only objects that are turned to the side by less than this."),
    ] = None,
) -> None:
    """Convert annotated pictures to a data folder: images, landmarks, poses, cameras, and a split on request."""
    from armillary.data.convert import convert as converted

    if block < 0:
        raise UsageError(f"--block {block}: needs at least 1")
    with progress() as bar:
        done = converted(
            folder,
            out,
            larger_z=larger_z,
            landmarks=landmarks,
            group=group,
            block=block,
            test=test,
            yaw_below=yaw_below,
            progress=lambda number, total: bar.count("pictures", number, total),
        )
    splits = "".join(f", {number} {name}" for name, number in done.splits.items())
    left = f"; {show.count(len(done.left_out), 'picture')} left out" if done.left_out else ""
    words = f"{show.count(done.pictures, 'picture')} with {show.count(len(done.points), 'point')}"
    show.message(f"{out}: {words}{splits}{left}")
