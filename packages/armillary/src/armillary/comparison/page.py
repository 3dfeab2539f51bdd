"""The page of a comparison: the table, what each recipe made of the same pictures, and how to come to it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from armillary.comparison.plan import Entry
from armillary.comparison.table import Cell, Comparison, Row, Tried
from armillary.pages.report import Panel, Part, Section, Spread, Table, write_report
from armillary.training.folder import environment

_SHOWN = 180  # letters of a remark in the table; all of them stand in the recipe's part


class Placed(Tried, Protocol):
    """A recipe with a seed, and where its run lies."""

    place: Path


def write_page(path: Path, made: Comparison, taking_part: Sequence[Entry], trials: Sequence[Placed]) -> Path:
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
        tables=[_table(made), *_remarks(made)],
        sections=_sections(made),
        parts=[_part(each, row, path.parent, trials) for each, row in zip(taking_part, made.rows, strict=False)],
    )


def _table(made: Comparison) -> Table:
    sizes = ["parameters", "steps", "s a step", "memory (MB)"]
    heads = [column.head for column in made.columns]
    rows: list[list[Any]] = []
    for row in made.rows:
        memory = None if row.peak_memory is None else round(row.peak_memory / 1e6)
        steps = None if row.steps is None else round(row.steps)
        cells = [_cell(row.cells.get((column.measure, column.figure))) for column in made.columns]
        own = [row.parameters, steps, row.seconds_a_step, memory]
        rows.append([row.name, *cells, *own])
    many = len(made.about.get("seeds", ())) > 1
    spread = " Mean and standard deviation over seeds." if many else ""
    return {
        "title": "Figures",
        "columns": ["recipe", *heads, *sizes],
        "rows": rows,
        "muted": [index for index, row in enumerate(made.rows) if row.kind == "baseline"],
        "best": {column.head: "high" if column.better == "higher" else "low" for column in made.columns},
        "caption": f"Bold: the best of a column.{spread} Parameters are those of the method that serves; seconds a step are the "
        "median over training; memory is the peak of the whole process, or of the graphics card where one was used.",
    }


def _remarks(made: Comparison) -> list[Table]:
    rows = [[row.name, _shortened("; ".join(row.notes))] for row in made.rows if row.notes]
    return [{"title": "Remarks", "columns": ["recipe", "what went wrong, or is missing"], "rows": rows}] if rows else []


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN].rsplit(' ', 1)[0]} ..."


def _cell(cell: Cell | None) -> Any:
    if cell is None:
        return None
    return Spread(cell.value, cell.spread) if cell.spread is not None else cell.value


def _sections(made: Comparison) -> list[Section]:
    sections: list[Section] = []
    if made.notes:
        sections.append({"title": "To be known", "text": "\n\n".join(made.notes)})
    if made.protocols:
        sections.append({"title": "How it was measured", "text": "\n\n".join(made.protocols.values())})
    sections.append({"title": "Machine", "items": environment(), "closed": True})
    return sections


def _part(each: Entry, row: Row, out: Path, trials: Sequence[Placed]) -> Part:
    """Return what one recipe made of its pictures: the last preview of its first run."""
    own = [trial for trial in trials if trial.entry is each and trial.place.is_dir()]
    figures: list[Panel] = []
    for trial in own:
        previews = sorted((trial.place / "previews").glob("*.png"))
        if previews:
            step = int(previews[-1].stem.rpartition("-")[2])
            words = f"What it makes of the same few pictures; seed {trial.seed}, step {step:,}."
            figures.append(
                {"title": "After training", "picture": previews[-1].read_bytes(), "caption": words, "wide": True}
            )
            break
    part: Part = {"title": each.name, "figures": figures, "sections": []}
    words = [] if each.error else [str(each.plan.recipe.table.get("summary", ""))]
    part["summary"] = "\n\n".join([*words, *row.notes])
    sections: list[Section] = []
    if own:
        runs = {f"seed {trial.seed}": trial.place.relative_to(out).as_posix() for trial in own}
        sections.append({"title": "Runs, each with a page of its own", "items": runs})
    if not each.error:
        sections.append({"title": f"Recipe {each.written}", "items": each.plan.recipe.written, "closed": True})
    part["sections"] = sections
    return part
