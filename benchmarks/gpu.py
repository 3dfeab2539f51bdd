"""Checks and speed on a CUDA device within ten minutes.

Runs the tests marked ``cuda``, then trains a few steps of the quick recipe of each method on the GPU and on the CPU, on
synthetic data made on the spot, and prints one table. Each training is a process of its own with a limit of time; a job that
no time is left for is named and skipped. Without a CUDA device it is a dry run: two steps on the CPU for each method, which
shows that the script works and measures nothing.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --dry unsup3d
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from armillary.data import make as folders
from armillary.data.generators import build_generator
from armillary.plugins.host import Host
from armillary.recipes.recipe import Overrides, Recipe, resolve
from armillary.recipes.settings import DeviceConfig
from armillary.recipes.stages import prefix
from armillary.training.observers import Observer, StageRun
from armillary.training.train import train

ROOT = Path(__file__).parent.parent
SECONDS = 570.0
TESTS = ("packages", "integration_tests/test_devices.py")
TESTS_SECONDS, JOB_SECONDS = 240.0, 90.0
WARM = 3
"""Steps that are not timed: the first ones choose algorithms and fill caches."""


@attrs.frozen(kw_only=True)
class Job:
    """One training.

    Args:
        recipe: its id.
        device: ``cpu`` or ``cuda``.
        steps: of each stage, at most.
        seconds: of each stage, at most.
        count: pictures.
    """

    recipe: str
    device: str
    steps: int
    seconds: float
    count: int


class Clock(Observer):
    """Loss and end of each step, by stage."""

    title = "clock"

    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.ends: dict[str, list[float]] = {}

    def logged(self, stage: StageRun, step: int, row: Mapping[str, float]) -> None:
        self.losses.setdefault(stage.model.plan.name, []).append(row["loss"])

    def step_ended(self, stage: StageRun, step: int) -> None:
        if stage.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.setdefault(stage.model.plan.name, []).append(time.perf_counter())

    def rate(self, stage: str) -> float | None:
        """Return steps per second, by the median; None after too few steps."""
        ends = self.ends[stage]
        times = [after - before for before, after in itertools.pairwise(ends)]
        return 1 / statistics.median(times[WARM:]) if times[WARM:] else None


def trained(job: Job, folder: Path) -> Clock:
    """Train on data made for the recipe, and return what was seen; the data stay in the folder for the next job."""
    host, clock = Host(), Clock()
    recipe = resolve(host, job.recipe)
    data = made(host, recipe, folder / "data", count=job.count)
    sets = {"budget.steps": job.steps, "budget.seconds": job.seconds, "cadence.log": 1}
    short = Overrides(sets=tuple(f"{prefix(s)}{path}={value}" for s in recipe.bodies for path, value in sets.items()))
    with tempfile.TemporaryDirectory(dir=folder) as out:
        device = DeviceConfig(accelerator=job.device)  # type: ignore[arg-type]
        run = Path(out) / "run"
        train(resolve(host, job.recipe, short), data=data, out=run, host=host, device=device, observers=[clock])
    return clock


def made(host: Host, recipe: Recipe, folder: Path, *, count: int) -> Path:
    """Return a folder of pictures of the generator that the recipe names."""
    body = recipe.bodies[recipe.serves]
    entry, size = body["generator"], body.get("data", {}).get("settings", {}).get("size", 64)
    built = build_generator(host, entry["use"], entry.get("settings", {}), size=size, seed=0)
    place = folder / f"{entry['use'].replace(':', '-')}-{size}-{count}"
    how = {"name": built.id, "settings": built.settings, "size": size, "seed": 0, "count": count}
    folders.make(built.generator, place, **how, workers=0)
    return place


def in_a_process(job: Job, folder: Path, *, limit: float) -> dict[str, Any]:
    """Return stage to rate and last loss; a failure has the key ``error``. After an error of CUDA a process is of no use."""
    if limit < 5.0:
        return {"error": "no time left"}
    command = [sys.executable, __file__, "--job", json.dumps(attrs.asdict(job)), str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {limit:.0f} s"}
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["no word"]
    return {"error": lines[-1]} if done.returncode else json.loads(lines[-1])


def report(words: str, folder: str) -> None:
    """Do the job of a child, and print what :func:`in_a_process` reads."""
    clock = trained(Job(**json.loads(words)), Path(folder))
    print(json.dumps({stage: {"rate": clock.rate(stage), "loss": clock.losses[stage][-1]} for stage in clock.ends}))


def tests_pass(deadline: float) -> bool:
    """Run the tests that need a CUDA device."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", *TESTS]
    try:
        limit = min(TESTS_SECONDS, deadline - time.monotonic())
        return subprocess.run(command, cwd=ROOT, timeout=limit, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"tests: not done in {TESTS_SECONDS:.0f} s", flush=True)
        return False


def rows(method: str, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table of one method, from device to what its job found."""
    lines = [f"{method:12}{device}: {each['error']}" for device, each in found.items() if "error" in each]
    good = {device: each for device, each in found.items() if "error" not in each}
    for stage in next(iter(good.values()), {}):
        cells = [good.get(device, {}).get(stage, {}) for device in ("cpu", "cuda")]
        rates, losses = ([cell.get(key) for cell in cells] for key in ("rate", "loss"))
        times = f"{rates[1] / rates[0]:.1f}x" if all(rates) else ""
        numbers = [f"{value:.4g}" if value is not None else "" for value in (*rates, *losses)]
        lines.append(f"{method:12}{stage:12}" + "".join(f"{cell:>12}" for cell in (*numbers[:2], times, *numbers[2:])))
    return lines


def main(words: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a test or a training failed."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("methods", nargs="*", help="ids; all installed methods by default")
    flags.add_argument("--dry", action="store_true", help="two steps on the CPU: shows that the script works")
    flags.add_argument("--seconds", type=float, default=SECONDS, help="limit of the whole")
    flags.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = flags.parse_args(words)
    if options.job:
        report(*options.job)
        return 0
    deadline, cuda = time.monotonic() + options.seconds, torch.cuda.is_available()
    print(
        f"torch {torch.__version__}, {torch.cuda.get_device_name() if cuda else 'no CUDA device: a dry run on the CPU'}"
    )
    dry = options.dry or not cuda
    fine = dry or tests_pass(deadline)
    quick = [id for id in Host().components("recipe") if id.endswith(":quick")]
    columns = ("cpu steps/s", "cuda steps/s", "ratio", "cpu loss", "cuda loss")
    print(f"\n{'method':12}{'stage':12}" + "".join(f"{column:>12}" for column in columns), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for id in quick:
            method, found = id.partition(":")[0], {}
            if options.methods and method not in options.methods:
                continue
            for device in ("cpu",) if dry else ("cuda", "cpu"):
                small = (
                    {"steps": 2, "seconds": 60.0, "count": 24} if dry else {"steps": 40, "seconds": 8.0, "count": 96}
                )
                limit = min(JOB_SECONDS, deadline - time.monotonic())
                found[device] = in_a_process(Job(recipe=id, device=device, **small), Path(scratch), limit=limit)
            print("\n".join(rows(method, found)), flush=True)
            fine &= not any("error" in each for each in found.values())
    return not fine


if __name__ == "__main__":
    sys.exit(main())
