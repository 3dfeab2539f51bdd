"""Tables, figures and messages on a terminal."""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_GAP = "  "
_NARROWEST = 20
_UNKNOWN_WIDTH = 200  # into a file or a pipe


def message(text: str) -> None:
    """Print a message that is not data on standard error."""
    print(text, file=sys.stderr, flush=True)


def data(text: str) -> None:
    """Print data on standard output."""
    print(text)


def as_json(value: Any) -> None:
    """Print plain values as JSON, on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def table(rows: Sequence[Sequence[object]], *, columns: Sequence[str] = ()) -> None:
    """Print rows under their columns; the last column is wrapped to the terminal, numbers are aligned right."""
    for line in lines(rows, columns=columns):
        print(line)


def facts(items: Mapping[str, object]) -> None:
    """Print names and values, one per line."""
    table([(name, value) for name, value in items.items() if value not in (None, "", (), [], {})])


def lines(rows: Sequence[Sequence[object]], *, columns: Sequence[str] = (), width: int | None = None) -> list[str]:
    """Return the lines of a table."""
    cells = [[_text(value) for value in row] for row in rows]
    everything = [list(columns), *cells] if columns else cells
    if not everything:
        return []
    width = width or _terminal_width()
    count = max(len(row) for row in everything)
    for row in everything:
        row += [""] * (count - len(row))
    kept = [k for k in range(count) if not columns or any(row[k] for row in cells)] or [0]
    everything = [[row[k] for k in kept] for row in everything]
    rows = [[row[k] if k < len(row) else None for k in kept] for row in rows]
    count = len(kept)
    widths = [max(len(row[k]) for row in everything) for k in range(count)]
    right = [bool(rows) and all(_numeric(row[k]) for row in rows if k < len(row)) for k in range(count)]
    last = max(_NARROWEST, width - sum(widths[:-1]) - len(_GAP) * (count - 1))
    found = []
    for row in everything:
        head = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row[:-1], widths, right, strict=False)]
        if right[-1]:
            tail = [row[-1].rjust(widths[-1])]
        else:
            tail = textwrap.wrap(row[-1], last, break_long_words=False, break_on_hyphens=False) or [""]
        prefix = _GAP.join(head) + (_GAP if head else "")
        found.append((prefix + tail[0]).rstrip())
        found += [" " * len(prefix) + line for line in tail[1:]]
    return found


def count(number: int, one: str, many: str = "") -> str:
    """Return ``1 picture`` or ``2 pictures``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    return str(value)


def _numeric(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _terminal_width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNKNOWN_WIDTH


def _plain(value: Any) -> Any:
    import attrs

    if attrs.has(type(value)):
        return {name: each for name, each in attrs.asdict(value, recurse=False).items() if each not in ("", None)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)
