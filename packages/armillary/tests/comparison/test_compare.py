"""A comparison: what is run, what is kept, what a failure leaves, and that a second call only does what is missing."""

import contextlib
import io
import json
import signal
import sys

import attrs
import pytest

from armillary.cli import main
from armillary.comparison import runs
from armillary.comparison.compare import PAGE, PLAIN, TABLE, compare
from armillary.errors import ArmillaryError, RunError
from armillary.jobs import Outcome


class Quiet:
    """A reporter that keeps what it hears."""

    def __init__(self):
        self.heard = []

    def message(self, text):
        self.heard.append(text)

    def progress(self, **words):
        self.heard.append(words)


def in_this_process(toy_host, done, *more):
    """Return a stand-in for ``run_jobs``; it adds words to each command that trains."""

    def run_jobs(jobs, *, workers, on_line):
        (job,) = jobs
        done.append(job)
        added = more if job.arguments[0] == "train" else ()
        out, log = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(log):
            status = main([*job.arguments, *added])
        job.log.write_text(log.getvalue())
        text = out.getvalue()
        for line in text.splitlines():
            if line.startswith("{") and line.endswith("}"):
                on_line(job, json.loads(line))
        begin = text.rfind("\n{") + 1
        return [Outcome(job=job, status=status, output=text[begin:], errors=log.getvalue())]

    return run_jobs


@pytest.fixture
def jobs(toy_host, monkeypatch):
    """Jobs are done in this process; return those that were."""
    done = []
    monkeypatch.setattr(runs, "run_jobs", in_this_process(toy_host, done))
    monkeypatch.setattr("armillary.plugins.host.Host", lambda: toy_host)
    return done


def trained(jobs):
    """Return recipe and seed of each training that was begun."""
    begun = [job.arguments for job in jobs if job.arguments[0] == "train" and "--resume" not in job.arguments]
    return [(words[1], next(int(w[11:]) for w in words if w.startswith("--set=seed="))) for words in begun]


def run(toy_host, pictures, tmp_path, *recipes, **rest):
    given = {"data": pictures, "out": tmp_path / "c", "host": toy_host, "steps": 3, "reporter": Quiet()} | rest
    return compare(recipes, **given)


FAST = {"sets": ("cadence.preview=100",)}


def test_every_recipe_with_every_seed_is_a_run_and_the_table_has_their_mean(toy_host, pictures, tmp_path, jobs):
    made = run(toy_host, pictures, tmp_path, "toy:pairs", "slow=toy:pairs+optimiser.lr=1e-5", seeds=(0, 4), **FAST)
    assert trained(jobs) == [
        ("toy:pairs", 0),
        ("toy:pairs+optimiser.lr=1e-5", 0),
        ("toy:pairs", 4),
        ("toy:pairs+optimiser.lr=1e-5", 4),
    ]
    first, slow = made.rows[:2]
    assert (first.name, slow.name, slow.recipe) == ("toy:pairs", "slow", "toy:pairs+optimiser.lr=1e-5")
    assert (first.seeds, first.steps) == ((0, 4), 3.0)
    cell = first.cells["agreement", "apart"]
    assert cell.value == pytest.approx(sum(cell.values) / 2)
    assert cell.spread == pytest.approx(abs(cell.values[0] - cell.values[1]) / 2**0.5)
    assert first.parameters == slow.parameters
    assert first.parameters is not None
    assert first.parameters > 0
    assert first.seconds_a_step is not None
    assert first.seconds_a_step > 0
    assert first.peak_memory is not None
    assert first.peak_memory > 10e6
    assert not made.failed
    folder = tmp_path / "c"
    assert (folder / "runs" / "slow" / "seed-4" / "report.html").is_file()
    assert json.loads((folder / PLAIN).read_text())["rows"][0]["figures"]["agreement"]["apart"]["values"]
    assert (folder / TABLE).read_text().count("\n") == 3
    assert "slow" in (folder / PAGE).read_text()
    for file in folder.rglob("*.json"):
        assert str(tmp_path) not in file.read_text(), file


def test_a_second_call_does_what_is_missing_and_nothing_else(toy_host, pictures, tmp_path, jobs):
    first = run(toy_host, pictures, tmp_path, "toy:pairs", only=("agreement",), **FAST)
    assert [job.arguments[0] for job in jobs] == ["train", "evaluate"]
    again = run(toy_host, pictures, tmp_path, "toy:pairs", only=("agreement",), **FAST)
    assert len(jobs) == 2
    assert again.plain() == first.plain()
    wider = run(toy_host, pictures, tmp_path, "toy:pairs", "toy:smoke", only=("agreement", "centre"), **FAST)
    assert [job.arguments[0] for job in jobs[2:]] == ["evaluate", "train"]
    assert trained(jobs) == [("toy:pairs", 0), ("toy:smoke", 0)]
    assert {column.measure for column in wider.columns} == {"agreement", "centre"}
    assert wider.rows[0].cells["agreement", "apart"] == first.rows[0].cells["agreement", "apart"]
    assert wider.rows[0].steps == 3.0


def test_an_evaluator_of_one_recipe_measures_another_or_says_why_not(toy_host, pictures, tmp_path, jobs):
    """None suits all, so each measures whom it can; the third names none itself."""
    silent = tmp_path / "silent.toml"
    silent.write_text('extends = "toy:pairs"\nremove = ["evaluators"]\n')
    made = run(toy_host, pictures, tmp_path, "toy:pairs", "toy:paper", f"silent={silent}", **FAST)
    pairs, paper, other = made.rows[:3]
    assert paper.notes == (
        "agreement: needs source_labels, which it does not find",
        "centre: needs labels, which it does not find",
    )
    assert paper.seeds == (0,)
    assert paper.cells == {}
    assert other.cells.keys() == pairs.cells.keys() == {("agreement", "apart"), ("centre", "fitted")}


