"""Report of one plugin: an outcome per check and component. Light."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import attrs

State = Literal["passed", "failed", "skipped", "known", "unexpected"]
BAD = ("failed", "unexpected")


@attrs.frozen(kw_only=True)
class Outcome:
    """Result of one check on one component.

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
class Report:
    """Results of all checks on one plugin.

    Args:
        plugin: its id.
        levels: that were asked for.
        outcomes: in the order in which they were found.
        stale: names in the list of known failures that no check bears.
    """

    plugin: str
    levels: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    stale: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Return true if nothing failed and the list of known failures is right."""
        return not self.failures and not self.stale

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Checks that failed, or that passed though they were known to fail."""
        return tuple(outcome for outcome in self.outcomes if outcome.state in BAD)

    def counts(self) -> dict[int, dict[str, int]]:
        """Return the number of checks per level and state."""
        found = {}
        for level in self.levels:
            states = Counter(outcome.state for outcome in self.outcomes if outcome.level == level)
            found[level] = {state: states[state] for state in ("passed", "failed", "known", "unexpected", "skipped")}
        return found

    def lines(self) -> Iterator[str]:
        """Yield one line per check that did not simply pass, with its reason, and per stale name."""
        for outcome in self.outcomes:
            if outcome.state != "passed":
                yield f"{outcome.state:<10}  {outcome.name}: {outcome.reason}"
        for name in self.stale:
            yield f"stale       {name}: is listed as a known failure, but no check of this name was asked for"

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, for JSON."""
        return {
            "plugin": self.plugin,
            "ok": self.ok,
            "counts": {str(level): row for level, row in self.counts().items()},
            "outcomes": [attrs.asdict(outcome) for outcome in self.outcomes],
            "stale": list(self.stale),
        }
