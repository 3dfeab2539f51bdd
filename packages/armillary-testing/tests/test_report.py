"""What is counted, and what makes a report fail."""

import attrs
import pytest

from armillary_testing import verify
from armillary_testing.floor import FLOORS
from armillary_testing.verify import checks


@pytest.fixture
def report(lay, alone):
    """Of a sound plugin, its metadata alone."""

    def made(**arguments):
        id = lay("generator")
        known = {name.replace("ID", id): reason for name, reason in arguments.pop("known", {}).items()}
        return verify(id, level=0, host=alone(id), known=known, **arguments)

    return made


def test_counts_and_json_agree(report):
    plain = report().plain()
    assert plain["ok"] is True
    assert plain["counts"]["0"]["passed"] == len(plain["outcomes"]) == plain["counts"]["0"]["floor"]


def test_too_little_fails(report, monkeypatch):
    """A check that is lost leaves fewer than what the plugin declares asks for."""
    monkeypatch.setattr("armillary_testing.metadata.CHECKS", checks(0)[:-1])
    found = report()
    assert not found.failures
    assert not found.ok
    assert any("3 checks ran, 4 must" in line for line in found.lines())


def test_every_kind_has_a_floor():
    """The floor asks for no more than there is, and misses at most the checks that may have nothing to look at."""
    for level, kinds in FLOORS.items():
        for kind, floor in kinds.items():
            there = sum(kind in check.kinds for check in checks(level))
            assert 0 < floor <= there, (level, kind)


def test_a_known_failure_passes_with_its_reason(lay, alone):
    id = lay("generator", {"METADATA": (",<0.2", "")})
    report = verify(id, level=0, host=alone(id), known={f"core-range {id}": "the next core is ours too"})
    assert report.ok
    assert any("the next core is ours too" in line for line in report.lines())


def test_an_unexpected_pass_fails(report):
    found = report(known={"version ID": "not yet numbered"})
    assert [outcome.state for outcome in found.failures] == ["unexpected"]
    assert not found.ok


def test_a_known_failure_that_names_nothing_fails(report):
    found = report(known={"vresion ID": "misspelt"})
    assert not found.ok
    assert found.stale


def test_a_known_failure_needs_a_reason(report):
    with pytest.raises(ValueError, match="no reason"):
        report(known={"version ID": " "})


def test_a_failure_fails(report):
    found = report()
    bad = attrs.evolve(found, outcomes=(attrs.evolve(found.outcomes[0], state="failed", reason="why"),))
    assert not bad.ok
