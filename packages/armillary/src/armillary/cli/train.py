"""Verb ``armillary train``."""

import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import OK, UsageError, after_signal
from armillary.cli.flags import DeviceFlags, Json, RecipeFlags, assets, torch_device
from armillary.cli.progress import is_first, progress


def train(
    recipe: Annotated[str | None, Parameter(name="RECIPE", help="plugin:recipe, or a TOML file.")] = None,
    /,
    *,
    data: Annotated[Path | None, Parameter(metavar="DIR", help="Folder of pictures.")] = None,
    out: Annotated[Path | None, Parameter(metavar="RUN", help="Folder of the run; must not exist or be empty.")] = None,
    resume: Annotated[
        Path | None, Parameter(metavar="RUN", help="Go on with a run from its newest checkpoint; takes no RECIPE.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        Parameter(
            metavar="step-N",
            help="With --resume: go on from this one; later ones are set aside. Not given: the newest.",
        ),
    ] = None,
    init: Annotated[
        Path | None,
        Parameter(metavar="RUN", help="Begin with the weights of this run, where names and shapes are the same."),
    ] = None,
    flags: RecipeFlags | None = None,
    observers: Annotated[
        tuple[str, ...],
        Parameter(name="--with", negative=(), metavar="PLUGIN", help="Notify this plugin of the run. Repeatable."),
    ] = (),
    asset: Annotated[
        tuple[str, ...],
        Parameter(name="--asset", negative=(), metavar="NAME=FILE", help="A file that parts need. Repeatable."),
    ] = (),
    strict: Annotated[bool, Parameter(negative=(), help="Refuse bad files instead of passing over them.")] = False,
    device: DeviceFlags | None = None,
    json: Json = False,
) -> int:
    """Train a recipe on a folder of pictures; everything goes into the folder of the run.

    SIGINT and SIGTERM end it after the step, with a checkpoint; --resume goes on from there.
    """
    flags, device = flags or RecipeFlags(), device or DeviceFlags()
    if data is None:
        raise UsageError("--data is missing: which folder of pictures? armillary train RECIPE --data DIR --out RUN")
    if resume is not None:
        _only_resume(recipe, out, init, flags, strict)
        return _ended(_resume(resume, data, checkpoint, flags, observers, asset, device, json), data, json)
    if checkpoint is not None:
        raise UsageError(
            "--checkpoint is of a run to go on with: armillary train --resume RUN --checkpoint step-N --data DIR"
        )
    if recipe is None:
        raise UsageError("RECIPE is missing: choose one: armillary recipes list")
    if out is None:
        raise UsageError("--out is missing: where does the run go? armillary train RECIPE --data DIR --out RUN")
    return _ended(_train(recipe, data, out, init, flags, observers, asset, strict, device, json), data, json)


def _train(
    recipe: str,
    data: Path,
    out: Path,
    init: Path | None,
    flags: RecipeFlags,
    observers: tuple[str, ...],
    asset: tuple[str, ...],
    strict: bool,
    device: DeviceFlags,
    json: bool,
) -> Any:
    from armillary.plugins.host import Host
    from armillary.recipes.check import check
    from armillary.recipes.recipe import complete

    config, host = device.config(), Host()
    found = flags.resolve(host, recipe, strict=strict)
    for note in found.notes if is_first() else ():
        show.message(f"note: {note}")
    plan = check(host, complete(host, found))  # before the seconds that torch takes
    if plan.missing:
        words = [
            f"{', '.join(slots)}: taken from another run: --from {name}=RUN" for name, slots in plan.missing.items()
        ]
        raise UsageError("\n".join(words))
    for line in plan.bindings() if is_first() else ():
        show.message(f"note: {line}")
    files = assets(asset)
    torch_device(config.accelerator)
    from armillary.pages.observers import built_in
    from armillary.training import train as training
    from armillary.training.folder import RunFolder

    with progress(lines=json) as bar:
        return training.train(
            plan,
            data=data,
            out=out,
            host=host,
            device=config,
            assets=files,
            init=RunFolder.open(init) if init is not None else None,
            runs=flags.others()[0],
            observers=built_in(host),
            trackers=observers,
            reporter=bar,
        )


def _resume(
    run: Path,
    data: Path,
    checkpoint: str | None,
    flags: RecipeFlags,
    observers: tuple[str, ...],
    asset: tuple[str, ...],
    device: DeviceFlags,
    json: bool,
) -> Any:
    from armillary.plugins.host import Host

    config, files, host = device.config(), assets(asset), Host()
    torch_device(config.accelerator)
    from armillary.pages.observers import built_in
    from armillary.training import train as training
    from armillary.training.folder import RunFolder

    with progress(lines=json) as bar:
        return training.resume(
            RunFolder.open(run),
            data=data,
            host=host,
            device=config,
            assets=files,
            observers=built_in(host),
            trackers=observers,
            reporter=bar,
            steps=flags.steps,
            seconds=flags.seconds,
            checkpoint=checkpoint,
        )


def _only_resume(recipe: str | None, out: Path | None, init: Path | None, flags: RecipeFlags, strict: bool) -> None:
    given = [
        *([recipe] if recipe else []),
        *(["--out"] if out else []),
        *(["--init"] if init else []),
        *flags.given(),
        *(["--strict"] if strict else []),
    ]
    if given:
        raise UsageError(
            f"{', '.join(given)} cannot be given with --resume: the run goes on with the recipe that it holds, or it would "
            "not be the same run; --steps, --seconds, --checkpoint, --with, --asset and the flags of the device may change"
        )


def _ended(trained: Any, data: Path, json: bool) -> int:
    status = after_signal(trained.signal) if trained.signal else OK
    if not is_first():
        return status
    if json:
        from armillary.inference.facts import facts
        from armillary.plugins.host import Host

        found = facts(trained.folder, host=Host())
        show.as_json({"outcome": trained.outcome, "signal": trained.signal, **found})
        return status
    run, where = shlex.quote(str(trained.folder.path)), shlex.quote(str(data))
    resume = f"armillary train --resume {run} --data {where}"
    if trained.signal:
        show.message(f"interrupted; the last checkpoint is in {run}. To go on:\n  {resume}")
        return status
    commands = (
        f"armillary evaluate {run} --data {where}",
        f"armillary predict {run} PICTURES --out predictions",
        *([f"armillary export {run} PICTURE --format glb"] if trained.meshes else []),
        f"{resume} --steps N",
    )
    lines = "\n  ".join(commands)
    show.message(f"finished: {trained.folder.path / 'report.html'}\nnext:\n  {lines}")
    return status
