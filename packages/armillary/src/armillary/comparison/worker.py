"""One run of a comparison, in a process of its own: trained, gone on with, measured.

The process reads its job from standard input and tells what it does on standard output, a line of JSON each. What it found stands
in a record beside the run, written whole after each step, so that a comparison that was interrupted knows what is done.
A process of its own has a peak of memory of its own, and takes nobody with it when it dies.
"""

import json
import os
import statistics
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from armillary.errors import ArmillaryError
from armillary.files import write_text
from armillary.training.folder import FAILED, FINISHED, RECIPE, RunFolder


def main() -> int:
    """Do the job on standard input; the status is 0 also where the run failed, which its record says."""
    job = json.load(sys.stdin)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what plugins print goes to the log
        return work(job, _Teller(out))


class _Teller:
    """A reporter that writes lines of JSON."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, **words: Any) -> None:
        self._out.write(json.dumps(words) + "\n")
        self._out.flush()

    def message(self, text: str) -> None:
        self.tell(message=text)

    def progress(self, *, stage: str, step: int, steps: int, row: Mapping[str, object]) -> None:
        self.tell(stage=stage, step=step, steps=steps, row={k: v for k, v in row.items() if isinstance(v, int | float)})


def work(job: Mapping[str, Any], teller: Any) -> int:
    """Train and measure; return 0: how it went is in the record.

    Args:
        job: as :func:`armillary.comparison.compare.compare` makes it.
        teller: reporter of the training.
    """
    file = Path(job["record"])
    record = read_record(file)
    if record.get("recipe") != job["digest"]:
        record = {"recipe": job["digest"]}

    def keep(**found: Any) -> None:
        record.update(found)
        write_text(file, json.dumps(record, indent=2) + "\n")

    if record.get("outcome") != FINISHED:
        trained = _guarded(job, lambda: _train(job, record, teller))
        keep(**trained)
        if record["outcome"] != FINISHED:
            return 0
    wanted = [measure for measure in job["measures"] if not is_measured(record, measure["key"], job["digest_of_data"])]
    if wanted:
        found = _guarded(job, lambda: _measure(job, wanted, teller))
        if found.get("outcome") == FAILED:
            found = {"measured": {each["key"]: {"error": found["error"]} for each in wanted}}
        marked = {key: {**value, "digest": job["digest_of_data"]} for key, value in found["measured"].items()}
        keep(measured={**record.get("measured", {}), **marked})
    return 0


def read_record(file: Path) -> dict[str, Any]:
    """Return what is known of a run; nothing where nothing can be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_measured(record: Mapping[str, Any], key: str, digest: str) -> bool:
    """Return whether a run was measured by this measure on these very data."""
    return record.get("measured", {}).get(key, {}).get("digest") == digest


