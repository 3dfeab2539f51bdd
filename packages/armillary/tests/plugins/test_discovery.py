"""Discovery: metadata alone decides, and each refusal says who, where and why."""

import json
import subprocess
import sys

import pytest

from armillary.plugins import discovery, hookspecs
from armillary.plugins.discovery import discover, unknown_switches


def test_a_plugin_is_found_with_distribution_version_module_and_location(site):
    site.install("rings", version="1.2")
    record = site.records()["rings"]
    assert (record.distribution, record.version, record.module) == ("armillary-rings", "1.2", "armillary_rings.plugin")
    assert record.location == str(site.folder.resolve())
    assert record.requires_core == "<0.2,>=0.1"
    assert (record.state, record.reason) == ("ok", "")


def test_nothing_is_imported(site):
    site.install("rings", "raise RuntimeError('imported')")
    assert site.records()["rings"].state == "ok"
    assert "armillary_rings" not in sys.modules


def test_the_built_in_plugin_comes_first(site):
    site.install("a")
    assert list(site.records()) == ["std", "a"]


def test_the_group_is_written_alike_in_the_hook_page():
    assert discovery.GROUP == hookspecs.GROUP


@pytest.mark.parametrize(
    ("requires", "core", "state"),
    [
        ("armillary>=0.1,<0.2", "0.1.0", "ok"),
        ("armillary>=0.1,<0.2", "0.1.7rc1", "ok"),
        ("armillary>=0.1,<0.2", "0.2.0rc1", "incompatible"),
        ("armillary>=0.2", "0.2.0rc1", "incompatible"),
        ("armillary>=0.2", "0.1.0", "incompatible"),
        ("armillary<0.1", "0.1.0", "incompatible"),
        ("armillary (>=0.1)", "0.1.0", "ok"),
        ("Armillary[demo]>=0.3; python_version > '3'", "0.1.0", "incompatible"),
        ("armillary>=9; extra == 'future'", "0.1.0", "ok"),
        ("armillary-testing>=9", "0.1.0", "ok"),
        ("armillary", "0.1.0", "ok"),
    ],
)
def test_the_range_on_the_core_is_held_before_import(site, requires, core, state):
    site.install("rings", requires=[requires])
    records = {record.id: record for record in discover(path=[str(site.folder)], environ={}, core=core)}
    assert records["rings"].state == state
    if state == "incompatible":
        assert "armillary-rings" in records["rings"].reason
        assert core in records["rings"].reason


@pytest.mark.parametrize("requires", [["armillary>=0.1", "armillary<0.1.5"], ["armillary<0.1.5", "armillary>=0.1"]])
def test_several_ranges_hold_together(site, requires):
    site.install("rings", requires=requires)
    records = {record.id: record for record in discover(path=[str(site.folder)], environ={}, core="0.1.6")}
    assert records["rings"].state == "incompatible"


def test_an_unreadable_range_is_broken(site):
    site.install("rings", requires=["armillary>=one"])
    assert site.records()["rings"].state == "broken"
    assert "armillary>=one" in site.records()["rings"].reason


def test_two_distributions_under_one_id_name_both_and_where_they_lie(site, tmp_path):
    other = tmp_path / "other"
    site.install("rings")
    site.install("rings", distribution="rings-fork", version="3.0", folder=other)
    records = [r for r in discover(path=[str(site.folder), str(other)], environ={}) if r.id == "rings"]
    assert [record.state for record in records] == ["conflict", "conflict"]
    for record in records:
        for text in ("armillary-rings 1.0", "rings-fork 3.0", str(site.folder), str(other)):
            assert text in record.reason


def test_one_distribution_on_two_paths_is_no_conflict(site, tmp_path):
    other = tmp_path / "other"
    site.install("rings", version="1.0")
    site.install("rings", distribution="Armillary_Rings", version="2.0", module="elsewhere.plugin", folder=other)
    records = [r for r in discover(path=[str(site.folder), str(other)], environ={}) if r.id == "rings"]
    assert [(record.state, record.version) for record in records] == [("ok", "1.0")]


