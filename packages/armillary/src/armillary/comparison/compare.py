"""Several recipes on the same data, with the same budget, by the same evaluators: one table.

A folder holds the whole comparison: a run for each recipe and seed, a record beside each, ``comparison.json``, ``comparison.csv``
and ``index.html``, which are written anew after each run. A call that was interrupted goes on where it was; one with more recipes,
seeds or evaluators keeps what is there. Each run has processes of its own (:mod:`armillary.comparison.runs`).
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from armillary.comparison.page import write_page
from armillary.comparison.plan import (
    Entry,
    digest,
    entries,
    fits,
    measures,
    shared,
    written_table,
)
from armillary.comparison.runs import Shared, Trial, run_trial
from armillary.comparison.table import Comparison, as_csv, tabulate
from armillary.errors import ArmillaryError, DataError, RunError
from armillary.files import write_text
from armillary.plugins.host import Host
from armillary.recipes.settings import DeviceConfig
from armillary.training.build import build_dataset
from armillary.training.folder import RECIPE, RunFolder, environment
from armillary.training.reporter import LogReporter, Reporter

PAGE, TABLE, PLAIN = "index.html", "comparison.csv", "comparison.json"


def compare(
    recipes: Sequence[str],
    *,
    data: Path,
    out: Path,
    host: Host,
    test_data: Path | None = None,
    seeds: Sequence[int] = (0,),
    sets: Sequence[str] = (),
    without: Sequence[str] = (),
    steps: int | None = None,
    seconds: float | None = None,
    only: Sequence[str] = (),
    device: DeviceConfig | None = None,
    assets: Mapping[str, Path] | None = None,
    reporter: Reporter | None = None,
) -> Comparison:
    """Train and measure every recipe with every seed; write and return the table.

    Args:
        recipes: ``RECIPE``, ``NAME=RECIPE``, patterns; see :func:`armillary.comparison.plan.entries`.
        data: folder that all are trained on.
        out: folder of the comparison.
        host: where recipes and parts come from.
        test_data: folder that all are measured on; the test split of ``data`` where it is not given.
        seeds: a run each.
        sets: settings of all recipes.
        without: losses and evaluators to leave out of each recipe that has them.
        steps: the budget of each run.
        seconds: the same in seconds.
        only: evaluators, by id or by their name in a recipe; those that suit all recipes where none are named.
        device: where to compute.
        assets: files that parts ask for, by name.
        reporter: where words go.

    Raises:
        ArmillaryError: wrong input, before anything is trained.
        KeyboardInterrupt: a signal came; the run under way has saved a checkpoint.
    """
    say = reporter or LogReporter()
    device = device or DeviceConfig()
    if device.devices > 1:
        raise RunError(f"--devices {device.devices}: a comparison trains each run on one device")
    _need_seeds(seeds)
    for flag, folder in (("--data", data), ("--test-data", test_data)):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{flag} {folder}: there is no such folder")
    taking_part = entries(host, recipes, seeds=seeds, sets=sets, without=without, steps=steps, seconds=seconds)
    wanted = measures(host, taking_part, only=only)
    able = {each.name: fits(host, each, wanted) for each in taking_part if not each.error}
    chosen = wanted if only else shared(wanted, able)
    _out_folder(out)
    plan = Shared(
        host=host,
        out=out,
        data=data.absolute(),
        test_data=None if test_data is None else test_data.absolute(),
        device=device,
        assets={name: Path(path).absolute() for name, path in (assets or {}).items()},
        measures=chosen,
        able=able,
        say=say,
    )
    trials = _trials(plan, taking_part, seeds)
    about = {
        "data": data.absolute().name,
        "test data": test_data.absolute().name if test_data else "",
        "seeds": list(seeds),
        "budget": _budget(taking_part, steps=steps, seconds=seconds),
        "recipes": len(taking_part),
    }

    def written() -> Comparison:
        made = tabulate(taking_part, trials, measures=wanted, chosen=chosen, able=able, about=about)
        write_text(out / PLAIN, json.dumps(made.plain() | {"environment": environment()}, indent=2) + "\n")
        write_text(out / TABLE, as_csv(made))
        write_page(out / PAGE, made, taking_part, trials)
        return made

    for number, trial in enumerate(trials, start=1):
        if trial.error or trial.done(chosen):
            continue
        say.message(f"{trial.label}: run {number} of {len(trials)}")
        try:
            run_trial(plan, trial)
        finally:
            written()
    return written()


def _need_seeds(seeds: Sequence[int]) -> None:
    if not seeds or any(seed < 0 for seed in seeds) or len(set(seeds)) != len(seeds):
        listed = ",".join(map(str, seeds))
        raise RunError(f"--seeds {listed}: needs whole numbers of at least 0, each once: --seeds 0,1,2")


def _out_folder(out: Path) -> None:
    """Make the folder; refuse one that holds something else."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / PLAIN).is_file())):
        raise RunError(f"--out {out}: is no comparison and not empty: choose another --out")
    try:
        (out / "runs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--out {out}: cannot be made: {error.strerror}") from error
    if not (out / PLAIN).is_file():
        write_text(out / PLAIN, "{}\n")


