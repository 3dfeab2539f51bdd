"""``armillary plugins``."""

import importlib.metadata
import json

import pytest

from armillary.plugins.catalogue import FIRST_PARTY
from armillary.plugins.discovery import PluginRecord
from armillary.plugins.doctor import Diagnosis, Finding


def install(site, id, source, **metadata):
    """Write a plugin into a folder of distributions."""
    package = f"armillary_{id}"
    (site / package).mkdir()
    (site / package / "__init__.py").write_text("")
    (site / package / "plugin.py").write_text(source)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in metadata.items()]
    (info / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: armillary-{id}", "Version: 1.0", *lines])
    )
    (info / "entry_points.txt").write_text(f"[armillary.plugins]\n{id} = {package}.plugin\n")


def test_list_says_what_is_installed(armillary):
    found = {each["id"]: each for each in json.loads(armillary("plugins", "list", "--json").out)}
    assert found["std"]["state"] == "ok"
    assert found["toy"]["distribution"] == "armillary-toy"
    lines = armillary("plugins", "list").out.splitlines()
    assert lines[0].split()[:4] == ["id", "distribution", "version", "state"]


@pytest.fixture
def none_of_ours(monkeypatch):
    """As if no plugin of this repository were installed, whatever this environment has."""
    ours, real = {known.distribution for known in FIRST_PARTY.values()}, importlib.metadata.distributions
    there = lambda **words: (found for found in real(**words) if found.name not in ours)
    monkeypatch.setattr(importlib.metadata, "distributions", there)


@pytest.mark.usefixtures("none_of_ours")
def test_list_names_our_own_plugins_that_are_not_installed(armillary):
    """With what to type; on standard error, since they are no part of the list."""
    told = armillary("plugins", "list")
    assert "pip install armillary-unsup3d" in told.err
    assert "unsup3d" not in told.out


def test_list_imports_no_plugin(armillary, toy, monkeypatch):
    install(toy, "broken", "raise SystemExit('imported')")
    monkeypatch.setenv("ARMILLARY_ONLY", "broken")
    assert "broken" in armillary("plugins", "list").out


def test_a_switch_that_names_nothing_is_said(armillary, monkeypatch):
    monkeypatch.setenv("ARMILLARY_BLOCK", "nosuch")
    assert "ARMILLARY_BLOCK: no plugin 'nosuch'" in armillary("plugins", "list").err


def test_show_says_what_a_plugin_offers(armillary):
    text = armillary("plugins", "show", "toy").out
    assert "armillary-toy 1.0" in text
    assert "toy:vector" in text
    found = json.loads(armillary("plugins", "show", "toy", "--json").out)
    assert found["components"]["recipe"]["toy:paper"] == "the toy as published"


@pytest.mark.usefixtures("none_of_ours")
def test_show_of_what_is_not_installed(armillary):
    assert "installed are" in armillary("plugins", "show", "nosuch", status=1).err
    assert "pip install armillary-spherical" in armillary("plugins", "show", "spherical", status=1).err


def test_doctor_is_quiet_about_what_is_whole(armillary):
    answer = armillary("plugins", "doctor")
    assert "nothing is broken" in answer.err
    assert "1 dataset" in answer.out


def test_doctor_names_what_is_broken(armillary, toy, monkeypatch):
    install(toy, "broken", "import nosuchmodule")
    monkeypatch.setenv("ARMILLARY_ONLY", "broken")
    answer = armillary("plugins", "doctor", status=1)
    assert "broken   plugin 'broken' (armillary-broken 1.0" in answer.out
    assert "No module named 'nosuchmodule'" in answer.out
    assert "broken: broken" in answer.err


def test_doctor_in_json(armillary, monkeypatch):
    record = PluginRecord(id="a", distribution="armillary-a", version="1", module="a", location="here")
    ill = Diagnosis(record=record, findings=(Finding(level="error", text="cannot be imported"),))
    monkeypatch.setattr("armillary.plugins.doctor.doctor", lambda records, timeout: (Diagnosis(record=record), ill))
    found = json.loads(armillary("plugins", "doctor", "--json", status=1).out)
    assert found["healthy"] is False
    assert [each["findings"] for each in found["plugins"]] == [[], [{"level": "error", "text": "cannot be imported"}]]


def test_a_broken_plugin_hurts_no_other_verb(armillary, toy, monkeypatch):
    install(toy, "broken", "import nosuchmodule")
    monkeypatch.setenv("ARMILLARY_ONLY", "toy,broken")
    answer = armillary("recipes", "list")
    assert "toy:paper" in answer.out
    assert "left out: plugin 'broken'" in answer.err
    assert "toy:vector" in armillary("components", "list").out


def test_verify_says_what_to_install(armillary, monkeypatch):
    """The kit is a package of its own; the core finds it and does not need it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install armillary-testing" in armillary("plugins", "verify", "toy", status=1).err
