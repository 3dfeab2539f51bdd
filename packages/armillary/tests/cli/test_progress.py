"""What is said while something runs."""

import pytest

from armillary.cli.progress import BarProgress, LineProgress, NoProgress, is_first, progress

ROW = {"loss": 0.25, "seconds_a_step": 0.5}


def test_lines_come_at_the_end_and_not_at_every_step(capsys):
    with LineProgress() as lines:
        for step in range(1, 11):
            lines.progress(stage="main", step=step, steps=10, row=ROW)
        lines.message("skipped a.png")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["step 10 of 10, loss 0.25, 0.5 s per step", "skipped a.png"]


def test_lines_come_again_after_a_while(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("armillary.cli.progress.time.monotonic", lambda: now[0])
    with LineProgress() as lines:
        for done in range(1, 4):
            now[0] += 11.0
            lines.count("pictures", done, 100)
    assert capsys.readouterr().err.splitlines() == [f"pictures: {done} of 100" for done in (1, 2, 3)]


def test_a_stage_of_several_is_named(capsys):
    with LineProgress() as lines:
        lines.progress(stage="shapes", step=4, steps=4, row={})
    assert capsys.readouterr().err == "shapes step 4 of 4\n"


def test_the_bar_takes_square_brackets_as_they_are(capsys):
    """A file name is no markup."""
    with BarProgress() as bar:
        bar.progress(stage="main", step=1, steps=2, row=ROW)
        bar.count("pictures", 3, 4)
        bar.message("skipped a[1].png")
    text = capsys.readouterr().err
    assert "a[1].png" in text
    assert "training" in text
    assert "3/4" in text


@pytest.mark.parametrize(
    ("name", "rank", "first"), [("RANK", "0", True), ("LOCAL_RANK", "1", False), ("RANK", "3", False)]
)
def test_of_several_processes_only_the_first_speaks(monkeypatch, capsys, name, rank, first):
    for variable in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(variable, raising=False)
    assert is_first()
    monkeypatch.setenv(name, rank)
    assert is_first() is first
    if not first:
        with progress() as silent:
            assert isinstance(silent, NoProgress)
            silent.message("hello")
            silent.count("a", 1, 1)
            silent.progress(stage="main", step=1, steps=1, row=ROW)
        assert capsys.readouterr().err == ""