def test_a_recipe_that_fails_is_a_row_with_its_error(toy_host, pictures, tmp_path, jobs):
    """One cannot be planned, one stops in training, one cannot read the data; the last is measured as ever."""
    misfit = tmp_path / "misfit.toml"
    misfit.write_text('extends = "toy:smoke"\n[slots."picture.encoder"]\nuse = "toy:map"\n')
    blind = tmp_path / "blind.toml"
    blind.write_text('extends = "toy:smoke"\n[losses.l1]\nsettings = {breaks_at = 1}\n')
    made = run(toy_host, pictures, tmp_path, str(misfit), str(blind), "toy:pairs", **FAST)
    wrong, broken, good = made.rows[:3]
    assert "does not fit" in wrong.notes[0]
    assert broken.notes
    assert broken.seeds == ()
    assert good.seeds == (0,)
    assert good.cells
    assert made.failed
    again = run(toy_host, pictures, tmp_path, str(misfit), str(blind), "toy:pairs", **FAST)  # it is tried again
    assert again.rows[1].notes == broken.notes


def test_an_interrupted_run_goes_on(toy_host, pictures, tmp_path, jobs, monkeypatch):
    """The first call is told to stop; the second finishes the same run."""
    whole, short = in_this_process(toy_host, jobs), in_this_process(toy_host, [], "--set=budget.steps=2")

    def interrupted(jobs, **rest):
        (outcome,) = short(jobs, **rest)
        recipe = tmp_path / "c" / "runs" / "toy-pairs" / "seed-0" / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("steps = 2", "steps = 3"))
        said = json.dumps(outcome.result | {"outcome": "interrupted"})
        return [attrs.evolve(outcome, output=said, received=signal.SIGTERM)]

    monkeypatch.setattr(runs, "run_jobs", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(toy_host, pictures, tmp_path, "toy:pairs", **FAST)
    assert caught.value.args == (signal.SIGTERM,)
    kept = json.loads((tmp_path / "c" / PLAIN).read_text())
    assert kept["rows"][0]["notes"] == ["interrupted"]
    monkeypatch.setattr(runs, "run_jobs", whole)
    made = run(toy_host, pictures, tmp_path, "toy:pairs", **FAST)
    assert made.rows[0].steps == 3.0
    assert made.rows[0].notes == ()


def child(monkeypatch, code):
    """Make every job this program."""
    monkeypatch.setattr("armillary.jobs._COMMAND", (sys.executable, "-c", code))


def test_a_process_that_dies_is_a_row(toy_host, pictures, tmp_path, monkeypatch):
    child(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    made = run(toy_host, pictures, tmp_path, "toy:pairs")
    assert made.rows[0].notes == ("the process ended by SIGKILL; the system does this where memory runs out",)
    child(monkeypatch, "import sys; print('words', file=sys.stderr); sys.exit(3)")
    made = run(toy_host, pictures, tmp_path, "toy:pairs")
    assert made.rows[0].notes == ("the process ended with status 3; seed-0.log has its words",)
    assert "words" in (tmp_path / "c" / "runs" / "toy-pairs" / "seed-0.log").read_text()


def test_signals_are_passed_on(toy_host, pictures, tmp_path, monkeypatch):
    """The child interrupts its parent, waits for the signal to come back, and ends well."""
    if sys.platform == "win32":
        return
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "time.sleep(60)\n"
    )
    child(monkeypatch, code)
    with pytest.raises(KeyboardInterrupt):
        run(toy_host, pictures, tmp_path, "toy:pairs")


@pytest.mark.parametrize(
    ("recipes", "rest", "words"),
    [
        (("toy:pars",), {}, "did you mean 'toy:pairs'"),
        (("toy:pairs", "toy:pairs"), {}, "toy:pairs takes part twice"),
        (("nobody:*",), {}, "no installed recipe is called so"),
        (
            ("toy:pairs", "toy:paper"),
            {"steps": None},
            "the budgets differ: toy:pairs has 6 steps, toy:paper has 20 steps",
        ),
        (("toy:pairs",), {"only": ("agreemnt",)}, "did you mean 'agreement'"),
        (("toy:pairs",), {"seeds": (1, 1)}, "--seeds 1,1"),
        (("toy:pairs",), {"sets": ("optimiser.lr=-1.0",)}, "optimiser.lr"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_trained(toy_host, pictures, tmp_path, jobs, recipes, rest, words):
    with pytest.raises(ArmillaryError) as caught:
        run(toy_host, pictures, tmp_path, *recipes, **rest)
    assert words in str(caught.value)
    assert jobs == []
    assert not (tmp_path / "c").exists()


def test_a_folder_that_holds_something_else_is_refused(toy_host, pictures, tmp_path, jobs):
    run(toy_host, pictures, tmp_path, "toy:pairs", **FAST)
    with pytest.raises(RunError, match=r"another recipe \(optimiser.lr differ\).*NAME=toy:pairs"):
        run(toy_host, pictures, tmp_path, "toy:pairs", sets=("cadence.preview=100", "optimiser.lr=0.5"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("")
    with pytest.raises(RunError, match="is no comparison and not empty"):
        run(toy_host, pictures, tmp_path, "toy:pairs", out=other)
