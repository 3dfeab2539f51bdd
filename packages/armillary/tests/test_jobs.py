"""Child processes: as many at once as asked for, in order, with their failures and the signals of the parent."""

import os
import signal
import sys
import time

import pytest

from armillary import jobs
from armillary.jobs import Job, run_jobs


@pytest.fixture
def program(monkeypatch):
    """Each job is a Python program."""
    monkeypatch.setattr(jobs, "_COMMAND", (sys.executable, "-c"))


def test_outcomes_in_the_order_of_the_jobs(program):
    first = Job(
        ("import time, json; print('noise'); print('{\"n\": 1}'); time.sleep(0.3); print('{\\n \"a\": {}\\n}')",)
    )
    second = Job(("import os; print('{\"n\": %s}' % os.environ['NUMBER'])",), environment={"NUMBER": "2"})
    lines = []
    found = run_jobs([first, second], workers=2, on_line=lambda job, line: lines.append((job, line)))
    assert [outcome.job for outcome in found] == [first, second]
    assert [outcome.result for outcome in found] == [{"a": {}}, {"n": 2}]
    assert sorted(line["n"] for _, line in lines) == [1, 2]
    assert {job for job, _ in lines} == {first, second}


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 2), (5, 3)])
def test_at_most_so_many_at_once(program, tmp_path, workers, most):
    code = (
        "import os, sys, time; from pathlib import Path; here = Path(sys.argv[1]); own = here / str(os.getpid())\n"
        "own.touch(); time.sleep(0.5); print('{\"seen\": %d}' % len(list(here.iterdir()))); own.unlink()"
    )
    found = run_jobs([Job((code, str(tmp_path)))] * 3, workers=workers)
    assert max(outcome.result["seen"] for outcome in found) <= most
    assert len(found) == 3


def test_a_failure_ends_the_others_or_not(program, tmp_path):
    wrong = Job(("import sys; print('{\"error\": \"no\"}'); sys.exit('the reason')",))
    slow = Job(("import time; time.sleep(60)",))
    began = time.monotonic()
    failed, ended = run_jobs([wrong, slow, slow], workers=2)
    assert time.monotonic() - began < 30
    assert (failed.status, failed.reason, failed.errors) == (1, "no", "the reason\n")
    assert ended.reason == "the process ended by SIGTERM"
    fine = Job(("print('{\"fine\": true}')",))
    assert run_jobs([wrong, fine], workers=1, go_on=True)[1].result == {"fine": True}


def test_signals_are_passed_on(program):
    kill = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    (outcome,) = run_jobs([Job((kill,)), Job(("",))], workers=1)
    assert (outcome.status, outcome.received) == (-signal.SIGTERM, signal.SIGTERM)


def test_an_error_of_the_listener_leaves_no_process(program):
    code = "import os, time; print('{\"pid\": %d}' % os.getpid(), flush=True); time.sleep(60)"
    seen = []

    def listen(job, line):
        seen.append(line["pid"])
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        run_jobs([Job((code,))], workers=1, on_line=listen)
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)
