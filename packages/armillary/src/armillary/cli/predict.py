"""Verb ``armillary predict``."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import FAILED, OK
from armillary.cli.flags import Accelerator, Stage, torch_device
from armillary.cli.progress import progress
from armillary.errors import DataError


def predict(
    run: Annotated[Path, Parameter(name="RUN", help="Folder of the run.")],
    paths: Annotated[tuple[Path, ...], Parameter(name="PATHS", help="Pictures, and folders of pictures.")],
    /,
    *,
    out: Annotated[Path, Parameter(metavar="DIR", help="Folder of the results.")],
    stage: Stage = None,
    views: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Also draw new views of each object, as a grid and as an animation; the stage, where none is named, is the "
            "last that can.",
        ),
    ] = False,
    animate: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Also draw each surface turned, and under a light that goes around: ID-turned.webp, ID-relit.webp.",
        ),
    ] = False,
    checkpoint: Annotated[
        str | None, Parameter(metavar="step-N", help="Checkpoint to load. Default: the newest.")
    ] = None,
    strict: Annotated[bool, Parameter(negative=(), help="Refuse bad files instead of skipping them.")] = False,
    accelerator: Accelerator = "cpu",
) -> int:
    """Find the geometry of new pictures: for each an npz with every output, PNGs to look at, and rows of CSV tables.

    A file that cannot be read is named and passed over; the status is 1 where none could be used.
    """
    from armillary.inference.predict import picture_files
    from armillary.inference.predict import predict as find
    from armillary.inference.prediction_files import write_predictions
    from armillary.inference.restore import restore
    from armillary.pages.illustrations import illustrated
    from armillary.pages.relight import animated, need_surface
    from armillary.plugins.host import Host
    from armillary.recipes.check import plan_recipe
    from armillary.training.folder import RunFolder

    host, folder = Host(), RunFolder.open(run)
    files = picture_files(paths)
    device = torch_device(accelerator)
    plan = plan_recipe(host, folder.recipe(host))
    if views:
        from armillary.pages.views import turning_stage

        stage = turning_stage(plan, wanted=stage)
    restored = restore(folder, host=host, plan=plan, stage=stage, checkpoint=checkpoint, device=device)
    for note in restored.notes:
        show.message(note)
    if animate:
        need_surface(restored.model.plan)
    bad: list[Path] = []
    with progress() as bar:

        def pass_over(file: Path, error: DataError) -> None:
            bad.append(file)
            bar.message(f"skipped {error}")

        found = find(restored, files, host=host, device=device, refused=None if strict else pass_over)
        found = animated(found, out) if animate else found
        found = illustrated(found, out, method=restored.model.method)
        done = 0
        for done, _ in enumerate(write_predictions(found, out), start=1):
            bar.count("pictures", done + len(bad), len(files))
        if views:
            _draw_views(restored, files, bad, host=host, device=device, out=out, bar=bar)
    passed = f", {show.count(len(bad), 'file')} skipped" if bad else ""
    show.message(f"{out}: {show.count(done, 'picture')} done{passed}")
    return OK if done else FAILED


def _draw_views(
    restored: Any, files: list[Path], bad: list[Path], *, host: Any, device: Any, out: Path, bar: Any
) -> None:
    from armillary.inference.predict import distinct_names
    from armillary.pages.views import ViewMaker, write_views

    maker = ViewMaker(restored, host, device=device)
    good = [(file, name) for file, name in zip(files, distinct_names(files), strict=True) if file not in bad]
    for done, (file, name) in enumerate(good, start=1):
        write_views(maker, file, out, name=name)
        bar.count("views", done, len(good))
