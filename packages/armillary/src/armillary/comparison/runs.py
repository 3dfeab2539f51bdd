"""The runs of a comparison: each is trained by ``armillary train`` and measured by ``armillary evaluate``, as child processes.

A record beside each run is written after each step, so that a comparison that was interrupted knows what is done.
A process has a peak of memory of its own, and its death ends no other run.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from armillary.comparison.plan import Entry, Fit, Measure
from armillary.config import write_toml
from armillary.files import write_text
from armillary.jobs import Job, Outcome, run_jobs
from armillary.plugins.host import Host
from armillary.recipes.settings import DeviceConfig
from armillary.training.folder import FAILED, FINISHED, RECIPE
from armillary.training.reporter import Reporter

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@attrs.define(kw_only=True, eq=False)
class Trial:
    """A recipe with a seed.

    Args:
        entry: whose run it is.
        seed: of weights, order and draws.
        place: of the run.
        record: file of what is known of it.
        digest: of the recipe.
        measured_on: digest of the data that it is measured on.
        error: why it cannot be run; empty where it can.
        fitting: evaluator's entry of each measure that fits it, by the measure's key.
    """

    entry: Entry
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
        return f"{self.entry.name}, seed {self.seed}"

    def known(self) -> dict[str, Any]:
        """Return the record of the run, of this recipe alone; empty where it cannot be read."""
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and found.get("recipe") == self.digest else {}

    def keep(self, **found: Any) -> dict[str, Any]:
        """Add to the record; return it."""
        record = {"recipe": self.digest, **self.known(), **found}
        write_text(self.record, json.dumps(record, indent=2) + "\n")
        return record

    def left(self, chosen: Iterable[Measure]) -> list[Measure]:
        """Return the measures that fit and have not measured the run on these very data."""
        measured = self.known().get("measured", {})
        return [
            each
            for each in chosen
            if each.key in self.fitting and measured.get(each.key, {}).get("digest") != self.measured_on
        ]

    def done(self, chosen: Iterable[Measure]) -> bool:
        """Return whether nothing is left to do."""
        return self.known().get("outcome") == FINISHED and not self.left(chosen)


@attrs.frozen(kw_only=True, eq=False)
class Shared:
    """Data, device, measures and reporter of all trials."""

    host: Host
    out: Path
    data: Path
    test_data: Path | None
    device: DeviceConfig
    assets: Mapping[str, Path]
    measures: Sequence[Measure]
    able: Mapping[str, Mapping[str, Fit]]
    say: Reporter

    def portable(self, text: str, *places: Path) -> str:
        """Return a text for a page without the folders above these: a comparison can be moved and sent around."""
        for path in (*places, self.data, *([self.test_data] if self.test_data else [])):
            text = text.replace(str(path), path.name)
        return text


def run_trial(shared: Shared, trial: Trial) -> None:
    """Train and measure what is not done yet; the record has the result.

    Raises:
        KeyboardInterrupt: a signal was received; the run has saved a checkpoint.
    """
    trial.record.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = trial.known()
        if found.get("outcome") != FINISHED:
            found = _train(shared, trial, found.get("peak_memory") or 0)
        if found.get("outcome") == FINISHED:
            _measure(shared, trial)
        elif found.get("outcome") == FAILED:
            shared.say.message(f"{trial.label}: {found.get('error')}")
    finally:
        log = _log(trial)
        if log.is_file() and not log.stat().st_size:
            log.unlink()


def _train(shared: Shared, trial: Trial, memory: int) -> dict[str, Any]:
    device = attrs.asdict(shared.device)
    flags = {key: device[key] for key in ("accelerator", "precision", "workers", "threads")}
    words = [f"--{key}={value}" for key, value in flags.items() if value is not None]
    words += [f"--asset={name}={path}" for name, path in shared.assets.items()]
    if (trial.place / RECIPE).is_file():
        words += ["--resume", str(trial.place)]
    else:
        sets = (f"--set={each}" for each in trial.entry.sets[trial.seed])
        left_out = (f"--without={each}" for each in trial.entry.without)
        words = [trial.entry.written, *sets, *left_out, *words, "--out", str(trial.place)]
    outcome = _run(shared, trial, "train", *words, "--data", str(shared.data))
    result = outcome.result
    if "outcome" in result:
        found = trial.keep(error="", **result | {"peak_memory": max(memory, result["peak_memory"])})
    elif outcome.received:
        found = trial.known()
    else:
        found = trial.keep(outcome=FAILED, error=shared.portable(outcome.reason, trial.place.absolute(), trial.place))
    if outcome.received:
        raise KeyboardInterrupt(outcome.received)
    return found


def _measure(shared: Shared, trial: Trial) -> None:
    """Measure by all at once; where this fails, by each alone, so that one evaluator stops no other."""
    wanted = trial.left(shared.measures)
    if not wanted:
        return
    found = _measured(shared, trial, wanted)
    if len(wanted) > 1 and all(set(each) == {"error"} for each in found.values()):
        found = {}
        for each in wanted:
            found |= _measured(shared, trial, [each])
    marked = {key: {**value, "digest": trial.measured_on} for key, value in found.items()}
    trial.keep(measured={**trial.known().get("measured", {}), **marked})


def _measured(shared: Shared, trial: Trial, wanted: Sequence[Measure]) -> dict[str, dict[str, Any]]:
    """Return the result of each measure by its key."""
    file = trial.record.with_suffix(".evaluators.toml")
    write_text(file, write_toml({"evaluators": {each.name: trial.fitting[each.key] for each in wanted}}))
    fit = () if shared.test_data is None else ("--fit-data", str(shared.data))
    accelerator = shared.device.accelerator if shared.device.accelerator in ("auto", "cuda") else "cpu"
    words = (str(trial.place), "--data", str(shared.test_data or shared.data), *fit, "--evaluators", str(file))
    try:
        outcome = _run(shared, trial, "evaluate", *words, "--accelerator", accelerator)
    finally:
        file.unlink()
    if outcome.received:
        raise KeyboardInterrupt(outcome.received)
    result = outcome.result
    if outcome.status or "evaluators" not in result:
        error = shared.portable(outcome.reason, trial.place.absolute(), trial.place)
        return {each.key: {"error": error} for each in wanted}
    about = {key: result[key] for key in ("step", "split", "items", "stage")} | {"data": result["data"]["name"]}
    left = result.get("left_out", {})
    return {
        each.key: {**result["evaluators"][each.name], **about}
        if each.name in result["evaluators"]
        else {"error": left.get(each.name, "nothing was measured")}
        for each in wanted
    }


def _run(shared: Shared, trial: Trial, *words: str) -> Outcome:
    threads = shared.device.threads
    environment = {} if threads is None else {name: str(threads) for name in _THREADS}
    job = Job((*words, "--json"), environment=environment, log=_log(trial))
    (outcome,) = run_jobs([job], workers=1, on_line=lambda _, line: _tell(shared.say, trial, line))
    return outcome


def _log(trial: Trial) -> Path:
    return trial.record.with_suffix(".log")


def _tell(say: Reporter, trial: Trial, line: Mapping[str, Any]) -> None:
    if "message" in line:
        say.message(f"{trial.label}: {line['message']}")
    elif "steps" in line and "row" in line:
        stage = trial.label if line["stage"] == "main" else f"{trial.label}, {line['stage']}"
        say.progress(stage=stage, step=line["step"], steps=line["steps"], row=line["row"])
