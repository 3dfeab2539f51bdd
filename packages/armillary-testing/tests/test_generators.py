"""Each check of a generator finds the one that breaks its claim."""

import pytest

from armillary_testing import verify
from armillary_testing.child import ImportReport
from armillary_testing.generators import CHECKS

MUTANTS = {
    "generator-repeats": ("default_rng((self.seed, index))", "default_rng((self.seed, index, id(self)))"),
    "generator-seeds": ("default_rng((self.seed, index))", "default_rng(index)"),
    "generator-ports": ('{"image": np', '{"picture": np'),
    "generator-describes": ('"colours"}', '"colours", "own": self}'),
}


@pytest.fixture(autouse=True)
def not_watched(monkeypatch):
    """What importing does is for other tests."""
    monkeypatch.setattr("armillary_testing.bench.watch", lambda record, timeout: ImportReport())


@pytest.mark.parametrize("check", MUTANTS)
def test_a_broken_claim_is_found_by_its_own_check_alone(lay, alone, check):
    id = lay("generator", {"parts.py": MUTANTS[check]})
    assert [outcome.check for outcome in verify(id, levels=(2,), host=alone(id)).failures] == [check]


def test_every_check_has_a_mutant():
    assert {check.name for check in CHECKS} == set(MUTANTS)


def test_a_sound_generator_passes(lay, alone):
    id = lay("generator")
    report = verify(id, levels=(2,), host=alone(id))
    assert report.ok, list(report.lines())
    assert report.counts()[2]["passed"] == len(CHECKS)
