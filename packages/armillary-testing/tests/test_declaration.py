"""Each check of levels 0 and 1 finds the plugin that breaks its claim, and lets the others pass."""

import pytest

from armillary.errors import UnknownNameError
from armillary_testing import conformance, verify
from armillary_testing.verify import checks

TOP = '"""The generator."""\n'
LABEL = "    label: str"


def adding(code: str) -> dict[str, tuple[str, str]]:
    """Return the change that has the module run ``code``."""
    return {"parts.py": (TOP, f"{TOP}{code}\n")}


def part(old: str, new: str) -> dict[str, tuple[str, str]]:
    """Return a change of the generator."""
    return {"parts.py": (old, new)}


MUTANTS = {
    "usable": {"METADATA": ("<0.2", "<0.1")},
    "core-range": {"METADATA": (",<0.2", "")},
    "version": {"METADATA": ("Version: 1.0", "Version: 0.0.0")},
    "one-id": {"entry_points.txt": ("[armillary.plugins]\n", "[armillary.plugins]\nother = armillary_sound.other\n")},
    "loads": adding("1 / 0"),
    "silent": adding("print('welcome')"),
    "no-threads": adding("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"),
    "no-network": adding(
        "import socket\nwith socket.socket(type=socket.SOCK_DGRAM) as s:\n    s.connect(('127.0.0.1', 9))"
    ),
    "no-warnings": adding("import warnings; warnings.warn('soon gone', DeprecationWarning)"),
    "no-changes": adding("import os; os.environ['ARMILLARY_SOUND'] = '1'"),
    "offers": adding(
        "from armillary.plugins.hookspecs import hookimpl\n\n\n@hookimpl\ndef armillary_components():\n    return []\n"
    ),
    "described": part("Pictures of one colour each.", "Colours."),
    "complete": part("def describe", "def described"),
    "ports": part("$channels", "$chanels"),
    "settings-flat": part(
        LABEL, f'    shape: ports.Of = param(ports.Of("image"), source="ours", help="of the picture")\n{LABEL}'
    ),
    "defaults-allowed": part("self.range[0] == self.range[1]", "self.range[0] != self.range[1]"),
    "settings-kept": part("(0.0, 1.0), unit", "(0.0, float('nan')), unit"),
    "settings-documented": part('help="from dark to light"', 'help=""'),
}
OTHERS = {"complete": {"defaults-allowed"}, "settings-flat": {"settings-kept", "defaults-allowed"}}
"""Other checks that may find a mutant."""


@pytest.mark.parametrize("check", MUTANTS)
def test_a_broken_claim_is_found_by_its_own_check_alone(lay, alone, check):
    id = lay("generator", MUTANTS[check])
    report = verify(id, level=1, host=alone(id))
    found = {outcome.check for outcome in report.failures}
    assert check in found
    assert found <= {check} | OTHERS.get(check, set())
    assert not report.ok


def test_every_check_has_a_mutant():
    assert {check.name for level in (0, 1) for check in checks(level)} == set(MUTANTS)


def test_an_argument_without_a_port_type_is_named(lay, alone):
    id = lay("parts", {"parts.py": ("forward(self, image: ports.Image)", "forward(self, image: torch.Tensor)")})
    (outcome,) = verify(id, level=1, host=alone(id)).failures
    assert outcome.check == "loads"
    assert "argument 'image'" in outcome.reason
    assert "write `image: ports.Image`" in outcome.reason


def test_a_sound_plugin_passes(lay, alone):
    id = lay("generator")
    report = verify(id, level=1, host=alone(id))
    assert report.ok, list(report.lines())
    assert {state for row in report.counts().values() for state in row if row[state]} == {"passed"}


def test_a_plugin_that_hangs_or_dies_hurts_only_itself(lay, alone):
    for code, words in (("import os; os.kill(os.getpid(), 9)", "status -9"), ("import time; time.sleep(99)", "in 2 s")):
        id = lay("generator", adding(code))
        report = verify(id, level=1, host=alone(id), timeout=2 if "sleep" in code else 60)
        (outcome,) = report.failures
        assert outcome.check == "loads"
        assert words in outcome.reason


def test_a_line_in_a_test_file(lay):
    conformance(lay("generator"), level=1)()
    with pytest.raises(AssertionError, match="silent"):
        conformance(lay("generator", MUTANTS["silent"]), level=1)()


def test_what_is_not_installed_is_refused():
    with pytest.raises(UnknownNameError, match="pip install armillary-spherical"):
        verify("spherical", host=_empty())
    with pytest.raises(ValueError, match="level 7"):
        verify("std", levels=(7,))


def _empty():
    from armillary.plugins.discovery import discover
    from armillary.plugins.host import Host

    return Host([record for record in discover() if record.id == "std"])
