"""Each check of tiny tensors finds the part that breaks its claim, and few others do."""

import pytest

from armillary_testing import verify
from armillary_testing.behaviour import CHECKS
from armillary_testing.child import ImportReport

WEIGHTS = "self.linear = torch.nn.Linear(3, self.features)"
CALL = '"""Return the feature."""'
RESULT = 'return {"feature": feature}'


def also(place: str, code: str) -> tuple[str, str]:
    """Return the change that adds a line after another one."""
    return place, f"{place}\n        {code}"


MUTANTS = {
    "outputs": (RESULT, 'return {"features": feature}'),
    "items-apart": (RESULT, 'return {"feature": feature - feature.mean(dim=0)}'),
    "odd-sizes": also(CALL, "image.unflatten(-1, (-1, 2))"),
    "inputs-kept": also(CALL, "image.data.clamp_(0.2, 0.8)"),
    "strides": also(CALL, "image = image.view(len(image), -1).view(image.shape)"),
    "repeatable": (
        RESULT,
        "self.calls = getattr(self, 'calls', 0) + 1\n        return {'feature': feature + self.calls}",
    ),
    "seeded": also(WEIGHTS, "self.linear.weight.data.normal_(generator=_ENDLESS)"),
    "state": (RESULT, 'return {"feature": feature * self.scale}'),
    "nothing-global": also(CALL, "torch.rand(1)"),
    "gradients": also(WEIGHTS, "self.spare = torch.nn.Parameter(torch.zeros(1))"),
    "device": also(CALL, "image = image + torch.zeros(1)"),
    "degenerate": also(CALL, "image = image * (image.norm() / image.norm())"),
    "dtype": (RESULT, 'return {"feature": feature.float()}'),
    "empty": also(CALL, "image[0]"),
}
HELPS = {
    "seeded": ("class Mean", "_ENDLESS = torch.Generator()\n\n\nclass Mean"),
    "state": also(WEIGHTS, "self.scale = torch.rand(1).item()"),
}
OTHERS = {"outputs": {"odd-sizes"}, "repeatable": {"items-apart", "strides"}}
"""What else finds a mutant: names are looked at at every size, and two calls are compared for other reasons too."""


@pytest.fixture(autouse=True)
def not_watched(monkeypatch):
    """A process that imports torch for each mutant would show nothing more."""
    monkeypatch.setattr("armillary_testing.bench.watch", lambda record, timeout: ImportReport())


def behaviour(lay, alone, *changes):
    """Return the report of the sound parts with lines changed."""
    id = lay("parts", [("parts.py", change) for change in changes])
    return verify(id, levels=(2,), host=alone(id))


@pytest.mark.parametrize("check", MUTANTS)
def test_a_broken_claim_is_found_by_its_own_check(lay, alone, check):
    report = behaviour(lay, alone, MUTANTS[check], *([HELPS[check]] if check in HELPS else []))
    assert {outcome.check for outcome in report.failures} == {check} | OTHERS.get(check, set())
    assert {outcome.subject.partition(":")[2] for outcome in report.failures} == {"mean"}


def test_every_check_has_a_mutant():
    """Those of some kinds alone are broken in a test of their own."""
    assert {check.name for check in CHECKS} == {*MUTANTS, "ranges", "predicts", "calls"}


def test_sound_parts_pass(lay, alone):
    """What has no weights is skipped where weights are looked at, and that is said."""
    report = behaviour(lay, alone)
    assert report.ok, list(report.lines())
    assert {outcome.name.split(":")[0].split()[0] for outcome in report.outcomes if outcome.state == "skipped"} == {
        "seeded",
        "state",
        "symmetry",
        "masked",
    }


def test_a_loss_that_reduces_is_found(lay, alone):
    """A loss per item must not average over the batch: the runner does."""
    report = behaviour(lay, alone, ("mean(dim=(1, 2, 3))", "mean()"))
    assert "outputs" in {outcome.check for outcome in report.failures}


def test_a_part_that_cannot_be_built_is_found(lay, alone):
    """Nothing could be looked at; each check says why."""
    report = behaviour(lay, alone, (WEIGHTS, "raise ValueError('never')"))
    assert not report.ok
    assert any("never" in line for line in report.lines())
