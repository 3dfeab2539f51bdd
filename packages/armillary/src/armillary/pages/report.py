"""Page of a run or of a demo: one self-contained HTML file.

The input is plain data: strings, numbers, dicts, bytes of pictures. All text is escaped; pictures are embedded; the page's
security policy forbids scripts and external content, so that a page can be shared and opened safely.
"""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import NotRequired, TypedDict

from PIL import Image, UnidentifiedImageError

from armillary.drawing.charts import MINUS, line_chart, number
from armillary.drawing.sheets import write_whole

Value = object
"""A value in a table or a list of settings: text, a number, None, or a mapping or list of these."""


class Spread(float):
    """A number with its spread: shown as ``1.23 ± 0.04`` in a table, compared as the number."""

    def __new__(cls, value: float, spread: float) -> "Spread":
        """Return ``value`` with its ``spread``."""
        made = super().__new__(cls, value)
        made.spread = spread
        return made

    spread: float


class Panel(TypedDict):
    """A picture with title and caption.

    ``picture`` has the bytes of a PNG, WebP (also animated), JPEG or GIF file. Panels with a ``step`` are shown together, as
    the progress of training. ``wide`` puts a panel on a line of its own.
    """

    title: str
    picture: bytes
    caption: NotRequired[str]
    step: NotRequired[int]
    wide: NotRequired[bool]


class Curve(TypedDict):
    """Lines over steps: ``series`` maps a key of the rows to a name; ``levels`` are baselines. See ``line_chart``."""

    title: str
    rows: Sequence[Mapping[str, Value]]
    series: Mapping[str, str]
    x: NotRequired[str]
    x_label: NotRequired[str]
    y_label: NotRequired[str]
    levels: NotRequired[Mapping[str, float]]
    log: NotRequired[bool]
    caption: NotRequired[str]


