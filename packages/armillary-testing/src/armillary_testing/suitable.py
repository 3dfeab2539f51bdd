"""First case in which a component can be built and called, found once per bench."""

from typing import Any

from armillary_testing.cases import part_case
from armillary_testing.checks import Subject
from armillary_testing.method_cases import method_case


def case(subject: Subject) -> Any:
    """Return the first case in which the part can be built and called.

    Raises:
        Skip: it needs a file or a record that nobody can make up.
        Failure: no size suits it; says what it said of the first.
    """
    key = ("case", subject.kind, subject.id)
    if key not in subject.bench.kept:
        subject.bench.kept[key] = (method_case if subject.kind == "method" else part_case)(subject)
    found = subject.bench.kept[key]
    if isinstance(found, Exception):
        raise found
    return found
