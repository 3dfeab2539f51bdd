"""Tests that need something a machine may lack: they are skipped there, and every run says how many.

``ARMILLARY_DATA`` names a folder of real pictures, which nobody may ship; ``@pytest.mark.realdata("cats_faces64")`` asks
for folders in it, and the fixture ``real_data`` gives their place.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_skipped: dict[str, int] = {}
_asked: dict[str, int] = {}
_said: list[str] = []


def real_data_folder() -> Path | None:
    """Return the folder of real pictures, None where there is none."""
    value = os.environ.get("ARMILLARY_DATA")
    return Path(value).resolve() if value else None


def browser_path() -> str | None:
    """Return a Chromium on this machine, None where there is none."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


@pytest.fixture
def real_data() -> Path:
    """The folder of real pictures; only for tests marked ``realdata``."""
    folder = real_data_folder()
    if folder is None:
        raise RuntimeError("mark the test with @pytest.mark.realdata")
    return folder


@pytest.fixture
def browser() -> str:
    """The path of a Chromium; only for tests marked ``browser``."""
    path = browser_path()
    if path is None:
        raise RuntimeError("mark the test with @pytest.mark.browser")
    return path


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> str:
    """The CPU, and a CUDA device where there is one."""
    return request.param


@pytest.fixture
def right_on(device: str) -> Callable[..., None]:
    """Hold values and gradients of a function in float32 on the device to those in float64 on the CPU.

    ``right_on(function, *tensors)``; the tolerance is 1e-4 of the largest value, or ``tolerance=``.
    """
    import torch

    def found(function: Callable[..., Any], tensors: Sequence[Any], where: str, dtype: Any) -> list[Any]:
        given = [
            x.detach().to(where, dtype).requires_grad_() if x.is_floating_point() else x.to(where) for x in tensors
        ]
        result = function(*given)
        values = [result] if isinstance(result, torch.Tensor) else [*result]
        assert {value.device.type for value in values} == {where}
        smooth = [value for value in values if value.requires_grad]
        if smooth:  # by a weight of its own for each entry: the squares of a rotation add up to a constant
            pulls = [torch.arange(v.numel(), dtype=torch.float64).cos().view_as(v).to(v) for v in smooth]
            torch.autograd.backward(smooth, pulls)
        return [*values, *(x.grad for x in given if x.grad is not None)]

    def check(function: Callable[..., Any], *tensors: Any, tolerance: float = 1e-4) -> None:
        exact = found(function, tensors, "cpu", torch.float64)
        for value, want in zip(found(function, tensors, device, torch.float32), exact, strict=True):
            value, want = value.detach().cpu().double(), want.detach().double()
            torch.testing.assert_close(value, want, atol=tolerance * max(want.abs().max().item(), 1e-3), rtol=0)

    return check


def _missing_data(mark: pytest.Mark) -> str | None:
    folder = real_data_folder()
    if folder is None:
        return "ARMILLARY_DATA is not set"
    missing = [name for name in mark.args if not (folder / name).exists()]
    return f"{folder} lacks {', '.join(missing)}" if missing else None


def _missing_browser(_mark: pytest.Mark) -> str | None:
    return None if browser_path() else "no Chromium on the path"


def _missing_cuda(_mark: pytest.Mark) -> str | None:
    import torch

    return None if torch.cuda.is_available() else "no CUDA device"


_NEEDS = {"realdata": _missing_data, "browser": _missing_browser, "cuda": _missing_cuda}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, and count it."""
    for name, missing in _NEEDS.items():
        for mark in item.iter_markers(name):
            _asked[name] = _asked.get(name, 0) + 1
            reason = missing(mark)
            if reason is not None:
                _skipped[name] = _skipped.get(name, 0) + 1
                pytest.skip(f"{name}: {reason}")


@pytest.fixture(scope="session")
def say() -> Callable[[str], None]:
    """Have a line printed at the end of the run: how much was tried, and how long it took."""
    return _said.append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker of pytest-xdist counted to the process that prints."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counted"] = [_asked, _skipped, _said]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the workers of pytest-xdist counted."""
    asked, skipped, said = getattr(node, "workeroutput", {}).get("counted", ({}, {}, []))
    for total, part in ((_asked, asked), (_skipped, skipped)):
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    _said.extend(said)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of the tests, and for each need how many tests had it and how many were skipped for want of it."""
    for line in _said:
        terminalreporter.write_line(line)
    for name, asked in sorted(_asked.items()):
        terminalreporter.write_line(f"{name}: {asked - _skipped.get(name, 0)} run, {_skipped.get(name, 0)} skipped")
