"""Training on a CUDA device, and the script that measures it there."""

import subprocess
import sys
from pathlib import Path

import pytest

from armillary.plugins.host import Host

ROOT = Path(__file__).parent.parent
SMOKE = sorted(id for id in Host().components("recipe") if id.endswith(":smoke"))


@pytest.fixture(scope="module")
def gpu():
    """The script of the measures."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import gpu
    finally:
        sys.path.pop(0)
    return gpu


def test_smoke_recipes_were_found():
    assert {id.partition(":")[0] for id in SMOKE} == {"keypoints", "labelling", "photogeo", "spherical", "unsup3d"}


@pytest.mark.cuda
@pytest.mark.parametrize("recipe", SMOKE)
def test_two_steps_have_the_losses_of_the_cpu(gpu, tmp_path, recipe):
    """To a percent: convolutions round to 10 bits of mantissa on CUDA by torch's default.

    The masks of key points are drawn on the device, so there they are others: the losses are close in size alone.
    """
    tolerance = 0.3 if recipe.startswith("keypoints") else 1e-2
    jobs = [gpu.Job(recipe=recipe, device=device, steps=2, seconds=120.0, count=24) for device in ("cpu", "cuda")]
    cpu, cuda = (gpu.trained(job, tmp_path).losses for job in jobs)
    assert [*cuda] == [*cpu]
    assert all(len(losses) == 2 for losses in cpu.values())
    for stage, losses in cpu.items():
        assert cuda[stage] == pytest.approx(losses, rel=tolerance, abs=1e-3), stage


def test_the_script_runs_dry(clean_environment):
    """On the CPU, for one method: a row with the loss of its second step, and no rate."""
    command = [sys.executable, "benchmarks/gpu.py", "--dry", "unsup3d"]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, head, row = done.stdout.splitlines()
    assert head.split()[:2] == ["method", "stage"]
    name, stage, loss = row.split()
    assert (name, stage) == ("unsup3d", "main")
    assert 0.0 < float(loss) < 100.0


def test_a_failed_job_is_named(gpu, tmp_path):
    job = gpu.Job(recipe="unsup3d:none", device="cpu", steps=1, seconds=1.0, count=8)
    found = {"cuda": gpu.in_a_process(job, tmp_path, limit=60.0), "cpu": gpu.in_a_process(job, tmp_path, limit=1.0)}
    first, second = gpu.rows("unsup3d", found)
    assert "unsup3d:none" in first
    assert second.endswith("cpu: no time left")


def test_rates_are_told_beside_each_other(gpu):
    clock = gpu.Clock()
    clock.ends["main"] = [0.0, 5.0, 6.0, 7.0, 7.5, 8.0, 9.0]  # three warm steps, then 0.5, 0.5 and 1 second
    found = {"cuda": {"main": {"rate": clock.rate("main"), "loss": 1.0}}, "cpu": {"main": {"rate": 0.5, "loss": 1.5}}}
    assert gpu.rows("unsup3d", found)[0].split() == ["unsup3d", "main", "0.5", "2", "4.0x", "1.5", "1"]
