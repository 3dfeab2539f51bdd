"""CSV files with a header; every error names file and line."""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from armillary.errors import DataError


def rows(path: Path, *, needed: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells by lower-case column name of a CSV file; empty lines left out.

    Raises:
        DataError: no such file, not CSV, a needed column missing, or a line of another length; file and line are named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                has = ", ".join(header) or "nothing"
                raise DataError(
                    f"{path}, line 1: needs the columns {', '.join(needed)}; {', '.join(missing)} missing, has {has}"
                )
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells where the header has {len(header)}"
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error


def number(row: Mapping[str, str], key: str, path: Path, line: int) -> float:
    """Return a cell as a finite number.

    Raises:
        DataError: it is none; file and line are named.
    """
    try:
        value = float(row[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}, line {line}: {key} is {row[key]!r}, not a finite number")
    return value


def truth(text: str, path: Path, line: int) -> bool:
    """Return a cell of the column ``visible``.

    Raises:
        DataError: it is not 0 or 1, true or false, yes or no; file and line are named.
    """
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "1.0": True, "0.0": False}
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise DataError(f"{path}, line {line}: visible is {text!r}, not 0 or 1") from None
