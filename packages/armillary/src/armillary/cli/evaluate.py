"""Verb ``armillary evaluate``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import UsageError
from armillary.cli.flags import Accelerator, Json, Stage, torch_device
from armillary.cli.progress import progress
from armillary.config import read_toml

_UNITS = {"degree": "degrees", "1e-2": "x 0.01"}


def evaluate(
    run: Annotated[Path, Parameter(name="RUN", help="Folder of the run.")],
    /,
    *,
    data: Annotated[Path, Parameter(metavar="DIR", help="Folder of pictures with ground truth.")],
    stage: Stage = None,
    split: Annotated[
        str | None,
        Parameter(
            metavar="SPLIT",
            help="train, val, test or all. Default: test where the data has a split of its own or the run was trained "
            "on it, else all.",
        ),
    ] = None,
    fit_data: Annotated[
        Path | None,
        Parameter(metavar="DIR", help="Folder that baselines are fitted on (the average depth). Default: --data."),
    ] = None,
    checkpoint: Annotated[
        str | None, Parameter(metavar="step-N", help="Checkpoint to load. Default: the newest.")
    ] = None,
    only: Annotated[
        tuple[str, ...],
        Parameter(
            name="--only",
            negative=(),
            metavar="EVALUATOR",
            help="Only this evaluator: its name in the recipe, or the id of an installed one. Repeatable.",
        ),
    ] = (),
    sets: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            negative=(),
            metavar="PATH=VALUE",
            help="Add or change an evaluator, or a setting of the data: --set evaluators.x.use=ID, --set data.crop=100. "
            "Repeatable.",
        ),
    ] = (),
    without: Annotated[
        tuple[str, ...],
        Parameter(name="--without", negative=(), metavar="NAME", help="Leave out an evaluator. Repeatable."),
    ] = (),
    crop: Annotated[str | None, Parameter(metavar="VALUE", help="Short for --set data.crop=VALUE.")] = None,
    evaluators: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            help="TOML file with tables [evaluators.NAME], measured by in place of those of the recipe.",
        ),
    ] = None,
    untrained: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Measure the same networks before their first step too: the figures of an untrained network.",
        ),
    ] = False,
    observers: Annotated[
        tuple[str, ...],
        Parameter(
            name="--with",
            negative=(),
            metavar="PLUGIN",
            help="Notify this plugin too, besides those that were notified of the training. Repeatable.",
        ),
    ] = (),
    accelerator: Accelerator = "cpu",
    json: Json = False,
) -> None:
    """Measure a run by its recipe's evaluators or any other, beside trivial baselines on the same pictures."""
    from armillary.inference.evaluate import evaluate as measure
    from armillary.pages.observers import built_in
    from armillary.plugins.host import Host
    from armillary.recipes.measures import Changes
    from armillary.training.folder import RunFolder

    host, folder = Host(), RunFolder.open(run)
    changes = Changes(
        sets=(*sets, *([] if crop is None else [f"data.crop={crop}"])),
        only=only,
        without=without,
        evaluators=None if evaluators is None else _entries(evaluators),
    )
    with progress() as bar:
        entry = measure(
            folder,
            data=data,
            host=host,
            changes=changes,
            stage=stage,
            split=split,
            fit_data=fit_data,
            checkpoint=checkpoint,
            untrained=untrained,
            device=torch_device(accelerator),
            observers=built_in(host),
            trackers=observers,
            reporter=bar,
        )
    if json:
        show.as_json(entry)
        return
    for name, result in entry["evaluators"].items():
        _print(name, result, entry)
    show.message(f"kept in {folder.path / 'report.html'}")


def _entries(file: Path) -> dict[str, Any]:
    """Return the entries of a file of evaluators."""
    table = read_toml(file)
    entries = table.get("evaluators")
    if len(table) != 1 or not isinstance(entries, dict) or not all(isinstance(each, dict) for each in entries.values()):
        raise UsageError(f"--evaluators {file}: needs tables [evaluators.NAME], as a recipe has them, and nothing else")
    return entries


def _print(name: str, result: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    place = f"{entry['data']['name']}, split {entry['split']}"
    show.data(f"{name} ({result['id']}) on {show.count(entry['items'], 'item')} of {place}, step {entry['step']}")
    measures = [*result["figures"]]
    rows = [["this run", *(f"{_figure(found := result['figures'][each])}{_interval(found)}" for each in measures)]]
    for baseline, figures in (*result["baselines"].items(), *result.get("oracles", {}).items()):
        rows.append([baseline, *(_figure(figures[each]) if each in figures else "" for each in measures)])
    show.table(rows, columns=["", *(_measure(each, result["figures"][each]) for each in measures)])
    if result.get("fitted_on"):
        show.data(f"average fitted on {result['fitted_on']}")
    for note in result.get("notes", ()):
        show.data(f"note: {note}")


def _figure(figure: Mapping[str, Any]) -> str:
    spread = f" ± {figure['spread']:.3f}" if figure.get("spread") is not None else ""
    return f"{figure['value']:.3f}{spread}"


def _interval(figure: Mapping[str, Any]) -> str:
    """Return the 95 % interval, of the run alone: guesses are there to be beaten."""
    return " [{:.3f}, {:.3f}]".format(*figure["interval"]) if figure.get("interval") else ""


def _measure(name: str, figure: Mapping[str, Any]) -> str:
    unit = figure.get("unit", "")
    return f"{name} ({_UNITS.get(unit, unit)})" if unit else name
