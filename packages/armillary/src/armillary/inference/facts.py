"""Size, speed and memory of a training."""

import statistics
import sys
from typing import Any

import torch

from armillary.inference.restore import restore
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.training import checkpoint as checkpoints
from armillary.training.folder import RunFolder


def facts(folder: RunFolder, *, host: Host) -> dict[str, Any]:
    """Return facts of the run that this process has trained.

    Returns:
        ``steps`` done of ``of_steps`` and their ``seconds``, of all stages; ``seconds_a_step``, the median; ``peak_memory`` in
        bytes; ``parameters`` of the method that serves, missing where training has not reached it.
    """
    plan = plan_recipe(host, folder.recipe(host))
    rows = folder.metrics()
    steps, seconds, speeds = 0, 0.0, []
    whole = True
    for name, stage in plan.stages.items():
        newest, _ = checkpoints.newest(folder.checkpoints(name))
        if newest is None:
            whole = whole and stage.body["budget"]["steps"] == 0
            continue
        steps += newest.step
        seconds += float(newest.state()["seconds"])
        times = [row["seconds_a_step"] for row in rows if row.get("stage") == name and "seconds_a_step" in row]
        if times and newest.step:
            speeds.append(
                (newest.step, statistics.median(times[1:] or times))
            )  # the first window holds what is done once
    count = sum(number for number, _ in speeds)
    speed = sum(number * each for number, each in speeds) / count if count else seconds / steps if steps else None
    wanted = sum(stage.body["budget"]["steps"] for stage in plan.stages.values())
    memory = _peak_memory()
    found = {"steps": steps, "of_steps": wanted, "seconds": seconds, "seconds_a_step": speed, "peak_memory": memory}
    if whole:
        method = restore(folder, host=host, plan=plan).model.method
        found["parameters"] = sum(value.numel() for value in method.parameters())
    return found


def _peak_memory() -> int:
    """Return bytes: of the device where it is CUDA, otherwise of this process, libraries and data included."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
