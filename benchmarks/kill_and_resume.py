"""Comparison of a training that is killed at random moments and resumed with an undisturbed one.

    python benchmarks/kill_and_resume.py --kills 20

Trains ``unsup3d:smoke`` with a checkpoint every few steps. After each kill the newest checkpoint must be whole, and no file of
the run but hidden drafts may be damaged; at the end the weights must equal the undisturbed run's bit for bit.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import torch

from armillary.training.checkpoint import found, newest


def main() -> int:
    """Return 0 if every kill was survived and the two runs are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        data, out, whole = Path(scratch) / "data", Path(scratch) / "run", Path(scratch) / "whole"
        armillary("data", "make", "synthetic:heads", str(data), "--count", "48", "--size", "16").check_returncode()
        begin = [
            *("train", "unsup3d:smoke", "--data", str(data), "--steps", str(arguments.steps)),
            *("--set", "cadence.checkpoint=2", "--set", "cadence.log=1", "--set", "cadence.preview=10000"),
        ]
        go_on = ["train", "--resume", str(out), "--data", str(data)]
        reached = -1
        for kill in range(arguments.kills):
            command = go_on if (out / "recipe.toml").is_file() else [*begin, "--out", str(out)]
            moment = killed_at_random(command, out, reached, draw)
            checkpoint, passed = newest(out / "checkpoints")
            if checkpoint is None or passed:
                print(f"kill {kill + 1}: no whole checkpoint: {passed}")
                return 1
            checkpoint.verify()
            check_files(out)
            print(f"kill {kill + 1:2d}: {moment:.3f} s after a checkpoint; goes on from step {checkpoint.step}")
            reached = checkpoint.step
        armillary(*go_on).check_returncode()
        armillary(*begin, "--out", str(whole)).check_returncode()
        weights = [newest(run / "checkpoints")[0] for run in (out, whole)]
        one, other = (each.weights() for each in weights if each)
        equal = set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)
        rows = [len((run / "metrics.jsonl").read_text().splitlines()) for run in (out, whole)]
        print(
            f"{arguments.kills} kills survived; final weights equal the undisturbed run's bit for bit: {equal}; rows {rows}"
        )
        return 0 if equal and rows[0] == rows[1] else 1


def armillary(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line to its end."""
    return subprocess.run([sys.executable, "-m", "armillary", *words], capture_output=True, check=False)


def killed_at_random(command: list[str], out: Path, reached: int, draw: random.Random) -> float:
    """Start ``command``, wait until it has saved a step after ``reached``, and kill it up to a tenth of a second later."""
    process = subprocess.Popen(
        [sys.executable, "-m", "armillary", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not any(each.step > reached for each in found(out / "checkpoints")):
        if process.poll() is not None:
            raise SystemExit(f"it ended by itself with {process.returncode}: {' '.join(command)}")
        time.sleep(0.001)
    moment = draw.random() * 0.1
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return moment


def check_files(out: Path) -> None:
    """Read every file that a killed run may have been writing."""
    tomllib.loads((out / "recipe.toml").read_text())
    for name in ("plugins.json", "data.json", "environment.json"):
        json.loads((out / name).read_text())


if __name__ == "__main__":
    sys.exit(main())