def test_one_distribution_that_declares_an_id_twice_is_broken(site):
    site.install("rings", entry_points="[armillary.plugins]\nrings = a.plugin\nrings = b.plugin\n")
    assert site.records()["rings"].state == "broken"
    assert "a.plugin and b.plugin" in site.records()["rings"].reason


@pytest.mark.parametrize("id", ["std", "core"])
def test_reserved_ids_are_refused(site, id):
    site.install("thief", entry_points=f"[armillary.plugins]\n{id} = armillary_thief.plugin\n")
    (record,) = [r for r in discover(path=[str(site.folder)], environ={}) if r.distribution == "armillary-thief"]
    assert record.state == "broken"
    assert "reserved" in record.reason


def test_a_thief_of_std_does_not_stop_std(site):
    site.install("thief", entry_points="[armillary.plugins]\nstd = armillary_thief.plugin\n")
    assert site.host().load("std").record.distribution == "armillary"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("Rings = armillary_rings.plugin", "no plugin id"),
        ("rings:a = armillary_rings.plugin", "no plugin id"),
        ("rings = armillary_rings.plugin:hooks", "must name a module"),
        ("rings = armillary rings", "must name a module"),
        ("rings =", "cannot be read"),
        ("rings", "cannot be read"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_broken(site, entry, reason):
    site.install("rings", entry_points=f"[armillary.plugins]\n{entry}\n")
    (record,) = [record for record in site.records().values() if record.id != "std"]
    assert record.state == "broken"
    assert reason in record.reason


def test_other_groups_and_distributions_without_metadata_are_passed_over(site):
    site.install("rings", entry_points="[console_scripts]\narmillary.plugins = x:y\n")
    (site.folder / "empty-1.0.dist-info").mkdir()
    assert list(site.records()) == ["std"]


def test_a_distribution_without_metadata_is_named_by_its_folder(site):
    site.install("rings")
    (site.folder / "armillary_rings-1.0.dist-info" / "METADATA").unlink()
    record = site.records()["rings"]
    assert (record.distribution, record.version) == ("armillary_rings", "unknown")


def test_an_editable_install_lies_where_its_sources_are(site, tmp_path):
    site.install("rings")
    direct = {"url": (tmp_path / "my sources").as_uri(), "dir_info": {"editable": True}}
    (site.folder / "armillary_rings-1.0.dist-info" / "direct_url.json").write_text(json.dumps(direct))
    assert site.records()["rings"].location == str(tmp_path / "my sources")


def test_block_and_only(site):
    site.install("a")
    site.install("b")
    assert site.records(ARMILLARY_BLOCK="a, x")["a"].state == "blocked"
    assert site.records(ARMILLARY_BLOCK="a, x")["b"].state == "ok"
    only = site.records(ARMILLARY_ONLY="a")
    assert {id: record.state for id, record in only.items()} == {"std": "ok", "a": "ok", "b": "blocked"}
    assert "ARMILLARY_ONLY" in only["b"].reason


def test_blocking_one_side_does_not_hide_a_conflict_of_another_id(site, tmp_path):
    other = tmp_path / "other"
    site.install("a")
    site.install("b")
    site.install("b", distribution="b-fork", folder=other)
    records = discover(path=[str(site.folder), str(other)], environ={"ARMILLARY_BLOCK": "a"})
    assert [record.state for record in records] == ["ok", "blocked", "conflict", "conflict"]


def test_a_misspelt_switch_is_reported(site):
    site.install("rings")
    environ = {"ARMILLARY_BLOCK": "rigns", "ARMILLARY_ONLY": "rings"}
    (line,) = unknown_switches(discover(path=[str(site.folder)], environ=environ), environ)
    assert line == "ARMILLARY_BLOCK: no plugin 'rigns' is installed"


def test_host_discovery_doctor_and_catalogue_are_light():
    """None of them imports torch, numpy or e3nn."""
    code = (
        "import sys, armillary.plugins.discovery, armillary.plugins.host, armillary.plugins.doctor, armillary.plugins.catalogue;"
        "armillary.plugins.discovery.discover();"
        "print(sorted({'torch', 'numpy', 'e3nn'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