class Table(TypedDict):
    """Rows of values under columns. Numbers are aligned right; the rows with an index in ``muted`` are baselines."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    caption: NotRequired[str]
    muted: NotRequired[Sequence[int]]
    best: NotRequired[Mapping[str, str]]


class Section(TypedDict):
    """Text under a title: paragraphs of ``text``, ``items`` by name, ``commands`` to type. ``closed`` folds the section.

    Items may be nested; they are shown with dotted names and every digit, in the form of ``--set``.
    """

    title: str
    text: NotRequired[str]
    items: NotRequired[Mapping[str, Value]]
    commands: NotRequired[Sequence[str]]
    closed: NotRequired[bool]


class Part(TypedDict):
    """The part of one method in a page that compares several."""

    title: str
    summary: NotRequired[str]
    facts: NotRequired[Mapping[str, Value]]
    figures: NotRequired[Sequence[Panel]]
    curves: NotRequired[Sequence[Curve]]
    tables: NotRequired[Sequence[Table]]
    sections: NotRequired[Sequence[Section]]


def write_report(
    path: Path | str,
    *,
    title: str,
    summary: str = "",
    facts: Mapping[str, Value] | None = None,
    figures: Sequence[Panel] = (),
    curves: Sequence[Curve] = (),
    tables: Sequence[Table] = (),
    sections: Sequence[Section] = (),
    parts: Sequence[Part] = (),
) -> Path:
    """Write the page atomically.

    Args:
        path: the HTML file.
        title: title of the page.
        summary: one or two sentences under the title; blank lines separate paragraphs.
        facts: short values by name, shown as tiles under the summary.
        figures: pictures; those without a ``step`` are shown first, the others in order of step.
        curves: losses and metrics over steps.
        tables: metrics beside their baselines.
        sections: settings, environment, commands.
        parts: one part per method of a page on several methods, after all of the above.

    Raises:
        ValueError: a picture has an unknown format.
    """
    whole: Part = {
        "title": title,
        "summary": summary,
        "facts": facts or {},
        "figures": figures,
        "curves": curves,
        "tables": tables,
        "sections": sections,
    }
    body = [f"<header><h1>{escape(title)}</h1>{_head(whole)}{_contents(parts)}</header>", _part(whole)]
    for index, part in enumerate(parts):
        head = f'<h2 class="part">{escape(part["title"])}</h2>{_head(part)}'
        body.append(f'<article id="part-{index + 1}">{head}{_part(part)}</article>')
    page = _PAGE.format(title=escape(title), style=_style(), body="\n".join(body))
    return write_whole(path, page.encode())


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _style() -> str:
    return files("armillary.pages").joinpath("report.css").read_text(encoding="utf-8")


def _head(part: Part) -> str:
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{_value(value)}</dd></div>" for name, value in part.get("facts", {}).items()
    )
    return _paragraphs(part.get("summary", "")) + (f'<dl class="facts">{tiles}</dl>' if tiles else "")


def _contents(parts: Sequence[Part]) -> str:
    links = "".join(f'<a href="#part-{k + 1}">{escape(part["title"])}</a>' for k, part in enumerate(parts))
    return f"<nav>{links}</nav>" if links else ""


def _part(part: Part) -> str:
    results = [figure for figure in part.get("figures", ()) if "step" not in figure]
    stages = sorted((f for f in part.get("figures", ()) if "step" in f), key=lambda f: f.get("step", 0))
    blocks = []
    if results:
        blocks.append('<section class="figures">' + "".join(map(_figure, results)) + "</section>")
    blocks += map(_table, part.get("tables", ()))
    if part.get("curves"):
        charts = "".join(map(_curve, part.get("curves", ())))
        blocks.append(f'<section><h3>Curves</h3><div class="charts">{charts}</div></section>')
    if stages:
        blocks.append(_stages(stages))
    blocks += map(_section, part.get("sections", ()))
    return "\n".join(blocks)


# --- figures -------------------------------------------------------------------------------------------------------

_COLUMN = 1040  # pixels, equal to the width in the style sheet
_SMALLEST = 0.55  # share of a picture's width below which it scrolls instead of shrinking


def _framed(figure: Panel, words: str, *, kind: str = "") -> str:
    """Return the HTML of a panel; a picture wider than the column of text may extend beyond it."""
    content = figure["picture"]
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "WEBP", "JPEG", "GIF")) as picture:
            (width, height), form = picture.size, str(picture.format).lower()
    except UnidentifiedImageError:
        raise ValueError(
            f"{figure['title']!r}: needs the bytes of a PNG, WebP, JPEG or GIF file, got bytes that begin with {content[:8]!r}"
        ) from None
    size = f'width="{width}" height="{height}" style="min-width:{round(_SMALLEST * width)}px"'
    source = f"data:image/{form};base64,{base64.b64encode(content).decode()}"
    image = f'<div class="scroll"><img src="{source}" {size} alt="{escape(figure["title"])}"></div>'
    kind = f"{kind} bleed".strip() if width > _COLUMN else kind
    opening = f'<figure class="{kind}">' if kind else "<figure>"
    return f"{opening}{image}<figcaption>{words}</figcaption></figure>"


def _figure(figure: Panel) -> str:
    words = f"<b>{escape(figure['title'])}</b> {escape(figure.get('caption', ''))}"
    return _framed(figure, words, kind="wide" if figure.get("wide") else "")


def _stages(figures: Sequence[Panel]) -> str:
    """Return the HTML of previews: the first and the last are visible, those between are folded."""
    shown = [_framed(f, f"<b>Step {f.get('step', 0):,}</b> {escape(f.get('caption', ''))}") for f in figures]
    between = "".join(shown[1:-1])
    if between:
        between = f"<details><summary>{len(shown) - 2} preview{'s' if len(shown) > 3 else ''} between</summary>{between}</details>"
    last = shown[-1] if len(shown) > 1 else ""
    return f'<section class="stages"><h3>Over time</h3>{shown[0]}{between}{last}</section>'


def _curve(curve: Curve) -> str:
    chart = line_chart(
        curve["rows"],
        curve["series"],
        x=curve.get("x", "step"),
        x_label=curve.get("x_label", ""),
        y_label=curve.get("y_label", ""),
        levels=curve.get("levels"),
        log=curve.get("log", False),
        title=curve["title"],
    )
    caption = _paragraphs(curve.get("caption", ""))
    return f'<figure class="chart"><figcaption><b>{escape(curve["title"])}</b></figcaption>{chart}{caption}</figure>'


def loss_curves(rows: Sequence[Mapping[str, Value]], *, terms: Mapping[str, str], total: str = "loss") -> list[Curve]:
    """Return one chart for the total and one per term, since the scales of terms differ.

    Args:
        rows: rows of ``metrics.jsonl``.
        terms: key in the rows to the name of the term.
        total: key of the total.
    """
    names = {total: "Loss"} | dict(terms) if any(total in row for row in rows) else dict(terms)
    return [{"title": name, "rows": rows, "series": {key: name}} for key, name in names.items()]


# --- tables and words ----------------------------------------------------------------------------------------------


def _table(table: Table) -> str:
    muted, best = set(table.get("muted", ())), table.get("best", {})
    head = "".join(
        f'<th scope="col"{_side(c, table["rows"])}>{escape(name)}{_arrow(best.get(name, ""))}</th>'
        for c, name in enumerate(table["columns"])
    )
    winners = {
        (r, c) for c, name in enumerate(table["columns"]) for r in _best_rows(table["rows"], c, best.get(name, ""))
    }
    body, quiet = "", ' class="muted"'
    for r, row in enumerate(table["rows"]):
        cells = ""
        for c, value in enumerate(row):
            text = f"<strong>{_value(value)}</strong>" if (r, c) in winners else _value(value)
            side = _side(c, table["rows"])
            cells += f'<th scope="row"{side}>{text}</th>' if c == 0 else f"<td{side}>{text}</td>"
        body += f"<tr{quiet if r in muted else ''}>{cells}</tr>"
    caption = f'<p class="caption">{escape(text)}</p>' if (text := table.get("caption")) else ""
    table_html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<section><h3>{escape(table["title"])}</h3><div class="scroll">{table_html}</div>{caption}</section>'


def _best_rows(rows: Sequence[Sequence[Value]], column: int, direction: str) -> list[int]:
    values = {r: row[column] for r, row in enumerate(rows) if _is_number(row[column])}
    if direction not in ("low", "high") or len(values) < 2:
        return []
    winner = (min if direction == "low" else max)(values.values())  # type: ignore[type-var]
    return [r for r, value in values.items() if value == winner]


def _arrow(direction: str) -> str:
    text = {"low": ("↓", "lower is better"), "high": ("↑", "higher is better")}.get(direction)
    return f' <span title="{text[1]}">{text[0]}</span>' if text else ""


def _side(column: int, rows: Iterable[Sequence[Value]]) -> str:
    return ' class="number"' if any(_is_number(row[column]) for row in rows) else ""


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _section(section: Section) -> str:
    inner = _paragraphs(section.get("text", ""))
    if section.get("items"):
        pairs = "".join(
            f"<div><dt>{_broken(name)}</dt><dd>{_exact(value)}</dd></div>"
            for name, value in _flat(section.get("items", {}))
        )
        inner += f'<dl class="items">{pairs}</dl>'
    if section.get("commands"):
        inner += f"<pre><code>{escape(chr(10).join(section.get('commands', ())))}</code></pre>"
    if section.get("closed"):
        return f"<section><details><summary><h3>{escape(section['title'])}</h3></summary>{inner}</details></section>"
    return f"<section><h3>{escape(section['title'])}</h3>{inner}</section>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def _flat(items: Mapping[str, Value], prefix: str = "") -> list[tuple[str, Value]]:
    """Return nested settings as a list with dotted names; entries of a list are counted from 0."""
    pairs: list[tuple[str, Value]] = []
    for name, value in items.items():
        if isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
            value = {str(k): one for k, one in enumerate(value)}
        if isinstance(value, Mapping) and value:
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs


def _exact(value: Value) -> str:
    """Return a setting in the form of ``--set``, with every digit of a number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple) and value:
        return ", ".join(map(_exact, value))
    return _value(value)


def _broken(text: str) -> str:
    """Return escaped text with line-break opportunities after the punctuation of ids and paths."""
    return re.sub("([:/._])", r"\1<wbr>", escape(text, quote=False))


def _value(value: Value) -> str:
    if value is None or value == "" or value == {} or value == []:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, Spread):
        return f"{number(value)} ± {number(value.spread)}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    return _broken(str(value))
