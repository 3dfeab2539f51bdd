"""The page of a comparison: the table, what each recipe made of the same pictures, and how to come to it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from armillary.run.compare_plan import Contestant
from armillary.run.compare_table import Cell, Comparison, Row, Tried
from armillary.run.folder import environment
from armillary.run.report import Figure, Section, Spread, Table, write_report


class Placed(Tried, Protocol):
    """A recipe with a seed, and where its run lies."""

    place: Path


def write_page(path: Path, made: Comparison, taking_part: Sequence[Contestant], trials: Sequence[Placed]) -> Path:
    """Write the page, whole or not at all."""
    facts = {key: value for key, value in made.about.items() if value not in ("", None)}
    if made.left:
        facts["still to run"] = made.left
    return write_report(
        path,
        title="Comparison",
        summary="Each recipe was trained on the same data with the same budget, and measured by the same evaluators; the grey rows "
        "are guesses that look at no picture. Lower is better where the arrow points down.",
        facts=facts,
        tables=[_table(made)],
        figures=_figures(taking_part, trials),
        sections=_sections(made, taking_part, path.parent, trials),
    )


def _table(made: Comparison) -> Table:
    sizes = ["parameters", "steps", "s a step", "peak memory (MB)"]
    heads = [column.head for column in made.columns]
    remarks = any(row.notes for row in made.rows)
    rows: list[list[Any]] = []
    for row in made.rows:
        memory = None if row.peak_memory is None else round(row.peak_memory / 1e6)
        steps = None if row.steps is None else round(row.steps)
        cells = [_cell(row.cells.get((column.measure, column.figure))) for column in made.columns]
        own = [row.parameters, steps, row.seconds_a_step, memory]
        rows.append([row.name, *own, *cells, *([_words(row)] if remarks else [])])
    many = len(made.about.get("seeds", ())) > 1
    spread = " Mean and standard deviation over seeds." if many else ""
    return {
        "title": "Figures",
        "columns": ["recipe", *sizes, *heads, *(["remarks"] if remarks else [])],
        "rows": rows,
        "muted": [index for index, row in enumerate(made.rows) if row.kind == "baseline"],
        "best": {column.head: "high" if column.better == "higher" else "low" for column in made.columns},
        "caption": f"Bold: the best of a column.{spread} Parameters are those of the method that serves; seconds a step are the "
        "median over training; peak memory is that of the whole process, or of the graphics card where one was used.",
    }


def _words(row: Row) -> str:
    return "; ".join(row.notes)


def _cell(cell: Cell | None) -> Any:
    if cell is None:
        return None
    return Spread(cell.value, cell.spread) if cell.spread is not None else cell.value


def _figures(taking_part: Sequence[Contestant], trials: Sequence[Placed]) -> list[Figure]:
    """Return the last preview of each recipe's first run, pictures that all of them saw."""
    figures: list[Figure] = []
    for each in taking_part:
        for trial in trials:
            previews = sorted((trial.place / "previews").glob("*.png")) if trial.contestant is each else []
            if previews:
                figures.append(
                    {
                        "title": each.name,
                        "picture": previews[-1].read_bytes(),
                        "caption": f"Seed {trial.seed}, step {int(previews[-1].stem.rpartition('-')[2]):,}.",
                        "wide": True,
                    }
                )
                break
    return figures


def _sections(
    made: Comparison, taking_part: Sequence[Contestant], out: Path, trials: Sequence[Placed]
) -> list[Section]:
    sections: list[Section] = []
    if made.notes:
        sections.append({"title": "To be known", "text": "\n\n".join(made.notes)})
    if made.protocols:
        sections.append({"title": "How it was measured", "text": "\n\n".join(made.protocols.values())})
    runs = {f"{t.contestant.name}, seed {t.seed}": str(t.place.relative_to(out)) for t in trials if t.place.is_dir()}
    if runs:
        sections.append({"title": "Runs", "items": runs, "closed": True})
    sections += [
        {"title": f"Recipe {each.name}", "items": each.plan.recipe.table, "closed": True}
        for each in taking_part
        if not each.error
    ]
    sections.append({"title": "Machine", "items": environment(), "closed": True})
    return sections
