"""Processes that make items: what goes wrong in one is said here, and nothing waits for ever."""

import os
import signal
import textwrap
import time

import numpy as np
import pytest

from armillary.data.workers import _Worker, crew
from armillary.data.writer import Layout
from armillary.errors import DataError
from armillary.interfaces.generator import Generator

GENERATOR = """
    import os, sys
    import numpy as np
    from armillary.interfaces.generator import Generator

    class Odd(Generator):
        def __init__(self, how="", ballast=0):
            self.how, self.ballast = how, np.zeros(ballast)

        @classmethod
        def build(cls, config, *, size, seed):
            return cls()

        def item(self, index):
            print("generators may print", flush=True)
            if index == 2 and self.how == "raise":
                raise ArithmeticError("the generator ends here")
            if index == 2 and self.how == "value":
                raise ValueError("a wrong value")
            if index == 2 and self.how == "die":
                os._exit(9)
            if self.how == "threads":
                return {"image": np.full((3, 2, 2), float(os.environ["OMP_NUM_THREADS"]), np.float32)}
            return {"image": np.full((3, 2, 2), index / 10, np.float32)}

        def describe(self):
            return {}

        def __setstate__(self, state):
            if state["how"] == "import":
                raise ImportError("no module named 'gone'")
            self.__dict__.update(state)
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """The class of a generator, in a module that other processes can import."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "odd_of_a_test.py").write_text(textwrap.dedent(GENERATOR))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.delitem(__import__("sys").modules, "odd_of_a_test", raising=False)
    return __import__("odd_of_a_test").Odd


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "out" / ".making" / "rows").mkdir(parents=True)
    return Layout(tmp_path / "out", None, (), ("image",))


def test_two_workers_share_the_items(odd, layout):
    with crew(odd(), 2) as makers:
        assert makers.probe() == (("image",), None)
        assert list(makers.write(layout, range(5))) == [1, 2, 3, 4, 5]
    assert len(list((layout.root / "images").iterdir())) == 5


def test_a_slow_listener_takes_nothing_of_the_next_task(odd, layout, monkeypatch):
    """Whoever listened to the first task has ended when the second begins, also where threads are slow."""
    real = _Worker.listen

    def slow(self, said):
        class Slow:
            def put(self, answer):
                said.put(answer)
                time.sleep(0.2)

        real(self, Slow())

    monkeypatch.setattr(_Worker, "listen", slow)
    with crew(odd(), 1) as makers:
        makers.probe()
        assert list(makers.write(layout, range(2))) == [1, 2]


def test_workers_have_one_thread_and_the_parents_environment_stays(odd, layout, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with crew(odd("threads"), 1) as makers:
        list(makers.write(layout, [0]))  # a value of 7 would be refused
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("raise", RuntimeError, r"(?s)ArithmeticError: the generator ends here.*in item"),
        ("value", ValueError, "^a wrong value$"),
        ("die", DataError, r"ended with status 9 .*type the same command again, with fewer --workers"),
        ("import", ValueError, r"cannot be imported in another process \(no module named 'gone'\); use workers=0"),
    ],
)
@pytest.mark.parametrize("ballast", [0, 100_000])
def test_what_ends_a_worker_is_said(odd, layout, how, error, message, ballast):
    """With ballast the generator is larger than a pipe holds, and the parent must not wait for a reader that is gone."""
    with crew(odd(how, ballast), 2) as makers, pytest.raises(error, match=message):
        list(makers.write(layout, range(6)))


def test_a_worker_that_was_killed_before_it_was_asked(odd, layout):
    with crew(odd(), 1) as makers:
        process = makers.workers[0].process
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(DataError, match="ended with status -9"):
            list(makers.write(layout, [0]))


def test_no_process_outlives_the_crew(odd, layout):
    with crew(odd(), 2) as makers:
        processes = [worker.process for worker in makers.workers]
    assert all(process.returncode is not None for process in processes)


def test_a_generator_that_cannot_be_sent(layout):
    class Local(Generator):
        @classmethod
        def build(cls, config, *, size, seed):
            return cls()

        def item(self, index):
            return {"image": np.zeros((3, 2, 2), np.float32)}

        def describe(self):
            return {}

    with (
        pytest.raises(ValueError, match=r"Local cannot be sent to another process .*; use workers=0"),
        crew(Local(), 1),
    ):
        pass
    with crew(Local(), 0) as makers:
        assert list(makers.write(layout, [0])) == [1]
