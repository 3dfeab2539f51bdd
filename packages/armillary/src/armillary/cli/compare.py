"""Verb ``armillary compare``."""

import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import FAILED, OK, UsageError
from armillary.cli.flags import DeviceFlags, Json, assets, torch_device
from armillary.cli.progress import progress


def compare(
    *recipes: Annotated[
        str,
        Parameter(
            name="RECIPE",
            help="plugin:recipe, a TOML file, or NAME=RECIPE to call it so in the table; with +PATCH for each change of it; "
            "default: '*:quick', every installed recipe of that name.",
        ),
    ],
    data: Annotated[Path | None, Parameter(metavar="DIR", help="Folder that all are trained on.")] = None,
    test_data: Annotated[
        Path | None,
        Parameter(metavar="DIR", help="Folder that all are measured on. Default: the test split of --data."),
    ] = None,
    out: Annotated[
        Path, Parameter(metavar="DIR", help="Folder of the runs, the table and the page; an existing one is continued.")
    ] = Path("comparison"),
    seeds: Annotated[str, Parameter(metavar="N,N,...", help="One run per seed: 0,1,2.")] = "0",
    steps: Annotated[
        int | None,
        Parameter(metavar="N", help="Total steps per run; stages share them in the proportions of the recipe."),
    ] = None,
    seconds: Annotated[
        float | None,
        Parameter(metavar="S", help="Total seconds per run; a recipe that finishes its steps ends earlier."),
    ] = None,
    only: Annotated[
        tuple[str, ...],
        Parameter(
            name="--only",
            negative=(),
            metavar="EVALUATOR",
            help="Measure by this one: its id, or its name in a recipe. Default: those that suit all. Repeatable.",
        ),
    ] = (),
    sets: Annotated[
        tuple[str, ...],
        Parameter(name="--set", negative=(), metavar="PATH=VALUE", help="A setting of all recipes. Repeatable."),
    ] = (),
    without: Annotated[
        tuple[str, ...],
        Parameter(
            name="--without",
            negative=(),
            metavar="NAME",
            help="Leave out a loss or an evaluator of each recipe that has it. Repeatable.",
        ),
    ] = (),
    asset: Annotated[
        tuple[str, ...],
        Parameter(name="--asset", negative=(), metavar="NAME=FILE", help="A file that parts need. Repeatable."),
    ] = (),
    device: DeviceFlags | None = None,
    json: Json = False,
    csv: Annotated[bool, Parameter(name="--csv", negative=(), help="Print CSV.")] = False,
) -> int:
    """Train several recipes on the same data with the same budget, measure them by the same evaluators, print one table."""
    if json and csv:
        raise UsageError("--json and --csv: print one of them; the folder of --out has both")
    if data is None:
        raise UsageError(
            "--data is missing: which folder of pictures? armillary compare RECIPE RECIPE --data DIR --steps N"
        )
    numbers = _seeds(seeds)
    for flag, value in (("--steps", steps), ("--seconds", seconds)):
        if value is not None and value <= 0:
            raise UsageError(f"{flag} {value}: needs a number above 0")
    config, files = (device or DeviceFlags()).config(), assets(asset)
    torch_device(config.accelerator)
    from armillary.comparison.compare import PAGE
    from armillary.comparison.compare import compare as compare_all
    from armillary.comparison.table import as_csv
    from armillary.plugins.host import Host

    try:
        with progress() as bar:
            made = compare_all(
                recipes,
                data=data,
                test_data=test_data,
                out=out,
                host=Host(),
                seeds=numbers,
                sets=sets,
                without=without,
                steps=steps,
                seconds=seconds,
                only=only,
                device=config,
                assets=files,
                reporter=bar,
            )
    except KeyboardInterrupt:
        show.message("the run under way has kept its last checkpoint; the same command goes on")
        raise
    if json:
        show.as_json(made.plain())
    elif csv:
        show.data(as_csv(made).rstrip("\n"))
    else:
        _print(made)
    show.message(f"open this file: {shlex.quote(str((out / PAGE).resolve()))}")
    return FAILED if made.failed else OK


def _seeds(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words) or len(set(words)) != len(words):
        raise UsageError(f"--seeds {text}: needs whole numbers, each once, with commas between: --seeds 0,1,2")
    return tuple(map(int, words))


def _print(made: Any) -> None:
    show.facts(made.about)
    rows = []
    for row in made.rows:
        memory = "" if row.peak_memory is None else f"{row.peak_memory / 1e6:.0f} MB"
        steps = "" if row.steps is None else f"{row.steps:.0f}"
        size = "" if row.parameters is None else f"{row.parameters:,}"
        speed = "" if row.seconds_a_step is None else f"{row.seconds_a_step:.3g}"
        cells = [_cell(row.cells.get((column.measure, column.figure))) for column in made.columns]
        rows.append([row.name, size, steps, speed, memory, *cells])
    heads = [column.head + (" (higher is better)" if column.better == "higher" else "") for column in made.columns]
    show.table(rows, columns=["recipe", "parameters", "steps", "s per step", "peak memory", *heads])
    for row in made.rows:
        for note in row.notes:
            show.data(f"{row.name}: {note}")
    for text in (*made.protocols.values(), *made.notes):
        show.message(f"note: {text}")


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell.value:.3f}" + ("" if cell.spread is None else f" ± {cell.spread:.3f}")
