"""What was found: an outcome for each check of each component, and whether enough was looked at. Light."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import attrs

State = Literal["passed", "failed", "skipped", "known", "unexpected"]
BAD = ("failed", "unexpected")
RAN = ("passed", "failed", "known", "unexpected")


@attrs.frozen(kw_only=True)
class Outcome:
    """What one check found of one component.

    Args:
        check: its name.
        level: of the check.
        subject: ``plugin:component``, or the plugin.
        kind: of the component, ``plugin`` for the whole.
        state: ``known`` is a failure that the list of known ones names; ``unexpected`` is a pass that it names.
        reason: of everything that did not simply pass.
        seconds: that it took.
    """

    check: str
    level: int
    subject: str
    kind: str
    state: State
    reason: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Return ``check plugin:component``, as a list of known failures has it."""
        return f"{self.check} {self.subject}"


@attrs.frozen(kw_only=True)
class Floor:
    """How many checks of one level one component must have gone through, by what it declares.

    Args:
        level: of the checks.
        subject: ``plugin:component``, or the plugin.
        needed: at least so many.
        ran: so many did.
    """

    level: int
    subject: str
    needed: int
    ran: int

    @property
    def met(self) -> bool:
        """Whether enough was looked at."""
        return self.ran >= self.needed


@attrs.frozen(kw_only=True)
class Report:
    """What was found of one plugin.

    Args:
        plugin: its id.
        levels: that were asked for.
        outcomes: in the order in which they were found.
        floors: of each component at each level.
        stale: names in the list of known failures that no check bears.
    """

    plugin: str
    levels: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    floors: tuple[Floor, ...]
    stale: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed, enough was looked at, and the list of known failures is true."""
        return not self.failures and not self.too_few and not self.stale

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Checks that failed, or that passed though they were known to fail."""
        return tuple(outcome for outcome in self.outcomes if outcome.state in BAD)

    @property
    def too_few(self) -> tuple[Floor, ...]:
        """Components of which not enough was looked at."""
        return tuple(floor for floor in self.floors if not floor.met)

    def counts(self) -> dict[int, dict[str, int]]:
        """Return for each level how many checks came out how, and how many had to run."""
        found = {}
        for level in self.levels:
            states = Counter(outcome.state for outcome in self.outcomes if outcome.level == level)
            needed = sum(floor.needed for floor in self.floors if floor.level == level)
            row = {state: states[state] for state in ("passed", "failed", "known", "unexpected", "skipped")}
            found[level] = {**row, "ran": sum(states[state] for state in RAN), "floor": needed}
        return found

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing that a person should read: what failed, what was skipped and why, what was too little."""
        for outcome in self.outcomes:
            if outcome.state != "passed":
                yield f"{outcome.state:<10}  {outcome.name}: {outcome.reason}"
        for floor in self.too_few:
            yield f"too few     level {floor.level} of {floor.subject}: {floor.ran} checks ran, {floor.needed} must"
        for name in self.stale:
            yield f"stale       {name}: is listed as a known failure, but no check of this name was asked for"

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, for JSON."""
        return {
            "plugin": self.plugin,
            "ok": self.ok,
            "counts": {str(level): row for level, row in self.counts().items()},
            "outcomes": [attrs.asdict(outcome) for outcome in self.outcomes],
            "too_few": [attrs.asdict(floor) for floor in self.too_few],
            "stale": list(self.stale),
        }
