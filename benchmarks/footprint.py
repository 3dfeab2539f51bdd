"""Disk space that the installed packages add to torch and numpy. Exit status 1 over the budget."""

import argparse
import importlib.metadata
import sys
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MEGABYTE = 1e6


def closure(names: Iterable[str]) -> set[str]:
    """Return distributions and, recursively, what they need and what is installed of it."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        seen.add((name, extra))
        for need in map(Requirement, requires):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(need.name), wanted) for wanted in ("", *need.extras)]
    return {name for name, _ in seen}


def size(distribution: importlib.metadata.Distribution) -> int:
    """Return bytes of the files that a distribution has installed."""
    paths = {str(file.locate()): file.locate() for file in distribution.files or ()}
    return sum(path.stat().st_size for path in paths.values() if path.is_file())  # type: ignore[attr-defined]


def main() -> int:
    """Print one line per distribution beyond torch and numpy, largest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("distributions", nargs="+")
    parser.add_argument("--budget", type=float, default=80.0, help="megabytes")
    arguments = parser.parse_args()
    added = closure(arguments.distributions) - closure(["torch", "numpy"])
    sizes = {name: size(importlib.metadata.distribution(name)) / MEGABYTE for name in added}
    for name, megabytes in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{megabytes:8.2f} MB  {name}")
    total = sum(sizes.values())
    print(f"{total:8.2f} MB  in all, of {arguments.budget} MB, beside torch and numpy")
    return int(total > arguments.budget)


if __name__ == "__main__":
    sys.exit(main())