def _guarded(job: Mapping[str, Any], action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what the action returns, or that it failed; a bug's traceback goes to the log."""
    try:
        return action()
    except ArmillaryError as error:
        text = str(error)
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
    return {"outcome": FAILED, "error": portable(text, job["place"], job["test_data"], job["data"])}


def portable(text: str, *paths: str) -> str:
    """Return a text for a page without the folders above these paths: a comparison can be moved and sent around."""
    for path in paths:
        text = text.replace(path, Path(path).name) if path else text
    return text


# --- training --------------------------------------------------------------------------------------------------------


def _train(job: Mapping[str, Any], record: Mapping[str, Any], teller: Any) -> dict[str, Any]:
    from armillary.config import structure
    from armillary.pages.observers import built_in
    from armillary.plugins.host import Host
    from armillary.recipes.check import plan_recipe
    from armillary.recipes.recipe import from_table
    from armillary.recipes.settings import DeviceConfig
    from armillary.training import train as training

    host, place = Host(), Path(job["place"])
    common = {
        "data": Path(job["data"]),
        "host": host,
        "device": structure(job["device"], DeviceConfig),
        "assets": {name: Path(path) for name, path in job["assets"].items()},
        "observers": built_in(host),
        "reporter": teller,
    }
    plan = plan_recipe(host, from_table(job["table"], id=job["id"]))
    if (place / RECIPE).is_file():
        trained = training.resume(RunFolder.open(place), **common)
    else:
        trained = training.train(plan, out=place, **common)
    memory = max(_peak_memory(), record.get("peak_memory") or 0)
    found = facts(RunFolder.open(place), host, plan)
    return {"outcome": trained.outcome, "signal": trained.signal, "error": "", "peak_memory": memory, **found}


def facts(folder: RunFolder, host: Any, plan: Any) -> dict[str, Any]:
    """Return size and speed of a run: parameters of the method that serves, steps and seconds of all stages."""
    from armillary.inference.restore import restore
    from armillary.training import checkpoint as checkpoints

    rows = folder.metrics()
    steps, seconds, speeds = 0, 0.0, []
    for name in plan.stages:
        newest, _ = checkpoints.newest(folder.checkpoints(name))
        if newest is None:
            continue
        steps += newest.step
        seconds += float(newest.state()["seconds"])
        times = [row["seconds_a_step"] for row in rows if row.get("stage") == name and "seconds_a_step" in row]
        if times and newest.step:
            # The first window holds what is done once.
            speeds.append((newest.step, statistics.median(times[1:] or times)))
    count = sum(number for number, _ in speeds)
    speed = sum(number * each for number, each in speeds) / count if count else seconds / steps if steps else None
    wanted = sum(stage.body["budget"]["steps"] for stage in plan.stages.values())
    found: dict[str, Any] = {"steps": steps, "of_steps": wanted, "seconds": seconds, "seconds_a_step": speed}
    if all(
        stage.body["budget"]["steps"] == 0 or checkpoints.newest(folder.checkpoints(n))[0]
        for n, stage in plan.stages.items()
    ):
        method = restore(folder, host=host, plan=plan).model.method
        found["parameters"] = sum(value.numel() for value in method.parameters())
    return found


def _peak_memory() -> int | None:
    """Return bytes: of the device where it is CUDA, otherwise of this process, libraries and data included."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# --- measuring -------------------------------------------------------------------------------------------------------


def _measure(job: Mapping[str, Any], wanted: list[dict[str, Any]], teller: Any) -> dict[str, Any]:
    """Return what each measure found; where all together fail, each is tried by itself, so that one hurts no other."""
    try:
        return {"measured": _measured(job, wanted, teller)}
    except Exception:
        if len(wanted) == 1:
            raise
    found: dict[str, Any] = {}
    for one in wanted:
        alone = _guarded(job, lambda one=one: {"measured": _measured(job, [one], teller)})
        found |= alone.get("measured") or {one["key"]: {"error": alone["error"]}}
    return {"measured": found}


def _measured(job: Mapping[str, Any], wanted: list[dict[str, Any]], teller: Any) -> dict[str, Any]:
    import torch

    from armillary.inference.evaluate import evaluate
    from armillary.pages.observers import built_in
    from armillary.plugins.host import Host
    from armillary.recipes.check import plan_recipe

    host, folder = Host(), RunFolder.open(Path(job["place"]))
    plan = plan_recipe(host, folder.recipe(host))
    data = Path(job["data"])
    cuda = job["device"].get("accelerator") in ("auto", "cuda") and torch.cuda.is_available()
    entry = evaluate(
        folder,
        data=Path(job["test_data"]) if job["test_data"] else data,
        fit_data=data if job["test_data"] else None,
        host=host,
        plan=plan,
        evaluators={each["name"]: each["entry"] for each in wanted},
        device=torch.device("cuda" if cuda else "cpu"),
        observers=built_in(host),
        reporter=teller,
    )
    about = {key: entry[key] for key in ("step", "split", "items", "stage")} | {"data": entry["data"]["name"]}
    found = {}
    for each in wanted:
        if each["name"] in entry["evaluators"]:
            found[each["key"]] = {**entry["evaluators"][each["name"]], **about}
        else:
            found[each["key"]] = {"error": entry.get("left_out", {}).get(each["name"], "nothing was measured")}
    return found


if __name__ == "__main__":
    raise SystemExit(main())
