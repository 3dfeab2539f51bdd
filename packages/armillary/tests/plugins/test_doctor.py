"""The doctor: whatever a plugin does, it does to its own process, and is named with the reason."""

import time

import pytest

from armillary.plugins.doctor import doctor, examine

GOOD = """
from armillary.plugins.hookspecs import hookimpl
from armillary.specs import EncoderSpec

@hookimpl
def armillary_encoders():
    return [EncoderSpec(name="net", target="{package}.parts:Net", config="{package}.config:NetConfig")]
"""
SPEC = GOOD.replace(', config="{package}.config:NetConfig"', "")
OBSERVER = """
from armillary.plugins.hookspecs import hookimpl

@hookimpl
def armillary_run_finished(outcome):
    pass
"""
LIGHT_PARTS = "class Net:\n    pass\n"


def texts(site, id: str = "rings", *, timeout: float = 60.0) -> dict[str, str]:
    """Return level to the text of the findings of one plugin."""
    diagnosis = examine(site.records()[id], timeout=timeout)
    return {finding.level: finding.text for finding in diagnosis.findings}


def test_a_good_plugin_has_no_findings(site):
    site.install("rings")
    diagnosis = examine(site.records()["rings"])
    assert diagnosis.findings == ()
    assert diagnosis.healthy
    assert diagnosis.components == {"encoder": 1}
    assert diagnosis.seconds is not None


@pytest.mark.parametrize(
    ("source", "level", "reason"),
    [
        ("import nothing_of_this_name", "error", "cannot be imported: ModuleNotFoundError"),
        ("import sys; sys.exit(3)", "error", "cannot be imported: SystemExit: 3"),
        ("import os; os._exit(3)", "error", "ended the process with status 3 while importing armillary_rings.plugin"),
        ("import os; os.kill(os.getpid(), 11)", "error", "died of SIGSEGV while importing armillary_rings.plugin"),
        ("raise KeyboardInterrupt", "error", "died of SIGINT"),
    ],
)
def test_what_happens_at_import_stays_in_the_child(site, source, level, reason):
    site.install("rings", source)
    assert reason in texts(site)[level]


def test_a_plugin_that_hangs_is_ended(site):
    site.install(
        "rings",
        "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
        "\ntime.sleep(60)",
    )
    assert texts(site, timeout=10.0)["error"] == (
        "did not finish in 10 s while importing armillary_rings.plugin and asking its hooks"
    )


def test_a_thread_that_a_plugin_leaves_does_not_keep_its_process(site):
    site.install(
        "rings", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n" + OBSERVER
    )
    start = time.monotonic()
    assert texts(site, timeout=50.0) == {}
    assert time.monotonic() - start < 40  # a second, in truth: the thread would have kept it for the whole minute


def test_a_target_that_crashes_is_named(site):
    site.install("rings", SPEC, files={"parts.py": "import os; os.abort()"})
    assert texts(site)["error"] == (
        "died of SIGABRT while importing armillary_rings.parts:Net, the target of encoder rings:net"
    )


def test_a_component_that_is_not_of_its_kind_is_named(site):
    site.install("rings", SPEC, files={"parts.py": LIGHT_PARTS})
    assert "not a subclass of armillary.interfaces.network.Encoder" in texts(site)["error"]


@pytest.mark.parametrize("line", ["print('hello')", "import os; os.write(1, b'hello')"])
def test_writing_to_standard_output_is_a_warning(site, line):
    """By ``print``, and past it as a compiled library does."""
    site.install("rings", line + "\n" + OBSERVER)
    diagnosis = examine(site.records()["rings"])
    assert diagnosis.healthy
    (finding,) = diagnosis.findings
    assert finding.level == "warning"
    assert "'hello'" in finding.text


def test_a_config_that_fails_is_reported_once(site):
    site.install("rings", SPEC.replace('Net")', 'Net", config="{package}.settings:Config")'), files={"settings.py": ""})
    (finding,) = examine(site.records()["rings"]).findings
    assert "armillary_rings.settings has no Config" in finding.text


def test_a_plugin_without_a_range_on_the_core_is_a_warning(site):
    site.install("rings", OBSERVER, requires=())
    assert "declares no range on the core" in texts(site)["warning"]


def test_what_may_not_be_loaded_is_reported_and_not_run(site, tmp_path):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')"
    site.install("old", trap, requires=["armillary<0.1"])
    site.install("off", trap)
    site.install("two", trap, distribution="one")
    site.install("two", trap, distribution="other")
    records = [record for record in site.host(ARMILLARY_BLOCK="off").records if record.id != "std"]
    by_distribution = {found.record.distribution: found for found in doctor(records)}
    assert not (tmp_path / "ran").exists()
    assert by_distribution["armillary-off"].healthy
    assert by_distribution["armillary-old"].findings[0].text.startswith("needs armillary<0.1")
    for name in ("one", "other"):
        assert "claimed by one 1.0" in by_distribution[name].findings[0].text
    assert [found.record for found in doctor(records)] == records
