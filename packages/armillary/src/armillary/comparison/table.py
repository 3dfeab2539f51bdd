"""The table of a comparison: a row for each recipe, then the trivial baselines, with mean and spread over seeds."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import attrs

from armillary.comparison.plan import Entry, Fit, Measure
from armillary.training.folder import FINISHED

_UNITS = {"degree": "degrees", "1e-2": "x 0.01"}
_DIGITS = 6  # in which baselines of runs that read the data alike agree


class Tried(Protocol):
    """A recipe with a seed; see :class:`armillary.comparison.runs.Trial`."""

    entry: Entry
    seed: int
    error: str

    def known(self) -> dict[str, Any]:
        """Return the record of the run."""
        ...


@attrs.frozen(kw_only=True)
class Column:
    """A figure of an evaluator.

    Args:
        measure: name of the evaluator in the comparison.
        figure: name of the figure.
        unit: of it.
        better: ``lower`` or ``higher``.
        head: what stands over the column.
    """

    measure: str
    figure: str
    unit: str = ""
    better: str = "lower"
    head: str = ""


@attrs.frozen(kw_only=True)
class Cell:
    """A figure over seeds.

    Args:
        value: mean.
        spread: standard deviation over seeds (n - 1); None of fewer than two.
        values: one a seed.
    """

    value: float
    spread: float | None = None
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Iterable[float]) -> "Cell | None":
        """Return mean and spread; None where there is no number."""
        numbers = tuple(float(value) for value in values if value is not None and math.isfinite(value))
        if not numbers:
            return None
        spread = statistics.stdev(numbers) if len(numbers) > 1 else None
        return cls(value=statistics.fmean(numbers), spread=spread, values=numbers)


@attrs.frozen(kw_only=True)
class Row:
    """A recipe, or a baseline.

    Args:
        name: of it.
        kind: which of the two.
        recipe: as it was typed; empty of a baseline.
        seeds: those that are done.
        parameters: of the method that serves.
        steps: done, of all stages, mean over seeds.
        seconds: of training.
        seconds_a_step: median, mean over seeds.
        peak_memory: bytes, the largest over seeds.
        cells: by (measure, figure).
        notes: what went wrong, or is missing and why.
    """

    name: str
    kind: Literal["recipe", "baseline"] = "recipe"
    recipe: str = ""
    seeds: tuple[int, ...] = ()
    parameters: int | None = None
    steps: float | None = None
    seconds: float | None = None
    seconds_a_step: float | None = None
    peak_memory: int | None = None
    cells: Mapping[tuple[str, str], Cell] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Comparison:
    """The whole table.

    Args:
        about: data, budget, seeds.
        columns: in order.
        rows: recipes as they were named, then baselines.
        protocols: name of each evaluator to its id and protocol.
        notes: what a reader must know.
        left: runs that are not done yet.
    """

    about: Mapping[str, Any]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    protocols: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    left: int = 0

    @property
    def failed(self) -> bool:
        """Whether a recipe came to nothing."""
        return any(row.kind == "recipe" and not row.seeds for row in self.rows)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        rows = []
        for row in self.rows:
            own = {key: value for key, value in attrs.asdict(row, recurse=False).items() if key != "cells"}
            figures: dict[str, dict[str, Any]] = {}
            for (measure, figure), cell in row.cells.items():
                figures.setdefault(measure, {})[figure] = attrs.asdict(cell)
            rows.append(
                {key: value for key, value in own.items() if value not in (None, "", ())} | {"figures": figures}
            )
        return {
            "about": dict(self.about),
            "columns": [attrs.asdict(column) for column in self.columns],
            "rows": rows,
            "protocols": dict(self.protocols),
            "notes": list(self.notes),
            "left": self.left,
        }


def tabulate(
    taking_part: Sequence[Entry],
    trials: Sequence[Tried],
    *,
    measures: Sequence[Measure],
    chosen: Sequence[Measure],
    able: Mapping[str, Mapping[str, Fit]],
    about: Mapping[str, Any],
) -> Comparison:
    """Return the table of what is known by now.

    Args:
        taking_part: in order.
        trials: runs of all of them.
        measures: of all recipes.
        chosen: those that measure.
        able: entry to whether each measure fits.
        about: what stands over the table.
    """
    records = {each.name: {t.seed: t.known() for t in trials if t.entry is each} for each in taking_part}
    errors = {each.name: {t.seed: t.error for t in trials if t.entry is each} for each in taking_part}
    columns = _columns(chosen, records)
    rows = [
        _row(each, records[each.name], errors[each.name], chosen, able.get(each.name, {}), columns)
        for each in taking_part
    ]
    left = sum(not t.error and not t.known().get("outcome") for t in trials)
    return Comparison(
        about={**about, **_splits(records)},
        columns=tuple(columns),
        rows=(*rows, *_baselines(chosen, records, columns)),
        protocols=_protocols(chosen, records),
        notes=tuple(_notes(taking_part, measures, chosen, able, records)),
        left=left,
    )


def _measured(record: Mapping[str, Any], measure: Measure) -> Mapping[str, Any]:
    return record.get("measured", {}).get(measure.key, {}) if record.get("outcome") == FINISHED else {}


def _columns(chosen: Sequence[Measure], records: Mapping[str, Mapping[int, Any]]) -> list[Column]:
    found: dict[tuple[str, str], Column] = {}
    for measure in chosen:
        for seeds in records.values():
            for record in seeds.values():
                for name, figure in _measured(record, measure).get("figures", {}).items():
                    better, unit = figure.get("better", "lower"), figure.get("unit", "")
                    found[measure.name, name] = Column(measure=measure.name, figure=name, unit=unit, better=better)
    names = [column.figure for column in found.values()]
    return [attrs.evolve(column, head=_head(column, names.count(column.figure) > 1)) for column in found.values()]


def _head(column: Column, ambiguous: bool) -> str:
    words = f"{column.measure} {column.figure}" if ambiguous else column.figure
    unit = _UNITS.get(column.unit, column.unit)
    return f"{words} ({unit})" if unit else words


def _row(
    each: Entry,
    records: Mapping[int, Mapping[str, Any]],
    errors: Mapping[int, str],
    chosen: Sequence[Measure],
    able: Mapping[str, Fit],
    columns: Sequence[Column],
) -> Row:
    done = {seed: record for seed, record in records.items() if record.get("outcome") == FINISHED}
    keys = {measure.name: measure for measure in chosen}
    cells = {}
    for column in columns:
        measure = keys[column.measure]
        values = [_measured(record, measure).get("figures", {}).get(column.figure, {}) for record in done.values()]
        cell = Cell.of(value["value"] for value in values if value)
        if cell:
            cells[column.measure, column.figure] = cell
    memory = [record["peak_memory"] for record in done.values() if record.get("peak_memory")]

    def mean(name: str) -> float | None:
        cell = Cell.of(record.get(name) for record in done.values())  # type: ignore[misc]
        return cell.value if cell else None

    return Row(
        name=each.name,
        recipe=each.written,
        seeds=tuple(done),
        parameters=next((record["parameters"] for record in done.values() if "parameters" in record), None),
        steps=mean("steps"),
        seconds=mean("seconds"),
        seconds_a_step=mean("seconds_a_step"),
        peak_memory=max(memory, default=None),
        cells=cells,
        notes=tuple(_row_notes(records, errors, chosen, able)),
    )


def _row_notes(
    records: Mapping[int, Mapping[str, Any]],
    errors: Mapping[int, str],
    chosen: Sequence[Measure],
    able: Mapping[str, Fit],
) -> list[str]:
    """Return what went wrong: of all seeds at once where all say the same."""
    by_text: dict[str, list[int]] = {}
    for seed, record in records.items():
        said = [errors[seed]] if errors[seed] else []
        if not said and record.get("outcome") not in (None, FINISHED):
            said.append(record.get("error") or str(record["outcome"]))
        if not said and record.get("outcome") is None:
            said.append("not run yet")
        if record.get("outcome") == FINISHED:
            said += [f"{m.name}: {e}" for m in chosen if (e := _measured(record, m).get("error"))]
            said += [f"measuring: {record['measuring']}"] if record.get("measuring") else []
            if record.get("steps", 0) < record.get("of_steps", 0):
                said.append(f"{record['steps']} of {record['of_steps']} steps in its time")
        for text in said:
            by_text.setdefault(" ".join(text.split()), []).append(seed)
    notes = []
    for text, seeds in by_text.items():
        notes.append(text if len(seeds) == len(records) else f"seed {', '.join(map(str, seeds))}: {text}")
    notes += [f"{m.name}: {able[m.key].reason}" for m in chosen if m.key in able and able[m.key].entry is None]
    return notes


def _baselines(
    chosen: Sequence[Measure], records: Mapping[str, Mapping[int, Mapping[str, Any]]], columns: Sequence[Column]
) -> list[Row]:
    """Return a row for each baseline and oracle; one for each way of reading the data where its figures differ."""
    per: dict[str, dict[str, dict[tuple[str, str], float]]] = {}  # baseline, recipe, figure
    for measure in chosen:
        for recipe, seeds in records.items():
            for record in seeds.values():
                found = _measured(record, measure)
                for name, figures in (*found.get("baselines", {}).items(), *found.get("oracles", {}).items()):
                    place = per.setdefault(name, {}).setdefault(recipe, {})
                    place |= {(measure.name, figure): value["value"] for figure, value in figures.items()}
    rows = []
    for name, recipes in per.items():
        groups: list[tuple[dict[tuple[str, str], float], list[str]]] = []
        for recipe, values in recipes.items():
            for found, members in groups:
                if all(_alike(found[key], values[key]) for key in found.keys() & values.keys()):
                    found |= values
                    members.append(recipe)
                    break
            else:
                groups.append((dict(values), [recipe]))
        for found, members in groups:
            shown = {(c.measure, c.figure) for c in columns}
            cells = {key: Cell(value=value, values=(value,)) for key, value in found.items() if key in shown}
            label = name if len(groups) == 1 else f"{name} ({', '.join(members)})"
            rows.append(Row(name=label, kind="baseline", cells=cells))
    return rows


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=10.0**-_DIGITS) or (math.isnan(one) and math.isnan(other))


def _splits(records: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return on what was measured, where all runs agree."""
    found = [
        (result.get("data"), result.get("split"), result.get("items"))
        for seeds in records.values()
        for record in seeds.values()
        for result in record.get("measured", {}).values()
        if "split" in result
    ]
    if len(set(found)) != 1:
        return {}
    name, split, items = found[0]
    return {"measured on": f"{items} items of {name}, split {split}"}


