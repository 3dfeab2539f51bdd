"""``armillary report``."""

from pathlib import Path


def test_report_writes_page_and_card_again(run, armillary):
    del run
    files = [Path("run", name) for name in ("report.html", "README.md")]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    assert armillary("report", "run").err.splitlines() == [f"wrote {file}" for file in files]
    assert [file.read_bytes() for file in files] == before


def test_a_folder_that_is_no_run_is_refused(armillary, tmp_path):
    assert "not a run" in armillary("report", tmp_path, status=1).err
