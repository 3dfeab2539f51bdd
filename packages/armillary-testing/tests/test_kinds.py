"""Each check that is made for one kind of part finds the part that breaks its claim, and few others do."""

import importlib

import pytest

from armillary_testing import verify
from armillary_testing.child import ImportReport
from armillary_testing.verify import checks

MODULES = ("datasets", "evaluators", "losses", "rendering", "slopes", "symmetry", "transforms")
POSE = "pose = pose.clone()\n        "
DRAWN = "depth, visible = render_depth("
TURN = "features = (self.gain * sphere).square()"


def parts(old: str, new: str) -> list[tuple[str, tuple[str, str]]]:
    """Return a change of the parts."""
    return [("parts.py", (old, new))]


MUTANTS = {
    "ranges": ("kinds", parts("torch.nn.functional.softplus(self.linear(feature))", "self.linear(feature)")),
    "symmetry": ("kinds", parts('symmetry = "o3"', 'symmetry = "so3"')),
    "slope": ("kinds", parts("return error.sum(", "error = 2 * error - error.detach()\n        return error.sum(")),
    "truth-is-best": ("kinds", parts("reconstruction - image, 0.0)", "reconstruction - image - 0.2, 0.0)")),
    "masked": (
        "kinds",
        parts("torch.where(visible, reconstruction - image, 0.0)", "((reconstruction - image) * visible)"),
    ),
    "plane": ("kinds", parts(DRAWN, f"{POSE}pose[:, 2, 3] = 0.0\n        {DRAWN}")),
    "sphere": ("kinds", parts(DRAWN, f"{POSE}pose[:, 1, 2] = 0.0\n        {DRAWN}")),
    "pixel-centres": (
        "kinds",
        parts("render_depth(canonical_depth,", "render_depth(canonical_depth.roll(1, dims=-1),"),
    ),
    "y-down": ("kinds", parts(DRAWN, f"{POSE}pose[:, 1, 3] *= -1.0\n        {DRAWN}")),
    "perfect-is-best": ("kinds", parts("true_depth).abs()", "true_depth).abs().neg()")),
    "shards": ("kinds", parts("self.rows.update(other.rows)", "del other")),
    "nothing-scored": (
        "kinds",
        parts('raise ValueError("nothing was scored")', "return Evaluation(figures={'error': Figure(value=0.0)})"),
    ),
    "transform-repeats": ("kinds", parts("torch.rand((), generator=generator)", "torch.rand(())")),
    "transform-keeps": ("kinds", parts('image = sample["image"]\n', 'image = sample["image"].clamp_(0.2, 0.8)\n')),
    "transform-ports": ("kinds", parts('"valid": valid}', '"valid": valid.float()}')),
    "moves-together": ("kinds", parts("torch.tensor([-1.0, 1.0])", "torch.tensor([1.0, 1.0])")),
    "pairs": ("kinds", parts("torch.tensor([step, 0.0])", "torch.tensor([0.0, step])")),
    "items": ("whole", parts('"image": item["image"]}', '"image": item["image"] + 1.0}')),
    "dataset-repeats": (
        "whole",
        parts(
            'return {**item, "image": item["image"]}',
            'self.asked = getattr(self, "asked", 0) + 1\n        return {**item, "image": item["image"] / self.asked}',
        ),
    ),
    "workers": (
        "whole",
        parts(
            'return {**item, "image": item["image"]}',
            'return {**item, "image": item["image"] * (torch.utils.data.get_worker_info() is None)}',
        ),
    ),
    "splits": ("whole", parts("split=self.split,", 'split="all",')),
    "predicts": (
        "whole",
        parts("return self.forward(image=image)", "return {'picture': self.forward(image=image)['reconstruction']}"),
    ),
    "calls": ("whole", parts("self.encoder(image=image)", "self.encoder(image)")),
}
OTHERS = {
    "plane": {"sphere"},  # a turn about a centre moves, too
    "y-down": {"sphere"},
    "pixel-centres": {"plane", "sphere", "y-down"},  # every surface is seen through pixels
    "dataset-repeats": {"workers"},  # a worker asks less often
}
"""What else finds a mutant."""


@pytest.fixture(autouse=True)
def not_watched(monkeypatch):
    """What importing does is for other tests."""
    monkeypatch.setattr("armillary_testing.bench.watch", lambda record, timeout: ImportReport())


def report_of(lay, alone, name, changes=()):
    """Return the report of level 2 on one of the sound plugins with lines changed."""
    id = lay(name, changes)
    return verify(id, levels=(2,), host=alone(id))


@pytest.mark.parametrize("check", MUTANTS)
def test_a_broken_claim_is_found_by_its_own_check(lay, alone, check):
    report = report_of(lay, alone, *MUTANTS[check])
    assert {outcome.check for outcome in report.failures} == {check} | OTHERS.get(check, set()), list(report.lines())


def test_a_symmetry_that_is_not_there_is_found(lay, alone):
    """The other side of the claim: what is declared must be followed."""
    along = "features = (self.gain * sphere).square() * torch.arange(sphere.shape[-1], device=sphere.device).cos()"
    report = report_of(lay, alone, "kinds", parts(TURN, along))
    assert {outcome.check for outcome in report.failures} == {"symmetry"}
    assert any("declares o3, but under" in outcome.reason for outcome in report.failures)


def test_every_check_has_a_mutant():
    own = {check.name for name in MODULES for check in importlib.import_module(f"armillary_testing.{name}").CHECKS}
    assert own | {"ranges", "predicts", "calls"} == set(MUTANTS)
    assert own <= {check.name for check in checks(2)}


@pytest.mark.parametrize("name", ["kinds", "whole"])
def test_sound_parts_pass(lay, alone, name):
    report = report_of(lay, alone, name)
    assert report.ok, list(report.lines())
