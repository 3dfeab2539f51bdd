"""Counts of a report, and the reasons for which it fails."""

import attrs
import pytest

from armillary_testing import verify


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
    assert plain["counts"]["0"]["passed"] == len(plain["outcomes"])


EXPECTED = {
    "generator": {0: 4, 1: 14, 2: 4, 3: 0},
    "parts": {0: 4, 1: 20, 2: 29, 3: 0},
    "kinds": {0: 4, 1: 49, 2: 74, 3: 0},
    "whole": {0: 4, 1: 49, 2: 67, 3: 13},
}
"""Checks per level that look at each sound plugin: a lost check, or one that now skips, changes a number."""


@pytest.mark.parametrize("name", EXPECTED)
def test_as_many_checks_pass_as_expected(lay, alone, name):
    id = lay(name)
    report = verify(id, host=alone(id))
    assert report.ok, list(report.lines())
    assert {level: row["passed"] for level, row in report.counts().items()} == EXPECTED[name]


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
