"""Each check of recipes finds the plugin that breaks its claim, and few others do."""

import pytest

from armillary_testing import verify
from armillary_testing.child import ImportReport
from armillary_testing.composition import CHECKS

PICTURE = 'return {"reconstruction": picture}'
BRIGHT = 'name="bright",'


def first(code: str) -> tuple[str, tuple[str, str]]:
    """Return the change by which the method does something before it returns."""
    return "parts.py", (PICTURE, f"{code}\n        {PICTURE}")


DRIFTING = """class Drifting(RecipeSpec):
    def table(self):
        _SEEDS.append(0)
        return {"extends": "sound:paper", "seed": len(_SEEDS)}, {}


_SEEDS = []
PAPER ="""

MUTANTS = {
    "tiers": [("recipes.py", ('name="smoke"', 'name="small"'))],
    "resolves": [("recipes.py", (BRIGHT, f'{BRIGHT} losses={{"square": LossUse(bind={{"image": "nothing"}})}},'))],
    "recipe-file": [("recipes.py", (BRIGHT, f'{BRIGHT} losses={{"square": LossUse(weight=float("nan"))}},'))],
    "empty-patch": [
        ("recipes.py", ("PAPER =", DRIFTING)),
        ("recipes.py", ("RECIPES = (", 'RECIPES = (Drifting(name="other", summary="pictures, seeded anew"), ')),
    ],
    "builds": [("parts.py", (PICTURE, f"{PICTURE[:-1]}, 'more': picture}}"))],
    "learns": [first("picture = 2 * picture.detach() - picture")],
    "comes-back": [
        first("self.calls = getattr(self, 'calls', 1) + self.training"),
        first("picture = picture if self.training else picture / self.calls"),
    ],
}
UNTRIED = ("recipes.py", ('cut to a moment"', "cut to a moment\", generator=Use('elsewhere:clouds')"))
"""Where recipes alone are looked at, nothing is trained: that takes seconds."""


@pytest.fixture(autouse=True)
def not_watched(monkeypatch):
    """What importing does is for other tests."""
    monkeypatch.setattr("armillary_testing.bench.watch", lambda record, timeout: ImportReport())


@pytest.mark.parametrize("check", MUTANTS)
def test_a_broken_claim_is_found_by_its_own_check_alone(lay, alone, check):
    tried = check in ("builds", "learns", "comes-back")
    id = lay("whole", [*MUTANTS[check], *([] if tried or check == "tiers" else [UNTRIED])])
    report = verify(id, levels=(3,), host=alone(id))
    assert {outcome.check for outcome in report.failures} == {check}, list(report.lines())


def test_every_check_has_a_mutant():
    assert {check.name for check in CHECKS} == set(MUTANTS)


def test_a_sound_plugin_passes(lay, alone):
    id = lay("whole")
    report = verify(id, levels=(3,), host=alone(id))
    assert report.ok, list(report.lines())
    assert report.counts()[3]["passed"] == 1 + 3 * 3 + 3


def test_a_generator_that_is_not_installed_is_a_reason(lay, alone):
    """The recipe is not tried, and the report says why."""
    id = lay(
        "whole",
        {
            "recipes.py": (
                'generator=Use("sound:colours"),\n    losses',
                'generator=Use("elsewhere:clouds"),\n    losses',
            )
        },
    )
    report = verify(id, levels=(3,), host=alone(id))
    assert report.ok, list(report.lines())
    assert {outcome.reason for outcome in report.outcomes if outcome.state == "skipped"} == {
        "its generator elsewhere:clouds is not installed"
    }


def test_a_recipe_without_a_generator_fails(lay, alone):
    """Else a method could pass of which nothing was tried."""
    id = lay("whole", {"recipes.py": ('generator=Use("sound:colours"),\n    losses', "losses")})
    report = verify(id, levels=(3,), host=alone(id))
    assert any("names no generator" in outcome.reason for outcome in report.failures)
