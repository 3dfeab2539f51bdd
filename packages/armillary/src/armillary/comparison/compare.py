"""Several recipes on the same data, with the same budget, by the same evaluators: one table.

A folder holds the whole comparison: a run for each recipe and seed, a record beside each, ``comparison.json``, ``comparison.csv``
and ``index.html``, which are written anew after each run. A call that was interrupted goes on where it was; one with more recipes,
seeds or evaluators keeps what is there. Each run has a process of its own (:mod:`armillary.comparison.worker`).
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from armillary.comparison.page import write_page
from armillary.comparison.plan import (
    Contestant,
    Fit,
    Measure,
    contestants,
    digest,
    fits,
    measures,
    shared,
    written_table,
)
from armillary.comparison.table import Comparison, as_csv, tabulate
from armillary.comparison.worker import is_measured, portable, read_record
from armillary.errors import ArmillaryError, DataError, RunError
from armillary.files import write_text
from armillary.plugins.host import Host
from armillary.recipes.settings import DeviceConfig
from armillary.signals import Signals
from armillary.training.build import build_dataset
from armillary.training.folder import FAILED, FINISHED, RECIPE, RunFolder, environment
from armillary.training.reporter import LogReporter, Reporter

PAGE, TABLE, PLAIN = "index.html", "comparison.csv", "comparison.json"

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from armillary.comparison.worker import main; sys.exit(main())"


def compare(
    recipes: Sequence[str],
    *,
    data: Path,
    out: Path,
    host: Host,
    test_data: Path | None = None,
    seeds: Sequence[int] = (0,),
    sets: Sequence[str] = (),
    steps: int | None = None,
    seconds: float | None = None,
    only: Sequence[str] = (),
    device: DeviceConfig | None = None,
    assets: Mapping[str, Path] | None = None,
    reporter: Reporter | None = None,
) -> Comparison:
    """Train and measure every recipe with every seed; write and return the table.

    Args:
        recipes: ``RECIPE``, ``NAME=RECIPE``, patterns; see :func:`armillary.comparison.plan.contestants`.
        data: folder that all are trained on.
        out: folder of the comparison.
        host: where recipes and parts come from.
        test_data: folder that all are measured on; the test split of ``data`` where it is not given.
        seeds: a run each.
        sets: settings of all recipes.
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
    taking_part = contestants(host, recipes, seeds=seeds, sets=sets, steps=steps, seconds=seconds)
    wanted = measures(host, taking_part, only=only)
    able = {each.name: fits(host, each, wanted) for each in taking_part if not each.error}
    chosen = wanted if only else shared(wanted, able)
    _out_folder(out)
    plan = _Plan(
        host=host,
        out=out,
        data=data.absolute(),
        test_data=None if test_data is None else test_data.absolute(),
        device=device,
        assets={name: str(Path(path).absolute()) for name, path in (assets or {}).items()},
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
            received = _work(plan, trial)
        finally:
            written()
        if received:
            raise KeyboardInterrupt(received)
    return written()


@attrs.define(kw_only=True, eq=False)
class Trial:
    """A recipe with a seed.

    Args:
        contestant: whose run it is.
        seed: of weights, order and draws.
        place: of the run.
        record: file of what is known of it.
        digest: of the recipe.
        measured_on: digest of the data that it is measured on.
        error: why it cannot be run; empty where it can.
        fitting: entry of each measure that fits it, by the measure's key.
    """

    contestant: Contestant
    seed: int
    place: Path
    record: Path
    digest: str = ""
    measured_on: str = ""
    error: str = ""
    fitting: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def label(self) -> str:
        """Name and seed."""
        return f"{self.contestant.name}, seed {self.seed}"

    def known(self) -> dict[str, Any]:
        """Return the record of the run, of this recipe alone."""
        found = read_record(self.record)
        return found if found.get("recipe") == self.digest else {}

    def done(self, chosen: Iterable[Measure]) -> bool:
        """Return whether nothing is left to do."""
        found = self.known()
        return found.get("outcome") == FINISHED and all(
            is_measured(found, each.key, self.measured_on) for each in chosen if each.key in self.fitting
        )


@attrs.frozen(kw_only=True, eq=False)
class _Plan:
    """Settings that all trials share."""

    host: Host
    out: Path
    data: Path
    test_data: Path | None
    device: DeviceConfig
    assets: Mapping[str, str]
    measures: Sequence[Measure]
    able: Mapping[str, Mapping[str, Fit]]
    say: Reporter


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


def _trials(plan: _Plan, taking_part: Sequence[Contestant], seeds: Sequence[int]) -> list[Trial]:
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
                contestant=each,
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


def _marks(plan: _Plan, each: Contestant) -> tuple[str, str, str]:
    """Return digests of what a contestant trains on and is measured on, or why it cannot read them."""
    try:
        first = next(iter(each.plan.stages.values()))
        serves = each.plan.stages[each.plan.serves]
        train = build_dataset(plan.host, first, root=plan.data, split="train").fingerprint().digest
        test = build_dataset(plan.host, serves, root=plan.test_data or plan.data, split="all").fingerprint().digest
    except ArmillaryError as error:
        return "", "", portable(str(error), str(plan.data), str(plan.test_data or ""))
    return train, test, ""


def _same_run(trial: Trial, trained_on: str) -> None:
    """Refuse a folder that holds another run; a start that came to nothing is removed."""
    if not trial.place.exists():
        return
    if not (trial.place / RECIPE).is_file():
        shutil.rmtree(trial.place)
        return
    folder = RunFolder.open(trial.place)
    now, then = written_table(trial.contestant.plans[trial.seed].recipe), folder.recipe().written
    changed = [path for path, value in _leaves(now) if dict(_leaves(then)).get(path) != value]
    changed += [path for path, _ in _leaves(then) if path not in dict(_leaves(now))]
    if changed:
        raise RunError(
            f"{trial.place} holds a run of another recipe ({', '.join(changed[:4])} differ): choose another --out, or another "
            f"name for this one: NAME={trial.contestant.written}"
        )
    first = next(iter(trial.contestant.plan.stages))
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


def _budget(taking_part: Sequence[Contestant], *, steps: int | None, seconds: float | None) -> str:
    words = [*([f"{steps} steps"] if steps is not None else []), *([f"{seconds:g} s"] if seconds is not None else [])]
    if words:
        return ", ".join(words)
    own = [sum(s.body["budget"]["steps"] for s in each.plan.stages.values()) for each in taking_part if not each.error]
    return f"{own[0]} steps" if own else ""


# --- a run in a process of its own -----------------------------------------------------------------------------------


def _work(plan: _Plan, trial: Trial) -> int:
    """Run one trial; return the signal that this process received meanwhile, 0 for none."""
    log = trial.record.with_suffix(".log")
    trial.record.parent.mkdir(parents=True, exist_ok=True)
    status, received = _child(_job(plan, trial), log, lambda line: _tell(plan.say, trial, line))
    if log.is_file() and not log.stat().st_size:
        log.unlink()
    if status < 0 and not received:
        _failed(trial, f"the process ended by {signal.Signals(-status).name}{_maybe_memory(-status)}")
    elif status > 0 and not received:
        _failed(trial, f"the process ended with status {status}; {log.name} has its words")
    found = trial.known()
    if found.get("outcome") == FAILED:
        plan.say.message(f"{trial.label}: {found.get('error')}")
    return received


def _job(plan: _Plan, trial: Trial) -> dict[str, Any]:
    """Return all that the process has to know."""
    recipe = trial.contestant.plans[trial.seed].recipe
    return {
        "id": recipe.id,
        "table": written_table(recipe),
        "digest": trial.digest,
        "data": str(plan.data),
        "test_data": "" if plan.test_data is None else str(plan.test_data),
        "digest_of_data": trial.measured_on,
        "place": str(trial.place.absolute()),
        "record": str(trial.record.absolute()),
        "device": {key: value for key, value in attrs.asdict(plan.device).items() if value is not None},
        "assets": dict(plan.assets),
        "measures": [
            {"key": each.key, "name": each.name, "entry": trial.fitting[each.key]}
            for each in plan.measures
            if each.key in trial.fitting
        ],
    }


def _child(job: Mapping[str, Any], log: Path, hear: Callable[[str], None]) -> tuple[int, int]:
    """Give a job to a process; return its status, and the signal that this process received meanwhile."""
    with log.open("ab") as words:
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            start_new_session=True,  # the terminal's signals come to us, who pass them on
            text=True,
            encoding="utf-8",
        )
    assert child.stdin is not None
    assert child.stdout is not None

    def pass_on(first: bool) -> None:
        """End the run after its step, with a checkpoint; at a second signal, at once."""
        if child.poll() is None:
            child.terminate() if first else child.kill()

    try:
        with Signals(pass_on) as signals, child.stdout:
            with contextlib.suppress(BrokenPipeError), child.stdin as jobs:  # it may die early: its status says how
                json.dump(job, jobs)
            for line in child.stdout:
                hear(line)
            return child.wait(), signals.received
    finally:
        if child.poll() is None:
            child.kill()


def _tell(say: Reporter, trial: Trial, line: str) -> None:
    words = json.loads(line)
    if "message" in words:
        say.message(f"{trial.label}: {words['message']}")
        return
    stage = trial.label if words["stage"] == "main" else f"{trial.label}, {words['stage']}"
    say.progress(stage=stage, step=words["step"], steps=words["steps"], row=words["row"])


def _failed(trial: Trial, error: str) -> None:
    found = trial.known() | {"recipe": trial.digest}
    if found.get("outcome") == FINISHED:  # it died while it was measured
        found["measuring"] = error
    else:
        found |= {"outcome": FAILED, "error": error}
    write_text(trial.record, json.dumps(found, indent=2) + "\n")


def _maybe_memory(number: int) -> str:
    return "; the system does this where memory runs out" if number == 9 else ""