def _protocols(chosen: Sequence[Measure], records: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> dict[str, str]:
    found = {}
    for measure in chosen:
        for seeds in records.values():
            for record in seeds.values():
                result = _measured(record, measure)
                if "protocol" in result:
                    fitted = f" Fitted on {result['fitted_on']}." if result.get("fitted_on") else ""
                    found[measure.name] = f"{measure.id}: {result['protocol']}{fitted}"
    return found


def _notes(
    taking_part: Sequence[Entry],
    measures: Sequence[Measure],
    chosen: Sequence[Measure],
    able: Mapping[str, Mapping[str, Fit]],
    records: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> list[str]:
    notes = []
    kept = {measure.key for measure in chosen}
    for measure in measures:
        if measure.key not in kept:
            unfit = [
                f"{name}: {found[measure.key].reason}"
                for name, found in able.items()
                if found[measure.key].entry is None
            ]
            notes.append(
                f"{measure.name} ({measure.id}) is left out, since not all can be measured by it: {'; '.join(unfit)}"
            )
    readers = {each.name: each.reads() for each in taking_part if not each.error}
    notes += _readings(readers)
    places = {
        (result.get("split"), result.get("items"))
        for seeds in records.values()
        for record in seeds.values()
        for result in record.get("measured", {}).values()
        if "split" in result
    }
    if len(places) > 1:
        listed = ", ".join(f"{items} of split {split}" for split, items in sorted(places, key=str))
        notes.append(f"not all runs were measured on the same items: {listed}")
    return notes


def _readings(readers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each setting in which the recipes read the data differently."""
    flat = {name: {"data": data.get("use"), **data.get("settings", {})} for name, data in readers.items()}
    keys = dict.fromkeys(key for settings in flat.values() for key in settings)
    lines = []
    for key in keys:
        by_value: dict[str, list[str]] = {}
        for name, settings in flat.items():
            by_value.setdefault(str(settings.get(key)), []).append(name)
        if len(by_value) > 1:
            listed = "; ".join(f"{value}: {', '.join(names)}" for value, names in by_value.items())
            lines.append(f"the recipes read the data differently, and are measured as they read it: {key} is {listed}")
    return lines


# --- out -------------------------------------------------------------------------------------------------------------


def as_csv(made: Comparison) -> str:
    """Return the table as CSV, a row a recipe or baseline, mean and spread of each figure in columns of their own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [f"{c.measure}.{c.figure}" + (f" [{c.unit}]" if c.unit else "") for c in made.columns]
    sizes = ("parameters", "steps", "seconds", "seconds_a_step", "peak_memory")
    writer.writerow(
        ["name", "kind", "recipe", "seeds", *sizes, *(f"{h}{end}" for h in heads for end in ("", " spread")), "notes"]
    )
    for row in made.rows:
        cells = [row.cells.get((c.measure, c.figure)) for c in made.columns]
        numbers = [number for cell in cells for number in ((cell.value, cell.spread) if cell else (None, None))]
        writer.writerow(
            [
                row.name,
                row.kind,
                row.recipe,
                " ".join(map(str, row.seeds)),
                *(_number(getattr(row, size)) for size in sizes),
                *map(_number, numbers),
                "; ".join(row.notes),
            ]
        )
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else format(value, ".9g")