def _trials(plan: Shared, taking_part: Sequence[Entry], seeds: Sequence[int]) -> list[Trial]:
    """Return what has to be run, a seed after the other, so that all recipes have their first before any its second.

    Raises:
        RunError: a folder holds a run of another recipe, or on other data.
    """
    trials = []
    marks: dict[str, tuple[str, str, str]] = {}
    for seed in seeds:
        for each in taking_part:
            base = plan.out / "runs" / each.folder
            trial = Trial(
                entry=each,
                seed=seed,
                place=base / f"seed-{seed}",
                record=base / f"seed-{seed}.json",
                error=each.error,
            )
            trials.append(trial)
            if each.error:
                continue
            if each.name not in marks:
                marks[each.name] = _marks(plan, each)
            trained_on, trial.measured_on, trial.error = marks[each.name]
            trial.digest = digest(each.plans[seed].recipe)
            trial.fitting = {key: fit.entry for key, fit in plan.able[each.name].items() if fit.entry is not None}
            if not trial.error:
                _same_run(trial, trained_on)
    return trials


def _marks(plan: Shared, each: Entry) -> tuple[str, str, str]:
    """Return digests of what an entry trains on and is measured on, or why it cannot read them."""
    try:
        first = next(iter(each.plan.stages.values()))
        serves = each.plan.stages[each.plan.serves]
        train = build_dataset(plan.host, first, root=plan.data, split="train").fingerprint().digest
        test = build_dataset(plan.host, serves, root=plan.test_data or plan.data, split="all").fingerprint().digest
    except ArmillaryError as error:
        return "", "", plan.portable(str(error))
    return train, test, ""


def _same_run(trial: Trial, trained_on: str) -> None:
    """Refuse a folder that holds another run; a start that came to nothing is removed."""
    if not trial.place.exists():
        return
    if not (trial.place / RECIPE).is_file():
        shutil.rmtree(trial.place)
        return
    folder = RunFolder.open(trial.place)
    now, then = written_table(trial.entry.plans[trial.seed].recipe), folder.recipe().written
    changed = [path for path, value in _leaves(now) if dict(_leaves(then)).get(path) != value]
    changed += [path for path, _ in _leaves(then) if path not in dict(_leaves(now))]
    if changed:
        raise RunError(
            f"{trial.place} holds a run of another recipe ({', '.join(changed[:4])} differ): choose another --out, or another "
            f"name for this one: NAME={trial.entry.written}"
        )
    first = next(iter(trial.entry.plan.stages))
    was = folder.read_json("data.json", {}).get(first, {})
    if was and was.get("digest") != trained_on:
        raise RunError(f"{trial.place} was trained on other data ({was.get('name')}): choose another --out")


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            yield here, value


def _budget(taking_part: Sequence[Entry], *, steps: int | None, seconds: float | None) -> str:
    words = [*([f"{steps} steps"] if steps is not None else []), *([f"{seconds:g} s"] if seconds is not None else [])]
    if words:
        return ", ".join(words)
    own = [sum(s.body["budget"]["steps"] for s in each.plan.stages.values()) for each in taking_part if not each.error]
    return f"{own[0]} steps" if own else ""
